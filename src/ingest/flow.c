/*-------------------------------------------------------------------------
 *
 * flow.c
 *	  The options of a function that limit, delay, gather or cancel its runs.
 *
 * Most options are an object of scalar members, so a table says what is to be
 * known of them.  Concurrency alone comes in several shapes.
 *
 * Keys, conditions and priorities are expressions over the event, judged like
 * those of triggers.
 *
 * IDENTIFICATION
 *	  src/ingest/flow.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/json.h"
#include "ingest/flow.h"
#include "run/flow.h"

#define CANCEL_MAX 5
#define STEP_CONCURRENCY_MAX 2
#define FN_CONCURRENCY_MAX 1
#define EVENT_NAME_MAX_CHARS 255
#define DEBOUNCE_PERIOD_MAX (7 * USECS_PER_DAY)
#define RATE_LIMIT_PERIOD_MAX USECS_PER_DAY

#define THROTTLE_PERIOD_MAX (INT64CONST(365) * USECS_PER_DAY)

#define REQUIRED true
#define OPTIONAL false

/* Members of an option: key, type, required or not, least and greatest. */

static const InnField throttle[] = {
	{"limit", INN_FIELD_INTEGER, REQUIRED, 0, PG_INT32_MAX},
	{"period", INN_FIELD_DURATION, REQUIRED, USECS_PER_SEC, THROTTLE_PERIOD_MAX},
	{"burst", INN_FIELD_INTEGER, OPTIONAL, 0, PG_INT32_MAX},
	{"key", INN_FIELD_EXPRESSION},
};

static const InnField rate_limit[] = {
	{"limit", INN_FIELD_INTEGER, REQUIRED, 1, PG_INT32_MAX},
	{"period", INN_FIELD_DURATION, REQUIRED, 1, RATE_LIMIT_PERIOD_MAX},
	{"key", INN_FIELD_EXPRESSION},
};

static const InnField debounce[] = {
	{"period", INN_FIELD_DURATION, REQUIRED, USECS_PER_SEC, DEBOUNCE_PERIOD_MAX},
	{"timeout", INN_FIELD_DURATION, OPTIONAL, 1},
	{"key", INN_FIELD_EXPRESSION},
};

static const InnField batch_events[] = {
	{"maxSize", INN_FIELD_INTEGER, REQUIRED, 2, PG_INT32_MAX},
	{"timeout", INN_FIELD_DURATION, OPTIONAL, USECS_PER_SEC},
	{"key", INN_FIELD_EXPRESSION},
	{"if", INN_FIELD_EXPRESSION},
};

static const InnField priority[] = {
	{"run", INN_FIELD_EXPRESSION},
};

static const char *const singleton_modes[] = {"skip", "cancel", NULL};

static const InnField singleton[] = {
	{"mode", INN_FIELD_CHOICE, REQUIRED, .choices = singleton_modes},
	{"key", INN_FIELD_EXPRESSION},
};

/* The options that are an object each, of whose members the shape is all that matters here. */
static const struct
{
	const char *key;
	const InnField *fields;
	int nfields;
} objects[] = {
	{"throttle", throttle, lengthof(throttle)},
	{"rateLimit", rate_limit, lengthof(rate_limit)},
	{"debounce", debounce, lengthof(debounce)},
	{"batchEvents", batch_events, lengthof(batch_events)},
	{"priority", priority, lengthof(priority)},
	{"singleton", singleton, lengthof(singleton)},
};

/* members of the object "timeouts" */
static const InnField start_timeout = {"start", INN_FIELD_DURATION, OPTIONAL, 0};
static const InnField finish_timeout = {"finish", INN_FIELD_DURATION, OPTIONAL, 0};

/* members of an entry of the array "cancel" */
static const InnField cancel_event = {"event", INN_FIELD_TEXT, REQUIRED, 1, EVENT_NAME_MAX_CHARS};
static const InnField cancel_if = {"if", INN_FIELD_EXPRESSION, .policy = &inn_cancel_policy};
static const InnField cancel_timeout = {"timeout", INN_FIELD_DEADLINE};

static const InnField idempotency = {"idempotency", INN_FIELD_EXPRESSION};

/* A batch may not be combined with these. */
static const char *const batch_excludes[] = {"cancel", "debounce", "singleton", "priority"};

/* of calls, 0 or absent: no limit; and of runs, which count by function */
static const InnField step_limit = {"limit", INN_FIELD_INTEGER, OPTIONAL, 0, PG_INT32_MAX};
static const InnField fn_limit = {"limit", INN_FIELD_INTEGER, REQUIRED, 1, PG_INT32_MAX};
static const InnField limit_key = {"key", INN_FIELD_EXPRESSION};
static const char *const limit_scopes[] = {"fn", "env", "account", NULL};
static const InnField limit_scope = {"scope", INN_FIELD_CHOICE, .choices = limit_scopes};
static const char *const fn_scopes[] = {"fn", NULL};
static const InnField fn_scope = {"scope", INN_FIELD_CHOICE, .choices = fn_scopes};

/* What an executor does, and nobody who takes runs does. */
static const struct
{
	const char *key;
	const char *subject; /* of a sentence, with its verb */
} not_for_pull[] = {
	{"batchEvents", "Batching of events is"},
	{"priority", "Priority is"},
};

static void judge_objects(const InnPlace *config);
static void judge_timeouts(const InnPlace *config, InnDefinition *definition);
static void judge_cancels(const InnPlace *config, InnDefinition *definition);
static InnCancel judge_cancel(const InnPlace *entry);
static void judge_idempotency(const InnPlace *config);
static void judge_combinations(const InnPlace *config);
static void judge_concurrency(const InnPlace *config, InnRuntime runtime);
static bool judge_concurrency_number(const InnPlace *config, const JsonbValue *value);
static bool judge_concurrency_object(const InnPlace *config, const JsonbValue *value);
static bool judge_limits(const InnPlace *place, const char *key, int max,
						 bool (*judge)(const InnPlace *));
static bool judge_step_limit(const InnPlace *place);
static bool judge_fn_limit(const InnPlace *place);
static void refuse_of_pull(const InnPlace *config, const InnDefinition *definition);

void
inn_flow_judge(const InnPlace *config, InnDefinition *definition)
{
	InnFlow flow;

	judge_concurrency(config, definition->runtime);
	judge_objects(config);
	judge_timeouts(config, definition);
	judge_idempotency(config);
	judge_cancels(config, definition);
	judge_combinations(config);
	refuse_of_pull(config, definition);

	inn_flow_read(definition->config, &flow);
	definition->has_controls = inn_flow_has_controls(&flow);
	definition->is_stateful = inn_flow_is_stateful(&flow);
}

static void
judge_objects(const InnPlace *config)
{
	for (int i = 0; i < (int) lengthof(objects); i++)
	{
		JsonbValue value;
		InnPlace option;

		if (!inn_place_get(config, objects[i].key, &value))
			continue;
		if (inn_place_open(config, objects[i].key, &value, &option))
			inn_place_judge(&option, objects[i].fields, objects[i].nfields);
	}
}

static void
judge_timeouts(const InnPlace *config, InnDefinition *definition)
{
	InnPlace timeouts;

	if (!inn_place_enter(config, "timeouts", &timeouts))
		return;
	(void) inn_place_duration(&timeouts, &start_timeout, &definition->start_timeout_usec);
	(void) inn_place_duration(&timeouts, &finish_timeout, &definition->finish_timeout_usec);
}

static void
judge_idempotency(const InnPlace *config)
{
	inn_place_judge(config, &idempotency, 1);
}

static void
judge_cancels(const InnPlace *config, InnDefinition *definition)
{
	int count;
	JsonbValue *entries = inn_place_elements(config, "cancel", CANCEL_MAX, &count);

	definition->cancels = palloc0(Max(count, 1) * sizeof(InnCancel));
	definition->ncancels = count;
	for (int i = 0; i < count; i++)
	{
		InnPlace entry;

		if (inn_place_open(config, psprintf("cancel[%d]", i), &entries[i], &entry))
			definition->cancels[i] = judge_cancel(&entry);
	}
}

static InnCancel
judge_cancel(const InnPlace *entry)
{
	InnCancel cancel = {
		.event = inn_place_text(entry, &cancel_event),
		.expression = inn_place_expression(entry, &cancel_if),
		.expires_at = INN_NEVER,
	};
	TimestampTz when;

	if (inn_place_deadline(entry, &cancel_timeout, &cancel.timeout_usec, &when) &&
		cancel.timeout_usec == 0)
		cancel.expires_at = when;
	return cancel;
}

static void
judge_combinations(const InnPlace *config)
{
	JsonbValue unused;

	if (!inn_place_get(config, "batchEvents", &unused))
		return;
	for (int i = 0; i < (int) lengthof(batch_excludes); i++)
	{
		if (inn_place_get(config, batch_excludes[i], &unused))
			inn_place_fault(config, batch_excludes[i], INN_FAULT_INVALID,
							"Cannot be combined with batchEvents.");
	}
}

/* A number, a limit, an array of limits, or {"fn": [limit], "step": [limit ...]}. */
static void
judge_concurrency(const InnPlace *config, InnRuntime runtime)
{
	const char *key = "concurrency";
	JsonbValue value;
	bool has_effect;

	if (!inn_place_get(config, key, &value))
		return;

	if (value.type != jbvBinary)
		has_effect = judge_concurrency_number(config, &value);
	else if (JsonContainerIsArray(value.val.binary.data))
		has_effect = judge_limits(config, key, STEP_CONCURRENCY_MAX, judge_step_limit);
	else
		has_effect = judge_concurrency_object(config, &value);

	if (has_effect && runtime == INN_RUNTIME_PULL)
		inn_place_fault(config, key, INN_FAULT_UNSUPPORTED,
						"Limiting concurrency is not supported with the runtime \"pull\".");
}

/* All functions that judge limits tell whether there is one that has an effect. */
static bool
judge_concurrency_number(const InnPlace *config, const JsonbValue *value)
{
	int64 limit;

	if (inn_json_is_integer(value, &limit) && limit >= 0 && limit <= PG_INT32_MAX)
		return limit > 0;

	inn_place_fault(config, "concurrency", INN_FAULT_INVALID,
					"Must be an integer from 0 to %d, an object or an array of objects.",
					PG_INT32_MAX);
	return false;
}

static bool
judge_concurrency_object(const InnPlace *config, const JsonbValue *value)
{
	InnPlace place;
	JsonbValue unused;
	bool has_effect;

	if (!inn_place_open(config, "concurrency", value, &place))
		return false;
	if (!inn_json_find_ci(place.object, "fn", &unused) &&
		!inn_json_find_ci(place.object, "step", &unused))
		return judge_step_limit(&place);

	has_effect = judge_limits(&place, "fn", FN_CONCURRENCY_MAX, judge_fn_limit);
	has_effect |= judge_limits(&place, "step", STEP_CONCURRENCY_MAX, judge_step_limit);
	return has_effect;
}

static bool
judge_limits(const InnPlace *place, const char *key, int max, bool (*judge)(const InnPlace *))
{
	int count;
	JsonbValue *entries = inn_place_elements(place, key, max, &count);
	bool has_effect = false;

	for (int i = 0; i < count; i++)
	{
		InnPlace entry;

		if (inn_place_open(place, psprintf("%s[%d]", key, i), &entries[i], &entry))
			has_effect |= judge(&entry);
	}
	return has_effect;
}

static bool
judge_step_limit(const InnPlace *place)
{
	const char *scope = inn_place_choice(place, &limit_scope);
	int64 number;

	/* a scope that other functions share is meant for a key that they share */
	inn_place_judge(place, &limit_key, 1);
	if (scope != NULL && strcmp(scope, "fn") != 0 && !inn_place_is_set(place, &limit_key))
		inn_place_fault(place, limit_key.key, INN_FAULT_INVALID, "Required with the scope \"%s\".",
						scope);

	return inn_place_integer(place, &step_limit, &number) && number > 0;
}

static bool
judge_fn_limit(const InnPlace *place)
{
	int64 number;

	inn_place_judge(place, &limit_key, 1);
	(void) inn_place_choice(place, &fn_scope);
	return inn_place_integer(place, &fn_limit, &number);
}

static void
refuse_of_pull(const InnPlace *config, const InnDefinition *definition)
{
	JsonbValue unused;

	if (definition->runtime != INN_RUNTIME_PULL)
		return;
	for (int i = 0; i < (int) lengthof(not_for_pull); i++)
	{
		if (inn_place_get(config, not_for_pull[i].key, &unused))
			inn_place_fault(config, not_for_pull[i].key, INN_FAULT_UNSUPPORTED,
							"%s not supported with the runtime \"pull\".", not_for_pull[i].subject);
	}
}
