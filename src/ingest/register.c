/*-------------------------------------------------------------------------
 *
 * register.c
 *	  Definitions of functions: judged as a whole, then stored.
 *
 * A config is what an Inngest SDK says of one function, and "runtime", which
 * says who executes it.  All of it is judged, also what this version does not
 * act upon, so that a config that was accepted once stays acceptable when
 * that changes.  What would have to be acted upon and cannot be is refused:
 * a limit that is not enforced is worse than none.
 *
 * Nothing is stored unless everything is right.
 *
 * IDENTIFICATION
 *	  src/ingest/register.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "base/cron.h"
#include "base/errors.h"
#include "base/httpurl.h"
#include "base/when.h"
#include "ingest/flow.h"
#include "ingest/register.h"

#define NAME_MAX_CHARS 255

/* the key of a step is quoted in paths up to so many bytes */
#define STEP_KEY_MAX_BYTES 64

typedef struct JudgedTrigger
{
	const char *event;
	const char *expression;
	const char *cron;
	int64 jitter_usec;
} JudgedTrigger;

static bool judge_definition(const InnPlace *place, Jsonb *config, InnRuntime usual,
							 InnDefinition *definition);
static char *judge_slug(const InnPlace *config);
static char *judge_app_slug(const InnPlace *config);
static InnRuntime judge_runtime(const InnPlace *config, InnRuntime usual);
static int judge_retries(const InnPlace *config, InnDefinition *definition);
static bool judge_steps(const InnPlace *config, InnDefinition *definition, int64 *retries);
static bool judge_step(const InnPlace *step, const char *key, InnDefinition *definition,
					   int64 *retries);
static char *judge_step_runtime(const InnPlace *step, bool is_called);
static void refuse_websocket(const InnPlace *runtime, const char *key);
static void judge_triggers(const InnPlace *config, InnDefinition *definition);
static void define_trigger(const JudgedTrigger *trigger, InnTriggerDefinition *definition);
static JudgedTrigger judge_trigger(const InnPlace *place);
static void judge_event_name(const InnPlace *place, const char *name);
static int64 judge_jitter(const InnPlace *place);
static void judge_cron(const InnPlace *place, const char *cron);
static bool is_same_trigger(const JudgedTrigger *a, const JudgedTrigger *b);
static bool is_same_text(const char *a, const char *b);
pg_noreturn static void throw_faults(const InnFaults *faults);

static const InnField slug_field = {"id", INN_FIELD_TEXT, true};
static const InnField name_field = {"name", INN_FIELD_TEXT, false, 1, NAME_MAX_CHARS};
static const InnField app_field = {"app_id", INN_FIELD_TEXT, false, 1, NAME_MAX_CHARS};

static const char *const runtimes[] = {"pull", "http", "sql", NULL};
static const InnField runtime_field = {"runtime", INN_FIELD_CHOICE, .choices = runtimes};

/* more than INN_MAX_RETRIES is no fault: it means as many as there can be */
static const InnField retries_field = {"retries", INN_FIELD_INTEGER};
static const InnField attempts_field = {"attempts", INN_FIELD_INTEGER};

static const InnField step_id_field = {"id", INN_FIELD_TEXT, .max = NAME_MAX_CHARS};
static const InnField step_name_field = {"name", INN_FIELD_TEXT};
static const char *const step_types[] = {"http", "ws", NULL};
/* the SDK for Go leaves it out */
static const InnField step_type_field = {"type", INN_FIELD_CHOICE, .choices = step_types};
static const InnField step_url_field = {"url", INN_FIELD_TEXT, true};

static const InnField event_field = {"event", INN_FIELD_TEXT, false, 1, NAME_MAX_CHARS};
static const InnField expression_field = {"expression", INN_FIELD_EXPRESSION};
static const InnField cron_field = {"cron", INN_FIELD_TEXT, false, 1, NAME_MAX_CHARS};
static const InnField jitter_field = {"jitter", INN_FIELD_DURATION, false, USECS_PER_SEC,
									  5 * USECS_PER_MINUTE};

InnPut
inn_register(Jsonb *config, InnFunction *function)
{
	InnDefinition definition;
	InnFaults faults = {0};
	InnPut put;
	pg_uuid_t id;

	if (!inn_definition_judge(config, &definition, &faults))
		throw_faults(&faults);

	put = inn_functions_put(&definition, &id);
	if (!inn_functions_by_id(&id, function))
		elog(ERROR, "function \"%s\" is gone", definition.slug);
	return put;
}

static void
throw_faults(const InnFaults *faults)
{
	bool is_unsupported = !faults->has_invalid;

	ereport(ERROR,
			errcode(is_unsupported ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_INN_FUNCTION_INVALID),
			is_unsupported ? errmsg("function configuration is not supported yet")
						   : errmsg("function configuration is invalid"),
			errdetail_internal("%s", inn_faults_to_detail(faults)));
}

bool
inn_definition_judge(Jsonb *config, InnDefinition *definition, InnFaults *faults)
{
	InnPlace place = {.object = &config->root, .path = "", .faults = faults};

	Assert(faults->count == 0);
	return judge_definition(&place, config, INN_RUNTIME_PULL, definition) && faults->count == 0;
}

bool
inn_definition_judge_of_app(Jsonb *config, const char *path, InnDefinition *definition,
							InnFaults *faults)
{
	InnPlace place = {.object = &config->root, .path = path, .faults = faults};
	int nbefore = faults->count + faults->nomitted;

	return judge_definition(&place, config, INN_RUNTIME_HTTP, definition) &&
		   faults->count + faults->nomitted == nbefore;
}

/* False if there is nothing that could be judged. */
static bool
judge_definition(const InnPlace *place, Jsonb *config, InnRuntime usual, InnDefinition *definition)
{
	memset(definition, 0, sizeof(*definition));
	definition->config = config;

	if (!JsonContainerIsObject(place->object))
	{
		inn_place_fault(place, NULL, INN_FAULT_INVALID, "Must be an object.");
		return false;
	}
	if (VARSIZE(config) > INN_CONFIG_MAX_BYTES)
	{
		inn_place_fault(place, NULL, INN_FAULT_INVALID, "Must not be larger than %d kB.",
						INN_CONFIG_MAX_BYTES / 1024);
		return false;
	}

	definition->slug = usual == INN_RUNTIME_HTTP ? judge_app_slug(place) : judge_slug(place);
	/* SDKs always send a name; a config written by hand may do without */
	definition->name = inn_place_text(place, &name_field);
	if (definition->name == NULL)
		definition->name = definition->slug;
	definition->app = inn_place_text(place, &app_field);
	if (definition->app == NULL)
		definition->app = INN_DEFAULT_APP;
	definition->runtime = judge_runtime(place, usual);
	definition->max_attempts = 1 + judge_retries(place, definition);
	judge_triggers(place, definition);
	inn_flow_judge(place, definition);
	return true;
}

/* An id is a part of URLs and of Redis keys, so it has only what needs no escaping there. */
static char *
judge_slug(const InnPlace *config)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:";
	char *slug = inn_place_text(config, &slug_field);

	if (slug == NULL)
		return NULL;
	if (strlen(slug) > INN_FUNCTION_ID_MAX_BYTES || slug[strspn(slug, allowed)] != '\0' ||
		strchr("-.:", slug[0]) != NULL)
	{
		inn_place_fault(config, slug_field.key, INN_FAULT_INVALID,
						"Must be 1 to %d letters, digits, \"_\", \"-\", \".\" or \":\" of ASCII, "
						"and begin with a letter, a digit or \"_\".",
						INN_FUNCTION_ID_MAX_BYTES);
		return NULL;
	}
	return slug;
}

/* SDKs put together what the code says, whatever that is: it is only not to spoil a line. */
static char *
judge_app_slug(const InnPlace *config)
{
	char *slug = inn_place_text(config, &slug_field);
	bool has_control = false;

	if (slug == NULL)
		return NULL;
	for (const char *c = slug; *c != '\0'; c++)
		has_control |= (unsigned char) *c < ' ' || *c == 0x7F;
	if (has_control || slug[0] == '\0' || strlen(slug) > INN_FUNCTION_ID_MAX_BYTES)
	{
		inn_place_fault(config, slug_field.key, INN_FAULT_INVALID,
						"Must be 1 to %d bytes without control characters.",
						INN_FUNCTION_ID_MAX_BYTES);
		return NULL;
	}
	return slug;
}

/* Without a word about it, it is the usual one. */
static InnRuntime
judge_runtime(const InnPlace *config, InnRuntime usual)
{
	JsonbValue unused;
	const char *name;
	InnRuntime runtime;

	if (!inn_place_get(config, runtime_field.key, &unused))
	{
		/* only SDKs send steps, to say where they want to be called */
		return inn_place_get(config, "steps", &unused) ? INN_RUNTIME_HTTP : usual;
	}
	name = inn_place_choice(config, &runtime_field);
	runtime = name == NULL ? INN_RUNTIME_PULL : inn_runtime_of_name(name);
	if (runtime == INN_RUNTIME_SQL)
		inn_place_fault(config, runtime_field.key, INN_FAULT_UNSUPPORTED,
						"The runtime \"%s\" is not supported yet; \"%s\" and \"%s\" are.",
						inn_runtime_name(INN_RUNTIME_SQL), inn_runtime_name(INN_RUNTIME_PULL),
						inn_runtime_name(INN_RUNTIME_HTTP));
	return runtime;
}

/* The number of the step goes before that of the function. */
static int
judge_retries(const InnPlace *config, InnDefinition *definition)
{
	int64 retries;
	int64 step_retries;

	if (!inn_place_integer(config, &retries_field, &retries))
		retries = INN_DEFAULT_RETRIES;
	if (judge_steps(config, definition, &step_retries))
		retries = step_retries;
	return (int) Min(retries, INN_MAX_RETRIES);
}

/* Functions that judge steps tell whether there is a number of retries, and fill in where to call. */
static bool
judge_steps(const InnPlace *config, InnDefinition *definition, int64 *retries)
{
	InnPlace steps;
	InnPlace step;
	JsonbValue value;
	JsonbIterator *it;
	char *key;

	if (!inn_place_get(config, "steps", &value))
	{
		if (definition->runtime == INN_RUNTIME_HTTP)
			inn_place_fault(config, "steps", INN_FAULT_INVALID,
							"Required with the runtime \"http\".");
		return false;
	}
	if (!inn_place_open(config, "steps", &value, &steps))
		return false;
	if (JsonContainerSize(steps.object) != 1)
	{
		inn_place_fault(config, "steps", INN_FAULT_INVALID, "Must have exactly one step.");
		return false;
	}

	it = JsonbIteratorInit(steps.object);
	(void) JsonbIteratorNext(&it, &value, true); /* WJB_BEGIN_OBJECT */
	(void) JsonbIteratorNext(&it, &value, true); /* WJB_KEY */
	key = pnstrdup(value.val.string.val,
				   pg_mbcliplen(value.val.string.val, value.val.string.len, STEP_KEY_MAX_BYTES));
	(void) JsonbIteratorNext(&it, &value, true); /* WJB_VALUE */

	return inn_place_open(&steps, key, &value, &step) &&
		   judge_step(&step, key, definition, retries);
}

static bool
judge_step(const InnPlace *step, const char *key, InnDefinition *definition, int64 *retries)
{
	bool is_called = definition->runtime == INN_RUNTIME_HTTP;
	char *id = inn_place_text(step, &step_id_field);
	char *url;
	InnPlace place;

	inn_place_judge(step, &step_name_field, 1);
	url = judge_step_runtime(step, is_called);
	if (is_called && url != NULL)
	{
		definition->url = url;
		definition->step_id = id == NULL ? key : id;
	}
	return inn_place_enter(step, retries_field.key, &place) &&
		   inn_place_integer(&place, &attempts_field, retries);
}

/* The URL, normalised; NULL if there is none that is right. */
static char *
judge_step_runtime(const InnPlace *step, bool is_called)
{
	InnPlace runtime;
	JsonbValue value;
	const char *type;
	const char *fault;
	char *url;
	InnUrlKind kind;

	if (!inn_place_get(step, "runtime", &value))
	{
		if (is_called)
			inn_place_fault(step, "runtime", INN_FAULT_INVALID, "Required.");
		return NULL;
	}
	if (!inn_place_open(step, "runtime", &value, &runtime))
		return NULL;

	type = inn_place_choice(&runtime, &step_type_field);
	url = inn_place_text(&runtime, &step_url_field);
	if (url == NULL)
		return NULL;
	url = inn_http_url_normalize(url, &kind, &fault);
	if (url == NULL)
		inn_place_fault(&runtime, step_url_field.key, INN_FAULT_INVALID, "%s", fault);
	else if (is_called && kind == INN_URL_WEBSOCKET)
		refuse_websocket(&runtime, step_url_field.key);
	else if (is_called && type != NULL && strcmp(type, "ws") == 0)
		refuse_websocket(&runtime, step_type_field.key);
	return url;
}

static void
refuse_websocket(const InnPlace *runtime, const char *key)
{
	inn_place_fault(runtime, key, INN_FAULT_UNSUPPORTED,
					"An app that connects by WebSocket is not supported yet; one that is called "
					"at an http:// or https:// URL is.");
}

/* A function without triggers is legal: it can be invoked. */
static void
judge_triggers(const InnPlace *config, InnDefinition *definition)
{
	int count;
	JsonbValue *values = inn_place_elements(config, "triggers", INN_FUNCTION_MAX_TRIGGERS, &count);
	JudgedTrigger triggers[INN_FUNCTION_MAX_TRIGGERS] = {0};

	definition->triggers = palloc0(Max(count, 1) * sizeof(InnTriggerDefinition));
	definition->ntriggers = count;
	for (int i = 0; i < count; i++)
	{
		char *key = psprintf("triggers[%d]", i);
		InnPlace place;

		if (!inn_place_open(config, key, &values[i], &place))
			continue;
		triggers[i] = judge_trigger(&place);
		define_trigger(&triggers[i], &definition->triggers[i]);

		for (int j = 0; j < i; j++)
		{
			if (is_same_trigger(&triggers[i], &triggers[j]))
			{
				inn_place_fault(config, key, INN_FAULT_INVALID, "Is the same as triggers[%d].", j);
				break;
			}
		}
	}
}

/* An expression with a fault is NULL here; then the definition is not used. */
static void
define_trigger(const JudgedTrigger *trigger, InnTriggerDefinition *definition)
{
	InnCelKey keys[INN_CEL_MAX_KEYS];
	InnCelFault fault;
	const InnCelProgram *program;

	*definition = (InnTriggerDefinition){.event = trigger->event,
										 .expression = trigger->expression,
										 .cron = trigger->cron,
										 .jitter_usec = trigger->jitter_usec};
	if (trigger->expression == NULL)
		return;
	program = inn_cel_compile(trigger->expression, strlen(trigger->expression), &fault);
	if (program == NULL)
		return;

	definition->nkeys = inn_cel_keys(program, "event", NULL, keys);
	definition->keys = palloc(Max(definition->nkeys, 1) * sizeof(InnTriggerKey));
	for (int i = 0; i < definition->nkeys; i++)
		definition->keys[i] = (InnTriggerKey){keys[i].path, (int64) keys[i].hash};
}

static JudgedTrigger
judge_trigger(const InnPlace *place)
{
	JudgedTrigger trigger = {
		.event = inn_place_text(place, &event_field),
		.expression = inn_place_expression(place, &expression_field),
		.cron = inn_place_text(place, &cron_field),
	};
	JsonbValue unused;
	bool has_event = inn_place_get(place, event_field.key, &unused);
	bool has_cron = inn_place_get(place, cron_field.key, &unused);

	trigger.jitter_usec = judge_jitter(place);
	if (has_event == has_cron)
		inn_place_fault(place, NULL, INN_FAULT_INVALID,
						has_event ? "Must not have both an event and a cron."
								  : "Must have an event or a cron.");
	if (trigger.event != NULL)
		judge_event_name(place, trigger.event);
	if (trigger.cron != NULL)
		judge_cron(place, trigger.cron);
	return trigger;
}

/* A name that looks like a wildcard and is none would wait in vain. */
static void
judge_event_name(const InnPlace *place, const char *name)
{
	const char *star = strchr(name, '*');
	bool is_wildcard;

	if (star == NULL)
		return;
	is_wildcard = star[1] == '\0' && star > name && (star[-1] == '/' || star[-1] == '.');
	if (!is_wildcard)
		inn_place_fault(place, event_field.key, INN_FAULT_INVALID,
						"Would never match: a \"*\" may only stand at the end, after a \"/\" or a "
						"\".\", as in \"app/*\" or \"app/user.*\".");
}

/* A jitter of zero is none, and below the least one. */
static int64
judge_jitter(const InnPlace *place)
{
	JsonbValue value;
	int64 usec = 0;

	if (!inn_place_get(place, jitter_field.key, &value))
		return 0;
	if (value.type == jbvString &&
		inn_duration_parse(value.val.string.val, value.val.string.len, &usec) && usec == 0)
		return 0;
	inn_place_judge(place, &jitter_field, 1);
	return usec;
}

static void
judge_cron(const InnPlace *place, const char *cron)
{
	InnCron unused;
	const char *fault = inn_cron_parse(cron, &unused);

	if (fault != NULL)
		inn_place_fault(place, cron_field.key, INN_FAULT_INVALID, "%s", fault);
}

static bool
is_same_trigger(const JudgedTrigger *a, const JudgedTrigger *b)
{
	if (a->event == NULL && a->cron == NULL)
		return false;
	return is_same_text(a->event, b->event) && is_same_text(a->expression, b->expression) &&
		   is_same_text(a->cron, b->cron);
}

static bool
is_same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}
