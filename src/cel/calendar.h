/*-------------------------------------------------------------------------
 *
 * calendar.h
 *	  Timestamps and durations of expressions, as texts, as fields, and their arithmetic.
 *
 * A timestamp has nanoseconds, which timestamptz has not, so it is a pair: Unix seconds, and 0 .. 999999999
 * nanoseconds after them.  It lies between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z in the
 * Gregorian calendar, which is taken to have been in use all the time.  There are no leap seconds.  A
 * duration is nanoseconds, +-292 years.
 *
 * Texts need not end in NUL.  Nothing here allocates memory or raises an error, but that a zone looked up
 * by name is kept by the server.  Where false is returned, what *out or *nanos holds is not defined.
 *
 * IDENTIFICATION
 *	  src/cel/calendar.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CEL_CALENDAR_H
#define INN_CEL_CALENDAR_H

/* Nothing here is seen outside of the library. */
#pragma GCC visibility push(hidden)

typedef struct CelTime
{
	int64 seconds;
	uint32 nanos;
} CelTime;

/* room for every text that is written here, with its NUL */
#define CEL_TIME_TEXT_SIZE 40

/*
 * RFC 3339 as Go's parser takes it: upper-case T and Z, two-digit fields (an hour may have one), a zone with
 * a colon and of up to 24:60, no :60, no 24:00, any number of fraction digits (those after the ninth are
 * ignored), a comma for the point.  What counts is that the time in UTC is in range.
 */
extern bool cel_timestamp_parse(const char *text, size_t len, CelTime *out);

/*
 * What date() takes: RFC 3339; YYYY-MM-DDTHH:MM:SS; RFC 1123 with zone name or offset; RFC 822 with either;
 * RFC 850; Ruby's, Unix's and ANSI C's date; YYYY-MM-DD HH:MM:SS -0700 MST; YYYY-MM-DD.
 *
 * Seconds may have a fraction everywhere, a blank may be several, names count in any case, and a day of the
 * week need not be that of the date.  Two-digit years are 1969 .. 2068.  No zone: UTC.  A zone name, even
 * GMT+3, counts as UTC, as Go has it.  Texts without a year (Go's stamps) are refused.
 */
extern bool cel_date_parse(const char *text, size_t len, CelTime *out);

/*
 * A number as date() takes it: below 946684800 refused, below 10^10 seconds, below 10^13 milliseconds, else
 * nanoseconds.
 */
extern bool cel_date_from_int(int64 number, CelTime *out);

/*
 * RFC 3339 in UTC with as many digits of the fraction as needed: "2024-02-29T12:30:00.5Z".  Returns the
 * length.
 */
extern int cel_timestamp_format(CelTime time, char buf[CEL_TIME_TEXT_SIZE]);

/*
 * One sign at most, then parts of h m s ms us (also with either micro sign) ns, fractional, added up; "0"
 * alone is allowed.  with_days: d and w, too.  No blanks, no empty text.  What a fraction has below a
 * nanosecond is dropped from each part.  False if it is anything else or does not fit.
 */
extern bool cel_duration_parse(const char *text, size_t len, bool with_days, int64 *nanos);

/* Seconds with as many digits of the fraction as needed: "3600.001s", "-0.5s", "0s".  Returns the length. */
extern int cel_duration_format(int64 nanos, char buf[CEL_TIME_TEXT_SIZE]);

extern bool cel_timestamp_is_valid(CelTime time);

/* False if the result is out of range. */
extern bool cel_timestamp_add(CelTime time, int64 nanos, CelTime *out);
extern bool cel_timestamp_subtract(CelTime a, CelTime b, int64 *nanos);

typedef enum CelTimeField
{
	CEL_FULL_YEAR,	  /* 0 and 10000, too, where a zone's clocks show them */
	CEL_MONTH,		  /* 0 .. 11 */
	CEL_DATE,		  /* 1 .. 31 */
	CEL_DAY_OF_MONTH, /* 0 .. 30 */
	CEL_DAY_OF_WEEK,  /* 0 = Sunday */
	CEL_DAY_OF_YEAR,  /* 0 .. 365 */
	CEL_HOURS,
	CEL_MINUTES,
	CEL_SECONDS,
	CEL_MILLISECONDS
} CelTimeField;

/*
 * A field in a time zone: zonelen 0 for UTC, "+02:00", "-08:00", "02:00" (of up to 23:59), or an IANA name
 * in its exact case.  False if there is no such zone.
 */
extern bool cel_timestamp_field(CelTime time, CelTimeField field, const char *zone, size_t zonelen,
								int64 *out);

/*
 * Hours, minutes, seconds or milliseconds: whole units of the whole duration, towards zero.  (The text of
 * the specification has only the part below a second for milliseconds; its implementations have the whole.)
 */
extern int64 cel_duration_field(int64 nanos, CelTimeField field);

#pragma GCC visibility pop

#endif /* INN_CEL_CALENDAR_H */
