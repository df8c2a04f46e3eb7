/*-------------------------------------------------------------------------
 *
 * due.h
 *	  What has come due: jobs that waited for their time, and pauses that nothing has ended in time.  For the scheduler.
 *
 * Each in a transaction of its own: when to look (which runs no query), collecting what becomes of it, and saying that it was
 * committed.
 *
 * IDENTIFICATION
 *	  src/schedule/due.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_DUE_H
#define INN_DUE_H

#include "run/changes.h"

extern TimestampTz inn_due_jobs(void);
extern void inn_due_jobs_collect(InnChanges *changes);
extern void inn_due_jobs_committed(void);

/* To be called when all events have been shown that came before: an event goes before a timeout. */
extern TimestampTz inn_due_pauses(void);
extern void inn_due_pauses_collect(InnChanges *changes);
extern void inn_due_pauses_committed(void);

#endif /* INN_DUE_H */
