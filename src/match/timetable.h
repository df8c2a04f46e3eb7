/*-------------------------------------------------------------------------
 *
 * timetable.h
 *	  From a time to the functions that it starts.
 *
 * IDENTIFICATION
 *	  src/match/timetable.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TIMETABLE_H
#define INN_TIMETABLE_H

#include "datatype/timestamp.h"

/*
 * Fire cron triggers that are due; for the scheduler, in a transaction of its own.  Returns when to ask again: now
 * if there may be more, INN_NEVER if nothing is scheduled.
 */
extern TimestampTz inn_timetable_run(void);

/*
 * Bring forward what is scheduled later than it can be, as its time zone was not known for a while or the clock was ahead
 * (semantics.md 1.5: chains heal themselves); for the scheduler, once in a while, in a transaction of its own.  False if there are
 * no cron triggers.
 */
extern bool inn_timetable_check(void);

#endif /* INN_TIMETABLE_H */
