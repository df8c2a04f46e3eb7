/*-------------------------------------------------------------------------
 *
 * jcs.h
 *	  Canonical JSON (RFC 8785): one text for one value, which is what gets signed.
 *
 * Keys are sorted by their UTF-16 code units, numbers are written as JavaScript writes them, strings escape what
 * they must and nothing else, and there are no blanks.  The text is UTF-8 whatever the database's encoding; where
 * that is another one, texts are converted, which needs a transaction.
 *
 * Some values of jsonb have no canonical text.  This is not raised but told: numbers beyond the range of a double,
 * and, in a database without an encoding, texts that are not UTF-8.  Numbers of more digits than a double has are
 * rounded: the form has doubles only.
 *
 * IDENTIFICATION
 *	  src/base/jcs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_JCS_H
#define INN_JCS_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* Why a value has no canonical text. */
typedef enum InnJcsFault
{
	INN_JCS_GOOD,
	INN_JCS_NUMBER_RANGE,
	INN_JCS_NOT_UTF8
} InnJcsFault;

/*
 * Append a document, or any value.  If it has no canonical text buf is as it was.
 *
 * Raised are only lack of memory, a text beyond 1 GB, and nesting deeper than max_stack_depth.
 */
extern InnJcsFault inn_jcs_append(StringInfo buf, Jsonb *json);
extern InnJcsFault inn_jcs_append_value(StringInfo buf, const JsonbValue *value);

/* The fault as a sentence. */
extern const char *inn_jcs_sentence(InnJcsFault fault);

/* Append a text in the database's encoding as a string. */
extern InnJcsFault inn_jcs_append_string(StringInfo buf, const char *text, int len);

/* The order of keys, which must be UTF-8: less than, equal to or greater than zero. */
extern int inn_jcs_compare_keys(const char *a, int a_len, const char *b, int b_len);

/*
 * Does the canonical text of a value have at most so many bytes?  Cheap for values that are small by far: they are
 * not looked into.  False, too, if a value that is looked into has no canonical text.
 */
extern bool inn_jcs_is_within(const JsonbValue *value, size_t max_bytes);

#endif /* INN_JCS_H */
