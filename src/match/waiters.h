/*-------------------------------------------------------------------------
 *
 * waiters.h
 *	  Which waiting runs does an event concern, and what becomes of them (semantics.md 3.3, 3.4).
 *
 * All is called between inn_sql_begin() and inn_sql_end(); what becomes of runs is collected (run/changes.h).
 *
 * IDENTIFICATION
 *	  src/match/waiters.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_WAITERS_H
#define INN_WAITERS_H

#include "run/changes.h"

/* Events that are shown one after the other. */
typedef struct InnShowing
{
	InnChanges *changes;
	uint64 xact;   /* that has sent the event */
	InnUlid after; /* runs up to this one have seen it */
	bool
		is_careful; /* leave all that follows to inn_waiters_collect(), because one of the runs makes trouble */

	/* where keys of pauses for events of this name look; NULL at first */
	const char *name;
	char **paths;
	int npaths;
} InnShowing;

/*
 * Show an event to the runs beyond showing->after that may be waiting for it.  Stops when *budget is used up: false, then
 * there are more, and showing->after says how far it has come.
 */
extern bool inn_waiters_show(InnShowing *showing, const InnEvent *event, int *budget);

/*
 * Runs that an event has concerned while they were busy: when to try them again, doing that, and that it was committed.  For the
 * scheduler.
 */
extern TimestampTz inn_waiters_due(void);
extern void inn_waiters_collect(InnChanges *changes);
extern void inn_waiters_committed(void);

#endif /* INN_WAITERS_H */
