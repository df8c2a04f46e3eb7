/*-------------------------------------------------------------------------
 *
 * sync.c
 *	  An SDK registers its app: all functions at once, judged as a whole.
 *
 * An app that was deployed is either all there or as it was before: one function that is wrong refuses the whole,
 * and every fault of every function is told.
 *
 * SDKs register whenever they are asked to, most often to say the same again.  The checksum of the last registration
 * that was accepted spares us comparing functions one by one; it is forgotten when anybody else changes one of them
 * (store/apps.c), and does not count while the app has an error (protocol.md 5.7).
 *
 * IDENTIFICATION
 *	  src/ingest/sync.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/httpurl.h"
#include "base/json.h"
#include "ingest/register.h"
#include "ingest/sync.h"

#define TEXT_MAX_CHARS 255
#define LANGUAGE_MAX_BYTES 16

typedef struct Sync
{
	InnAppInfo app;
	const char *language; /* of the SDK */
	InnDefinition *functions;
	const char **slugs; /* of the functions */
	int nfunctions;
	InnFaults *faults;
} Sync;

static const InnField name_field = {"appName", INN_FIELD_TEXT, true, 1, TEXT_MAX_CHARS};
static const InnField url_field = {"url", INN_FIELD_TEXT, true};
static const InnField sdk_field = {"sdk", INN_FIELD_TEXT, .max = TEXT_MAX_CHARS};
static const InnField framework_field = {"framework", INN_FIELD_TEXT, .max = TEXT_MAX_CHARS};
static const InnField platform_field = {"platform", INN_FIELD_TEXT, .max = TEXT_MAX_CHARS};
static const InnField version_field = {"appVersion", INN_FIELD_TEXT, .max = TEXT_MAX_CHARS};

static void judge(Sync *sync, Jsonb *body, const InnSyncHeaders *headers);
static void judge_app(Sync *sync, const InnPlace *place, const InnSyncHeaders *headers);
static char *judge_url(const InnPlace *place);
static const char *text_or(const InnPlace *place, const InnField *field, const char *otherwise);
static char *language_of(const char *sdk);
static void judge_functions(Sync *sync, const InnPlace *place);
static void judge_function(Sync *sync, const InnPlace *place, int index, JsonbValue *value);
static const char *subject_of(JsonbValue *function);
static void judge_owners(Sync *sync, const InnPlace *place);
static void refuse(const Sync *sync, InnSyncOutcome *outcome);
static bool has_function_fault(const InnFaults *faults);
static void store(const Sync *sync, const bytea *checksum, InnSyncOutcome *outcome);
static bool has_cron(const InnDefinition *definition);
static bytea *checksum_of(Jsonb *body);
static bool is_in_checksum(const JsonbValue *key);

void
inn_sync_register(Jsonb *body, const InnSyncHeaders *headers, InnSyncOutcome *outcome)
{
	Sync sync = {.faults = &outcome->faults};

	memset(outcome, 0, sizeof(*outcome));
	judge(&sync, body, headers);
	if (outcome->faults.count > 0)
		refuse(&sync, outcome);
	else
		store(&sync, checksum_of(body), outcome);
}

/* ---- judging ---- */

static void
judge(Sync *sync, Jsonb *body, const InnSyncHeaders *headers)
{
	InnPlace place = {.object = &body->root, .path = "", .faults = sync->faults};

	if (!JsonContainerIsObject(&body->root))
	{
		inn_place_fault(&place, NULL, INN_FAULT_INVALID, "Must be an object.");
		return;
	}
	judge_app(sync, &place, headers);
	judge_functions(sync, &place);
	if (sync->faults->count > 0)
		return;

	/* They are whose they are until the end of the transaction. */
	inn_apps_lock(sync->app.name, sync->slugs, sync->nfunctions);
	judge_owners(sync, &place);
}

static void
judge_app(Sync *sync, const InnPlace *place, const InnSyncHeaders *headers)
{
	InnPlace more;

	sync->app = (InnAppInfo){
		.name = inn_place_text(place, &name_field),
		.url = judge_url(place),
		.sdk = text_or(place, &sdk_field, headers->sdk),
		.framework = text_or(place, &framework_field, headers->framework),
		.platform = text_or(place, &platform_field, headers->platform),
		.app_version = inn_place_text(place, &version_field),
	};
	/* Go says it here */
	if (inn_place_enter(place, "headers", &more))
		sync->app.platform = text_or(&more, &platform_field, sync->app.platform);
	if (sync->app.sdk != NULL)
		sync->language = language_of(sync->app.sdk);
}

static char *
judge_url(const InnPlace *place)
{
	char *url = inn_place_text(place, &url_field);
	InnUrlKind kind;
	const char *fault;

	if (url == NULL)
		return NULL;
	url = inn_http_url_normalize(url, &kind, &fault);
	if (url == NULL)
		inn_place_fault(place, url_field.key, INN_FAULT_INVALID, "%s", fault);
	else if (kind == INN_URL_WEBSOCKET)
		inn_place_fault(place, url_field.key, INN_FAULT_UNSUPPORTED,
						"An app that connects by WebSocket is not supported yet.");
	return url;
}

static const char *
text_or(const InnPlace *place, const InnField *field, const char *otherwise)
{
	char *text = inn_place_text(place, field);

	return text != NULL ? text : otherwise;
}

/* "js" of "js:v4.24.0" and of "inngest-js:v4.24.0"; NULL if it looks like nothing known */
static char *
language_of(const char *sdk)
{
	static const char prefix[] = "inngest-";
	size_t len;

	if (strncmp(sdk, prefix, strlen(prefix)) == 0)
		sdk += strlen(prefix);
	len = strspn(sdk, "abcdefghijklmnopqrstuvwxyz");
	return len > 0 && len <= LANGUAGE_MAX_BYTES && sdk[len] == ':' ? pnstrdup(sdk, len) : NULL;
}

static void
judge_functions(Sync *sync, const InnPlace *place)
{
	int count;
	JsonbValue *values = inn_place_elements(place, "functions", INN_APP_MAX_FUNCTIONS, &count);

	sync->functions = palloc0(Max(count, 1) * sizeof(InnDefinition));
	sync->slugs = palloc0(Max(count, 1) * sizeof(char *));
	sync->nfunctions = count;
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		sync->faults->subject = subject_of(&values[i]);
		judge_function(sync, place, i, &values[i]);
	}
	sync->faults->subject = NULL;
}

static void
judge_function(Sync *sync, const InnPlace *place, int index, JsonbValue *value)
{
	InnDefinition *function = &sync->functions[index];
	char *path = psprintf("functions[%d]", index);

	(void) inn_definition_judge_of_app(inn_json_to_jsonb(value), path, function, sync->faults);
	function->app = sync->app.name;
	function->language = sync->language;
	sync->slugs[index] = function->slug;
	for (int i = 0; i < index && function->slug != NULL; i++)
	{
		if (sync->slugs[i] != NULL && strcmp(sync->slugs[i], function->slug) == 0)
		{
			inn_place_fault(place, psprintf("%s.id", path), INN_FAULT_INVALID,
							"Is also the id of functions[%d].", i);
			break;
		}
	}
}

/* What to call a function whose faults are told; its id may be one of them. */
static const char *
subject_of(JsonbValue *function)
{
	JsonbValue id;

	if (function->type != jbvBinary || !JsonContainerIsObject(function->val.binary.data) ||
		!inn_json_find_ci(function->val.binary.data, "id", &id) || id.type != jbvString ||
		id.val.string.len > INN_FUNCTION_ID_MAX_BYTES)
		return NULL;
	return inn_json_string(&id);
}

static void
judge_owners(Sync *sync, const InnPlace *place)
{
	const char **owners = inn_apps_owners(sync->app.name, sync->slugs, sync->nfunctions);

	for (int i = 0; i < sync->nfunctions; i++)
	{
		if (owners[i] == NULL)
			continue;
		sync->faults->subject = sync->slugs[i];
		inn_place_fault(place, psprintf("functions[%d].id", i), INN_FAULT_INVALID,
						"There is a function of that id already; it belongs to the app \"%s\".",
						owners[i]);
	}
	sync->faults->subject = NULL;
}

/* ---- what becomes of it ---- */

static void
refuse(const Sync *sync, InnSyncOutcome *outcome)
{
	const InnFaults *faults = &outcome->faults;

	outcome->error_code = faults->has_invalid ? "invalid_function" : "not_supported";
	outcome->error = psprintf("%s %s\n%s",
							  has_function_fault(faults) ? "At least one function" : "The app",
							  faults->has_invalid ? "is invalid" : "uses what is not supported yet",
							  inn_faults_to_detail(faults));
	if (sync->app.name != NULL)
		inn_apps_put_error(sync->app.name, outcome->error_code, outcome->error);
}

static bool
has_function_fault(const InnFaults *faults)
{
	static const char prefix[] = "functions[";

	for (int i = 0; i < faults->count; i++)
	{
		if (strncmp(faults->items[i].path, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

static void
store(const Sync *sync, const bytea *checksum, InnSyncOutcome *outcome)
{
	pg_uuid_t *ids = palloc(Max(sync->nfunctions, 1) * sizeof(pg_uuid_t));

	outcome->is_accepted = true;
	outcome->is_modified = !inn_apps_is_same(sync->app.name, checksum);
	for (int i = 0; i < sync->nfunctions; i++)
	{
		CHECK_FOR_INTERRUPTS();
		/* also the same again, if its timetable may have to be put right */
		if (outcome->is_modified || has_cron(&sync->functions[i]))
			(void) inn_functions_put(&sync->functions[i], &ids[i]);
	}
	/* after the functions, as each of them makes the checksum void */
	inn_apps_put(&sync->app, checksum, &outcome->ids);
	if (outcome->is_modified)
		(void) inn_functions_archive_others(&outcome->ids.app_id, ids, sync->nfunctions);
}

static bool
has_cron(const InnDefinition *definition)
{
	for (int i = 0; i < definition->ntriggers; i++)
	{
		if (definition->triggers[i].cron != NULL)
			return true;
	}
	return false;
}

/* SHA-256 of what is registered, in the order in which jsonb keeps it. */
static bytea *
checksum_of(Jsonb *body)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it = JsonbIteratorInit(&body->root);
	JsonbValue value;
	Jsonb *rest;
	char *text;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	(void) JsonbIteratorNext(&it, &value, true); /* WJB_BEGIN_OBJECT */
	while (JsonbIteratorNext(&it, &value, true) == WJB_KEY)
	{
		JsonbValue key = value;

		(void) JsonbIteratorNext(&it, &value, true); /* WJB_VALUE */
		if (!is_in_checksum(&key))
			continue;
		(void) pushJsonbValue(&state, WJB_KEY, &key);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	rest = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	text = JsonbToCString(NULL, &rest->root, VARSIZE(rest));
	return DatumGetByteaPP(
		DirectFunctionCall1(sha256_bytea, PointerGetDatum(cstring_to_text(text))));
}

/* Not what differs from one start of the app to the next. */
static bool
is_in_checksum(const JsonbValue *key)
{
	static const char *const ignored[] = {"featureObservations", "deployId"};

	for (int i = 0; i < (int) lengthof(ignored); i++)
	{
		if (key->val.string.len == (int) strlen(ignored[i]) &&
			pg_strncasecmp(key->val.string.val, ignored[i], key->val.string.len) == 0)
			return false;
	}
	return true;
}
