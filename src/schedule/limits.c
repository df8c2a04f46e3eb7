/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Flow control that looks at what went before.
 *
 * Rates are kept as GCRA does: what was let through is thought of as done one after the other, each taking its share of the period;
 * who comes may be ahead of that by a certain tolerance.  Times are nanoseconds since 2000, because a period may be shared by many.
 *
 * Keys that fail mean different things (cel.md 10): no run at all for a rate limit, the same bucket for all others.
 *
 * IDENTIFICATION
 *	  src/schedule/limits.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"

#include "base/ident.h"
#include "base/timer.h"
#include "run/finish.h"
#include "schedule/limits.h"
#include "store/runs.h"

#define NSECS_PER_USEC INT64CONST(1000)

/* Of a rate limit, one in so many may come at once. */
#define BURST_SHARE 10

/* For how long an event id that was let through spends no further token. */
#define SPENT_USEC (INT64CONST(30) * USECS_PER_MINUTE)

/* A debounced run starts so long after its window, as the original does. */
#define DEBOUNCE_GRACE_USEC (INT64CONST(1050) * 1000)

/* A batch whose events are larger is full, as in the original. */
#define BATCH_MAX_BYTES (10 * 1024 * 1024)

/* What is throttled until then never starts; far enough from the last time there is, to go on reckoning. */
#define THE_END_NS (PG_INT64_MAX - USECS_PER_SEC * NSECS_PER_USEC)

/* Of events whose key fails, so that they are not lost. */
#define KEY_FAULTY "<invalid>"

static InnLimitKey key_for(const InnEntry *entry, const char *text);
static InnLimitKey key_to_gather_by(const InnEntry *entry, const char *expression);
static bool was_let_through(const InnEntry *entry, pg_uuid_t *id);
static bool spend(const InnLimitKey *key, const InnRate *rate, TimestampTz now);
static TimestampTz fire_time(const InnEntry *entry, const InnDebounce *debounce);
static int64 window_of(const InnEntry *entry, TimestampTz latest_at);

/* NULL: there is no key. */
static InnLimitKey
key_for(const InnEntry *entry, const char *text)
{
	InnLimitKey key = {.function_id = entry->function->id};

	if (text != NULL)
		inn_idempotency_key(text, &key.key);
	return key;
}

static InnLimitKey
key_to_gather_by(const InnEntry *entry, const char *expression)
{
	const char *text = NULL;
	InnCelFault fault;

	if (expression != NULL)
	{
		text = inn_flow_key(expression, entry->json, NULL, &fault);
		if (text == NULL)
			text = KEY_FAULTY;
	}
	return key_for(entry, text);
}

/* ---- rate limits ---- */

InnRateVerdict
inn_rate_limit_spend(const InnEntry *entry)
{
	const InnRate *rate = &entry->flow->rate_limit;
	char *text = NULL;
	InnLimitKey key;
	InnCelFault fault;
	pg_uuid_t id;
	bool is_off;

	if (rate->limit == 0)
		return INN_RATE_FREE;
	if (rate->key != NULL)
	{
		text = inn_flow_key(rate->key, entry->json, &is_off, &fault);
		if (text == NULL)
		{
			ereport(LOG,
					errcode(fault.sqlerrcode),
					errmsg("inngest does not start function \"%s\" for an event, because the key of its rate limit failed: %s",
						   entry->function->slug, fault.message));
			return INN_RATE_FAULTY;
		}
		if (is_off)
			return INN_RATE_FREE;
	}
	if (was_let_through(entry, &id))
		return INN_RATE_FREE;
	key = key_for(entry, text);
	if (!spend(&key, rate, entry->now))
		return INN_RATE_LIMITED;
	if (entry->event->caller_id != NULL)
		(void) inn_idempotency_put(&entry->function->id, &id, &entry->event->id, entry->now,
								   entry->now + SPENT_USEC);
	return INN_RATE_FREE;
}

/* Remembered as other ids are, under another name. */
static bool
was_let_through(const InnEntry *entry, pg_uuid_t *id)
{
	if (entry->event->caller_id == NULL)
		return false;
	inn_idempotency_key(psprintf("rate limit %s", entry->event->caller_id), id);
	return inn_idempotency_exists(&entry->function->id, id, entry->now);
}

static bool
spend(const InnLimitKey *key, const InnRate *rate, TimestampTz now)
{
	int64 now_ns = now * NSECS_PER_USEC;
	int64 share = rate->period_usec * NSECS_PER_USEC / rate->limit;
	int64 tolerance = share * (rate->limit / BURST_SHARE + 1);
	int64 busy_until = Max(inn_rates_read(key, INN_RATE_LIMIT), now_ns) + share;

	if (now_ns < busy_until - tolerance)
		return false;
	inn_rates_put(key, INN_RATE_LIMIT, busy_until);
	return true;
}

/* ---- debouncing ---- */

/*
 * The window is open until its run starts, so an event that comes in the last moment still counts; and it keeps its bound (semantics.md
 * 9, Q6 and Q7).
 */
void
inn_debounce_keep(const InnEntry *entry)
{
	const InnDebouncing *config = &entry->flow->debounce;
	InnLimitKey key = key_to_gather_by(entry, config->key);
	InnDebounce debounce;

	if (!inn_debounces_read(&key, &debounce))
		debounce = (InnDebounce){
			.key = key,
			.latest_at = config->timeout_usec > 0 ? entry->now + config->timeout_usec : INN_NEVER,
		};
	else if (entry->event->ts < debounce.ts)
		return;
	debounce.event_id = entry->event->id;
	debounce.ts = entry->event->ts;
	debounce.is_paused = entry->function->is_paused;
	debounce.fire_at = fire_time(entry, &debounce);
	inn_debounces_put(&debounce);
}

/*
 * After the bound no event puts the run off, or events that keep coming would do so for ever.  A time that has passed
 * means the next tick.
 */
static TimestampTz
fire_time(const InnEntry *entry, const InnDebounce *debounce)
{
	TimestampTz fire_at = entry->now + window_of(entry, debounce->latest_at) + DEBOUNCE_GRACE_USEC;

	if (debounce->latest_at == INN_NEVER)
		return fire_at;
	if (entry->now > debounce->latest_at)
		fire_at = debounce->fire_at;
	return Min(fire_at, debounce->latest_at + DEBOUNCE_GRACE_USEC);
}

/* In whole seconds, and at least one. */
static int64
window_of(const InnEntry *entry, TimestampTz latest_at)
{
	int64 window = entry->flow->debounce.period_usec;

	if (latest_at != INN_NEVER)
		window = Min(window, latest_at - entry->now);
	return Max(window / USECS_PER_SEC, 1) * USECS_PER_SEC;
}

/* ---- batches ---- */

bool
inn_batch_keep(const InnEntry *entry, InnBatch *batch, bool *is_full)
{
	const InnBatching *config = &entry->flow->batch;
	InnLimitKey key;

	*is_full = false;
	if (config->max_events == 0 || strcmp(entry->event->name, INN_EVENT_TICK) == 0 ||
		(config->condition != NULL && !inn_flow_is_true(config->condition, entry->json)))
		return false;
	key = key_to_gather_by(entry, config->key);
	if (!inn_batches_read(&key, batch))
	{
		*batch = (InnBatch){.key = key, .fire_at = entry->now + config->timeout_usec};
		inn_ulid_generate(&batch->id);
	}
	inn_batches_add_event(batch, &entry->event->id, (int) VARSIZE(entry->json));
	batch->nevents++;
	batch->bytes += VARSIZE(entry->json);
	*is_full = batch->nevents >= config->max_events || batch->bytes >= BATCH_MAX_BYTES;
	if (!*is_full)
		inn_batches_put(batch);
	else if (batch->nevents > 1)
		inn_batches_close(&key);
	return true;
}

/* ---- throttling ---- */

InnLimitKey
inn_throttle_key(const InnEntry *entry)
{
	const char *expression = entry->flow->throttle.key;
	const char *text = NULL;
	InnCelFault fault;

	if (expression != NULL)
	{
		text = inn_flow_key(expression, entry->json, NULL, &fault);
		if (text == NULL)
			text = INN_FLOW_KEY_FALSE;
	}
	return key_for(entry, text);
}

TimestampTz
inn_throttle_start(const InnRate *rate, const InnLimitKey *key, TimestampTz when)
{
	int64 capacity = rate->limit + rate->burst;
	int64 share;
	int64 busy_until;
	int64 tolerance;
	int64 start_ns;

	if (rate->limit == 0)
		return when;
	share = rate->period_usec * NSECS_PER_USEC / rate->limit;
	busy_until = Max(inn_rates_read(key, INN_RATE_THROTTLE), when * NSECS_PER_USEC);
	if (pg_add_s64_overflow(busy_until, share, &busy_until))
		busy_until = THE_END_NS;
	inn_rates_put(key, INN_RATE_THROTTLE, busy_until);
	if (pg_mul_s64_overflow(share, capacity, &tolerance))
		return when;
	start_ns = busy_until - tolerance;
	return Max(when, (start_ns + NSECS_PER_USEC - 1) / NSECS_PER_USEC);
}

/* ---- singletons ---- */

bool
inn_singleton_key(const InnEntry *entry, pg_uuid_t *key)
{
	const InnSingleton *config = &entry->flow->singleton;
	const char *text = "";
	char function[INN_UUID_TEXT_SIZE];
	InnCelFault fault;
	bool is_off;

	if (config->mode == INN_SINGLETON_NONE)
		return false;
	if (config->key != NULL)
	{
		text = inn_flow_key(config->key, entry->json, &is_off, &fault);
		if (text == NULL || is_off)
			return false;
		text = psprintf("-%s", text);
	}
	inn_uuid_format(&entry->function->id, function);
	inn_idempotency_key(psprintf("%s%s", function, text), key);
	return true;
}
