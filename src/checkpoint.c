/*-------------------------------------------------------------------------
 *
 * checkpoint.c
 *	  The SQL door for what an app says of a run while it is being called (protocol.md 12.2).
 *
 * Who was given up, because its connection broke or this server was restarted, may still be running and report; its job may be
 * in other hands by then.  Only the dispatch that holds the job counts: everybody else is told 409, and stops.
 *
 * IDENTIFICATION
 *	  src/checkpoint.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/testing.h"
#include "base/ulid.h"
#include "execute/dispatch.h"
#include "execute/request.h"
#include "ingest/settle.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "store/runs.h"

PG_FUNCTION_INFO_V1(inngest_checkpoint);

static InnOp *read_ops(Jsonb *input, int *nops);
static int64 read_job(Jsonb *input);
static void check_dispatch(const InnUlid *run_id, int64 job_id, Jsonb *input);
pg_noreturn static void refuse_stale(const InnUlid *run_id);
static void store(const InnUlid *run_id, int64 job_id, const InnOp *ops, int nops);

/* checkpoint(run ulid, input jsonb) */
Datum
inngest_checkpoint(PG_FUNCTION_ARGS)
{
	const InnUlid *run_id = PG_GETARG_INN_ULID_P(0);
	Jsonb *input = PG_GETARG_JSONB_P(1);
	int nops;
	InnOp *ops = read_ops(input, &nops);
	int64 job_id = read_job(input);

	inn_sql_begin();
	inn_run_claim_patiently(run_id);
	check_dispatch(run_id, job_id, input);
	INN_WAIT_POINT("checkpoint before storing");
	store(run_id, job_id, ops, nops);
	inn_sql_end();
	inn_dispatch_reset_attempts(job_id);
	PG_RETURN_VOID();
}

static InnOp *
read_ops(Jsonb *input, int *nops)
{
	JsonbValue steps;
	bool is_overflow = false;
	char *error = "there are none";
	InnOp *ops = NULL;

	if (JB_ROOT_IS_OBJECT(input) && inn_json_find(&input->root, "steps", &steps))
		ops = inn_ops_read(&steps, nops, &is_overflow, &error);
	if (ops == NULL)
		ereport(ERROR,
				errcode(is_overflow ? ERRCODE_INN_STATE_TOO_LARGE : ERRCODE_INN_CHECKPOINT_INVALID),
				errmsg("the steps of the checkpoint are invalid: %s", error));
	return ops;
}

static int64
read_job(Jsonb *input)
{
	JsonbValue value;
	int64 job_id;

	if (!inn_json_find(&input->root, "qi_id", &value) || value.type != jbvString ||
		!inn_request_parse_queue_ref(inn_json_string(&value), &job_id))
		ereport(ERROR,
				errcode(ERRCODE_INN_CHECKPOINT_INVALID),
				errmsg("the checkpoint does not say which call it belongs to"),
				errdetail("Its qi_id must be the one of the call."));
	return job_id;
}

/* Is this the call that holds the job?  Some SDKs do not say which it is; then it must be there, at least. */
static void
check_dispatch(const InnUlid *run_id, int64 job_id, Jsonb *input)
{
	InnDispatch dispatch;
	JsonbValue value;
	InnUlid request_id;
	bool is_dispatched = inn_dispatch_find(job_id, &dispatch) &&
						 memcmp(&dispatch.run_id, run_id, sizeof(InnUlid)) == 0;

	if (inn_json_find(&input->root, "request_id", &value) && value.type == jbvString &&
		inn_ulid_parse(value.val.string.val, value.val.string.len, &request_id) &&
		(!is_dispatched || memcmp(&dispatch.request_id, &request_id, sizeof(InnUlid)) != 0))
		refuse_stale(run_id);
	if (!inn_jobs_exists(run_id, job_id))
		refuse_stale(run_id);
}

static void
refuse_stale(const InnUlid *run_id)
{
	char text[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(run_id, text);
	if (!inn_runs_exists(run_id))
		ereport(ERROR,
				errcode(ERRCODE_INN_CHECKPOINT_INVALID),
				errmsg("run %s does not exist", text));
	ereport(ERROR,
			errcode(ERRCODE_INN_DISPATCH_STALE),
			errmsg("this call of run %s is not the current one", text),
			errdetail("The run has ended, or the call was given up and made again. Nothing was stored."));
}

static void
store(const InnUlid *run_id, int64 job_id, const InnOp *ops, int nops)
{
	InnRunOrigin origin;
	InnFunction function;
	InnChanges changes;
	InnDispatch dispatch;
	char *error;
	InnJob job = {.id = job_id, .kind = INN_JOB_CALL, .run_id = *run_id};
	InnCallNews news = {.job = &job, .function = &function, .request_version = -1};

	if (!inn_runs_origin(run_id, &origin) || !inn_functions_by_id(&origin.function_id, &function))
		elog(ERROR, "the function of a run is gone");
	job.function_id = function.id;
	job.app_id = function.app_id;
	news.event_id = origin.event_id;
	news.state = inn_steps_size(run_id);

	inn_changes_init(&changes);
	news.started_at = inn_dispatch_find(job_id, &dispatch) ? dispatch.started_at : changes.now;
	if (!inn_apply_checkpoint(&changes, &news, ops, nops, &error))
		ereport(ERROR,
				errcode(ERRCODE_INN_CHECKPOINT_INVALID),
				errmsg("%s", error));
	inn_settle(&changes);
	inn_jobs_reset_attempt(run_id, job_id);
}
