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

/*
 * Walk a pattern and refuse what RE2 does not have, or reads otherwise than PCRE2.  What is left over, such as a
 * missing bracket, PCRE2 finds.  False with a message cut to fit.
 */
extern bool cel_regex_check(const char *pattern, size_t len, char *message, size_t size);

#pragma GCC visibility pop

#endif /* INN_CEL_REGEX_SYNTAX_H */
