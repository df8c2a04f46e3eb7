/*-------------------------------------------------------------------------
 *
 * func.c
 *	  Functions of expressions, as one table.
 *
 * A function is called with its arguments evaluated, as many as the table allows, none of them missing or an
 * error; the target of a method is its first argument.
 *
 * IDENTIFICATION
 *	  src/cel/func.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/int.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "cel/calendar.h"
#include "cel/casemap.h"
#include "cel/internal.h"

/* what making a pattern costs, in steps, and each of its bytes */
#define PATTERN_STEPS 200

/* a zone that does not exist is looked for on disk each time */
#define UNKNOWN_ZONE_STEPS 2000

/* bytes that contains() looks through before it can be interrupted */
#define SEARCH_PIECE ((size_t) 1024 * 1024)

#define NANOS_PER_USEC 1000

#define CALL(name) \
	static CelValue name(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)

CALL(call_size);
CALL(call_contains);
CALL(call_starts_with);
CALL(call_ends_with);
CALL(call_matches);
CALL(call_type);
CALL(call_dyn);
CALL(call_time_field);
CALL(call_lowercase);
CALL(call_uppercase);
CALL(call_b64decode);
CALL(call_json_parse);
CALL(call_date);
CALL(call_now);
CALL(call_now_plus);
CALL(call_now_minus);

static CelValue no_overload(const CelContext *cx, const CelNode *node, const CelValue *args,
							int nargs);
static bool are_texts(const CelValue *args);
static CelValue search(CelContext *cx, CelValue text, CelValue wanted);
static CelValue match(CelContext *cx, const CelNode *node, CelValue text, CelValue pattern);
static CelRegexResult match_once(CelContext *cx, CelRegex *kept, CelValue text, CelValue pattern,
								 char *message, size_t size);
static bool time_field(const CelNode *node, CelTimeField *field);
static CelValue map_case(CelContext *cx, CelValue text, bool is_upper);
static int base64_value(char c);
static CelValue now_shifted(CelContext *cx, const CelNode *node, CelValue shift, bool is_back);

/* both: size(x) and x.size() */
#define GLOBAL .is_global = true
#define METHOD .is_method = true
#define BOTH GLOBAL, METHOD
#define INNGEST .is_inngest = true

const CelFunction cel_functions[] = {
	{"size", call_size, 1, 1, BOTH},
	{"contains", call_contains, 2, 2, METHOD},
	{"startsWith", call_starts_with, 2, 2, METHOD},
	{"endsWith", call_ends_with, 2, 2, METHOD},
	{"matches", call_matches, 2, 2, BOTH, .takes_pattern = true},
	{"type", call_type, 1, 1, GLOBAL},
	{"dyn", call_dyn, 1, 1, GLOBAL},

	{"bool", cel_to_bool, 1, 1, GLOBAL},
	{"int", cel_to_int, 1, 1, GLOBAL},
	{"uint", cel_to_uint, 1, 1, GLOBAL},
	{"double", cel_to_double, 1, 1, GLOBAL},
	{"string", cel_to_string, 1, 1, GLOBAL},
	{"bytes", cel_to_bytes, 1, 1, GLOBAL},
	{"timestamp", cel_to_timestamp, 1, 1, GLOBAL},
	{"duration", cel_to_duration, 1, 1, GLOBAL},

	{"getFullYear", call_time_field, 1, 2, METHOD},
	{"getMonth", call_time_field, 1, 2, METHOD},
	{"getDate", call_time_field, 1, 2, METHOD},
	{"getDayOfMonth", call_time_field, 1, 2, METHOD},
	{"getDayOfWeek", call_time_field, 1, 2, METHOD},
	{"getDayOfYear", call_time_field, 1, 2, METHOD},
	{"getHours", call_time_field, 1, 2, METHOD},
	{"getMinutes", call_time_field, 1, 2, METHOD},
	{"getSeconds", call_time_field, 1, 2, METHOD},
	{"getMilliseconds", call_time_field, 1, 2, METHOD},

	{"lowercase", call_lowercase, 1, 1, GLOBAL, INNGEST},
	{"uppercase", call_uppercase, 1, 1, GLOBAL, INNGEST},
	{"b64decode", call_b64decode, 1, 1, GLOBAL, INNGEST},
	{"json_parse", call_json_parse, 1, 1, GLOBAL, INNGEST},
	{"date", call_date, 1, 1, GLOBAL, INNGEST},
	{"now", call_now, 0, 0, GLOBAL, INNGEST},
	{"now_plus", call_now_plus, 1, 1, GLOBAL, INNGEST},
	{"now_minus", call_now_minus, 1, 1, GLOBAL, INNGEST},
};

const int cel_function_count = lengthof(cel_functions);

StaticAssertDecl(lengthof(cel_functions) < CEL_NO_FUNCTION, "functions are told by one byte");

static CelValue
no_overload(const CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD,
							  nargs == 1 ? CEL_SHAPE_UNARY : CEL_SHAPE_CALL,
							  cel_functions[node->function].name, args[0].kind,
							  nargs == 1 ? 0 : args[1].kind);
}

/* Code points of a string, bytes of bytes, elements of a list, entries of a map. */
CALL(call_size)
{
	if (args[0].kind == CEL_STRING)
	{
		if (!cel_charge(cx, args[0].length / 64))
			return (CelValue){.kind = CEL_ERROR};
		return cel_int(pg_mbstrlen_with_len(args[0].u.text, (int) args[0].length));
	}
	if (args[0].kind == CEL_BYTES)
		return cel_int(args[0].length);
	if (cel_is_list(args[0]) || cel_is_map(args[0]))
		return cel_int(cel_container_size(args[0]));
	return no_overload(cx, node, args, nargs);
}

/* ---- strings ---- */

static bool
are_texts(const CelValue *args)
{
	return args[0].kind == CEL_STRING && args[1].kind == CEL_STRING;
}

CALL(call_contains)
{
	if (!are_texts(args))
		return no_overload(cx, node, args, nargs);
	return search(cx, args[0], args[1]);
}

CALL(call_starts_with)
{
	if (!are_texts(args))
		return no_overload(cx, node, args, nargs);
	return cel_bool(args[1].length <= args[0].length &&
					memcmp(args[0].u.text, args[1].u.text, args[1].length) == 0);
}

CALL(call_ends_with)
{
	if (!are_texts(args))
		return no_overload(cx, node, args, nargs);
	return cel_bool(args[1].length <= args[0].length &&
					memcmp(args[0].u.text + args[0].length - args[1].length, args[1].u.text,
						   args[1].length) == 0);
}

CALL(call_matches)
{
	if (!are_texts(args))
		return no_overload(cx, node, args, nargs);
	return match(cx, node, args[0], args[1]);
}

/* In pieces, so that it can be interrupted: what is found begins in a piece and may end after it. */
static CelValue
search(CelContext *cx, CelValue text, CelValue wanted)
{
	const char *begin = text.u.text;
	size_t left = text.length;

	for (;;)
	{
		size_t piece = Min(left, Max(SEARCH_PIECE, wanted.length));

		if (!cel_charge(cx, piece / 64))
			return (CelValue){.kind = CEL_ERROR};
		if (memmem(begin, Min(left, piece + wanted.length), wanted.u.text, wanted.length) != NULL)
			return cel_bool(true);
		if (piece == left)
			return cel_bool(false);
		begin += piece;
		left -= piece;
	}
}

/* An interrupt that turns out not to end the query makes the match start again. */
static CelValue
match(CelContext *cx, const CelNode *node, CelValue text, CelValue pattern)
{
	char message[128];
	char *copy;
	CelRegexResult result;

	if (pattern.length > INN_CEL_MAX_PATTERN_BYTES)
		return cel_exceed(cx, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						  "the pattern of matches() is longer than 1000 bytes");
	do
	{
		if (cx->has_exceeded)
			return (CelValue){.kind = CEL_ERROR};
		result = match_once(cx, node->u.s.regex, text, pattern, message, sizeof(message));
		CHECK_FOR_INTERRUPTS();
	} while (result == CEL_REGEX_INTERRUPTED);

	switch (result)
	{
		case CEL_REGEX_MATCH:
			return cel_bool(true);
		case CEL_REGEX_NO_MATCH:
			return cel_bool(false);
		case CEL_REGEX_EXCEEDED:
			return cel_exceed(cx, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							  "matching a regular expression takes too many steps");
		default:
			break;
	}
	copy = cel_alloc(cx, sizeof(message));
	if (copy == NULL)
		return (CelValue){.kind = CEL_ERROR};
	memcpy(copy, message, sizeof(message));
	return cel_error_text(cx, CEL_ERR_PATTERN, copy, strlen(copy));
}

/* A pattern that is no literal is made and thrown away; nothing here can throw in between. */
static CelRegexResult
match_once(CelContext *cx, CelRegex *kept, CelValue text, CelValue pattern, char *message,
		   size_t size)
{
	CelRegex *regex = kept;
	CelRegexResult result;

	strlcpy(message, "out of memory", size);
	if (regex == NULL)
	{
		if (!cel_charge(cx, PATTERN_STEPS + pattern.length))
			return CEL_REGEX_EXCEEDED;
		regex = cel_regex_compile(pattern.u.text, pattern.length, false, message, size);
	}
	if (regex == NULL)
		return CEL_REGEX_FAILED;
	result = cel_regex_match(regex, text.u.text, text.length, &cx->steps);
	if (regex != kept)
		cel_regex_free(regex);
	return result;
}

/* ---- types ---- */

CALL(call_type)
{
	return cel_type_of(args[0]);
}

CALL(call_dyn)
{
	return args[0];
}

/* ---- timestamps and durations ---- */

CALL(call_time_field)
{
	CelTimeField field;
	CelTime time = {args[0].u.i, args[0].length};
	int64 value;
	bool has_zone = nargs == 2;

	if (args[0].kind == CEL_DURATION && !has_zone && time_field(node, &field) && field >= CEL_HOURS)
		return cel_int(cel_duration_field(args[0].u.i, field));
	if (args[0].kind != CEL_TIMESTAMP || (has_zone && args[1].kind != CEL_STRING) ||
		!time_field(node, &field))
		return no_overload(cx, node, args, nargs);

	if (cel_timestamp_field(time, field, has_zone ? args[1].u.text : "",
							has_zone ? args[1].length : 0, &value))
		return cel_int(value);
	if (!cel_charge(cx, UNKNOWN_ZONE_STEPS))
		return (CelValue){.kind = CEL_ERROR};
	return cel_error_text(cx, CEL_ERR_ZONE, args[1].u.text, args[1].length);
}

/* The field that a function is named after. */
static bool
time_field(const CelNode *node, CelTimeField *field)
{
	static const char *const names[] = {
		[CEL_FULL_YEAR] = "getFullYear",
		[CEL_MONTH] = "getMonth",
		[CEL_DATE] = "getDate",
		[CEL_DAY_OF_MONTH] = "getDayOfMonth",
		[CEL_DAY_OF_WEEK] = "getDayOfWeek",
		[CEL_DAY_OF_YEAR] = "getDayOfYear",
		[CEL_HOURS] = "getHours",
		[CEL_MINUTES] = "getMinutes",
		[CEL_SECONDS] = "getSeconds",
		[CEL_MILLISECONDS] = "getMilliseconds",
	};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (strcmp(cel_functions[node->function].name, names[i]) != 0)
			continue;
		*field = (CelTimeField) i;
		return true;
	}
	return false;
}

/* ---- functions of Inngest ---- */

CALL(call_lowercase)
{
	return map_case(cx, args[0], false);
}

CALL(call_uppercase)
{
	return map_case(cx, args[0], true);
}

/* Of what is no string, an empty one. */
static CelValue
map_case(CelContext *cx, CelValue text, bool is_upper)
{
	size_t size = (size_t) text.length * CEL_CASEMAP_GROWTH;
	char *out;

	if (text.kind != CEL_STRING)
		return cel_text(CEL_STRING, "", 0);
	if (!cel_charge(cx, text.length / 16))
		return (CelValue){.kind = CEL_ERROR};
	out = cel_alloc(cx, size);
	if (out == NULL)
		return (CelValue){.kind = CEL_ERROR};
	return cel_text(CEL_STRING, out, cel_casemap(text.u.text, text.length, is_upper, out));
}

/* Standard alphabet with padding; of what is broken, the part before. */
CALL(call_b64decode)
{
	CelValue text = args[0];
	uint32 bits = 0;
	int nbits = 0;
	int length = 0;
	char *out;

	if (text.kind != CEL_STRING)
		return cel_text(CEL_STRING, "", 0);
	out = cel_alloc(cx, text.length);
	if (out == NULL || !cel_charge(cx, text.length / 64))
		return (CelValue){.kind = CEL_ERROR};
	for (uint32 i = 0; i < text.length && base64_value(text.u.text[i]) >= 0; i++)
	{
		bits = bits << 6 | (uint32) base64_value(text.u.text[i]);
		nbits += 6;
		if (nbits < 8)
			continue;
		nbits -= 8;
		out[length++] = (char) (bits >> nbits);
	}
	/* a string is valid text */
	return cel_text(CEL_STRING, out, pg_encoding_verifymbstr(GetDatabaseEncoding(), out, length));
}

static int
base64_value(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int) (at - alphabet);
}

/* An object; of anything else an empty one. */
CALL(call_json_parse)
{
	CelMap *empty;
	Jsonb *json;
	char *error;

	if (args[0].kind == CEL_STRING)
	{
		/* what the parser makes of a text is a multiple of it */
		if (!cel_note_memory(cx, (size_t) args[0].length * 8))
			return (CelValue){.kind = CEL_ERROR};
		if (inn_json_parse(args[0].u.text, args[0].length, &json, &error) &&
			JsonContainerIsObject(&json->root))
			return (CelValue){.kind = CEL_JSON_MAP, .u.json = &json->root};
	}
	empty = cel_alloc(cx, offsetof(CelMap, pairs));
	if (empty == NULL)
		return (CelValue){.kind = CEL_ERROR};
	empty->count = 0;
	return (CelValue){.kind = CEL_MAP, .u.map = empty};
}

/* What is no date gives nothing, and that is an error nothing absorbs. */
CALL(call_date)
{
	CelValue value = args[0];
	CelTime time;
	int64 number;
	bool is_date = false;

	if (value.kind == CEL_TIMESTAMP)
		return value;
	if (value.kind == CEL_STRING)
		is_date = cel_date_parse(value.u.text, value.length, &time);
	else if (cel_to_integer(value, &number))
		is_date = cel_date_from_int(number, &time);
	if (is_date)
		return (CelValue){.kind = CEL_TIMESTAMP, .length = time.nanos, .u.i = time.seconds};

	value = cel_to_text(cx, value);
	if (cel_is_absent(value))
		return value;
	return cel_error_text(cx, CEL_ERR_NOTHING, value.u.text, value.length);
}

/* When the statement began, so that an expression is true or not for all of it. */
CALL(call_now)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	int64 usec = now % USECS_PER_SEC;
	CelTime time;

	if (usec < 0)
		usec += USECS_PER_SEC;
	time.seconds = (now - usec) / USECS_PER_SEC +
				   (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	time.nanos = (uint32) usec * NANOS_PER_USEC;
	return (CelValue){.kind = CEL_TIMESTAMP, .length = time.nanos, .u.i = time.seconds};
}

CALL(call_now_plus)
{
	return now_shifted(cx, node, args[0], false);
}

CALL(call_now_minus)
{
	return now_shifted(cx, node, args[0], true);
}

static CelValue
now_shifted(CelContext *cx, const CelNode *node, CelValue shift, bool is_back)
{
	CelValue now = call_now(cx, node, NULL, 0);
	CelTime time;
	int64 nanos;

	if (shift.kind != CEL_STRING || !cel_duration_parse(shift.u.text, shift.length, true, &nanos))
		return cel_error_operands(cx, CEL_ERR_CONVERSION, CEL_SHAPE_CONVERSION,
								  "google.protobuf.Duration", shift.kind, 0);
	if (is_back)
		nanos = nanos == PG_INT64_MIN ? PG_INT64_MAX : -nanos;
	if (!cel_timestamp_add((CelTime){now.u.i, now.length}, nanos, &time))
		return cel_error_text(cx, CEL_ERR_RANGE, "timestamp", strlen("timestamp"));
	return (CelValue){.kind = CEL_TIMESTAMP, .length = time.nanos, .u.i = time.seconds};
}
