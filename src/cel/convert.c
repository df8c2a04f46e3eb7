/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  int(), string() and their like, and the texts of numbers.
 *
 * IDENTIFICATION
 *	  src/cel/convert.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "cel/calendar.h"
#include "cel/internal.h"

/* integral doubles below this are written without an exponent, as JavaScript does */
#define PLAIN_TEXT_LIMIT 1e21

/* and by Go up to so many digits */
#define GO_PLAIN_DIGITS 6

/* from 1970, where Unix counts from, to 2000, where the server does */
#define EPOCH_OFFSET_SEC ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* longest text that is read as a number */
#define NUMBER_TEXT_MAX 1024

static CelValue no_conversion(const CelContext *cx, CelValue from, const char *to);
static bool read_digits(CelValue text, uint64 limit, size_t start, uint64 *out);
static CelValue int_from_text(const CelContext *cx, CelValue text);
static CelValue int_from_double(const CelContext *cx, double d);
static CelValue double_from_text(const CelContext *cx, CelValue text);
static bool is_decimal(const char *text, size_t len);
static CelValue text_from_double(CelContext *cx, double d);
static CelValue copy(CelContext *cx, const char *text, size_t length);

static CelValue
no_conversion(const CelContext *cx, CelValue from, const char *to)
{
	return cel_error_operands(cx, CEL_ERR_CONVERSION, CEL_SHAPE_CONVERSION, to, from.kind, 0);
}

CelValue
cel_to_bool(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	static const char *const words[] = {"0", "f", "F", "false", "False", "FALSE",
										"1", "t", "T", "true",	"True",	 "TRUE"};
	CelValue value = args[0];

	if (value.kind == CEL_BOOL)
		return value;
	for (int i = 0; i < (int) lengthof(words) && value.kind == CEL_STRING; i++)
	{
		if (value.length == strlen(words[i]) && memcmp(value.u.text, words[i], value.length) == 0)
			return cel_bool(i >= (int) lengthof(words) / 2);
	}
	return no_conversion(cx, value, "bool");
}

CelValue
cel_to_int(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	CelValue value = args[0];
	int64 i;

	switch (value.kind)
	{
		case CEL_INT:
			return value;
		case CEL_UINT:
			if (value.u.u > (uint64) PG_INT64_MAX)
				return cel_error(cx, CEL_ERR_OVERFLOW);
			return cel_int((int64) value.u.u);
		case CEL_NUMBER:
			if (inn_number_to_int(value.u.number, &i))
				return cel_int(i);
			return int_from_double(cx, inn_number_to_double(value.u.number));
		case CEL_DOUBLE:
			return int_from_double(cx, value.u.d);
		case CEL_STRING:
			return int_from_text(cx, value);
		case CEL_TIMESTAMP: /* its seconds */
		case CEL_DURATION:	/* its nanoseconds */
			return cel_int(value.u.i);
		default:
			return no_conversion(cx, value, "int");
	}
}

/* Truncates; the ends of the range are not in it, as cel-go has it. */
static CelValue
int_from_double(const CelContext *cx, double d)
{
	if (!(d > -0x1p63 && d < 0x1p63))
		return cel_error(cx, CEL_ERR_OVERFLOW);
	return cel_int((int64) d);
}

static CelValue
int_from_text(const CelContext *cx, CelValue text)
{
	bool has_sign = text.length > 0 && (text.u.text[0] == '-' || text.u.text[0] == '+');
	bool is_negative = has_sign && text.u.text[0] == '-';
	uint64 magnitude;

	if (!read_digits(text, (uint64) PG_INT64_MAX + is_negative, has_sign, &magnitude))
		return no_conversion(cx, text, "int");
	return cel_int((int64) (is_negative ? -magnitude : magnitude));
}

/* One or more decimal digits from start to the end. */
static bool
read_digits(CelValue text, uint64 limit, size_t start, uint64 *out)
{
	*out = 0;
	for (size_t i = start; i < text.length; i++)
	{
		unsigned digit = (unsigned char) text.u.text[i] - '0';

		if (digit > 9 || *out > (limit - digit) / 10)
			return false;
		*out = *out * 10 + digit;
	}
	return text.length > start;
}

CelValue
cel_to_uint(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	CelValue value = args[0];
	CelValue result = {.kind = CEL_UINT};
	double d;

	switch (value.kind)
	{
		case CEL_UINT:
			return value;
		case CEL_INT:
			if (value.u.i < 0)
				return cel_error(cx, CEL_ERR_OVERFLOW);
			result.u.u = (uint64) value.u.i;
			return result;
		case CEL_NUMBER:
		case CEL_DOUBLE:
			d = value.kind == CEL_DOUBLE ? value.u.d : inn_number_to_double(value.u.number);
			if (!(d >= 0 && d < 0x1p64))
				return cel_error(cx, CEL_ERR_OVERFLOW);
			result.u.u = (uint64) d;
			return result;
		case CEL_STRING:
			if (read_digits(value, PG_UINT64_MAX, 0, &result.u.u))
				return result;
			return no_conversion(cx, value, "uint");
		default:
			return no_conversion(cx, value, "uint");
	}
}

CelValue
cel_to_double(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	CelValue value = args[0];

	switch (value.kind)
	{
		case CEL_DOUBLE:
		case CEL_NUMBER:
			return value;
		case CEL_INT:
			return cel_double((double) value.u.i);
		case CEL_UINT:
			return cel_double((double) value.u.u);
		case CEL_STRING:
			return double_from_text(cx, value);
		default:
			return no_conversion(cx, value, "double");
	}
}

static CelValue
double_from_text(const CelContext *cx, CelValue text)
{
	static const struct
	{
		const char *word;
		double value;
	} words[] = {
		{"NaN", NAN},
		{"nan", NAN},
		{"Inf", INFINITY},
		{"+Inf", INFINITY},
		{"-Inf", -INFINITY},
		{"inf", INFINITY},
		{"-inf", -INFINITY},
		{"Infinity", INFINITY},
		{"-Infinity", -INFINITY},
		{"infinity", INFINITY},
		{"-infinity", -INFINITY},
	};
	char buf[NUMBER_TEXT_MAX + 1];
	double d;

	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (text.length == strlen(words[i].word) &&
			memcmp(text.u.text, words[i].word, text.length) == 0)
			return cel_double(words[i].value);
	}
	if (text.length > NUMBER_TEXT_MAX || !is_decimal(text.u.text, text.length))
		return no_conversion(cx, text, "double");
	memcpy(buf, text.u.text, text.length);
	buf[text.length] = '\0';
	d = strtod(buf, NULL);
	return isinf(d) ? no_conversion(cx, text, "double") : cel_double(d);
}

/* [+-] digits [. digits] [e [+-] digits], with a digit on at least one side of the point */
static bool
is_decimal(const char *text, size_t len)
{
	size_t at = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
	size_t ndigits = 0;

	for (; at < len && isdigit((unsigned char) text[at]); at++)
		ndigits++;
	if (at < len && text[at] == '.')
		at++;
	for (; at < len && isdigit((unsigned char) text[at]); at++)
		ndigits++;
	if (ndigits == 0)
		return false;
	if (at < len && (text[at] | 0x20) == 'e')
	{
		at += at + 1 < len && (text[at + 1] == '-' || text[at + 1] == '+') ? 2 : 1;
		if (at == len)
			return false;
		while (at < len && isdigit((unsigned char) text[at]))
			at++;
	}
	return at == len;
}

CelValue
cel_to_string(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	CelValue value = args[0];

	switch (value.kind)
	{
		case CEL_DOUBLE:
			return text_from_double(cx, value.u.d);
		case CEL_NUMBER:
			if (cx->is_strict)
				return text_from_double(cx, inn_number_to_double(value.u.number));
			return cel_to_text(cx, value);
		case CEL_BYTES:
			if (pg_encoding_verifymbstr(GetDatabaseEncoding(), value.u.text, (int) value.length) !=
				(int) value.length)
				return no_conversion(cx, value, "string");
			value.kind = CEL_STRING;
			return value;
		case CEL_STRING:
		case CEL_BOOL:
		case CEL_INT:
		case CEL_UINT:
		case CEL_TIMESTAMP:
		case CEL_DURATION:
			return cel_to_text(cx, value);
		case CEL_TYPE:
			return cx->is_strict ? no_conversion(cx, value, "string") : cel_to_text(cx, value);
		default:
			return no_conversion(cx, value, "string");
	}
}

static CelValue
text_from_double(CelContext *cx, double d)
{
	char buf[CEL_NUMBER_TEXT_SIZE];

	if (!cx->is_strict)
		return cel_to_text(cx, cel_double(d));
	return copy(cx, buf, cel_double_to_go_text(d, buf));
}

static CelValue
copy(CelContext *cx, const char *text, size_t length)
{
	char *result = cel_alloc(cx, length);

	if (result == NULL)
		return (CelValue){.kind = CEL_ERROR};
	memcpy(result, text, length);
	return cel_text(CEL_STRING, result, length);
}

CelValue
cel_to_bytes(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	CelValue value = args[0];

	if (value.kind != CEL_STRING && value.kind != CEL_BYTES)
		return no_conversion(cx, value, "bytes");
	value.kind = CEL_BYTES;
	return value;
}

CelValue
cel_to_timestamp(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	CelValue value = args[0];
	CelTime time = {0};

	if (value.kind == CEL_TIMESTAMP)
		return value;
	if (value.kind == CEL_STRING)
	{
		if (!cel_timestamp_parse(value.u.text, value.length, &time))
			return no_conversion(cx, value, "google.protobuf.Timestamp");
	}
	else if (value.kind == CEL_INT || (!cx->is_strict && value.kind == CEL_NUMBER))
	{
		if (!cel_to_integer(value, &time.seconds) || !cel_timestamp_is_valid(time))
			return cel_error_text(cx, CEL_ERR_RANGE, "timestamp", strlen("timestamp"));
	}
	else
		return no_conversion(cx, value, "google.protobuf.Timestamp");
	return (CelValue){.kind = CEL_TIMESTAMP, .length = time.nanos, .u.i = time.seconds};
}

CelValue
cel_to_duration(CelContext *cx, const CelNode *node, const CelValue *args, int nargs)
{
	CelValue value = args[0];
	CelValue result = {.kind = CEL_DURATION};

	if (value.kind == CEL_DURATION)
		return value;
	if (value.kind == CEL_STRING &&
		cel_duration_parse(value.u.text, value.length, false, &result.u.i))
		return result;
	return no_conversion(cx, value, "google.protobuf.Duration");
}

bool
inn_cel_date_parse(const char *text, size_t len, TimestampTz *out)
{
	CelTime time;

	if (!cel_date_parse(text, len, &time))
		return false;
	*out = (time.seconds - EPOCH_OFFSET_SEC) * USECS_PER_SEC + time.nanos / 1000;
	return true;
}

/* ---- texts of doubles ---- */

int
cel_double_to_go_text(double d, char buf[CEL_NUMBER_TEXT_SIZE])
{
	char digits[INN_NUMBER_MAX_DIGITS];
	int exponent;
	int ndigits;
	int sign = signbit(d) ? 1 : 0;

	if (isnan(d) || isinf(d))
		return snprintf(buf, CEL_NUMBER_TEXT_SIZE, "%s",
						isnan(d) ? "NaN"
						: d > 0	 ? "+Inf"
								 : "-Inf");
	ndigits = inn_number_digits(fabs(d), digits, &exponent);
	buf[0] = '-';
	if (exponent < -4 || exponent >= GO_PLAIN_DIGITS)
		return sign + inn_digits_with_exponent(digits, ndigits, exponent, 2, buf + sign);
	return sign + inn_digits_without_exponent(digits, ndigits, exponent, buf + sign);
}

int
cel_double_to_plain_text(double d, char buf[CEL_NUMBER_TEXT_SIZE])
{
	char digits[INN_NUMBER_MAX_DIGITS];
	int exponent;
	int ndigits;
	int sign = d < 0 ? 1 : 0;

	if (isnan(d) || isinf(d))
		return snprintf(buf, CEL_NUMBER_TEXT_SIZE, "%s",
						isnan(d) ? "NaN"
						: d > 0	 ? "Infinity"
								 : "-Infinity");
	ndigits = inn_number_digits(fabs(d), digits, &exponent);
	buf[0] = '-';
	if (fabs(d) >= PLAIN_TEXT_LIMIT || exponent < -6)
		return sign + inn_digits_with_exponent(digits, ndigits, exponent, 2, buf + sign);
	return sign + inn_digits_without_exponent(digits, ndigits, exponent, buf + sign);
}

int
cel_number_to_text(Numeric number, char buf[CEL_NUMBER_TEXT_SIZE])
{
	int64 i;

	if (inn_number_to_int(number, &i))
		return snprintf(buf, CEL_NUMBER_TEXT_SIZE, INT64_FORMAT, i);
	return cel_double_to_plain_text(inn_number_to_double(number), buf);
}
