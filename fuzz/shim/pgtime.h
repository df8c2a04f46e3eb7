/*
 * A stand-in for the server's time zones: few of them, and their clocks are put forward and back once.
 * As the server does, it ignores case and remembers the exact name.  That it takes descriptions, too, and
 * keeps them for ever, is not imitated: none may get here.
 */
#ifndef FUZZ_PGTIME_H
#define FUZZ_PGTIME_H

#include "postgres.h"

#define TZ_STRLEN_MAX 255

typedef int64 pg_time_t;

struct pg_tm
{
	long tm_gmtoff;
};

typedef struct pg_tz
{
	const char *name;
	int32 before; /* offset in seconds */
	pg_time_t change;
	int32 after;
} pg_tz;

/* Is there a file of this name, which has digits? */
static inline bool
is_file_with_digits(const char *name)
{
	static const char *const names[] = {"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT",
										"GMT0",	   "GMT+0",	  "GMT-0",	 "Etc/GMT0"};
	char *end;
	long hours;

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	if (strncasecmp(name, "Etc/GMT", 7) != 0 || (name[7] != '+' && name[7] != '-'))
		return false;
	hours = strtol(name + 7, &end, 10);
	return *end == '\0' && hours >= -14 && hours <= 12;
}

static inline pg_tz *
pg_tzset(const char *name)
{
	static pg_tz zones[] = {
		{"America/St_Johns", -12652, -2713897748, -12600},
		{"Etc/GMT+5", -18000, 0, -18000},
		{"Etc/GMT-14", 50400, 0, 50400},
		{"Europe/Berlin", 3208, -2422054408, 3600},
		{"EST5EDT", -18000, 1710054000, -14400},
		{"GMT0", 0, 0, 0},
		{"Pacific/Kiritimati", -37760, -2177415040, 50400},
		{"UTC", 0, 0, 0},
	};

	Assert(strlen(name) <= TZ_STRLEN_MAX);
	Assert(strpbrk(name, "0123456789") == NULL || is_file_with_digits(name));
	for (size_t i = 0; i < lengthof(zones); i++)
	{
		if (strcasecmp(name, zones[i].name) == 0)
			return &zones[i];
	}
	return NULL;
}

static inline const char *
pg_get_timezone_name(pg_tz *zone)
{
	return zone->name;
}

static inline struct pg_tm *
pg_localtime(const pg_time_t *time, const pg_tz *zone)
{
	static struct pg_tm result;

	result.tm_gmtoff = *time < zone->change ? zone->before : zone->after;
	return &result;
}

#endif /* FUZZ_PGTIME_H */
