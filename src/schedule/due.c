/*-------------------------------------------------------------------------
 *
 * due.c
 *	  What has come due in inngest.jobs and inngest.pauses.
 *
 * Both are read in the order of their times, from a mark on below which nothing is left (base/tide.h).  What belongs to a run that is
 * busy is left where it is, and the mark stays below it; it is tried again a little later, and does not keep what
 * comes after it: the next read is as much longer as there was left.
 *
 * A timeout of a run is judged by what its function says when it comes: it may have been taken away, or prolonged.
 *
 * IDENTIFICATION
 *	  src/schedule/due.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/ident.h"
#include "base/redo.h"
#include "base/testing.h"
#include "base/tide.h"
#include "base/timer.h"
#include "run/flow.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "schedule/due.h"
#include "schedule/limits.h"
#include "schedule/places.h"
#include "store/places.h"

/* What is done in one transaction. */
#define DUE_BATCH 500

/* How soon to try again what belongs to busy runs: most are for a moment only. */
#define RETRY_MIN_USEC (INT64CONST(20) * 1000)
#define RETRY_MAX_USEC (INT64CONST(1) * USECS_PER_SEC)

#define INVOKE_TIMEOUT_MEMO \
	"{\"error\":{\"error\":\"InngestInvokeTimeoutError: Timed out waiting for invoked function to complete\"," \
	"\"message\":\"Timed out waiting for invoked function to complete\"," \
	"\"name\":\"InngestInvokeTimeoutError\"}}"

/* How far one has come in a table. */
typedef struct Line
{
	InnTide tide;
	const char *what;
	TimestampTz mark;	 /* before this there is nothing */
	TimestampTz look_at; /* when there may be something */
	int nleft;			 /* that was read and is still there */
	int64 retry_delay_usec;
	InnRedo redo;

	/* of the pass that is being made, until it is committed */
	bool is_open;
	int size;				/* at most so many are done */
	int limit;				/* so many are read, because some will be left */
	int nbusy;				/* left because their run is busy */
	TimestampTz first_left; /* INN_NEVER: none */
	TimestampTz last_seen;
	bool has_more;
	TimestampTz next_at; /* of those that have not come due */
} Line;

static Line jobs = {
	.tide = INN_TIDE_TIMERS,
	.what = "job",
	.mark = DT_NOBEGIN,
	.look_at = DT_NOBEGIN,
};
static Line pauses = {
	.tide = INN_TIDE_EXPIRIES,
	.what = "pause",
	.mark = DT_NOBEGIN,
	.look_at = DT_NOBEGIN,
};

static TimestampTz due(Line *line);
static void begin(Line *line);
static void leave(Line *line, TimestampTz when, bool is_busy);
static bool end(Line *line, int nseen, int nread);
static void committed(Line *line);
static void act_on_job(InnChanges *changes, const InnJob *job);
static void ask_throttle(InnChanges *changes, const InnJob *job);
static void queue_at(InnChanges *changes, const InnJob *job, TimestampTz run_at);
static void run_out(InnChanges *changes, const InnJob *job);
static TimestampTz deadline_of(const InnJob *job, const InnRunStanding *standing);
static bool may_expire(const InnPause *pause);
static void end_pause(InnChanges *changes, const InnPause *pause);

/* ---- lines ---- */

static TimestampTz
due(Line *line)
{
	TimestampTz news = inn_tide_take(line->tide, 0);

	line->mark = Min(line->mark, news);
	line->look_at = inn_sooner(line->look_at, news);

	/* the last pass has failed, or what was put off is to be tried again */
	if (line->is_open || inn_redo_again(&line->redo, inn_now()) != PG_INT64_MAX)
		line->look_at = DT_NOBEGIN;
	return inn_sooner(line->look_at, inn_redo_next(&line->redo));
}

static void
begin(Line *line)
{
	int64 failed;

	if (inn_redo_begin(&line->redo, DUE_BATCH, &line->size, &failed))
		ereport(LOG,
				errmsg("inngest could not act on a %s that has come due, and will try again later",
					   line->what));
	line->is_open = true;
	line->limit = line->size + line->nleft;
	line->nleft = 0;
	line->nbusy = 0;
	line->first_left = INN_NEVER;
	line->last_seen = line->mark;
	line->next_at = INN_NEVER;
}

static void
leave(Line *line, TimestampTz when, bool is_busy)
{
	line->nleft++;
	line->nbusy += is_busy;
	line->first_left = inn_sooner(line->first_left, when);
}

/* True if all that is due was seen. */
static bool
end(Line *line, int nseen, int nread)
{
	line->has_more = nseen < nread || nread == line->limit;
	return !line->has_more;
}

static void
committed(Line *line)
{
	inn_redo_done(&line->redo);
	line->is_open = false;
	line->mark = inn_sooner(line->first_left, line->last_seen);
	line->look_at = line->has_more ? DT_NOBEGIN : line->next_at;
	if (line->has_more)
		return;
	if (line->nbusy == 0)
		line->retry_delay_usec = 0;
	else
	{
		line->retry_delay_usec =
			Min(Max(2 * line->retry_delay_usec, RETRY_MIN_USEC), RETRY_MAX_USEC);
		line->look_at = inn_sooner(line->look_at, inn_now() + line->retry_delay_usec);
	}
}

/* ---- jobs ---- */

TimestampTz
inn_due_jobs(void)
{
	return due(&jobs);
}

void
inn_due_jobs_committed(void)
{
	committed(&jobs);
	inn_places_committed();
}

void
inn_due_jobs_collect(InnChanges *changes)
{
	int nread;
	int nchosen = 0;
	int i;
	InnJob *read;
	const InnJob **chosen;
	bool *removed;

	begin(&jobs);
	inn_places_begin();
	read = inn_jobs_read_due(jobs.mark, changes->now, jobs.limit, &nread);
	if (nread > 0)
		INN_WAIT_POINT("scheduler after reading jobs");
	chosen = palloc(Max(nread, 1) * sizeof(InnJob *));
	removed = palloc(Max(nread, 1) * sizeof(bool));
	for (i = 0; i < nread && nchosen < jobs.size; i++)
	{
		bool is_claimed = inn_run_claim(&read[i].run_id);

		jobs.last_seen = read[i].run_at;
		if (is_claimed && inn_redo_try(&jobs.redo, read[i].id))
			chosen[nchosen++] = &read[i];
		else
			leave(&jobs, read[i].run_at, !is_claimed);
	}
	inn_jobs_remove_timed(chosen, nchosen, removed);
	for (int j = 0; j < nchosen; j++)
	{
		CHECK_FOR_INTERRUPTS();
		if (removed[j])
			act_on_job(changes, chosen[j]);
		else
			leave(&jobs, chosen[j]->run_at, true);
	}
	if (end(&jobs, i, nread))
	{
		jobs.last_seen = changes->now;
		jobs.next_at = inn_jobs_next_due(changes->now + 1);
	}
}

static void
act_on_job(InnChanges *changes, const InnJob *job)
{
	/* Its timeout has come in the same pass. */
	if (job->kind != INN_JOB_PLACE_FREED && inn_changes_is_ending(changes, &job->run_id))
		return;
	switch (job->kind)
	{
		case INN_JOB_CALL:
			queue_at(changes, job, INN_NOW);
			return;
		case INN_JOB_THROTTLE:
			ask_throttle(changes, job);
			return;
		case INN_JOB_START:
			inn_places_ask(changes, job);
			return;
		case INN_JOB_PLACE_FREED:
			inn_places_free(changes, job);
			return;
		case INN_JOB_SLEEP:
			inn_apply_sleep_end(changes, job);
			return;
		case INN_JOB_START_TIMEOUT:
		case INN_JOB_FINISH_TIMEOUT:
			run_out(changes, job);
			return;
		case INN_JOB_COUNT:
			break;
	}
	pg_unreachable();
}

/* The same job, from another time on. */
static void
queue_at(InnChanges *changes, const InnJob *job, TimestampTz run_at)
{
	InnJob later = *job;

	later.run_at = run_at;
	inn_changes_queue(changes, &later);
}

/*
 * The time of a run has come: when may it start?  By what the function says now, but together with those that were chosen when the run
 * was created.
 */
static void
ask_throttle(InnChanges *changes, const InnJob *job)
{
	InnLimitKey key = {.function_id = job->function_id};
	InnFunction function;
	InnFlow flow;
	TimestampTz start_at;
	InnPlace place;
	int64 rank;
	InnJob first = *job;

	if (!inn_functions_by_id(&job->function_id, &function) ||
		!inn_uuid_parse(job->step_id, &key.key))
		elog(ERROR, "job " INT64_FORMAT " is of no throttle", job->id);
	inn_flow_read(inn_functions_config(&job->function_id), &flow);
	start_at = inn_throttle_start(&flow.throttle, &key, changes->now);
	if (function.runtime == INN_RUNTIME_PULL)
	{
		inn_run_queue_attempt(&(InnItem){.run_id = job->run_id, .function_id = job->function_id},
							  start_at);
		return;
	}
	first.kind = inn_places_needed(&job->run_id, &place, &rank) ? INN_JOB_START : INN_JOB_CALL;
	first.step_id = NULL;
	if (start_at > changes->now)
		queue_at(changes, &first, start_at);
	else
		act_on_job(changes, &first);
}

/* A run has had the time that its function gives it, or once gave it. */
static void
run_out(InnChanges *changes, const InnJob *job)
{
	InnRunStanding standing;
	TimestampTz deadline;

	if (!inn_runs_standing(&job->run_id, &standing) || !standing.is_alive)
		return;
	deadline = deadline_of(job, &standing);
	if (deadline == INN_NEVER)
		return;
	if (deadline > changes->now)
		queue_at(changes, job, deadline);
	else if (inn_run_try_cancel(changes, &job->run_id) == INN_CANCEL_BUSY)
		queue_at(changes, job, changes->now + RETRY_MAX_USEC);
}

/* INN_NEVER: none any more. */
static TimestampTz
deadline_of(const InnJob *job, const InnRunStanding *standing)
{
	InnFunction function;
	bool is_started = standing->started_at != INN_NEVER;

	if (!inn_functions_by_id(&job->function_id, &function))
		return INN_NEVER;
	if (job->kind == INN_JOB_START_TIMEOUT && !is_started && function.start_timeout_usec > 0)
		return inn_run_queued_at(&job->run_id) + function.start_timeout_usec;
	if (job->kind == INN_JOB_FINISH_TIMEOUT && is_started && function.finish_timeout_usec > 0)
		return standing->started_at + function.finish_timeout_usec;
	return INN_NEVER;
}

/* ---- pauses ---- */

TimestampTz
inn_due_pauses(void)
{
	return due(&pauses);
}

void
inn_due_pauses_committed(void)
{
	committed(&pauses);
}

void
inn_due_pauses_collect(InnChanges *changes)
{
	int nread;
	int nchosen = 0;
	int i;
	InnPause *read;
	const InnPause **chosen;
	bool *removed;

	begin(&pauses);
	read = inn_pauses_read_expired(pauses.mark, changes->now, pauses.limit, &nread);
	if (nread > 0)
		INN_WAIT_POINT("scheduler after reading pauses");
	chosen = palloc(Max(nread, 1) * sizeof(InnPause *));
	removed = palloc(Max(nread, 1) * sizeof(bool));
	for (i = 0; i < nread && nchosen < pauses.size; i++)
	{
		bool is_free = may_expire(&read[i]);

		pauses.last_seen = read[i].expires_at;
		if (is_free && inn_redo_try(&pauses.redo, inn_pause_number(&read[i])))
			chosen[nchosen++] = &read[i];
		else
			leave(&pauses, read[i].expires_at, !is_free);
	}
	inn_pauses_remove(chosen, nchosen, removed);
	for (int j = 0; j < nchosen; j++)
	{
		if (removed[j])
			end_pause(changes, chosen[j]);
		else
			leave(&pauses, chosen[j]->expires_at, true);
	}
	if (end(&pauses, i, nread))
	{
		pauses.last_seen = changes->now;
		pauses.next_at = inn_pauses_next_expiry(changes->now + 1);
	}
}

/* Not if an event has ended it already; and what would have cancelled its run just goes. */
static bool
may_expire(const InnPause *pause)
{
	return pause->kind == INN_PAUSE_CANCEL || (!pause->is_matched && inn_run_claim(&pause->run_id));
}

static void
end_pause(InnChanges *changes, const InnPause *pause)
{
	if (pause->kind != INN_PAUSE_CANCEL)
		inn_apply_pause_end(changes, pause,
							pause->kind == INN_PAUSE_INVOKE ? INVOKE_TIMEOUT_MEMO : "null");
}
