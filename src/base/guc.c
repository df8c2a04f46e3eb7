/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Every setting: name, unit, default, sentence.
 *
 * Workers read their settings at each turn, so SIGHUP is enough for all but those that size shared
 * memory.
 *
 * IDENTIFICATION
 *	  src/base/guc.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/url.h"
#include "base/wake.h"

#define MINUTES_PER_DAY (24 * 60)

char *inn_database = NULL;
int inn_mode = INN_MODE_DEV;
char *inn_http_address = NULL;
int inn_http_port = 8288;
int inn_http_workers = 1;
int inn_api_workers = 2;
int inn_http_max_connections = 1024;
int inn_http_timeout_ms = 30 * 1000;
int inn_statement_timeout_ms = 10 * 1000;
int inn_executors = 1;
int inn_max_calls = 1000;
int inn_max_calls_per_app = 500;
bool inn_allow_private_requests = false;
int inn_max_event_bytes = 512 * 1024;
int inn_max_events_per_request = 5000;
int inn_max_request_bytes = 16 * 1024 * 1024;
const char *inn_redis_url = NULL;
char *inn_redis_prefix = NULL;
int inn_redis_stream_maxlen = 1000000;
int inn_event_retention_min = 7 * MINUTES_PER_DAY;
int inn_run_retention_min = 30 * MINUTES_PER_DAY;
int inn_app_poll_interval_ms = 5000;
int inn_retry_interval_ms = 0;
int inn_expression_cache_kb = 65536;

static char *redis_url_for_server;

static const struct config_enum_entry mode_names[] = {
	{"dev", INN_MODE_DEV, false},
	{"cloud", INN_MODE_CLOUD, false},
	{NULL, 0, false},
};

static void define_workers(void);
static void define_http(void);
static void define_calls(void);
static void define_limits(void);
static void define_redis(void);
static void define_lifetimes(void);
static bool check_redis_url(char **newval, void **extra, GucSource source);
static void assign_redis_url(const char *newval, void *extra);
static const char *show_redis_url(void);
static bool check_redis_prefix(char **newval, void **extra, GucSource source);

void
inn_guc_init(void)
{
	define_workers();
	define_http();
	define_calls();
	define_limits();
	define_redis();
	define_lifetimes();
	MarkGUCPrefixReserved("inngest");
}

static void
define_workers(void)
{
	DefineCustomStringVariable("inngest.database",
							   "Database whose events, functions and runs the workers serve.",
							   NULL, &inn_database, "postgres",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.http_workers",
							"Number of workers that accept HTTP connections.",
							NULL, &inn_http_workers, 1, 1, INN_MAX_WORKERS_PER_ROLE,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.api_workers",
							"Number of workers that answer API requests other than events.",
							"The first of them answers only requests that are known to be quick.",
							&inn_api_workers, 2, 2, INN_MAX_WORKERS_PER_ROLE,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_http(void)
{
	DefineCustomEnumVariable("inngest.mode",
							 "dev: no keys are asked for; cloud: requests need keys, calls are signed.",
							 NULL, &inn_mode, INN_MODE_DEV, mode_names,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("inngest.http_address",
							   "Address on which the HTTP workers listen.",
							   "Beyond loopback only in cloud mode and with keys.",
							   &inn_http_address, "127.0.0.1",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.http_port",
							"TCP port on which the HTTP workers listen.",
							NULL, &inn_http_port, 8288, 1, 65535,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.http_max_connections",
							"Most connections of one HTTP worker.",
							"Further ones wait in the kernel's queue.",
							&inn_http_max_connections, 1024, 1, 8192,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.http_timeout",
							"Time within which a request must have arrived whole.",
							"A connection that is slower, or idle for so long, is closed.",
							&inn_http_timeout_ms, 30 * 1000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.statement_timeout",
							"Time that the database may take for one API request.",
							NULL, &inn_statement_timeout_ms, 10 * 1000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

static void
define_calls(void)
{
	DefineCustomIntVariable("inngest.executors",
							"Number of workers that call apps.",
							NULL, &inn_executors, 1, 1, INN_MAX_WORKERS_PER_ROLE,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.max_calls",
							"Most calls of apps that one executor makes at a time.",
							"A few calls of each app are made beyond it, so that no app waits for another.",
							&inn_max_calls, 1000, 1, 8192,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.max_calls_per_app",
							"Most calls of one app that one executor makes at a time.",
							NULL, &inn_max_calls_per_app, 500, 1, 8192,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("inngest.allow_private_requests",
							 "Let requests that functions have made (step.fetch, step.ai.infer) reach private addresses.",
							 "Loopback, link-local and private networks; who writes functions can then reach whatever this server can.",
							 &inn_allow_private_requests, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_limits(void)
{
	DefineCustomIntVariable("inngest.max_event_size",
							"Largest event, measured as JSON text.",
							NULL, &inn_max_event_bytes, 512 * 1024, 1024, 3 * 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.max_events_per_request",
							"Most events in one request or one call of send_events.",
							NULL, &inn_max_events_per_request, 5000, 1, 100000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.max_request_size",
							"Largest body of an HTTP request.",
							NULL, &inn_max_request_bytes, 16 * 1024 * 1024, 4096, 256 * 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.expression_cache_size",
							"Memory of each session for compiled expressions.",
							NULL, &inn_expression_cache_kb, 65536, 64, INT_MAX / 1024,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

static void
define_redis(void)
{
	DefineCustomStringVariable("inngest.redis_url",
							   "Redis to which new runs are pushed; empty for none.",
							   "redis://[user:password@]host[:port][/database] or unix:///path.",
							   &redis_url_for_server, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_redis_url, assign_redis_url, show_redis_url);
	DefineCustomStringVariable("inngest.redis_prefix",
							   "Prefix of all keys in Redis.",
							   NULL, &inn_redis_prefix, "inngest",
							   PGC_SIGHUP, 0, check_redis_prefix, NULL, NULL);
	DefineCustomIntVariable("inngest.redis_stream_maxlen",
							"Length to which streams in Redis are trimmed, about; 0 for no limit.",
							NULL, &inn_redis_stream_maxlen, 1000000, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_lifetimes(void)
{
	DefineCustomIntVariable("inngest.event_retention",
							"How long events are kept.",
							"The event of a run that has not ended is kept longer.",
							&inn_event_retention_min, 7 * MINUTES_PER_DAY, 60, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.run_retention",
							"How long runs are kept after their creation, once they have ended.",
							NULL, &inn_run_retention_min, 30 * MINUTES_PER_DAY, 60, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.app_poll_interval",
							"How often apps that have an error are asked to register, in dev mode; 0 for never.",
							NULL, &inn_app_poll_interval_ms, 5000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("inngest.retry_interval",
							"Fixed time between attempts, for development; 0 for the standard backoff.",
							NULL, &inn_retry_interval_ms, 0, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

/*
 * The value holds a password: say what is wrong, never what it is.
 *
 * The server logs each change of a setting with its new value, but only if what it stores has changed.
 * So it gets to store the empty string, always, and the true value is the hook's "extra".
 */
static bool
check_redis_url(char **newval, void **extra, GucSource source)
{
	size_t size = strlen(*newval) + 1;
	InnRedisUrl url;
	const char *error;
	bool is_valid = size == 1 || inn_redis_url_parse(*newval, &url, &error);

	explicit_bzero(&url, sizeof(url));
	if (!is_valid)
	{
		GUC_check_errmsg("invalid value for parameter \"inngest.redis_url\"");
		GUC_check_errdetail("%s", error);
		GUC_check_errhint("Write redis://[user:password@]host[:port][/database] or unix:///path.");
		return false;
	}

	*extra = inn_guc_malloc(size);
	if (*extra == NULL)
		return false;
	memcpy(*extra, *newval, size);
	explicit_bzero(*newval, size);
	return true;
}

static void
assign_redis_url(const char *newval, void *extra)
{
	inn_redis_url = extra;
}

/* What SHOW and pg_settings tell, to superusers. */
static const char *
show_redis_url(void)
{
	static char display[INN_URL_DISPLAY_SIZE];
	InnRedisUrl url;
	const char *error;

	display[0] = '\0';
	if (inn_redis_is_configured() && inn_redis_url_parse(inn_redis_url, &url, &error))
	{
		inn_redis_url_display(&url, display, sizeof(display));
		explicit_bzero(&url, sizeof(url));
	}
	return display;
}

static bool
check_redis_prefix(char **newval, void **extra, GucSource source)
{
	size_t len = strlen(*newval);

	if (len >= 1 && len <= 64 &&
		strspn(*newval, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:{}") ==
			len)
		return true;
	GUC_check_errdetail("A prefix has 1 to 64 letters, digits or characters of \"_-.:{}\".");
	return false;
}
