/*-------------------------------------------------------------------------
 *
 * appsapi.c
 *	  The SQL door to apps: unwrap Datums, call the inside, wrap the answer.  No logic.
 *
 * The functions are declared SECURITY DEFINER with a pinned search_path (sql/parts/60_api.sql), so
 * everything below runs as inngest_engine.
 *
 * IDENTIFICATION
 *	  src/appsapi.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/httpurl.h"
#include "base/json.h"
#include "ingest/sync.h"
#include "store/syncs.h"

PG_FUNCTION_INFO_V1(inngest_register_app);
PG_FUNCTION_INFO_V1(inngest_sync_app);
PG_FUNCTION_INFO_V1(inngest_archive_app);
PG_FUNCTION_INFO_V1(inngest_archive_app_url);

static Jsonb *body_arg(FunctionCallInfo fcinfo, int n);
static char *text_arg(FunctionCallInfo fcinfo, int n);
static char *url_arg(FunctionCallInfo fcinfo, int n);

/*
 * register_app(body jsonb, sdk text, framework text, platform text, OUT error_code text, OUT error text, OUT faults jsonb,
 * OUT is_modified boolean, OUT sync_id uuid, OUT app_id uuid)
 */
Datum
inngest_register_app(PG_FUNCTION_ARGS)
{
	InnSyncHeaders headers = {text_arg(fcinfo, 1), text_arg(fcinfo, 2), text_arg(fcinfo, 3)};
	Jsonb *body = body_arg(fcinfo, 0);
	InnSyncOutcome outcome;
	TupleDesc desc;
	HeapTupleHeader result;
	Datum values[6] = {0};
	bool nulls[6] = {true, true, true, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	inn_sql_begin();
	inn_sync_register(body, &headers, &outcome);
	if (outcome.is_accepted)
	{
		values[3] = BoolGetDatum(outcome.is_modified);
		values[4] = UUIDPGetDatum(&outcome.ids.sync_id);
		values[5] = UUIDPGetDatum(&outcome.ids.app_id);
		nulls[3] = nulls[4] = nulls[5] = false;
	}
	else
	{
		values[0] = CStringGetTextDatum(outcome.error_code);
		values[1] = CStringGetTextDatum(outcome.error);
		values[2] = JsonbPGetDatum(inn_faults_to_json(&outcome.faults));
		nulls[0] = nulls[1] = nulls[2] = false;
	}
	/* where it outlives what SPI takes away */
	result = SPI_returntuple(heap_form_tuple(desc, values, nulls), desc);
	inn_sql_end();
	PG_RETURN_HEAPTUPLEHEADER(result);
}

/* archive_app(name text) returns void */
Datum
inngest_archive_app(PG_FUNCTION_ARGS)
{
	char *name = text_arg(fcinfo, 0);

	inn_sql_begin();
	if (inn_apps_archive(name) == 0)
		ereport(ERROR,
				errcode(ERRCODE_INN_APP_NOT_FOUND),
				errmsg("app \"%s\" does not exist", name));
	inn_sql_end();
	PG_RETURN_VOID();
}

/* archive_app_url(url text) returns integer */
Datum
inngest_archive_app_url(PG_FUNCTION_ARGS)
{
	char *url = url_arg(fcinfo, 0);
	int narchived;

	inn_sql_begin();
	narchived = inn_apps_archive_at(url);
	inn_sql_end();
	PG_RETURN_INT32(narchived);
}

/* sync_app(url text) returns uuid */
Datum
inngest_sync_app(PG_FUNCTION_ARGS)
{
	char *url = url_arg(fcinfo, 0);
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

	inn_sql_begin();
	*id = inn_syncs_put(url);
	inn_sql_end();
	PG_RETURN_UUID_P(id);
}

static Jsonb *
body_arg(FunctionCallInfo fcinfo, int n)
{
	Jsonb *body;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("what an app registers must not be null"));
	body = PG_GETARG_JSONB_P(n);
	if (!inn_json_numbers_fit(body))
		ereport(ERROR,
				errcode(ERRCODE_INN_JSON_INVALID),
				errmsg("a number has more than %d digits before or after the point",
					   INN_JSON_MAX_DIGITS));
	return body;
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* The URL of an app that is called, normalised. */
static char *
url_arg(FunctionCallInfo fcinfo, int n)
{
	char *given = text_arg(fcinfo, n);
	InnUrlKind kind;
	const char *fault;
	char *url = inn_http_url_normalize(given, &kind, &fault);

	if (url != NULL && kind == INN_URL_WEBSOCKET)
		fault = "Must be a URL that begins with http:// or https://.";
	if (fault != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("\"%s\" is not the URL of an app", given),
				errdetail_internal("%s", fault));
	return url;
}
