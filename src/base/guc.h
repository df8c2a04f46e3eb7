/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Every setting.  docs/settings.md explains them to users.
 *
 * IDENTIFICATION
 *	  src/base/guc.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_GUC_H
#define INN_GUC_H

/* Where the workers work. */
extern char *inn_database;

/* Whom the server trusts: in dev everybody who can reach it, in cloud who has a key (store/keys.h). */
typedef enum InnMode
{
	INN_MODE_DEV,
	INN_MODE_CLOUD
} InnMode;

extern int inn_mode;

/* HTTP */
extern char *inn_http_address;
extern int inn_http_port;
extern int inn_http_workers;
extern int inn_api_workers;
extern int inn_http_max_connections; /* per HTTP worker */
extern int inn_http_timeout_ms;		 /* a request must have arrived whole by then */
extern int inn_statement_timeout_ms; /* of API requests other than events */

/* Calls of apps */
extern int inn_executors;
extern int inn_max_calls; /* of one executor */
extern int inn_max_calls_per_app;
extern bool
	inn_allow_private_requests; /* step.fetch and step.ai.infer may reach private addresses */

/* Limits of what arrives */
extern int inn_max_event_bytes;
extern int inn_max_events_per_request;
extern int inn_max_request_bytes;

/* Redis; empty URL: no relay.  The URL holds a password; SHOW does not (guc.c). */
extern const char *inn_redis_url;
extern char *inn_redis_prefix;
extern int inn_redis_stream_maxlen;

/* Retention, read in SQL (inngest.maintain) */
extern int inn_event_retention_min;
extern int inn_run_retention_min;

/* What a backend keeps of compiled expressions, at most */
extern int inn_expression_cache_kb;

/* How often apps with an error are asked to register, in dev mode; 0: never */
extern int inn_app_poll_interval_ms;

/* 0: the backoff table; else a fixed delay between attempts, without jitter, for development */
extern int inn_retry_interval_ms;

/* Define them all; called once, from _PG_init. */
extern void inn_guc_init(void);

/* Is there a Redis to tell? */
static inline bool
inn_redis_is_configured(void)
{
	return inn_redis_url != NULL && inn_redis_url[0] != '\0';
}

#endif /* INN_GUC_H */
