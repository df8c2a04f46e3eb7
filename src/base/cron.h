/*-------------------------------------------------------------------------
 *
 * cron.h
 *	  Texts that mean a recurring time.
 *
 * IDENTIFICATION
 *	  src/base/cron.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CRON_H
#define INN_CRON_H

#include "datatype/timestamp.h"

typedef enum InnCronField
{
	INN_CRON_MINUTE,
	INN_CRON_HOUR,
	INN_CRON_DAY,
	INN_CRON_MONTH,
	INN_CRON_WEEKDAY,
	INN_CRON_FIELDS
} InnCronField;

typedef struct InnCron
{
	uint64 values[INN_CRON_FIELDS]; /* a bit for each value that fits */
	bool is_star[INN_CRON_FIELDS];	/* "*" or "?" is in it, without a step */
	const char *zone;				/* in the text; NULL: UTC */
	size_t zone_len;
} InnCron;

/*
 * Read a cron expression; what is wrong with it as a constant sentence, or NULL.
 *
 * Five fields: minute, hour, day of month, month, day of week (0 to 6, 0 is
 * Sunday), each a list of "*", "?", a value or a range, with an optional step;
 * months and days also by the first three letters of their English names.  In
 * front may stand "TZ=<zone> " or "CRON_TZ=<zone> ".  There are no seconds and
 * no descriptors such as "@daily".
 */
extern const char *inn_cron_parse(const char *text, InnCron *cron);

/*
 * The first time after another that fits; INN_NEVER if there is none within five years, such as a 30th of February.
 *
 * If both fields of days are restricted, a day fits one of them; else both.  Where clocks are put forward, the times
 * that they skip do not come that day; where they are put back, the times that they repeat come twice (semantics.md
 * 1.5).  There is none before 1970-01-02.
 */
extern TimestampTz inn_cron_next(const InnCron *cron, TimestampTz after);

#endif /* INN_CRON_H */
