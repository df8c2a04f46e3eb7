/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Ops that make a run wait: until a time, for an event, a signal, or another run.
 *
 * What is wrong with such an op ends the run as failed, because it would be wrong at every other attempt, too.
 *
 * IDENTIFICATION
 *	  src/run/wait.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_WAIT_H
#define INN_WAIT_H

#include "run/changes.h"
#include "run/op.h"
#include "store/apps.h"

typedef struct InnWaiting
{
	InnChanges *changes;
	const InnJob *job;
	const InnFunction *function;
	InnUlid event_id; /* of the event that the run was started by */
	const InnOp *op;
	bool is_grouped;
	bool is_race;
} InnWaiting;

/* Until when does a Sleep last?  False if it says so in no way that can be read, or for too long: the run fails. */
extern bool inn_wait_until(const InnWaiting *waiting, TimestampTz *until);

extern void inn_wait_for_event(const InnWaiting *waiting);
extern void inn_wait_for_signal(const InnWaiting *waiting);

/* Start another function, and wait for its end. */
extern void inn_wait_for_invoked(const InnWaiting *waiting);

/* The event that a run was started by, as the expressions of its pauses see it; of one that is not kept any more, nothing. */
extern Jsonb *inn_pause_starting_event(const InnUlid *event_id);

/*
 * Look a pause up by value, if its expression allows that: sets path and value_hash.  event is the one that has started the
 * run.  False, with a sentence, if it is no expression that can be tried.
 */
extern bool inn_pause_set_key(InnPause *pause, Jsonb *event, const char **error);

/* The key of a pause for the end of a run that was invoked. */
extern void inn_pause_set_correlation(InnPause *pause, const char *correlation);

#endif /* INN_WAIT_H */
