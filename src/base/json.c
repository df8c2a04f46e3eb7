/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Reading JSON text, and reading and writing jsonb by key.
 *
 * The parser is jsonb's input function, so that what is refused here and what
 * is refused in SQL are the same (but half surrogate pairs, which senders cannot
 * help).  It reports bad text by raising an error,
 * which parse() turns into a value without a subtransaction.  That is
 * sound because the input function only computes: it reads no table, takes no
 * lock and holds no buffer or file, so after the jump there is nothing but
 * memory to give back.  A conversion from UTF-8, where one is needed, has
 * finished its catalog lookups before it can find fault with the text.
 *
 * IDENTIFICATION
 *	  src/base/json.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/json.h"
#include "base/number.h"

static int parse(PGFunction input, const char *text, size_t len, Datum *out, char **error);
static char *mend_surrogates(const char *text, size_t len);
static int code_unit(const char *text, size_t len, size_t at);
static bool is_high_surrogate(int unit);
static bool is_low_surrogate(int unit);
static Datum call_input(PGFunction input, const char *text, size_t len);
static bool is_fault_of_text(int sqlerrcode);
static char *describe_fault(const ErrorData *fault);
static void document_value(Jsonb *json, JsonbValue *value);
static bool number_fits(Numeric number);
static bool equal_ci(const JsonbValue *key, const char *name, int len);

bool
inn_json_parse(const char *text, size_t len, Jsonb **out, char **error)
{
	return inn_json_read(text, len, out, error) == INN_JSON_GOOD;
}

InnJsonFault
inn_json_read(const char *text, size_t len, Jsonb **out, char **error)
{
	Datum result;
	char *mended;
	char *ignored;
	int sqlerrcode;

	*out = NULL;
	*error = NULL;

	if (len >= MaxAllocSize)
	{
		*error = pstrdup("The text is too long.");
		return INN_JSON_TOO_LONG;
	}

	/* finds an embedded NUL too, which would end the text for the parser */
	if (!pg_verify_mbstr(PG_UTF8, text, (int) len, true))
	{
		*error = pstrdup("The text is not valid UTF-8.");
		return INN_JSON_NOT_UTF8;
	}

	sqlerrcode = parse(jsonb_in, text, len, &result, error);
	if (sqlerrcode != 0 && (mended = mend_surrogates(text, len)) != NULL)
	{
		*error = NULL;
		sqlerrcode = parse(jsonb_in, mended, len, &result, error);
	}
	if (sqlerrcode != 0)
	{
		/* json keeps escapes as they are, so what it takes is JSON */
		if (sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION &&
			parse(json_in, text, len, &result, &ignored) != 0)
			return INN_JSON_SYNTAX;
		return INN_JSON_UNSTORABLE;
	}
	if (!inn_json_numbers_fit(DatumGetJsonbP(result)))
	{
		*error = psprintf(
			"A number is beyond the range of a double, or has more than %d digits behind the point; send it as a string.",
			INN_JSON_MAX_DIGITS);
		return INN_JSON_UNSTORABLE;
	}
	*out = DatumGetJsonbP(result);
	return INN_JSON_GOOD;
}

/*
 * Half a surrogate pair is what is left of an emoji that was cut in two, as JavaScript does it.  It is no character, so U+FFFD takes
 * its place, as in the original (Go's encoding/json).  A copy of the text, or NULL if there is none.
 */
static char *
mend_surrogates(const char *text, size_t len)
{
	static const char replacement[] = {'f', 'f', 'f', 'd'};
	char *copy = NULL;

	for (size_t i = 0; i + 1 < len; i++)
	{
		int unit;

		if (text[i] != '\\')
			continue;
		unit = code_unit(text, len, i);
		if (is_high_surrogate(unit) && is_low_surrogate(code_unit(text, len, i + 6)))
			i += 6;
		else if (is_high_surrogate(unit) || is_low_surrogate(unit))
		{
			if (copy == NULL)
				copy = pnstrdup(text, len);
			memcpy(&copy[i + 2], replacement, sizeof(replacement));
		}
		i++; /* what is escaped */
	}
	return copy;
}

/* Of the escape that begins here; -1 if there is none of four digits. */
static int
code_unit(const char *text, size_t len, size_t at)
{
	char digits[5] = {0};

	if (at + 6 > len || text[at] != '\\' || text[at + 1] != 'u')
		return -1;
	memcpy(digits, &text[at + 2], 4);
	return strspn(digits, "0123456789abcdefABCDEF") == 4 ? (int) strtol(digits, NULL, 16) : -1;
}

static bool
is_high_surrogate(int unit)
{
	return unit >= 0xD800 && unit < 0xDC00;
}

static bool
is_low_surrogate(int unit)
{
	return unit >= 0xDC00 && unit < 0xE000;
}

/* Call an input function: 0, or the SQLSTATE and the sentence of its error. */
static int
parse(PGFunction input, const char *text, size_t len, Datum *out, char **error)
{
	MemoryContext context = CurrentMemoryContext;
	volatile int sqlerrcode = 0;

	PG_TRY();
	{
		*out = call_input(input, text, len);
	}
	PG_CATCH();
	{
		ErrorData *fault;

		sqlerrcode = geterrcode();
		if (!is_fault_of_text(sqlerrcode))
			PG_RE_THROW();

		MemoryContextSwitchTo(context);
		fault = CopyErrorData();
		FlushErrorState();
		*error = describe_fault(fault);
		FreeErrorData(fault);
	}
	PG_END_TRY();
	return sqlerrcode;
}

static Datum
call_input(PGFunction input, const char *text, size_t len)
{
	char *copy = pnstrdup(text, len);
	char *converted;
	Datum result;

	/* The same pointer if the database speaks UTF-8 or no language at all. */
	converted = GetDatabaseEncoding() == PG_UTF8 ? copy
												 : pg_any_to_server(copy, (int) len, PG_UTF8);

	result = DirectFunctionCall1(input, CStringGetDatum(converted));

	if (converted != copy)
		pfree(converted);
	pfree(copy);
	return result;
}

/*
 * Bad text is a data exception; nesting and size are program limits; an escape
 * that a database without an encoding cannot hold is a missing feature.  What
 * else may happen, a cancelled query or lack of memory, has other classes.
 */
static bool
is_fault_of_text(int sqlerrcode)
{
	int category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		   sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED;
}

/* Make one line of an error: its message and its detail. */
static char *
describe_fault(const ErrorData *fault)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (fault->message != NULL)
		appendStringInfoString(&buf, fault->message);
	if (buf.len > 0)
		buf.data[0] = (char) pg_ascii_toupper((unsigned char) buf.data[0]);
	if (fault->detail != NULL)
		appendStringInfo(&buf, ": %s", fault->detail);
	else
		appendStringInfoChar(&buf, '.');

	/* the detail quotes a token, which may be as long as the text */
	if (buf.len > INN_JSON_FAULT_MAX_BYTES)
	{
		buf.len = pg_mbcliplen(buf.data, buf.len, INN_JSON_FAULT_MAX_BYTES);
		buf.data[buf.len] = '\0';
		appendStringInfoString(&buf, "...");
	}

	for (int i = 0; i < buf.len; i++)
		if ((unsigned char) buf.data[i] < ' ' || buf.data[i] == 0x7F)
			buf.data[i] = ' ';

	return buf.data;
}

bool
inn_json_find(JsonbContainer *object, const char *key, JsonbValue *out)
{
	if (!JsonContainerIsObject(object))
		return false;
	return getKeyJsonValueFromContainer(object, key, (int) strlen(key), out) != NULL;
}

bool
inn_json_numbers_fit(Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if ((token == WJB_ELEM || token == WJB_VALUE) && value.type == jbvNumeric &&
			!number_fits(value.val.numeric))
			return false;
	}
	return true;
}

/* Conversion to a double goes by way of the digits, so there must not be too many of them before it. */
static bool
number_fits(Numeric number)
{
	static Datum limit = (Datum) 0; /* beyond all doubles */
	int64 ignored;

	if (inn_number_to_int(number, &ignored))
		return true;
	if (limit == (Datum) 0)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		limit = DirectFunctionCall3(numeric_in, CStringGetDatum("1e309"),
									ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		MemoryContextSwitchTo(caller);
	}
	return DatumGetBool(
			   DirectFunctionCall2(numeric_lt,
								   DirectFunctionCall1(numeric_abs, NumericGetDatum(number)),
								   limit)) &&
		   DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(number))) <=
			   INN_JSON_MAX_DIGITS &&
		   !isinf(inn_number_to_double(number));
}

bool
inn_json_find_ci(JsonbContainer *object, const char *key, JsonbValue *out)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	int len = (int) strlen(key);
	bool found = false;

	if (!JsonContainerIsObject(object))
		return false;
	if (getKeyJsonValueFromContainer(object, key, len, out) != NULL)
		return true;

	it = JsonbIteratorInit(object);
	while (!found && (token = JsonbIteratorNext(&it, out, true)) != WJB_DONE)
	{
		if (token != WJB_KEY || !equal_ci(out, key, len))
			continue;
		/* its value follows */
		(void) JsonbIteratorNext(&it, out, true);
		found = true;
	}
	return found;
}

static bool
equal_ci(const JsonbValue *key, const char *name, int len)
{
	if (key->val.string.len != len)
		return false;
	for (int i = 0; i < len; i++)
		if (pg_ascii_tolower((unsigned char) key->val.string.val[i]) !=
			pg_ascii_tolower((unsigned char) name[i]))
			return false;
	return true;
}

bool
inn_json_is_integer(const JsonbValue *value, int64 *out)
{
	return value->type == jbvNumeric && inn_number_to_int(value->val.numeric, out);
}

char *
inn_json_string(const JsonbValue *value)
{
	Assert(value->type == jbvString);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

Jsonb *
inn_json_to_jsonb(const JsonbValue *value)
{
	return JsonbValueToJsonb(unconstify(JsonbValue *, value));
}

void
inn_json_append_string(StringInfo buf, const char *s)
{
	escape_json(buf, s);
}

void
inn_json_put_key(JsonbParseState **state, const char *key)
{
	JsonbValue name = {
		.type = jbvString,
		.val.string = {.len = (int) strlen(key), .val = unconstify(char *, key)},
	};

	(void) pushJsonbValue(state, WJB_KEY, &name);
}

void
inn_json_put_text(JsonbParseState **state, const char *key, const char *text)
{
	JsonbValue value = {.type = jbvString};

	if (text == NULL)
		return;
	value.val.string.len = (int) strlen(text);
	value.val.string.val = pnstrdup(text, value.val.string.len);
	inn_json_put_value(state, key, &value);
}

void
inn_json_put_integer(JsonbParseState **state, const char *key, int64 value)
{
	JsonbValue number = {.type = jbvNumeric, .val.numeric = int64_to_numeric(value)};

	inn_json_put_value(state, key, &number);
}

void
inn_json_put_value(JsonbParseState **state, const char *key, JsonbValue *value)
{
	inn_json_put_key(state, key);
	(void) pushJsonbValue(state, WJB_VALUE, value);
}

void
inn_json_put(JsonbParseState **state, const char *key, Jsonb *json)
{
	JsonbValue value;

	if (json == NULL)
		return;
	document_value(json, &value);
	inn_json_put_value(state, key, &value);
}

void
inn_json_put_element(JsonbParseState **state, Jsonb *json)
{
	JsonbValue value;

	document_value(json, &value);
	(void) pushJsonbValue(state, WJB_ELEM, &value);
}

/* A scalar document is an array inside, and must not become one. */
static void
document_value(Jsonb *json, JsonbValue *value)
{
	if (!JB_ROOT_IS_SCALAR(json) || !JsonbExtractScalar(&json->root, value))
		JsonbToJsonbValue(json, value);
}

Jsonb *
inn_json_from_text(const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.len = (int) strlen(text);
	value.val.string.val = unconstify(char *, text);
	return JsonbValueToJsonb(&value);
}
