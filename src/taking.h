/*-------------------------------------------------------------------------
 *
 * taking.h
 *	  Takes jobs, and calls their apps; part of the executor.
 *
 * IDENTIFICATION
 *	  src/taking.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TAKING_H
#define INN_TAKING_H

#include "datatype/timestamp.h"

extern void inn_taking_init(int index);

/* inngest.executors may have changed. */
extern void inn_taking_note_settings(void);

/* Call apps for the jobs that are next, or make jobs ready for which there is a place now.  True if there may be more at once. */
extern bool inn_taking_take(void);
extern bool inn_taking_release(void);

/* Jobs that were left (inn_attempt_leave()) are to be read again then. */
extern void inn_taking_reread(TimestampTz when);

/* When to take or to release again, whatever else happens. */
extern TimestampTz inn_taking_due(void);

/* All flights are given up; their jobs are in the table. */
extern void inn_taking_start_over(void);

#endif /* INN_TAKING_H */
