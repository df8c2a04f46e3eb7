/*-------------------------------------------------------------------------
 *
 * op.h
 *	  What an SDK reports: ops (protocol.md 8), read from JSON; and what is told of a step afterwards.
 *
 * An op is one thing that a function did or wants done: a step that has run, a sleep, a wait.  They come in
 * the replies of apps and in checkpoints, in one form; run/opcode.c says what each does to a run.
 *
 * IDENTIFICATION
 *	  src/run/op.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_OP_H
#define INN_OP_H

#include "utils/jsonb.h"

/* Most ops of one reply (protocol.md 9.5). */
#define INN_MAX_OPS 1000

/* Longest step id, and what a name for people is cut off after; ids are 40 hex digits as SDKs make them. */
#define INN_STEP_ID_MAX_BYTES 128
#define INN_STEP_NAME_MAX_BYTES 1024

/* Largest opts (which hold a step's input), data or error of an op, as canonical JSON (protocol.md 1). */
#define INN_STEP_MAX_BYTES (4 * 1024 * 1024)

/* What SDKs call the function itself: SHA-1 of "complete". */
#define INN_STEP_COMPLETE "0737c22d3bfae812339732d14d8c7dbd6dc4e09c"

/* X(enum name, name on the wire; compared without regard to case) */
#define INN_OP_TABLE(X) \
	X(NONE, "None") \
	X(STEP, "Step") /* legacy: the data is the memo */ \
	X(STEP_RUN, "StepRun") \
	X(STEP_ERROR, "StepError") \
	X(STEP_FAILED, "StepFailed") \
	X(STEP_PLANNED, "StepPlanned") \
	X(SLEEP, "Sleep") \
	X(WAIT_FOR_EVENT, "WaitForEvent") \
	X(WAIT_FOR_SIGNAL, "WaitForSignal") \
	X(INVOKE, "InvokeFunction") \
	X(AI_GATEWAY, "AIGateway") \
	X(GATEWAY, "Gateway") \
	X(DISCOVERY, "DiscoveryRequest") \
	X(RUN_COMPLETE, "RunComplete") \
	X(SYNC_RUN_COMPLETE, "SyncRunComplete") \
	X(DEFER_ADD, "DeferAdd") \
	X(DEFER_ABORT, "DeferAbort")

typedef enum InnOpKind
{
#define INN_OP_DECLARE(name, text) INN_OP_##name,
	INN_OP_TABLE(INN_OP_DECLARE)
#undef INN_OP_DECLARE
	INN_OP_COUNT
} InnOpKind;

/* Texts and documents are palloc'ed and never NULL unless it says so. */
typedef struct InnOp
{
	InnOpKind kind;
	const char *id;		   /* step id; "" only where none is needed (inn_op_needs_id) */
	const char *name;	   /* for people: displayName, else name, else id */
	const char *wire_name; /* "name" as it came, or "": the argument of Sleep and WaitForEvent */
	const char *type;	   /* opts.type, or NULL */
	bool is_race;		   /* opts.parallelMode is "race" */
	Jsonb *opts;		   /* an object, or NULL */
	Jsonb *data;		   /* NULL if absent; JSON null is a value */
	Jsonb *error;		   /* as memoised (run/fault.h); NULL never of StepError and StepFailed */
	bool is_final;		   /* error.noRetry is true */
	Jsonb *metadata;	   /* an array (store/metadata.h), or NULL */
	int64 started_ns;	   /* timing.a, since 1970; 0 if absent */
	int64 duration_ns;	   /* timing.b */
} InnOp;

extern const char *inn_op_wire_name(InnOpKind kind);

/* Ops about the run as a whole need not name a step. */
static inline bool
inn_op_needs_id(InnOpKind kind)
{
	return kind != INN_OP_NONE && kind != INN_OP_DISCOVERY && kind != INN_OP_RUN_COMPLETE &&
		   kind != INN_OP_SYNC_RUN_COMPLETE;
}

/* Lazy ops (DeferAdd, DeferAbort) never cause a call by themselves; nor does None. */
static inline bool
inn_op_is_lazy(InnOpKind kind)
{
	return kind == INN_OP_DEFER_ADD || kind == INN_OP_DEFER_ABORT || kind == INN_OP_NONE;
}

/*
 * Read ops: an array of objects, or a single object.  Unknown keys are ignored, missing ones are what the
 * comments above say.  palloc'ed, copied out of the value; *nops is set.
 *
 * NULL, with a sentence in *error that names the op by its index: not an array or object, an unknown op, an id that
 * is missing or too long, more than INN_MAX_OPS (then *is_overflow is set), something beyond INN_STEP_MAX_BYTES other than
 * the opts of a DeferAdd.
 * Never raises an error for bad input.
 */
extern InnOp *inn_ops_read(const JsonbValue *value, int *nops, bool *is_overflow, char **error);

/* What the function is told of a step that has ended so: canonical JSON, palloc'ed. */
extern char *inn_op_memo(const InnOp *op);

/* What its row in inngest.steps says that it is: run, ai, fetch. */
extern const char *inn_op_step_kind(const InnOp *op);

#endif /* INN_OP_H */
