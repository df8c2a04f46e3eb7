/*-------------------------------------------------------------------------
 *
 * regex.h
 *	  Regular expressions of matches(): the syntax of RE2, matched by PCRE2.
 *
 * What is meant is RE2: unanchored, UTF-8 when the database is, ASCII classes, $ only at the very end.  What RE2 does not have
 * (back-references, look-around, atomic groups, recursion, ...) is refused before PCRE2 sees it, so a
 * pattern means the same there and here, or is refused; docs/expressions.md lists what remains.
 *
 * PCRE2 gets its memory from malloc and calls nothing of ours that can throw.  It backtracks, so every item of a
 * pattern that it passes is counted against the caller's budget and looks for a pending interrupt.
 *
 * IDENTIFICATION
 *	  src/cel/regex.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CEL_REGEX_H
#define INN_CEL_REGEX_H

/* Nothing here is seen outside of the library. */
#pragma GCC visibility push(hidden)

typedef struct CelRegex CelRegex; /* malloc'ed */

/*
 * NULL with a message ("missing closing parenthesis") cut to fit.  A pattern that will be matched
 * often is worth the time that machine code takes to make (is_kept).
 */
extern CelRegex *cel_regex_compile(const char *pattern, size_t len, bool is_kept, char *message,
								   size_t size);
extern void cel_regex_free(CelRegex *regex);

typedef enum CelRegexResult
{
	CEL_REGEX_MATCH,
	CEL_REGEX_NO_MATCH,
	CEL_REGEX_EXCEEDED,	   /* the budget, or PCRE2's own limits */
	CEL_REGEX_INTERRUPTED, /* call CHECK_FOR_INTERRUPTS, then again */
	CEL_REGEX_FAILED	   /* PCRE2 could not: no memory */
} CelRegexResult;

/* *steps is lowered by what it cost: items of the pattern passed, and bytes of the text skipped over / 64. */
extern CelRegexResult cel_regex_match(CelRegex *regex, const char *text, size_t len, int64 *steps);

#pragma GCC visibility pop

#endif /* INN_CEL_REGEX_H */
