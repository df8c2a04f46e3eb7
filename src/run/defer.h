/*-------------------------------------------------------------------------
 *
 * defer.h
 *	  Functions that a run wants started when it has ended (protocol.md 8.9, semantics.md 2.14).
 *
 * What is wrong with a defer never fails the run: it is recorded as rejected, with the reason.  That of an op is what it was when
 * the op came first; to report it again changes nothing, and aborted or rejected ones never come back.
 *
 * IDENTIFICATION
 *	  src/run/defer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_DEFER_H
#define INN_DEFER_H

#include "run/changes.h"
#include "run/op.h"

/* Most defers of a run, and most that are recorded, with those that were rejected; what is beyond leaves no trace. */
#define INN_DEFERS_MAX 20
#define INN_DEFERS_MAX_RECORDED 100

/* Most bytes of an input, of all inputs of a run, and of a meta, as canonical JSON. */
#define INN_DEFER_INPUT_MAX_BYTES (4 * 1024 * 1024)
#define INN_DEFER_INPUTS_MAX_BYTES (4 * 1024 * 1024)
#define INN_DEFER_META_MAX_BYTES (32 * 1024)

#define INN_EVENT_DEFERRED "inngest/deferred.schedule"

/* Carry out those of the ops that are DeferAdd or DeferAbort, at once.  The run must be claimed. */
extern void inn_defers_apply(InnChanges *changes, const InnUlid *run_id, const InnOp *ops,
							 int nops);

/* The run has ended: have the functions started. */
extern void inn_defers_announce(InnChanges *changes, const InnEnding *ending);

#endif /* INN_DEFER_H */
