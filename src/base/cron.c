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

#include "base/cron.h"
#include "base/zone.h"

/* no number of a field has more digits */
#define NUMBER_MAX_DIGITS 3

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

static const char *skip_zone(const char **pos);
static const char *read_list(const char **pos, const Field *field);
static const char *read_range(const char **pos, const Field *field);
static const char *read_value(const char **pos, const Field *field, int *value);
static bool read_name(const char **pos, const Field *field, int *value);
static bool read_number(const char **pos, int *number);
static void skip_blanks(const char **pos);
static bool is_blank(char c);

/* cron -> [ zone ] list list list list list */
const char *
inn_cron_fault(const char *text)
{
	const char *pos = text;
	const char *fault;

	skip_blanks(&pos);
	if (*pos == '@')
		return "Descriptors such as \"@daily\" are not understood; write five fields.";
	if ((fault = skip_zone(&pos)) != NULL)
		return fault;

	for (int i = 0; i < (int) lengthof(fields); i++)
	{
		skip_blanks(&pos);
		if (*pos == '\0')
			return "Must have five fields: minute, hour, day of month, month, day of week.";
		if ((fault = read_list(&pos, &fields[i])) != NULL)
			return fault;
	}

	skip_blanks(&pos);
	return *pos == '\0' ? NULL
						: "Must have five fields: minute, hour, day of month, month, day of week.";
}

/* zone -> ( "TZ=" | "CRON_TZ=" ) name blank */
static const char *
skip_zone(const char **pos)
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
	return inn_zone_exists(name, len) ? NULL : "The time zone is unknown.";
}

/* list -> range { "," range } blank */
static const char *
read_list(const char **pos, const Field *field)
{
	for (;;)
	{
		const char *fault = read_range(pos, field);

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

/* range -> ( "*" | "?" | value [ "-" value ] ) [ "/" number ] */
static const char *
read_range(const char **pos, const Field *field)
{
	const char *fault;
	int first;
	int last;
	int step;

	if (**pos == '*' || **pos == '?')
		(*pos)++;
	else
	{
		if ((fault = read_value(pos, field, &first)) != NULL)
			return fault;
		if (**pos == '-')
		{
			(*pos)++;
			if ((fault = read_value(pos, field, &last)) != NULL)
				return fault;
			if (last < first)
				return "A range must not end before it begins.";
		}
	}

	if (**pos != '/')
		return NULL;
	(*pos)++;
	if (!read_number(pos, &step) || step == 0)
		return "A step must be a number of at least 1.";
	return NULL;
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
