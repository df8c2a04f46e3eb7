/*-------------------------------------------------------------------------
 *
 * number.c
 *	  Numbers of the data, without going through text.
 *
 * JSON numbers are stored as numeric, and the server's way from there to a double or an int leads through
 * decimal text or an allocation.  Nearly all numbers are short, so those are read here as they lie on disk:
 * digits to the base of 10,000 after a header of two bytes.  pg_upgrade keeps that form, so it cannot
 * change (struct NumericShort of utils/adt/numeric.c).  Anything else takes the server's way.
 *
 * IDENTIFICATION
 *	  src/cel/number.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "cel/internal.h"

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

/* mantissa * DIGIT_BASE ^ exponent */
typedef struct ShortNumber
{
	int64 mantissa;
	int exponent;
} ShortNumber;

static bool read_short(Numeric number, ShortNumber *out);
static bool round_trip_to_int(Numeric number, int64 *out);

bool
cel_number_to_int(Numeric number, int64 *out)
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
cel_number_to_double(Numeric number)
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
	double d = cel_number_to_double(number);
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

bool
cel_to_integer(CelValue value, int64 *out)
{
	switch (value.kind)
	{
		case CEL_INT:
			*out = value.u.i;
			return true;
		case CEL_UINT:
			*out = (int64) value.u.u;
			return value.u.u <= (uint64) PG_INT64_MAX;
		case CEL_NUMBER:
			return cel_number_to_int(value.u.number, out);
		case CEL_DOUBLE:
			if (!(value.u.d >= -0x1p63 && value.u.d < 0x1p63) || value.u.d != trunc(value.u.d))
				return false;
			*out = (int64) value.u.d;
			return true;
		default:
			return false;
	}
}
