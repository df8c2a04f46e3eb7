/*
 * Fuzz target: timestamps and durations of expressions.
 *
 * The input is taken as a text of each kind, as the name of a zone, and its first bytes as two timestamps
 * and a duration.
 */
#include "cel/calendar.c"
#include "base/zone.c"
#include "cel/layout.c"

extern int LLVMFuzzerInitialize(int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_known_timestamps(void);
static void check_known_dates(void);
static void check_known_numbers(void);
static void check_known_durations(void);
static void check_known_sums(void);
static void check_known_fields(void);
static void check_known_zones(void);
static void check_field(const char *text, CelTimeField field, const char *zone, int64 expected);
static void check_all_days(void);
static void check_text(const char *text, size_t len);
static void check_duration_text(const char *text, size_t len);
static void check_zone(const char *zone, size_t len, CelTime time);
static void check_numbers(const uint8_t *data, size_t size);
static void check_time(CelTime time);
static void check_difference(CelTime a, CelTime b);
static void check_sum(CelTime time, int64 nanos);
static void check_duration(int64 nanos);
static int64 field_of(CelTime time, CelTimeField field);
static CelTime time_of(const char *text);
static bool is_same(CelTime a, CelTime b);

/* What is known to be right. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	check_known_timestamps();
	check_known_dates();
	check_known_numbers();
	check_known_durations();
	check_known_sums();
	check_known_fields();
	check_known_zones();
	check_all_days();
	return 0;
}

static void
check_known_timestamps(void)
{
	static const struct
	{
		const char *text;
		int64 seconds;
		uint32 nanos;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0, 0},
		{"1969-12-31T23:59:59.999999999Z", -1, 999999999},
		{"2024-02-29T12:30:00.5Z", 1709209800, 500000000},
		{"2024-02-29T12:30:00,5Z", 1709209800, 500000000},
		{"2000-02-29T00:00:00Z", 951782400, 0},
		{"2024-02-29T12:30:00+02:00", 1709202600, 0},
		{"2024-02-29T12:30:00-00:30", 1709211600, 0},
		{"2024-02-29T12:30:00+24:60", 1709119800, 0},
		{"2024-02-29T1:30:00Z", 1709170200, 0},
		{"2024-02-29T12:30:00.0000000019Z", 1709209800, 1},
		{"2024-02-29T12:30:00.1234567890123456789012345678901234567890+00:00", 1709209800,
		 123456789},
		{"0001-01-01T00:00:00Z", -62135596800, 0},
		{"0000-12-31T23:30:00-01:00", -62135595000, 0},
		{"9999-12-31T23:59:59.999999999Z", 253402300799, 999999999},
		{"1582-10-10T00:00:00Z", -12219724800, 0},
	};
	static const char *const bad[] = {
		"",
		"Z",
		"2024-02-29",
		"2024-02-29T12:30:00",
		"2024-02-29T12:30Z",
		"2024-02-29t12:30:00Z",
		"2024-02-29T12:30:00z",
		"2024-02-29 12:30:00Z",
		" 2024-02-29T12:30:00Z",
		"2024-02-29T12:30:00Z ",
		"2024-02-29T12:30:00Z\n",
		"2023-02-29T12:30:00Z",
		"1900-02-29T12:30:00Z",
		"2024-02-30T12:30:00Z",
		"2024-04-31T12:30:00Z",
		"2024-00-01T12:30:00Z",
		"2024-13-01T12:30:00Z",
		"2024-01-00T12:30:00Z",
		"2024-1-01T12:30:00Z",
		"2024-01-1T12:30:00Z",
		"2024-02-29T24:00:00Z",
		"2024-02-29T12:60:00Z",
		"2024-02-29T12:3:00Z",
		"2024-02-29T23:59:60Z",
		"2024-02-29T12:30:0Z",
		"2024-02-29T12:30:00.Z",
		"2024-02-29T12:30:00.5",
		"2024-02-29T12:30:00;5Z",
		"2024-02-29T12:30:00+0200",
		"2024-02-29T12:30:00+02",
		"2024-02-29T12:30:00+2:00",
		"2024-02-29T12:30:00 02:00",
		"2024-02-29T12:30:00+25:00",
		"2024-02-29T12:30:00+00:61",
		"2024-02-29T12:30:00UTC",
		"02024-02-29T12:30:00Z",
		"12024-02-29T12:30:00Z",
		"-024-02-29T12:30:00Z",
		"+024-02-29T12:30:00Z",
		"24-02-29T12:30:00Z",
		"0000-12-31T23:59:59Z",
		"0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
	};
	CelTime time;

	for (size_t i = 0; i < lengthof(good); i++)
	{
		Assert(cel_timestamp_parse(good[i].text, strlen(good[i].text), &time));
		Assert(time.seconds == good[i].seconds);
		Assert(time.nanos == good[i].nanos);
		check_text(good[i].text, strlen(good[i].text));
	}
	for (size_t i = 0; i < lengthof(bad); i++)
		Assert(!cel_timestamp_parse(bad[i], strlen(bad[i]), &time));
	Assert(!cel_timestamp_parse("2024-02-29T12:30:00Z\0", 21, &time));
}

static void
check_known_dates(void)
{
	static const struct
	{
		const char *text;
		const char *time;
	} good[] = {
		{"2006-01-02T15:04:05+07:00", "2006-01-02T08:04:05Z"},
		{"2006-01-02T15:04:05", "2006-01-02T15:04:05Z"},
		{"2006-01-02T15:04:05.25", "2006-01-02T15:04:05.25Z"},
		{"2006-01-02", "2006-01-02T00:00:00Z"},
		{"0001-01-01", "0001-01-01T00:00:00Z"},
		{"Mon, 02 Jan 2006 15:04:05 MST", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 UTC", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 GMT-8", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 GMT+0003", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 +03", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 CEST", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 AMST", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 NZDST", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 WITA", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 ChST", "2006-01-02T15:04:05Z"},
		{"Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02T22:04:05Z"},
		{"Fri, 02 Jan 2006 15:04:05 -0700", "2006-01-02T22:04:05Z"},
		{"mON,  02 jAN   2006 5:04:05,5 +0000", "2006-01-02T05:04:05.5Z"},
		{"02 Jan 06 15:04 MST", "2006-01-02T15:04:00Z"},
		{"02 Jan 69 15:04 -0700", "1969-01-02T22:04:00Z"},
		{"02 Jan 68 15:04 +2460", "2068-01-01T14:04:00Z"},
		{"Monday, 02-Jan-06 15:04:05 MST", "2006-01-02T15:04:05Z"},
		{"THURSDAY, 02-JAN-06 15:04:05 GMT+1", "2006-01-02T15:04:05Z"},
		{"Mon Jan 02 15:04:05 -0700 2006", "2006-01-02T22:04:05Z"},
		{"Mon Jan 02 15:04:05 +0003 2006", "2006-01-02T15:01:05Z"},
		{"Mon Jan  2 15:04:05 MST 2006", "2006-01-02T15:04:05Z"},
		{"Mon Jan  2 15:04:05 GMT-8 2006", "2006-01-02T15:04:05Z"},
		{"Mon Jan  2 15:04:05 +3 2006", "2006-01-02T15:04:05Z"},
		{"Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"},
		{"Mon Jan 2 15:04:05.001 2006", "2006-01-02T15:04:05.001Z"},
		{"Sat Feb 29 00:00:00 2020", "2020-02-29T00:00:00Z"},
		{"2006-01-02 15:04:05 -0700 MST", "2006-01-02T22:04:05Z"},
		{"2006-01-02 15:04:05.123456 -0700 -07", "2006-01-02T22:04:05.123456Z"},
		{"2006-01-02 15:04:05 +0200 UTC", "2006-01-02T15:04:05Z"},
		{"2006-01-02 15:04:05 +0200 GMT+5", "2006-01-02T13:04:05Z"},
	};
	static const char *const bad[] = {
		"",
		"soon",
		"2006",
		"2006-01",
		"20060102",
		"2006-1-2",
		"2006/01/02",
		"02 Jan 2006",
		"2006-01-02 15:04:05",
		"2006-01-02 15:04:05Z",
		"2006-01-02 15:04:05 -0700",
		"2006-01-02 15:04:05 -07:00 MST",
		"2006-01-02 15:04:05 -0700 MST m=+0.1",
		"2006-01-02T15:04",
		"Mon, 2 Jan 2006 15:04:05 MST",
		"Mon,02 Jan 2006 15:04:05 MST",
		"Monday, 02 Jan 2006 15:04:05 MST",
		"Mon, 02 January 2006 15:04:05 MST",
		"Mon, 30 Feb 2006 15:04:05 MST",
		"Mon, 02 Jan 2006 15:04:05",
		"Mon, 02 Jan 2006 15:04:05 ",
		"Mon, 02 Jan 2006 15:04:05 Z",
		"Mon, 02 Jan 2006 15:04:05 mst",
		"Mon, 02 Jan 2006 15:04:05 CESU",
		"Mon, 02 Jan 2006 15:04:05 ABCDEFT",
		"Mon, 02 Jan 2006 15:04:05 UTC+1",
		"Mon, 02 Jan 2006 15:04:05 GMT+24",
		"Mon, 02 Jan 2006 15:04:05 +3",
		"Mon, 02 Jan 2006 15:04:05 +24",
		"Mon, 02 Jan 2006 15:04:05 +99999999999999999999999",
		"Mon, 02 Jan 2006 15:04:05 -0700 MST",
		"02 Jan 06 15:04:05 MST",
		"02 Jan +6 15:04 MST",
		"Mon, 02-Jan-06 15:04:05 MST",
		"Jan  2 15:04:05",
		"Jan  2 15:04:05.000",
		"Jan  2 15:04:05.000000",
		"Jan  2 15:04:05.000000000",
		"3:04PM",
		"15:04:05",
	};
	CelTime time;

	for (size_t i = 0; i < lengthof(good); i++)
	{
		Assert(cel_date_parse(good[i].text, strlen(good[i].text), &time));
		Assert(is_same(time, time_of(good[i].time)));
	}
	for (size_t i = 0; i < lengthof(bad); i++)
		Assert(!cel_date_parse(bad[i], strlen(bad[i]), &time));
}

static void
check_known_numbers(void)
{
	static const struct
	{
		int64 number;
		const char *time;
	} good[] = {
		{946684800, "2000-01-01T00:00:00Z"},
		{1709209800, "2024-02-29T12:30:00Z"},
		{9999999999, "2286-11-20T17:46:39Z"},
		{10000000000, "1970-04-26T17:46:40Z"},
		{1709209800001, "2024-02-29T12:30:00.001Z"},
		{9999999999999, "2286-11-20T17:46:39.999Z"},
		{10000000000000, "1970-01-01T02:46:40Z"},
		{1709209800000000001, "2024-02-29T12:30:00.000000001Z"},
		{PG_INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
	};
	static const int64 bad[] = {946684799, 1, 0, -1, -1709209800, PG_INT64_MIN};
	CelTime time;

	for (size_t i = 0; i < lengthof(good); i++)
	{
		Assert(cel_date_from_int(good[i].number, &time));
		Assert(is_same(time, time_of(good[i].time)));
	}
	for (size_t i = 0; i < lengthof(bad); i++)
		Assert(!cel_date_from_int(bad[i], &time));
}

static void
check_known_durations(void)
{
	static const struct
	{
		const char *text;
		int64 nanos;
		const char *written;
	} good[] = {
		{"0", 0, "0s"},
		{"-0", 0, "0s"},
		{"+0", 0, "0s"},
		{"0s", 0, "0s"},
		{"-0.0h", 0, "0s"},
		{"+5s", 5000000000, "5s"},
		{"-1.5h", -5400000000000, "-5400s"},
		{".5s", 500000000, "0.5s"},
		{"-.5s", -500000000, "-0.5s"},
		{"1.s", 1000000000, "1s"},
		{"1h30m", 5400000000000, "5400s"},
		{"1m1ms", 60001000000, "60.001s"},
		{"60m1ms", 3600001000000, "3600.001s"},
		{"1s1s", 2000000000, "2s"},
		{"3ns2us1h", 3600000002003, "3600.000002003s"},
		{"1us", 1000, "0.000001s"},
		{"1\xC2\xB5s", 1000, "0.000001s"},
		{"1\xCE\xBCs", 1000, "0.000001s"},
		{"1.9ns", 1, "0.000000001s"},
		{"0.5ns0.5ns", 0, "0s"},
		{"0.000000000s", 0, "0s"},
		{"1.0000000019s", 1000000001, "1.000000001s"},
		{"0.3333333333333333333h", 1200000000000, "1200s"},
		{"0.100000000000000000000h", 360000000000, "360s"},
		{"0.830103483285477580700h", 2988372539827, "2988.372539827s"},
		{"00000000000000000000000000000000000000000000000000000000000000000001s", 1000000000, "1s"},
		{"9223372036854775807ns", PG_INT64_MAX, "9223372036.854775807s"},
		{"9223372036s854ms775us807ns", PG_INT64_MAX, "9223372036.854775807s"},
		{"2562047h47m16.854775807s", PG_INT64_MAX, "9223372036.854775807s"},
		{"-9223372036854775808ns", PG_INT64_MIN, "-9223372036.854775808s"},
		{"-2562047h47m16.854775808s", PG_INT64_MIN, "-9223372036.854775808s"},
	};
	static const char *const bad[] = {
		"",
		"+",
		"-",
		"s",
		".",
		".s",
		"-.s",
		"1",
		"-1",
		"00",
		"0.0",
		"1.5",
		"1s1",
		"1.2.3s",
		"--1s",
		"+-1s",
		"1h-5m",
		" 1s",
		"1s ",
		"1 s",
		"1S",
		"1sec",
		"1y",
		"1e3s",
		"1,5s",
		"0x1s",
		"1s0",
		"1\xB5s",
		"9223372036854775808ns",
		"-9223372036854775809ns",
		"9223372036854775807ns1ns",
		"9223372036854775808ns9223372036854775808ns",
		"99999999999999999999ns",
		"2562048h",
		"-2562047h47m16.854775809s",
	};
	static const struct
	{
		const char *text;
		int64 nanos;
	} with_days[] = {
		{"1d", 86400000000000},			  {"1w", 604800000000000},
		{"-1.5d", -129600000000000},	  {"1w2d3h", 788400000000000},
		{"106751d", 9223286400000000000}, {"15250w", 9223200000000000000},
	};
	char buf[CEL_TIME_TEXT_SIZE];
	int64 nanos;

	for (size_t i = 0; i < lengthof(good); i++)
	{
		Assert(cel_duration_parse(good[i].text, strlen(good[i].text), false, &nanos));
		Assert(nanos == good[i].nanos);
		Assert(cel_duration_format(nanos, buf) == (int) strlen(good[i].written));
		Assert(strcmp(buf, good[i].written) == 0);
	}
	for (size_t i = 0; i < lengthof(bad); i++)
		Assert(!cel_duration_parse(bad[i], strlen(bad[i]), true, &nanos));
	for (size_t i = 0; i < lengthof(with_days); i++)
	{
		Assert(!cel_duration_parse(with_days[i].text, strlen(with_days[i].text), false, &nanos));
		Assert(cel_duration_parse(with_days[i].text, strlen(with_days[i].text), true, &nanos));
		Assert(nanos == with_days[i].nanos);
	}
	Assert(!cel_duration_parse("106752d", 7, true, &nanos));
	Assert(!cel_duration_parse("15251w", 6, true, &nanos));
}

static void
check_known_sums(void)
{
	CelTime first = time_of("0001-01-01T00:00:00Z");
	CelTime last = time_of("9999-12-31T23:59:59.999999999Z");
	CelTime time;
	int64 nanos;

	Assert(cel_timestamp_add(time_of("2024-02-29T23:59:59.5Z"), 500000000, &time));
	Assert(is_same(time, time_of("2024-03-01T00:00:00Z")));
	Assert(cel_timestamp_add(time_of("1970-01-01T00:00:00Z"), -1, &time));
	Assert(is_same(time, time_of("1969-12-31T23:59:59.999999999Z")));
	Assert(cel_timestamp_add(time_of("1970-01-01T00:00:00Z"), PG_INT64_MIN, &time));
	Assert(is_same(time, time_of("1677-09-21T00:12:43.145224192Z")));
	Assert(!cel_timestamp_add(first, -1, &time));
	Assert(!cel_timestamp_add(first, PG_INT64_MIN, &time));
	Assert(!cel_timestamp_add(last, 1, &time));
	Assert(!cel_timestamp_add(last, PG_INT64_MAX, &time));

	Assert(cel_timestamp_subtract(time_of("2024-03-01T00:00:00Z"),
								  time_of("2024-02-29T00:00:00.5Z"), &nanos));
	Assert(nanos == 86399500000000);
	Assert(!cel_timestamp_subtract(first, last, &nanos));
	Assert(!cel_timestamp_subtract(last, first, &nanos));
	Assert(cel_timestamp_subtract(time_of("1677-09-21T00:12:43.145224192Z"),
								  time_of("1970-01-01T00:00:00Z"), &nanos));
	Assert(nanos == PG_INT64_MIN);
	Assert(!cel_timestamp_subtract(time_of("1677-09-21T00:12:43.145224191Z"),
								   time_of("1970-01-01T00:00:00Z"), &nanos));
	Assert(cel_timestamp_subtract(time_of("2262-04-11T23:47:16.854775807Z"),
								  time_of("1970-01-01T00:00:00Z"), &nanos));
	Assert(nanos == PG_INT64_MAX);
	Assert(!cel_timestamp_subtract(time_of("2262-04-11T23:47:16.854775808Z"),
								   time_of("1970-01-01T00:00:00Z"), &nanos));

	Assert(cel_timestamp_subtract(time_of("2262-04-11T23:47:17Z"),
								  time_of("1970-01-01T00:00:00.145224193Z"), &nanos));
	Assert(nanos == PG_INT64_MAX);
	Assert(!cel_timestamp_subtract(time_of("2262-04-11T23:47:17Z"),
								   time_of("1970-01-01T00:00:00.145224192Z"), &nanos));

	Assert(!cel_timestamp_is_valid((CelTime){0, 1000000000}));
	Assert(!cel_timestamp_is_valid((CelTime){first.seconds - 1, 0}));
	Assert(!cel_timestamp_is_valid((CelTime){last.seconds + 1, 0}));

	Assert(cel_duration_field(-5400999999999, CEL_HOURS) == -1);
	Assert(cel_duration_field(-5400999999999, CEL_MINUTES) == -90);
	Assert(cel_duration_field(-5400999999999, CEL_SECONDS) == -5400);
	Assert(cel_duration_field(-5400999999999, CEL_MILLISECONDS) == -5400999);
	Assert(cel_duration_field(1500000000, CEL_MILLISECONDS) == 1500);
}

static void
check_known_fields(void)
{
	static const char leap_day[] = "2024-02-29T23:59:58.987654321Z";

	check_field(leap_day, CEL_FULL_YEAR, "", 2024);
	check_field(leap_day, CEL_MONTH, "", 1);
	check_field(leap_day, CEL_DATE, "", 29);
	check_field(leap_day, CEL_DAY_OF_MONTH, "", 28);
	check_field(leap_day, CEL_DAY_OF_WEEK, "", 4);
	check_field(leap_day, CEL_DAY_OF_YEAR, "", 59);
	check_field(leap_day, CEL_HOURS, "", 23);
	check_field(leap_day, CEL_MINUTES, "", 59);
	check_field(leap_day, CEL_SECONDS, "", 58);
	check_field(leap_day, CEL_MILLISECONDS, "", 987);
	check_field("2024-12-31T00:00:00Z", CEL_DAY_OF_YEAR, "", 365);
	check_field("1969-12-28T00:00:00Z", CEL_DAY_OF_WEEK, "", 0);
	check_field("1969-12-27T23:59:59.9Z", CEL_DAY_OF_WEEK, "", 6);
	check_field("1969-12-27T23:59:59.9Z", CEL_MILLISECONDS, "", 900);

	check_field(leap_day, CEL_HOURS, "+02:00", 1);
	check_field(leap_day, CEL_DATE, "02:00", 1);
	check_field(leap_day, CEL_HOURS, "-08:30", 15);
	check_field(leap_day, CEL_MINUTES, "-08:30", 29);
	check_field(leap_day, CEL_MINUTES, "-00:30", 29);
	check_field(leap_day, CEL_HOURS, "UTC", 23);
	check_field(leap_day, CEL_DATE, "Europe/Berlin", 1);
	check_field(leap_day, CEL_HOURS, "Etc/GMT+5", 18);
	check_field(leap_day, CEL_HOURS, "Etc/GMT-14", 13);
	check_field(leap_day, CEL_HOURS, "EST5EDT", 18);
	check_field("2024-07-01T00:00:00Z", CEL_HOURS, "EST5EDT", 20);
	check_field("1890-01-01T00:00:00Z", CEL_SECONDS, "Europe/Berlin", 28);
	check_field("0001-01-01T00:00:00Z", CEL_FULL_YEAR, "-00:01", 0);
	check_field("0001-01-01T00:00:00Z", CEL_DAY_OF_YEAR, "-00:01", 365);
	check_field("9999-12-31T23:59:59Z", CEL_FULL_YEAR, "Pacific/Kiritimati", 10000);
}

static void
check_known_zones(void)
{
	static const char *const bad[] = {
		"utc",
		"Utc",
		"Z",
		"local",
		"Local",
		"localtime",
		"europe/berlin",
		"EUROPE/BERLIN",
		"Europe/Berlin ",
		" Europe/Berlin",
		"Europe",
		"Europe/",
		"/Europe/Berlin",
		"./Europe/Berlin",
		"Europe/../Europe/Berlin",
		"Mars/Olympus",
		"Foo5",
		"FOO5",
		"EST5EDT4,M3.2.0,M11.1.0",
		"est5edt",
		"<+03>-3",
		"ETC/GMT+5",
		"Etc/GMT+13",
		"Etc/GMT-15",
		"Etc/GMT+05",
		"Etc/GMT+",
		"Etc/GMT5",
		"Etc/GMT+5X",
		"Etc/GMT+123456789",
		"+0200",
		"+02",
		"+2:00",
		"2:00",
		"+02:0",
		"+02:00:00",
		"+-02:00",
		"+25:00",
		"+00:61",
		":",
		"02:00 ",
	};
	char long_name[1000];
	CelTime time = {0, 0};
	int64 value;

	for (size_t i = 0; i < lengthof(bad); i++)
		Assert(!cel_timestamp_field(time, CEL_HOURS, bad[i], strlen(bad[i]), &value));
	Assert(!cel_timestamp_field(time, CEL_HOURS, "Europe/Berlin\0", 14, &value));
	Assert(!cel_timestamp_field(time, CEL_HOURS, "EST5EDT\0", 8, &value));

	memset(long_name, 'A', sizeof(long_name));
	for (size_t len = TZ_STRLEN_MAX; len < sizeof(long_name); len++)
		Assert(!cel_timestamp_field(time, CEL_HOURS, long_name, len, &value));

	Assert(inn_zone_exists("europe/berlin", 13));
	Assert(inn_zone_exists("est5edt", 7));
	Assert(inn_zone_exists("gmt0", 4));
	Assert(!inn_zone_exists("EST5EDT\0", 8));
	Assert(!inn_zone_exists("ABC+5", 5));
	Assert(!inn_zone_exists("", 0));
}

static void
check_field(const char *text, CelTimeField field, const char *zone, int64 expected)
{
	int64 value;

	Assert(cel_timestamp_field(time_of(text), field, zone, strlen(zone), &value));
	Assert(value == expected);
}

/* From the first day to the last, and some around them, no date is left out and none comes twice. */
static void
check_all_days(void)
{
	Date date = {-400, 3, 1};
	int64 day = days_from_date(date);

	Assert(days_from_date((Date){1970, 1, 1}) == 0);
	Assert(days_from_date((Date){2000, 3, 1}) == 11017);
	for (; date.year <= 10400; day++)
	{
		Date same = date_from_days(day);

		Assert(same.year == date.year && same.month == date.month && same.day == date.day);
		Assert(days_from_date(date) == day);
		if (++date.day <= days_in_month(date.year, date.month))
			continue;
		date.day = 1;
		if (++date.month <= MONTHS_PER_YEAR)
			continue;
		date.month = 1;
		date.year++;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_text((const char *) data, size);
	check_duration_text((const char *) data, size);
	check_zone((const char *) data, size, (CelTime){1709251198, 987654321});
	check_numbers(data, size);
	return 0;
}

static void
check_text(const char *text, size_t len)
{
	CelTime time;
	CelTime date;

	if (cel_timestamp_parse(text, len, &time))
	{
		check_time(time);
		Assert(cel_date_parse(text, len, &date));
		Assert(is_same(time, date));
	}
	if (cel_date_parse(text, len, &date))
		check_time(date);
}

static void
check_duration_text(const char *text, size_t len)
{
	int64 nanos;
	int64 same;

	if (!cel_duration_parse(text, len, true, &nanos))
	{
		Assert(!cel_duration_parse(text, len, false, &same));
		return;
	}
	check_duration(nanos);
	if (cel_duration_parse(text, len, false, &same))
		Assert(same == nanos);

	/* without its sign it is as long */
	if (*text == '-' && nanos != PG_INT64_MIN)
	{
		Assert(nanos <= 0);
		Assert(cel_duration_parse(text + 1, len - 1, true, &same));
		Assert(same == -nanos);
	}
}

/* What is ahead of UTC in one field is so in all. */
static void
check_zone(const char *zone, size_t len, CelTime time)
{
	CelTime local = time;
	int32 offset_sec;
	int64 value;

	if (!cel_timestamp_field(time, CEL_HOURS, zone, len, &value))
		return;
	Assert(zone_offset(zone, len, time.seconds, &offset_sec));
	Assert(abs(offset_sec) <= 25 * SEC_PER_HOUR);
	local.seconds += offset_sec;
	for (CelTimeField field = CEL_FULL_YEAR; field <= CEL_MILLISECONDS; field++)
	{
		Assert(cel_timestamp_field(time, field, zone, len, &value));
		Assert(value == field_of(local, field));
	}
}

static void
check_numbers(const uint8_t *data, size_t size)
{
	struct
	{
		int64 nanos;
		uint64 seconds[2];
		uint32 fraction[2];
	} numbers = {0};
	CelTime times[2];
	CelTime time;

	memcpy(&numbers, data, Min(size, sizeof(numbers)));
	for (int i = 0; i < 2; i++)
	{
		times[i].seconds = SECONDS_MIN +
						   (int64) (numbers.seconds[i] % (uint64) (SECONDS_MAX - SECONDS_MIN + 1));
		times[i].nanos = numbers.fraction[i] % NANOS_PER_SEC;
		check_time(times[i]);
		check_sum(times[i], numbers.nanos);
		check_zone("Europe/Berlin", 13, times[i]);
		check_zone("-23:59", 6, times[i]);
	}
	check_difference(times[0], times[1]);
	check_duration(numbers.nanos);
	if (cel_date_from_int(numbers.nanos, &time))
		check_time(time);
}

/* A time is written so that it reads back the same, and its fields are what is written. */
static void
check_time(CelTime time)
{
	char text[CEL_TIME_TEXT_SIZE];
	char fields[CEL_TIME_TEXT_SIZE];
	CelTime again;

	Assert(cel_timestamp_is_valid(time));
	Assert(cel_timestamp_format(time, text) == (int) strlen(text));
	Assert(strlen(text) <= strlen("9999-12-31T23:59:59.999999999Z"));
	Assert(cel_timestamp_parse(text, strlen(text), &again));
	Assert(is_same(time, again));

	snprintf(fields, sizeof(fields), "%04d-%02d-%02dT%02d:%02d:%02d",
			 (int) field_of(time, CEL_FULL_YEAR), (int) field_of(time, CEL_MONTH) + 1,
			 (int) field_of(time, CEL_DATE), (int) field_of(time, CEL_HOURS),
			 (int) field_of(time, CEL_MINUTES), (int) field_of(time, CEL_SECONDS));
	Assert(strncmp(text, fields, strlen(fields)) == 0);
	Assert(field_of(time, CEL_DAY_OF_MONTH) == field_of(time, CEL_DATE) - 1);
	Assert(field_of(time, CEL_MILLISECONDS) == time.nanos / 1000000);
	Assert(field_of(time, CEL_DAY_OF_WEEK) >= 0 && field_of(time, CEL_DAY_OF_WEEK) <= 6);
	Assert(field_of(time, CEL_DAY_OF_YEAR) >= field_of(time, CEL_MONTH) * 28);
	Assert(field_of(time, CEL_DAY_OF_YEAR) <= 365);

	/* a week later it is the same day of the week */
	if (cel_timestamp_add(time, NANOS_PER_WEEK, &again))
		Assert(field_of(time, CEL_DAY_OF_WEEK) == field_of(again, CEL_DAY_OF_WEEK));
}

static void
check_difference(CelTime a, CelTime b)
{
	int64 forward;
	int64 back;
	CelTime time;

	if (!cel_timestamp_subtract(a, b, &forward))
	{
		Assert(a.seconds - b.seconds > 9223372035 || b.seconds - a.seconds > 9223372035);
		return;
	}
	Assert(cel_timestamp_add(b, forward, &time));
	Assert(is_same(time, a));
	if (forward == PG_INT64_MIN)
		return;
	Assert(cel_timestamp_subtract(b, a, &back));
	Assert(back == -forward);
}

static void
check_sum(CelTime time, int64 nanos)
{
	CelTime sum;
	int64 difference;

	if (!cel_timestamp_add(time, nanos, &sum))
		return;
	Assert(cel_timestamp_is_valid(sum));
	Assert(cel_timestamp_subtract(sum, time, &difference));
	Assert(difference == nanos);
}

/* A duration is written so that it reads back the same. */
static void
check_duration(int64 nanos)
{
	char text[CEL_TIME_TEXT_SIZE];
	int64 again;

	Assert(cel_duration_format(nanos, text) == (int) strlen(text));
	Assert(strlen(text) < sizeof(text) - 1);
	Assert(cel_duration_parse(text, strlen(text), false, &again));
	Assert(again == nanos);
	Assert(cel_duration_field(nanos, CEL_MINUTES) / 60 == cel_duration_field(nanos, CEL_HOURS));
	Assert(cel_duration_field(nanos, CEL_SECONDS) / 60 == cel_duration_field(nanos, CEL_MINUTES));
	Assert(cel_duration_field(nanos, CEL_MILLISECONDS) / 1000 ==
		   cel_duration_field(nanos, CEL_SECONDS));
}

static int64
field_of(CelTime time, CelTimeField field)
{
	int64 value;

	Assert(cel_timestamp_field(time, field, "", 0, &value));
	return value;
}

static CelTime
time_of(const char *text)
{
	CelTime time;

	Assert(cel_timestamp_parse(text, strlen(text), &time));
	return time;
}

static bool
is_same(CelTime a, CelTime b)
{
	return a.seconds == b.seconds && a.nanos == b.nanos;
}
