/*-------------------------------------------------------------------------
 *
 * output.c
 *	  From values to jsonb, as protobuf maps CEL to JSON.
 *
 * int, uint and double become numbers, with all digits; NaN and infinities, bytes, timestamps, durations and
 * types strings.  Keys of maps become strings.
 *
 * IDENTIFICATION
 *	  src/cel/output.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/base64.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/json.h"
#include "cel/calendar.h"
#include "cel/internal.h"

typedef struct Output
{
	CelContext *cx;
	JsonbParseState *state;
	InnCelFault *fault;
	bool has_failed;
} Output;

static JsonbValue *put_container(Output *output, CelValue container);
static JsonbValue scalar(Output *output, CelValue value);
static JsonbValue number_from_text(const char *text);
static JsonbValue from_double(double d);
static JsonbValue string(Output *output, CelValue text);
static JsonbValue key_of(Output *output, CelValue key);
static JsonbValue fail(Output *output, int sqlerrcode, const char *message);

bool
cel_to_jsonb(CelContext *cx, CelValue value, Jsonb **out, InnCelFault *fault)
{
	Output output = {.cx = cx, .fault = fault};
	JsonbValue root;
	JsonbValue *document = &root;

	if (cel_is_list(value) || cel_is_map(value))
		document = put_container(&output, value);
	else
		root = scalar(&output, value);
	if (output.has_failed)
		return false;
	*out = inn_json_to_jsonb(document);
	return true;
}

/* NULL while inside another one. */
static JsonbValue *
put_container(Output *output, CelValue container)
{
	bool is_map = cel_is_map(container);
	CelCursor cursor;
	CelValue element;
	CelValue value = {.kind = CEL_NULL};

	if (stack_is_too_deep())
		(void) fail(output, ERRCODE_STATEMENT_TOO_COMPLEX, "the result is nested too deeply");
	if (!cel_note_memory(output->cx, cel_container_size(container) * 2 * sizeof(JsonbPair)))
		(void) fail(output, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the result is too large");
	if (output->has_failed)
		return NULL;

	(void) pushJsonbValue(&output->state, is_map ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY, NULL);
	(void) cel_cursor_open(&cursor, container);
	while (!output->has_failed && cel_cursor_next(&cursor, &element, &value))
	{
		JsonbIteratorToken token = is_map ? WJB_VALUE : WJB_ELEM;
		JsonbValue json;

		if (is_map)
		{
			json = key_of(output, element);
			(void) pushJsonbValue(&output->state, WJB_KEY, &json);
			element = value;
		}
		if (cel_is_list(element) || cel_is_map(element))
		{
			(void) put_container(output, element);
			continue;
		}
		json = scalar(output, element);
		(void) pushJsonbValue(&output->state, token, &json);
	}
	if (output->has_failed)
		return NULL;
	return pushJsonbValue(&output->state, is_map ? WJB_END_OBJECT : WJB_END_ARRAY, NULL);
}

static JsonbValue
scalar(Output *output, CelValue value)
{
	char buf[CEL_TIME_TEXT_SIZE];
	CelTime time = {value.u.i, value.length};
	const char *name;

	switch ((CelKind) value.kind)
	{
		case CEL_BOOL:
			return (JsonbValue){.type = jbvBool, .val.boolean = value.u.boolean};
		case CEL_INT:
			return (JsonbValue){.type = jbvNumeric, .val.numeric = int64_to_numeric(value.u.i)};
		case CEL_UINT:
			return number_from_text(psprintf(UINT64_FORMAT, value.u.u));
		case CEL_DOUBLE:
			return from_double(value.u.d);
		case CEL_NUMBER:
			return (JsonbValue){.type = jbvNumeric, .val.numeric = value.u.number};
		case CEL_STRING:
			return string(output, value);
		case CEL_BYTES:
			return string(output, cel_to_base64(output->cx, value));
		case CEL_TIMESTAMP:
			(void) cel_timestamp_format(time, buf);
			name = pstrdup(buf);
			return string(output, cel_text(CEL_STRING, name, strlen(name)));
		case CEL_DURATION:
			(void) cel_duration_format(value.u.i, buf);
			name = pstrdup(buf);
			return string(output, cel_text(CEL_STRING, name, strlen(name)));
		case CEL_TYPE:
			name = cel_type_name(value.u.type);
			return string(output, cel_text(CEL_STRING, name, strlen(name)));
		default:
			return (JsonbValue){.type = jbvNull};
	}
}

/* The text is a number. */
static JsonbValue
number_from_text(const char *text)
{
	Datum number = DirectFunctionCall3(numeric_in, CStringGetDatum(text),
									   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

	return (JsonbValue){.type = jbvNumeric, .val.numeric = DatumGetNumeric(number)};
}

static JsonbValue
from_double(double d)
{
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];
	const char *name = isnan(d) ? "NaN" : d > 0 ? "Infinity" : "-Infinity";

	if (isnan(d) || isinf(d))
		return (
			JsonbValue){.type = jbvString,
						.val.string = {.len = (int) strlen(name), .val = unconstify(char *, name)}};
	text[double_to_shortest_decimal_bufn(d, text)] = '\0';
	return number_from_text(text);
}

/* Escapes and octets can make what no text of the server may contain. */
static JsonbValue
string(Output *output, CelValue text)
{
	if (cel_is_absent(text))
		return fail(output, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the result is too large");
	if (memchr(text.u.text, '\0', text.length) != NULL)
		return fail(output, ERRCODE_UNTRANSLATABLE_CHARACTER,
					"the result has a string with \\u0000, which jsonb cannot hold");
	return (JsonbValue){.type = jbvString,
						.val.string = {.len = (int) text.length,
									   .val = unconstify(char *, text.u.text)}};
}

static JsonbValue
key_of(Output *output, CelValue key)
{
	return string(output, cel_to_text(output->cx, key));
}

static JsonbValue
fail(Output *output, int sqlerrcode, const char *message)
{
	if (!output->has_failed)
		cel_fault(output->fault, sqlerrcode, 0, "%s", message);
	output->has_failed = true;
	return (JsonbValue){.type = jbvString};
}

CelValue
cel_to_base64(CelContext *cx, CelValue bytes)
{
	int size = pg_b64_enc_len((int) bytes.length);
	char *text = cel_alloc(cx, size);

	if (text == NULL)
		return (CelValue){.kind = CEL_ERROR};
	return cel_text(CEL_STRING, text,
					pg_b64_encode((const InnBase64Byte *) bytes.u.text, (int) bytes.length, text,
								  size));
}
