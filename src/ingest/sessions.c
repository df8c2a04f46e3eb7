/*-------------------------------------------------------------------------
 *
 * sessions.c
 *	  Merging given and inherited sessions.
 *
 * "sessions" is what the sender set: a value of null takes an inherited session away, and null in place
 * of the object takes all away.  "propagated_sessions" is what the sender inherited; it fills the free
 * places in the order of its keys.  jsonb hands out keys shorter ones first, so they are sorted here.
 *
 * IDENTIFICATION
 *	  src/ingest/sessions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "base/errors.h"
#include "base/json.h"
#include "ingest/sessions.h"

typedef struct Session
{
	JsonbValue key;
	JsonbValue id; /* jbvNull: taken away */
} Session;

typedef struct Sessions
{
	Session *items;
	int count;
	bool is_null; /* null was given in place of the object */
} Sessions;

static bool read_sessions(JsonbContainer *meta, const char *key, Sessions *sessions,
						  InnRefusal *refusal);
static JsonbValue text_of(Numeric number);
static bool judge_session(const Session *session, const char *where, InnRefusal *refusal);
static Sessions merge(const Sessions *given, const Sessions *inherited);
static bool has_key(const Sessions *sessions, const JsonbValue *key);
static Jsonb *to_meta(const Sessions *sessions);
static int compare_keys(const void *a, const void *b);
static bool refuse(InnRefusal *refusal, const char *message);

bool
inn_sessions_from_json(JsonbContainer *event, Jsonb **meta, InnRefusal *refusal)
{
	JsonbValue value;

	*meta = NULL;
	if (!inn_json_find(event, "meta", &value) || value.type == jbvNull)
		return true;
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return refuse(refusal, "event field \"meta\" must be an object");
	return inn_sessions_merge(value.val.binary.data, meta, refusal);
}

bool
inn_sessions_merge(JsonbContainer *given_meta, Jsonb **meta, InnRefusal *refusal)
{
	Sessions given, inherited, merged;

	*meta = NULL;
	if (!read_sessions(given_meta, "sessions", &given, refusal) ||
		!read_sessions(given_meta, "propagated_sessions", &inherited, refusal))
		return false;

	merged = merge(&given, &inherited);
	if (merged.count > INN_MAX_SESSIONS)
		return refuse(refusal, psprintf("event has too many sessions: %d, the limit is %d",
										merged.count, INN_MAX_SESSIONS));
	if (merged.count > 0)
		*meta = to_meta(&merged);
	return true;
}

static bool
read_sessions(JsonbContainer *meta, const char *key, Sessions *sessions, InnRefusal *refusal)
{
	JsonbValue value;
	JsonbIterator *it;
	Session session;

	*sessions = (Sessions){0};
	if (!inn_json_find(meta, key, &value))
		return true;
	if (value.type == jbvNull)
	{
		sessions->is_null = true;
		return true;
	}
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return refuse(refusal, psprintf("event field \"meta.%s\" must be an object", key));

	sessions->items = palloc(JsonContainerSize(value.val.binary.data) * sizeof(Session) + 1);
	it = JsonbIteratorInit(value.val.binary.data);
	(void) JsonbIteratorNext(&it, &session.key, true);
	while (JsonbIteratorNext(&it, &session.key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &session.id, true);
		if (session.id.type == jbvNumeric)
			session.id = text_of(session.id.val.numeric);
		if (!judge_session(&session, key, refusal))
			return false;
		sessions->items[sessions->count++] = session;
	}
	qsort(sessions->items, sessions->count, sizeof(Session), compare_keys);
	return true;
}

/* All ids are texts. */
static JsonbValue
text_of(Numeric number)
{
	char *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));

	return (JsonbValue){.type = jbvString, .val.string = {.len = (int) strlen(text), .val = text}};
}

static bool
judge_session(const Session *session, const char *where, InnRefusal *refusal)
{
	const JsonbValue *id = &session->id;

	if (session->key.val.string.len > INN_MAX_SESSION_KEY)
		return refuse(refusal,
					  psprintf("a key in \"meta.%s\" is too long: %d bytes, the limit is %d", where,
							   session->key.val.string.len, INN_MAX_SESSION_KEY));
	if (id->type != jbvString && id->type != jbvNull)
		return refuse(refusal,
					  psprintf("a session id in \"meta.%s\" must be a string or a number", where));
	if (id->type == jbvString && id->val.string.len > INN_MAX_SESSION_ID)
		return refuse(refusal,
					  psprintf("a session id in \"meta.%s\" is too long: %d bytes, the limit is %d",
							   where, id->val.string.len, INN_MAX_SESSION_ID));
	return true;
}

static Sessions
merge(const Sessions *given, const Sessions *inherited)
{
	Sessions merged = {
		.items = palloc((given->count + inherited->count) * sizeof(Session) + 1),
	};

	for (int i = 0; i < given->count; i++)
	{
		if (given->items[i].id.type != jbvNull)
			merged.items[merged.count++] = given->items[i];
	}
	for (int i = 0; i < inherited->count && !given->is_null; i++)
	{
		if (merged.count >= INN_MAX_SESSIONS)
			break;
		if (inherited->items[i].id.type != jbvNull && !has_key(given, &inherited->items[i].key))
			merged.items[merged.count++] = inherited->items[i];
	}
	return merged;
}

static bool
has_key(const Sessions *sessions, const JsonbValue *key)
{
	Session wanted = {.key = *key};

	/* items may be NULL, which bsearch() must not be given */
	return sessions->count > 0 && bsearch(&wanted, sessions->items, sessions->count,
										  sizeof(Session), compare_keys) != NULL;
}

/* {"sessions": {key: id, …}} */
static Jsonb *
to_meta(const Sessions *sessions)
{
	JsonbParseState *state = NULL;
	JsonbValue key = {.type = jbvString, .val.string = {.len = 8, .val = "sessions"}};
	JsonbValue *meta;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < sessions->count; i++)
	{
		pushJsonbValue(&state, WJB_KEY, &sessions->items[i].key);
		pushJsonbValue(&state, WJB_VALUE, &sessions->items[i].id);
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	meta = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(meta);
}

static int
compare_keys(const void *a, const void *b)
{
	const JsonbValue *x = &((const Session *) a)->key;
	const JsonbValue *y = &((const Session *) b)->key;
	int shorter = Min(x->val.string.len, y->val.string.len);
	int result = memcmp(x->val.string.val, y->val.string.val, shorter);

	return result != 0 ? result : x->val.string.len - y->val.string.len;
}

static bool
refuse(InnRefusal *refusal, const char *message)
{
	*refusal = (InnRefusal){.sqlerrcode = ERRCODE_INN_EVENT_INVALID, .message = message};
	return false;
}
