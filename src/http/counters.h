/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  What the HTTP workers count, for /metrics.
 *
 * IDENTIFICATION
 *	  src/http/counters.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_COUNTERS_H
#define INN_COUNTERS_H

/* X(enum name, metric name without prefix, type, help) */
#define INN_COUNTER_TABLE(X) \
	X(EVENTS_ACCEPTED, "events_accepted_total", "counter", "Events accepted over HTTP.") \
	X(EVENTS_REFUSED, "events_refused_total", "counter", \
	  "Requests with events that were refused over HTTP.") \
	X(EVENT_BATCHES, "event_batches_total", "counter", \
	  "Transactions in which events from HTTP were stored.") \
	X(RUNS_CREATED, "runs_created_total", "counter", "Runs created by events over HTTP.") \
	X(REPLIES_2XX, "http_replies_2xx_total", "counter", \
	  "HTTP replies with a status of 200 to 299.") \
	X(REPLIES_4XX, "http_replies_4xx_total", "counter", \
	  "HTTP replies with a status of 400 to 499.") \
	X(REPLIES_5XX, "http_replies_5xx_total", "counter", \
	  "HTTP replies with a status of 500 to 599.") \
	X(CONNECTIONS, "http_connections", "gauge", "Open HTTP connections.") \
	X(LONG_POLLS, "http_long_polls", "gauge", "Lease requests that wait for a run.")

typedef enum InnCounter
{
#define INN_COUNTER_DECLARE(name, text, type, help) INN_COUNTER_##name,
	INN_COUNTER_TABLE(INN_COUNTER_DECLARE)
#undef INN_COUNTER_DECLARE
	INN_COUNTER_COUNT
} InnCounter;

extern Size inn_counters_shmem_size(void);
extern void inn_counters_shmem_init(void);

/* Add to a counter; gauges may be lowered.  Safe in foreign callbacks. */
extern void inn_count(InnCounter counter, int64 amount);

#endif /* INN_COUNTERS_H */
