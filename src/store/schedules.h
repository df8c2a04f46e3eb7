/*-------------------------------------------------------------------------
 *
 * schedules.h
 *	  When cron triggers fire next: table inngest.schedules.
 *
 * IDENTIFICATION
 *	  src/store/schedules.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SCHEDULES_H
#define INN_SCHEDULES_H

#include "store/apps.h"

typedef struct InnSchedule
{
	pg_uuid_t function_id;
	const char *cron;
	int64 jitter_usec; /* 0: none */
	TimestampTz next_at;
} InnSchedule;

/*
 * Have exactly the cron triggers of a definition; NULL: none.  What was scheduled before stays so, unless it is later
 * than the next time from now, and what is new begins from now.  Wakes the scheduler in time.
 */
extern void inn_schedules_replace(const pg_uuid_t *function_id, const InnDefinition *definition);

/* The same of a definition that has not changed: puts right what is scheduled too late. */
extern void inn_schedules_put(const pg_uuid_t *function_id, const InnDefinition *definition);

/* Lock and read up to max that are due and that nobody else has locked, the oldest first. */
extern int inn_schedules_lock_due(TimestampTz now, int max, InnSchedule *schedules);

/* Move one on; INN_NEVER if it never fires again. */
extern void inn_schedules_move(const InnSchedule *schedule, TimestampTz next_at);

/* Read up to max in the order of their keys, from the first or (not NULL) after another. */
extern int inn_schedules_read(const InnSchedule *after, int max, InnSchedule *schedules);

/* Have one fire sooner; false if it does already, or somebody else has locked it. */
extern bool inn_schedules_bring_forward(const InnSchedule *schedule, TimestampTz next_at);

/* When the next is due; INN_NEVER if there is none. */
extern TimestampTz inn_schedules_next(void);

#endif /* INN_SCHEDULES_H */
