/*-------------------------------------------------------------------------
 *
 * zone.c
 *	  Time zones by name.
 *
 * The server finds a zone whatever the case of its name.  It also takes descriptions such as "ABC+5", of
 * which there is no end, and remembers every zone it has been asked for as long as the process lives.  So a
 * text that has not the shape of a name is refused before the server sees it.
 *
 * IDENTIFICATION
 *	  src/base/zone.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgtime.h"

#include "base/zone.h"

static pg_tz *find(const char *name, size_t len);
static bool offset_at(pg_tz *zone, int64 unix_sec, int32 *offset_sec);
static bool is_name(const char *name);
static bool is_name_with_digits(const char *name);
static bool is_fixed_hour(const char *text);

bool
inn_zone_exists(const char *name, size_t len)
{
	return find(name, len) != NULL;
}

bool
inn_zone_offset(const char *name, size_t len, int64 unix_sec, int32 *offset_sec)
{
	pg_tz *zone;
	const char *exact_name;

	/* "posix/...", "right/..." and "localtime" are other people's files beside the database */
	if (len == 0 || *name < 'A' || *name > 'Z')
		return false;
	if ((zone = find(name, len)) == NULL)
		return false;

	exact_name = pg_get_timezone_name(zone);
	if (strlen(exact_name) != len || memcmp(exact_name, name, len) != 0)
		return false;
	return offset_at(zone, unix_sec, offset_sec);
}

bool
inn_zone_offset_any_case(const char *name, size_t len, int64 unix_sec, int32 *offset_sec)
{
	pg_tz *zone = find(name, len);

	return zone != NULL && offset_at(zone, unix_sec, offset_sec);
}

static bool
offset_at(pg_tz *zone, int64 unix_sec, int32 *offset_sec)
{
	pg_time_t time = unix_sec;
	const struct pg_tm *local = pg_localtime(&time, zone);

	if (local == NULL)
		return false;
	*offset_sec = (int32) local->tm_gmtoff;
	return true;
}

static pg_tz *
find(const char *name, size_t len)
{
	char copy[TZ_STRLEN_MAX + 1];

	if (len == 0 || len >= sizeof(copy))
		return NULL;
	memcpy(copy, name, len);
	copy[len] = '\0';
	return strlen(copy) == len && is_name(copy) ? pg_tzset(copy) : NULL;
}

/* Every description has a digit in it; few names have. */
static bool
is_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-+/";

	return name[strspn(name, letters)] == '\0' || is_name_with_digits(name);
}

static bool
is_name_with_digits(const char *name)
{
	static const char *const names[] = {"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT",
										"GMT0",	   "GMT+0",	  "GMT-0",	 "Etc/GMT0"};
	static const char fixed[] = "Etc/GMT";

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (pg_strcasecmp(name, names[i]) == 0)
			return true;
	}
	return pg_strncasecmp(name, fixed, strlen(fixed)) == 0 && is_fixed_hour(name + strlen(fixed));
}

/* "-14" .. "-0", "+0" .. "+12": beyond these the server would take it for a description */
static bool
is_fixed_hour(const char *text)
{
	char sign = *text;
	const char *digits = text + 1;

	if ((sign != '+' && sign != '-') || digits[strspn(digits, "0123456789")] != '\0')
		return false;
	if (strlen(digits) == 2)
		return digits[0] == '1' && digits[1] <= (sign == '+' ? '2' : '4');
	return strlen(digits) == 1;
}
