/*-------------------------------------------------------------------------
 *
 * check.c
 *	  What is wrong with an expression before any data is seen.
 *
 * Evaluation takes any program: a root that is not bound is missing, a function that does not exist an
 * error.  Whoever registers an expression wants to hear of that at once.  There is no check of types, because
 * data has none before it arrives.
 *
 * IDENTIFICATION
 *	  src/cel/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "cel/internal.h"

typedef struct Finding
{
	InnCelProblem problem;
	InnCelFault fault;
} Finding;

typedef struct Checker
{
	const InnCelProgram *program;
	const InnCelPolicy *policy;
	Finding *findings;
	int nfindings;
	int size;
} Checker;

static void check_node(Checker *checker, const CelNode *node);
static void check_root(Checker *checker, const CelNode *path);
static void check_call(Checker *checker, const CelNode *call);
static void check_pattern(Checker *checker, const CelNode *call);
static void check_policy(Checker *checker, const CelNode *node);
static bool is_conversion(const CelNode *call);
static const char *roots_text(const InnCelPolicy *policy);
static void note(Checker *checker, InnCelProblem problem, int position, const char *format, ...)
	pg_attribute_printf(4, 5);
static int by_position(const void *a, const void *b);

bool
inn_cel_judge(const char *text, size_t len, const InnCelPolicy *policy, InnCelReport report,
			  void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch =
		AllocSetContextCreate(caller, "inngest expression check", ALLOCSET_DEFAULT_SIZES);
	Checker checker = {.policy = policy};
	InnCelFault fault;

	MemoryContextSwitchTo(scratch);
	checker.program = inn_cel_compile(text, len, &fault);
	if (checker.program == NULL)
		note(&checker, INN_CEL_PROBLEM_SYNTAX, fault.position, "%s", fault.message);
	else
	{
		for (int i = 1; i < checker.program->nnodes; i++)
			check_node(&checker, &checker.program->nodes[i]);
	}
	if (checker.nfindings > 1)
		qsort(checker.findings, checker.nfindings, sizeof(Finding), by_position);

	MemoryContextSwitchTo(caller);
	for (int i = 0; i < checker.nfindings; i++)
		report(arg, checker.findings[i].problem, &checker.findings[i].fault);
	MemoryContextDelete(scratch);
	return checker.nfindings == 0;
}

static void
check_node(Checker *checker, const CelNode *node)
{
	if (node->type == CEL_NODE_PATH)
		check_root(checker, node);
	else if (node->type == CEL_NODE_CALL)
		check_call(checker, node);
	if (checker->policy->is_restricted)
		check_policy(checker, node);
}

static void
check_root(Checker *checker, const CelNode *path)
{
	const InnCelPolicy *policy = checker->policy;
	const char *name = path->u.s.names[0].text;

	if (path->flags & CEL_NODE_MAY_BE_TYPE)
		return;
	for (int i = 0; i < policy->nroots; i++)
	{
		if (strcmp(policy->roots[i], name) == 0)
			return;
	}
	note(checker, INN_CEL_PROBLEM_ROOT, path->position, "unknown name \"%.60s\"; known: %s", name,
		 roots_text(policy));
}

static const char *
roots_text(const InnCelPolicy *policy)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < policy->nroots; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? "" : ", ", policy->roots[i]);
	return policy->nroots == 0 ? "none" : text.data;
}

static void
check_call(Checker *checker, const CelNode *call)
{
	const char *name = call->u.s.names[0].text;
	const CelFunction *function;
	bool is_method = (call->flags & CEL_NODE_IS_METHOD) != 0;
	int min;
	int max;

	if (call->function == CEL_NO_FUNCTION)
	{
		note(checker, INN_CEL_PROBLEM_FUNCTION, call->position, "unknown function %.60s()", name);
		return;
	}
	function = &cel_functions[call->function];
	if (is_method ? !function->is_method : !function->is_global)
	{
		note(checker, INN_CEL_PROBLEM_FUNCTION, call->position,
			 is_method ? "%s() is not a method; write %s(x)" : "%s() is a method; write x.%s(...)",
			 name, name);
		return;
	}
	min = function->min_args - is_method;
	max = function->max_args - is_method;
	if (call->count < function->min_args || call->count > function->max_args)
		note(checker, INN_CEL_PROBLEM_ARGUMENTS, call->position,
			 min == max ? "%s() takes %d argument%s, not %d"
						: "%1$s() takes %2$d argument%3$s or one more, not %4$d",
			 name, min, min == 1 ? "" : "s", call->count - is_method);
	else if (function->takes_pattern)
		check_pattern(checker, call);
}

/* A pattern that is no literal is not known yet. */
static void
check_pattern(Checker *checker, const CelNode *call)
{
	const CelNode *pattern =
		CEL_NEXT_CHILD(checker->program, CEL_FIRST_CHILD(checker->program, call));
	char message[128];
	CelRegex *regex;

	if (pattern->type != CEL_NODE_LITERAL || pattern->u.literal.kind != CEL_STRING ||
		call->u.s.regex != NULL)
		return;
	regex = cel_regex_compile(pattern->u.literal.u.text, pattern->u.literal.length, false, message,
							  sizeof(message));
	if (regex != NULL)
		cel_regex_free(regex);
	else
		note(checker, INN_CEL_PROBLEM_PATTERN, pattern->position, "error parsing regexp: %s",
			 message);
}

/* semantics.md 4.9 */
static void
check_policy(Checker *checker, const CelNode *node)
{
	switch ((CelNodeType) node->type)
	{
		case CEL_NODE_CALL:
			if (node->function != CEL_NO_FUNCTION && !is_conversion(node))
				note(checker, INN_CEL_PROBLEM_POLICY, node->position,
					 "%s() is not allowed here; only int(), uint() and double() are",
					 node->u.s.names[0].text);
			break;
		case CEL_NODE_HAS:
		case CEL_NODE_ALL:
		case CEL_NODE_EXISTS:
		case CEL_NODE_EXISTS_ONE:
		case CEL_NODE_FILTER:
		case CEL_NODE_TRANSFORM:
			note(checker, INN_CEL_PROBLEM_POLICY, node->position, "macros are not allowed here");
			break;
		case CEL_NODE_MINUS:
			note(checker, INN_CEL_PROBLEM_POLICY, node->position, "arithmetic is not allowed here");
			break;
		default:
			break;
	}
	if (node->joined_by >= CEL_OP_ADD && node->joined_by <= CEL_OP_MODULO)
		note(checker, INN_CEL_PROBLEM_POLICY, node->join_position,
			 "arithmetic is not allowed here");
}

static bool
is_conversion(const CelNode *call)
{
	CelCall function = cel_functions[call->function].call;

	return function == cel_to_int || function == cel_to_uint || function == cel_to_double;
}

static void
note(Checker *checker, InnCelProblem problem, int position, const char *format, ...)
{
	Finding *finding;
	va_list args;

	if (checker->nfindings == checker->size)
	{
		checker->size = Max(8, checker->size * 2);
		checker->findings = checker->findings == NULL
								? palloc(checker->size * sizeof(Finding))
								: repalloc(checker->findings, checker->size * sizeof(Finding));
	}
	finding = &checker->findings[checker->nfindings++];
	finding->problem = problem;
	finding->fault = (InnCelFault){.sqlerrcode = ERRCODE_SYNTAX_ERROR, .position = position};
	va_start(args, format);
	vsnprintf(finding->fault.message, sizeof(finding->fault.message), format, args);
	va_end(args);
}

static int
by_position(const void *a, const void *b)
{
	const Finding *x = a;
	const Finding *y = b;

	return x->fault.position - y->fault.position;
}
