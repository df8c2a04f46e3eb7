/*-------------------------------------------------------------------------
 *
 * calendar.c
 *	  Timestamps and durations of expressions, as texts, as fields, and their arithmetic.
 *
 * Days are counted from 1970-01-01.  To get from a day to its date and back, years begin in March, so that
 * the leap day is the last of its year and the lengths of the months before it are regular; and they are
 * taken by 400, after which the calendar repeats.
 *
 * IDENTIFICATION
 *	  src/cel/calendar.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"

#include "base/zone.h"
#include "cel/calendar.h"
#include "cel/layout.h"

#define NANOS_PER_USEC INT64CONST(1000)
#define NANOS_PER_MSEC (1000 * NANOS_PER_USEC)
#define NANOS_PER_SEC (1000 * NANOS_PER_MSEC)
#define NANOS_PER_MIN (60 * NANOS_PER_SEC)
#define NANOS_PER_HOUR (60 * NANOS_PER_MIN)
#define NANOS_PER_DAY (24 * NANOS_PER_HOUR)
#define NANOS_PER_WEEK (7 * NANOS_PER_DAY)

#define SEC_PER_MIN 60
#define SEC_PER_HOUR 3600
#define SEC_PER_DAY 86400

#define MONTHS_PER_YEAR 12
#define DAYS_PER_WEEK 7
#define YEARS_PER_ERA 400
#define DAYS_PER_ERA 146097
#define DAYS_TO_1970 719468 /* from 0000-03-01 */
#define WEEKDAY_OF_1970 4

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z */
#define SECONDS_MIN INT64CONST(-62135596800)
#define SECONDS_MAX INT64CONST(253402300799)

/* What a number means that is given for a date; 2000-01-01 is the first. */
#define DATE_INT_MIN INT64CONST(946684800)
#define DATE_SECONDS_END INT64CONST(10000000000)
#define DATE_MSEC_END INT64CONST(10000000000000)

#define FRACTION_DIGITS 9

/* the longest duration, which only a negative one reaches */
#define SPAN_MAX (UINT64CONST(1) << 63)

typedef struct Date
{
	int year;
	int month; /* 1 .. 12 */
	int day;   /* 1 .. 31 */
} Date;

typedef struct Unit
{
	const char *name;
	uint64 nanos;
} Unit;

static bool parse(const char *layout, const char *text, size_t len, CelTime *out);
static bool is_clock(const CelReading *reading);
static int days_in_month(int year, int month);
static int64 days_from_date(Date date);
static Date date_from_days(int64 days);
static bool add_part(const char **pos, const char *end, bool with_days, uint64 *sum);
static bool read_whole(const char **pos, const char *end, uint64 *whole);
static void read_fraction(const char **pos, const char *end, uint64 *fraction, double *scale);
static const Unit *read_unit(const char **pos, const char *end, bool with_days);
static bool is_digit(char c);
static char *put_digits(char *buf, uint32 number, int ndigits);
static char *put_fraction(char *buf, uint32 nanos);
static int64 date_field(int64 days, CelTimeField field);
static bool zone_offset(const char *zone, size_t len, int64 seconds, int32 *offset_sec);
static int64 floor_divide(int64 a, int64 b);

static const char rfc3339[] = "%Y-%m-%dT%H:%M:%S%o";

/*
 * What dates look like; those without a year are left out, because year 0 is out of range.  An offset such
 * as +0015 can be taken for a name, too, so %z goes before %Z.
 */
static const char *const date_layouts[] = {
	rfc3339,
	"%Y-%m-%dT%H:%M:%S",		/* the same without a zone */
	"%Y-%m-%d",					/* nor a time */
	"%Y-%m-%d %H:%M:%S %z %Z",	/* what Go's time.Time prints */
	"%a, %d %b %Y %H:%M:%S %z", /* RFC 1123 */
	"%a, %d %b %Y %H:%M:%S %Z", /* RFC 1123 */
	"%d %b %y %H:%M %z",		/* RFC 822 */
	"%d %b %y %H:%M %Z",		/* RFC 822 */
	"%A, %d-%b-%y %H:%M:%S %Z", /* RFC 850 */
	"%a %b %d %H:%M:%S %z %Y",	/* Ruby */
	"%a %b %e %H:%M:%S %Z %Y",	/* Unix */
	"%a %b %e %H:%M:%S %Y",		/* ANSI C */
};

static const Unit units[] = {
	{"h", NANOS_PER_HOUR},
	{"m", NANOS_PER_MIN},
	{"s", NANOS_PER_SEC},
	{"ms", NANOS_PER_MSEC},
	{"us", NANOS_PER_USEC},
	{"\xC2\xB5s", NANOS_PER_USEC}, /* U+00B5 micro sign */
	{"\xCE\xBCs", NANOS_PER_USEC}, /* U+03BC Greek small letter mu */
	{"ns", 1},
	{"d", NANOS_PER_DAY}, /* from here on only with days */
	{"w", NANOS_PER_WEEK},
};

#define UNITS_OF_DAYS 2

/* ---- texts of timestamps ---- */

bool
cel_timestamp_parse(const char *text, size_t len, CelTime *out)
{
	return parse(rfc3339, text, len, out);
}

bool
cel_date_parse(const char *text, size_t len, CelTime *out)
{
	for (size_t i = 0; i < lengthof(date_layouts); i++)
	{
		if (parse(date_layouts[i], text, len, out))
			return true;
	}
	return false;
}

bool
cel_date_from_int(int64 number, CelTime *out)
{
	int64 per_second = NANOS_PER_SEC;

	if (number < DATE_INT_MIN)
		return false;
	if (number < DATE_SECONDS_END)
		per_second = 1;
	else if (number < DATE_MSEC_END)
		per_second = 1000;

	out->seconds = number / per_second;
	out->nanos = (uint32) (number % per_second * (NANOS_PER_SEC / per_second));
	Assert(cel_timestamp_is_valid(*out));
	return true;
}

int
cel_timestamp_format(CelTime time, char buf[CEL_TIME_TEXT_SIZE])
{
	int64 days = floor_divide(time.seconds, SEC_PER_DAY);
	int second = (int) (time.seconds - days * SEC_PER_DAY);
	Date date = date_from_days(days);
	const int fields[] = {date.month, date.day, second / SEC_PER_HOUR,
						  second / SEC_PER_MIN % (SEC_PER_HOUR / SEC_PER_MIN),
						  second % SEC_PER_MIN};
	static const char before[] = "--T::";
	char *end;

	Assert(cel_timestamp_is_valid(time));

	end = put_digits(buf, (uint32) date.year, 4);
	for (size_t i = 0; i < lengthof(fields); i++)
	{
		*end++ = before[i];
		end = put_digits(end, (uint32) fields[i], 2);
	}
	end = put_fraction(end, time.nanos);
	*end++ = 'Z';
	*end = '\0';
	return (int) (end - buf);
}

static bool
parse(const char *layout, const char *text, size_t len, CelTime *out)
{
	CelReading reading;
	Date date;

	if (!cel_layout_match(layout, text, len, &reading) || !is_clock(&reading))
		return false;

	date = (Date){reading.year, reading.month, reading.day};
	if (date.month < 1 || date.month > MONTHS_PER_YEAR || date.day < 1 ||
		date.day > days_in_month(date.year, date.month))
		return false;

	out->seconds = days_from_date(date) * SEC_PER_DAY + reading.hour * SEC_PER_HOUR +
				   reading.minute * SEC_PER_MIN + reading.second - reading.offset_sec;
	out->nanos = (uint32) reading.nanos;
	return cel_timestamp_is_valid(*out);
}

static bool
is_clock(const CelReading *reading)
{
	return reading->hour <= 23 && reading->minute <= 59 && reading->second <= 59;
}

static int
days_in_month(int year, int month)
{
	static const int8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && is_leap);
}

/* ---- days and dates ---- */

/* From March on, (153 * months + 2) / 5 is how many days the months before have. */
static int64
days_from_date(Date date)
{
	int64 year = date.month > 2 ? date.year : date.year - 1;
	int64 era = floor_divide(year, YEARS_PER_ERA);
	int64 year_of_era = year - era * YEARS_PER_ERA;
	int month = (date.month + 9) % MONTHS_PER_YEAR; /* 0 is March */
	int64 day = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * month + 2) / 5 +
				date.day - 1;

	return era * DAYS_PER_ERA + day - DAYS_TO_1970;
}

/* Without its leap days an era has years of 365 days: each is behind 1460, 36524 or 146096 others. */
static Date
date_from_days(int64 days)
{
	int64 era = floor_divide(days + DAYS_TO_1970, DAYS_PER_ERA);
	int64 day = days + DAYS_TO_1970 - era * DAYS_PER_ERA;
	int64 year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int day_of_year = (int) (day - (year * 365 + year / 4 - year / 100));
	int month = (5 * day_of_year + 2) / 153; /* 0 is March */
	Date date;

	date.month = (month + 2) % MONTHS_PER_YEAR + 1;
	date.day = day_of_year - (153 * month + 2) / 5 + 1;
	date.year = (int) (era * YEARS_PER_ERA + year) + (date.month <= 2);
	return date;
}

/* ---- durations ---- */

/* duration -> [ "+" | "-" ] ( "0" | part { part } ) */
bool
cel_duration_parse(const char *text, size_t len, bool with_days, int64 *nanos)
{
	const char *pos = text;
	const char *end = text + len;
	bool is_negative = len > 0 && *text == '-';
	uint64 sum = 0;

	if (len > 0 && (*text == '-' || *text == '+'))
		pos++;
	*nanos = 0;
	if (end - pos == 1 && *pos == '0')
		return true;
	if (pos == end)
		return false;
	while (pos < end)
	{
		if (!add_part(&pos, end, with_days, &sum))
			return false;
	}
	if (sum == SPAN_MAX && !is_negative)
		return false;

	*nanos = (int64) (is_negative ? -sum : sum);
	return true;
}

int
cel_duration_format(int64 nanos, char buf[CEL_TIME_TEXT_SIZE])
{
	uint64 span = nanos < 0 ? -(uint64) nanos : (uint64) nanos;
	char *end = buf;

	end += snprintf(buf, CEL_TIME_TEXT_SIZE, "%s" UINT64_FORMAT, nanos < 0 ? "-" : "",
					span / NANOS_PER_SEC);
	end = put_fraction(end, (uint32) (span % NANOS_PER_SEC));
	*end++ = 's';
	*end = '\0';
	return (int) (end - buf);
}

/*
 * part -> digits unit | digits "." [ digits ] unit | "." digits unit
 *
 * The fraction goes through floating point as it does in Go, so that a third of an hour to nineteen places
 * is twenty minutes here, too.
 */
static bool
add_part(const char **pos, const char *end, bool with_days, uint64 *sum)
{
	const char *start = *pos;
	uint64 whole;
	uint64 fraction = 0;
	double scale = 1;
	bool has_digit;
	const Unit *unit;
	uint64 nanos;

	if (!read_whole(pos, end, &whole))
		return false;
	has_digit = *pos > start;
	if (*pos < end && **pos == '.')
	{
		start = ++*pos;
		read_fraction(pos, end, &fraction, &scale);
		has_digit = has_digit || *pos > start;
	}
	unit = read_unit(pos, end, with_days);
	if (!has_digit || unit == NULL || whole > SPAN_MAX / unit->nanos)
		return false;

	nanos = whole * unit->nanos + (uint64) ((double) fraction * ((double) unit->nanos / scale));
	if (nanos > SPAN_MAX || *sum > SPAN_MAX - nanos)
		return false;
	*sum += nanos;
	return true;
}

/* False if it is greater than every duration. */
static bool
read_whole(const char **pos, const char *end, uint64 *whole)
{
	for (*whole = 0; *pos < end && is_digit(**pos); (*pos)++)
	{
		if (*whole > SPAN_MAX / 10)
			return false;
		*whole = *whole * 10 + (uint64) (**pos - '0');
	}
	return *whole <= SPAN_MAX;
}

/* As many digits as fit: fraction / scale. */
static void
read_fraction(const char **pos, const char *end, uint64 *fraction, double *scale)
{
	bool is_full = false;

	for (; *pos < end && is_digit(**pos); (*pos)++)
	{
		uint64 longer = *fraction * 10 + (uint64) (**pos - '0');

		is_full = is_full || *fraction > SPAN_MAX / 10 || longer > SPAN_MAX;
		if (is_full)
			continue;
		*fraction = longer;
		*scale *= 10;
	}
}

/* The unit reaches to the next number, so that "ms" is not read as "m". */
static const Unit *
read_unit(const char **pos, const char *end, bool with_days)
{
	const char *name = *pos;
	size_t count = lengthof(units) - (with_days ? 0 : UNITS_OF_DAYS);
	size_t len;

	while (*pos < end && **pos != '.' && !is_digit(**pos))
		(*pos)++;
	len = (size_t) (*pos - name);

	for (size_t i = 0; i < count; i++)
	{
		if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
			return &units[i];
	}
	return NULL;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- arithmetic ---- */

bool
cel_timestamp_is_valid(CelTime time)
{
	return time.seconds >= SECONDS_MIN && time.seconds <= SECONDS_MAX && time.nanos < NANOS_PER_SEC;
}

bool
cel_timestamp_add(CelTime time, int64 nanos, CelTime *out)
{
	int64 sum = (int64) time.nanos + nanos % NANOS_PER_SEC;
	int64 carry = floor_divide(sum, NANOS_PER_SEC);

	Assert(cel_timestamp_is_valid(time));

	out->seconds = time.seconds + nanos / NANOS_PER_SEC + carry;
	out->nanos = (uint32) (sum - carry * NANOS_PER_SEC);
	return cel_timestamp_is_valid(*out);
}

bool
cel_timestamp_subtract(CelTime a, CelTime b, int64 *nanos)
{
	int64 seconds = a.seconds - b.seconds;
	int64 rest = (int64) a.nanos - (int64) b.nanos;

	Assert(cel_timestamp_is_valid(a));
	Assert(cel_timestamp_is_valid(b));

	/* of one sign, or the product may be out of range where the sum is not */
	if (seconds < 0 && rest > 0)
	{
		seconds++;
		rest -= NANOS_PER_SEC;
	}
	else if (seconds > 0 && rest < 0)
	{
		seconds--;
		rest += NANOS_PER_SEC;
	}
	return !pg_mul_s64_overflow(seconds, NANOS_PER_SEC, nanos) &&
		   !pg_add_s64_overflow(*nanos, rest, nanos);
}

/* ---- fields ---- */

bool
cel_timestamp_field(CelTime time, CelTimeField field, const char *zone, size_t zonelen, int64 *out)
{
	int32 offset_sec;
	int64 days;
	int second;

	if (!zone_offset(zone, zonelen, time.seconds, &offset_sec))
		return false;

	days = floor_divide(time.seconds + offset_sec, SEC_PER_DAY);
	second = (int) (time.seconds + offset_sec - days * SEC_PER_DAY);
	switch (field)
	{
		case CEL_HOURS:
			*out = second / SEC_PER_HOUR;
			break;
		case CEL_MINUTES:
			*out = second / SEC_PER_MIN % (SEC_PER_HOUR / SEC_PER_MIN);
			break;
		case CEL_SECONDS:
			*out = second % SEC_PER_MIN;
			break;
		case CEL_MILLISECONDS:
			*out = time.nanos / NANOS_PER_MSEC;
			break;
		default:
			*out = date_field(days, field);
	}
	return true;
}

int64
cel_duration_field(int64 nanos, CelTimeField field)
{
	static const int64 unit_nanos[] = {
		[CEL_HOURS] = NANOS_PER_HOUR,
		[CEL_MINUTES] = NANOS_PER_MIN,
		[CEL_SECONDS] = NANOS_PER_SEC,
		[CEL_MILLISECONDS] = NANOS_PER_MSEC,
	};

	Assert(field >= CEL_HOURS);
	Assert(field <= CEL_MILLISECONDS);

	return nanos / unit_nanos[field];
}

static int64
date_field(int64 days, CelTimeField field)
{
	Date date = date_from_days(days);

	switch (field)
	{
		case CEL_FULL_YEAR:
			return date.year;
		case CEL_MONTH:
			return date.month - 1;
		case CEL_DATE:
			return date.day;
		case CEL_DAY_OF_MONTH:
			return date.day - 1;
		case CEL_DAY_OF_WEEK:
			days += WEEKDAY_OF_1970;
			return days - floor_divide(days, DAYS_PER_WEEK) * DAYS_PER_WEEK;
		default:
			Assert(field == CEL_DAY_OF_YEAR);
			return days - days_from_date((Date){date.year, 1, 1});
	}
}

/* zone -> "" | [ "+" | "-" ] digit digit ":" digit digit | name */
static bool
zone_offset(const char *zone, size_t len, int64 seconds, int32 *offset_sec)
{
	CelReading ahead;
	bool has_sign;

	*offset_sec = 0;
	if (len == 0 || (len == strlen("UTC") && memcmp(zone, "UTC", len) == 0))
		return true;
	if (memchr(zone, ':', len) == NULL)
		return inn_zone_offset(zone, len, seconds, offset_sec);

	has_sign = *zone == '+' || *zone == '-';
	if (len - has_sign != strlen("00:00") ||
		!cel_layout_match("%H:%M", zone + has_sign, len - has_sign, &ahead) || !is_clock(&ahead))
		return false;
	*offset_sec = ahead.hour * SEC_PER_HOUR + ahead.minute * SEC_PER_MIN;
	if (*zone == '-')
		*offset_sec = -*offset_sec;
	return true;
}

/* ---- small things ---- */

static char *
put_digits(char *buf, uint32 number, int ndigits)
{
	for (int i = ndigits; i-- > 0; number /= 10)
		buf[i] = (char) ('0' + number % 10);
	Assert(number == 0);
	return buf + ndigits;
}

static char *
put_fraction(char *buf, uint32 nanos)
{
	char *end;

	if (nanos == 0)
		return buf;
	*buf = '.';
	end = put_digits(buf + 1, nanos, FRACTION_DIGITS);
	while (end[-1] == '0')
		end--;
	return end;
}

static int64
floor_divide(int64 a, int64 b)
{
	return a / b - (a % b < 0);
}
