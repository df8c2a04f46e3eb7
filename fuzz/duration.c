/*
 * Fuzz target: durations.
 *
 * The input is taken as a text, and its first bytes as a number of microseconds.
 */
#include "base/when.c"

extern int LLVMFuzzerInitialize(int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t len);
static void check_sum(const char *text, size_t len, int64 usec);
static void check_number(int64 usec);

/* What is known to be right. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct
	{
		const char *text;
		int64 usec;
	} good[] = {
		{"0s", 0},
		{"1us", 1},
		{"1\xC2\xB5s", 1},
		{"1\xCE\xBCs", 1},
		{"999ns", 0},
		{"1000ns", 1},
		{"500ns500ns", 1},
		{"1.9us", 1},
		{".5s", 500000},
		{"1.s", 1000000},
		{"1.5h", 5400000000},
		{"1m", 60000000},
		{"1ms", 1000},
		{"1m1ms", 60001000},
		{"1h1h", 7200000000},
		{"1d2h3s", 93603000000},
		{"1d12h30m", 131400000000},
		{"1h0m0s", 3600000000},
		{"1w2d3h", 788400000000},
		{"3h2d1w", 788400000000},
		{"0.3333333333333333333333h", 1199999999},
		{"9223372036854775807us", PG_INT64_MAX},
		{"9223372036854775807ns", 9223372036854775},
		{"106751991d4h54s775ms807us", PG_INT64_MAX},
		{"0000000000000000000000000000001s", 1000000},
	};
	static const char *bad[] = {
		"",
		"s",
		"1",
		"0",
		"1.5",
		".s",
		".",
		"1.2.3s",
		"-1s",
		"+1s",
		" 1s",
		"1s ",
		"1 s",
		"1S",
		"1M",
		"1y",
		"1mo",
		"1sec",
		"1s1",
		"1,5s",
		"1e3s",
		"0x1s",
		"1\xC2s",
		"1\xB5s",
		"9223372036854775808us",
		"9223372036854775808ns",
		"106751991d4h54s775ms808us",
		"9223372036854775807us1us",
		"15250285w",
		"9223372036854775807us1000ns",
		"9223372036854775807us999ns1ns",
		"99999999999999999999ns",
		"00000000000000000000000000000000000000000000000000000000000000001s",
	};
	int64 usec;
	char small[4];

	for (size_t i = 0; i < lengthof(good); i++)
	{
		Assert(inn_duration_parse(good[i].text, strlen(good[i].text), &usec));
		Assert(usec == good[i].usec);
	}
	for (size_t i = 0; i < lengthof(bad); i++)
		Assert(!inn_duration_parse(bad[i], strlen(bad[i]), &usec));

	inn_duration_format(131400000000, small, sizeof(small));
	Assert(strcmp(small, "1d1") == 0);
	check_number(0);
	check_number(-1);
	check_number(INT64_MIN);

	Assert(inn_backoff_usec(0, 0) == 15000000);
	Assert(inn_backoff_usec(4, 29999) == 329999000);
	Assert(inn_backoff_usec(9, 0) == 7200000000);
	Assert(inn_backoff_usec(INT32_MAX, 0) == 7200000000);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64 usec = 0;

	check_text((const char *) data, size);
	memcpy(&usec, data, Min(size, sizeof(usec)));
	check_number(usec);
	return 0;
}

static void
check_text(const char *text, size_t len)
{
	int64 usec = -1;

	if (!inn_duration_parse(text, len, &usec))
	{
		Assert(usec == -1);
		return;
	}
	Assert(usec >= 0);
	Assert(len <= INN_DURATION_MAX_LEN);
	check_number(usec);
	check_sum(text, len, usec);
}

/* Anywhere between two terms the text falls into two durations that add up, but for what is rounded. */
static void
check_sum(const char *text, size_t len, int64 usec)
{
	int64 head;
	int64 tail;

	for (size_t cut = 1; cut < len; cut++)
	{
		if (inn_duration_parse(text, cut, &head) &&
			inn_duration_parse(text + cut, len - cut, &tail))
			Assert(usec - head - tail == 0 || usec - head - tail == 1);
	}
}

/* What is written without a sign reads back as the same number. */
static void
check_number(int64 usec)
{
	char text[INN_DURATION_TEXT_SIZE];
	int64 again;

	inn_duration_format(usec, text, sizeof(text));
	Assert(strlen(text) < sizeof(text) - 1);
	Assert((text[0] == '-') == (usec < 0));
	if (usec == INT64_MIN)
		return;
	Assert(inn_duration_parse(text + (usec < 0), strlen(text + (usec < 0)), &again));
	Assert(again == (usec < 0 ? -usec : usec));
}
