/*-------------------------------------------------------------------------
 *
 * routes.c
 *	  The route table, and matching a path against it.
 *
 * A route is one entry: what it does, what it asks for in cloud mode, which function answers it.  The form of
 * its errors follows from the beginning of its path (reply.c).
 *
 * IDENTIFICATION
 *	  src/http/routes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/guc.h"
#include "base/json.h"
#include "http/reply.h"
#include "http/routes.h"

PG_FUNCTION_INFO_V1(inngest_routes);

/* Of two paths that match a request the first is taken, so literal ones stand before those with {x}. */
static const InnRoute routes[] = {
	/* ---- the server ---- */
	{"GET", "/", .function = "api_root", .is_quick = true, .auth = INN_AUTH_NONE,
	 .summary = "name, version and this list"},
	{"GET", "/health", .function = "api_health", .is_quick = true, .auth = INN_AUTH_NONE,
	 .summary = "are the database, Redis and the queue well"},
	{"GET", "/metrics", .function = "api_metrics",
	 .content_type = "text/plain; version=0.0.4; charset=utf-8",
	 .summary = "the same for Prometheus"},
	{"GET", "/api/openapi.json", .kind = INN_ROUTE_OPENAPI, .auth = INN_AUTH_NONE,
	 .summary = "this API, described"},

	/* ---- our own API ---- */
	{"GET", "/api/v1/functions", .function = "api_list_functions",
	 .summary = "registered functions"},
	{"POST", "/api/v1/functions", .function = "api_register_function", .is_quick = true,
	 .has_body = true, .summary = "register a function, or change it"},
	{"GET", "/api/v1/functions/{id}", .function = "api_get_function", .is_quick = true,
	 .summary = "one function"},
	{"DELETE", "/api/v1/functions/{id}", .function = "api_delete_function", .is_quick = true,
	 .summary = "no new runs of a function"},
	{"POST", "/api/v1/events", .kind = INN_ROUTE_EVENTS, .has_body = true,
	 .summary = "send an event, or an array of them"},
	{"GET", "/api/v1/runs", .function = "api_list_runs", .summary = "runs, newest first"},
	{"POST", "/api/v1/runs/lease", .function = "api_lease_runs", .has_body = true, .is_quick = true,
	 .may_wait = true, .summary = "take waiting attempts of pull functions"},
	{"GET", "/api/v1/runs/{id}", .function = "api_get_run", .is_quick = true,
	 .summary = "one run with its events, attempts, output or error"},
	{"DELETE", "/api/v1/runs/{id}", .function = "api_cancel_run", .is_quick = true,
	 .summary = "cancel a run"},
	{"POST", "/api/v1/runs/{id}/complete", .function = "api_complete_run", .is_quick = true,
	 .has_body = true, .summary = "report the output of a leased run"},
	{"POST", "/api/v1/runs/{id}/fail", .function = "api_fail_run", .is_quick = true,
	 .has_body = true, .summary = "report a failed attempt"},
	{"POST", "/api/v1/runs/{id}/extend", .function = "api_extend_lease", .is_quick = true,
	 .has_body = true, .summary = "prolong a lease"},

	/* ---- the surface of Inngest (docs/http.md) ---- */
	{"POST", "/e/{key}", .kind = INN_ROUTE_INGEST, .auth = INN_AUTH_EVENT_KEY, .has_body = true,
	 .summary = "send events, as the SDKs do"},
	{"GET", "/dev", .function = "dev_info", .is_dev_only = true,
	 .summary = "what the dev server tells of itself"},
	{"POST", "/dev/traces", .kind = INN_ROUTE_NOTHING, .auth = INN_AUTH_NONE,
	 .summary = "accepted and dropped"},
	{"DELETE", "/v0/runs/{id}", .function = "v0_cancel_run", .is_quick = true,
	 .summary = "cancel a run"},
	{"GET", "/v0/runs/{id}/actions", .function = "v0_run_actions",
	 .summary = "what the steps of a run have come to, for calls that do not carry it"},
	{"GET", "/v0/runs/{id}/batch", .function = "v0_run_batch", .is_quick = true,
	 .summary = "the events of a run, for calls that do not carry them"},
	{"POST", "/v1/checkpoint", .function = "v1_start_endpoint", .is_quick = true, .has_body = true,
	 .may_end_in_slash = true, .summary = "a request to an app that has become a run"},
	{"POST", "/v1/checkpoint/{id}/steps", .function = "v1_endpoint_steps", .is_quick = true,
	 .has_body = true, .summary = "what the app says of such a run"},
	{"GET", "/v1/checkpoint/{id}/output", .function = "v1_endpoint_output", .auth = INN_AUTH_NONE,
	 .is_quick = true, .may_wait = true, .has_head = true,
	 .summary = "what such a run has come to; needs its token"},
	/* whoever was redirected here may repeat what he has asked */
	{"POST", "/v1/checkpoint/{id}/output", .function = "v1_endpoint_output", .auth = INN_AUTH_NONE,
	 .is_quick = true, .may_wait = true, .has_head = true, .summary = "the same"},
	{"PUT", "/v1/checkpoint/{id}/output", .function = "v1_endpoint_output", .auth = INN_AUTH_NONE,
	 .is_quick = true, .may_wait = true, .has_head = true, .summary = "the same"},
	{"PATCH", "/v1/checkpoint/{id}/output", .function = "v1_endpoint_output", .auth = INN_AUTH_NONE,
	 .is_quick = true, .may_wait = true, .has_head = true, .summary = "the same"},
	{"DELETE", "/v1/checkpoint/{id}/output", .function = "v1_endpoint_output",
	 .auth = INN_AUTH_NONE, .is_quick = true, .may_wait = true, .has_head = true,
	 .summary = "the same"},
	{"POST", "/v1/checkpoint/{id}/async", .function = "v1_checkpoint", .is_quick = true,
	 .has_body = true, .summary = "steps that have ended while a call goes on"},
	{"POST", "/invoke/{id}", .function = "api_invoke", .is_quick = true, .has_body = true,
	 .summary = "start a function, whatever its triggers are"},
	{"POST", "/v1/realtime/publish", .kind = INN_ROUTE_NOTHING,
	 .summary = "accepted and dropped: nobody can subscribe"},
	{"POST", "/v1/realtime/publish/tee", .kind = INN_ROUTE_NOTHING,
	 .summary = "accepted and dropped"},
	{"POST", "/fn/register", .function = "api_fn_register", .is_quick = true, .has_body = true,
	 .summary = "an SDK registers its app"},
	{"DELETE", "/fn/remove", .function = "api_fn_remove", .is_quick = true,
	 .summary = "forget the app at a URL"},
	{"POST", "/v0/telemetry", .kind = INN_ROUTE_NOTHING, .auth = INN_AUTH_NONE,
	 .summary = "accepted and dropped"},
	{"POST", "/v0/connect/start", .kind = INN_ROUTE_CONNECT,
	 .summary = "an empty body asks whether the server is up"},

	{"GET", "/v1/events", .function = "v1_list_events", .summary = "events, newest first"},
	{"GET", "/v1/events/{id}", .function = "v1_get_event", .is_quick = true,
	 .summary = "one event"},
	{"GET", "/v1/events/{id}/runs", .function = "v1_event_runs", .is_quick = true,
	 .summary = "the runs that an event has started"},
	{"GET", "/v1/runs/{id}", .function = "v1_get_run", .is_quick = true, .summary = "one run"},
	{"DELETE", "/v1/runs/{id}", .function = "v1_cancel_run", .is_quick = true,
	 .summary = "cancel a run"},
	{"GET", "/v1/runs/{id}/jobs", .function = "v1_run_jobs", .is_quick = true,
	 .summary = "what a run has still to do"},
	{"POST", "/v1/runs/{id}/metadata", .function = "v1_change_metadata", .is_quick = true,
	 .has_body = true, .summary = "what an app says of a run or a step beside its result"},
	{"POST", "/v1/cancellations", .function = "v1_cancel_runs", .is_quick = true, .has_body = true,
	 .may_end_in_slash = true,
	 .summary = "cancel the runs of a function that were created within a time"},
	{"GET", "/v1/cancellations", .function = "v1_list_cancellations", .is_quick = true,
	 .may_end_in_slash = true, .summary = "bulk cancellations"},
	{"DELETE", "/v1/cancellations/{id}", .function = "v1_delete_cancellation", .is_quick = true,
	 .summary = "cancel no more runs"},
	{"POST", "/v1/signals", .function = "v1_send_signal", .is_quick = true, .has_body = true,
	 .summary = "tell the run that waits for a signal"},
	{"GET", "/v1/apps/{app}/functions", .function = "v1_app_functions",
	 .summary = "functions of an app"},
	{"POST", "/v1/traces/userland", .kind = INN_ROUTE_NOTHING, .content = "{}",
	 .summary = "accepted and dropped"},
	{"GET", "/v1/prom/{env}", .kind = INN_ROUTE_MISSING,
	 .summary = "not implemented; see /metrics"},

	{"GET", "/v2/health", .function = "v2_health", .is_quick = true,
	 .summary = "whether the API answers"},
	{"GET", "/v2/account", .function = "v2_account", .is_quick = true,
	 .summary = "the one account"},
	{"GET", "/v2/envs", .function = "v2_list_envs", .is_quick = true, .summary = "environments"},
	{"POST", "/v2/envs", .kind = INN_ROUTE_MISSING, .summary = "environments cannot be made"},
	{"GET", "/v2/keys/events", .function = "v2_list_event_keys", .is_quick = true,
	 .summary = "event keys, without the keys"},
	{"GET", "/v2/keys/signing", .function = "v2_list_signing_keys", .is_quick = true,
	 .summary = "signing keys, without the keys"},
	{"POST", "/v2/events", .function = "v2_send_event", .has_body = true,
	 .summary = "send an event"},
	{"GET", "/v2/events/{id}/runs", .function = "v2_event_runs",
	 .summary = "the runs that an event has started"},
	{"GET", "/v2/runs", .function = "v2_list_runs", .summary = "runs"},
	{"GET", "/v2/runs/{id}", .function = "v2_get_run", .is_quick = true, .summary = "one run"},
	{"GET", "/v2/runs/{id}/trace", .function = "v2_get_trace", .is_quick = true,
	 .summary = "the steps and attempts of a run"},
	{"POST", "/v2/runs/{id}/cancel", .function = "v2_cancel_run", .is_quick = true,
	 .has_body = true, .summary = "cancel a run"},
	{"POST", "/v2/runs/{id}/rerun", .function = "v2_rerun", .is_quick = true, .has_body = true,
	 .summary = "start the function of a run once more"},
	{"GET", "/v2/apps", .function = "v2_list_apps", .summary = "apps, newest first"},
	{"GET", "/v2/apps/{app}", .function = "v2_get_app", .is_quick = true, .summary = "one app"},
	{"GET", "/v2/apps/{app}/functions", .function = "v2_list_functions",
	 .summary = "functions of an app"},
	{"GET", "/v2/apps/{app}/functions/{function}", .function = "v2_get_function", .is_quick = true,
	 .summary = "one function"},
	{"GET", "/v2/apps/{app}/functions/{function}/runs", .function = "v2_function_runs",
	 .summary = "runs of a function"},
	{"POST", "/v2/apps/{app}/functions/{function}/invoke", .function = "v2_invoke",
	 .is_quick = true, .has_body = true, .may_wait = true,
	 .summary = "start a function; answers with the run, or why there is none"},
	{"POST", "/v2/apps/{app}/syncs", .kind = INN_ROUTE_MISSING,
	 .summary = "apps register themselves"},
	{"POST", "/v2/insights/query", .kind = INN_ROUTE_MISSING, .summary = "there are no insights"},
	{"GET", "/v2/experiments", .kind = INN_ROUTE_MISSING, .summary = "there are no experiments"},
	{"GET", "/v2/sessions", .kind = INN_ROUTE_MISSING, .summary = "there are no sessions"},
};

/* Two names of the same thing. */
static const struct
{
	const char *prefix;
	const char *meaning;
} aliases[] = {
	{"/v1/http/runs", "/v1/checkpoint"},
	{"/api/v2/", "/v2/"},
};

static const char *without_alias(const char *path);
static bool path_matches(const InnRoute *route, const char *path, InnTarget *target);
static bool method_matches(const char *method, const InnRoute *route);
static void add_allowed(InnTarget *target, const char *method);
static void append_pair(StringInfo buf, bool is_first, const char *name, const char *value);

InnTarget
inn_route_find(const InnRequest *request)
{
	InnTarget target = {.status = 404};
	const char *path = without_alias(request->path);
	const char *pattern = NULL;

	for (int i = 0; i < (int) lengthof(routes); i++)
	{
		const InnRoute *route = &routes[i];

		/* "/runs/lease" is not the run "lease", not even for another method. */
		if (pattern != NULL ? strcmp(route->path, pattern) != 0
							: !path_matches(route, path, &target))
			continue;
		if (route->is_dev_only && inn_mode != INN_MODE_DEV)
			continue;
		pattern = route->path;
		target.status = 405;
		add_allowed(&target, route->method);
		if (target.route == NULL && method_matches(request->method, route))
			target.route = route;
	}
	if (target.status == 405)
		add_allowed(&target, "OPTIONS");
	if (target.status == 405 && strcmp(request->method, "OPTIONS") == 0)
		target.status = 204;
	return target;
}

static const char *
without_alias(const char *path)
{
	for (int i = 0; i < (int) lengthof(aliases); i++)
	{
		size_t size = strlen(aliases[i].prefix);

		if (strncmp(path, aliases[i].prefix, size) == 0)
			return psprintf("%s%s", aliases[i].meaning, path + size);
	}
	return path;
}

/* Compare segment by segment; what {x} matches goes into the target. */
static bool
path_matches(const InnRoute *route, const char *path, InnTarget *target)
{
	const char *pattern = route->path;

	target->nvariables = 0;
	while (*pattern != '\0')
	{
		InnVariable *variable = &target->variables[target->nvariables];
		size_t size;

		if (*pattern != '{')
		{
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size = strcspn(path, "/");
		if (size == 0)
			return false;
		Assert(target->nvariables < INN_ROUTE_MAX_VARIABLES);
		variable->name = pattern + 1;
		variable->name_size = (int) strcspn(variable->name, "}");
		variable->value = pnstrdup(path, size);
		inn_server_decode_rest(variable->value);
		target->nvariables++;
		path += size;
		pattern += variable->name_size + 2;
	}
	if (*path == '/' && route->may_end_in_slash)
		path++;
	return *path == '\0';
}

static bool
method_matches(const char *method, const InnRoute *route)
{
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	return strcmp(method, route->method) == 0;
}

static void
add_allowed(InnTarget *target, const char *method)
{
	if (target->allow[0] != '\0')
		strlcat(target->allow, ", ", sizeof(target->allow));
	strlcat(target->allow, method, sizeof(target->allow));
	if (strcmp(method, "GET") == 0)
		strlcat(target->allow, ", HEAD", sizeof(target->allow));
}

void
inn_route_argument(const InnTarget *target, const InnRequest *request, StringInfo buf)
{
	bool is_first = true;

	appendStringInfoString(buf, "{\"query\":[");
	for (int i = 0; i < request->nparameters; i++)
	{
		appendStringInfoString(buf, i > 0 ? ",[" : "[");
		inn_json_append_string(buf, request->parameters[i].name);
		appendStringInfoChar(buf, ',');
		inn_json_append_string(buf, request->parameters[i].value);
		appendStringInfoChar(buf, ']');
	}

	appendStringInfoString(buf, "],\"path\":{");
	for (int i = 0; i < target->nvariables; i++)
	{
		const InnVariable *variable = &target->variables[i];

		append_pair(buf, i == 0, pnstrdup(variable->name, variable->name_size), variable->value);
	}

	/* keys go no further than the door */
	appendStringInfoString(buf, "},\"headers\":{");
	for (int i = 0; i < INN_HEADER_COUNT; i++)
	{
		const char *value = request->headers[i];

		if (value == NULL || i == INN_HEADER_AUTHORIZATION ||
			!pg_verify_mbstr(PG_UTF8, value, (int) strlen(value), true))
			continue;
		append_pair(buf, is_first, inn_header_name(i), value);
		is_first = false;
	}

	appendStringInfoString(buf, "}}");
	appendStringInfoChar(buf, '\0');
	if (target->route->has_body && request->body != NULL)
		appendBinaryStringInfo(buf, request->body, request->size);
}

static void
append_pair(StringInfo buf, bool is_first, const char *name, const char *value)
{
	if (!is_first)
		appendStringInfoChar(buf, ',');
	inn_json_append_string(buf, name);
	appendStringInfoChar(buf, ':');
	inn_json_append_string(buf, value);
}

/* routes(OUT method text, OUT path text, OUT summary text, OUT is_own boolean) returns setof record */
Datum
inngest_routes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(routes); i++)
	{
		bool nulls[4] = {false};
		Datum values[4] = {
			CStringGetTextDatum(routes[i].method),
			CStringGetTextDatum(routes[i].path),
			CStringGetTextDatum(routes[i].summary),
			BoolGetDatum(inn_family_of_path(routes[i].path) == INN_FAMILY_OWN),
		};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
