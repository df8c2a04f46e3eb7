/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Errors of functions and steps, as they are recorded.
 *
 * IDENTIFICATION
 *	  src/run/fault.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/json.h"
#include "run/fault.h"

#define DEFAULT_NAME "Error"
#define DEFAULT_MESSAGE "Function execution error"
#define FINAL_ERROR "NonRetriableError"

/* deepest that an error is wrapped in others */
#define MAX_WRAPPING 4

/* An error being written. */
typedef struct Writing
{
	JsonbParseState *state;
	int room; /* bytes that texts may still have */
} Writing;

static const JsonbValue *unwrap(const JsonbValue *reported);
static bool parse_text(const JsonbValue *text, JsonbValue *out);
static bool is_object(const JsonbValue *value);
static bool is_error(JsonbContainer *object);
static bool find_inner(JsonbContainer *object, JsonbValue *inner);
static bool find_text(const JsonbValue *source, const char *key, JsonbValue *out);
static void begin(Writing *writing);
static Jsonb *end(Writing *writing);
static void put(Writing *writing, const char *key, const JsonbValue *value);
static void put_text(Writing *writing, const char *key, const JsonbValue *text);
static void put_literal(Writing *writing, const char *key, const char *text);
static void put_found(Writing *writing, const JsonbValue *source, const char *key,
					  const char *otherwise);
static void put_message(Writing *writing, const JsonbValue *source);
static void put_cause(Writing *writing, const JsonbValue *source);

Jsonb *
inn_fault_make(const char *name, const char *message)
{
	bool is_plain = strcmp(name, DEFAULT_NAME) == 0;

	return inn_fault_make_full(is_plain ? message : psprintf("%s: %s", name, message), name,
							   message);
}

Jsonb *
inn_fault_make_full(const char *error, const char *name, const char *message)
{
	Writing writing;

	begin(&writing);
	put_literal(&writing, "error", error);
	put_literal(&writing, "name", name);
	put_literal(&writing, "message", message);
	return end(&writing);
}

Jsonb *
inn_fault_of_function(const JsonbValue *reported, bool no_retry)
{
	const JsonbValue *source = unwrap(reported);
	Writing writing;

	begin(&writing);
	put_found(&writing, source, "name", DEFAULT_NAME);
	put_found(&writing, source, "error", no_retry ? FINAL_ERROR : DEFAULT_MESSAGE);
	put_message(&writing, source);
	put_found(&writing, source, "stack", NULL);
	put_cause(&writing, source);
	return end(&writing);
}

Jsonb *
inn_fault_of_step(const JsonbValue *reported)
{
	const JsonbValue *source = unwrap(reported);
	JsonbValue value;
	Writing writing;

	begin(&writing);
	put_found(&writing, source, "name", DEFAULT_NAME);
	put_message(&writing, source);
	put_found(&writing, source, "stack", NULL);
	put_cause(&writing, source);
	if (is_object(source))
	{
		if (inn_json_find(source->val.binary.data, "data", &value))
			put(&writing, "data", &value);
		if (inn_json_find(source->val.binary.data, "noRetry", &value) && value.type == jbvBool)
			put(&writing, "noRetry", &value);
	}
	return end(&writing);
}

/* ---- reading ---- */

/* What the error itself is: an object, or a text, or something that says nothing. */
static const JsonbValue *
unwrap(const JsonbValue *reported)
{
	JsonbValue *source = palloc(sizeof(JsonbValue));
	JsonbValue inner;

	*source = reported == NULL ? (JsonbValue){.type = jbvNull} : *reported;
	for (int depth = 0; depth < MAX_WRAPPING; depth++)
	{
		bool is_wrapped = source->type == jbvString
							  ? parse_text(source, &inner)
							  : is_object(source) && !is_error(source->val.binary.data) &&
									find_inner(source->val.binary.data, &inner);

		if (!is_wrapped)
			break;
		*source = inner;
	}
	return source;
}

/* A text that is a JSON object. */
static bool
parse_text(const JsonbValue *text, JsonbValue *out)
{
	const char *start = text->val.string.val;
	int len = text->val.string.len;
	char *utf8;
	Jsonb *json;
	char *error;

	if (len == 0 || *start != '{')
		return false;
	utf8 = pg_server_to_any(start, len, PG_UTF8);
	if (!inn_json_parse(utf8, utf8 == start ? len : strlen(utf8), &json, &error))
		return false;
	*out = (JsonbValue){.type = jbvBinary,
						.val.binary = {.len = VARSIZE(json) - VARHDRSZ, .data = &json->root}};
	return true;
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

static bool
is_error(JsonbContainer *object)
{
	JsonbValue ignored;

	return inn_json_find(object, "message", &ignored) || inn_json_find(object, "name", &ignored) ||
		   inn_json_find(object, "stack", &ignored);
}

/* An object wraps an error if its "error" or "body" is an object, or a text that is one. */
static bool
find_inner(JsonbContainer *object, JsonbValue *inner)
{
	static const char *const keys[] = {"error", "body"};

	for (int i = 0; i < lengthof(keys); i++)
	{
		JsonbValue value;

		if (!inn_json_find(object, keys[i], &value))
			continue;
		*inner = value;
		if (is_object(&value) || (value.type == jbvString && parse_text(&value, inner)))
			return true;
	}
	return false;
}

/* A text under a key, unless it is empty. */
static bool
find_text(const JsonbValue *source, const char *key, JsonbValue *out)
{
	return is_object(source) && inn_json_find(source->val.binary.data, key, out) &&
		   out->type == jbvString && out->val.string.len > 0;
}

/* ---- writing ---- */

static void
begin(Writing *writing)
{
	*writing = (Writing){.room = INN_FAULT_MAX_BYTES};
	(void) pushJsonbValue(&writing->state, WJB_BEGIN_OBJECT, NULL);
}

static Jsonb *
end(Writing *writing)
{
	return JsonbValueToJsonb(pushJsonbValue(&writing->state, WJB_END_OBJECT, NULL));
}

static void
put(Writing *writing, const char *key, const JsonbValue *value)
{
	JsonbValue name = {.type = jbvString,
					   .val.string = {.len = (int) strlen(key), .val = unconstify(char *, key)}};

	(void) pushJsonbValue(&writing->state, WJB_KEY, &name);
	(void) pushJsonbValue(&writing->state, WJB_VALUE, unconstify(JsonbValue *, value));
}

static void
put_text(Writing *writing, const char *key, const JsonbValue *text)
{
	JsonbValue clipped = *text;

	clipped.val.string.len =
		pg_mbcliplen(text->val.string.val, text->val.string.len, writing->room);
	writing->room -= clipped.val.string.len;
	put(writing, key, &clipped);
}

static void
put_literal(Writing *writing, const char *key, const char *text)
{
	JsonbValue value = {.type = jbvString,
						.val.string = {.len = (int) strlen(text), .val = unconstify(char *, text)}};

	put_text(writing, key, &value);
}

/* What was reported under a key, or else something else, if that is not NULL. */
static void
put_found(Writing *writing, const JsonbValue *source, const char *key, const char *otherwise)
{
	JsonbValue text;

	if (find_text(source, key, &text))
		put_text(writing, key, &text);
	else if (otherwise != NULL)
		put_literal(writing, key, otherwise);
}

/* SDKs that have no message say what is wrong under "error", or as a plain text. */
static void
put_message(Writing *writing, const JsonbValue *source)
{
	JsonbValue text;

	if (find_text(source, "message", &text) || find_text(source, "error", &text))
		put_text(writing, "message", &text);
	else if (source->type == jbvString && source->val.string.len > 0)
		put_text(writing, "message", source);
	else
		put_literal(writing, "message", DEFAULT_MESSAGE);
}

static void
put_cause(Writing *writing, const JsonbValue *source)
{
	JsonbValue cause;

	if (!is_object(source) || !inn_json_find(source->val.binary.data, "cause", &cause) ||
		cause.type == jbvNull)
		return;
	if ((cause.type == jbvBinary   ? cause.val.binary.len
		 : cause.type == jbvString ? cause.val.string.len
								   : 0) <= writing->room)
		put(writing, "cause", &cause);
}
