/*-------------------------------------------------------------------------
 *
 * regex_syntax.h
 *	  Is a pattern one of RE2?
 *
 * IDENTIFICATION
 *	  src/cel/regex_syntax.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CEL_REGEX_SYNTAX_H
#define INN_CEL_REGEX_SYNTAX_H

#pragma GCC visibility push(hidden)

/* What grows most is \s, from 2 bytes to 11. */
#define CEL_REGEX_MAX_TRANSLATED (6 * INN_CEL_MAX_PATTERN_BYTES)

/*
 * Write a pattern of RE2 as PCRE2 has to read it, at most CEL_REGEX_MAX_TRANSLATED bytes; refuse what RE2 does not
 * have.  What is left over, such as an unknown property, PCRE2 finds.  False with a message cut to fit.
 */
extern bool cel_regex_translate(const char *pattern, size_t len, char *out, size_t *nout,
								char *message, size_t size);

#pragma GCC visibility pop

#endif /* INN_CEL_REGEX_SYNTAX_H */
