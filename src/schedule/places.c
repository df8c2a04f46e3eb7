/*-------------------------------------------------------------------------
 *
 * places.c
 *	  Limits of runs in progress (semantics.md 2.8).
 *
 * A run of a function with such a limit begins with a job that asks for a place.  If there is none, the job stays without a time, and the
 * run is marked as waiting.  Whoever ends a run that has a place leaves a job that says so, in the same transaction.
 *
 * Nobody waits in vain: what counts as taken is freed by a job that the scheduler has still to see.  A limit that was raised
 * counts when the next run of its function asks or ends; one that was lowered stops nobody.
 *
 * How many have a place, and where those that wait begin, is kept in memory: in the tables they would have to be looked for among all that
 * have had one, while a snapshot is open.  What a transaction that fails has changed there is read anew.
 *
 * IDENTIFICATION
 *	  src/schedule/places.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

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

static HTAB *states;	/* InnPlaceState; NULL: they have to be read */
static bool is_changed; /* by the transaction that is open, or one that has failed */
static bool is_fresh;	/* read by the transaction that is open, when its jobs had been deleted */

static void read_states(void);
static InnPlaceState *state_of(const InnPlace *place);
static void forget_if_idle(InnPlaceState *state);
static void give(InnChanges *changes, InnPlaceState *state, const InnJob *occasion);
static void again(const InnPlace *place, const InnJob *occasion, TimestampTz when);
static bool is_free(const InnPlaceState *state, const pg_uuid_t *function_id);
static void go_on(InnChanges *changes, InnPlaceState *state, const InnJob *job);

/* ---- what is known ---- */

void
inn_places_begin(void)
{
	if (is_changed && states != NULL)
	{
		hash_destroy(states);
		states = NULL;
	}
	is_changed = false;
	is_fresh = false;
}

void
inn_places_committed(void)
{
	is_changed = false;
}

static void
read_states(void)
{
	HASHCTL info = {
		.keysize = sizeof(InnPlace),
		.entrysize = sizeof(InnPlaceState),
		.hcxt = TopMemoryContext,
	};
	InnPlaceState *read;
	int nread = inn_places_read(&read);

	states = hash_create("inngest places", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < nread; i++)
		*(InnPlaceState *) hash_search(states, &read[i].place, HASH_ENTER, NULL) = read[i];
	pfree(read);
	is_fresh = true;
}

static InnPlaceState *
state_of(const InnPlace *place)
{
	InnPlaceState *state;
	bool is_known;

	if (states == NULL)
		read_states();
	is_changed = true;
	state = hash_search(states, place, HASH_ENTER, &is_known);
	if (!is_known)
		*state = (InnPlaceState){.place = *place, .first_rank = INN_RANK_NONE};
	return state;
}

static void
forget_if_idle(InnPlaceState *state)
{
	if (state->taken == 0 && state->first_rank == INN_RANK_NONE)
		(void) hash_search(states, &state->place, HASH_REMOVE, NULL);
}

/* ---- what comes due ---- */

void
inn_places_ask(InnChanges *changes, const InnJob *job)
{
	InnJob waiting = *job;
	InnPlaceState *state;
	InnPlace place;
	int64 rank;

	if (!inn_places_needed(&job->run_id, &place, &rank))
		return;
	state = state_of(&place);
	if (state->first_rank == INN_RANK_NONE && is_free(state, &job->function_id))
	{
		go_on(changes, state, job);
		return;
	}
	waiting.run_at = INN_NEVER;
	inn_jobs_put(&waiting, 1);
	inn_places_wait(&job->run_id);
	state->first_rank = Min(state->first_rank, rank);
	give(changes, state, job);
}

void
inn_places_give(InnChanges *changes, const InnJob *job)
{
	InnPlace place = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(job->step_id)));
	InnPlaceState *state = state_of(&place);
	InnUlid no_run = {{0}};

	if (!is_fresh && memcmp(&job->run_id, &no_run, sizeof(InnUlid)) != 0)
		state->taken--;
	give(changes, state, job);
	forget_if_idle(state);
}

/* To those that wait, one after the other, as long as there is one. */
static void
give(InnChanges *changes, InnPlaceState *state, const InnJob *occasion)
{
	for (int i = 0; i < GIVE_BATCH && state->first_rank != INN_RANK_NONE; i++)
	{
		InnPlaceWaiter waiter;
		InnJob job;

		if (!inn_places_first(&state->place, state->first_rank, &waiter))
		{
			state->first_rank = INN_RANK_NONE;
			return;
		}
		state->first_rank = waiter.rank;
		if (!is_free(state, &waiter.function_id))
			return;
		if (!inn_run_claim(&waiter.run_id) || !inn_jobs_take_start(&waiter.run_id, &job))
		{
			/* It is just being cancelled. */
			again(&state->place, occasion, changes->now + BUSY_RETRY_USEC);
			return;
		}
		go_on(changes, state, &job);
	}
	if (state->first_rank != INN_RANK_NONE)
		again(&state->place, occasion, changes->now);
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
is_free(const InnPlaceState *state, const pg_uuid_t *function_id)
{
	InnFlow flow;

	inn_flow_read(inn_functions_config(function_id), &flow);
	return flow.runs.limit == 0 || state->taken < flow.runs.limit;
}

static void
go_on(InnChanges *changes, InnPlaceState *state, const InnJob *job)
{
	InnJob call = *job;

	inn_places_take(&job->run_id);
	state->taken++;
	call.kind = INN_JOB_CALL;
	call.run_at = INN_NOW;
	inn_changes_queue(changes, &call);
}
