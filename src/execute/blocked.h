/*-------------------------------------------------------------------------
 *
 * blocked.h
 *	  Jobs that are beyond a limit of concurrency: put aside, and made ready when a place is free.
 *
 * All in the transaction of the caller.
 *
 * IDENTIFICATION
 *	  src/execute/blocked.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BLOCKED_H
#define INN_BLOCKED_H

#include "execute/dispatch.h"
#include "execute/lanes.h"

/* A job that is to be put aside. */
typedef struct InnBlocked
{
	InnJob job; /* without its texts */
	InnSlot slot;
	int64 rank;
} InnBlocked;

/* The places that a job takes up, by the newest config of its function; room for INN_DISPATCH_MAX_SLOTS. */
extern int inn_blocked_slots(const pg_uuid_t *function_id, const InnControls *controls,
							 InnSlot *slots);

extern void inn_blocked_put_aside(const InnBlocked *blocked, int nblocked);

/* It was committed. */
extern void inn_blocked_committed(const InnBlocked *blocked, int nblocked);

/* Have all keys looked at that jobs wait for: limits may have changed, or who was to do it is gone. */
extern void inn_blocked_look_at_all(void);

/* When there is something to look at.  Runs no query. */
extern TimestampTz inn_blocked_due(void);

/* Make jobs ready for which there is a place; and it was committed.  If that fails, all is looked at again. */
extern void inn_blocked_release(void);
extern void inn_blocked_released(void);

#endif /* INN_BLOCKED_H */
