/*-------------------------------------------------------------------------
 *
 * places.c
 *	  Limits of runs in progress (semantics.md 2.8).
 *
 * A run of a function with such a limit begins with a job that asks for a place.  If there is none, the job stays without a time, and the
 * run is marked as waiting.  Whoever ends a run that has a place leaves a job that says so, in the same transaction.
 *
 * How many have a place, and where those that wait begin, is kept in memory: in the tables they would have to be looked for among all that
 * have had one, while a snapshot is open.  What a transaction that fails has changed there is read anew.
 *
 * A place is looked at when one of its runs has ended, when one asks, a little later if a run that is its turn was busy, and,
 * if anybody waits for it, when configs have changed or it was read anew.  So nobody waits in vain: not for a limit that was raised or
 * taken away, and not for what was forgotten.
 *
 * All runs that wait for a place are of one function, whose limit of now decides.  One that was lowered stops nobody.
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
#include "base/tide.h"
#include "base/timer.h"
#include "run/flow.h"
#include "schedule/places.h"
#include "store/apps.h"
#include "store/jobs.h"
#include "store/places.h"

/*
 * In one transaction so many runs are let go on, or found to be busy.  One session that has changed so many that wait for the same
 * place, and does not commit, keeps the others from it.
 */
#define GIVE_BATCH 500

/* How soon to try again what somebody else is just changing: most end it. */
#define BUSY_RETRY_USEC (INT64CONST(100) * 1000)

/* After a failure; everything else goes on meanwhile. */
#define FAILURE_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)

static HTAB *states;	/* InnPlaceState; NULL: they have to be read */
static bool is_changed; /* by the transaction that is open, or one that has failed */
static bool is_fresh;	/* read by the transaction that is open, when its jobs had been deleted */
static TimestampTz look_at = INN_NEVER;	 /* the soonest of all states */
static TimestampTz give_at = DT_NOBEGIN; /* not before */

static TimestampTz due(void);
static void know_states(void);
static void look_at_all(void);
static void look(InnPlaceState *state, TimestampTz when);
static InnPlaceState *state_of(const InnPlace *place);
static bool is_idle(const InnPlaceState *state);
static void give(InnChanges *changes, InnPlaceState *state, int *room);
static bool try_start(InnChanges *changes, InnPlaceState *state, const InnUlid *run_id);
static bool is_free(const InnPlaceState *state, const pg_uuid_t *function_id);
static void go_on(InnChanges *changes, InnPlaceState *state, const InnJob *job);

/* ---- what is known ---- */

TimestampTz
inn_places_due(void)
{
	if (inn_tide_take(INN_TIDE_LIMITS, 0) != PG_INT64_MAX)
		look_at_all();
	return due();
}

static TimestampTz
due(void)
{
	/* after a failure look_at may be what the failed transaction left */
	return states == NULL || is_changed ? give_at : Max(look_at, give_at);
}

void
inn_places_begin(void)
{
	if (is_changed)
	{
		if (states != NULL)
			hash_destroy(states);
		states = NULL;
		give_at = inn_now() + FAILURE_RETRY_USEC;
	}
	is_changed = false;
	is_fresh = false;
}

void
inn_places_committed(void)
{
	is_changed = false;
}

/* From here on they are changed. */
static void
know_states(void)
{
	HASHCTL info = {
		.keysize = sizeof(InnPlace),
		.entrysize = sizeof(InnPlaceState),
		.hcxt = TopMemoryContext,
	};
	InnPlaceState *read;
	int nread;

	is_changed = true;
	if (states != NULL)
		return;
	nread = inn_places_read(&read);
	states = hash_create("inngest places", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < nread; i++)
		*(InnPlaceState *) hash_search(states, &read[i].place, HASH_ENTER, NULL) = read[i];
	pfree(read);
	look_at_all();
	is_fresh = true;
}

/* All that anybody waits for. */
static void
look_at_all(void)
{
	HASH_SEQ_STATUS scan;
	InnPlaceState *state;

	if (states == NULL)
		return;
	hash_seq_init(&scan, states);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		if (state->first_rank != INN_RANK_NONE)
			look(state, DT_NOBEGIN);
	}
}

static void
look(InnPlaceState *state, TimestampTz when)
{
	state->look_at = inn_sooner(state->look_at, when);
	look_at = inn_sooner(look_at, when);
}

static InnPlaceState *
state_of(const InnPlace *place)
{
	InnPlaceState *state;
	bool is_known;

	know_states();
	state = hash_search(states, place, HASH_ENTER, &is_known);
	if (!is_known)
		*state = (InnPlaceState){
			.place = *place,
			.first_rank = INN_RANK_NONE,
			.look_at = INN_NEVER,
		};
	return state;
}

static bool
is_idle(const InnPlaceState *state)
{
	return state->taken == 0 && state->first_rank == INN_RANK_NONE && state->look_at == INN_NEVER;
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
	if (is_free(state, &job->function_id))
	{
		if (state->first_rank == INN_RANK_NONE)
		{
			go_on(changes, state, job);
			return;
		}
		look(state, changes->now);
	}
	waiting.run_at = INN_NEVER;
	inn_jobs_put(&waiting, 1);
	inn_places_wait(&job->run_id);
	state->first_rank = Min(state->first_rank, rank);
}

void
inn_places_free(InnChanges *changes, const InnJob *job)
{
	InnPlace place = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(job->step_id)));
	InnPlaceState *state = state_of(&place);

	if (!is_fresh)
		state->taken--;
	look(state, changes->now);
}

void
inn_places_collect(InnChanges *changes)
{
	int room = GIVE_BATCH;
	HASH_SEQ_STATUS scan;
	InnPlaceState *state;

	inn_places_begin();
	if (due() > changes->now)
		return;
	know_states();
	look_at = INN_NEVER;
	hash_seq_init(&scan, states);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		if (state->look_at <= changes->now && room > 0)
			give(changes, state, &room);
		look_at = inn_sooner(look_at, state->look_at);
		if (is_idle(state))
			(void) hash_search(states, &state->place, HASH_REMOVE, NULL);
	}
}

/* To those that wait, one after the other, as long as there is one; past those that are busy. */
static void
give(InnChanges *changes, InnPlaceState *state, int *room)
{
	InnPlaceWaiter waiter = {.rank = state->first_rank};
	bool is_waiting;
	bool is_moving = false;

	state->first_rank = INN_RANK_NONE;
	state->look_at = INN_NEVER;
	while ((is_waiting = inn_places_next(&state->place, &waiter)) && (*room)-- > 0 &&
		   is_free(state, &waiter.function_id))
	{
		if (try_start(changes, state, &waiter.run_id))
		{
			is_moving = true;
			continue;
		}
		state->first_rank = Min(state->first_rank, waiter.rank);
		state->look_at = changes->now + BUSY_RETRY_USEC;
	}
	if (!is_waiting)
		return;
	state->first_rank = Min(state->first_rank, waiter.rank);

	/* There is more to do, but not if all were busy: that would keep us from everything else. */
	if (*room <= 0)
		state->look_at = changes->now + (is_moving ? 0 : BUSY_RETRY_USEC);
}

/* False if somebody is just changing the run. */
static bool
try_start(InnChanges *changes, InnPlaceState *state, const InnUlid *run_id)
{
	InnJob job;

	if (!inn_run_claim(run_id) || !inn_jobs_take_start(run_id, &job))
		return false;
	go_on(changes, state, &job);
	return true;
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
