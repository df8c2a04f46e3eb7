/*-------------------------------------------------------------------------
 *
 * restart.h
 *	  Repeating a run from one of its steps on (protocol.md 13.3).
 *
 * IDENTIFICATION
 *	  src/schedule/restart.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_RESTART_H
#define INN_RESTART_H

#include "store/apps.h"
#include "store/runs.h"
#include "store/steps.h"

/* Where to begin. */
typedef struct InnRestart
{
	InnUlid run_id;		/* that is repeated */
	InnStepPlace place; /* the step */
	const char *input;	/* canonical array, for it instead of what the code says; NULL: none */
} InnRestart;

/*
 * Find a step of a run of an app, by its hash, by the id in the code or by what people see.  ERRORs: ERRCODE_FEATURE_NOT_SUPPORTED if
 * it is not of an app, or the step or the SDK takes no input; ERRCODE_INN_STEP_NOT_FOUND;
 * ERRCODE_INN_PARAMETER_INVALID if several steps are meant, or the input is no array or too large.
 */
extern void inn_restart_find(const InnUlid *run_id, const InnFunction *function, const char *step,
							 Jsonb *input, InnRestart *restart);

/* What the new run is called for first. */
extern void inn_restart_aim(const InnRestart *restart, InnRun *run);

/* Give the new run what had come before. */
extern void inn_restart_copy(const InnRestart *restart, const InnUlid *run_id);

#endif /* INN_RESTART_H */
