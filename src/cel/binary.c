/*-------------------------------------------------------------------------
 *
 * binary.c
 *	  Operators of two operands, in both dialects.
 *
 * Where operands are values of types that go together, the dialects agree.  Where they do not, strict CEL
 * has an error, and the dialect of Inngest the table of docs/expressions.md: absent_operand() for what is missing
 * or an error, compare_null(), and add_mixed().
 *
 * IDENTIFICATION
 *	  src/cel/binary.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"

#include "cel/calendar.h"
#include "cel/internal.h"

/* room for the message of an error, and for the text of anything but a container */
#define ERROR_TEXT_SIZE 256

const char *const cel_operator_names[] = {
	[CEL_OP_NONE] = "",	   [CEL_OP_EQ] = "==",		[CEL_OP_NE] = "!=",		 [CEL_OP_LT] = "<",
	[CEL_OP_LE] = "<=",	   [CEL_OP_GT] = ">",		[CEL_OP_GE] = ">=",		 [CEL_OP_IN] = "in",
	[CEL_OP_ADD] = "+",	   [CEL_OP_SUBTRACT] = "-", [CEL_OP_MULTIPLY] = "*", [CEL_OP_DIVIDE] = "/",
	[CEL_OP_MODULO] = "%", [CEL_OP_AND] = "&&",		[CEL_OP_OR] = "||",
};

static CelValue absent_operand(CelContext *cx, CelOperator op, CelValue a, CelValue b);
static CelValue no_overload(const CelContext *cx, CelOperator op, CelValue a, CelValue b);
static CelValue compare(CelContext *cx, CelOperator op, CelValue a, CelValue b);
static CelOrder compare_null(CelValue a, CelValue b);
static CelValue is_in(CelContext *cx, CelValue element, CelValue container);
static CelValue calculate(CelContext *cx, CelOperator op, CelValue a, CelValue b);
static CelValue calculate_ints(CelContext *cx, CelOperator op, int64 a, int64 b);
static CelValue calculate_uints(CelContext *cx, CelOperator op, uint64 a, uint64 b);
static CelValue calculate_doubles(CelContext *cx, CelOperator op, CelValue a, CelValue b);
static double as_double(CelValue value);
static CelValue calculate_times(CelContext *cx, CelOperator op, CelValue a, CelValue b);
static CelValue from_time(CelTime time);
static CelValue add_mixed(CelContext *cx, CelValue a, CelValue b);
static CelValue concatenate(CelContext *cx, CelValue a, CelValue b);
static CelValue concatenate_lists(CelContext *cx, CelValue a, CelValue b);
static CelValue copy_text(CelContext *cx, const char *text, size_t length);
static CelValue json_text(CelContext *cx, CelValue value);

CelValue
cel_binary(CelContext *cx, CelOperator op, CelValue a, CelValue b)
{
	if (unlikely(cel_is_absent(a) || cel_is_absent(b)))
		return absent_operand(cx, op, a, b);

	switch (op)
	{
		case CEL_OP_EQ:
			return cel_bool(cel_equal(cx, a, b));
		case CEL_OP_NE:
			return cel_bool(!cel_equal(cx, a, b));
		case CEL_OP_LT:
		case CEL_OP_LE:
		case CEL_OP_GT:
		case CEL_OP_GE:
			return compare(cx, op, a, b);
		case CEL_OP_IN:
			return is_in(cx, a, b);
		default:
			return calculate(cx, op, a, b);
	}
}

/* Errors count as missing; for + an error is an operand, whose text is its message. */
static CelValue
absent_operand(CelContext *cx, CelOperator op, CelValue a, CelValue b)
{
	if (cx->has_exceeded || cx->is_strict)
		return cel_is_absent(a) ? a : b;
	if (cel_is_nothing(a) || cel_is_nothing(b))
		return cel_is_nothing(a) ? a : b;

	switch (op)
	{
		case CEL_OP_EQ:
			return cel_bool(a.kind == CEL_NULL || b.kind == CEL_NULL);
		case CEL_OP_NE:
			return cel_bool(a.kind != CEL_NULL && b.kind != CEL_NULL);
		case CEL_OP_LT:
		case CEL_OP_LE:
			return cel_bool(cel_is_absent(a));
		case CEL_OP_GT:
		case CEL_OP_GE:
			return cel_bool(!cel_is_absent(a));
		case CEL_OP_ADD:
			if (a.kind == CEL_MISSING)
				return b.kind == CEL_MISSING ? cel_bool(false) : b;
			return b.kind == CEL_MISSING ? a : add_mixed(cx, a, b);
		default:
			return cel_bool(false);
	}
}

static CelValue
no_overload(const CelContext *cx, CelOperator op, CelValue a, CelValue b)
{
	return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_BINARY, cel_operator_names[op],
							  a.kind, b.kind);
}

/* ---- comparisons ---- */

static CelValue
compare(CelContext *cx, CelOperator op, CelValue a, CelValue b)
{
	CelOrder order = cel_compare(a, b);

	if (order == CEL_UNRELATED && !cx->is_strict && a.kind != b.kind)
		order = compare_null(a, b);
	if (order == CEL_UNRELATED)
		return no_overload(cx, op, a, b);
	if (order == CEL_UNORDERED)
		return cel_error(cx, CEL_ERR_NOT_ORDERED);
	switch (op)
	{
		case CEL_OP_LT:
			return cel_bool(order == CEL_LESS);
		case CEL_OP_LE:
			return cel_bool(order != CEL_GREATER);
		case CEL_OP_GT:
			return cel_bool(order == CEL_GREATER);
		default:
			return cel_bool(order != CEL_LESS);
	}
}

/* Beside a number null is 0, beside a string the empty one. */
static CelOrder
compare_null(CelValue a, CelValue b)
{
	CelValue *null = a.kind == CEL_NULL ? &a : &b;
	CelValue other = a.kind == CEL_NULL ? b : a;

	if (null->kind != CEL_NULL)
		return CEL_UNRELATED;
	if (cel_is_numeric(other))
		*null = cel_int(0);
	else if (other.kind == CEL_STRING)
		*null = cel_text(CEL_STRING, "", 0);
	else
		return CEL_UNRELATED;
	return cel_compare(a, b);
}

static CelValue
is_in(CelContext *cx, CelValue element, CelValue container)
{
	CelCursor cursor;
	CelValue item;

	if (cel_is_map(container))
		return cel_bool(cel_find(cx, container, element, &item));
	if (!cel_is_list(container))
		return no_overload(cx, CEL_OP_IN, element, container);
	(void) cel_cursor_open(&cursor, container);
	while (cel_charge(cx, 1) && cel_cursor_next(&cursor, &item, NULL))
	{
		if (cel_equal(cx, element, item))
			return cel_bool(true);
	}
	return cel_bool(false);
}

/* ---- arithmetic ---- */

static CelValue
calculate(CelContext *cx, CelOperator op, CelValue a, CelValue b)
{
	bool a_is_double = a.kind == CEL_DOUBLE || a.kind == CEL_NUMBER;
	bool b_is_double = b.kind == CEL_DOUBLE || b.kind == CEL_NUMBER;

	if (a.kind == CEL_INT && b.kind == CEL_INT)
		return calculate_ints(cx, op, a.u.i, b.u.i);
	if (a_is_double && b_is_double)
		return calculate_doubles(cx, op, a, b);
	if (a.kind == CEL_UINT && b.kind == CEL_UINT)
		return calculate_uints(cx, op, a.u.u, b.u.u);
	if (a.kind == CEL_TIMESTAMP || a.kind == CEL_DURATION)
		return calculate_times(cx, op, a, b);
	if (op == CEL_OP_ADD)
	{
		if (a.kind == b.kind && (a.kind == CEL_STRING || a.kind == CEL_BYTES))
			return concatenate(cx, a, b);
		if (cel_is_list(a) && cel_is_list(b))
			return concatenate_lists(cx, a, b);
		if (!cx->is_strict)
			return add_mixed(cx, a, b);
	}

	/* data has no ints, so n * 2 would never work; - / and % are as in Inngest */
	if (op == CEL_OP_MULTIPLY && !cx->is_strict && cel_is_numeric(a) && cel_is_numeric(b))
		return calculate_doubles(cx, op, a, b);
	return no_overload(cx, op, a, b);
}

static CelValue
calculate_ints(CelContext *cx, CelOperator op, int64 a, int64 b)
{
	int64 result = 0;
	bool overflows;

	switch (op)
	{
		case CEL_OP_ADD:
			overflows = pg_add_s64_overflow(a, b, &result);
			break;
		case CEL_OP_SUBTRACT:
			overflows = pg_sub_s64_overflow(a, b, &result);
			break;
		case CEL_OP_MULTIPLY:
			overflows = pg_mul_s64_overflow(a, b, &result);
			break;
		default:
			if (b == 0)
				return cel_error(cx, op == CEL_OP_DIVIDE ? CEL_ERR_DIVISION : CEL_ERR_MODULUS);
			overflows = a == PG_INT64_MIN && b == -1;
			if (!overflows)
				result = op == CEL_OP_DIVIDE ? a / b : a % b;
			break;
	}
	return overflows ? cel_error(cx, CEL_ERR_OVERFLOW) : cel_int(result);
}

static CelValue
calculate_uints(CelContext *cx, CelOperator op, uint64 a, uint64 b)
{
	uint64 result = 0;
	bool overflows = false;

	switch (op)
	{
		case CEL_OP_ADD:
			overflows = pg_add_u64_overflow(a, b, &result);
			break;
		case CEL_OP_SUBTRACT:
			overflows = pg_sub_u64_overflow(a, b, &result);
			break;
		case CEL_OP_MULTIPLY:
			overflows = pg_mul_u64_overflow(a, b, &result);
			break;
		default:
			if (b == 0)
				return cel_error(cx, op == CEL_OP_DIVIDE ? CEL_ERR_DIVISION : CEL_ERR_MODULUS);
			result = op == CEL_OP_DIVIDE ? a / b : a % b;
			break;
	}
	if (overflows)
		return cel_error(cx, CEL_ERR_OVERFLOW);
	return (CelValue){.kind = CEL_UINT, .u.u = result};
}

/* Dividing by zero gives an infinity, as IEEE has it. */
static CelValue
calculate_doubles(CelContext *cx, CelOperator op, CelValue a, CelValue b)
{
	double x = as_double(a);
	double y = as_double(b);

	switch (op)
	{
		case CEL_OP_ADD:
			return cel_double(x + y);
		case CEL_OP_SUBTRACT:
			return cel_double(x - y);
		case CEL_OP_MULTIPLY:
			return cel_double(x * y);
		case CEL_OP_DIVIDE:
			if (y == 0)
				return cel_double(x == 0 || isnan(x) ? NAN
													 : copysign(INFINITY, x) * copysign(1, y));
			return cel_double(x / y);
		default:
			return no_overload(cx, op, a, b);
	}
}

static double
as_double(CelValue value)
{
	switch (value.kind)
	{
		case CEL_INT:
			return (double) value.u.i;
		case CEL_UINT:
			return (double) value.u.u;
		case CEL_NUMBER:
			return inn_number_to_double(value.u.number);
		default:
			return value.u.d;
	}
}

/* At least the first operand is a timestamp or a duration. */
static CelValue
calculate_times(CelContext *cx, CelOperator op, CelValue a, CelValue b)
{
	bool is_sum = op == CEL_OP_ADD;
	CelTime time;
	int64 nanos;

	if (!is_sum && op != CEL_OP_SUBTRACT)
		return no_overload(cx, op, a, b);
	if (a.kind == CEL_DURATION && b.kind == CEL_DURATION)
	{
		if (is_sum ? pg_add_s64_overflow(a.u.i, b.u.i, &nanos)
				   : pg_sub_s64_overflow(a.u.i, b.u.i, &nanos))
			return cel_error_text(cx, CEL_ERR_RANGE, "duration", strlen("duration"));
		return (CelValue){.kind = CEL_DURATION, .u.i = nanos};
	}
	if (a.kind == CEL_DURATION && b.kind == CEL_TIMESTAMP && is_sum)
		return calculate_times(cx, op, b, a);
	if (a.kind == CEL_TIMESTAMP && b.kind == CEL_TIMESTAMP && !is_sum)
	{
		if (!cel_timestamp_subtract((CelTime){a.u.i, a.length}, (CelTime){b.u.i, b.length}, &nanos))
			return cel_error_text(cx, CEL_ERR_RANGE, "duration", strlen("duration"));
		return (CelValue){.kind = CEL_DURATION, .u.i = nanos};
	}
	if (a.kind == CEL_TIMESTAMP && b.kind == CEL_DURATION)
	{
		nanos = is_sum ? b.u.i : -b.u.i;
		if ((!is_sum && b.u.i == PG_INT64_MIN) ||
			!cel_timestamp_add((CelTime){a.u.i, a.length}, nanos, &time))
			return cel_error_text(cx, CEL_ERR_RANGE, "timestamp", strlen("timestamp"));
		return from_time(time);
	}
	return is_sum && !cx->is_strict ? add_mixed(cx, a, b) : no_overload(cx, op, a, b);
}

static CelValue
from_time(CelTime time)
{
	return (CelValue){.kind = CEL_TIMESTAMP, .length = time.nanos, .u.i = time.seconds};
}

bool
cel_is_truthy(CelValue value)
{
	switch ((CelKind) value.kind)
	{
		case CEL_MISSING:
		case CEL_ERROR:
		case CEL_NULL:
			return false;
		case CEL_BOOL:
			return value.u.boolean;
		case CEL_STRING:
			return value.length > 0;
		case CEL_INT:
		case CEL_UINT:
		case CEL_DOUBLE:
		case CEL_NUMBER:
			return as_double(value) != 0;
		default:
			return true;
	}
}

/* ---- the many meanings of + ---- */

/* Numbers of different types add up; a string and anything else are concatenated. */
static CelValue
add_mixed(CelContext *cx, CelValue a, CelValue b)
{
	if (cel_is_numeric(a) && cel_is_numeric(b))
		return calculate_doubles(cx, CEL_OP_ADD, a, b);
	if ((a.kind == CEL_STRING) == (b.kind == CEL_STRING))
		return cel_is_absent(a) ? a : cel_is_absent(b) ? b : no_overload(cx, CEL_OP_ADD, a, b);
	a = cel_to_text(cx, a);
	b = cel_to_text(cx, b);
	if (cel_is_absent(a) || cel_is_absent(b))
		return cel_is_absent(a) ? a : b;
	return concatenate(cx, a, b);
}

/*
 * What was made last can grow where it is, so that a long chain of + copies each operand once.  The text
 * that was there does not change, so who else points to it sees no difference.
 */
static CelValue
concatenate(CelContext *cx, CelValue a, CelValue b)
{
	char *text;

	if (b.length == 0)
		return a;
	if (!cel_charge(cx, b.length / 64))
		return (CelValue){.kind = CEL_ERROR};
	if (a.u.text + a.length == cx->next && b.length <= cx->end - cx->next)
	{
		memcpy(cx->next, b.u.text, b.length);
		cx->next += b.length;
		a.length += b.length;
		return a;
	}

	if (!cel_charge(cx, a.length / 64))
		return (CelValue){.kind = CEL_ERROR};
	text = cel_alloc(cx, (size_t) a.length + b.length);
	if (text == NULL)
		return (CelValue){.kind = CEL_ERROR};
	memcpy(text, a.u.text, a.length);
	memcpy(text + a.length, b.u.text, b.length);
	cx->next = text + a.length + b.length;
	return cel_text(a.kind, text, (size_t) a.length + b.length);
}

static CelValue
concatenate_lists(CelContext *cx, CelValue a, CelValue b)
{
	uint32 count = cel_container_size(a) + cel_container_size(b);
	CelList *list;
	CelCursor cursor;

	if (!cel_charge(cx, count))
		return (CelValue){.kind = CEL_ERROR};
	list = cel_alloc(cx, offsetof(CelList, items) + count * sizeof(CelValue));
	if (list == NULL)
		return (CelValue){.kind = CEL_ERROR};
	list->count = 0;
	for (int i = 0; i < 2; i++)
	{
		(void) cel_cursor_open(&cursor, i == 0 ? a : b);
		while (cel_cursor_next(&cursor, &list->items[list->count], NULL))
			list->count++;
	}
	return (CelValue){.kind = CEL_LIST, .u.list = list};
}

CelValue
cel_to_text(CelContext *cx, CelValue value)
{
	char buf[ERROR_TEXT_SIZE];
	CelTime time = {value.u.i, value.length};

	switch ((CelKind) value.kind)
	{
		case CEL_STRING:
			return value;
		case CEL_BOOL:
			return value.u.boolean ? cel_text(CEL_STRING, "true", 4)
								   : cel_text(CEL_STRING, "false", 5);
		case CEL_INT:
			return copy_text(cx, buf, snprintf(buf, sizeof(buf), INT64_FORMAT, value.u.i));
		case CEL_UINT:
			return copy_text(cx, buf, snprintf(buf, sizeof(buf), UINT64_FORMAT, value.u.u));
		case CEL_DOUBLE:
			return copy_text(cx, buf, cel_double_to_plain_text(value.u.d, buf));
		case CEL_NUMBER:
			return copy_text(cx, buf, cel_number_to_text(value.u.number, buf));
		case CEL_TIMESTAMP:
			return copy_text(cx, buf, cel_timestamp_format(time, buf));
		case CEL_DURATION:
			return copy_text(cx, buf, cel_duration_format(value.u.i, buf));
		case CEL_ERROR:
			return cx->has_exceeded
					   ? value
					   : copy_text(cx, buf, cel_error_message(value, buf, sizeof(buf)));
		default:
			return json_text(cx, value);
	}
}

static CelValue
copy_text(CelContext *cx, const char *text, size_t length)
{
	char *copy = cel_alloc(cx, length);

	if (copy == NULL)
		return (CelValue){.kind = CEL_ERROR};
	memcpy(copy, text, length);
	cx->next = copy + length;
	return cel_text(CEL_STRING, copy, length);
}

/* null, lists and maps as JSON; types and bytes as the strings that JSON makes of them */
static CelValue
json_text(CelContext *cx, CelValue value)
{
	Jsonb *json;
	InnCelFault fault;
	char *text;

	if (value.kind == CEL_TYPE)
		return cel_text(CEL_STRING, cel_type_name(value.u.type),
						strlen(cel_type_name(value.u.type)));
	if (value.kind == CEL_NULL)
		return cel_text(CEL_STRING, "null", 4);
	if (value.kind == CEL_BYTES)
		return cel_to_base64(cx, value);
	if (value.kind == CEL_JSON_LIST || value.kind == CEL_JSON_MAP)
		text = JsonbToCString(NULL, value.u.json, -1);
	else if (cel_to_jsonb(cx, value, &json, &fault))
		text = JsonbToCString(NULL, &json->root, VARSIZE(json));
	else
		return cel_exceed(cx, fault.sqlerrcode, fault.message);
	if (!cel_note_memory(cx, strlen(text)))
		return (CelValue){.kind = CEL_ERROR};
	return copy_text(cx, text, strlen(text));
}
