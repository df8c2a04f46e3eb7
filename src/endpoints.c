/*-------------------------------------------------------------------------
 *
 * endpoints.c
 *	  The SQL door for durable endpoints (protocol.md 12.3): requests to an app that became runs while the app answered them.
 *
 * Such a run is begun by the app.  As long as its SDK executes it, nobody calls the app; but there is a job that will, if nothing is heard of
 * the run for an hour, so that it ends even if its app does not live to see that.  This job is what the SDK holds: what it reports
 * is applied as if it were the answer to the call that the job would make (run/opcode.h).  When it reports something that takes
 * time, the job is gone for good, the run goes on in the background, and later reports of the SDK are refused.
 *
 * A function is known by the app's origin and by its name, or by its method and path; it is registered when it is first seen.
 *
 * IDENTIFICATION
 *	  src/endpoints.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/jwt.h"
#include "base/timer.h"
#include "base/ulid.h"
#include "ingest/settle.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "store/apps.h"
#include "store/outbox.h"
#include "store/secrets.h"

PG_FUNCTION_INFO_V1(inngest_start_endpoint_run);
PG_FUNCTION_INFO_V1(inngest_report_endpoint_run);
PG_FUNCTION_INFO_V1(inngest_sign_token);
PG_FUNCTION_INFO_V1(inngest_read_token);

/* For how long an app may execute a run and say nothing. */
#define HELD_USEC (INT64CONST(1) * USECS_PER_HOUR)

/* How far the time of a run id may be from now: partitions are made by it. */
#define RUN_ID_TOLERANCE_USEC (INT64CONST(1) * USECS_PER_DAY)

/* Longest text that names a function. */
#define NAME_MAX_BYTES 512

#define DEFAULT_RETRIES 3
#define MAX_ATTEMPTS 21

/* What an app says of a run that it begins. */
typedef struct Beginning
{
	InnUlid run_id;
	InnEvent event;
	JsonbContainer *request; /* event.data */
	const char *origin;		 /* http://127.0.0.1:3000 */
	const char *name;		 /* of the function */
	const char *language;	 /* of the SDK; NULL: not known */
	int max_attempts;
	int request_version;
} Beginning;

static void read_beginning(Jsonb *input, const char *sdk, Beginning *beginning);
static void read_run_id(Jsonb *input, Beginning *beginning);
static void read_event(Jsonb *input, Beginning *beginning);
static void name_function(Beginning *beginning);
static int read_number(Jsonb *input, const char *key, int absent, int min, int max);
static char *request_text(const Beginning *beginning, const char *key);
pg_noreturn static void refuse(const char *what);
static void put_function(const Beginning *beginning, InnFunction *function);
static Jsonb *function_config(const Beginning *beginning, const char *slug);
static void create_run(const Beginning *beginning, const InnFunction *function);
static InnOp *read_ops(Jsonb *input, int *nops);
static void apply(InnChanges *changes, const InnUlid *run_id, InnOp *ops, int nops);
static bool is_over(const InnOp *op);
static bool are_known(const InnUlid *run_id, const InnOp *ops, int nops);

/* start_endpoint_run(input jsonb, sdk text, OUT fn_id uuid, OUT app_id uuid) */
Datum
inngest_start_endpoint_run(PG_FUNCTION_ARGS)
{
	Jsonb *input = PG_GETARG_JSONB_P(0);
	char *sdk = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false};
	Beginning beginning;
	InnFunction function;
	pg_uuid_t *ids = palloc(2 * sizeof(pg_uuid_t));
	int nops = 0;
	InnOp *ops;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "start_endpoint_run must return a row");
	read_beginning(input, sdk, &beginning);
	ops = read_ops(input, &nops);

	inn_sql_begin();
	inn_run_claim_patiently(&beginning.run_id);
	put_function(&beginning, &function);
	create_run(&beginning, &function);
	if (nops > 0)
	{
		InnChanges changes;

		inn_changes_init(&changes);
		apply(&changes, &beginning.run_id, ops, nops);
		inn_settle(&changes);
	}
	ids[0] = function.id;
	ids[1] = function.app_id;
	inn_sql_end();

	values[0] = PointerGetDatum(&ids[0]);
	values[1] = PointerGetDatum(&ids[1]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---- what was sent ---- */

static void
read_beginning(Jsonb *input, const char *sdk, Beginning *beginning)
{
	*beginning = (Beginning){0};
	if (!JB_ROOT_IS_OBJECT(input))
		refuse("the request body must be a JSON object");
	read_run_id(input, beginning);
	read_event(input, beginning);
	name_function(beginning);
	beginning->max_attempts = read_number(input, "retries", DEFAULT_RETRIES, 0, MAX_ATTEMPTS - 1) +
							  1;
	beginning->request_version = read_number(input, "request_version", -1, -1, 999);
	if (sdk != NULL && strstr(sdk, "js:") != NULL)
		beginning->language = "js";
	else if ((sdk != NULL && strstr(sdk, "go:") != NULL) ||
			 strcmp(beginning->event.name, "http/run.started") == 0)
		beginning->language = "go";
}

static void
read_run_id(Jsonb *input, Beginning *beginning)
{
	JsonbValue value;
	int64 away;

	if (!inn_json_find(&input->root, "run_id", &value) || value.type != jbvString ||
		!inn_ulid_parse(value.val.string.val, value.val.string.len, &beginning->run_id))
		refuse("run_id must be a ULID");
	away = inn_run_queued_at(&beginning->run_id) - inn_now();
	if (away < -RUN_ID_TOLERANCE_USEC || away > RUN_ID_TOLERANCE_USEC)
		refuse("the time of run_id must be within a day of now");
}

static void
read_event(Jsonb *input, Beginning *beginning)
{
	JsonbValue event;
	JsonbValue value;
	InnEvent *out = &beginning->event;
	int64 ts;

	if (!inn_json_find(&input->root, "event", &event) || event.type != jbvBinary ||
		!inn_json_find(event.val.binary.data, "name", &value) || value.type != jbvString ||
		value.val.string.len == 0 || value.val.string.len > NAME_MAX_BYTES)
		refuse("event must be an object with a name");
	out->name = inn_json_string(&value);
	if (!inn_json_find(event.val.binary.data, "data", &value) || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		refuse("event.data must be an object");
	out->data = inn_json_to_jsonb(&value);
	beginning->request = &out->data->root;
	if (inn_json_find(event.val.binary.data, "id", &value) && value.type == jbvString &&
		value.val.string.len > 0)
		out->caller_id = inn_json_string(&value);
	if (inn_json_find(event.val.binary.data, "v", &value) && value.type == jbvString)
		out->version = inn_json_string(&value);
	out->ts = out->received_at = inn_now();
	if (inn_json_find(event.val.binary.data, "ts", &value) && inn_json_is_integer(&value, &ts) &&
		ts > 0 && ts <= INN_ULID_MAX_UNIX_MS)
		out->ts = inn_from_unix_ms(ts);
	inn_ulid_generate(&out->id);
}

static void
name_function(Beginning *beginning)
{
	char *name = request_text(beginning, "fn");

	beginning->origin = request_text(beginning, "domain");
	if (beginning->origin[0] == '\0' || strlen(beginning->origin) > NAME_MAX_BYTES)
		refuse("event.data.domain must say where the app is");
	if (name[0] == '\0')
		name =
			psprintf("%s %s", request_text(beginning, "method"), request_text(beginning, "path"));
	if (strlen(name) > NAME_MAX_BYTES)
		refuse("the name of the function, or its method and path, is too long");
	beginning->name = name;
}

/* "" if it is none. */
static char *
request_text(const Beginning *beginning, const char *key)
{
	JsonbValue value;

	if (!inn_json_find(beginning->request, key, &value) || value.type != jbvString)
		return pstrdup("");
	return inn_json_string(&value);
}

static int
read_number(Jsonb *input, const char *key, int absent, int min, int max)
{
	JsonbValue value;
	int64 number;

	if (!inn_json_find(&input->root, key, &value) || !inn_json_is_integer(&value, &number))
		return absent;
	return (int) Min(Max(number, min), max);
}

static void
refuse(const char *what)
{
	ereport(ERROR, errcode(ERRCODE_INN_CHECKPOINT_INVALID), errmsg("%s", what));
}

static InnOp *
read_ops(Jsonb *input, int *nops)
{
	JsonbValue steps;
	bool is_overflow = false;
	char *error;
	InnOp *ops;

	if (!inn_json_find(&input->root, "steps", &steps) || steps.type == jbvNull)
		return NULL;
	ops = inn_ops_read(&steps, nops, &is_overflow, &error);
	if (ops == NULL)
		ereport(ERROR,
				errcode(is_overflow ? ERRCODE_INN_STATE_TOO_LARGE : ERRCODE_INN_CHECKPOINT_INVALID),
				errmsg("the steps of the checkpoint are invalid: %s", error));
	return ops;
}

/* ---- a new run ---- */

static void
put_function(const Beginning *beginning, InnFunction *function)
{
	char *slug = psprintf("%s-%s", beginning->origin, beginning->name);
	InnDefinition definition = {
		.app = beginning->origin,
		.slug = slug,
		.name = beginning->name,
		.runtime = INN_RUNTIME_HTTP,
		.max_attempts = beginning->max_attempts,
		.url = psprintf("%s%s", beginning->origin, request_text(beginning, "path")),
		.step_id = "step",
		.language = beginning->language,
		.is_endpoint = true,
		.config = function_config(beginning, slug),
	};
	pg_uuid_t id;

	(void) inn_functions_put(&definition, &id);
	if (!inn_functions_by_id(&id, function))
		elog(ERROR, "a function that was registered is gone");
}

static Jsonb *
function_config(const Beginning *beginning, const char *slug)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "id", slug);
	inn_json_put_text(&state, "name", beginning->name);
	inn_json_put_key(&state, "triggers");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	inn_json_put_integer(&state, "retries", beginning->max_attempts - 1);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* It has begun, and its app has it. */
static void
create_run(const Beginning *beginning, const InnFunction *function)
{
	TimestampTz now = inn_now();
	InnRunList list = {0};
	InnEvent event = beginning->event;
	InnRun run = {
		.id = beginning->run_id,
		.app_id = function->app_id,
		.function_id = function->id,
		.function_version = function->version,
		.function_slug = function->slug,
		.event_id = event.id,
		.event_name = event.name,
		.run_at = now + HELD_USEC,
		.is_delayed = true,
		.is_held = true,
	};

	if (inn_runs_exists(&run.id))
	{
		char text[INN_ULID_TEXT_LEN + 1];

		inn_ulid_format(&run.id, text);
		ereport(ERROR, errcode(ERRCODE_INN_RUN_EXISTS), errmsg("run %s exists already", text));
	}
	inn_events_insert(&event, 1);
	inn_run_list_add(&list, &run);
	inn_run_create(&list);
	inn_runs_start(&run.id, 1, now);
	inn_outbox_put_status(&run.id, &run.function_id, 1);
	if (beginning->request_version >= 0)
		inn_runs_set_versions(
			&(InnRunVersion){
				.run_id = run.id,
				.request_version = beginning->request_version,
			},
			1);
}

/* ---- what becomes of it ---- */

/* report_endpoint_run(run ulid, input jsonb) */
Datum
inngest_report_endpoint_run(PG_FUNCTION_ARGS)
{
	const InnUlid *run_id = PG_GETARG_INN_ULID_P(0);
	Jsonb *input = PG_GETARG_JSONB_P(1);
	InnChanges changes;
	int nops = 0;
	InnOp *ops;

	if (!JB_ROOT_IS_OBJECT(input))
		refuse("the request body must be a JSON object");
	ops = read_ops(input, &nops);
	if (nops == 0)
		refuse("the steps of the checkpoint are invalid: there are none");
	inn_sql_begin();
	inn_run_claim_patiently(run_id);
	inn_changes_init(&changes);
	apply(&changes, run_id, ops, nops);
	inn_settle(&changes);
	inn_sql_end();
	PG_RETURN_VOID();
}

/* As if it were the answer to a call; but after results alone the app goes on by itself. */
static void
apply(InnChanges *changes, const InnUlid *run_id, InnOp *ops, int nops)
{
	InnRunToCall run;
	InnFunction function;
	InnJob job;
	bool goes_on = true;
	char *error;
	InnCallNews news = {
		.job = &job,
		.function = &function,
		.reply_version = -1,
		.retry_at = INN_NEVER,
		.started_at = changes->now,
	};

	if (!inn_jobs_take_held(run_id, &job))
	{
		char text[INN_ULID_TEXT_LEN + 1];

		if (are_known(run_id, ops, nops))
			return;
		inn_ulid_format(run_id, text);
		ereport(ERROR,
				errcode(ERRCODE_INN_DISPATCH_STALE),
				errmsg("run %s is not executed by its app any more", text),
				errdetail("It has ended, or goes on in the background. Nothing was stored."));
	}
	inn_runs_read_to_call(run_id, 1, &run);
	if (!inn_functions_by_id(&job.function_id, &function))
		elog(ERROR, "the function of a run is gone");
	news.event_id = run.event_id;
	news.request_version = run.request_version;
	news.state = inn_steps_size(run_id);
	for (int i = 0; i < nops; i++)
	{
		/* A request of ours is part of a call (execute/gateway.h); the app will ask for it again. */
		if (ops[i].kind == INN_OP_GATEWAY || ops[i].kind == INN_OP_AI_GATEWAY)
			ops[i].kind = INN_OP_DISCOVERY;
		goes_on &= !is_over(&ops[i]);
	}
	if (!goes_on)
	{
		inn_apply_ops(changes, &news, ops, nops);
		return;
	}
	if (!inn_apply_checkpoint(changes, &news, ops, nops, &error))
		ereport(ERROR,
				errcode(ERRCODE_INN_CHECKPOINT_INVALID),
				errmsg("%s", error));
	job.run_at = changes->now + HELD_USEC;
	inn_changes_queue(changes, &job);
}

/* Does the app stop executing the run with this? */
static bool
is_over(const InnOp *op)
{
	return op->kind != INN_OP_STEP && op->kind != INN_OP_STEP_RUN && !inn_op_is_lazy(op->kind);
}

/* Said again, because our answer was lost. */
static bool
are_known(const InnUlid *run_id, const InnOp *ops, int nops)
{
	const char **ids = palloc(Max(nops, 1) * sizeof(char *));
	bool *begun = palloc(Max(nops, 1) * sizeof(bool));
	bool is_alive;

	inn_runs_alive(run_id, 1, &is_alive);
	if (!is_alive && !inn_runs_exists(run_id))
		ereport(ERROR,
				errcode(ERRCODE_INN_CHECKPOINT_INVALID),
				errmsg("the run does not exist"));
	for (int i = 0; i < nops; i++)
		ids[i] = ops[i].id;
	inn_steps_begun(run_id, ids, nops, begun);
	for (int i = 0; i < nops; i++)
	{
		bool is_end = ops[i].kind == INN_OP_RUN_COMPLETE || ops[i].kind == INN_OP_SYNC_RUN_COMPLETE;

		if (!(is_end ? !is_alive : begun[i]))
			return false;
	}
	return true;
}

/* ---- tokens ---- */

/* sign_token(claims jsonb) returns text */
Datum
inngest_sign_token(PG_FUNCTION_ARGS)
{
	char *secret;
	char *token;
	MemoryContext caller = CurrentMemoryContext;
	Jsonb *claims = PG_GETARG_JSONB_P(0);

	inn_sql_begin();
	secret = MemoryContextStrdup(caller, inn_secrets_token());
	inn_sql_end();
	token = inn_jwt_make(claims, secret);
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

/* read_token(token text) returns jsonb: its claims; null if it is none of ours */
Datum
inngest_read_token(PG_FUNCTION_ARGS)
{
	char *secret;
	MemoryContext caller = CurrentMemoryContext;
	char *token = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Jsonb *claims;

	inn_sql_begin();
	secret = MemoryContextStrdup(caller, inn_secrets_token());
	inn_sql_end();
	claims = inn_jwt_read(token, secret);
	if (claims == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(claims);
}
