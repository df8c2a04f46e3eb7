/*-------------------------------------------------------------------------
 *
 * sqlapi.c
 *	  The SQL door: unwrap Datums, call the inside, wrap the answer.  No logic.
 *
 * The functions are declared SECURITY DEFINER with a pinned search_path (sql/parts/60_api.sql), so
 * everything below runs as inngest_engine.
 *
 * IDENTIFICATION
 *	  src/sqlapi.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/cron.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/ident.h"
#include "base/jcs.h"
#include "base/json.h"
#include "base/timer.h"
#include "base/when.h"
#include "cel/cel.h"
#include "ingest/accept.h"
#include "ingest/register.h"
#include "ingest/settle.h"
#include "match/invoke.h"
#include "match/signal.h"
#include "relay/relay.h"
#include "run/lifecycle.h"
#include "schedule/admit.h"

/* 9999-12-31; beyond it nothing is sure of the calendar */
#define LAST_CRON_TIME INT64CONST(252455529600000000)

PG_FUNCTION_INFO_V1(inngest_send_event);
PG_FUNCTION_INFO_V1(inngest_send_events);
PG_FUNCTION_INFO_V1(inngest_invoke_event);
PG_FUNCTION_INFO_V1(inngest_send_signal);
PG_FUNCTION_INFO_V1(inngest_register_function);
PG_FUNCTION_INFO_V1(inngest_delete_function);
PG_FUNCTION_INFO_V1(inngest_pause_function);
PG_FUNCTION_INFO_V1(inngest_resume_function);
PG_FUNCTION_INFO_V1(inngest_cancel_run);
PG_FUNCTION_INFO_V1(inngest_try_cancel_run);
PG_FUNCTION_INFO_V1(inngest_claim_run);
PG_FUNCTION_INFO_V1(inngest_rerun);
PG_FUNCTION_INFO_V1(inngest_lease_runs);
PG_FUNCTION_INFO_V1(inngest_extend_lease);
PG_FUNCTION_INFO_V1(inngest_complete_run);
PG_FUNCTION_INFO_V1(inngest_fail_run);
PG_FUNCTION_INFO_V1(inngest_library_version);
PG_FUNCTION_INFO_V1(inngest_duration);
PG_FUNCTION_INFO_V1(inngest_register_outcome);
PG_FUNCTION_INFO_V1(inngest_redis_status);
PG_FUNCTION_INFO_V1(inngest_cron_next);
PG_FUNCTION_INFO_V1(inngest_cel_eval);
PG_FUNCTION_INFO_V1(inngest_cel_check);
PG_FUNCTION_INFO_V1(inngest_canonical_json);
PG_FUNCTION_INFO_V1(inngest_step_hash);

static void require_args(FunctionCallInfo fcinfo, int nargs);
static char *text_arg(FunctionCallInfo fcinfo, int n);
static Jsonb *jsonb_arg(FunctionCallInfo fcinfo, int n);
static Datum change_function(FunctionCallInfo fcinfo, bool (*change)(const char *slug));
static int functions_from_array(ArrayType *slugs, InnFunction **functions);
static int ulids_from_array(ArrayType *array, InnUlid **ulids);
static int64 lease_usec(const Interval *interval);
static InnCelDialect dialect_arg(FunctionCallInfo fcinfo, int n);
static void put_problem(void *arg, InnCelProblem problem, const InnCelFault *fault);
static void put_lease(ReturnSetInfo *rsinfo, const InnLease *lease);

/* send_event(name text, data jsonb, id text, ts timestamptz, "user" jsonb) */
Datum
inngest_send_event(PG_FUNCTION_ARGS)
{
	InnUlid *result = palloc(sizeof(InnUlid));
	TimestampTz now = inn_now();
	InnRefusal refusal;
	InnEvent event = {
		.name = text_arg(fcinfo, 0),
		.data = jsonb_arg(fcinfo, 1),
		.caller_id = text_arg(fcinfo, 2),
		.ts = PG_ARGISNULL(3) ? now : PG_GETARG_TIMESTAMPTZ(3),
		.user = jsonb_arg(fcinfo, 4),
		.received_at = now,
	};
	InnSubmission submission = {.events = &event, .nevents = 1};

	if ((event.data != NULL && !JB_ROOT_IS_OBJECT(event.data)) ||
		(event.user != NULL && !JB_ROOT_IS_OBJECT(event.user)))
		ereport(ERROR,
				errcode(ERRCODE_INN_EVENT_INVALID),
				errmsg("event data and user must be JSON objects"));
	if (!inn_event_judge(&event, &refusal) ||
		!inn_event_fits_jsonb(event.data, event.user, &refusal))
		inn_refusal_throw(&refusal);

	inn_ulid_generate(&event.id);
	*result = event.id;
	inn_sql_begin();
	inn_accept((InnSubmission *[]){&submission}, 1);
	inn_sql_end();
	PG_RETURN_POINTER(result);
}

/* send_events(events jsonb) returns ulid[]; the SQL wrapper unnests it */
Datum
inngest_send_events(PG_FUNCTION_ARGS)
{
	InnSubmission submission;
	Datum *ids;

	inn_submission_from_json(jsonb_arg(fcinfo, 0), &submission);
	if (submission.is_refused)
	{
		if (submission.refused_index >= 0)
			submission.refusal.message =
				psprintf("event %d: %s", submission.refused_index + 1, submission.refusal.message);
		inn_refusal_throw(&submission.refusal);
	}

	inn_sql_begin();
	inn_accept((InnSubmission *[]){&submission}, 1);
	inn_sql_end();

	ids = palloc(Max(submission.nevents, 1) * sizeof(Datum));
	for (int i = 0; i < submission.nevents; i++)
		ids[i] = InnUlidPGetDatum(&submission.events[i].id);
	PG_RETURN_ARRAYTYPE_P(
		construct_array(ids, submission.nevents, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

/* invoke_event(id text, event jsonb) returns the event's id */
Datum
inngest_invoke_event(PG_FUNCTION_ARGS)
{
	InnUlid *result = palloc(sizeof(InnUlid));
	InnSubmission submission;
	InnFunction function;
	char *target;

	require_args(fcinfo, 2);
	target = text_arg(fcinfo, 0);
	inn_submission_from_invocation(target, jsonb_arg(fcinfo, 1), &submission);
	if (submission.is_refused)
		inn_refusal_throw(&submission.refusal);
	*result = submission.events[0].id;
	inn_sql_begin();
	if (!inn_functions_by_name(target, &function) || !inn_invoke_is_allowed(&function))
		ereport(ERROR,
				errcode(ERRCODE_INN_FUNCTION_NOT_FOUND),
				errmsg("function \"%s\" does not exist", target));
	inn_accept((InnSubmission *[]){&submission}, 1);
	inn_sql_end();
	PG_RETURN_POINTER(result);
}

/* send_signal(signal text, data jsonb) returns the run that was waiting, or null */
Datum
inngest_send_signal(PG_FUNCTION_ARGS)
{
	InnUlid *result = palloc(sizeof(InnUlid));
	InnChanges changes;
	bool found;

	require_args(fcinfo, 1);
	inn_sql_begin();
	inn_changes_init(&changes);
	found = inn_signal_send(&changes, text_arg(fcinfo, 0), jsonb_arg(fcinfo, 1), result);
	inn_settle(&changes);
	inn_sql_end();
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}

/* register_function(config jsonb) returns the slug; the SQL wrapper reads the row */
Datum
inngest_register_function(PG_FUNCTION_ARGS)
{
	InnFunction function;
	text *slug;

	inn_sql_begin();
	(void) inn_register(jsonb_arg(fcinfo, 0), &function);
	slug = (text *) SPI_palloc(VARHDRSZ + strlen(function.slug));
	SET_VARSIZE(slug, VARHDRSZ + strlen(function.slug));
	memcpy(VARDATA(slug), function.slug, strlen(function.slug));
	inn_sql_end();
	PG_RETURN_TEXT_P(slug);
}

Datum
inngest_delete_function(PG_FUNCTION_ARGS)
{
	return change_function(fcinfo, inn_functions_archive);
}

Datum
inngest_pause_function(PG_FUNCTION_ARGS)
{
	return change_function(fcinfo, inn_functions_pause);
}

Datum
inngest_resume_function(PG_FUNCTION_ARGS)
{
	return change_function(fcinfo, inn_functions_resume);
}

static Datum
change_function(FunctionCallInfo fcinfo, bool (*change)(const char *slug))
{
	char *slug = text_arg(fcinfo, 0);

	inn_sql_begin();
	if (!change(slug))
		ereport(ERROR,
				errcode(ERRCODE_INN_FUNCTION_NOT_FOUND),
				errmsg("function \"%s\" does not exist", slug));
	inn_sql_end();
	PG_RETURN_VOID();
}

/* try_cancel_run(run ulid) returns boolean: null if somebody else is changing the run */
Datum
inngest_try_cancel_run(PG_FUNCTION_ARGS)
{
	InnChanges changes;
	InnCancelResult result;

	inn_sql_begin();
	inn_changes_init(&changes);
	result = inn_run_try_cancel(&changes, PG_GETARG_INN_ULID_P(0));
	inn_settle(&changes);
	inn_sql_end();
	if (result == INN_CANCEL_BUSY)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(result == INN_CANCEL_DONE);
}

/* cancel_run(run ulid) returns boolean */
Datum
inngest_cancel_run(PG_FUNCTION_ARGS)
{
	InnChanges changes;
	bool was_cancelled;

	inn_sql_begin();
	inn_changes_init(&changes);
	was_cancelled = inn_run_cancel(&changes, PG_GETARG_INN_ULID_P(0));
	inn_settle(&changes);
	inn_sql_end();
	PG_RETURN_BOOL(was_cancelled);
}

/* claim_run(run ulid) */
Datum
inngest_claim_run(PG_FUNCTION_ARGS)
{
	inn_run_claim_patiently(PG_GETARG_INN_ULID_P(0));
	PG_RETURN_VOID();
}

/* rerun(run ulid, from_step text, input jsonb) returns the new run; null for null */
Datum
inngest_rerun(PG_FUNCTION_ARGS)
{
	InnUlid *result = palloc(sizeof(InnUlid));
	char *from_step = text_arg(fcinfo, 1);
	Jsonb *input = jsonb_arg(fcinfo, 2);

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (from_step == NULL && input != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("an input is for a step, so from_step must name one"));
	inn_sql_begin();
	*result = inn_admit_again(PG_GETARG_INN_ULID_P(0), from_step, input);
	inn_sql_end();
	PG_RETURN_POINTER(result);
}

/* lease_runs(functions text[], max int, lease interval, runs ulid[]) returns setof leases */
Datum
inngest_lease_runs(PG_FUNCTION_ARGS)
{
	int max;
	int64 usec;
	InnFunction *functions;
	InnUlid *run_ids = NULL;
	int nrun_ids = 0;
	int nfunctions;
	InnLease *leases;
	int nleases;

	InitMaterializedSRF(fcinfo, 0);
	require_args(fcinfo, 3);
	max = PG_GETARG_INT32(1);
	usec = lease_usec(PG_GETARG_INTERVAL_P(2));
	if (max < 1 || max > INN_MAX_LEASES)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("max must be between 1 and %d", INN_MAX_LEASES));
	if (!PG_ARGISNULL(3))
		nrun_ids = ulids_from_array(PG_GETARG_ARRAYTYPE_P(3), &run_ids);

	leases = palloc(max * sizeof(InnLease));
	inn_sql_begin();
	nfunctions = functions_from_array(PG_GETARG_ARRAYTYPE_P(0), &functions);
	nleases = inn_run_lease(functions, nfunctions, run_ids, nrun_ids, max, usec, leases);
	inn_sql_end();

	for (int i = 0; i < nleases; i++)
		put_lease((ReturnSetInfo *) fcinfo->resultinfo, &leases[i]);
	return (Datum) 0;
}

static void
put_lease(ReturnSetInfo *rsinfo, const InnLease *lease)
{
	bool nulls[5] = {false};
	Datum values[5] = {
		InnUlidPGetDatum(&lease->run_id),		InnUlidPGetDatum(&lease->lease_id),
		UUIDPGetDatum(&lease->function_id),		Int32GetDatum(lease->attempt),
		TimestampTzGetDatum(lease->expires_at),
	};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* extend_lease(run ulid, lease ulid, duration interval) returns timestamptz */
Datum
inngest_extend_lease(PG_FUNCTION_ARGS)
{
	TimestampTz expires_at;
	int64 usec = lease_usec(PG_GETARG_INTERVAL_P(2));

	inn_sql_begin();
	expires_at = inn_run_extend(PG_GETARG_INN_ULID_P(0), PG_GETARG_INN_ULID_P(1), usec);
	inn_sql_end();
	PG_RETURN_TIMESTAMPTZ(expires_at);
}

/* complete_run(run ulid, lease ulid, output jsonb) */
Datum
inngest_complete_run(PG_FUNCTION_ARGS)
{
	InnChanges changes;

	require_args(fcinfo, 2);
	inn_sql_begin();
	inn_changes_init(&changes);
	inn_run_complete(&changes, PG_GETARG_INN_ULID_P(0), PG_GETARG_INN_ULID_P(1),
					 jsonb_arg(fcinfo, 2));
	inn_settle(&changes);
	inn_sql_end();
	PG_RETURN_VOID();
}

/* fail_run(run ulid, lease ulid, error jsonb, retry bool) returns timestamptz, null if there is no retry */
Datum
inngest_fail_run(PG_FUNCTION_ARGS)
{
	InnChanges changes;
	TimestampTz retry_at;

	require_args(fcinfo, 2);
	inn_sql_begin();
	inn_changes_init(&changes);
	retry_at = inn_run_fail(&changes, PG_GETARG_INN_ULID_P(0), PG_GETARG_INN_ULID_P(1),
							jsonb_arg(fcinfo, 2), PG_ARGISNULL(3) || PG_GETARG_BOOL(3));
	inn_settle(&changes);
	inn_sql_end();
	if (retry_at == INN_NEVER)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(retry_at);
}

/* library_version() returns text */
Datum
inngest_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(INN_VERSION));
}

/* duration(text) returns interval */
Datum
inngest_duration(PG_FUNCTION_ARGS)
{
	text *given = PG_GETARG_TEXT_PP(0);
	Interval *result = palloc0(sizeof(Interval));

	if (!inn_duration_parse(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &result->time))
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("\"%s\" is not a duration", text_to_cstring(given)),
				errhint("Write numbers with units, for example \"90s\", \"5m\" or \"1d12h\"."));
	PG_RETURN_INTERVAL_P(result);
}

/* register_outcome(config jsonb, OUT outcome text, OUT slug text, OUT faults jsonb) */
Datum
inngest_register_outcome(PG_FUNCTION_ARGS)
{
	static const char *const outcomes[] = {
		[INN_PUT_CREATED] = "created",
		[INN_PUT_CHANGED] = "changed",
		[INN_PUT_SAME] = "same",
	};
	Jsonb *config = jsonb_arg(fcinfo, 0);
	InnDefinition definition;
	InnFaults faults = {0};
	TupleDesc desc;
	Datum values[3] = {0};
	bool nulls[3] = {false, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	if (inn_definition_judge(config, &definition, &faults))
	{
		InnFunction function;

		inn_sql_begin();
		values[0] = CStringGetDatum(outcomes[inn_register(config, &function)]);
		inn_sql_end();
		values[0] = CStringGetTextDatum(DatumGetCString(values[0]));
		values[1] = CStringGetTextDatum(definition.slug);
		nulls[1] = false;
	}
	else
	{
		values[0] = CStringGetTextDatum(faults.has_invalid ? "invalid" : "unsupported");
		values[2] = JsonbPGetDatum(inn_faults_to_json(&faults));
		nulls[2] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* redis_status(OUT status text, OUT error text, OUT since timestamptz, OUT pushed bigint, OUT failures bigint) */
Datum
inngest_redis_status(PG_FUNCTION_ARGS)
{
	InnRelayStatus relay;
	bool is_known = inn_redis_is_configured() && inn_relay_status(&relay);
	TupleDesc desc;
	Datum values[5] = {0};
	bool nulls[5] = {false, true, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(!inn_redis_is_configured()		 ? "disabled"
									: is_known && relay.is_connected ? "ok"
																	 : "down");
	if (is_known)
	{
		nulls[1] = relay.error[0] == '\0';
		values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(relay.error);
		nulls[2] = relay.since == 0;
		values[2] = TimestampTzGetDatum(relay.since);
		nulls[3] = nulls[4] = false;
		values[3] = Int64GetDatum(relay.pushed_total);
		values[4] = Int64GetDatum(relay.failures_total);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* The first nargs arguments must not be null (the function as a whole is not STRICT). */
static void
require_args(FunctionCallInfo fcinfo, int nargs)
{
	for (int i = 0; i < nargs; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("argument %d must not be null", i + 1));
	}
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static Jsonb *
jsonb_arg(FunctionCallInfo fcinfo, int n)
{
	Jsonb *json = PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n);

	if (json != NULL && !inn_json_numbers_fit(json))
		ereport(ERROR, errcode(ERRCODE_INN_JSON_INVALID),
				errmsg("a number is beyond the range of a double, or has more than %d digits behind the point",
					   INN_JSON_MAX_DIGITS),
				errhint("Send it as a string."));
	return json;
}

/* Unknown functions are an error: a worker that misspells one would wait for ever. */
static int
functions_from_array(ArrayType *slugs, InnFunction **functions)
{
	Datum *values;
	bool *nulls;
	int nvalues;
	int count = 0;

	deconstruct_array(slugs, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &nvalues);
	*functions = palloc(Max(nvalues, 1) * sizeof(InnFunction));
	for (int i = 0; i < nvalues; i++)
	{
		char *slug = nulls[i] ? pstrdup("") : TextDatumGetCString(values[i]);
		InnFunction *function = &(*functions)[count];

		CHECK_FOR_INTERRUPTS();
		if (!inn_functions_by_slug(slug, function))
			ereport(ERROR,
					errcode(ERRCODE_INN_FUNCTION_NOT_FOUND),
					errmsg("function \"%s\" does not exist", slug));
		if (function->runtime != INN_RUNTIME_PULL)
			ereport(ERROR,
					errcode(ERRCODE_INN_PARAMETER_INVALID),
					errmsg("function \"%s\" is not of the pull runtime", slug));
		count++;
	}
	return count;
}

static int
ulids_from_array(ArrayType *array, InnUlid **ulids)
{
	Datum *values;
	bool *nulls;
	int nvalues;
	int count = 0;

	deconstruct_array(array, ARR_ELEMTYPE(array), sizeof(InnUlid), false, TYPALIGN_CHAR, &values,
					  &nulls, &nvalues);
	*ulids = palloc(Max(nvalues, 1) * sizeof(InnUlid));
	for (int i = 0; i < nvalues; i++)
	{
		if (!nulls[i])
			(*ulids)[count++] = *DatumGetInnUlidP(values[i]);
	}
	return count;
}

static int64
lease_usec(const Interval *interval)
{
	int64 usec;

	if (interval->month != 0 || pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &usec) ||
		pg_add_s64_overflow(usec, interval->time, &usec) || usec < INN_LEASE_MIN_USEC ||
		usec > INN_LEASE_MAX_USEC)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("a lease must last between 1 second and 24 hours"));
	return usec;
}

/* cron_next(cron text, after timestamptz) */
Datum
inngest_cron_next(PG_FUNCTION_ARGS)
{
	char *expression = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz after = PG_GETARG_TIMESTAMPTZ(1);
	InnCron cron;
	const char *fault = inn_cron_parse(expression, &cron);
	TimestampTz next;

	if (fault != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid cron expression \"%s\"", expression),
				errdetail("%s", fault));
	if (TIMESTAMP_NOT_FINITE(after) || after > LAST_CRON_TIME)
		PG_RETURN_NULL();
	next = inn_cron_next(&cron, after);
	if (next == INN_NEVER)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/* step_hash(id text) */
Datum
inngest_step_hash(PG_FUNCTION_ARGS)
{
	char hash[INN_STEP_HASH_SIZE];

	inn_step_hash(text_to_cstring(PG_GETARG_TEXT_PP(0)), hash);
	PG_RETURN_TEXT_P(cstring_to_text(hash));
}

/* canonical_json(value jsonb) */
Datum
inngest_canonical_json(PG_FUNCTION_ARGS)
{
	Jsonb *value = PG_GETARG_JSONB_P(0);
	StringInfoData buf;
	InnJcsFault fault;
	char *result;

	initStringInfo(&buf);
	fault = inn_jcs_append(&buf, value);
	if (fault != INN_JCS_GOOD)
		ereport(ERROR,
				errcode(fault == INN_JCS_NUMBER_RANGE ? ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE
													  : ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				errmsg("value has no canonical JSON"),
				errdetail("%s", inn_jcs_sentence(fault)));
	result = pg_any_to_server(buf.data, buf.len, PG_UTF8);
	PG_RETURN_TEXT_P(result == buf.data ? cstring_to_text_with_len(buf.data, buf.len)
										: cstring_to_text(result));
}

/* cel_eval(expression text, variables jsonb, dialect text) */
Datum
inngest_cel_eval(PG_FUNCTION_ARGS)
{
	text *expression = PG_GETARG_TEXT_PP(0);
	Jsonb *variables = PG_GETARG_JSONB_P(1);
	InnCelDialect dialect = dialect_arg(fcinfo, 2);
	InnCelInput input = {.variables = &variables->root};
	InnCelHandle *handle = fcinfo->flinfo->fn_extra;
	InnCelFault fault;
	Jsonb *result;

	if (!JB_ROOT_IS_OBJECT(variables))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("variables must be a JSON object"),
				errdetail("Its keys are the names that the expression can use."),
				errhint("For example: {\"event\": {\"data\": {\"plan\": \"pro\"}}}"));
	if (handle == NULL)
		handle = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(InnCelHandle));

	result =
		inn_cel_eval(inn_cel_cached(handle, VARDATA_ANY(expression), VARSIZE_ANY_EXHDR(expression)),
					 dialect, &input, &fault);
	if (result == NULL)
		inn_cel_throw(VARDATA_ANY(expression), VARSIZE_ANY_EXHDR(expression), &fault);
	PG_FREE_IF_COPY(variables, 1);
	PG_RETURN_JSONB_P(result);
}

static InnCelDialect
dialect_arg(FunctionCallInfo fcinfo, int n)
{
	text *name = PG_GETARG_TEXT_PP(n);
	size_t len = VARSIZE_ANY_EXHDR(name);

	if (len == strlen("inngest") && memcmp(VARDATA_ANY(name), "inngest", len) == 0)
		return INN_CEL_INNGEST;
	if (len == strlen("strict") && memcmp(VARDATA_ANY(name), "strict", len) == 0)
		return INN_CEL_STRICT;
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("unknown dialect \"%s\"", text_to_cstring(name)),
			errhint("The dialects are \"inngest\" and \"strict\"."));
}

typedef struct ProblemSink
{
	ReturnSetInfo *rsinfo;
	const char *expression;
} ProblemSink;

/* cel_check(expression text, roots text[], restrictive bool) */
Datum
inngest_cel_check(PG_FUNCTION_ARGS)
{
	text *expression = PG_GETARG_TEXT_PP(0);
	InnCelPolicy policy = {.is_restricted = PG_GETARG_BOOL(2)};
	ProblemSink sink = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo,
						.expression = VARDATA_ANY(expression)};
	Datum *roots;
	const char **names;

	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &roots, NULL,
					  &policy.nroots);
	names = palloc(Max(policy.nroots, 1) * sizeof(char *));
	for (int i = 0; i < policy.nroots; i++)
		names[i] = TextDatumGetCString(roots[i]);
	policy.roots = names;
	(void) inn_cel_judge(VARDATA_ANY(expression), VARSIZE_ANY_EXHDR(expression), &policy,
						 put_problem, &sink);
	return (Datum) 0;
}

/* The position is that of a character, from 1. */
static void
put_problem(void *arg, InnCelProblem problem, const InnCelFault *fault)
{
	static const char *const names[] = {
		[INN_CEL_PROBLEM_SYNTAX] = "syntax",	 [INN_CEL_PROBLEM_ROOT] = "name",
		[INN_CEL_PROBLEM_FUNCTION] = "function", [INN_CEL_PROBLEM_ARGUMENTS] = "arguments",
		[INN_CEL_PROBLEM_PATTERN] = "pattern",	 [INN_CEL_PROBLEM_POLICY] = "policy",
	};
	const ProblemSink *sink = arg;
	int characters = pg_mbstrlen_with_len(sink->expression, fault->position);
	Datum values[] = {CStringGetTextDatum(names[problem]), Int32GetDatum(characters + 1),
					  CStringGetTextDatum(fault->message)};
	bool nulls[lengthof(values)] = {false};

	tuplestore_putvalues(sink->rsinfo->setResult, sink->rsinfo->setDesc, values, nulls);
}
