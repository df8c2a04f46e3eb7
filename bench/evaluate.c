/*
 * Nanoseconds of the expression language inside one backend, without SQL around it.
 *
 * Built with src/cel into a library of its own, because what is timed is the evaluator and not the jsonb that
 * inngest.cel_eval makes of its result.
 */
#include "cel/eval.c"

#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(evaluate_nsec);
PG_FUNCTION_INFO_V1(compile_nsec);
PG_FUNCTION_INFO_V1(by_hand_nsec);

static JsonbContainer *field(JsonbContainer *object, const char *name, JsonbValue *value);
static double nsec_since(instr_time start, int rounds);

/* evaluate_nsec(expression text, variables jsonb, rounds int) */
Datum
evaluate_nsec(PG_FUNCTION_ARGS)
{
	text *expression = PG_GETARG_TEXT_PP(0);
	Jsonb *variables = PG_GETARG_JSONB_P(1);
	int rounds = PG_GETARG_INT32(2);
	MemoryContext caller = CurrentMemoryContext;
	JsonbValue event;
	InnCelInput input = {.event = field(&variables->root, "event", &event)};
	InnCelFault fault;
	InnCelProgram *program =
		inn_cel_compile(VARDATA_ANY(expression), VARSIZE_ANY_EXHDR(expression), &fault);
	instr_time start;

	if (program == NULL)
		elog(ERROR, "%s", fault.message);
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < rounds; i++)
	{
		CelContext cx;
		CelValue value;

		begin(&cx, program, INN_CEL_INNGEST, &input);
		value = cel_eval_node(&cx, &program->nodes[program->root]);
		if (!finish(&cx, &value, &fault))
			elog(ERROR, "%s", fault.message);
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_FLOAT8(nsec_since(start, rounds));
}

/* compile_nsec(expression text, rounds int) */
Datum
compile_nsec(PG_FUNCTION_ARGS)
{
	text *expression = PG_GETARG_TEXT_PP(0);
	int rounds = PG_GETARG_INT32(1);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "programs", ALLOCSET_DEFAULT_SIZES);
	InnCelFault fault;
	instr_time start;

	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < rounds; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		if (inn_cel_compile(VARDATA_ANY(expression), VARSIZE_ANY_EXHDR(expression), &fault) == NULL)
			elog(ERROR, "%s", fault.message);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	PG_RETURN_FLOAT8(nsec_since(start, rounds));
}

/* by_hand_nsec(variables jsonb, rounds int): event.data.plan == "enterprise", as one would write it in C */
Datum
by_hand_nsec(PG_FUNCTION_ARGS)
{
	Jsonb *variables = PG_GETARG_JSONB_P(0);
	int rounds = PG_GETARG_INT32(1);
	volatile int nfound = 0;
	instr_time start;

	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < rounds; i++)
	{
		JsonbValue event;
		JsonbValue data;
		JsonbValue plan;

		(void) field(field(field(&variables->root, "event", &event), "data", &data), "plan", &plan);
		nfound += plan.type == jbvString && plan.val.string.len == 10 &&
				  memcmp(plan.val.string.val, "enterprise", 10) == 0;
	}
	PG_RETURN_FLOAT8(nsec_since(start, rounds));
}

static JsonbContainer *
field(JsonbContainer *object, const char *name, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(object, name, (int) strlen(name), value) == NULL)
		elog(ERROR, "there is no %s", name);
	return value->type == jbvBinary ? value->val.binary.data : NULL;
}

static double
nsec_since(instr_time start, int rounds)
{
	instr_time end;

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	return INSTR_TIME_GET_DOUBLE(end) * 1e9 / rounds;
}
