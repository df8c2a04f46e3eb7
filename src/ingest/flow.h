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
#include "store/apps.h"

/*
 * Judge concurrency, throttle, rateLimit, debounce, batchEvents, priority,
 * idempotency, cancel, timeouts and singleton: their shapes, their bounds and
 * which of them exclude each other.  What is enforced goes into the definition.
 * Each other one that is set and would have an effect is a fault of the
 * unsupported kind.
 */
extern void inn_flow_judge(const InnPlace *config, InnDefinition *definition);

#endif /* INN_FLOW_H */
