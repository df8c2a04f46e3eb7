/*-------------------------------------------------------------------------
 *
 * judge.h
 *	  Judging a JSON object field by field, and collecting what is wrong.
 *
 * A fault is a value, not an error: judging goes on, so that whoever wrote the
 * object learns of all its faults at once, each with its path.
 *
 * A key is set if it is there and its value is not null, [] or {}: different
 * clients leave an option out in different ways.  Keys are compared without
 * regard to the case of ASCII letters; keys that nobody asks for are ignored.
 *
 * IDENTIFICATION
 *	  src/ingest/judge.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_JUDGE_H
#define INN_JUDGE_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "cel/cel.h"

/* so many faults are listed; the others are counted */
#define INN_FAULTS_MAX 50

typedef enum InnFaultKind
{
	INN_FAULT_INVALID,	   /* never right */
	INN_FAULT_UNSUPPORTED, /* right, but this version cannot do it */
} InnFaultKind;

typedef struct InnFault
{
	InnFaultKind kind;
	char *path;			 /* like "triggers[0].event"; empty: the whole object */
	const char *subject; /* what the object is called, where there are many; or NULL */
	char *message;		 /* a sentence that does not repeat the path */
} InnFault;

/* Starts as zeroes; filled in the memory context that is current when a fault is found. */
typedef struct InnFaults
{
	InnFault *items; /* room for INN_FAULTS_MAX; NULL before the first */
	int count;
	int nomitted;		 /* found when the list was full */
	bool has_invalid;	 /* also one that is not listed */
	const char *subject; /* of the faults to come; NULL: of none */
} InnFaults;

/*
 * The list for a program, [{"path", "code", "message"} ...] with the code
 * "invalid" or "not_supported", and for a person, one line each.  Both name the
 * subject if there is one.  If faults were omitted, the last entry says how
 * many; its path is empty.
 */
extern Jsonb *inn_faults_to_json(const InnFaults *faults);
extern char *inn_faults_to_detail(const InnFaults *faults);

/* An object that is being judged. */
typedef struct InnPlace
{
	JsonbContainer *object;
	const char *path; /* from the outermost object, for whose path it is empty */
	InnFaults *faults;
} InnPlace;

typedef enum InnFieldType
{
	INN_FIELD_TEXT,
	INN_FIELD_INTEGER,
	INN_FIELD_DURATION,	  /* base/when.h */
	INN_FIELD_DEADLINE,	  /* a duration, or a time as RFC 3339 writes it */
	INN_FIELD_CHOICE,	  /* one of a few words, in any case */
	INN_FIELD_EXPRESSION, /* cel/cel.h */
} InnFieldType;

/* What expressions may use: most of them the event alone, that of a cancellation two events, and little else. */
extern const InnCelPolicy inn_event_policy;
extern const InnCelPolicy inn_cancel_policy;

/* One scalar member of an object. */
typedef struct InnField
{
	const char *key;
	InnFieldType type;
	bool is_required;

	/*
	 * TEXT: characters; INTEGER: values; DURATION: microseconds.  A max of 0 means no limit.  An empty
	 * text counts as not set for TEXT with a min of 0, for EXPRESSION, for DURATION and for DEADLINE.
	 */
	int64 min;
	int64 max;
	const char *const *choices; /* CHOICE: ends with NULL */
	const InnCelPolicy *policy; /* EXPRESSION: NULL for inn_event_policy */
} InnField;

/* A fault of a member; key is a path relative to the object, NULL for the object itself. */
extern void inn_place_fault(const InnPlace *place, const char *key, InnFaultKind kind,
							const char *format, ...) pg_attribute_printf(4, 5);

/* The value of a key; false if it is not set. */
extern bool inn_place_get(const InnPlace *place, const char *key, JsonbValue *out);

/* Is a field set, and not to an empty text where that counts as not set? */
extern bool inn_place_is_set(const InnPlace *place, const InnField *field);

/* Make a place of a value found under a (relative) path; a fault and false if it is no object. */
extern bool inn_place_open(const InnPlace *place, const char *key, const JsonbValue *value,
						   InnPlace *out);

/* The same for a key; false without a fault if it is not set. */
extern bool inn_place_enter(const InnPlace *place, const char *key, InnPlace *out);

/*
 * The elements of an array, palloc'ed; *count is set.  None, with a fault, if the value is no array
 * or has more than max elements; none without a fault if it is not set.
 */
extern JsonbValue *inn_place_elements(const InnPlace *place, const char *key, int max, int *count);

/* Read a field of the type in the name.  NULL or false if it is not set or has a fault. */
extern char *inn_place_text(const InnPlace *place, const InnField *field);
extern char *inn_place_expression(const InnPlace *place, const InnField *field);
extern bool inn_place_integer(const InnPlace *place, const InnField *field, int64 *out);
extern const char *inn_place_choice(const InnPlace *place, const InnField *field);
extern bool inn_place_duration(const InnPlace *place, const InnField *field, int64 *usec);

/* The same for DEADLINE: either *usec is set, or it is 0 and *when is set. */
extern bool inn_place_deadline(const InnPlace *place, const InnField *field, int64 *usec,
							   TimestampTz *when);

/* Judge fields of any type, when their values are of no interest. */
extern void inn_place_judge(const InnPlace *place, const InnField *fields, int nfields);

#endif /* INN_JUDGE_H */
