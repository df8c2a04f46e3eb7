/*-------------------------------------------------------------------------
 *
 * finish.h
 *	  What a run that ends tells the world: inngest/function.finished and its like (protocol.md 11).
 *
 * IDENTIFICATION
 *	  src/run/finish.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_FINISH_H
#define INN_FINISH_H

#include "run/changes.h"

#define INN_EVENT_FINISHED "inngest/function.finished"
#define INN_EVENT_FAILED "inngest/function.failed"
#define INN_EVENT_CANCELLED "inngest/function.cancelled"
#define INN_EVENT_INVOKED "inngest/function.invoked"
#define INN_EVENT_TICK "inngest/scheduled.timer"

/*
 * Add the events of a run that has ended to what is to be sent: finished, and failed or cancelled if it was.  None for a run that was
 * started by the end or the failure of another, so that nobody goes round in circles.
 */
extern void inn_finish_announce(InnChanges *changes, const InnRunEnd *end, const InnEnding *ending);

/* Tell who has invoked a function that there is none of that name. */
extern void inn_finish_announce_missing(InnChanges *changes, const InnEvent *invocation,
										const char *target);

/* Tell who has invoked a function that its rate limit does not let it start. */
extern void inn_finish_announce_limited(InnChanges *changes, const InnEvent *invocation,
										const char *function_slug);

/*
 * What an invocation says of itself, in data._inngest: the function that is to be started, by its id or UUID, and what names the
 * step that waits for its end.  NULL if it does not.
 */
extern char *inn_event_invoked(const InnEvent *event);
extern char *inn_event_correlation(const InnEvent *event);

#endif /* INN_FINISH_H */
