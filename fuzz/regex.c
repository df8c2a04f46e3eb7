/*
 * Fuzz target: patterns and subjects of matches().
 *
 * The input is a pattern, a line feed, and what it is matched against.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "cel/cel.h"
#include "cel/regex.h"
#include "cel/regex_syntax.h"
#include "fuzz/in_server.h"

/* as many as it takes until machine code is made, and some more */
#define MATCHES 20
#define BUDGET 100000

static int test_one_input(const uint8_t *data, size_t size);
static void check_pattern(const char *pattern, size_t len, const char *text, size_t size);
static void check_known(void);
static bool is_text(const char *text, size_t len);

PG_FUNCTION_INFO_V1(inngest_fuzz_regex);

Datum
inngest_fuzz_regex(PG_FUNCTION_ARGS)
{
	check_known();
	return fuzz_run(fcinfo, test_one_input);
}

/* How a pattern is written for PCRE2; NULL: it is refused. */
static void
check_known(void)
{
	static const struct
	{
		const char *pattern;
		const char *translated;
	} known[] = {
		{"a.b*c|d", "a.b*c|d"},
		{"(a)(?:b)(?i:c)(?s)", "(?:a)(?:b)(?i:c)(?s)"},
		{"(?P<n>a)(?<1>b)", "(?:a)(?:b)"},
		{"\\s\\S[\\s\\S]", "[\\t\\n\\f\\r ][\\S\\x0b][\\t\\n\\f\\r \\S\\x0b]"},
		{"\\v[\\v]", "\\x0b[\\x0b]"},
		{"\\0\\101\\400[\\0]", "\\x{0}\\x{41}\\x{100}[\\x{0}]"},
		{"^*\\b+$?\\B{2}a^", "(?:^)*(?:\\b)+(?:$)?(?:\\B){2}a^"},
		{"[\\d-z][a-z-9][:alpha:]", "[\\d\\-z][a-z-9][\\:alpha:]"},
		{"[[:alpha:]-z[.]", "[[:alpha:]\\-z\\[.]"},
		{"\\Qa.(\\E+", "\\Qa.(\\E+"},
		{"a{,3}a{", "a{,3}a{"},
		{"\\1", NULL},
		{"[a-\\d]", NULL},
		{"a**", NULL},
		{"(?=a)", NULL},
		{"(a{1000}){2}", NULL},
		{"a{1001}", NULL},
		{"\\", NULL},
		{"[a", NULL},
		{"a)", NULL},
	};
	char out[CEL_REGEX_MAX_TRANSLATED];
	char message[128];
	size_t nout;

	for (int i = 0; i < (int) lengthof(known); i++)
	{
		const char *pattern = known[i].pattern;
		bool is_good =
			cel_regex_translate(pattern, strlen(pattern), out, &nout, message, sizeof(message));

		Assert(is_good == (known[i].translated != NULL));
		Assert(!is_good || (nout == strlen(known[i].translated) &&
							memcmp(out, known[i].translated, nout) == 0));
	}
}

static int
test_one_input(const uint8_t *data, size_t size)
{
	const char *pattern = (const char *) data;
	const char *end = size == 0 ? NULL : memchr(data, '\n', size);

	if (end != NULL && is_text(pattern, size))
		check_pattern(pattern, end - pattern, end + 1, (const char *) data + size - end - 1);
	return 0;
}

/* It is the same every time, and ends when the budget does. */
static void
check_pattern(const char *pattern, size_t len, const char *text, size_t size)
{
	char message[128] = "";
	CelRegex *regex = cel_regex_compile(pattern, len, true, message, sizeof(message));
	CelRegexResult first = CEL_REGEX_FAILED;

	Assert((regex == NULL) == (message[0] != '\0'));
	for (int i = 0; regex != NULL && i < MATCHES; i++)
	{
		int64 steps = BUDGET;
		CelRegexResult result = cel_regex_match(regex, text, size, &steps);

		Assert(steps <= BUDGET && steps >= -(int64) size - 1);
		Assert(result == CEL_REGEX_MATCH || result == CEL_REGEX_NO_MATCH ||
			   result == CEL_REGEX_EXCEEDED);
		Assert(i == 0 || result == first || result == CEL_REGEX_EXCEEDED ||
			   first == CEL_REGEX_EXCEEDED);
		first = i == 0 ? result : first;
	}
	if (regex != NULL)
		cel_regex_free(regex);
}

/* Without a NUL, as SQL texts are. */
static bool
is_text(const char *text, size_t len)
{
	return memchr(text, '\0', len) == NULL &&
		   pg_encoding_verifymbstr(PG_UTF8, text, (int) len) == (int) len;
}
