/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  Texts of dates and times, field by field.
 *
 * A function per field.  Each moves the position behind what it has read and puts down what it means; false
 * ends the matching.
 *
 * IDENTIFICATION
 *	  src/cel/layout.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cel/layout.h"

#define NANOS_PER_SECOND 1000000000

/* two-digit years from here on are of the last century */
#define SHORT_YEAR_1900 69

#define OFFSET_HOURS_MAX 24
#define OFFSET_MINUTES_MAX 60
#define ZONE_NAME_MIN 3
#define NAME_HOURS_MAX 23

/* What is left of a text: pos <= end. */
typedef struct Rest
{
	const char *pos;
	const char *end;
} Rest;

static bool skip_literal(Rest *rest, char c);
static bool read_field(Rest *rest, char field, CelReading *out);
static bool read_number(Rest *rest, int min_digits, int max_digits, int *number);
static bool read_short_year(Rest *rest, int *year);
static bool read_second(Rest *rest, CelReading *out);
static bool read_month_name(Rest *rest, int *month);
static bool read_name(Rest *rest, const char *const *names, int count, size_t max_len, int *index);
static bool read_offset(Rest *rest, bool has_colon, int *offset_sec);
static bool read_zone_name(Rest *rest, int *offset_sec);
static bool skip_hours(Rest *rest);
static bool skip_abbreviation(Rest *rest);
static int read_sign(Rest *rest);
static bool skip_char(Rest *rest, char c);
static bool skip_text(Rest *rest, const char *text);
static size_t left(const Rest *rest);
static bool at_digit(const Rest *rest);

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
										  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const weekday_names[] = {"Sunday",	"Monday", "Tuesday", "Wednesday",
											"Thursday", "Friday", "Saturday"};

bool
cel_layout_match(const char *layout, const char *text, size_t len, CelReading *out)
{
	Rest rest = {text, text + len};

	memset(out, 0, sizeof(*out));
	for (; *layout != '\0'; layout++)
	{
		bool matches = *layout == '%' ? read_field(&rest, *++layout, out)
									  : skip_literal(&rest, *layout);

		if (!matches)
			return false;
	}
	return left(&rest) == 0;
}

static bool
skip_literal(Rest *rest, char c)
{
	if (!skip_char(rest, c))
		return false;
	while (c == ' ' && skip_char(rest, c))
		;
	return true;
}

static bool
read_field(Rest *rest, char field, CelReading *out)
{
	int weekday;

	switch (field)
	{
		case 'Y':
			return read_number(rest, 4, 4, &out->year);
		case 'y':
			return read_short_year(rest, &out->year);
		case 'm':
			return read_number(rest, 2, 2, &out->month);
		case 'b':
			return read_month_name(rest, &out->month);
		case 'd':
			return read_number(rest, 2, 2, &out->day);
		case 'e':
			return read_number(rest, 1, 2, &out->day);
		case 'a':
			return read_name(rest, weekday_names, lengthof(weekday_names), 3, &weekday);
		case 'A':
			return read_name(rest, weekday_names, lengthof(weekday_names), SIZE_MAX, &weekday);
		case 'H':
			return read_number(rest, 1, 2, &out->hour);
		case 'M':
			return read_number(rest, 2, 2, &out->minute);
		case 'S':
			return read_second(rest, out);
		case 'o':
			return skip_char(rest, 'Z') || read_offset(rest, true, &out->offset_sec);
		case 'z':
			return read_offset(rest, false, &out->offset_sec);
		default:
			Assert(field == 'Z');
			return read_zone_name(rest, &out->offset_sec);
	}
}

static bool
read_number(Rest *rest, int min_digits, int max_digits, int *number)
{
	int ndigits = 0;

	*number = 0;
	for (; ndigits < max_digits && at_digit(rest); ndigits++)
		*number = *number * 10 + (*rest->pos++ - '0');
	return ndigits >= min_digits;
}

static bool
read_short_year(Rest *rest, int *year)
{
	if (!read_number(rest, 2, 2, year))
		return false;
	*year += *year >= SHORT_YEAR_1900 ? 1900 : 2000;
	return true;
}

/* second -> digit digit [ ( "." | "," ) digit { digit } ] */
static bool
read_second(Rest *rest, CelReading *out)
{
	int place = NANOS_PER_SECOND;
	Rest fraction;

	if (!read_number(rest, 2, 2, &out->second))
		return false;

	fraction = *rest;
	if ((!skip_char(&fraction, '.') && !skip_char(&fraction, ',')) || !at_digit(&fraction))
		return true;
	for (; at_digit(&fraction); fraction.pos++)
	{
		place /= 10; /* 0 after the ninth digit */
		out->nanos += place * (*fraction.pos - '0');
	}
	*rest = fraction;
	return true;
}

static bool
read_month_name(Rest *rest, int *month)
{
	if (!read_name(rest, month_names, lengthof(month_names), 3, month))
		return false;
	(*month)++;
	return true;
}

/* One of some names, of which max_len letters are written. */
static bool
read_name(Rest *rest, const char *const *names, int count, size_t max_len, int *index)
{
	for (*index = 0; *index < count; (*index)++)
	{
		size_t len = Min(strlen(names[*index]), max_len);

		if (left(rest) >= len && pg_strncasecmp(rest->pos, names[*index], len) == 0)
		{
			rest->pos += len;
			return true;
		}
	}
	return false;
}

/* offset -> ( "+" | "-" ) digit digit [ ":" ] digit digit */
static bool
read_offset(Rest *rest, bool has_colon, int *offset_sec)
{
	int sign = read_sign(rest);
	int hours;
	int minutes;

	if (sign == 0 || !read_number(rest, 2, 2, &hours) || (has_colon && !skip_char(rest, ':')) ||
		!read_number(rest, 2, 2, &minutes))
		return false;
	*offset_sec = sign * (hours * 60 + minutes) * 60;
	return hours <= OFFSET_HOURS_MAX && minutes <= OFFSET_MINUTES_MAX;
}

/*
 * A name does not say what time it is: most mean different things in different places, and Go takes them all
 * for UTC, even "GMT+3".  But the name UTC goes before an offset in figures.
 */
static bool
read_zone_name(Rest *rest, int *offset_sec)
{
	if (left(rest) < ZONE_NAME_MIN)
		return false;
	if (skip_text(rest, "UTC"))
	{
		*offset_sec = 0;
		return true;
	}
	if (skip_text(rest, "GMT"))
	{
		(void) skip_hours(rest);
		return true;
	}
	return skip_hours(rest) || skip_abbreviation(rest);
}

/* hours -> ( "+" | "-" ) digit { digit }; also in place of a name, where a zone has none */
static bool
skip_hours(Rest *rest)
{
	Rest ahead = *rest;
	int hours = 0;

	if (read_sign(&ahead) == 0 || !at_digit(&ahead))
		return false;
	for (; at_digit(&ahead); ahead.pos++)
	{
		hours = hours * 10 + (*ahead.pos - '0');
		if (hours > NAME_HOURS_MAX)
			return false;
	}
	*rest = ahead;
	return true;
}

/* Three capitals; four or five of which the last is T; and the three names that are different. */
static bool
skip_abbreviation(Rest *rest)
{
	const char *name = rest->pos;
	size_t len = 0;

	if (skip_text(rest, "ChST") || skip_text(rest, "MeST"))
		return true;

	while (len < left(rest) && name[len] >= 'A' && name[len] <= 'Z')
		len++;
	rest->pos += len;
	if (len == 4 || len == 5)
		return name[len - 1] == 'T' || memcmp(name, "WITA", len) == 0;
	return len == ZONE_NAME_MIN;
}

/* 1, -1, or 0 if there is none */
static int
read_sign(Rest *rest)
{
	if (skip_char(rest, '+'))
		return 1;
	return skip_char(rest, '-') ? -1 : 0;
}

static bool
skip_char(Rest *rest, char c)
{
	if (rest->pos == rest->end || *rest->pos != c)
		return false;
	rest->pos++;
	return true;
}

static bool
skip_text(Rest *rest, const char *text)
{
	size_t len = strlen(text);

	if (left(rest) < len || memcmp(rest->pos, text, len) != 0)
		return false;
	rest->pos += len;
	return true;
}

static size_t
left(const Rest *rest)
{
	return (size_t) (rest->end - rest->pos);
}

static bool
at_digit(const Rest *rest)
{
	return rest->pos < rest->end && *rest->pos >= '0' && *rest->pos <= '9';
}
