/*-------------------------------------------------------------------------
 *
 * flow.c
 *	  What the config of a function says of flow control.
 *
 * IDENTIFICATION
 *	  src/run/flow.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/ident.h"
#include "base/jcs.h"
#include "base/json.h"
#include "base/when.h"
#include "run/flow.h"

/* An idempotency expression is a rate limit (semantics.md 0.4). */
#define IDEMPOTENCY_PERIOD_USEC USECS_PER_DAY

/* Of a batch that does not say. */
#define BATCH_TIMEOUT_USEC USECS_PER_MINUTE

static bool enter(JsonbContainer *object, const char *key, JsonbContainer **out);
static const char *text_of(JsonbContainer *object, const char *key);
static int64 integer_of(JsonbContainer *object, const char *key);
static int64 duration_of(JsonbContainer *object, const char *key);
static void read_throttle(JsonbContainer *object, InnRate *rate);
static void read_batching(JsonbContainer *object, InnBatching *batch);
static void read_singleton(JsonbContainer *object, InnSingleton *singleton);
static void read_concurrency(JsonbContainer *config, InnFlow *flow);
static bool read_parts(JsonbContainer *object, InnFlow *flow);
static void read_limits(const JsonbValue *value, InnFlow *flow);
static void read_limit(JsonbContainer *object, InnFlow *flow);
static void read_rate_limit(JsonbContainer *config, InnRate *rate);
static void make_key(const char *what, const InnConcurrency *limit, const pg_uuid_t *function_id,
					 const char *value, pg_uuid_t *key);
static Jsonb *evaluate(const char *expression, Jsonb *event, InnCelFault *fault);
static char *text_of_scalar(Jsonb *value, InnCelFault *fault);

void
inn_flow_read(Jsonb *config, InnFlow *flow)
{
	JsonbContainer *object;

	memset(flow, 0, sizeof(*flow));
	if (enter(&config->root, "priority", &object))
		flow->priority = text_of(object, "run");
	read_rate_limit(&config->root, &flow->rate_limit);
	if (enter(&config->root, "throttle", &object))
		read_throttle(object, &flow->throttle);
	if (enter(&config->root, "debounce", &object))
		flow->debounce = (InnDebouncing){
			.period_usec = duration_of(object, "period"),
			.timeout_usec = duration_of(object, "timeout"),
			.key = text_of(object, "key"),
		};
	if (enter(&config->root, "batchEvents", &object))
		read_batching(object, &flow->batch);
	if (enter(&config->root, "singleton", &object))
		read_singleton(object, &flow->singleton);
	read_concurrency(&config->root, flow);
}

/* An empty object is left out; a limit of 0 is one of 1, and only whole seconds count. */
static void
read_throttle(JsonbContainer *object, InnRate *rate)
{
	if (JsonContainerSize(object) == 0)
		return;
	*rate = (InnRate){
		.limit = Max(integer_of(object, "limit"), 1),
		.period_usec = Max(duration_of(object, "period") / USECS_PER_SEC, 1) * USECS_PER_SEC,
		.burst = integer_of(object, "burst"),
		.key = text_of(object, "key"),
	};
}

static void
read_batching(JsonbContainer *object, InnBatching *batch)
{
	*batch = (InnBatching){
		.max_events = (int) integer_of(object, "maxSize"),
		.timeout_usec = duration_of(object, "timeout"),
		.key = text_of(object, "key"),
		.condition = text_of(object, "if"),
	};
	if (batch->timeout_usec == 0)
		batch->timeout_usec = BATCH_TIMEOUT_USEC;
}

static void
read_singleton(JsonbContainer *object, InnSingleton *singleton)
{
	const char *mode = text_of(object, "mode");

	if (mode == NULL)
		return;
	singleton->mode = pg_strcasecmp(mode, "cancel") == 0 ? INN_SINGLETON_CANCEL
														 : INN_SINGLETON_SKIP;
	singleton->key = text_of(object, "key");
}

static bool
enter(JsonbContainer *object, const char *key, JsonbContainer **out)
{
	JsonbValue value;

	if (!inn_json_find_ci(object, key, &value) || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		return false;
	*out = value.val.binary.data;
	return true;
}

/* An empty text counts as none. */
static const char *
text_of(JsonbContainer *object, const char *key)
{
	JsonbValue value;

	if (!inn_json_find_ci(object, key, &value) || value.type != jbvString ||
		value.val.string.len == 0)
		return NULL;
	return inn_json_string(&value);
}

static int64
integer_of(JsonbContainer *object, const char *key)
{
	JsonbValue value;
	int64 result;

	return inn_json_find_ci(object, key, &value) && inn_json_is_integer(&value, &result) ? result
																						 : 0;
}

static int64
duration_of(JsonbContainer *object, const char *key)
{
	const char *text = text_of(object, key);
	int64 usec;

	return text != NULL && inn_duration_parse(text, strlen(text), &usec) ? usec : 0;
}

static void
read_rate_limit(JsonbContainer *config, InnRate *rate)
{
	const char *idempotency = text_of(config, "idempotency");
	JsonbContainer *object;

	if (idempotency != NULL)
		*rate = (InnRate){.limit = 1, .period_usec = IDEMPOTENCY_PERIOD_USEC, .key = idempotency};
	else if (enter(config, "rateLimit", &object))
		*rate = (InnRate){
			.limit = integer_of(object, "limit"),
			.period_usec = duration_of(object, "period"),
			.key = text_of(object, "key"),
		};
}

/* A number, a limit, an array of limits, or {"step": limits, "fn": limits}. */
static void
read_concurrency(JsonbContainer *config, InnFlow *flow)
{
	JsonbValue value;
	JsonbContainer *object;
	int64 limit;

	if (!inn_json_find_ci(config, "concurrency", &value))
		return;
	if (inn_json_is_integer(&value, &limit) && limit > 0)
		flow->steps[flow->nsteps++] = (InnConcurrency){.limit = (int) limit, .scope = 'f'};
	else if (!enter(config, "concurrency", &object))
		read_limits(&value, flow);
	else if (!read_parts(object, flow))
		read_limit(object, flow);
}

/* False if it is a limit itself. */
static bool
read_parts(JsonbContainer *object, InnFlow *flow)
{
	JsonbValue steps;
	JsonbValue runs;
	bool has_steps = inn_json_find_ci(object, "step", &steps);
	bool has_runs = inn_json_find_ci(object, "fn", &runs);
	InnFlow of_runs = {0};

	if (has_steps)
		read_limits(&steps, flow);
	if (has_runs)
		read_limits(&runs, &of_runs);
	flow->runs = of_runs.steps[0];
	return has_steps || has_runs;
}

static void
read_limits(const JsonbValue *value, InnFlow *flow)
{
	JsonbIterator *it;
	JsonbValue element;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return;
	it = JsonbIteratorInit(value->val.binary.data);
	(void) JsonbIteratorNext(&it, &element, true);
	while (JsonbIteratorNext(&it, &element, true) == WJB_ELEM)
	{
		if (element.type == jbvBinary && JsonContainerIsObject(element.val.binary.data))
			read_limit(element.val.binary.data, flow);
	}
}

static void
read_limit(JsonbContainer *object, InnFlow *flow)
{
	const char *scope = text_of(object, "scope");
	int64 limit = integer_of(object, "limit");
	InnConcurrency *out = &flow->steps[flow->nsteps];

	if (limit <= 0 || flow->nsteps == INN_FLOW_STEP_LIMITS)
		return;
	*out = (InnConcurrency){
		.limit = (int) limit,
		.scope = scope == NULL ? 'f' : (char) pg_tolower((unsigned char) scope[0]),
		.key = text_of(object, "key"),
	};
	flow->nsteps++;
}

bool
inn_flow_is_stateful(const InnFlow *flow)
{
	return flow->rate_limit.limit > 0 || flow->throttle.limit > 0 ||
		   flow->debounce.period_usec > 0 || flow->batch.max_events > 0 ||
		   flow->singleton.mode != INN_SINGLETON_NONE;
}

bool
inn_flow_has_controls(const InnFlow *flow)
{
	for (int i = 0; i < flow->nsteps; i++)
	{
		if (flow->steps[i].key != NULL)
			return true;
	}
	return flow->priority != NULL || flow->runs.limit > 0 ||
		   flow->singleton.mode != INN_SINGLETON_NONE;
}

char *
inn_flow_key(const char *expression, Jsonb *event, bool *is_off, InnCelFault *fault)
{
	Jsonb *value = evaluate(expression, event, fault);
	JsonbValue scalar;

	if (is_off != NULL)
		*is_off = value != NULL && JB_ROOT_IS_SCALAR(value) &&
				  JsonbExtractScalar(&value->root, &scalar) && scalar.type == jbvBool &&
				  !scalar.val.boolean;
	return value == NULL ? NULL : text_of_scalar(value, fault);
}

bool
inn_flow_is_true(const char *condition, Jsonb *event)
{
	InnCelFault fault;
	JsonbValue scalar;
	Jsonb *value = evaluate(condition, event, &fault);

	return value != NULL && JB_ROOT_IS_SCALAR(value) && JsonbExtractScalar(&value->root, &scalar) &&
		   scalar.type == jbvBool && scalar.val.boolean;
}

static Jsonb *
evaluate(const char *expression, Jsonb *event, InnCelFault *fault)
{
	InnCelHandle handle = {0};
	const InnCelProgram *program =
		inn_cel_try_cached(&handle, expression, strlen(expression), fault);

	if (program == NULL)
		return NULL;
	return inn_cel_eval(program, INN_CEL_INNGEST, &(InnCelInput){.event = &event->root}, fault);
}

static char *
text_of_scalar(Jsonb *value, InnCelFault *fault)
{
	JsonbValue scalar;
	StringInfoData text;
	InnJcsFault trouble;
	int64 number;

	if (JB_ROOT_IS_SCALAR(value) && JsonbExtractScalar(&value->root, &scalar))
	{
		if (scalar.type == jbvString)
			return inn_json_string(&scalar);
		/* canonical JSON knows doubles only */
		if (inn_json_is_integer(&scalar, &number))
			return psprintf(INT64_FORMAT, number);
	}
	initStringInfo(&text);
	trouble = inn_jcs_append(&text, value);
	if (trouble == INN_JCS_GOOD)
		return text.data;
	*fault = (InnCelFault){.sqlerrcode = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE};
	strlcpy(fault->message, inn_jcs_sentence(trouble), sizeof(fault->message));
	return NULL;
}

char *
inn_flow_limit_name(const InnConcurrency *limit)
{
	return psprintf("%c:%s", limit->scope, limit->key);
}

void
inn_flow_slot_key(const InnConcurrency *limit, const pg_uuid_t *function_id, const char *value,
				  pg_uuid_t *key)
{
	make_key("slot", limit, function_id, value, key);
}

void
inn_flow_place(const InnConcurrency *limit, const pg_uuid_t *function_id, const char *value,
			   pg_uuid_t *place)
{
	make_key("place", limit, function_id, value, place);
}

/* The same for all that count together. */
static void
make_key(const char *what, const InnConcurrency *limit, const pg_uuid_t *function_id,
		 const char *value, pg_uuid_t *key)
{
	char function[INN_UUID_TEXT_SIZE] = "";

	if (limit->scope == 'f')
		inn_uuid_format(function_id, function);
	inn_idempotency_key(psprintf("%s %c:%s:%s:%s", what, limit->scope, function,
								 limit->key == NULL ? "" : limit->key, value == NULL ? "" : value),
						key);
}

int
inn_flow_priority(const InnFlow *flow, Jsonb *event)
{
	InnCelFault fault;
	JsonbValue scalar;
	int64 seconds;
	Jsonb *value;

	if (flow->priority == NULL)
		return 0;
	value = evaluate(flow->priority, event, &fault);
	if (value == NULL || !JB_ROOT_IS_SCALAR(value) || !JsonbExtractScalar(&value->root, &scalar) ||
		!inn_json_is_integer(&scalar, &seconds))
		return 0;
	return (int) Min(Max(seconds, -INN_PRIORITY_MAX_S), INN_PRIORITY_MAX_S);
}
