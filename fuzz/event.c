/*
 * Fuzz target: bodies of requests, judged as events and as the definition of a function.
 *
 * jsonb is the server's, so this target is a library that single-user mode loads.  The input is taken
 * as a body, and as a recipe: each byte chooses what the JSON text goes on with, so that mutations reach
 * the rules behind the parser.  An error that escapes judging ends the process, as a crash does.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/guc.h"
#include "base/json.h"
#include "base/timer.h"
#include "fuzz/in_server.h"
#include "ingest/accept.h"
#include "ingest/register.h"

/* Small enough to be exceeded. */
#define MAX_EVENT_BYTES 1024
#define MAX_EVENTS 4

/* How far a recipe goes. */
#define RECIPE_MAX_DEPTH 8
#define RECIPE_MAX_TEXT 65536

typedef struct Recipe
{
	const uint8 *pos;
	const uint8 *end;
	int depth;
	StringInfoData text;
} Recipe;

static void check_answers(void);
static void check_answer(const char *body, int nevents, int refused_index);
static int test_one_input(const uint8_t *data, size_t size);
static void check_body(const char *body, size_t size);
static void check_events(const char *body, size_t size);
static void check_submission(const InnSubmission *submission);
static void check_event(const InnEvent *event);
static void check_definition(Jsonb *config);
static void append_value(Recipe *recipe);
static void append_object(Recipe *recipe);
static void append_array(Recipe *recipe);
static void append_one(Recipe *recipe, const char *list, int choice);
static void append_raw(Recipe *recipe);
static uint8 take(Recipe *recipe);

static MemoryContext per_input;

/* What a recipe chooses from, each ended by a bar. */
static const char keys[] =
	"\"name\"|\"data\"|\"user\"|\"id\"|\"ts\"|\"v\"|\"meta\"|\"sessions\"|\"propagated_sessions\"|"
	"\"_inngest\"|\"app_id\"|\"triggers\"|\"event\"|\"expression\"|\"cron\"|\"jitter\"|\"runtime\"|"
	"\"steps\"|\"step\"|\"type\"|\"url\"|\"retries\"|\"attempts\"|\"concurrency\"|\"limit\"|\"key\"|"
	"\"scope\"|\"fn\"|\"throttle\"|\"period\"|\"burst\"|\"rateLimit\"|\"debounce\"|\"timeout\"|"
	"\"batchEvents\"|\"maxSize\"|\"if\"|\"priority\"|\"run\"|\"idempotency\"|\"cancel\"|"
	"\"timeouts\"|\"start\"|\"finish\"|\"Singleton\"|\"mode\"|\"checkpoint\"|";
static const char scalars[] =
	"null|true|[]|{}|0|1|-1|5|21|1.5|1e3|-0.0|1e400|1e-400|1700000000000|315532799999|"
	"4102444800001|9223372036854775808|\"\"|\"a\"|\"a b\"|\"\\u00e9\\ud83d\\ude00\"|"
	"\"app/user.created\"|\"app/*\"|\"*\"|\"INNGEST/x\"|\"pull\"|\"http\"|\"SQL\"|\"fn\"|\"env\"|"
	"\"Account\"|\"skip\"|\"cancel\"|\"1ns\"|\"30s\"|\"1d12h\"|\"event.data.id\"|"
	"\"https://host/path?fnId=a\"|\"2030-01-31T12:00:00.5Z\"|\"2030-02-29T24:00:00+25:00\"|"
	"\"* * * * *\"|\"TZ=Europe/Paris 0,30 9-17/2 * jan-mar mon\"|\"TZ=Nowhere/9 * * * * *\"|"
	"\"TZ=Etc/GMT+5 * * * * *\"|\"TZ=ABC+5 * * * * *\"|";

PG_FUNCTION_INFO_V1(inngest_fuzz_event);

Datum
inngest_fuzz_event(PG_FUNCTION_ARGS)
{
	inn_max_event_bytes = MAX_EVENT_BYTES;
	inn_max_events_per_request = MAX_EVENTS;
	per_input = AllocSetContextCreate(CurrentMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);

	check_answers();
	return fuzz_run(fcinfo, test_one_input);
}

/* What is known to be right. */
static void
check_answers(void)
{
	static const int whole = -1;
	static const int none = -2;

	check_answer("", 0, none);
	check_answer(" \r\n\t", 0, none);
	check_answer("[]", 0, none);
	check_answer("{\"name\":\"a\"}", 1, none);
	check_answer("[{\"name\":\"a\"},{\"name\":\"b\",\"id\":\"\",\"ts\":0,\"user\":null}]", 2, none);
	check_answer("{}", 0, 0);
	check_answer("{\"name\":\"InnGest/a\"}", 0, 0);
	check_answer("{\"name\":\"a\",\"data\":[]}", 0, 0);
	check_answer("{\"name\":\"a\",\"ts\":1.5}", 0, 0);
	check_answer("{\"name\":\"a\",\"ts\":1}", 0, 0);
	check_answer("{\"name\":\"a\\u0000\"}", 0, whole);
	check_answer("{\"name\":\"a\xff\"}", 0, whole);
	check_answer("{\"name\":\"a\"", 0, whole);
	check_answer("1", 0, whole);
	check_answer("[{\"name\":\"a\"},1]", 1, 1);
	check_answer("[{},{},{},{},{}]", 0, whole);
}

static void
check_answer(const char *body, int nevents, int refused_index)
{
	InnSubmission submission;

	inn_submission_from_body(body, strlen(body), NULL, INN_ACCEPT_PREFIX, &submission);
	Assert(submission.nevents == nevents);
	Assert(submission.is_refused == (refused_index >= -1));
	Assert(!submission.is_refused || submission.refused_index == refused_index);
}

static int
test_one_input(const uint8_t *data, size_t size)
{
	MemoryContext caller = MemoryContextSwitchTo(per_input);
	Recipe recipe = {.pos = data, .end = data + size};

	check_body((const char *) data, size);

	initStringInfo(&recipe.text);
	append_value(&recipe);
	check_body(recipe.text.data, recipe.text.len);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(per_input);
	return 0;
}

static void
check_body(const char *body, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1); /* of exact size, so that reading on is noticed */

	memcpy(copy, body, size);
	PG_TRY();
	{
		char *error;
		Jsonb *json;

		check_events(copy, size);
		if (inn_json_parse(copy, size, &json, &error))
			check_definition(json);
		else
			Assert(pg_verifymbstr(error, (int) strlen(error), true));
	}
	PG_CATCH();
	{
		EmitErrorReport();
		fprintf(stderr, "body: %.*s\n", (int) size, copy);
		abort();
	}
	PG_END_TRY();
	free(copy);
}

/* Judging by either rule, and as JSON, comes to the same. */
static void
check_events(const char *body, size_t size)
{
	static const InnSeed seed = {.unix_ms = 1700000000000};
	InnSubmission all, prefix, parsed;
	char *error;
	Jsonb *json;

	inn_submission_from_body(body, size, NULL, INN_ACCEPT_ALL, &all);
	check_submission(&all);
	Assert(!all.is_refused || all.nevents == 0);

	inn_submission_from_body(body, size, &seed, INN_ACCEPT_PREFIX, &prefix);
	check_submission(&prefix);
	Assert(prefix.is_refused == all.is_refused);
	Assert(prefix.refused_index == all.refused_index);
	Assert(prefix.is_refused || prefix.nevents == all.nevents);
	Assert(!prefix.is_refused || prefix.nevents == Max(prefix.refused_index, 0));
	for (int i = 0; i < prefix.nevents; i++)
		Assert(inn_ulid_unix_ms(&prefix.events[i].id) == seed.unix_ms);

	if (!inn_json_parse(body, size, &json, &error))
		return;
	inn_submission_from_json(json, &parsed);
	check_submission(&parsed);
}

static void
check_submission(const InnSubmission *submission)
{
	Assert(submission->nevents >= 0 && submission->nevents <= MAX_EVENTS);
	for (int i = 0; i < submission->nevents; i++)
		check_event(&submission->events[i]);
	if (!submission->is_refused)
		return;
	Assert(submission->refused_index >= -1 && submission->refused_index < MAX_EVENTS);
	Assert(submission->refusal.sqlerrcode != 0);
	Assert(submission->refusal.message[0] != '\0');
	Assert(pg_verifymbstr(submission->refusal.message, (int) strlen(submission->refusal.message),
						  true));
}

static void
check_event(const InnEvent *event)
{
	JsonbValue unused;

	Assert(strlen(event->name) > 0 && strlen(event->name) <= INN_MAX_EVENT_NAME);
	Assert(pg_strncasecmp(event->name, "inngest/", 8) != 0);
	Assert(JB_ROOT_IS_OBJECT(event->data));
	Assert(!inn_json_find(&event->data->root, "_inngest", &unused));
	Assert(event->user == NULL ||
		   (JB_ROOT_IS_OBJECT(event->user) && JB_ROOT_COUNT(event->user) > 0));
	Assert(event->meta == NULL || JB_ROOT_IS_OBJECT(event->meta));
	Assert(event->caller_id == NULL ||
		   (event->caller_id[0] != '\0' && strlen(event->caller_id) <= INN_MAX_EVENT_ID));
	Assert(event->version == NULL || strlen(event->version) <= INN_MAX_EVENT_VERSION);
	Assert(event->ts >= inn_from_unix_ms(315532800000) &&
		   event->ts <= inn_from_unix_ms(4102444800000));
}

/* A definition has no fault, or it has some, and they can be told to a program and to a person. */
static void
check_definition(Jsonb *config)
{
	InnDefinition definition;
	InnFaults faults = {0};
	bool is_right = inn_definition_judge(config, &definition, &faults);

	Assert(is_right == (faults.count == 0));
	Assert(faults.count <= INN_FAULTS_MAX);
	if (is_right)
	{
		Assert(definition.slug != NULL && definition.name != NULL && definition.app != NULL);
		Assert((definition.runtime == INN_RUNTIME_HTTP) == (definition.url != NULL));
		Assert(definition.runtime != INN_RUNTIME_SQL);
		Assert(definition.max_attempts >= 1 && definition.max_attempts <= INN_MAX_RETRIES + 1);
		Assert(definition.ntriggers <= INN_FUNCTION_MAX_TRIGGERS);
		return;
	}
	Assert(JB_ROOT_COUNT(inn_faults_to_json(&faults)) == faults.count + (faults.nomitted > 0));
	Assert(strlen(inn_faults_to_detail(&faults)) > 0);
}

static void
append_value(Recipe *recipe)
{
	uint8 choice = take(recipe);

	recipe->depth++;
	if (recipe->depth > RECIPE_MAX_DEPTH || recipe->text.len > RECIPE_MAX_TEXT)
		appendStringInfoString(&recipe->text, "null");
	else if (choice < 96)
		append_object(recipe);
	else if (choice < 128)
		append_array(recipe);
	else if (choice < 136)
		append_raw(recipe);
	else
		append_one(recipe, scalars, choice);
	recipe->depth--;
}

static void
append_object(Recipe *recipe)
{
	int nmembers = take(recipe) % 12;

	appendStringInfoChar(&recipe->text, '{');
	for (int i = 0; i < nmembers && recipe->pos < recipe->end; i++)
	{
		uint8 choice = take(recipe);

		if (i > 0)
			appendStringInfoChar(&recipe->text, ',');
		if (choice < 224)
			append_one(recipe, keys, choice);
		else
			append_raw(recipe);
		appendStringInfoChar(&recipe->text, ':');
		append_value(recipe);
	}
	appendStringInfoChar(&recipe->text, '}');
}

static void
append_array(Recipe *recipe)
{
	int nelements = take(recipe) % 12;

	appendStringInfoChar(&recipe->text, '[');
	for (int i = 0; i < nelements && recipe->pos < recipe->end; i++)
	{
		if (i > 0)
			appendStringInfoChar(&recipe->text, ',');
		append_value(recipe);
	}
	appendStringInfoChar(&recipe->text, ']');
}

static void
append_one(Recipe *recipe, const char *list, int choice)
{
	const char *entry = list;

	for (; choice > 0; choice--)
	{
		entry = strchr(entry, '|') + 1;
		if (*entry == '\0')
			entry = list;
	}
	appendBinaryStringInfo(&recipe->text, entry, (int) (strchr(entry, '|') - entry));
}

/* A string of the bytes that follow, repeated so that limits of length are reached. */
static void
append_raw(Recipe *recipe)
{
	int times = 1 << take(recipe) % 8;
	size_t size = take(recipe) % 32;
	StringInfoData text;
	char *bytes;

	size = Min(size, recipe->end - recipe->pos);
	bytes = pnstrdup((const char *) recipe->pos, size);
	recipe->pos += size;

	initStringInfo(&text);
	for (int i = 0; i < times; i++)
		appendStringInfoString(&text, bytes);
	inn_json_append_string(&recipe->text, text.data);
}

static uint8
take(Recipe *recipe)
{
	return recipe->pos < recipe->end ? *recipe->pos++ : 0;
}
