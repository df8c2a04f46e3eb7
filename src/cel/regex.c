/*-------------------------------------------------------------------------
 *
 * regex.c
 *	  Regular expressions of matches(), matched by PCRE2; the only file that knows it.
 *
 * A pattern is one of RE2; regex_syntax.c writes it as PCRE2 reads it, and refuses what RE2 would refuse.
 *
 * PCRE2 backtracks, so what it does is counted: patterns are compiled with a callout before every item, and each
 * costs a step, and one more for every 64 bytes that were skipped over since the last.  The callout also looks
 * for interrupts, so a hostile pattern can be cancelled.  Nothing in there throws or allocates.
 *
 * IDENTIFICATION
 *	  src/cel/regex.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "cel/cel.h"
#include "cel/regex.h"
#include "cel/regex_syntax.h"

#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (1024 * 1024)

/* backtracking points on the heap, in kB; steps run out first unless they are deep */
#define HEAP_LIMIT_KB (16 * 1024)

#define BYTES_PER_STEP 64

/* making machine code takes as long as so many matches without, so a pattern has to be worth it */
#define MATCHES_BEFORE_JIT 16

struct CelRegex
{
	pcre2_code *code;
	pcre2_match_data *match;
	int matches_before_jit; /* 0: made, or not to be made */
};

typedef struct Budget
{
	int64 steps;
	PCRE2_SIZE position;
	bool is_interrupted;
} Budget;

/* Made once per backend. */
static pcre2_match_context *match_context;

static bool prepare(void);
static uint32_t options(void);
static int count_callout(pcre2_callout_block *block, void *arg);

CelRegex *
cel_regex_compile(const char *pattern, size_t len, bool is_kept, char *message, size_t size)
{
	char translated[CEL_REGEX_MAX_TRANSLATED];
	size_t ntranslated;
	CelRegex *regex;
	int code;
	PCRE2_SIZE offset;

	if (!cel_regex_translate(pattern, len, translated, &ntranslated, message, size))
		return NULL;
	regex = malloc(sizeof(CelRegex));
	if (regex == NULL || !prepare())
	{
		free(regex);
		strlcpy(message, "out of memory", size);
		return NULL;
	}

	*regex = (CelRegex){.matches_before_jit = is_kept ? MATCHES_BEFORE_JIT : 0};
	regex->code =
		pcre2_compile((PCRE2_SPTR) translated, ntranslated, options(), &code, &offset, NULL);
	if (regex->code == NULL)
	{
		char reason[96];

		(void) pcre2_get_error_message(code, (PCRE2_UCHAR *) reason, sizeof(reason));
		strlcpy(message, reason, size);
		free(regex);
		return NULL;
	}
	regex->match = pcre2_match_data_create(1, NULL);
	if (regex->match == NULL)
	{
		cel_regex_free(regex);
		strlcpy(message, "out of memory", size);
		return NULL;
	}
	return regex;
}

static uint32_t
options(void)
{
	uint32_t result = PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;

	/* what reaches us has been checked when it came into the database */
	if (GetDatabaseEncoding() == PG_UTF8)
		result |= PCRE2_UTF | PCRE2_NO_UTF_CHECK;
	return result;
}

/* False if there is no memory. */
static bool
prepare(void)
{
	pcre2_jit_stack *stack;

	if (match_context != NULL)
		return true;
	match_context = pcre2_match_context_create(NULL);
	if (match_context == NULL)
		return false;
	(void) pcre2_set_heap_limit(match_context, HEAP_LIMIT_KB);
	stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (stack != NULL)
		pcre2_jit_stack_assign(match_context, NULL, stack);
	return true;
}

void
cel_regex_free(CelRegex *regex)
{
	pcre2_match_data_free(regex->match);
	pcre2_code_free(regex->code);
	free(regex);
}

CelRegexResult
cel_regex_match(CelRegex *regex, const char *text, size_t len, int64 *steps)
{
	Budget budget = {.steps = *steps};
	int result;

	/* where there is no machine code it goes on being interpreted */
	if (regex->matches_before_jit > 0 && --regex->matches_before_jit == 0)
		(void) pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);

	(void) pcre2_set_callout(match_context, count_callout, &budget);
	result = pcre2_match(regex->code, (PCRE2_SPTR) text, len, 0, PCRE2_NO_UTF_CHECK, regex->match,
						 match_context);
	*steps = budget.steps - (int64) (len / BYTES_PER_STEP);

	if (result >= 0)
		return CEL_REGEX_MATCH;
	switch (result)
	{
		case PCRE2_ERROR_NOMATCH:
			return CEL_REGEX_NO_MATCH;
		case PCRE2_ERROR_CALLOUT:
			return budget.is_interrupted ? CEL_REGEX_INTERRUPTED : CEL_REGEX_EXCEEDED;
		case PCRE2_ERROR_NOMEMORY:
			return CEL_REGEX_FAILED;
		default:
			return CEL_REGEX_EXCEEDED;
	}
}

static int
count_callout(pcre2_callout_block *block, void *arg)
{
	Budget *budget = arg;
	PCRE2_SIZE at = block->current_position;
	PCRE2_SIZE moved = at > budget->position ? at - budget->position : budget->position - at;

	budget->position = at;
	budget->steps -= 1 + (int64) (moved / BYTES_PER_STEP);
	budget->is_interrupted = InterruptPending;
	return budget->steps < 0 || budget->is_interrupted ? PCRE2_ERROR_CALLOUT : 0;
}
