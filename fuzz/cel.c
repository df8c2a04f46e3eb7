/*
 * Fuzz target: expressions, compiled, checked, searched for keys and evaluated in both dialects.
 *
 * The input is taken as an expression, and as a recipe for one.  An error that escapes ends the process, as a
 * crash does: nothing that an expression can be may raise one.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/json.h"
#include "cel/cel.h"
#include "fuzz/in_server.h"

static void check_answers(void);
static void check_answer(const char *expression, InnCelDialect dialect, const char *expected);
static int test_one_input(const uint8_t *data, size_t size);
static void check_expression(const char *text, size_t len);
static void check_fault(const InnCelFault *fault, size_t len);
static void check_keys(const InnCelProgram *program);
static void check_evaluation(const InnCelProgram *program, InnCelDialect dialect, size_t len);
static void count_problem(void *arg, InnCelProblem problem, const InnCelFault *fault);

static const char variables_text[] =
	"{\"event\":{\"id\":\"e1\",\"name\":\"shop/order\",\"ts\":1774512121538,\"data\":{\"a\":5,\"b\":2.5,"
	"\"big\":9007199254740993,\"neg\":-3,\"s\":\"Hello\",\"e\":\"\",\"u\":\"na\\u00efve\",\"t\":true,\"f\":false,"
	"\"n\":null,\"l\":[1,\"two\",null,true,[3]],\"tags\":[\"vip\",\"eu\"],\"o\":{\"x\":1,\"y\":{\"z\":\"deep\"}},"
	"\"items\":[{\"sku\":\"a\",\"qty\":2},{\"sku\":\"b\",\"qty\":1}],\"when\":\"2024-02-29T12:30:00Z\"}},"
	"\"async\":{\"data\":{\"a\":6,\"s\":\"Hello\"}}}";

static const char *const words[] = {
	" ",
	"event",
	"async",
	".",
	".data",
	".a",
	".b",
	".big",
	".neg",
	".s",
	".e",
	".u",
	".t",
	".f",
	".n",
	".l",
	".tags",
	".o",
	".x",
	".y",
	".z",
	".items",
	".sku",
	".qty",
	".when",
	".nope",
	"event.data.a",
	"event.data.s",
	"event.data.l",
	"event.data.o",
	"event.data.items",
	"event.data.nope",
	"async.data.a",
	"x",
	"y",
	"x.",
	"(",
	")",
	"[",
	"]",
	"{",
	"}",
	",",
	":",
	"?",
	"!",
	"-",
	"+",
	"*",
	"/",
	"%",
	"==",
	"!=",
	"<",
	"<=",
	">",
	">=",
	" in ",
	"&&",
	"||",
	"0",
	"1",
	"2",
	"-1",
	"9223372036854775807",
	"-9223372036854775808",
	"18446744073709551615u",
	"1u",
	"0x1F",
	"1.5",
	"1e308",
	"-0.0",
	"1e-320",
	"\"a\"",
	"'Hello'",
	"r'\\d'",
	"b'\\xff'",
	"'\\u00e9'",
	"''",
	"'''x\n'''",
	"true",
	"false",
	"null",
	".all(x,",
	".exists(x,",
	".exists_one(x,",
	".filter(x,",
	".map(x,",
	".map(y,",
	"has(",
	"size(",
	".size()",
	".contains(",
	".startsWith(",
	".endsWith(",
	".matches(",
	"matches(",
	"'^[a-z]+(x|y)*$'",
	"'(a*)*b'",
	"int(",
	"uint(",
	"double(",
	"string(",
	"bytes(",
	"bool(",
	"timestamp(",
	"duration(",
	"type(",
	"dyn(",
	"date(",
	"now()",
	"now_plus(",
	"now_minus(",
	"'1d'",
	"'1.5h'",
	"lowercase(",
	"uppercase(",
	"b64decode(",
	"json_parse(",
	"'{\"k\":[1]}'",
	"'2024-02-29T12:30:00.5Z'",
	".getHours(",
	".getFullYear()",
	".getDayOfYear('Europe/Berlin')",
	"'+02:00'",
	"'America/New_York'",
	".getSeconds()",
	"//",
	"\n",
	"int",
	"string",
	"list",
	"google.protobuf.Timestamp",
	"&& event.data.a == 5",
	"|| 'a' in event.data.tags",
};

static MemoryContext per_input;
static Jsonb *variables;

PG_FUNCTION_INFO_V1(inngest_fuzz_cel);

Datum
inngest_fuzz_cel(PG_FUNCTION_ARGS)
{
	char *error;

	per_input = AllocSetContextCreate(CurrentMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);
	if (!inn_json_parse(variables_text, strlen(variables_text), &variables, &error))
		elog(PANIC, "%s", error);
	check_answers();
	return fuzz_run(fcinfo, test_one_input);
}

/* What is known to be right. */
static void
check_answers(void)
{
	check_answer("event.data.a + 1", INN_CEL_INNGEST, "6");
	check_answer("event.data.nope", INN_CEL_INNGEST, "false");
	check_answer("event.data.nope", INN_CEL_STRICT, NULL);
	check_answer("1/0 == 1 || true", INN_CEL_STRICT, "true");
	check_answer("'\\u00e9'.size()", INN_CEL_STRICT, "1");
	check_answer("[1, 2].map(x, x * 2)", INN_CEL_STRICT, "[2, 4]");
	check_answer("'a' + ", INN_CEL_INNGEST, NULL);
}

static void
check_answer(const char *expression, InnCelDialect dialect, const char *expected)
{
	InnCelInput input = {.variables = &variables->root};
	InnCelFault fault;
	InnCelProgram *program = inn_cel_compile(expression, strlen(expression), &fault);
	Jsonb *result = program == NULL ? NULL : inn_cel_eval(program, dialect, &input, &fault);

	if (expected == NULL
			? result != NULL
			: result == NULL ||
				  strcmp(JsonbToCString(NULL, &result->root, VARSIZE(result)), expected) != 0)
		elog(PANIC, "%s is not %s", expression, expected == NULL ? "an error" : expected);
}

static int
test_one_input(const uint8_t *data, size_t size)
{
	MemoryContext caller = MemoryContextSwitchTo(per_input);
	StringInfoData recipe;

	if (memchr(data, '\0', size) == NULL &&
		pg_encoding_verifymbstr(PG_UTF8, (const char *) data, (int) size) == (int) size)
		check_expression((const char *) data, size);

	initStringInfo(&recipe);
	fuzz_append_words(&recipe, words, lengthof(words), data, size);
	check_expression(recipe.data, recipe.len);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(per_input);
	return 0;
}

static void
check_expression(const char *text, size_t len)
{
	static const char *const roots[] = {"event"};
	InnCelPolicy policy = {roots, lengthof(roots), len % 2 == 0};
	InnCelFault fault = {.position = -1};
	InnCelProgram *program = inn_cel_compile(text, len, &fault);
	int nproblems = 0;
	bool is_good = inn_cel_judge(text, len, &policy, count_problem, &nproblems);

	Assert(is_good == (nproblems == 0));
	if (program == NULL)
	{
		check_fault(&fault, len);
		Assert(nproblems == 1);
		return;
	}
	check_keys(program);
	check_evaluation(program, INN_CEL_INNGEST, len);
	check_evaluation(program, INN_CEL_STRICT, len);
}

static void
count_problem(void *arg, InnCelProblem problem, const InnCelFault *fault)
{
	Assert(fault->message[0] != '\0');
	(*(int *) arg)++;
}

static void
check_fault(const InnCelFault *fault, size_t len)
{
	Assert(fault->position >= 0 && fault->position <= (int) len);
	Assert(fault->message[0] != '\0');
	Assert(pg_encoding_verifymbstr(PG_UTF8, fault->message, (int) strlen(fault->message)) ==
		   (int) strlen(fault->message));
}

/* A program that is true has the key of the event among its keys. */
static void
check_keys(const InnCelProgram *program)
{
	InnCelInput input = {.variables = &variables->root};
	InnCelKey keys[INN_CEL_MAX_KEYS];
	InnCelFault fault;
	JsonbValue event;
	int nkeys = inn_cel_keys(program, "event", NULL, keys);
	bool is_hit = nkeys == 0;

	Assert(nkeys >= 0 && nkeys <= INN_CEL_MAX_KEYS);
	if (!inn_json_find(&variables->root, "event", &event))
		elog(PANIC, "no event");
	for (int i = 0; i < nkeys; i++)
	{
		uint64 hash;

		if (inn_cel_key_hash(event.val.binary.data, keys[i].path, &hash) && hash == keys[i].hash)
			is_hit = true;
	}
	if (!is_hit && inn_cel_test(program, &input, &fault) == INN_CEL_TRUE)
		elog(PANIC, "true, and not found by its keys");
}

/* Twice the same, but for time. */
static void
check_evaluation(const InnCelProgram *program, InnCelDialect dialect, size_t len)
{
	InnCelInput input = {.variables = &variables->root};
	InnCelFault fault = {.position = -1};
	Jsonb *first = inn_cel_eval(program, dialect, &input, &fault);
	Jsonb *second;

	if (first == NULL)
		check_fault(&fault, len);
	second = inn_cel_eval(program, dialect, &input, &fault);
	Assert((first == NULL) == (second == NULL));
	Assert(first == NULL || compareJsonbContainers(&first->root, &second->root) == 0);
}
