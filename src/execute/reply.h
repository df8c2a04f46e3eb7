/*-------------------------------------------------------------------------
 *
 * reply.h
 *	  What an app answered, as news of a run (protocol.md 6.5, 10).
 *
 * Pure: bytes in, a value out, nothing raised but lack of memory.  captures/edge-responses.json is the list of cases.
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
	Jsonb *result; /* RESULT: what it returned, JSON null if nothing */
	Jsonb *error;  /* ERROR: {"error", "name", "message", "stack"?, "cause"?}, as it is recorded */
	bool is_fatal; /* ERROR: ends the run at once, whatever attempts are left (overflow) */
	bool no_retry; /* x-inngest-no-retry: true */
	TimestampTz retry_at; /* of Retry-After, clamped; INN_NEVER: by the backoff table */
	int request_version;  /* x-inngest-req-version; -1 if absent */
} InnOutcomeOfCall;

/*
 * Interpret a finished call.  is_targeted: the call asked for one planned step (a plain 200 "null" of Go then is an
 * error, protocol.md 9.4).  palloc'ed in the current context; reply may be freed afterwards.
 */
extern void inn_reply_read(const InnClientReply *reply, bool is_targeted, TimestampTz now,
						   InnOutcomeOfCall *outcome);

#endif /* INN_REPLY_H_EXECUTE */
