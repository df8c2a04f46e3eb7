/*-------------------------------------------------------------------------
 *
 * cancels.h
 *	  Events that cancel the runs of a function ("cancel" of its config; semantics.md 2.10).
 *
 * IDENTIFICATION
 *	  src/schedule/cancels.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CANCELS_H
#define INN_CANCELS_H

#include "run/lifecycle.h"
#include "store/events.h"

/* For how long an event cancels a run if its function does not say. */
#define INN_CANCEL_DEFAULT_USEC (INT64CONST(365) * USECS_PER_DAY)

/* A run of the function is to be created for the event: add to the list what cancels it. */
extern void inn_cancels_add(const InnRun *run, const InnFunction *function, const InnEvent *event,
							InnRunList *list);

#endif /* INN_CANCELS_H */
