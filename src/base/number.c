/*-------------------------------------------------------------------------
 *
 * number.c
 *	  Numbers of jsonb, without going through text, and the digits of doubles.
 *
 * JSON numbers are stored as numeric, and the server's way from there to a double or an int leads through
 * decimal text or an allocation.  Nearly all numbers are short, so those are read here as they lie on disk:
 * digits to the base of 10,000 after a header of two bytes.  pg_upgrade keeps that form, so it cannot
 * change (struct NumericShort of utils/adt/numeric.c).  Anything else takes the server's way.
 *
 * The server's shortest digits of a double are not always the fewest: it does not use those that lie exactly
 * between two doubles, because who reads them back may not round to even.  Who reads JSON does, so 1e23 is
 * 1e23 and not 1.0000000000000001e+23 [shorten].
 *
 * IDENTIFICATION
 *	  src/base/number.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/number.h"

#define SHORT_MASK 0xC000
#define SHORT_FORM 0x8000
#define SHORT_SIGN 0x2000
#define SHORT_WEIGHT_SIGN 0x0040
#define SHORT_WEIGHT 0x003F

/* a digit, and how many decimal ones it is */
#define DIGIT_BASE 10000
#define DIGIT_DECIMALS 4

/* doubles hold integers and powers of ten up to these exactly, so one division rounds once */
#define EXACT_INTEGER (INT64CONST(1) << 53)
#define EXACT_POWER 22

/*
 * A decimal of at most 16 digits can lie exactly between two doubles only here.  Their middle is an odd number of 54
 * bits or more times a power of two.  With a negative power, the digits of 5^n come on top; and with a positive
 * one, the odd number has to have all the fives of the zeros at the end.
 */
#define MIDDLES_BEGIN 1e16
#define MIDDLES_END 1e40

StaticAssertDecl(INN_NUMBER_MAX_DIGITS >= DOUBLE_SHORTEST_DECIMAL_LEN,
				 "there is room for a double");

/* mantissa * DIGIT_BASE ^ exponent */
typedef struct ShortNumber
{
	int64 mantissa;
	int exponent;
} ShortNumber;

static bool read_short(Numeric number, ShortNumber *out);
static bool round_trip_to_int(Numeric number, int64 *out);
static int shorten(double d, char *digits, int ndigits, int *exponent);
static bool reads_as(double d, const char *digits, int ndigits, int exponent);

bool
inn_number_to_int(Numeric number, int64 *out)
{
	ShortNumber n;

	if (!read_short(number, &n))
		return round_trip_to_int(number, out);

	/* trailing zeros are not stored, so below zero there is a fraction */
	if (n.exponent < 0)
		return false;
	for (; n.exponent > 0; n.exponent--)
	{
		if (pg_mul_s64_overflow(n.mantissa, DIGIT_BASE, &n.mantissa))
			return false;
	}
	*out = n.mantissa;
	return true;
}

double
inn_number_to_double(Numeric number)
{
	static const double powers[] = {1e0, 1e4, 1e8, 1e12, 1e16, 1e20};
	ShortNumber n;

	if (read_short(number, &n) && n.mantissa <= EXACT_INTEGER && n.mantissa >= -EXACT_INTEGER &&
		abs(n.exponent) * DIGIT_DECIMALS <= EXACT_POWER)
		return n.exponent < 0 ? (double) n.mantissa / powers[-n.exponent]
							  : (double) n.mantissa * powers[n.exponent];
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(number)));
}

/* False if the mantissa does not fit. */
static bool
read_short(Numeric number, ShortNumber *out)
{
	const char *data = VARDATA_ANY((struct varlena *) number);
	int ndigits = (int) (VARSIZE_ANY_EXHDR((struct varlena *) number) / sizeof(int16)) - 1;
	uint16 header;
	int weight;
	int64 mantissa = 0;

	memcpy(&header, data, sizeof(header));
	if ((header & SHORT_MASK) != SHORT_FORM)
		return false;
	weight = header & SHORT_WEIGHT;
	if (header & SHORT_WEIGHT_SIGN)
		weight -= SHORT_WEIGHT + 1;

	for (int i = 0; i < ndigits; i++)
	{
		int16 digit;

		memcpy(&digit, data + sizeof(header) + i * sizeof(digit), sizeof(digit));
		if (pg_mul_s64_overflow(mantissa, DIGIT_BASE, &mantissa) ||
			pg_add_s64_overflow(mantissa, digit, &mantissa))
			return false;
	}
	out->mantissa = header & SHORT_SIGN ? -mantissa : mantissa;
	out->exponent = ndigits == 0 ? 0 : weight - (ndigits - 1);
	return true;
}

/* An int64 has 19 decimal digits and may not fit a mantissa with more of them on disk: by way of numeric. */
static bool
round_trip_to_int(Numeric number, int64 *out)
{
	double d = inn_number_to_double(number);
	Datum value = NumericGetDatum(number);

	if (!(d > -9.3e18 && d < 9.3e18))
		return false;
	if (!DatumGetBool(
			DirectFunctionCall2(numeric_eq, value,
								DirectFunctionCall2(numeric_trunc, value, Int32GetDatum(0)))))
		return false;
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, value,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, value,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))))
		return false;
	*out = DatumGetInt64(DirectFunctionCall1(numeric_int8, value));
	return true;
}

int
inn_number_digits(double d, char digits[INN_NUMBER_MAX_DIGITS], int *exponent)
{
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];
	int len = double_to_shortest_decimal_bufn(d, text);
	int ndigits = 0;
	int point = -1; /* digits before the point */
	int shift = 0;
	int leading = 0;

	for (int i = 0; i < len; i++)
	{
		if (text[i] == '.')
			point = ndigits + leading;
		else if (text[i] == 'e')
		{
			text[len] = '\0';
			shift = atoi(text + i + 1);
			break;
		}
		else if (ndigits == 0 && text[i] == '0')
			leading++;
		else
			digits[ndigits++] = text[i];
	}
	if (point < 0)
		point = ndigits + leading;
	while (ndigits > 1 && digits[ndigits - 1] == '0')
		ndigits--;
	if (ndigits == 0)
		digits[ndigits++] = '0';
	*exponent = d == 0 ? 0 : point - leading - 1 + shift;

	if (d >= MIDDLES_BEGIN && d < MIDDLES_END && ndigits > 1)
		ndigits = shorten(d, digits, ndigits, exponent);
	return ndigits;
}

/* Take digits away while one of the two numbers that are nearest then still reads back. */
static int
shorten(double d, char *digits, int ndigits, int *exponent)
{
	char shorter[INN_NUMBER_MAX_DIGITS];

	while (ndigits > 1)
	{
		int len = ndigits - 1;
		int power = *exponent;

		memcpy(shorter, digits, len);
		if (!reads_as(d, shorter, len, power))
		{
			/* the next one up */
			while (len > 0 && shorter[len - 1] == '9')
				len--;
			if (len == 0)
			{
				shorter[len++] = '0';
				power++;
			}
			shorter[len - 1]++;
			if (!reads_as(d, shorter, len, power))
				return ndigits;
		}
		memcpy(digits, shorter, len);
		ndigits = len;
		*exponent = power;
	}
	return ndigits;
}

static bool
reads_as(double d, const char *digits, int ndigits, int exponent)
{
	char text[INN_NUMBER_MAX_DIGITS + 8];

	inn_digits_with_exponent(digits, ndigits, exponent, 1, text);
	return strtod(text, NULL) == d;
}

int
inn_digits_with_exponent(const char *digits, int ndigits, int exponent, int width, char *out)
{
	int len = 0;

	out[len++] = digits[0];
	if (ndigits > 1)
	{
		out[len++] = '.';
		memcpy(out + len, digits + 1, ndigits - 1);
		len += ndigits - 1;
	}
	return len + sprintf(out + len, "e%c%0*d", exponent < 0 ? '-' : '+', width, abs(exponent));
}

int
inn_digits_without_exponent(const char *digits, int ndigits, int exponent, char *out)
{
	int len = 0;

	if (exponent < 0)
	{
		out[len++] = '0';
		out[len++] = '.';
		for (int i = -1; i > exponent; i--)
			out[len++] = '0';
		memcpy(out + len, digits, ndigits);
		return len + ndigits;
	}
	for (int i = 0; i <= exponent || i < ndigits; i++)
	{
		if (i == exponent + 1)
			out[len++] = '.';
		out[len++] = i < ndigits ? digits[i] : '0';
	}
	return len;
}
