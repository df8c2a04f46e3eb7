/*-------------------------------------------------------------------------
 *
 * defers.h
 *	  Functions that runs want started when they have ended: table inngest.defers.
 *
 * IDENTIFICATION
 *	  src/store/defers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_DEFERS_H
#define INN_DEFERS_H

#include "utils/jsonb.h"

#include "store/sql.h"

/* Texts and documents live as long as the caller's context. */
typedef struct InnDefer
{
	InnUlid run_id;
	const char *id; /* of the op */
	const char *name;
	const char *function_slug; /* NULL, only if it is rejected: none was given */
	const char *reason;		   /* it is rejected; NULL: it is not */
	Jsonb *input;			   /* an object; NULL if it is rejected */
	Jsonb *meta;			   /* NULL: none */
	int32 size;				   /* of input, as canonical JSON */
} InnDefer;

/* What a run has deferred until now. */
typedef struct InnDeferTally
{
	int nrecorded; /* rows */
	int naccepted; /* of them not rejected */
	int64 bytes;   /* of the inputs of those */
	bool is_known; /* that op is among them */
} InnDeferTally;

extern InnDeferTally inn_defers_tally(const InnUlid *run_id, const char *id);

/* Record one, unless its op is known. */
extern void inn_defers_put(const InnDefer *defer, TimestampTz now);

/* The run has thought better of it; nothing happens if it is not waiting. */
extern void inn_defers_abort(const InnUlid *run_id, const char *id, TimestampTz now);

/* Mark those of a run that wait as scheduled, and return them in the order of their ops; palloc'ed, *count is set. */
extern InnDefer *inn_defers_schedule(const InnUlid *run_id, TimestampTz now, int *count);

/* What a call says of a defer. */
typedef struct InnDeferMark
{
	int run; /* index of its run */
	const char *id;
	bool is_abortable;
} InnDeferMark;

/* Those of several runs, run by run; palloc'ed, *count is set. */
extern InnDeferMark *inn_defers_marks(const InnUlid *run_ids, int nruns, int *count);

#endif /* INN_DEFERS_H */
