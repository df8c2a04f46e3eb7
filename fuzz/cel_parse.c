/*
 * Fuzz target: texts of expressions, compiled and checked but not evaluated, so that many more are seen than by
 * the target "cel".
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "cel/cel.h"
#include "fuzz/in_server.h"

static int test_one_input(const uint8_t *data, size_t size);
static void count_problem(void *arg, InnCelProblem problem, const InnCelFault *fault);

static MemoryContext per_input;

PG_FUNCTION_INFO_V1(inngest_fuzz_cel_parse);

Datum
inngest_fuzz_cel_parse(PG_FUNCTION_ARGS)
{
	InnCelFault fault;

	per_input = AllocSetContextCreate(CurrentMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);
	Assert(inn_cel_compile("a.b[1] == 'x'", 13, &fault) != NULL);
	Assert(inn_cel_compile("a ? b ? 1 : 2 : 3", 17, &fault) == NULL && fault.position == 6);
	return fuzz_run(fcinfo, test_one_input);
}

static int
test_one_input(const uint8_t *data, size_t size)
{
	static const char *const roots[] = {"event", "async"};
	MemoryContext caller = MemoryContextSwitchTo(per_input);
	InnCelPolicy policy = {roots, lengthof(roots), size % 2 == 0};
	const char *text = (const char *) data;
	InnCelFault fault = {.position = -1};
	InnCelKey keys[INN_CEL_MAX_KEYS];
	InnCelProgram *program;
	int nproblems = 0;

	/* what SQL texts are */
	if (memchr(data, '\0', size) == NULL &&
		pg_encoding_verifymbstr(PG_UTF8, text, (int) size) == (int) size)
	{
		program = inn_cel_compile(text, size, &fault);
		Assert(program != NULL || (fault.position >= 0 && fault.position <= (int) size));
		Assert(inn_cel_judge(text, size, &policy, count_problem, &nproblems) == (nproblems == 0));
		Assert(program != NULL || nproblems == 1);
		if (program != NULL)
			Assert(inn_cel_keys(program, "event", NULL, keys) <= INN_CEL_MAX_KEYS);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(per_input);
	return 0;
}

static void
count_problem(void *arg, InnCelProblem problem, const InnCelFault *fault)
{
	Assert(fault->message[0] != '\0');
	Assert(pg_encoding_verifymbstr(PG_UTF8, fault->message, (int) strlen(fault->message)) ==
		   (int) strlen(fault->message));
	(*(int *) arg)++;
}
