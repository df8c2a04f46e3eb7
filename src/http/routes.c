/*-------------------------------------------------------------------------
 *
 * routes.c
 *	  The route table, and matching a path against it.
 *
 * IDENTIFICATION
 *	  src/http/routes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/json.h"
#include "http/routes.h"

PG_FUNCTION_INFO_V1(inngest_routes);

static const InnRoute routes[] = {
	{"GET", "/", .function = "api_root", .is_quick = true,
	 .summary = "name, version and this list"},
	{"GET", "/health", .function = "api_health", .is_quick = true,
	 .summary = "are the database, Redis and the queue well"},
	{"GET", "/metrics", .function = "api_metrics",
	 .content_type = "text/plain; version=0.0.4; charset=utf-8",
	 .summary = "the same for Prometheus"},
	{"GET", "/api/openapi.json", .kind = INN_ROUTE_OPENAPI, .summary = "this API, described"},
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
	{"POST", "/e/{key}", .kind = INN_ROUTE_INGEST, .has_body = true,
	 .summary = "send events, as the SDKs do"},
};

static bool path_matches(const char *pattern, const char *path, const char **segment, int *len);
static bool method_matches(const char *method, const InnRoute *route);
static void add_allowed(InnTarget *target, const char *method);

InnTarget
inn_route_find(const InnRequest *request)
{
	InnTarget target = {.status = 404};
	bool is_literal = false;

	for (int i = 0; i < (int) lengthof(routes); i++)
	{
		const char *segment = NULL;
		int len = 0;

		if (!path_matches(routes[i].path, request->path, &segment, &len))
			continue;

		/* "/runs/lease" is not the run "lease": the literal route comes first and hides the other. */
		if (is_literal && segment != NULL)
			continue;
		is_literal = segment == NULL;

		target.status = 405;
		add_allowed(&target, routes[i].method);
		if (target.route != NULL || !method_matches(request->method, &routes[i]))
			continue;
		target.route = &routes[i];
		target.segment = segment == NULL ? NULL : pnstrdup(segment, len);
	}
	if (target.status == 405)
		add_allowed(&target, "OPTIONS");
	if (target.status == 405 && strcmp(request->method, "OPTIONS") == 0)
		target.status = 204;
	return target;
}

/* Compare segment by segment; a trailing slash makes another path. */
static bool
path_matches(const char *pattern, const char *path, const char **segment, int *len)
{
	while (*pattern != '\0')
	{
		if (*pattern != '{')
		{
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		*segment = path;
		*len = strcspn(path, "/");
		if (*len == 0)
			return false;
		path += *len;
		pattern = strchr(pattern, '}') + 1;
	}
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
	appendStringInfoString(buf, "{\"query\":[");
	for (int i = 0; i < request->nparameters; i++)
	{
		appendStringInfoString(buf, i > 0 ? ",[" : "[");
		inn_json_append_string(buf, request->parameters[i].name);
		appendStringInfoChar(buf, ',');
		inn_json_append_string(buf, request->parameters[i].value);
		appendStringInfoChar(buf, ']');
	}
	appendStringInfoString(buf, "],\"id\":");
	if (target->segment != NULL)
		inn_json_append_string(buf, target->segment);
	else
		appendStringInfoString(buf, "null");

	appendStringInfoChar(buf, '}');
	appendStringInfoChar(buf, '\0');
	appendBinaryStringInfo(buf, request->body == NULL ? "" : request->body, request->size);
}

/* routes(OUT method text, OUT path text, OUT summary text) returns setof record */
Datum
inngest_routes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(routes); i++)
	{
		bool nulls[3] = {false};
		Datum values[3] = {
			CStringGetTextDatum(routes[i].method),
			CStringGetTextDatum(routes[i].path),
			CStringGetTextDatum(routes[i].summary),
		};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
