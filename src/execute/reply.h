/*-------------------------------------------------------------------------
 *
 * reply.h
 *	  What an app answered, as news of a run (protocol.md 6.5, 10).
 *
 * Pure: bytes in, a value out, nothing raised but lack of memory (and what inn_json_read() says of databases that are
 * not UTF-8).
 *
 * IDENTIFICATION
 *	  src/execute/reply.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_REPLY_H_EXECUTE
#define INN_REPLY_H_EXECUTE

#include "base/timer.h"
#include "execute/client.h"
#include "run/op.h"

/* Bounds of Retry-After. */
#define INN_RETRY_AFTER_MIN_USEC (INT64CONST(1) * USECS_PER_SEC)
#define INN_RETRY_AFTER_MAX_USEC (INT64CONST(24) * USECS_PER_HOUR)

/* What there may be instead of an answer. */
typedef enum InnNoAnswer
{
	INN_ANSWERED,
	INN_UNREACHABLE,	 /* nobody answered; somebody may, later */
	INN_NEVER_REACHABLE, /* the URL is none */
	INN_ANSWER_TOO_LARGE
} InnNoAnswer;

/*
 * An answer, however it came: what is read of it.  Headers are NULL if absent.  The body need not end in NUL, nor be
 * text.
 */
typedef struct InnAnswer
{
	InnNoAnswer trouble;
	const char *sentence; /* what the trouble is, for people */
	int status;
	const char *sdk;			 /* X-Inngest-SDK */
	const char *no_retry;		 /* X-Inngest-No-Retry */
	const char *retry_after;	 /* Retry-After */
	const char *request_version; /* X-Inngest-Req-Version */
	const char *content_type;	 /* Content-Type */
	const char *body;
	size_t size;

	/* of a durable endpoint: ops may have any status, and what is none is the answer to its user */
	bool is_endpoint;
	const InnClientHeader *headers;
	int nheaders;
} InnAnswer;

typedef enum InnOutcomeKind
{
	INN_OUTCOME_OPS,	/* 206: ops, perhaps none */
	INN_OUTCOME_RESULT, /* the function returned */
	INN_OUTCOME_ERROR /* the call failed: the function threw, or it was not the SDK that answered, or nobody */
} InnOutcomeKind;

typedef struct InnOutcomeOfCall
{
	InnOutcomeKind kind;
	InnOp *ops;
	int nops;
	Jsonb *
		result; /* RESULT: what it returned, JSON null if nothing; ERROR: the answer, or NULL if it is no JSON */
	Jsonb *error;  /* ERROR: {"error", "name", "message", "stack"?, "cause"?} (run/fault.h) */
	bool is_fatal; /* ERROR: ends the run at once, whatever attempts are left (overflow) */
	bool no_retry; /* x-inngest-no-retry: true, or what comes to the same; of a StepError, too */
	TimestampTz retry_at; /* of Retry-After, clamped; INN_NEVER: by the backoff table */
	int request_version;  /* x-inngest-req-version; -1 if absent */
} InnOutcomeOfCall;

/*
 * Interpret an answer.  is_targeted: the call asked for one planned step (a plain 200 "null" of Go then is an error,
 * protocol.md 9.4).  palloc'ed in the current context; nothing points into the answer afterwards.
 */
extern void inn_answer_read(const InnAnswer *answer, bool is_targeted, TimestampTz now,
							InnOutcomeOfCall *outcome);

#endif /* INN_REPLY_H_EXECUTE */
