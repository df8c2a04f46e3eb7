/*-------------------------------------------------------------------------
 *
 * opcode.c
 *	  What each op does to a run (protocol.md 8 and 9).
 *
 *		StepRun, Step			record the data, call again
 *		StepError				try the job again; if no attempt is left, as StepFailed
 *		StepFailed				record the error, call again: user code may catch it
 *		StepPlanned				call for that step
 *		Sleep					a job that waits; when it is time, record null and call again
 *		WaitForEvent			\
 *		WaitForSignal			 > a pause (run/wait.c)
 *		InvokeFunction			/
 *		DiscoveryRequest, None	call again
 *		RunComplete				end the run
 *		DeferAdd, DeferAbort	what is to be done when it has ended (run/defer.c)
 *
 * Several steps at once ("a group"): the call that follows is made when the last of them has ended, unless they run a race, or the
 * app speaks version 1 of the protocol; then each end causes a call.  The rows of a group bear is_grouped, so whether
 * one is open is a question to the tables, and a crash changes nothing about it.
 *
 * An op that is reported again, of a step that has begun or ended, does nothing: calls that run side by side may find the same step.
 *
 * IDENTIFICATION
 *	  src/run/opcode.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "base/timer.h"
#include "run/defer.h"
#include "run/fault.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "run/state.h"
#include "run/wait.h"
#include "store/metadata.h"

/* A call's ops while they are applied. */
typedef struct Applying
{
	InnChanges *changes;
	const InnCallNews *news;
	const InnOp *ops;
	int nops;
	int version;		 /* of the protocol */
	int nsteps;			 /* ops that are not lazy */
	bool is_grouped;	 /* one call follows when all of them have ended */
	bool is_retrying;	 /* the job itself is tried again */
	bool *has_begun;	 /* ops of steps that are known already; NULL: none */
	InnState state;		 /* of the run, with the results so far */
	bool has_overflowed; /* so the run ends: nothing else counts */
	int last_result;	 /* index of the last op that reports a result; -1: none */
} Applying;

static void begin(Applying *applying);
static bool plans_itself(const InnCallNews *news, const InnOp *ops, int nops);
static Jsonb *again_error(void);
static void apply_asides(InnChanges *changes, const InnCallNews *news, const InnOp *ops, int nops);
static bool is_step(const InnOp *op);
static bool is_async(InnOpKind kind);
static void find_begun(Applying *applying);
static void note_version(const Applying *applying);
static void apply(Applying *applying, int n);
static void apply_result(Applying *applying, int n);
static void apply_step_error(Applying *applying, int n);
static void retry_step(Applying *applying, const InnOp *op);
static bool is_function(const InnOp *op);
static void apply_function_error(Applying *applying, const InnOp *op);
static Jsonb *sync_result(const InnOp *op);
static void record(Applying *applying, int n);
static void complete(Applying *applying, int n);
static void apply_planned(Applying *applying, const InnOp *op);
static void apply_sleep(Applying *applying, const InnOp *op);
static void apply_wait(Applying *applying, const InnOp *op);
static void call_again(Applying *applying);
static InnWaiting waiting_of(const Applying *applying, const InnOp *op);
static bool is_solo(const Applying *applying, const InnOp *op);
static InnStep step_of(const InnCallNews *news, const InnOp *op, char *memo, TimestampTz now);
static bool has_too_many_steps(Applying *applying);
static bool overflows(Applying *applying, InnStateSize added);
static void retry_or_fail(InnChanges *changes, const InnCallNews *news, const InnCallFault *fault,
						  const InnOp *step);
static int try_of(const InnJob *job);
static void retry(InnChanges *changes, const InnCallNews *news, TimestampTz at);
static bool contradicts(const InnChanges *changes);

void
inn_apply_ops(InnChanges *changes, const InnCallNews *news, const InnOp *ops, int nops)
{
	Applying applying = {.changes = changes, .news = news, .ops = ops, .nops = nops};

	if (plans_itself(news, ops, nops))
	{
		inn_apply_fault(changes, news,
						&(InnCallFault){.error = again_error(), .retry_at = INN_NEVER});
		return;
	}
	begin(&applying);
	note_version(&applying);
	apply_asides(changes, news, ops, nops);
	if (applying.nsteps == 0)
	{
		call_again(&applying);
		return;
	}
	applying.state = inn_state_survey(changes, news, ops, nops);
	if (has_too_many_steps(&applying))
		return;

	/* Waits come first: a step beside them may send what they wait for. */
	for (int i = 0; i < nops; i++)
	{
		if (ops[i].kind == INN_OP_WAIT_FOR_EVENT)
			apply(&applying, i);
	}
	for (int i = 0; i < nops; i++)
	{
		if (ops[i].kind != INN_OP_WAIT_FOR_EVENT)
			apply(&applying, i);
	}
}

/* Asked to run a planned step, it plans it once more, and would as often as it is asked. */
static bool
plans_itself(const InnCallNews *news, const InnOp *ops, int nops)
{
	for (int i = 0; i < nops && news->job->step_id != NULL; i++)
	{
		if (ops[i].kind == INN_OP_STEP_PLANNED && strcmp(ops[i].id, news->job->step_id) == 0)
			return true;
	}
	return false;
}

static Jsonb *
again_error(void)
{
	return inn_fault_make(
		"Error", "The app was asked to run a step that it had planned, and planned it again: "
				 "it may not support steps in parallel here.");
}

/* What does not change the way of the run. */
static void
apply_asides(InnChanges *changes, const InnCallNews *news, const InnOp *ops, int nops)
{
	int room = INN_METADATA_MAX_CHANGES;
	char run_id[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(&news->job->run_id, run_id);
	inn_defers_apply(changes, &news->job->run_id, ops, nops);
	for (int i = 0; i < nops && room > 0; i++)
	{
		if (ops[i].metadata == NULL)
			continue;
		room -= (int) JB_ROOT_COUNT(ops[i].metadata);
		if (room >= 0)
			inn_metadata_note(&news->job->run_id, ops[i].id, ops[i].metadata);
		else
			ereport(LOG,
					errmsg("inngest dropped metadata of an answer of run %s with more than %d changes",
						   run_id, INN_METADATA_MAX_CHANGES));
	}
}

static void
begin(Applying *applying)
{
	const InnCallNews *news = applying->news;
	bool has_async = false;

	applying->version = news->request_version < 0 ? news->reply_version : news->request_version;
	applying->last_result = -1;
	for (int i = 0; i < applying->nops; i++)
	{
		InnOpKind kind = applying->ops[i].kind;

		if (inn_op_is_lazy(kind))
			continue;
		applying->nsteps++;
		if (is_async(kind))
			has_async = true;
		else
			applying->last_result = i;
	}
	applying->is_grouped = applying->nsteps > 1 && has_async && applying->version >= 2;
	if (has_async)
		find_begun(applying);
}

/* Does it leave a step, or is it the end of the run? */
static bool
is_step(const InnOp *op)
{
	return op->kind != INN_OP_RUN_COMPLETE && op->kind != INN_OP_SYNC_RUN_COMPLETE &&
		   op->kind != INN_OP_DISCOVERY && !is_function(op);
}

static bool
is_async(InnOpKind kind)
{
	return kind == INN_OP_STEP_PLANNED || kind == INN_OP_SLEEP || kind == INN_OP_WAIT_FOR_EVENT ||
		   kind == INN_OP_WAIT_FOR_SIGNAL || kind == INN_OP_INVOKE || kind == INN_OP_AI_GATEWAY ||
		   kind == INN_OP_GATEWAY;
}

static void
find_begun(Applying *applying)
{
	const char **ids = palloc(applying->nops * sizeof(char *));

	for (int i = 0; i < applying->nops; i++)
		ids[i] = applying->ops[i].id;
	applying->has_begun = palloc(applying->nops * sizeof(bool));
	inn_steps_begun(&applying->news->job->run_id, ids, applying->nops, applying->has_begun);
	/* two discoveries can be settled together */
	inn_changes_begun(applying->changes, &applying->news->job->run_id, ids, applying->nops,
					  applying->has_begun);
	for (int i = 0; i < applying->nops; i++)
	{
		for (int j = 0; j < i && is_async(applying->ops[i].kind) && !applying->has_begun[i]; j++)
			applying->has_begun[i] = is_async(applying->ops[j].kind) && strcmp(ids[i], ids[j]) == 0;
	}
}

static void
note_version(const Applying *applying)
{
	const InnCallNews *news = applying->news;
	bool is_planning = applying->nsteps > 1 && applying->version == 1;

	if ((news->request_version < 0 && news->reply_version >= 0) || is_planning)
		inn_changes_version(applying->changes, &(InnRunVersion){
												   .run_id = news->job->run_id,
												   .request_version = applying->version,
												   .is_planning = is_planning,
											   });
}

static void
apply(Applying *applying, int n)
{
	const InnOp *op = &applying->ops[n];
	const InnCallNews *news = applying->news;

	if (applying->has_overflowed ||
		(applying->has_begun != NULL && applying->has_begun[n] && is_async(op->kind)))
		return;
	switch (op->kind)
	{
		case INN_OP_STEP:
		case INN_OP_STEP_RUN:
		case INN_OP_STEP_FAILED:
			apply_result(applying, n);
			break;
		case INN_OP_STEP_ERROR:
			apply_step_error(applying, n);
			break;
		case INN_OP_STEP_PLANNED:
			apply_planned(applying, op);
			break;
		case INN_OP_SLEEP:
			apply_sleep(applying, op);
			break;
		case INN_OP_WAIT_FOR_EVENT:
		case INN_OP_WAIT_FOR_SIGNAL:
		case INN_OP_INVOKE:
			apply_wait(applying, op);
			break;
		case INN_OP_DISCOVERY:
			complete(applying, n);
			break;
		case INN_OP_RUN_COMPLETE:
			inn_apply_result(applying->changes, news, op->data);
			break;
		case INN_OP_SYNC_RUN_COMPLETE:
			inn_apply_result(applying->changes, news, sync_result(op));
			break;
		case INN_OP_NONE:
		case INN_OP_DEFER_ADD:
		case INN_OP_DEFER_ABORT:
			break;
		case INN_OP_AI_GATEWAY:
		case INN_OP_GATEWAY:
		case INN_OP_COUNT:
			elog(ERROR, "op %s cannot be applied to a run", inn_op_wire_name(op->kind));
	}
}

static void
apply_result(Applying *applying, int n)
{
	const InnOp *op = &applying->ops[n];

	if (is_function(op))
	{
		apply_function_error(applying, op);
		return;
	}
	record(applying, n);
	complete(applying, n);
}

static void
apply_step_error(Applying *applying, int n)
{
	const InnCallNews *news = applying->news;
	const InnOp *op = &applying->ops[n];

	if (op->is_final || news->no_retry || news->job->attempt + 1 >= news->function->max_attempts)
	{
		apply_result(applying, n);
		return;
	}
	if (applying->is_retrying)
		return;
	applying->is_retrying = true;
	if (is_function(op))
	{
		apply_function_error(applying, op);
		return;
	}
	retry_step(applying, op);
}

/*
 * A request of ours (step.fetch, step.ai.infer) that has failed beside other steps is made again by the same call, so that call is one of
 * the group: the others wait for it, and do not cause a second one.
 */
static void
retry_step(Applying *applying, const InnOp *op)
{
	InnJob job = *applying->news->job;
	InnCallNews news = *applying->news;

	job.is_grouped |= applying->is_grouped && !op->is_race;
	news.job = &job;
	retry_or_fail(applying->changes, &news,
				  &(InnCallFault){.error = op->error, .retry_at = news.retry_at}, op);
}

/* The error of the function itself, which the SDK says so if it has more to say beside it. */
static bool
is_function(const InnOp *op)
{
	return (op->kind == INN_OP_STEP_ERROR || op->kind == INN_OP_STEP_FAILED) &&
		   strcmp(op->id, INN_STEP_COMPLETE) == 0;
}

static void
apply_function_error(Applying *applying, const InnOp *op)
{
	const InnCallNews *news = applying->news;
	bool no_retry = op->kind == INN_OP_STEP_FAILED || op->is_final || news->no_retry;
	JsonbValue reported;

	JsonbToJsonbValue(op->error, &reported);
	inn_apply_fault(applying->changes, news,
					&(InnCallFault){
						.reported = op->error,
						.error = inn_fault_of_function(&reported, no_retry),
						.no_retry = no_retry,
						.retry_at = news->retry_at,
					});
}

/* {"data": what the endpoint has answered} */
static Jsonb *
sync_result(const InnOp *op)
{
	JsonbValue value;

	if (op->data == NULL || !inn_json_find(&op->data->root, "data", &value))
		return op->data;
	return inn_json_to_jsonb(&value);
}

/* Keep the result of a step, if there is room for it. */
static void
record(Applying *applying, int n)
{
	char *memo = inn_op_memo(&applying->ops[n]);
	InnStep step = step_of(applying->news, &applying->ops[n], memo, applying->changes->now);
	InnStateSize added = {.nsteps = 1, .bytes = (int64) strlen(memo)};

	if (inn_state_knows(&applying->state, n))
		added = (InnStateSize){0};
	if (applying->has_overflowed || overflows(applying, added))
		return;
	applying->state.size.nsteps += added.nsteps;
	applying->state.size.bytes += added.bytes;
	inn_changes_record(applying->changes, &step);
}

/*
 * The function is to be called again after this op.  Results that are reported together, and nothing beside them, are what is left of
 * a failed checkpoint: they are one step of the way, with one call at the end.
 */
static void
complete(Applying *applying, int n)
{
	const InnOp *op = &applying->ops[n];
	const InnJob *job = applying->news->job;
	bool are_all_results = applying->has_begun == NULL;

	if (applying->is_retrying || (are_all_results && n != applying->last_result))
		return;
	inn_changes_complete(applying->changes,
						 &(InnCompletion){
							 .run_id = job->run_id,
							 .app_id = job->app_id,
							 .function_id = job->function_id,
							 .after_id = inn_op_needs_id(op->kind) ? op->id : job->after_id,
							 .is_solo = is_solo(applying, op) || op->kind == INN_OP_DISCOVERY,
						 });
}

/* Does its end cause a call, whatever else is open? */
static bool
is_solo(const Applying *applying, const InnOp *op)
{
	return op->is_race || applying->news->job->is_race || applying->version == 1;
}

static void
apply_planned(Applying *applying, const InnOp *op)
{
	const InnJob *job = applying->news->job;

	inn_changes_queue(applying->changes, &(InnJob){
											 .kind = INN_JOB_CALL,
											 .app_id = job->app_id,
											 .function_id = job->function_id,
											 .run_id = job->run_id,
											 .run_at = INN_NOW,
											 .step_id = op->id,
											 .step_name = op->name,
											 .after_id = job->after_id,
											 .generation = 1,
											 .is_planning = applying->nsteps > 1,
											 .is_grouped = applying->is_grouped && !op->is_race,
											 .is_race = op->is_race || applying->version == 1,
											 .queued_at = applying->changes->now,
										 });
}

static InnWaiting
waiting_of(const Applying *applying, const InnOp *op)
{
	return (InnWaiting){
		.changes = applying->changes,
		.job = applying->news->job,
		.function = applying->news->function,
		.event_id = applying->news->event_id,
		.op = op,
		.is_grouped = applying->is_grouped && !op->is_race,
		.is_race = op->is_race || applying->version == 1,
	};
}

static void
apply_sleep(Applying *applying, const InnOp *op)
{
	const InnJob *job = applying->news->job;
	InnWaiting waiting = waiting_of(applying, op);
	TimestampTz until;

	if (!inn_wait_until(&waiting, &until))
		return;
	inn_changes_queue(applying->changes, &(InnJob){
											 .kind = INN_JOB_SLEEP,
											 .app_id = job->app_id,
											 .function_id = job->function_id,
											 .run_id = job->run_id,
											 .run_at = until,
											 .step_id = op->id,
											 .step_name = op->name,
											 .generation = 1,
											 .is_grouped = waiting.is_grouped,
											 .is_race = waiting.is_race,
											 .queued_at = applying->changes->now,
										 });
}

static void
apply_wait(Applying *applying, const InnOp *op)
{
	InnWaiting waiting = waiting_of(applying, op);

	if (op->kind == INN_OP_WAIT_FOR_EVENT)
		inn_wait_for_event(&waiting);
	else if (op->kind == INN_OP_WAIT_FOR_SIGNAL)
		inn_wait_for_signal(&waiting);
	else
		inn_wait_for_invoked(&waiting);
}

/* It had nothing to say: ask again, but not for ever. */
static void
call_again(Applying *applying)
{
	const InnCallNews *news = applying->news;
	InnJob job = *news->job;

	if (job.generation >= INN_MAX_EMPTY_REPLIES)
	{
		Jsonb *error =
			inn_fault_make(INN_FAULT_OVERFLOW_STEPS,
						   psprintf("The function was called %d times and reported nothing.",
									INN_MAX_EMPTY_REPLIES));

		inn_apply_fault(applying->changes, news,
						&(InnCallFault){.error = error, .is_fatal = true, .retry_at = INN_NEVER});
		return;
	}
	job.run_at = INN_NOW;
	job.generation++;
	inn_changes_queue(applying->changes, &job);
}

void
inn_apply_result(InnChanges *changes, const InnCallNews *news, Jsonb *result)
{
	inn_changes_attempt(changes, &(InnAttempt){
									 .run_id = news->job->run_id,
									 .job_id = news->job->id,
									 .attempt = try_of(news->job),
									 .status = "COMPLETED",
									 .started_at = news->started_at,
									 .ended_at = changes->now,
									 .retry_at = INN_NEVER,
									 .output = result,
								 });
	inn_changes_end(changes, &(InnRunEnd){
								 .run_id = news->job->run_id,
								 .outcome = INN_RUN_COMPLETED,
								 .result = result,
							 });
}

void
inn_apply_fault(InnChanges *changes, const InnCallNews *news, const InnCallFault *fault)
{
	retry_or_fail(changes, news, fault, NULL);
}

/* An attempt has failed: of a step, or (NULL) of the function itself, which then ends the run if it was the last. */
static void
retry_or_fail(InnChanges *changes, const InnCallNews *news, const InnCallFault *fault,
			  const InnOp *step)
{
	const InnJob *job = news->job;
	bool is_last = fault->is_fatal || fault->no_retry ||
				   job->attempt + 1 >= news->function->max_attempts;
	TimestampTz retry_at = INN_NEVER;

	if (!is_last)
		retry_at = fault->retry_at != INN_NEVER ? fault->retry_at
												: inn_retry_time(job->attempt, changes->now);
	inn_changes_attempt(changes, &(InnAttempt){
									 .run_id = job->run_id,
									 .job_id = job->id,
									 .attempt = try_of(job),
									 .status = "FAILED",
									 .started_at = news->started_at,
									 .ended_at = changes->now,
									 .retry_at = retry_at,
									 .step_id = step != NULL ? step->id : job->step_id,
									 .step_name = step != NULL ? step->name : job->step_name,
									 .output = fault->reported,
									 .error = fault->error,
								 });
	if (!is_last)
		retry(changes, news, retry_at);
	else
		inn_changes_end(changes, &(InnRunEnd){
									 .run_id = job->run_id,
									 .outcome = INN_RUN_FAILED,
									 .result = fault->reported,
									 .error = fault->error,
								 });
}

/*
 * Which try of its job a call is, from 0.  Not the attempt that the app is told, which counts from 0 again after a checkpoint: two
 * tries must not be recorded as the same.
 */
static int
try_of(const InnJob *job)
{
	return job->generation - 1;
}

/* The same job once more. */
static void
retry(InnChanges *changes, const InnCallNews *news, TimestampTz at)
{
	InnJob job = *news->job;

	job.run_at = at;
	job.attempt++;
	job.generation++;
	inn_changes_queue(changes, &job);
}

bool
inn_apply_checkpoint(InnChanges *changes, const InnCallNews *news, const InnOp *ops, int nops,
					 char **error)
{
	Applying applying = {.changes = changes, .news = news, .ops = ops, .nops = nops};

	for (int i = 0; i < nops; i++)
	{
		InnOpKind kind = ops[i].kind;

		if (is_async(kind) && kind != INN_OP_STEP_PLANNED)
		{
			*error = "cannot checkpoint async steps";
			return false;
		}
		if (kind != INN_OP_STEP && kind != INN_OP_STEP_RUN && kind != INN_OP_STEP_PLANNED &&
			!inn_op_is_lazy(kind))
		{
			*error = psprintf("cannot checkpoint the op %s", inn_op_wire_name(kind));
			return false;
		}
	}
	apply_asides(changes, news, ops, nops);
	applying.state = inn_state_survey(changes, news, ops, nops);
	for (int i = 0; i < nops; i++)
	{
		if (ops[i].kind == INN_OP_STEP || ops[i].kind == INN_OP_STEP_RUN)
			record(&applying, i);
	}
	if (contradicts(changes))
	{
		*error = "another result of the step is recorded";
		return false;
	}
	return true;
}

/*
 * The app goes on with what it has reported, so what is taken must be what is recorded.  It may be not, if a call that was given up
 * has reported the step while this one was made.  Refused, the app returns its results and is called anew.
 */
static bool
contradicts(const InnChanges *changes)
{
	InnStep *steps = palloc(Max(list_length(changes->steps), 1) * sizeof(InnStep));
	ListCell *cell;

	foreach(cell, changes->steps)
		steps[foreach_current_index(cell)] = *(InnStep *) lfirst(cell);
	return inn_steps_contradict(steps, list_length(changes->steps));
}

void
inn_apply_sleep_end(InnChanges *changes, const InnJob *job)
{
	inn_changes_record(changes, &(InnStep){
									.run_id = job->run_id,
									.id = job->step_id,
									.op = "sleep",
									.name = job->step_name,
									.memo = "null",
									.started_at = job->queued_at,
									.ended_at = changes->now,
								});
	inn_changes_complete(changes, &(InnCompletion){
									  .run_id = job->run_id,
									  .app_id = job->app_id,
									  .function_id = job->function_id,
									  .after_id = job->step_id,
									  .is_solo = job->is_race,
									  .job_id = job->id,
								  });
}

void
inn_apply_pause_end(InnChanges *changes, const InnPause *pause, const char *memo)
{
	static const char *const ops[] = {
		[INN_PAUSE_EVENT] = "wait",
		[INN_PAUSE_INVOKE] = "invoke",
		[INN_PAUSE_SIGNAL] = "signal",
	};

	Assert(pause->kind != INN_PAUSE_CANCEL);
	inn_changes_record(changes, &(InnStep){
									.run_id = pause->run_id,
									.id = pause->step_id,
									.op = ops[pause->kind],
									.name = pause->name,
									.memo = memo,
									.started_at = pause->created_at,
									.ended_at = changes->now,
								});
	inn_changes_complete(changes, &(InnCompletion){
									  .run_id = pause->run_id,
									  .app_id = pause->app_id,
									  .function_id = pause->function_id,
									  .after_id = pause->step_id,
									  .is_solo = pause->is_race,
								  });
}

static InnStep
step_of(const InnCallNews *news, const InnOp *op, char *memo, TimestampTz now)
{
	TimestampTz started_at = news->started_at;
	TimestampTz ended_at = now;

	/* What the app says of the time is taken where it can be true. */
	if (op->started_ns > 0 && op->duration_ns >= 0)
	{
		TimestampTz said = inn_from_unix_ms(op->started_ns / 1000000);
		TimestampTz end_said = said + op->duration_ns / 1000;

		if (said >= started_at - USECS_PER_MINUTE && end_said <= now + USECS_PER_MINUTE)
		{
			started_at = said;
			ended_at = end_said;
		}
	}
	return (InnStep){
		.run_id = news->job->run_id,
		.id = op->id,
		.op = inn_op_step_kind(op),
		.name = op->name,
		.memo = memo,
		.attempt = news->job->attempt,
		.started_at = started_at,
		.ended_at = ended_at,
	};
}

/* Would the run have too many steps, if all that its answer begins or reports were recorded? */
static bool
has_too_many_steps(Applying *applying)
{
	int nsteps = 0;

	for (int i = 0; i < applying->nops; i++)
	{
		const InnOp *op = &applying->ops[i];

		nsteps += !inn_op_is_lazy(op->kind) && is_step(op) && !inn_state_knows(&applying->state, i);
	}
	return overflows(applying, (InnStateSize){.nsteps = nsteps});
}

/* Would it be more than the run may have, with so much more?  Then it fails, for good. */
static bool
overflows(Applying *applying, InnStateSize added)
{
	InnStateSize size = applying->state.size;
	Jsonb *error =
		inn_state_fault((InnStateSize){size.nsteps + added.nsteps, size.bytes + added.bytes});

	if (error == NULL)
		return false;
	applying->has_overflowed = true;
	inn_apply_fault(applying->changes, applying->news,
					&(InnCallFault){.error = error, .is_fatal = true, .retry_at = INN_NEVER});
	return true;
}
