/*-------------------------------------------------------------------------
 *
 * opcode.h
 *	  What the answer to a call does to its run.
 *
 * Everything is collected (run/changes.h).  The run must be claimed, and the job of the call deleted, by the caller: that it could
 * be deleted is what gives him the right.
 *
 * IDENTIFICATION
 *	  src/run/opcode.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_OPCODE_H
#define INN_OPCODE_H

#include "run/changes.h"
#include "run/op.h"
#include "store/apps.h"

/* Longest time for which a step may sleep or wait; and for which it waits if it does not say (protocol.md 1). */
#define INN_MAX_WAIT_DAYS 366
#define INN_DEFAULT_WAIT_DAYS 365

/* The name of the error of a run with too many steps. */
#define INN_FAULT_OVERFLOW_STEPS "InngestErrFunctionOverflowed"

/* How often a function that has nothing to say is called again. */
#define INN_MAX_EMPTY_REPLIES 1000

/* A call that has been made. */
typedef struct InnCallNews
{
	const InnJob *job;
	const InnFunction *function;
	InnUlid event_id;	  /* of the event that the run was started by */
	int request_version;  /* of the run; -1: this is the first answer */
	int reply_version;	  /* that this answer names; -1: none */
	TimestampTz retry_at; /* that this answer asks for; INN_NEVER: by the table */
	bool no_retry;		  /* it says that another attempt would be in vain */
	InnStateSize state;	  /* of the run, when the call was made; there may be more by now */
	TimestampTz started_at;
} InnCallNews;

/* The function has reported ops, perhaps none. */
extern void inn_apply_ops(InnChanges *changes, const InnCallNews *news, const InnOp *ops, int nops);

/* It has returned. */
extern void inn_apply_result(InnChanges *changes, const InnCallNews *news, Jsonb *result);

typedef struct InnCallFault
{
	Jsonb *reported; /* what the app sent; NULL: nothing */
	Jsonb *error;	 /* {"error", "name", "message", ...} */
	bool no_retry;
	bool is_fatal;		  /* ends the run, whatever it may have left to do */
	TimestampTz retry_at; /* INN_NEVER: by the table of backoffs */
} InnCallFault;

/* It has failed, or was not reached. */
extern void inn_apply_fault(InnChanges *changes, const InnCallNews *news,
							const InnCallFault *fault);

/*
 * Steps that are reported while the call goes on (protocol.md 12.2).  False, with a sentence in *error, if one of the ops cannot be
 * reported so; then nothing is collected.
 */
extern bool inn_apply_checkpoint(InnChanges *changes, const InnCallNews *news, const InnOp *ops,
								 int nops, char **error);

/* A step has ended by an event, a signal, a timeout or by itself: record it and go on. */
extern void inn_apply_sleep_end(InnChanges *changes, const InnJob *job);
extern void inn_apply_pause_end(InnChanges *changes, const InnPause *pause, const char *memo);

#endif /* INN_OPCODE_H */
