/*-------------------------------------------------------------------------
 *
 * json.h
 *	  Reading JSON text, and reading and writing jsonb by key.
 *
 * Nothing here copies a document to look into it: what is found points into
 * the container it was found in and lives as long as that does.
 *
 * IDENTIFICATION
 *	  src/base/json.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_JSON_H
#define INN_JSON_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* a sentence of inn_json_parse() is cut off after so many bytes */
#define INN_JSON_FAULT_MAX_BYTES 300

/* What is wrong with a text. */
typedef enum InnJsonFault
{
	INN_JSON_GOOD,
	INN_JSON_SYNTAX,	 /* it is no JSON */
	INN_JSON_NOT_UTF8,	 /* nor is it text */
	INN_JSON_UNSTORABLE, /* JSON, but jsonb cannot hold it: \u0000, nesting, long numbers */
	INN_JSON_TOO_LONG
} InnJsonFault;

/*
 * Read JSON text: bytes that claim to be UTF-8 and need no closing NUL.
 *
 * INN_JSON_GOOD with *out set (*error is NULL), or what is wrong, with *error set (*out is NULL)
 * to a sentence that says it in one line; it may quote the text.
 * Bad input never raises an error: not invalid UTF-8, not nesting deeper than
 * max_stack_depth allows, not a number or an escape that jsonb cannot hold.
 * Anything that is not the text's fault, such as lack of memory, is raised.
 *
 * An escape of half a surrogate pair is read as U+FFFD.
 *
 * Results are made in the current memory context, and what the parser left
 * behind stays there too, so call this in a context that is soon reset.
 * Interrupts must not be held.  In a database whose encoding is not UTF-8 the
 * text is converted, which needs a transaction.
 */
extern InnJsonFault inn_json_read(const char *text, size_t len, Jsonb **out, char **error);

/* The same for who does not care what is wrong: true if nothing is. */
extern bool inn_json_parse(const char *text, size_t len, Jsonb **out, char **error);

/* The value of a key.  False if there is none, or if this is not an object. */
extern bool inn_json_find(JsonbContainer *object, const char *key, JsonbValue *out);

/*
 * The same with the case of ASCII letters ignored.  A key that is equal is
 * preferred; of several that are not, the first in jsonb's order is taken.
 */
extern bool inn_json_find_ci(JsonbContainer *object, const char *key, JsonbValue *out);

/* Is it a number with an integral value that fits?  1.0 and 1e3 are. */
extern bool inn_json_is_integer(const JsonbValue *value, int64 *out);

/* The text of a jbvString, palloc'ed, with a NUL. */
extern char *inn_json_string(const JsonbValue *value);

/*
 * Can all numbers of a document be told to others?  jsonb keeps 1e100000 in a few bytes, and writes it as 100 001
 * digits; and what is beyond the range of a double has no canonical JSON (base/jcs.h).  Limits: that range, and
 * INN_JSON_MAX_DIGITS behind the point, which is more than a double can have that is not 0.  inn_json_read()
 * refuses what exceeds them.
 */
#define INN_JSON_MAX_DIGITS 400
extern bool inn_json_numbers_fit(Jsonb *json);

/* Any value as a document of its own, palloc'ed. */
extern Jsonb *inn_json_to_jsonb(const JsonbValue *value);

/*
 * Putting an object together with pushJsonbValue(): members between WJB_BEGIN_OBJECT and WJB_END_OBJECT.  Nothing is put for
 * a NULL document or text.  Texts are copied; keys, and what values point to, must live until JsonbValueToJsonb().
 */
extern void inn_json_put_key(JsonbParseState **state, const char *key);
extern void inn_json_put_text(JsonbParseState **state, const char *key, const char *text);
extern void inn_json_put_integer(JsonbParseState **state, const char *key, int64 value);
extern void inn_json_put_value(JsonbParseState **state, const char *key, JsonbValue *value);
extern void inn_json_put(JsonbParseState **state, const char *key, Jsonb *json);

/* A document as an element of the array that is being put together. */
extern void inn_json_put_element(JsonbParseState **state, Jsonb *json);

/* A string that is a document of its own. */
extern Jsonb *inn_json_from_text(const char *text);

/* Append a text as a JSON string: quoted and escaped. */
extern void inn_json_append_string(StringInfo buf, const char *s);

#endif /* INN_JSON_H */
