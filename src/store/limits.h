/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  Counters and windows of flow control: tables inngest.rates and debounces.
 *
 * Only the scheduler calls these, so what is read stays what it is until it is written.
 *
 * IDENTIFICATION
 *	  src/store/limits.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_LIMITS_H
#define INN_LIMITS_H

#include "store/sql.h"

/* What a limit is used up for: a function, and what its key came to. */
typedef struct InnLimitKey
{
	pg_uuid_t function_id;
	pg_uuid_t key;
} InnLimitKey;

/* Kinds of rates. */
#define INN_RATE_LIMIT "limit"
#define INN_RATE_THROTTLE "throttle"

/* Until when a rate is used up, in nanoseconds since 2000; the least number if it never was. */
extern int64 inn_rates_read(const InnLimitKey *key, const char *kind);
extern void inn_rates_put(const InnLimitKey *key, const char *kind, int64 busy_until);

typedef struct InnDebounce
{
	InnLimitKey key;
	InnUlid event_id;
	TimestampTz ts; /* of the event */
	bool is_paused;
	TimestampTz fire_at;
	TimestampTz latest_at; /* INN_NEVER: not bounded */
} InnDebounce;

/* False if there is none. */
extern bool inn_debounces_read(const InnLimitKey *key, InnDebounce *debounce);

/* Instead of the one with the same key. */
extern void inn_debounces_put(const InnDebounce *debounce);

/* Take up to max that are due, earliest first; and when the next one is, INN_NEVER if there is none. */
extern int inn_debounces_take(TimestampTz now, int max, InnDebounce *debounces);
extern TimestampTz inn_debounces_next(void);

#endif /* INN_LIMITS_H */
