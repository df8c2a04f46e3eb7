/*-------------------------------------------------------------------------
 *
 * internal.h
 *	  What the files of src/cel share.
 *
 *	  lex.c       text -> tokens
 *	  parse.c     tokens -> program, a function per rule of the grammar
 *	  eval.c      program and data -> value, a function per kind of node
 *	  binary.c    operators of two operands, in both dialects
 *	  func.c      functions, as one table
 *	  convert.c   int(), string() and their like
 *	  value.c     what values are: reading jsonb, comparing, iterating
 *	  fault.c     what is said when something is wrong
 *	  output.c    values -> jsonb
 *	  calendar.c  timestamps and durations; layout.c matches the forms of dates
 *	  casemap.c   lowercase() and uppercase()
 *	  regex.c     matches(); the only file that knows PCRE2
 *	  check.c     what is wrong with a program before any data is seen
 *	  key.c       equalities to look programs up by
 *	  cache.c     programs by text, per backend
 *
 * Errors are values.  Nothing here throws because of a text or of data; what cannot be absorbed, a limit,
 * is noted in the context and makes everything return (cel_exceed()).
 *
 * IDENTIFICATION
 *	  src/cel/internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CEL_INTERNAL_H
#define INN_CEL_INTERNAL_H

#include "base/number.h"
#include "cel/cel.h"
#include "cel/regex.h"

/* Nothing here is seen outside of the library. */
#pragma GCC visibility push(hidden)

/* ---- values ---- */

typedef enum CelKind
{
	/* not values: a call decides what they mean as operands */
	CEL_MISSING, /* a path that leads nowhere; only in the dialect of Inngest */
	CEL_ERROR,
	/* values */
	CEL_NULL,
	CEL_BOOL,
	CEL_INT,
	CEL_UINT,
	CEL_DOUBLE,
	CEL_NUMBER, /* of the data: a double that still knows all its digits */
	CEL_STRING,
	CEL_BYTES,
	CEL_LIST,
	CEL_MAP,
	CEL_JSON_LIST, /* of the data */
	CEL_JSON_MAP,
	CEL_TIMESTAMP,
	CEL_DURATION,
	CEL_TYPE
} CelKind;

/*
 * X(name, SQLSTATE, message).  In the message %s is the text of the error, %o its operands, %i its integer:
 * see cel_error_message().
 */
#define CEL_ERROR_TABLE(X) \
	X(NO_OVERLOAD, ERRCODE_DATATYPE_MISMATCH, "no such overload: %o") \
	X(NO_KEY, ERRCODE_DATA_EXCEPTION, "no such key: %s") \
	X(NO_VARIABLE, ERRCODE_DATA_EXCEPTION, "undeclared reference to \"%s\"") \
	X(NO_FUNCTION, ERRCODE_DATA_EXCEPTION, "unknown function %s()") \
	X(NO_ELEMENT, ERRCODE_ARRAY_SUBSCRIPT_ERROR, "index out of bounds: %i") \
	X(OVERFLOW, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "integer overflow") \
	X(DIVISION, ERRCODE_DIVISION_BY_ZERO, "division by zero") \
	X(MODULUS, ERRCODE_DIVISION_BY_ZERO, "modulus by zero") \
	X(NOT_ORDERED, ERRCODE_DATA_EXCEPTION, "NaN values cannot be ordered") \
	X(CONVERSION, ERRCODE_INVALID_TEXT_REPRESENTATION, "type conversion error from %o") \
	X(RANGE, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "%s out of range") \
	X(ZONE, ERRCODE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "unknown time zone \"%s\"") \
	X(PATTERN, ERRCODE_INVALID_REGULAR_EXPRESSION, "error parsing regexp: %s") \
	X(SAME_KEY, ERRCODE_DATA_EXCEPTION, "map key given twice") \
	X(KEY_TYPE, ERRCODE_DATATYPE_MISMATCH, "unsupported type of a map key: %o") \
	X(NOTHING, ERRCODE_DATA_EXCEPTION, "no date in \"%s\": expression did not return true or false")

#define CEL_ERROR_DECLARE(name, sqlstate, message) CEL_ERR_##name,
typedef enum CelErrorCode
{
	CEL_ERROR_TABLE(CEL_ERROR_DECLARE)
} CelErrorCode;
#undef CEL_ERROR_DECLARE

typedef struct CelList CelList;
typedef struct CelMap CelMap;

/*
 * Two machine words, so that it travels in registers.  Texts and containers are pointed to: in the data, in
 * the program or in the context's memory.
 */
typedef struct CelValue
{
	uint8 kind;		 /* CelKind */
	uint8 error;	 /* CEL_ERROR: CelErrorCode */
	uint16 position; /* CEL_ERROR: byte of the text where it arose */
	uint32 length;	 /* CEL_STRING, CEL_BYTES: bytes; CEL_TIMESTAMP: nanoseconds after the second;
					  * CEL_ERROR: bytes of text, or what cel_error_operands() packs */
	union
	{
		bool boolean;
		int64 i; /* CEL_INT; CEL_TIMESTAMP: Unix seconds; CEL_DURATION: nanoseconds */
		uint64 u;
		double d;
		Numeric number;
		const char *text; /* CEL_STRING, CEL_BYTES: without NUL; CEL_ERROR */
		const CelList *list;
		const CelMap *map;
		JsonbContainer *json;
		CelKind type;
	} u;
} CelValue;

StaticAssertDecl(sizeof(CelValue) == 16, "a value is two words");

struct CelList
{
	uint32 count;
	CelValue items[FLEXIBLE_ARRAY_MEMBER];
};

/* In the order it was written; small, so it is searched from end to end. */
struct CelMap
{
	uint32 count;
	CelValue pairs[FLEXIBLE_ARRAY_MEMBER]; /* key, value, key, value, ... */
};

static inline bool
cel_is_absent(CelValue value)
{
	return value.kind <= CEL_ERROR;
}

/* An error that no comparison and no function absorbs: date() of what is no date. */
static inline bool
cel_is_nothing(CelValue value)
{
	return value.kind == CEL_ERROR && value.error == CEL_ERR_NOTHING;
}

static inline bool
cel_is_numeric(CelValue value)
{
	return value.kind >= CEL_INT && value.kind <= CEL_NUMBER;
}

static inline bool
cel_is_list(CelValue value)
{
	return value.kind == CEL_LIST || value.kind == CEL_JSON_LIST;
}

static inline bool
cel_is_map(CelValue value)
{
	return value.kind == CEL_MAP || value.kind == CEL_JSON_MAP;
}

static inline CelValue
cel_bool(bool boolean)
{
	return (CelValue){.kind = CEL_BOOL, .u.boolean = boolean};
}

static inline CelValue
cel_int(int64 i)
{
	return (CelValue){.kind = CEL_INT, .u.i = i};
}

static inline CelValue
cel_double(double d)
{
	return (CelValue){.kind = CEL_DOUBLE, .u.d = d};
}

static inline CelValue
cel_text(CelKind kind, const char *text, size_t length)
{
	return (CelValue){.kind = kind, .length = (uint32) length, .u.text = text};
}

static inline bool
cel_is_true(CelValue value)
{
	return value.kind == CEL_BOOL && value.u.boolean;
}

/* ---- programs ---- */

typedef enum CelOperator
{
	CEL_OP_NONE,
	CEL_OP_EQ,
	CEL_OP_NE,
	CEL_OP_LT,
	CEL_OP_LE,
	CEL_OP_GT,
	CEL_OP_GE,
	CEL_OP_IN,
	CEL_OP_ADD,
	CEL_OP_SUBTRACT,
	CEL_OP_MULTIPLY,
	CEL_OP_DIVIDE,
	CEL_OP_MODULO,
	CEL_OP_AND,
	CEL_OP_OR
} CelOperator;

/* "==" for CEL_OP_EQ, and so on */
extern const char *const cel_operator_names[];

typedef enum CelNodeType
{
	CEL_NODE_LITERAL,
	CEL_NODE_PATH,	 /* names: root, field, field ... */
	CEL_NODE_LOCAL,	 /* names: variable of a macro, field, ... */
	CEL_NODE_SELECT, /* child: object; names: field */
	CEL_NODE_INDEX,	 /* children: container, index */
	CEL_NODE_CALL,	 /* children: arguments, of a method its target first; names: function */
	CEL_NODE_CHAIN,	 /* children: operands of one precedence, joined from left to right */
	CEL_NODE_AND,	 /* children: operands */
	CEL_NODE_OR,
	CEL_NODE_NOT, /* child */
	CEL_NODE_MINUS,
	CEL_NODE_CONDITION, /* children: condition, then, else */
	CEL_NODE_LIST,
	CEL_NODE_MAP, /* children: key, value, key, value ... */
	CEL_NODE_HAS, /* child: a path, a local or a select */
	/* macros; children: range, condition or body or both; slot: of the variable */
	CEL_NODE_ALL,
	CEL_NODE_EXISTS,
	CEL_NODE_EXISTS_ONE,
	CEL_NODE_FILTER,
	CEL_NODE_TRANSFORM
} CelNodeType;

typedef struct CelName
{
	const char *text; /* ends in NUL */
	uint32 length;
} CelName;

/* flags of nodes */
#define CEL_NODE_IS_METHOD 0x01		   /* call: written target.function(...) */
#define CEL_NODE_IS_CONSTANT 0x02	   /* list: of literals only */
#define CEL_NODE_MAY_BE_TYPE 0x04	   /* path: its text is the name of a type */
#define CEL_NODE_IS_PARENTHESIZED 0x08 /* so !(-x) is told from !-x, and (a).b from a.b */

/* Roots that an input binds apart from the variables. */
#define CEL_ROOT_EVENT 0
#define CEL_ROOT_ASYNC 1
#define CEL_ROOT_OTHER 2

typedef struct CelNode
{
	uint8 type;			  /* CelNodeType */
	uint8 function;		  /* call: index in cel_functions, or CEL_NO_FUNCTION */
	uint8 joined_by;	  /* operand of a chain: CelOperator between the one before and this */
	uint8 flags;		  /* CEL_NODE_... */
	uint16 child;		  /* index of the first child; 0: none */
	uint16 next;		  /* index of the next child of the same parent; 0: none */
	uint16 count;		  /* of children, or of names of a path or local */
	uint16 slot;		  /* local, macro: of the variable; path: CEL_ROOT_... */
	uint16 position;	  /* byte of the text where its name, dot or bracket is, or it begins */
	uint16 join_position; /* operand of a chain: of the operator between the one before and this */
	union
	{
		CelValue literal;
		struct
		{
			const CelName *names;
			CelRegex *regex; /* call of matches() with a literal pattern: compiled, or NULL */
		} s;
	} u;
} CelNode;

StaticAssertDecl(sizeof(CelNode) == 32, "a node is half a cache line");

/* One allocation: nodes, names, texts.  Node 0 is nobody. */
struct InnCelProgram
{
	uint16 nnodes;
	uint16 root;
	uint16 nslots; /* variables of macros that are in scope at once, at most */
	CelNode nodes[FLEXIBLE_ARRAY_MEMBER];
};

/* for (CEL_EACH_CHILD(child, program, node)) */
#define CEL_FIRST_CHILD(program, node) (&(program)->nodes[(node)->child])
#define CEL_NEXT_CHILD(program, node) (&(program)->nodes[(node)->next])
#define CEL_EACH_CHILD(child, program, node) \
	const CelNode *child = CEL_FIRST_CHILD(program, node); \
	child != (program)->nodes; \
	child = CEL_NEXT_CHILD(program, child)

/* ---- lex.c ---- */

typedef enum CelTokenType
{
	CEL_TOKEN_END,
	CEL_TOKEN_FAULT, /* the fault is filled */
	CEL_TOKEN_NAME,
	CEL_TOKEN_LITERAL,
	CEL_TOKEN_MAGNITUDE, /* decimal or hexadecimal digits: an int once the sign is known */
	CEL_TOKEN_OPERATOR,	 /* one that joins two operands */
	CEL_TOKEN_PUNCTUATION
} CelTokenType;

typedef struct CelToken
{
	CelTokenType type;
	uint16 position;
	uint16 length; /* in the text */
	CelOperator op;
	char punctuation; /* one of ( ) [ ] { } . , : ? ! and - which is an operator, too */
	CelValue literal; /* magnitude: u.u */
} CelToken;

typedef struct CelLexer
{
	const char *text;
	size_t len;
	size_t at;
	char *room; /* for unescaped literals: len bytes at first */
	InnCelFault *fault;
} CelLexer;

extern CelToken cel_lex(CelLexer *lexer);

/* ---- evaluation ---- */

/* Blocks of memory that live until the next evaluation; the last thing allocated can grow in place. */
typedef struct CelContext
{
	const InnCelProgram *program;
	const InnCelInput *input;
	bool is_strict;
	bool has_exceeded; /* a limit: everything returns, *limit is filled */
	uint16 position;   /* of what is being called, for errors */
	int64 steps;	   /* left */
	int64 checkpoint;  /* steps at which to look for interrupts */
	char *next;		   /* memory left in the block */
	char *end;
	int64 memory; /* bytes left for further blocks */
	InnCelFault limit;
	CelValue slots[INN_CEL_MAX_DEPTH]; /* variables of macros */
} CelContext;

extern CelValue cel_eval_node(CelContext *cx, const CelNode *node);

/* Note that a limit is exceeded, and return what everybody returns then. */
extern CelValue cel_exceed(CelContext *cx, int sqlerrcode, const char *message);

/* Pay for work; false if that was too much. */
extern bool cel_charge_slowly(CelContext *cx);
static inline bool
cel_charge(CelContext *cx, int64 steps)
{
	cx->steps -= steps;
	return likely(cx->steps > cx->checkpoint) || cel_charge_slowly(cx);
}

/* Memory until the next evaluation, aligned for anything; NULL if that is too much. */
extern void *cel_alloc(CelContext *cx, size_t size);

/* Functions of the server have allocated about so much; false if that was too much. */
extern bool cel_note_memory(CelContext *cx, size_t size);

/* An error that arose at cx->position. */
static inline CelValue
cel_error(const CelContext *cx, CelErrorCode code)
{
	return (CelValue){.kind = CEL_ERROR, .error = code, .position = cx->position};
}

static inline CelValue
cel_error_text(const CelContext *cx, CelErrorCode code, const char *text, size_t length)
{
	CelValue error = cel_error(cx, code);

	error.u.text = text;
	error.length = (uint32) length;
	return error;
}

/* How the operands of an error are written: the bits of its length above the two kinds. */
typedef enum CelShape
{
	CEL_SHAPE_BINARY,	  /* a < b */
	CEL_SHAPE_UNARY,	  /* size(a) */
	CEL_SHAPE_CALL,		  /* contains(a, b) */
	CEL_SHAPE_CONVERSION, /* 'a' to 'int' */
	CEL_SHAPE_TYPE,		  /* a */
	CEL_SHAPE_NAME		  /* size() */
} CelShape;

/* The name ends in NUL; of one operand, b is ignored. */
static inline CelValue
cel_error_operands(const CelContext *cx, CelErrorCode code, CelShape shape, const char *name,
				   CelKind a, CelKind b)
{
	CelValue error = cel_error(cx, code);

	error.u.text = name;
	error.length = (uint32) a | (uint32) b << 8 | (uint32) shape << 16;
	return error;
}

/* What an operand of an indexed equality is worth; false if it has no hash. */
extern bool cel_eval_operand(const InnCelProgram *program, const CelNode *node,
							 const InnCelInput *input, uint64 *hash);

/* ---- key.c ---- */

/* Equal values have equal hashes; false if it is nothing that has one. */
extern bool cel_hash(CelValue value, uint64 *hash);

/* ---- binary.c ---- */

extern CelValue cel_binary(CelContext *cx, CelOperator op, CelValue a, CelValue b);

/* What counts as true for && || ?: and !, in the dialect of Inngest. */
extern bool cel_is_truthy(CelValue value);

/* The text that + makes of any value, in the context's memory. */
extern CelValue cel_to_text(CelContext *cx, CelValue value);

/* ---- func.c ---- */

#define CEL_NO_FUNCTION 255

typedef CelValue (*CelCall)(CelContext *cx, const CelNode *node, const CelValue *args, int nargs);

typedef struct CelFunction
{
	const char *name;
	CelCall call;
	uint8 min_args; /* the target of a method is an argument */
	uint8 max_args;
	bool is_global;
	bool is_method;
	bool is_inngest; /* unknown in the strict dialect */
	bool takes_pattern;
} CelFunction;

extern const CelFunction cel_functions[];
extern const int cel_function_count;

#define CEL_MAX_ARGS 2

/* ---- convert.c ---- */

extern CelValue cel_to_bool(CelContext *cx, const CelNode *node, const CelValue *args, int nargs);
extern CelValue cel_to_int(CelContext *cx, const CelNode *node, const CelValue *args, int nargs);
extern CelValue cel_to_uint(CelContext *cx, const CelNode *node, const CelValue *args, int nargs);
extern CelValue cel_to_double(CelContext *cx, const CelNode *node, const CelValue *args, int nargs);
extern CelValue cel_to_string(CelContext *cx, const CelNode *node, const CelValue *args, int nargs);
extern CelValue cel_to_bytes(CelContext *cx, const CelNode *node, const CelValue *args, int nargs);
extern CelValue cel_to_timestamp(CelContext *cx, const CelNode *node, const CelValue *args,
								 int nargs);
extern CelValue cel_to_duration(CelContext *cx, const CelNode *node, const CelValue *args,
								int nargs);

/* Room for every text of a number, with its NUL. */
#define CEL_NUMBER_TEXT_SIZE 48

/* As Go's %g with the fewest digits that read back; returns the length. */
extern int cel_double_to_go_text(double d, char buf[CEL_NUMBER_TEXT_SIZE]);

/* A number of the data as cel_double_to_plain_text() has it, with all digits if it is an int. */
extern int cel_number_to_text(Numeric number, char buf[CEL_NUMBER_TEXT_SIZE]);

/* Integral numbers below 10^21 as plain integers, others with the fewest digits; returns the length. */
extern int cel_double_to_plain_text(double d, char buf[CEL_NUMBER_TEXT_SIZE]);

/* ---- value.c ---- */

/* An int, uint, double or number with an integral value that fits. */
extern bool cel_to_integer(CelValue value, int64 *out);

/* Of what is written in JSON the type that CEL gives it. */
extern CelValue cel_type_of(CelValue value);
extern const char *cel_type_name(CelKind kind);
/* The short name, or that of google.protobuf. */
extern bool cel_type_by_name(const char *name, bool is_protobuf, CelKind *kind);

extern CelValue cel_from_jsonb_value(const JsonbValue *value);

/* The value of a field; false if there is none, or if it is no map.  For a key of any type, cel_find(). */
extern bool cel_json_field(JsonbContainer *object, const char *key, size_t len, CelValue *out);
extern bool cel_find(CelContext *cx, CelValue map, CelValue key, CelValue *out);
extern CelValue cel_json_element(JsonbContainer *array, uint32 index);

extern uint32 cel_container_size(CelValue container);

/* Equality is total: values of different types are different. */
extern bool cel_equal(CelContext *cx, CelValue a, CelValue b);

typedef enum CelOrder
{
	CEL_LESS = -1,
	CEL_SAME = 0,
	CEL_GREATER = 1,
	CEL_UNORDERED, /* NaN */
	CEL_UNRELATED  /* types that have no order */
} CelOrder;

extern CelOrder cel_compare(CelValue a, CelValue b);

/* Elements of a list; keys and values of a map. */
typedef struct CelCursor
{
	CelValue container;
	uint32 index;
	uint32 count;
	uint32 offset;		 /* jsonb: of the next element or key */
	uint32 value_offset; /* jsonb: of the next value */
} CelCursor;

extern bool cel_cursor_open(CelCursor *cursor, CelValue container);
extern bool cel_cursor_next(CelCursor *cursor, CelValue *element, CelValue *value);

/* ---- fault.c ---- */

extern void cel_fault(InnCelFault *fault, int sqlerrcode, int position, const char *format, ...)
	pg_attribute_printf(4, 5);

extern void cel_fault_from_error(InnCelFault *fault, CelValue error);

/* The message of an error, cut to fit; returns its length. */
extern int cel_error_message(CelValue error, char *buf, size_t size);

/* ---- output.c ---- */

extern CelValue cel_to_base64(CelContext *cx, CelValue bytes);

/* False with *fault filled if jsonb cannot hold it. */
extern bool cel_to_jsonb(CelContext *cx, CelValue value, Jsonb **out, InnCelFault *fault);

#pragma GCC visibility pop

#endif /* INN_CEL_INTERNAL_H */
