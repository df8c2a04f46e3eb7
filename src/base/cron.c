/*-------------------------------------------------------------------------
 *
 * cron.c
 *	  Texts that mean a recurring time.
 *
 * A function per grammar rule, the rule as its first comment.  Each moves the
 * position behind what it has read and returns the fault, or NULL.
 *
 * IDENTIFICATION
 *	  src/base/cron.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "base/cron.h"
#include "base/timer.h"
#include "base/zone.h"

/* no number of a field has more digits */
#define NUMBER_MAX_DIGITS 3

#define NO_BOUND (-1)

typedef struct Field
{
	int min;
	int max;
	const char *names; /* three letters each, the first one means min; or empty */
} Field;

static const Field fields[] = {
	{0, 59, ""},									 /* minute */
	{0, 23, ""},									 /* hour */
	{1, 31, ""},									 /* day of month */
	{1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"}, /* month */
	{0, 6, "sunmontuewedthufrisat"},				 /* day of week */
};

static const char *read_zone(const char **pos, InnCron *cron);
static const char *read_list(const char **pos, InnCronField which, InnCron *cron);
static const char *read_range(const char **pos, InnCronField which, InnCron *cron);
static const char *read_bounds(const char **pos, const Field *field, int *first, int *last);
static const char *read_value(const char **pos, const Field *field, int *value);
static bool read_name(const char **pos, const Field *field, int *value);
static bool read_number(const char **pos, int *number);
static void skip_blanks(const char **pos);
static bool is_blank(char c);
static int32 offset_at(const InnCron *cron, int64 unix_sec);
static int seconds_to_pass(const InnCron *cron, int64 local);
static bool is_day(const InnCron *cron, int unix_day);
static bool has(const InnCron *cron, InnCronField field, int value);

/* cron -> [ zone ] list list list list list */
const char *
inn_cron_parse(const char *text, InnCron *cron)
{
	const char *pos = text;
	const char *fault;

	*cron = (InnCron){0};
	skip_blanks(&pos);
	if (*pos == '@')
		return "Descriptors such as \"@daily\" are not understood; write five fields.";
	if ((fault = read_zone(&pos, cron)) != NULL)
		return fault;

	for (int i = 0; i < INN_CRON_FIELDS; i++)
	{
		skip_blanks(&pos);
		if (*pos == '\0')
			return "Must have five fields: minute, hour, day of month, month, day of week.";
		if ((fault = read_list(&pos, i, cron)) != NULL)
			return fault;
	}

	skip_blanks(&pos);
	return *pos == '\0' ? NULL
						: "Must have five fields: minute, hour, day of month, month, day of week.";
}

/* zone -> ( "TZ=" | "CRON_TZ=" ) name blank */
static const char *
read_zone(const char **pos, InnCron *cron)
{
	const char *name;
	size_t len = 0;

	if (strncmp(*pos, "TZ=", 3) == 0)
		*pos += 3;
	else if (strncmp(*pos, "CRON_TZ=", 8) == 0)
		*pos += 8;
	else
		return NULL;

	name = *pos;
	while (name[len] != '\0' && !is_blank(name[len]))
		len++;
	*pos += len;
	cron->zone = name;
	cron->zone_len = len;
	return inn_zone_exists(name, len) ? NULL : "The time zone is unknown.";
}

/* list -> range { "," range } blank */
static const char *
read_list(const char **pos, InnCronField which, InnCron *cron)
{
	for (;;)
	{
		const char *fault = read_range(pos, which, cron);

		if (fault != NULL)
			return fault;
		if (**pos != ',')
			break;
		(*pos)++;
	}
	if (**pos != '\0' && !is_blank(**pos))
		return "A field may have values, ranges, steps and commas only.";
	return NULL;
}

/* range -> ( "*" | "?" | value [ "-" value ] ) [ "/" number ]; a value with a step goes on to the end */
static const char *
read_range(const char **pos, InnCronField which, InnCron *cron)
{
	const Field *field = &fields[which];
	bool is_star = **pos == '*' || **pos == '?';
	int first = field->min;
	int last = field->max;
	int step = 0;
	const char *fault;

	if (is_star)
		(*pos)++;
	else if ((fault = read_bounds(pos, field, &first, &last)) != NULL)
		return fault;

	if (**pos == '/')
	{
		(*pos)++;
		if (!read_number(pos, &step) || step == 0)
			return "A step must be a number of at least 1.";
	}
	if (last == NO_BOUND)
		last = step > 0 ? field->max : first;
	step = Max(step, 1);
	cron->is_star[which] = cron->is_star[which] || (is_star && step == 1);
	for (int value = first; value <= last; value += step)
		cron->values[which] |= UINT64CONST(1) << value;
	return NULL;
}

/* *last is NO_BOUND for a single value. */
static const char *
read_bounds(const char **pos, const Field *field, int *first, int *last)
{
	const char *fault = read_value(pos, field, first);

	if (fault != NULL)
		return fault;
	*last = NO_BOUND;
	if (**pos != '-')
		return NULL;
	(*pos)++;
	if ((fault = read_value(pos, field, last)) != NULL)
		return fault;
	return *last < *first ? "A range must not end before it begins." : NULL;
}

/* value -> number | name */
static const char *
read_value(const char **pos, const Field *field, int *value)
{
	if (!read_number(pos, value) && !read_name(pos, field, value))
		return "A field may have values, ranges, steps and commas only.";
	if (*value < field->min || *value > field->max)
		return "A value is out of range for its field.";
	return NULL;
}

static bool
read_name(const char **pos, const Field *field, int *value)
{
	for (const char *name = field->names; *name != '\0'; name += 3)
	{
		if (pg_strncasecmp(*pos, name, 3) == 0)
		{
			*value = field->min + (int) (name - field->names) / 3;
			*pos += 3;
			return true;
		}
	}
	return false;
}

static bool
read_number(const char **pos, int *number)
{
	int ndigits = 0;

	*number = 0;
	while ((*pos)[ndigits] >= '0' && (*pos)[ndigits] <= '9' && ndigits < NUMBER_MAX_DIGITS)
		*number = *number * 10 + ((*pos)[ndigits++] - '0');
	*pos += ndigits;
	return ndigits > 0;
}

static void
skip_blanks(const char **pos)
{
	while (is_blank(**pos))
		(*pos)++;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- the next time ---- */

#define SECONDS_PER_MINUTE 60
#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_DAY 86400

#define SEARCH_SECONDS (INT64CONST(5) * 366 * SECONDS_PER_DAY)

TimestampTz
inn_cron_next(const InnCron *cron, TimestampTz after)
{
	int64 since =
		Max(inn_unix_ms(after) / 1000, SECONDS_PER_DAY); /* local times are after 1970, too */
	int64 time = (since / SECONDS_PER_MINUTE + 1) * SECONDS_PER_MINUTE;
	int64 end = time + SEARCH_SECONDS;
	int32 offset = offset_at(cron, time);

	while (time < end)
	{
		int seconds = seconds_to_pass(cron, time + offset);
		int32 next_offset;

		if (seconds == 0)
			return inn_from_unix_ms(time * 1000);
		next_offset = offset_at(cron, time + seconds);
		if (next_offset != offset) /* clocks change on the way: look at every minute */
		{
			seconds = SECONDS_PER_MINUTE;
			next_offset = offset_at(cron, time + seconds);
		}
		time += seconds;
		offset = next_offset;
	}
	return INN_NEVER;
}

static int32
offset_at(const InnCron *cron, int64 unix_sec)
{
	int32 offset;

	if (cron->zone == NULL ||
		!inn_zone_offset_any_case(cron->zone, cron->zone_len, unix_sec, &offset))
		return 0;
	return offset;
}

/* From a local time that does not fit to the next that may; 0 if it fits. */
static int
seconds_to_pass(const InnCron *cron, int64 local)
{
	int64 day = local / SECONDS_PER_DAY;
	int second = (int) (local % SECONDS_PER_DAY);

	if (!is_day(cron, (int) day))
		return SECONDS_PER_DAY - second;
	if (!has(cron, INN_CRON_HOUR, second / SECONDS_PER_HOUR))
		return SECONDS_PER_HOUR - second % SECONDS_PER_HOUR;
	if (!has(cron, INN_CRON_MINUTE, second % SECONDS_PER_HOUR / SECONDS_PER_MINUTE))
		return SECONDS_PER_MINUTE;
	return 0;
}

static bool
is_day(const InnCron *cron, int unix_day)
{
	int julian = unix_day + UNIX_EPOCH_JDATE;
	bool is_date;
	bool is_weekday;
	int year, month, day;

	j2date(julian, &year, &month, &day);
	if (!has(cron, INN_CRON_MONTH, month))
		return false;
	is_date = has(cron, INN_CRON_DAY, day);
	is_weekday = has(cron, INN_CRON_WEEKDAY, j2day(julian));
	if (cron->is_star[INN_CRON_DAY] || cron->is_star[INN_CRON_WEEKDAY])
		return is_date && is_weekday;
	return is_date || is_weekday;
}

static bool
has(const InnCron *cron, InnCronField field, int value)
{
	return (cron->values[field] >> value & 1) != 0;
}
