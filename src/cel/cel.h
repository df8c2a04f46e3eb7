/*-------------------------------------------------------------------------
 *
 * cel.h
 *	  The expression language: CEL over jsonb.
 *
 * A program is made of a text once, and evaluated as often as one likes: it knows nothing of the data.
 * There is one evaluator and two dialects, which differ in what a call does with operands that are
 * missing, an error, null or of different types, and in what counts as true for && || ?: and ! (docs/
 * expressions.md is the language as users see it).
 *
 * Nothing that an expression or its data can be makes an evaluation raise an error: the outcome tells.
 * Raised are only lack of memory and cancellation; evaluation checks for interrupts.
 *
 * IDENTIFICATION
 *	  src/cel/cel.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CEL_H
#define INN_CEL_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "base/compat.h"

/* Limits of a text; exceeding one is a fault of compilation. */
#define INN_CEL_MAX_BYTES (64 * 1024)
#define INN_CEL_MAX_DEPTH 250	/* nested brackets, calls, ?: and macros */
#define INN_CEL_MAX_NODES 10000 /* names, literals, operators */
#define INN_CEL_MAX_PATTERN_BYTES 1000

/* Limits of one evaluation; exceeding one is a fault that nothing in the expression can absorb. */
#define INN_CEL_MAX_STEPS 1000000 /* nodes visited, list elements, every 64 bytes of text */
#define INN_CEL_MAX_MEMORY (16 * 1024 * 1024) /* bytes of values made on the way */

typedef struct InnCelProgram InnCelProgram;

typedef enum InnCelDialect
{
	INN_CEL_INNGEST,
	INN_CEL_STRICT
} InnCelDialect;

/* Why a text is no program, or an evaluation gave no value. */
typedef struct InnCelFault
{
	int sqlerrcode;	   /* 42601 syntax, class 22 evaluation, 54000 and 54001 limits */
	int position;	   /* byte of the text it is about, from 0 */
	char message[256]; /* lower case, no full stop; may quote text or data */
} InnCelFault;

/*
 * What names mean.  Each may be NULL: not bound.  event and async go before fields of variables that have
 * these names.  All containers are objects; they must stay where they are during evaluation.
 */
typedef struct InnCelInput
{
	JsonbContainer *event;
	JsonbContainer *async;
	JsonbContainer *variables;
	bool
		event_is_captured; /* event was there when the expression was: what is missing in it is null (semantics.md 3.5) */
} InnCelInput;

/*
 * Make a program in the current memory context: one small allocation, and what its regular expressions
 * need.  The text need not end in NUL and is not kept.  NULL with *fault filled if it is none.
 */
extern InnCelProgram *inn_cel_compile(const char *text, size_t len, InnCelFault *fault);

/*
 * The same from the backend's cache, bounded by inngest.expression_cache_size.  The program lives until the
 * next call.  A caller who asks for the same text again and again keeps a handle, of zeroes at first, and is
 * answered at once.  ERRORs with a caret line in the detail.
 */
typedef struct InnCelHandle
{
	const InnCelProgram *program;
	const char *text;
	size_t len;
	uint64 generation;
} InnCelHandle;

extern const InnCelProgram *inn_cel_cached(InnCelHandle *handle, const char *text, size_t len);

/* The same for who wants to know: NULL with *fault filled if the text is no program. */
extern const InnCelProgram *inn_cel_try_cached(InnCelHandle *handle, const char *text, size_t len,
											   InnCelFault *fault);

/* Raise a fault of a text, with position, and with the line and a caret under it in the detail. */
pg_noreturn extern void inn_cel_throw(const char *text, size_t len, const InnCelFault *fault);

/*
 * Evaluate to a document in the current memory context; NULL with *fault filled if that fails.
 *
 * Missing, as a whole result, is false.  Bytes become base64; timestamps RFC 3339; durations "1.5s";
 * types their names; NaN and infinities strings (the mapping of protobuf).
 */
extern Jsonb *inn_cel_eval(const InnCelProgram *program, InnCelDialect dialect,
						   const InnCelInput *input, InnCelFault *fault);

typedef enum InnCelVerdict
{
	INN_CEL_TRUE,
	INN_CEL_FALSE, /* boolean false, or missing */
	INN_CEL_FAILED /* an error, or a value that is not a boolean: *fault is filled */
} InnCelVerdict;

/* Evaluate a condition, in the dialect of Inngest. */
extern InnCelVerdict inn_cel_test(const InnCelProgram *program, const InnCelInput *input,
								  InnCelFault *fault);

/*
 * What is wrong with a program before any data is seen.
 *
 * roots are the names that will be bound.  A restricted program may have no macros, no functions but int(),
 * uint() and double(), and no arithmetic: the rule for cancelOn (semantics.md 4.9).
 * report is called once for each problem, in the order of the text.
 */
typedef struct InnCelPolicy
{
	const char *const *roots;
	int nroots;
	bool is_restricted;
} InnCelPolicy;

typedef enum InnCelProblem
{
	INN_CEL_PROBLEM_SYNTAX, /* reported by inn_cel_judge() only, and then alone */
	INN_CEL_PROBLEM_ROOT,
	INN_CEL_PROBLEM_FUNCTION,
	INN_CEL_PROBLEM_ARGUMENTS,
	INN_CEL_PROBLEM_PATTERN,
	INN_CEL_PROBLEM_POLICY
} InnCelProblem;

typedef void (*InnCelReport)(void *arg, InnCelProblem problem, const InnCelFault *fault);

/* Compile and check.  True if there is no problem. */
extern bool inn_cel_judge(const char *text, size_t len, const InnCelPolicy *policy,
						  InnCelReport report, void *arg);

/*
 * Read a date in any of the forms that date() takes: RFC 3339, HTTP dates and others (calendar.h).  False if it
 * is none of them.
 */
extern bool inn_cel_date_parse(const char *text, size_t len, TimestampTz *out);

/*
 * Equalities that must hold for a program to be true, for looking programs up by value.
 *
 * A set of (path, operand) pairs such that the program can be true only if for one of the pairs the value at the
 * path of the root equals the operand: of event.data.plan == "pro" && ... it is one pair, of in ["a", "b"] two,
 * of a == 1 || b == 2 two.  An operand is a literal, or anything that does not use the root, so that the key of
 * async.data.id == event.data.id is known when the event is.
 *
 * Looking up by inn_cel_key_hash() finds a superset: candidates must be evaluated.  Equal values have
 * equal hashes (1 and 1.0, null and missing); lists, objects and everything else that is not a string, a
 * number, a boolean or null equal no operand that has a hash.
 */
#define INN_CEL_MAX_KEYS 64

typedef struct InnCelKey
{
	const char *path; /* "data.plan", palloc'ed */
	uint64 hash;
} InnCelKey;

/*
 * The keys of a program over a root ("event" or "async").  input holds what else is bound, NULL for nothing.
 * keys has room for INN_CEL_MAX_KEYS.  Returns their number; 0 if the program has to be evaluated for every
 * value.
 */
extern int inn_cel_keys(const InnCelProgram *program, const char *root, const InnCelInput *input,
						InnCelKey *keys);

/* The hash of what is at a path in an object; false if nothing that has a key can equal it. */
extern bool inn_cel_key_hash(JsonbContainer *object, const char *path, uint64 *hash);

#endif /* INN_CEL_H */
