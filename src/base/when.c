/*-------------------------------------------------------------------------
 *
 * when.c
 *	  Texts and tables that mean a span of time: durations, retry delays.
 *
 * A duration is added up exactly, in whole microseconds and a remainder of
 * nanoseconds, so no number of terms and no fraction loses anything before
 * the one rounding at the end.
 *
 * IDENTIFICATION
 *	  src/base/when.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"

#include "base/when.h"

#define NSEC_PER_USEC INT64CONST(1000)
#define NSEC_PER_MSEC (1000 * NSEC_PER_USEC)
#define NSEC_PER_SEC (1000 * NSEC_PER_MSEC)
#define NSEC_PER_MIN (60 * NSEC_PER_SEC)
#define NSEC_PER_HOUR (60 * NSEC_PER_MIN)
#define NSEC_PER_DAY (24 * NSEC_PER_HOUR)
#define NSEC_PER_WEEK (7 * NSEC_PER_DAY)

typedef struct Unit
{
	const char *name;
	int64 nsec;
} Unit;

/* What has been read so far. */
typedef struct Sum
{
	int64 usec;
	int64 nsec; /* 0 .. 999 */
} Sum;

static bool add_term(const char **pos, const char *end, Sum *sum);
static const Unit *find_unit(const char *name, size_t len);
static bool add_whole(Sum *sum, int64 whole, const Unit *unit);
static bool add_fraction(Sum *sum, const char *digits, const char *end, const Unit *unit);
static bool add_nsec(Sum *sum, int64 nsec);
static bool is_digit(char c);

static const Unit units[] = {
	{"w", NSEC_PER_WEEK},
	{"d", NSEC_PER_DAY},
	{"h", NSEC_PER_HOUR},
	{"m", NSEC_PER_MIN},
	{"s", NSEC_PER_SEC},
	{"ms", NSEC_PER_MSEC},
	{"us", NSEC_PER_USEC},
	{"\xC2\xB5s", NSEC_PER_USEC}, /* U+00B5 micro sign */
	{"\xCE\xBCs", NSEC_PER_USEC}, /* U+03BC Greek small letter mu */
	{"ns", 1},
};

/* seconds to wait after the n-th failed attempt; the last one is for all later */
static const int backoff_sec[] = {15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200};

bool
inn_duration_parse(const char *text, size_t len, int64 *usec)
{
	const char *pos = text;
	const char *end = text + len;
	Sum sum = {0, 0};

	if (len == 0 || len > INN_DURATION_MAX_LEN)
		return false;
	if (len == 1 && *text == '0')
		pos = end;
	while (pos < end)
	{
		if (!add_term(&pos, end, &sum))
			return false;
	}

	Assert(sum.usec >= 0);
	*usec = sum.usec;
	return true;
}

void
inn_duration_format(int64 usec, char *buf, size_t buflen)
{
	static const Unit shown[] = {
		{"d", NSEC_PER_DAY}, {"h", NSEC_PER_HOUR},	{"m", NSEC_PER_MIN},
		{"s", NSEC_PER_SEC}, {"ms", NSEC_PER_MSEC}, {"us", NSEC_PER_USEC},
	};
	uint64 rest = usec < 0 ? -(uint64) usec : (uint64) usec;
	char text[INN_DURATION_TEXT_SIZE] = "0s";
	size_t used = 0;

	if (usec < 0)
		text[used++] = '-';
	for (size_t i = 0; i < lengthof(shown); i++)
	{
		uint64 unit_usec = shown[i].nsec / NSEC_PER_USEC;

		if (rest >= unit_usec)
			used += snprintf(text + used, sizeof(text) - used, UINT64_FORMAT "%s", rest / unit_usec,
							 shown[i].name);
		rest %= unit_usec;
	}
	Assert(used < sizeof(text));

	snprintf(buf, buflen, "%s", text);
}

int64
inn_backoff_usec(int failed_attempt, uint32 random_ms)
{
	int row = Min(failed_attempt, (int) lengthof(backoff_sec) - 1);

	Assert(failed_attempt >= 0);
	Assert(random_ms < INN_BACKOFF_JITTER_MS);

	return backoff_sec[row] * INT64CONST(1000000) + random_ms * INT64CONST(1000);
}

/* term: digits [ '.' digits ] unit, or '.' digits unit */
static bool
add_term(const char **pos, const char *end, Sum *sum)
{
	const char *p = *pos;
	const char *fraction;
	const char *fraction_end;
	const char *name;
	const Unit *unit;
	int64 whole = 0;
	bool has_digit;

	for (; p < end && is_digit(*p); p++)
	{
		if (pg_mul_s64_overflow(whole, 10, &whole) || pg_add_s64_overflow(whole, *p - '0', &whole))
			return false;
	}
	has_digit = p > *pos;

	fraction = fraction_end = p;
	if (p < end && *p == '.')
	{
		fraction = ++p;
		while (p < end && is_digit(*p))
			p++;
		fraction_end = p;
		has_digit = has_digit || fraction_end > fraction;
	}

	/* the unit reaches to the next number, so that "ms" is not read as "m" */
	for (name = p; p < end && !is_digit(*p) && *p != '.'; p++)
		;
	unit = find_unit(name, p - name);
	*pos = p;

	return has_digit && unit != NULL && add_whole(sum, whole, unit) &&
		   add_fraction(sum, fraction, fraction_end, unit);
}

static const Unit *
find_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < lengthof(units); i++)
	{
		if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
			return &units[i];
	}
	return NULL;
}

static bool
add_whole(Sum *sum, int64 whole, const Unit *unit)
{
	int64 usec;

	if (unit->nsec < NSEC_PER_USEC)
		return !pg_add_s64_overflow(sum->usec, whole / NSEC_PER_USEC, &sum->usec) &&
			   add_nsec(sum, whole % NSEC_PER_USEC);

	return !pg_mul_s64_overflow(whole, unit->nsec / NSEC_PER_USEC, &usec) &&
		   !pg_add_s64_overflow(sum->usec, usec, &sum->usec);
}

/*
 * Add 0.digits of a unit.  Going from the last digit to the first, each step
 * is (digit * unit + what the digits behind it came to) / 10; rounding each
 * step down gives the same whole nanoseconds as rounding once at the end.
 */
static bool
add_fraction(Sum *sum, const char *digits, const char *end, const Unit *unit)
{
	int64 nsec = 0;

	while (end > digits)
		nsec = ((*--end - '0') * unit->nsec + nsec) / 10;

	Assert(nsec < unit->nsec);
	return add_nsec(sum, nsec);
}

static bool
add_nsec(Sum *sum, int64 nsec)
{
	nsec += sum->nsec;
	sum->nsec = nsec % NSEC_PER_USEC;
	return !pg_add_s64_overflow(sum->usec, nsec / NSEC_PER_USEC, &sum->usec);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}
