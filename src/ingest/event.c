/*-------------------------------------------------------------------------
 *
 * event.c
 *	  From a JSON value to an event that may be stored.
 *
 * The messages for what the Inngest server refuses, too, are its own (protocol.md 3, captures/rest-*):
 * SDK users search for them.
 *
 * IDENTIFICATION
 *	  src/ingest/event.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/timer.h"
#include "ingest/event.h"
#include "ingest/sessions.h"

#define RESERVED_PREFIX "inngest/"
#define RESERVED_DATA_KEY "_inngest"

/* 1980-01-01 and 2100-01-01 UTC (protocol.md 1) */
#define MIN_EVENT_UNIX_MS INT64CONST(315532800000)
#define MAX_EVENT_UNIX_MS INT64CONST(4102444800000)

static bool refuse(InnRefusal *refusal, int sqlerrcode, const char *message, const char *hint);
static bool read_fields(JsonbContainer *object, TimestampTz now, InnEvent *event,
						InnRefusal *refusal);
static bool read_string(JsonbContainer *object, const char *key, const char **out,
						InnRefusal *refusal);
static bool read_object(JsonbContainer *object, const char *key, Jsonb **out, InnRefusal *refusal);
static bool read_time(JsonbContainer *object, TimestampTz now, TimestampTz *out,
					  InnRefusal *refusal);
static bool judge_name(const char *name, InnRefusal *refusal);
static bool judge_time(TimestampTz when, InnRefusal *refusal);
static bool within(const char *value, const char *what, size_t limit, InnRefusal *refusal);
static Jsonb *without_reserved_key(Jsonb *data);
static int64 text_size(const JsonbContainer *container, int jsonb_bytes);
static bool is_small_enough(JsonbValue *value, int64 text_bytes, InnRefusal *refusal);

bool
inn_event_from_json(JsonbValue *value, int64 text_bytes, TimestampTz now, InnEvent *event,
					InnRefusal *refusal)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		return refuse(refusal, ERRCODE_INN_EVENT_INVALID, "event must be a JSON object", NULL);

	*event = (InnEvent){.received_at = now};
	return is_small_enough(value, text_bytes, refusal) &&
		   read_fields(value->val.binary.data, now, event, refusal) &&
		   inn_event_judge(event, refusal);
}

static bool
read_fields(JsonbContainer *object, TimestampTz now, InnEvent *event, InnRefusal *refusal)
{
	if (!read_string(object, "name", &event->name, refusal) ||
		!read_object(object, "data", &event->data, refusal) ||
		!read_object(object, "user", &event->user, refusal) ||
		!read_string(object, "id", &event->caller_id, refusal) ||
		!read_time(object, now, &event->ts, refusal) ||
		!read_string(object, "v", &event->version, refusal))
		return false;
	return inn_sessions_from_json(object, &event->meta, refusal);
}

bool
inn_event_judge(InnEvent *event, InnRefusal *refusal)
{
	if (event->caller_id != NULL && event->caller_id[0] == '\0')
		event->caller_id = NULL;
	if (event->user != NULL && JB_ROOT_COUNT(event->user) == 0)
		event->user = NULL;
	if (event->data == NULL)
		event->data = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	event->data = without_reserved_key(event->data);

	return judge_name(event->name, refusal) && judge_time(event->ts, refusal) &&
		   within(event->caller_id, "id", INN_MAX_EVENT_ID, refusal) &&
		   within(event->version, "v", INN_MAX_EVENT_VERSION, refusal);
}

bool
inn_event_fits(int64 bytes, InnRefusal *refusal)
{
	if (bytes <= inn_max_event_bytes)
		return true;
	return refuse(refusal, ERRCODE_INN_EVENT_TOO_LARGE,
				  psprintf("Event is over the max size: Max %d bytes / Size " INT64_FORMAT " bytes",
						   inn_max_event_bytes, bytes),
				  "Send a reference to the payload, or raise \"inngest.max_event_size\".");
}

void
inn_refusal_throw(const InnRefusal *refusal)
{
	ereport(ERROR,
			errcode(refusal->sqlerrcode),
			errmsg("%s", refusal->message),
			refusal->hint != NULL ? errhint("%s", refusal->hint) : 0);
}

static bool
refuse(InnRefusal *refusal, int sqlerrcode, const char *message, const char *hint)
{
	*refusal = (InnRefusal){.sqlerrcode = sqlerrcode, .message = message, .hint = hint};
	return false;
}

bool
inn_event_fits_jsonb(const Jsonb *data, const Jsonb *user, InnRefusal *refusal)
{
	int64 bytes = text_size(&data->root, VARSIZE(data)) +
				  (user == NULL ? 0 : text_size(&user->root, VARSIZE(user)));

	return inn_event_fits(bytes, refusal);
}

/*
 * The size of a document as JSON text, measured only if it may matter.  Text is at most six times as
 * long as its jsonb: that is what escaping can do to a string.
 */
static int64
text_size(const JsonbContainer *container, int jsonb_bytes)
{
	StringInfoData text;

	if (jsonb_bytes <= inn_max_event_bytes / 6)
		return jsonb_bytes;
	initStringInfo(&text);
	JsonbToCString(&text, unconstify(JsonbContainer *, container), jsonb_bytes);
	pfree(text.data);
	return text.len;
}

static bool
is_small_enough(JsonbValue *value, int64 text_bytes, InnRefusal *refusal)
{
	if (text_bytes < 0)
		text_bytes = text_size(value->val.binary.data, value->val.binary.len);
	return inn_event_fits(text_bytes, refusal);
}

/* Absent and null are NULL. */
static bool
read_string(JsonbContainer *object, const char *key, const char **out, InnRefusal *refusal)
{
	JsonbValue value;

	*out = NULL;
	if (!inn_json_find(object, key, &value) || value.type == jbvNull)
		return true;
	if (value.type != jbvString)
		return refuse(refusal, ERRCODE_INN_EVENT_INVALID,
					  psprintf("event field \"%s\" must be a string", key), NULL);
	*out = inn_json_string(&value);
	return true;
}

static bool
read_object(JsonbContainer *object, const char *key, Jsonb **out, InnRefusal *refusal)
{
	JsonbValue value;

	*out = NULL;
	if (!inn_json_find(object, key, &value) || value.type == jbvNull)
		return true;
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return refuse(refusal, ERRCODE_INN_EVENT_INVALID,
					  psprintf("event field \"%s\" must be an object", key), NULL);
	*out = inn_json_to_jsonb(&value);
	return true;
}

/* Milliseconds since 1970; absent, null and 0 mean now. */
static bool
read_time(JsonbContainer *object, TimestampTz now, TimestampTz *out, InnRefusal *refusal)
{
	JsonbValue value;
	int64 unix_ms;

	*out = now;
	if (!inn_json_find(object, "ts", &value) || value.type == jbvNull)
		return true;
	if (!inn_json_is_integer(&value, &unix_ms))
		return refuse(refusal, ERRCODE_INN_EVENT_INVALID,
					  "event field \"ts\" must be an integer: milliseconds since 1970", NULL);
	if (unix_ms == 0)
		return true;
	unix_ms = Max(unix_ms, MIN_EVENT_UNIX_MS - 1);
	unix_ms = Min(unix_ms, MAX_EVENT_UNIX_MS + 1);
	*out = inn_from_unix_ms(unix_ms);
	return true;
}

static bool
judge_name(const char *name, InnRefusal *refusal)
{
	if (name == NULL || name[0] == '\0')
		return refuse(refusal, ERRCODE_INN_EVENT_INVALID, "event name is empty",
					  "Set \"name\", for example \"app/user.created\".");
	if (pg_strncasecmp(name, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0)
		return refuse(refusal, ERRCODE_INN_EVENT_NAME_RESERVED,
					  psprintf("event name is reserved for internal use: %s", name),
					  "Choose a name that does not begin with \"inngest/\".");
	return within(name, "name", INN_MAX_EVENT_NAME, refusal);
}

static bool
judge_time(TimestampTz when, InnRefusal *refusal)
{
	static const char hint[] = "\"ts\" counts milliseconds since 1970; leave it out for now.";

	if (when < inn_from_unix_ms(MIN_EVENT_UNIX_MS))
		return refuse(refusal, ERRCODE_INN_EVENT_INVALID, "timestamp is before Jan 1, 1980", hint);
	if (when > inn_from_unix_ms(MAX_EVENT_UNIX_MS))
		return refuse(refusal, ERRCODE_INN_EVENT_INVALID, "timestamp is after Jan 1, 2100", hint);
	return true;
}

static bool
within(const char *value, const char *what, size_t limit, InnRefusal *refusal)
{
	if (value == NULL || strlen(value) <= limit)
		return true;
	return refuse(refusal, ERRCODE_INN_EVENT_INVALID,
				  psprintf("event field \"%s\" is too long: %zu bytes, the limit is %zu", what,
						   strlen(value), limit),
				  NULL);
}

static Jsonb *
without_reserved_key(Jsonb *data)
{
	JsonbValue ignored;

	if (!inn_json_find(&data->root, RESERVED_DATA_KEY, &ignored))
		return data;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(data),
											  CStringGetTextDatum(RESERVED_DATA_KEY)));
}
