/*-------------------------------------------------------------------------
 *
 * resume.h
 *	  Showing events to waiting runs, after they were committed: what is in inngest.deliveries.  For the scheduler.
 *
 * IDENTIFICATION
 *	  src/match/resume.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_RESUME_H
#define INN_RESUME_H

#include "run/changes.h"

/* When to look.  Runs no query. */
extern TimestampTz inn_resume_due(void);

/* Show the next events, in a transaction of its own, and say that it was committed. */
extern void inn_resume_collect(InnChanges *changes);
extern void inn_resume_committed(void);

/* Are there events, as far as is known, that have not been shown yet? */
extern bool inn_resume_is_behind(void);

#endif /* INN_RESUME_H */
