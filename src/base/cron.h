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

/*
 * What is wrong with a cron expression: a constant sentence, or NULL.
 *
 * Five fields: minute, hour, day of month, month, day of week (0 to 6, 0 is
 * Sunday), each a list of "*", "?", a value or a range, with an optional step;
 * months and days also by the first three letters of their English names.  In
 * front may stand "TZ=<zone> " or "CRON_TZ=<zone> ".  There are no seconds and
 * no descriptors such as "@daily".
 */
extern const char *inn_cron_fault(const char *text);

#endif /* INN_CRON_H */
