/*-------------------------------------------------------------------------
 *
 * admit.h
 *	  May this event start a run of this function: now, later, or not at all?
 *
 * IDENTIFICATION
 *	  src/schedule/admit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ADMIT_H
#define INN_ADMIT_H

#include "run/lifecycle.h"
#include "store/events.h"

/* How long an event id starts no second run of a function (semantics.md 1.6). */
#define INN_IDEMPOTENCY_USEC (INT64CONST(24) * USECS_PER_HOUR)

/*
 * Decide on a run in the sender's transaction, without ever waiting for another: adds to the list the
 * run that is to be created, or queues the question for the scheduler.
 */
extern void inn_admit(const InnEvent *event, const InnFunction *function, InnRunList *runs);

/*
 * Start the function of a run once more, now, with the same event, from the beginning (from_step NULL) or from a step on, whose
 * input may be another (NULL: the same); returns the new run.  It has no idempotency: it can be repeated without limit (semantics.md 1.6).  ERRORs: ERRCODE_INN_RUN_NOT_FOUND, ERRCODE_INN_FUNCTION_NOT_FOUND if
 * the function was deleted, ERRCODE_INN_EVENT_GONE if retention has dropped the event; those of inn_restart_find().
 */
extern InnUlid inn_admit_again(const InnUlid *run_id, const char *from_step, Jsonb *input);

/*
 * Decide on what senders have queued, and what was debounced; for the scheduler, in a transaction of its own.  Returns when to
 * ask again: now if there may be more, INN_NEVER if there is nothing to decide.
 */
extern TimestampTz inn_admit_queued(InnChanges *changes);
extern void inn_admit_committed(void);

/* Start batches whose time is over; the same, but that asking when runs no query. */
extern TimestampTz inn_admit_batches_due(void);
extern void inn_admit_batches(InnChanges *changes);
extern void inn_admit_batches_committed(void);

#endif /* INN_ADMIT_H */
