/*-------------------------------------------------------------------------
 *
 * steps.h
 *	  Recorded results of steps: table inngest.steps.
 *
 * IDENTIFICATION
 *	  src/store/steps.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_STEPS_H
#define INN_STEPS_H

#include "store/sql.h"

/* Most bytes of a run's memos together, and most steps of a run (protocol.md 9.5). */
#define INN_STATE_MAX_BYTES (32 * 1024 * 1024)
#define INN_STEPS_MAX 1000

/* Memos that are larger, and those of runs that are read together with much else, are read one by one, by who needs them. */
#define INN_MEMO_SMALL_BYTES (64 * 1024)
#define INN_MEMOS_TOGETHER_BYTES (16 * 1024 * 1024)

typedef struct InnStep
{
	InnUlid run_id;
	const char *id;
	const char *op; /* run, sleep, wait, signal, invoke, ai, fetch */
	const char *name;
	const char *memo; /* canonical JSON; when read: NULL if it has still to be read */
	int32 size;		  /* of memo */
	int attempt;
	TimestampTz started_at;
	TimestampTz ended_at;
	bool is_new; /* set by inn_steps_insert(): there was none of this id, so this is it now */
} InnStep;

/* Most steps that inn_steps_find() finds. */
#define INN_STEP_PLACES_MAX 10

/* A step among those of its run, perhaps one that has not ended. */
typedef struct InnStepPlace
{
	const char *id;
	const char *name;
	bool is_run;		  /* the function runs it */
	int64 position;		  /* PG_INT64_MAX: it has not ended */
	const char *after_id; /* the last step that had ended before; NULL: none */
} InnStepPlace;

/* How much a run has recorded. */
typedef struct InnStateSize
{
	int nsteps;
	int64 bytes;
} InnStateSize;

/* Record results, in order.  What is recorded already stays as it is. */
extern void inn_steps_insert(InnStep *steps, int nsteps);

/* Is anything else recorded for one of these steps of a run?  Those of which nothing is recorded do not count. */
extern bool inn_steps_contradict(const InnStep *steps, int nsteps);

/*
 * Read the steps of runs, for each run in the order in which they ended; *count is set.  Only run_id, id, memo
 * and size are set.  palloc'ed in the current context.
 */
extern InnStep *inn_steps_read(const InnUlid *run_ids, int nruns, int *count);

/* The memo of one step, palloc'ed; NULL if there is none. */
extern char *inn_steps_memo(const InnUlid *run_id, const char *id);

/* Which steps of a run have ended, are to be called for, sleep or wait: sets begun[i]. */
extern void inn_steps_begun(const InnUlid *run_id, const char *const *ids, int nids, bool *begun);

/* Which steps of a run have ended: sets recorded[i]. */
extern void inn_steps_recorded(const InnUlid *run_id, const char *const *ids, int nids,
							   bool *recorded);

/* Find steps of a run whose id is one of two, or that are called like the first; palloc'ed, *count is set. */
extern InnStepPlace *inn_steps_find(const InnUlid *run_id, const char *wanted, const char *hash,
									int *count);

/* Record for a run what another had recorded before a position, in its order. */
extern void inn_steps_copy(const InnUlid *from, const InnUlid *to, int64 before);

extern InnStateSize inn_steps_size(const InnUlid *run_id);

#endif /* INN_STEPS_H */
