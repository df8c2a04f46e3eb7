/*-------------------------------------------------------------------------
 *
 * when.h
 *	  Texts and tables that mean a span of time: durations, retry delays.
 *
 * Everything here is pure: no memory is allocated and no error is raised, so
 * it may be called where ereport() and palloc() may not.
 *
 * IDENTIFICATION
 *	  src/base/when.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BASE_WHEN_H
#define INN_BASE_WHEN_H

/* longest text of a duration that is read */
#define INN_DURATION_MAX_LEN 64

/* room for every text inn_duration_format() writes, with its NUL */
#define INN_DURATION_TEXT_SIZE 32

/* one more than the greatest jitter of a retry */
#define INN_BACKOFF_JITTER_MS 30000

/*
 * Read a duration such as "90s", "1d12h30m" or "1.5h".
 *
 * It is one or more pairs of a number and a unit, added up; the order does not
 * matter and a unit may come twice.  Units are w d h m s ms us ns, and both
 * spellings of the micro sign in UTF-8.  A number may have a fraction and
 * needs a digit on at least one side of the point.  There is no sign, no space
 * and no bare number but "0".
 *
 * The sum is exact and then rounded down to whole microseconds.  False, with
 * *usec untouched, if the text is anything else, is longer than
 * INN_DURATION_MAX_LEN, or means more microseconds than an int64 holds.
 */
extern bool inn_duration_parse(const char *text, size_t len, int64 *usec);

/*
 * Write a duration compactly: "1d12h", "1s500ms", "0s".
 *
 * Days are the largest unit, so a week reads "7d".  A negative duration gets a
 * minus sign, which inn_duration_parse() does not read.  Like snprintf(), cuts
 * the text off rather than overrun the buffer; INN_DURATION_TEXT_SIZE bytes
 * are always enough.
 */
extern void inn_duration_format(int64 usec, char *buf, size_t buflen);

/*
 * How long to wait before the attempt that follows a failed one.
 *
 * failed_attempt counts from 0.  random_ms is the jitter, drawn by the caller
 * from 0 .. INN_BACKOFF_JITTER_MS - 1, which keeps runs that failed together
 * from coming back together.
 */
extern int64 inn_backoff_usec(int failed_attempt, uint32 random_ms);

#endif /* INN_BASE_WHEN_H */
