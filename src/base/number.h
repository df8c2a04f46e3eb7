/*-------------------------------------------------------------------------
 *
 * number.h
 *	  Numbers of jsonb, without going through text, and the digits of doubles.
 *
 * IDENTIFICATION
 *	  src/base/number.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_NUMBER_H
#define INN_NUMBER_H

#include "utils/numeric.h"

/* Is it integral and does it fit?  1.0 and 1e3 are; *out is untouched if not. */
extern bool inn_number_to_int(Numeric number, int64 *out);

/* The nearest double; infinite beyond the range, zero for what is too small. */
extern double inn_number_to_double(Numeric number);

/* room for the digits of a double */
#define INN_NUMBER_MAX_DIGITS 25

/*
 * The fewest decimal digits that read back as the same double; the value is d.ddd * 10^exponent.  Returns
 * their number; there is no closing NUL.  For finite numbers that are not negative.
 */
extern int inn_number_digits(double d, char digits[INN_NUMBER_MAX_DIGITS], int *exponent);

/* Write them: "d.ddde+05", with a sign and at least so many digits of the exponent.  Returns the length. */
extern int inn_digits_with_exponent(const char *digits, int ndigits, int exponent, int width,
									char *out);

/* Write them: "0.00ddd", "dd.d" or "dd000".  Returns the length. */
extern int inn_digits_without_exponent(const char *digits, int ndigits, int exponent, char *out);

#endif /* INN_NUMBER_H */
