/*-------------------------------------------------------------------------
 *
 * casemap.h
 *	  Letters of the other case, as Unicode's simple mapping has them.
 *
 * IDENTIFICATION
 *	  src/cel/casemap.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CEL_CASEMAP_H
#define INN_CEL_CASEMAP_H

/* Nothing here is seen outside of the library. */
#pragma GCC visibility push(hidden)

/* A mapped letter is at most so many times as long: U+023A has two bytes, U+2C65 three. */
#define CEL_CASEMAP_GROWTH 2

/*
 * Write a text with every letter mapped; returns the length.  out has room for len * CEL_CASEMAP_GROWTH.
 * One letter becomes one letter ("ß" stays).  In a database that is not in UTF-8 only ASCII letters change.
 */
extern size_t cel_casemap(const char *text, size_t len, bool is_upper, char *out);

#pragma GCC visibility pop

#endif /* INN_CEL_CASEMAP_H */
