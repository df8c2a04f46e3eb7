/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  Flow control that looks at what went before: rate limits, debouncing, batches, throttling, singletons.
 *
 * For the scheduler, who decides on events in the order of their admissions.  What is decided is written, and counts for the next one
 * in the same transaction.
 *
 * IDENTIFICATION
 *	  src/schedule/limits.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SCHEDULE_LIMITS_H
#define INN_SCHEDULE_LIMITS_H

#include "run/flow.h"
#include "store/apps.h"
#include "store/batches.h"
#include "store/events.h"
#include "store/limits.h"

/* An event that a function may be started by. */
typedef struct InnEntry
{
	const InnEvent *event;
	const InnFunction *function;
	const InnFlow *flow;
	Jsonb *json; /* the event */
	TimestampTz now;
} InnEntry;

typedef enum InnRateVerdict
{
	INN_RATE_FREE,
	INN_RATE_LIMITED,
	INN_RATE_FAULTY /* its key failed: that was logged */
} InnRateVerdict;

/* Spend a token of the rate limit; free if there is none.  An event id that was let through is, for half an hour, and spends nothing. */
extern InnRateVerdict inn_rate_limit_spend(const InnEntry *entry);

/* Keep the event until no other has come for a while. */
extern void inn_debounce_keep(const InnEntry *entry);

/*
 * Gather the event with others; false if it is not one to be gathered, as ticks of timetables never are.  If the batch is full now it is closed, and *is_full: its
 * run is to be created.
 */
extern bool inn_batch_keep(const InnEntry *entry, InnBatch *batch, bool *is_full);

/* What runs of the function are throttled together by. */
extern InnLimitKey inn_throttle_key(const InnEntry *entry);

/* When the throttle lets a run start that could start at a time; it counts as started then.  That time itself, if there is no throttle. */
extern TimestampTz inn_throttle_start(const InnRate *rate, const InnLimitKey *key,
									  TimestampTz when);

/* What the run would hold as the only one of its function and key; false if it is no singleton. */
extern bool inn_singleton_key(const InnEntry *entry, pg_uuid_t *key);

#endif /* INN_SCHEDULE_LIMITS_H */
