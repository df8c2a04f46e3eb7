/*-------------------------------------------------------------------------
 *
 * flow.h
 *	  The options of a function that limit, delay, gather or cancel its runs.
 *
 * IDENTIFICATION
 *	  src/ingest/flow.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_FLOW_H
#define INN_FLOW_H

#include "ingest/judge.h"

/*
 * Judge concurrency, throttle, rateLimit, debounce, batchEvents, priority,
 * idempotency, cancel, timeouts and singleton: their shapes, their bounds and
 * which of them exclude each other.  Each that is set and would have an effect
 * is also a fault of the unsupported kind, as none is enforced yet.
 */
extern void inn_flow_judge(const InnPlace *config);

#endif /* INN_FLOW_H */
