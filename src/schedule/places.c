/*-------------------------------------------------------------------------
 *
 * places.c
 *	  Limits of runs in progress (semantics.md 2.8).
 *
 * A run of a function with such a limit begins with a job that asks for a place.  If there is none, the job stays without a time, and the
 * run is marked as waiting.  Whoever ends a run that has a place leaves a job that says so, in the same transaction.
 *
 * Nobody waits in vain: what the scheduler counts as taken is freed by a job that it has still to see.  A limit that was raised
 * counts when the next run of its function asks or ends; one that was lowered stops nobody.
 *
 * IDENTIFICATION
 *	  src/schedule/places.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "base/ident.h"
#include "run/flow.h"
#include "schedule/places.h"
#include "store/apps.h"
#include "store/jobs.h"
#include "store/places.h"

/* Runs that one freed place lets go on at most, at a time: more than one if the limit was raised. */
#define GIVE_BATCH 100

/* How soon to try again what somebody else is just changing. */
#define BUSY_RETRY_USEC (INT64CONST(20) * 1000)

static void give(InnChanges *changes, const InnPlace *place, const InnJob *occasion);
static void again(const InnPlace *place, const InnJob *occasion, TimestampTz when);
static bool is_free(const InnPlace *place, const pg_uuid_t *function_id);
static void go_on(InnChanges *changes, const InnJob *job);

void
inn_places_ask(InnChanges *changes, const InnJob *job)
{
	InnPlace place;
	InnJob waiting = *job;
	InnUlid first;
	pg_uuid_t function_id;

	if (!inn_places_needed(&job->run_id, &place))
		return;
	if (!inn_places_first(&place, &first, &function_id) && is_free(&place, &job->function_id))
	{
		go_on(changes, job);
		return;
	}
	waiting.run_at = INN_NEVER;
	inn_jobs_put(&waiting, 1);
	inn_places_wait(&job->run_id);
	give(changes, &place, job);
}

void
inn_places_give(InnChanges *changes, const InnJob *job)
{
	InnPlace place = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(job->step_id)));

	give(changes, &place, job);
}

/* To those that wait, one after the other, as long as there is one. */
static void
give(InnChanges *changes, const InnPlace *place, const InnJob *occasion)
{
	InnUlid run_id;
	pg_uuid_t function_id;

	for (int i = 0; i < GIVE_BATCH; i++)
	{
		InnJob job;

		if (!inn_places_first(place, &run_id, &function_id) || !is_free(place, &function_id))
			return;
		if (!inn_run_claim(&run_id) || !inn_jobs_take_start(&run_id, &job))
		{
			/* It is just being cancelled. */
			again(place, occasion, changes->now + BUSY_RETRY_USEC);
			return;
		}
		go_on(changes, &job);
	}
	again(place, occasion, changes->now);
}

/* Look at the place once more; for no run, so that the end of none takes the job away. */
static void
again(const InnPlace *place, const InnJob *occasion, TimestampTz when)
{
	char text[INN_UUID_TEXT_SIZE];
	InnJob job = {
		.kind = INN_JOB_PLACE_FREED,
		.app_id = occasion->app_id,
		.function_id = occasion->function_id,
		.run_at = when,
		.step_id = text,
		.generation = 1,
		.queued_at = occasion->queued_at,
	};

	inn_uuid_format(place, text);
	inn_jobs_put(&job, 1);
}

/* By what the function says now. */
static bool
is_free(const InnPlace *place, const pg_uuid_t *function_id)
{
	InnFlow flow;

	inn_flow_read(inn_functions_config(function_id), &flow);
	return flow.runs.limit == 0 || inn_places_taken(place, flow.runs.limit) < flow.runs.limit;
}

static void
go_on(InnChanges *changes, const InnJob *job)
{
	InnJob call = *job;

	inn_places_take(&job->run_id);
	call.kind = INN_JOB_CALL;
	call.run_at = INN_NOW;
	inn_changes_queue(changes, &call);
}
