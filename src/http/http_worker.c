/*-------------------------------------------------------------------------
 *
 * http_worker.c
 *	  One turn of the HTTP loop.
 *
 * A tick takes all requests that have arrived whole.  Events are stored here, all that came together in
 * one transaction (ingest_batch.c); everything else becomes a call to an API worker (calls.c), so that
 * nothing but the acceptance of events can keep this loop.
 *
 * Settings that concern the socket take effect at SIGHUP: the socket is closed and opened anew.  A port
 * that is taken, or an address that is refused, is reported once and tried again.  An address beyond loopback is
 * given up as soon as it is not allowed any more (auth.c), which each tick looks at.
 *
 * IDENTIFICATION
 *	  src/http/http_worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "http/auth.h"
#include "http/calls.h"
#include "http/channel.h"
#include "http/counters.h"
#include "http/http_worker.h"
#include "http/ingest_batch.h"
#include "http/openapi.h"
#include "http/reply.h"
#include "http/routes.h"
#include "http/server.h"

#define LISTEN_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)

/* Turns of the inner loop in one tick: answers lead to new requests on the same connections. */
#define ROUNDS_PER_TICK 8

/* Requests of any kind in one round: others must get their turn, too. */
#define REQUESTS_PER_ROUND 1024

static MemoryContext worker_context;
static InnServerConfig listening;		   /* what the socket was opened with */
static TimestampTz listen_at = DT_NOBEGIN; /* when to try */
static char *listen_failure;			   /* said so already; NULL: listening */

static void forget_connections(int code, Datum arg);
static bool settings_changed(const InnServerConfig *wanted);
static InnServerConfig wanted_config(void);
static void close_everything(void);
static void listen_if_due(void);
static void report_failure(const char *reason, const char *hint);
static bool serve_ready_requests(void);
static void serve(InnRequest *request);
static bool is_text(const InnRequest *request);
static bool is_utf8(const char *value);
static bool refuse_early(InnRequest *request, const InnTarget *target);
static bool is_json(const char *content_type);
static void reply_no_route(InnRequest *request, const InnTarget *target);

void
inn_http_init(int index)
{
	worker_context = CurrentMemoryContext;
	inn_channel_attach();
	inn_calls_init();
	before_shmem_exit(forget_connections, (Datum) 0);
}

/* They end with us, without libmicrohttpd's saying so. */
static void
forget_connections(int code, Datum arg)
{
	inn_count(INN_COUNTER_CONNECTIONS, -inn_server_connections());
}

InnWaitSocket
inn_http_socket(void)
{
	return (InnWaitSocket){.fd = inn_server_fd()};
}

bool
inn_http_is_deaf(void)
{
	return !inn_calls_want_runs();
}

TimestampTz
inn_http_tick(bool reloaded)
{
	InnServerConfig wanted = wanted_config();
	const char *hint;

	if (reloaded && settings_changed(&wanted))
		close_everything();
	if (inn_server_is_running() && inn_auth_address_fault(listening.address, &hint) != NULL)
		close_everything();
	listen_if_due();

	/* Each run may bring requests, so never sleep after one without having looked. */
	for (int round = 0; round < ROUNDS_PER_TICK; round++)
	{
		bool any;

		inn_server_run();
		any = inn_calls_serve_answers();
		any |= serve_ready_requests();
		if (!any)
			return inn_sooner(inn_sooner(inn_server_deadline(), inn_calls_deadline()),
							  inn_server_is_running() ? INN_NEVER : listen_at);
	}
	return DT_NOBEGIN;
}

/*
 * An ERROR passed through, and a request may have been lost sight of: its connection would stay suspended
 * for ever.  Senders whose connection breaks know what to do.
 */
void
inn_http_recover(void)
{
	inn_batch_forget();
	close_everything();
}

static void
close_everything(void)
{
	inn_calls_abandon();
	inn_wait_forget_socket();
	inn_server_stop();
	listen_at = DT_NOBEGIN;
}

static InnServerConfig
wanted_config(void)
{
	return (InnServerConfig){
		.address = inn_http_address,
		.port = inn_http_port,
		.reuse_port = inn_http_workers > 1,
		.max_connections = inn_http_max_connections,
		.timeout_ms = inn_http_timeout_ms,
		.max_body_bytes = inn_max_request_bytes,
	};
}

static bool
settings_changed(const InnServerConfig *wanted)
{
	return listening.address == NULL || strcmp(listening.address, wanted->address) != 0 ||
		   listening.port != wanted->port || listening.reuse_port != wanted->reuse_port ||
		   listening.max_connections != wanted->max_connections ||
		   listening.timeout_ms != wanted->timeout_ms ||
		   listening.max_body_bytes != wanted->max_body_bytes;
}

static void
listen_if_due(void)
{
	InnServerConfig wanted = wanted_config();
	const char *fault;
	const char *hint;
	char error[256];

	if (inn_server_is_running() || inn_now() < listen_at)
		return;
	listen_at = inn_now() + LISTEN_RETRY_USEC;

	if (listening.address != NULL)
		pfree(unconstify(char *, listening.address));
	listening = wanted;
	listening.address = MemoryContextStrdup(worker_context, wanted.address);

	fault = inn_auth_address_fault(listening.address, &hint);
	if (fault != NULL)
		report_failure(fault, hint);
	else if (!inn_server_start(&listening, error, sizeof(error)))
		report_failure(error, "Free the port, or set \"inngest.http_port\" to another one.");
	else
	{
		ereport(LOG,
				errmsg("inngest is listening on http://%s:%d", wanted.address, wanted.port));
		if (listen_failure != NULL)
			pfree(listen_failure);
		listen_failure = NULL;
	}
}

/* Once per reason, not at each retry. */
static void
report_failure(const char *reason, const char *hint)
{
	char *failure =
		psprintf("could not listen on %s:%d: %s", listening.address, listening.port, reason);

	if (listen_failure == NULL || strcmp(listen_failure, failure) != 0)
	{
		ereport(LOG,
				errmsg("%s", failure),
				errhint("%s", hint));
		if (listen_failure != NULL)
			pfree(listen_failure);
		listen_failure = MemoryContextStrdup(worker_context, failure);
	}
	pgstat_report_activity(STATE_IDLE, failure);
}

/*
 * True if there were any.  What arrives while we judge what has arrived still joins the batch: a flush
 * takes much longer than another look, and without it those who got their replies together would come
 * back in two halves, each waiting for the flush of the other.
 */
static bool
serve_ready_requests(void)
{
	InnRequest *request = inn_server_next();
	bool any = request != NULL;

	for (int served = 1; request != NULL; served++)
	{
		serve(request);
		if (inn_batch_is_full() || served == REQUESTS_PER_ROUND)
			break;
		request = inn_server_next();
		if (request == NULL)
		{
			inn_server_run();
			request = inn_server_next();
		}
	}
	inn_batch_flush();
	return any;
}

static void
serve(InnRequest *request)
{
	InnTarget target;

	if (!is_text(request))
	{
		inn_reply_error(request, 400, "invalid_parameter",
						"the path, the query and the content type must be UTF-8");
		return;
	}

	target = inn_route_find(request);
	if (target.route == NULL)
	{
		reply_no_route(request, &target);
		return;
	}
	if (!inn_auth_admit(request, &target) || refuse_early(request, &target))
		return;

	switch (target.route->kind)
	{
		case INN_ROUTE_EVENTS:
		case INN_ROUTE_INGEST:
			inn_batch_add(request, &target);
			break;
		case INN_ROUTE_OPENAPI:
			inn_reply(request, 200, inn_openapi_json, strlen(inn_openapi_json));
			break;
		case INN_ROUTE_NOTHING:
			inn_reply(request, 200, target.route->content == NULL ? "" : target.route->content,
					  target.route->content == NULL ? 0 : strlen(target.route->content));
			break;
		case INN_ROUTE_CONNECT:
			if (request->size == 0)
				inn_reply(request, 200, "", 0);
			else
				inn_reply_error(request, 501, "not_supported", "Connect is not supported");
			break;
		case INN_ROUTE_MISSING:
			inn_reply_error(request, 501, "not_supported", target.route->summary);
			break;
		case INN_ROUTE_CALL:
			inn_calls_make(request, &target);
			break;
	}
}

/* Replies quote what was asked for, and JSON is UTF-8. */
static bool
is_text(const InnRequest *request)
{
	for (int i = 0; i < request->nparameters; i++)
	{
		if (!is_utf8(request->parameters[i].name) || !is_utf8(request->parameters[i].value))
			return false;
	}
	return is_utf8(request->method) && is_utf8(request->path) &&
		   is_utf8(request->headers[INN_HEADER_CONTENT_TYPE]);
}

static bool
is_utf8(const char *value)
{
	return value == NULL || pg_verify_mbstr(PG_UTF8, value, (int) strlen(value), true);
}

/* What is wrong with the request as such. */
static bool
refuse_early(InnRequest *request, const InnTarget *target)
{
	const char *content_type = request->headers[INN_HEADER_CONTENT_TYPE];

	switch (request->refused_status)
	{
		case 413:
			inn_reply_error(
				request, 413, "request_too_large",
				psprintf("the request body is larger than %d bytes (inngest.max_request_size)",
						 inn_max_request_bytes));
			return true;
		case 503:
			inn_reply_error(request, 503, "busy",
							"too many large requests at once; try again in a moment");
			return true;
		case 400:
			inn_reply_error(request, 400, "invalid_parameter",
							psprintf("the request has more than %d query parameters",
									 INN_SERVER_MAX_PARAMETERS));
			return true;
	}

	/* SDKs and tools of Inngest call JSON what they like */
	if (target->route->has_body && inn_family_of_path(request->path) == INN_FAMILY_OWN &&
		!is_json(content_type))
	{
		inn_reply_error(
			request, 415, "unsupported_media_type",
			psprintf(
				"the body must be JSON, not \"%s\": send the header \"Content-Type: application/json\"",
				content_type));
		return true;
	}
	return false;
}

/* No content type at all is taken for JSON. */
static bool
is_json(const char *content_type)
{
	size_t len;

	if (content_type == NULL)
		return true;
	len = strcspn(content_type, "; \t");
	return (len == 16 && pg_strncasecmp(content_type, "application/json", 16) == 0) ||
		   (len > 5 && pg_strncasecmp(content_type + len - 5, "+json", 5) == 0);
}

static void
reply_no_route(InnRequest *request, const InnTarget *target)
{
	InnFamily family = inn_family_of_path(request->path);
	InnFault fault = {.status = 404, .code = "not_found"};
	StringInfoData body;

	initStringInfo(&body);
	if (target->status == 404 && strncmp(request->path, "/e", 2) == 0 &&
		(request->path[2] == '\0' || strcmp(request->path, "/e/") == 0))
	{
		/* protocol.md 3.1 */
		appendStringInfoString(
			&body, "{\"status\":401,\"message\":\"\",\"error\":\"Event key is required\"}");
		inn_reply(request, 401, body.data, body.len);
		return;
	}
	if (target->status == 404)
		fault.sentence =
			psprintf("there is nothing at %s; GET / lists what there is", request->path);
	if (target->status == 405)
		fault = (InnFault){
			.status = 405,
			.code = "method_not_allowed",
			.sentence = psprintf("%s does not take %s, but %s", request->path, request->method,
								 target->allow),
		};
	if (target->status != 204)
		inn_reply_format_error(&body, family == INN_FAMILY_INGEST ? INN_FAMILY_OWN : family,
							   &fault);
	inn_server_reply(request, target->status, "application/json",
					 target->status == 404 ? NULL : target->allow, body.data, body.len);
}
