/*
 * Fuzz target: canonical JSON.
 *
 * The input is taken as JSON, as a recipe for it, and its first bytes as a double.  What can be read can be written, and
 * must then read as JSON whose canonical form it is already; and numbers must read back as the same doubles.
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "base/jcs.h"
#include "base/json.h"
#include "base/number.h"
#include "fuzz/in_server.h"

static void check_answers(void);
static int test_one_input(const uint8_t *data, size_t size);
static void check_text(const char *text, size_t len);
static void check_size(Jsonb *json, const StringInfoData *canonical);
static void check_double(double d);

static const char *const words[] = {
	"{",
	"}",
	"[",
	"]",
	",",
	":",
	"{\"",
	"\":",
	",\"",
	"\"",
	"\"a\":",
	"\"b\":",
	"\"aa\":",
	"\"\\u20ac\":",
	"\"\\ufb33\":",
	"\"\\ud83d\\ude00\":",
	"\"\\ue000\":",
	"\"\":",
	"{\"b\":1,\"a\":2",
	"\"x\"",
	"\"\\u0001\\n\\\\\\\"\\/\"",
	"\"\xC3\xA9\"",
	"\\u001f",
	"\\u007f",
	"xxxxxxxxxxxxxxxx",
	"null",
	"true",
	"false",
	"0",
	"1",
	"9",
	"-",
	".",
	"5",
	"e",
	"E+",
	"e-",
	"23",
	"308",
	"-0.0",
	"1e23",
	"1.5",
	"9007199254740993",
	"1234567890123456789012345",
	"0.000001",
	"5e-324",
	"1e309",
	"[[[[",
	"]]]]",
	" ",
};

static MemoryContext per_input;

PG_FUNCTION_INFO_V1(inngest_fuzz_jcs);

Datum
inngest_fuzz_jcs(PG_FUNCTION_ARGS)
{
	per_input = AllocSetContextCreate(CurrentMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);
	check_answers();
	return fuzz_run(fcinfo, test_one_input);
}

/* What is known to be right. */
static void
check_answers(void)
{
	static const char *const pairs[][2] = {
		{"{\"b\": 1.0, \"a\": [1e21, 1E-7, null, \"\\u000f\"]}",
		 "{\"a\":[1e+21,1e-7,null,\"\\u000f\"],\"b\":1}"},
		{"{\"\\ufb33\": 1, \"\\ud83d\\ude00\": 2}", "{\"\xF0\x9F\x98\x80\":2,\"\xEF\xAC\xB3\":1}"},
		{"1e23", "1e+23"},
	};

	for (int i = 0; i < lengthof(pairs); i++)
	{
		StringInfoData out;
		Jsonb *json;
		char *error;

		initStringInfo(&out);
		if (!inn_json_parse(pairs[i][0], strlen(pairs[i][0]), &json, &error))
			elog(PANIC, "%s: %s", pairs[i][0], error);
		if (inn_jcs_append(&out, json) != INN_JCS_GOOD || strcmp(out.data, pairs[i][1]) != 0)
			elog(PANIC, "%s is %s", pairs[i][0], out.data);
	}
}

static int
test_one_input(const uint8_t *data, size_t size)
{
	MemoryContext caller = MemoryContextSwitchTo(per_input);
	StringInfoData recipe;
	double d = 0;

	check_text((const char *) data, size);

	initStringInfo(&recipe);
	fuzz_append_words(&recipe, words, lengthof(words), data, size);
	check_text(recipe.data, recipe.len);

	memcpy(&d, data, Min(size, sizeof(d)));
	check_double(d);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(per_input);
	return 0;
}

static void
check_text(const char *text, size_t len)
{
	StringInfoData canonical;
	StringInfoData again;
	Jsonb *json;
	char *error;

	if (!inn_json_parse(text, len, &json, &error))
		return;
	initStringInfo(&canonical);
	initStringInfo(&again);
	appendStringInfoChar(&canonical, '>');
	if (inn_jcs_append(&canonical, json) != INN_JCS_GOOD)
		elog(PANIC, "what was read has no canonical text: %s", text);

	Assert(pg_encoding_verifymbstr(PG_UTF8, canonical.data, canonical.len) == canonical.len);
	for (int i = 0; i < canonical.len; i++)
		Assert((unsigned char) canonical.data[i] >= ' ');
	if (!inn_json_parse(canonical.data + 1, canonical.len - 1, &json, &error))
		elog(PANIC, "canonical text is not JSON: %s: %s", canonical.data, error);
	appendStringInfoChar(&again, '>');
	if (inn_jcs_append(&again, json) != INN_JCS_GOOD || strcmp(again.data, canonical.data) != 0)
		elog(PANIC, "canonical text changes: %s, %s", canonical.data, again.data);
	check_size(json, &canonical);
}

/* The cheap answer about the size is right, too. */
static void
check_size(Jsonb *json, const StringInfoData *canonical)
{
	size_t size = canonical->len - 1;
	JsonbValue root = {.type = jbvBinary,
					   .val.binary = {.data = &json->root, .len = VARSIZE(json) - VARHDRSZ}};

	Assert(inn_jcs_is_within(&root, size));
	Assert(inn_jcs_is_within(&root, size + 1));
	Assert(size == 0 || !inn_jcs_is_within(&root, size - 1));
}

static void
check_double(double d)
{
	char digits[INN_NUMBER_MAX_DIGITS];
	char text[64];
	int exponent;
	int ndigits;
	int len;

	if (isnan(d) || isinf(d))
		return;
	d = fabs(d);
	ndigits = inn_number_digits(d, digits, &exponent);
	Assert(ndigits >= 1 && ndigits <= 17);
	Assert(digits[0] != '0' || (ndigits == 1 && d == 0));
	Assert(digits[ndigits - 1] != '0' || ndigits == 1);
	len = inn_digits_with_exponent(digits, ndigits, exponent, 1, text);
	text[len] = '\0';
	Assert(strtod(text, NULL) == d);
}
