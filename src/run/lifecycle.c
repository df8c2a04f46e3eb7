/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  The state machine of a run (the transitions are listed in the header).
 *
 * The state is spread over three tables that change in one transaction: the run's row says whether it
 * has started and ended; while it has not, an item in the queue says that an attempt waits, or a lease
 * that one is being made.
 *
 * Invariants:
 *
 *	(1) A run that has ended never changes again: inn_runs_end() tests it, when it is written.
 *	(2) A report counts only if its lease could be deleted in the same transaction.
 *	(3) Locks are taken in the order item, lease, run.
 *	(4) An item of a run that has ended (a cancellation can overtake a failing attempt that is just
 *		queuing its successor) is dropped when it is taken, and nothing else notices it.
 *
 * A crash leaves either the state before or the state after a transition; a lease that nobody reports
 * on any more expires.
 *
 * IDENTIFICATION
 *	  src/run/lifecycle.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/ident.h"
#include "base/timer.h"
#include "base/when.h"
#include "run/lifecycle.h"
#include "store/outbox.h"

/* How long to try to claim a run that somebody else is changing. */
#define CLAIM_PATIENCE_USEC (INT64CONST(2) * USECS_PER_SEC)
#define CLAIM_NAP_USEC 1000

/* Leases that one call of inn_run_expire() gives up on. */
#define EXPIRE_BATCH 100

static void put_first_jobs(const InnRun *runs, int nruns);
static char *uuid_text(const pg_uuid_t *uuid);
static void put_cancels(const InnRunList *list);
static void put_controls(const InnRun *runs, int nruns);
static int drop_ended(InnItem *items, int nitems);
static int take(const InnFunction *function, const InnUlid *run_ids, int nrun_ids, TimestampTz now,
				int max, InnItem *items);
static void start(const InnItem *items, int nitems, TimestampTz now, int64 usec, InnLease *leases);
static void put_finish_timeouts(const InnFunction *function, const InnItem *items, int nitems,
								TimestampTz now);
static InnLease end_lease(const InnUlid *run_id, const InnUlid *lease_id, TimestampTz now);
pg_noreturn static void report_lost(const InnUlid *run_id);
static InnAttempt attempt_of(const InnLease *lease, const char *status, TimestampTz now);
static TimestampTz retry_or_end(InnChanges *changes, const InnLease *lease, const char *status,
								Jsonb *error, bool retry);
static Jsonb *lease_expired_error(void);

void
inn_run_list_add(InnRunList *list, const InnRun *run)
{
	if (list->count == list->capacity)
	{
		list->capacity = Max(16, 2 * list->capacity);
		list->runs = list->runs == NULL
						 ? palloc(list->capacity * sizeof(InnRun))
						 : repalloc_huge(list->runs, list->capacity * sizeof(InnRun));
	}
	list->runs[list->count++] = *run;
}

void
inn_run_create(const InnRunList *list)
{
	if (list->count == 0)
		return;
	inn_runs_insert(list->runs, list->count);
	inn_queue_put_first(list->runs, list->count);
	put_first_jobs(list->runs, list->count);
	put_cancels(list);
	put_controls(list->runs, list->count);
	inn_outbox_put_created(list->runs, list->count);
}

/* The first calls of new runs of apps, and when runs have to have started. */
static void
put_first_jobs(const InnRun *runs, int nruns)
{
	TimestampTz now = inn_now();
	InnJob *jobs = palloc(2 * nruns * sizeof(InnJob));
	int njobs = 0;

	for (int i = 0; i < nruns; i++)
	{
		bool needs_place = runs[i].controls != NULL && runs[i].controls->needs_place;
		InnJob job = {
			.kind = runs[i].has_throttle ? INN_JOB_THROTTLE
					: needs_place		 ? INN_JOB_START
										 : INN_JOB_CALL,
			.app_id = runs[i].app_id,
			.function_id = runs[i].function_id,
			.run_id = runs[i].id,
			.run_at = runs[i].is_delayed ? runs[i].run_at
					  : needs_place		 ? now
										 : INN_NOW,
			.generation = 1,
			.queued_at = now,
		};

		if (runs[i].is_skipped)
			continue;
		if (!runs[i].is_pull || runs[i].has_throttle)
		{
			jobs[njobs] = job;
			jobs[njobs].step_id = runs[i].has_throttle ? uuid_text(&runs[i].throttle)
													   : runs[i].step_id;
			jobs[njobs].step_name = runs[i].step_name;
			jobs[njobs].after_id = runs[i].after_id;
			jobs[njobs].generation = runs[i].is_held ? INN_GENERATION_HELD : 1;
			jobs[njobs++].input = runs[i].input;
		}
		if (runs[i].start_timeout_usec == 0)
			continue;
		job.kind = INN_JOB_START_TIMEOUT;
		job.run_at = inn_run_queued_at(&runs[i].id) + runs[i].start_timeout_usec;
		jobs[njobs++] = job;
	}
	inn_jobs_put(jobs, njobs);
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	char *text = palloc(INN_UUID_TEXT_SIZE);

	inn_uuid_format(uuid, text);
	return text;
}

TimestampTz
inn_run_queued_at(const InnUlid *run_id)
{
	return inn_from_unix_ms(inn_ulid_unix_ms(run_id));
}

static void
put_cancels(const InnRunList *list)
{
	InnPause *pauses = palloc(Max(list_length(list->pauses), 1) * sizeof(InnPause));
	ListCell *cell;

	foreach(cell, list->pauses)
		pauses[foreach_current_index(cell)] = *(InnPause *) lfirst(cell);
	inn_pauses_put(pauses, list_length(list->pauses));
}

static void
put_controls(const InnRun *runs, int nruns)
{
	InnControls *controls = palloc(nruns * sizeof(InnControls));
	int ncontrols = 0;

	for (int i = 0; i < nruns; i++)
	{
		if (runs[i].controls == NULL)
			continue;
		controls[ncontrols] = *runs[i].controls;
		controls[ncontrols].rank = runs[i].run_at - controls[ncontrols].priority_s * USECS_PER_SEC;
		controls[ncontrols++].run_id = runs[i].id;
	}
	inn_controls_put(controls, ncontrols);
}

int
inn_run_lease(const InnFunction *functions, int nfunctions, const InnUlid *run_ids, int nrun_ids,
			  int max, int64 usec, InnLease *leases)
{
	TimestampTz now = inn_now();
	InnItem *items = palloc(max * sizeof(InnItem));
	int first = nfunctions > 0 ? pg_prng_uint64(&pg_global_prng_state) % nfunctions : 0;
	int nleases = 0;

	Assert(max > 0 && max <= INN_MAX_LEASES);
	Assert(usec >= INN_LEASE_MIN_USEC && usec <= INN_LEASE_MAX_USEC);

	for (int i = 0; i < nfunctions && nleases < max; i++)
	{
		const InnFunction *function = &functions[(first + i) % nfunctions];
		int nitems;

		CHECK_FOR_INTERRUPTS();
		if (function->runtime != INN_RUNTIME_PULL || function->is_paused)
			continue;
		nitems = take(function, run_ids, nrun_ids, now, max - nleases, items);
		start(items, nitems, now, usec, &leases[nleases]);
		if (function->finish_timeout_usec > 0)
			put_finish_timeouts(function, items, nitems, now);
		nleases += nitems;
	}
	return nleases;
}

/* Take items of runs that have not ended. */
static int
take(const InnFunction *function, const InnUlid *run_ids, int nrun_ids, TimestampTz now, int max,
	 InnItem *items)
{
	for (;;)
	{
		int ntaken = run_ids != NULL
						 ? inn_queue_take_runs(&function->id, run_ids, nrun_ids, now, max, items)
						 : inn_queue_take(&function->id, now, max, items);
		int nitems = drop_ended(items, ntaken);

		/* Only ended runs: their items are gone now, so look further. */
		if (nitems > 0 || ntaken == 0)
			return nitems;
	}
}

static int
drop_ended(InnItem *items, int nitems)
{
	InnUlid *ids = palloc(Max(nitems, 1) * sizeof(InnUlid));
	bool *alive = palloc(Max(nitems, 1) * sizeof(bool));
	int nalive = 0;

	if (nitems == 0)
		return 0;
	for (int i = 0; i < nitems; i++)
		ids[i] = items[i].run_id;
	inn_runs_alive(ids, nitems, alive);
	for (int i = 0; i < nitems; i++)
	{
		if (alive[i])
			items[nalive++] = items[i];
	}
	return nalive;
}

/* Turn items into leases. */
static void
start(const InnItem *items, int nitems, TimestampTz now, int64 usec, InnLease *leases)
{
	InnUlid *ids = palloc(Max(nitems, 1) * sizeof(InnUlid));
	pg_uuid_t *functions = palloc(Max(nitems, 1) * sizeof(pg_uuid_t));
	int nstarted = 0;

	for (int i = 0; i < nitems; i++)
	{
		leases[i] = (InnLease){
			.run_id = items[i].run_id,
			.function_id = items[i].function_id,
			.attempt = items[i].attempt,
			.leased_at = now,
			.expires_at = now + usec,
		};
		inn_ulid_generate(&leases[i].lease_id);
		if (items[i].attempt == 0)
		{
			ids[nstarted] = items[i].run_id;
			functions[nstarted++] = items[i].function_id;
		}
	}
	inn_leases_put(leases, nitems);
	if (nstarted > 0)
	{
		inn_runs_start(ids, nstarted, now);
		inn_outbox_put_status(ids, functions, nstarted);
	}
}

/* Runs that start now have so long to end. */
static void
put_finish_timeouts(const InnFunction *function, const InnItem *items, int nitems, TimestampTz now)
{
	InnJob *jobs = palloc(Max(nitems, 1) * sizeof(InnJob));
	int njobs = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (items[i].attempt > 0)
			continue;
		jobs[njobs++] = (InnJob){
			.kind = INN_JOB_FINISH_TIMEOUT,
			.app_id = function->app_id,
			.function_id = function->id,
			.run_id = items[i].run_id,
			.run_at = now + function->finish_timeout_usec,
			.generation = 1,
			.queued_at = now,
		};
	}
	inn_jobs_put(jobs, njobs);
}

void
inn_run_complete(InnChanges *changes, const InnUlid *run_id, const InnUlid *lease_id, Jsonb *output)
{
	InnLease lease = end_lease(run_id, lease_id, changes->now);
	InnAttempt attempt = attempt_of(&lease, "COMPLETED", changes->now);

	attempt.output = output;
	inn_changes_attempt(changes, &attempt);
	inn_changes_end(changes, &(InnRunEnd){
								 .run_id = *run_id,
								 .outcome = INN_RUN_COMPLETED,
								 .result = output,
							 });
}

static InnAttempt
attempt_of(const InnLease *lease, const char *status, TimestampTz now)
{
	return (InnAttempt){
		.run_id = lease->run_id,
		.attempt = lease->attempt,
		.status = status,
		.started_at = lease->leased_at,
		.ended_at = now,
		.retry_at = INN_NEVER,
	};
}

TimestampTz
inn_run_fail(InnChanges *changes, const InnUlid *run_id, const InnUlid *lease_id, Jsonb *error,
			 bool retry)
{
	InnLease lease = end_lease(run_id, lease_id, changes->now);

	return retry_or_end(changes, &lease, "FAILED", error, retry);
}

TimestampTz
inn_run_extend(const InnUlid *run_id, const InnUlid *lease_id, int64 usec)
{
	TimestampTz now = inn_now();

	Assert(usec >= INN_LEASE_MIN_USEC && usec <= INN_LEASE_MAX_USEC);
	if (!inn_leases_extend(run_id, lease_id, now, now + usec))
		report_lost(run_id);
	return now + usec;
}

static InnLease
end_lease(const InnUlid *run_id, const InnUlid *lease_id, TimestampTz now)
{
	InnLease lease;

	if (!inn_leases_end(run_id, lease_id, now, &lease))
		report_lost(run_id);
	return lease;
}

static void
report_lost(const InnUlid *run_id)
{
	char text[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(run_id, text);
	if (!inn_runs_exists(run_id))
		ereport(ERROR,
				errcode(ERRCODE_INN_RUN_NOT_FOUND),
				errmsg("run %s does not exist", text));
	ereport(ERROR,
			errcode(ERRCODE_INN_LEASE_LOST),
			errmsg("the lease on run %s is lost", text),
			errdetail("It has expired or been replaced, or the run has ended. Nothing was changed."),
			errhint("Lease for a longer time, or extend the lease while working."));
}

bool
inn_run_cancel(InnChanges *changes, const InnUlid *run_id)
{
	bool is_alive;
	InnLease lease;

	inn_run_claim_patiently(run_id);
	inn_queue_remove(run_id);
	if (inn_leases_revoke(run_id, &lease))
	{
		InnAttempt attempt = attempt_of(&lease, "CANCELLED", changes->now);

		inn_changes_attempt(changes, &attempt);
	}
	if (!inn_runs_exists(run_id))
	{
		char text[INN_ULID_TEXT_LEN + 1];

		inn_ulid_format(run_id, text);
		ereport(ERROR,
				errcode(ERRCODE_INN_RUN_NOT_FOUND),
				errmsg("run %s does not exist", text));
	}
	inn_runs_alive(run_id, 1, &is_alive);
	if (is_alive)
		inn_changes_end(changes, &(InnRunEnd){.run_id = *run_id, .outcome = INN_RUN_CANCELLED});
	return is_alive;
}

/* Others hold a claim for moments, unless it is another session that cancels and does not commit. */
void
inn_run_claim_patiently(const InnUlid *run_id)
{
	TimestampTz until = inn_now_real() + CLAIM_PATIENCE_USEC;

	while (!inn_run_claim(run_id))
	{
		if (inn_now_real() > until)
			ereport(ERROR,
					errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					errmsg("the run is being changed by another transaction"),
					errhint("Try again when that has ended."));
		inn_nap(CLAIM_NAP_USEC);
	}
}

InnCancelResult
inn_run_try_cancel(InnChanges *changes, const InnUlid *run_id)
{
	InnRunStanding standing;
	InnLease lease;

	if (inn_changes_is_ending(changes, run_id))
		return INN_CANCEL_ENDED;
	if (!inn_run_claim(run_id))
		return INN_CANCEL_BUSY;
	if (!inn_runs_standing(run_id, &standing) || !standing.is_alive)
		return INN_CANCEL_ENDED;

	/* A pull run belongs to who has its item or its lease, and that may be a session that does not commit. */
	if (standing.is_pulled && !inn_queue_try_remove(run_id))
	{
		InnAttempt attempt;

		if (!inn_leases_try_revoke(run_id, &lease))
			return INN_CANCEL_BUSY;
		attempt = attempt_of(&lease, "CANCELLED", changes->now);
		inn_changes_attempt(changes, &attempt);
	}
	inn_changes_end(changes, &(InnRunEnd){.run_id = *run_id, .outcome = INN_RUN_CANCELLED});
	return INN_CANCEL_DONE;
}

TimestampTz
inn_run_expire(InnChanges *changes)
{
	InnLease leases[EXPIRE_BATCH];
	int nleases = inn_leases_expire(changes->now, EXPIRE_BATCH, leases);
	Jsonb *error = nleases > 0 ? lease_expired_error() : NULL;

	for (int i = 0; i < nleases; i++)
		(void) retry_or_end(changes, &leases[i], "EXPIRED", error, true);
	return nleases == EXPIRE_BATCH ? changes->now : inn_leases_next_expiry();
}

/* Record an attempt that did not succeed, and queue the next or end the run. */
static TimestampTz
retry_or_end(InnChanges *changes, const InnLease *lease, const char *status, Jsonb *error,
			 bool retry)
{
	bool expired = strcmp(status, "EXPIRED") == 0;
	InnAttempt attempt = attempt_of(lease, status, changes->now);
	InnFunction function;

	if (!inn_functions_by_id(&lease->function_id, &function))
		elog(ERROR, "function of a leased run has vanished");
	if (retry && lease->attempt + 1 < function.max_attempts)
		attempt.retry_at = expired ? changes->now : inn_retry_time(lease->attempt, changes->now);
	attempt.error = error;
	inn_changes_attempt(changes, &attempt);

	if (attempt.retry_at == INN_NEVER)
	{
		inn_changes_end(changes, &(InnRunEnd){
									 .run_id = lease->run_id,
									 .outcome = INN_RUN_FAILED,
									 .error = error,
								 });
		return INN_NEVER;
	}
	inn_run_queue_attempt(
		&(InnItem){
			.run_id = lease->run_id,
			.function_id = lease->function_id,
			.attempt = lease->attempt + 1,
		},
		attempt.retry_at);
	return attempt.retry_at;
}

void
inn_run_queue_attempt(const InnItem *item, TimestampTz run_at)
{
	inn_queue_put_attempt(item, run_at);
	inn_outbox_put_attempt(&item->run_id, &item->function_id, item->attempt, run_at);
}

TimestampTz
inn_retry_time(int failed_attempt, TimestampTz now)
{
	if (inn_retry_interval_ms > 0)
		return now + inn_retry_interval_ms * INT64CONST(1000);
	return now + inn_backoff_usec(failed_attempt,
								  pg_prng_uint64(&pg_global_prng_state) % INN_BACKOFF_JITTER_MS);
}

static Jsonb *
lease_expired_error(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(
		jsonb_in,
		CStringGetDatum(
			"{\"name\": \"LeaseExpired\", \"message\": \"the lease expired before the worker reported\"}")));
}
