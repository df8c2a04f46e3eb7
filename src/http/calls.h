/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  Requests that API workers answer.
 *
 * IDENTIFICATION
 *	  src/http/calls.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CALLS_H
#define INN_CALLS_H

#include "base/timer.h"
#include "http/routes.h"

/* Longest time that a request waits; those for a lease say less. */
#define INN_MAX_WAIT_USEC (INT64CONST(300) * USECS_PER_SEC)

extern void inn_calls_init(void);

/* Have a function called for a request; it is replied to when the answer comes. */
extern void inn_calls_make(InnRequest *request, const InnTarget *target);

/* Reply to what has been answered, give up on what was not, ask again for those who wait.  True if any. */
extern bool inn_calls_serve_answers(void);

/* When to look again at the latest. */
extern TimestampTz inn_calls_deadline(void);

/* Does anybody wait for a run, or may he soon? */
extern bool inn_calls_want_runs(void);

/* The connections are about to be closed: nobody waits for the answers any more. */
extern void inn_calls_abandon(void);

#endif /* INN_CALLS_H */
