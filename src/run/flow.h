/*-------------------------------------------------------------------------
 *
 * flow.h
 *	  What the config of a function says of flow control, and the keys that it makes of events.
 *
 * Configs have been judged (ingest/flow.c), so reading one finds no faults: what is not as it should be counts as not there.
 *
 * IDENTIFICATION
 *	  src/run/flow.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_RUN_FLOW_H
#define INN_RUN_FLOW_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "cel/cel.h"

/* Seconds by which a run can go before those that were queued earlier, or after those that were queued later. */
#define INN_PRIORITY_MAX_S 43200

/* So many in a period; what counts together has the same key. */
typedef struct InnRate
{
	int64 limit; /* 0: none */
	int64 period_usec;
	int64 burst;
	const char *key; /* expression; NULL: all count together */
} InnRate;

#define INN_FLOW_STEP_LIMITS 2

/* So many calls at a time. */
typedef struct InnConcurrency
{
	int limit;		 /* more than 0 */
	char scope;		 /* f: of the function; e, a: all functions with the same key */
	const char *key; /* NULL: none; then the scope is f */
} InnConcurrency;

typedef struct InnDebouncing
{
	int64 period_usec;	/* 0: no debouncing */
	int64 timeout_usec; /* 0: none */
	const char *key;
} InnDebouncing;

/* Events that start one run together. */
typedef struct InnBatching
{
	int max_events; /* 0: no batches */
	int64 timeout_usec;
	const char *key;
	const char *condition; /* NULL: all; else others start a run each */
} InnBatching;

typedef struct InnSingleton
{
	enum
	{
		INN_SINGLETON_NONE,
		INN_SINGLETON_SKIP,	 /* the new run */
		INN_SINGLETON_CANCEL /* the old one */
	} mode;
	const char *key;
} InnSingleton;

/* Texts live in the context of whoever has read it; expressions are over event. */
typedef struct InnFlow
{
	const char *priority; /* expression; NULL: none */
	InnRate rate_limit;	  /* what idempotency means, too */
	InnRate throttle;
	InnDebouncing debounce;
	InnBatching batch;
	InnSingleton singleton;
	InnConcurrency steps[INN_FLOW_STEP_LIMITS];
	int nsteps;
	InnConcurrency runs; /* in progress, of the function; its limit is 0: none */
} InnFlow;

extern void inn_flow_read(Jsonb *config, InnFlow *flow);

/* Must the scheduler decide whether an event starts a run, because it has to look at what went before? */
extern bool inn_flow_is_stateful(const InnFlow *flow);

/* Does a run have to be remembered for more than itself (store/controls.h)? */
extern bool inn_flow_has_controls(const InnFlow *flow);

/*
 * What an expression comes to for an event, as text: strings as they are, numbers in their shortest form, others as canonical JSON
 * (cel.md 12).  NULL, with *fault filled, if it fails.  A key that is missing as a whole is "false", and so is false.  *is_off, which may
 * be NULL, says that it was false, and no text: that turns a rate limit or a singleton off.
 */
extern char *inn_flow_key(const char *expression, Jsonb *event, bool *is_off, InnCelFault *fault);
#define INN_FLOW_KEY_FALSE "false"

/* Is the condition true for an event?  False if it fails, too. */
extern bool inn_flow_is_true(const char *condition, Jsonb *event);

/* What names a limit by a key, so that one that is changed is another: "f:event.data.k". */
extern char *inn_flow_limit_name(const InnConcurrency *limit);

/* What calls count together by: the same for all that do.  value is what the key came to; NULL without a key. */
extern void inn_flow_slot_key(const InnConcurrency *limit, const pg_uuid_t *function_id,
							  const char *value, pg_uuid_t *key);

/* The same for runs in progress. */
extern void inn_flow_place(const InnConcurrency *limit, const pg_uuid_t *function_id,
						   const char *value, pg_uuid_t *place);

/* The priority of a run for an event, in seconds: 0 if there is none, or it is no integer. */
extern int inn_flow_priority(const InnFlow *flow, Jsonb *event);

#endif /* INN_RUN_FLOW_H */
