/*-------------------------------------------------------------------------
 *
 * taking.c
 *	  Takes jobs, and calls their apps.
 *
 * Ready jobs come into lanes, an app a lane (execute/lanes.h).  Those that are next are claimed (execute/dispatch.h), what their calls say is
 * read, and runs that begin with this are marked as started; no transaction is open any more when the calls are made.  What is beyond a limit
 * of concurrency is put aside, and made ready when there is a place (execute/blocked.c).
 *
 * Several executors share the runs by a hash of their id, so that all news of a run come to one of them; a claim decides where they disagree,
 * while their number is being changed.
 *
 * IDENTIFICATION
 *	  src/taking.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/testing.h"
#include "base/tide.h"
#include "execute/attempt.h"
#include "execute/blocked.h"
#include "execute/dispatch.h"
#include "execute/targets.h"
#include "executor.h"
#include "ingest/settle.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "store/keys.h"
#include "store/outbox.h"
#include "taking.h"

/* Jobs of one transaction. */
#define BATCH 256

/* When to try again what somebody else holds, and what the server could not do. */
#define CLAIMED_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)
#define FAILURE_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)
#define DOOMED_RETRY_USEC (INT64CONST(5) * USECS_PER_SEC)

static int my_index;
static int nexecutors;					  /* how many share the runs */
static TimestampTz reread_at = INN_NEVER; /* jobs that were left are to be read again */
static TimestampTz take_at = DT_NOBEGIN;  /* after a failure, jobs are taken again */
static TimestampTz release_at =
	DT_NOBEGIN; /* after a failure, jobs that wait for a place are looked at again */

/* What one transaction takes. */
typedef struct Taken
{
	InnFlight *flights[BATCH]; /* claimed */
	int nflights;
	int ncalled;	 /* of these, what is done with */
	InnFlight *next; /* out of its lane, and not claimed; NULL: none */
	InnBlocked blocked[BATCH];
	int nblocked;
	InnPrepared prepared[BATCH];
} Taken;

static bool has_anything_to_take(void);
static void take_batch(void *any);
static void release_blocked(void *unused);
static void read_jobs(void);
static void add_to_lanes(const InnJob *jobs, int njobs);
static bool has_controls(const pg_uuid_t *function_id);
static bool is_mine(const InnUlid *run_id);
static void claim_jobs(Taken *taken);
static void claim_job(Taken *taken, TimestampTz now);
static void admit(InnPrepared *prepared, int nprepared);
static void start_runs(InnPrepared *prepared, int nprepared, TimestampTz now);
static void end_runs(const InnPrepared *prepared, int nprepared);
static void end_run(InnChanges *changes, const InnPrepared *call);
static void make_calls(Taken *taken);
static void make_call(InnPrepared *prepared, const char *key);
static void give_back(Taken *taken);

void
inn_taking_init(int index)
{
	my_index = index;
	nexecutors = inn_executors;
	inn_targets_init();
	inn_lanes_init();
}

void
inn_taking_note_settings(void)
{
	if (nexecutors == inn_executors)
		return;
	nexecutors = inn_executors;
	inn_lanes_rewind(PG_INT64_MIN);
	inn_blocked_look_at_all();
}

void
inn_taking_reread(TimestampTz when)
{
	reread_at = inn_sooner(reread_at, when);
}

TimestampTz
inn_taking_due(void)
{
	TimestampTz due = reread_at;

	if (take_at > inn_now())
		due = inn_sooner(due, take_at);
	if (inn_blocked_due() != INN_NEVER)
		due = inn_sooner(due, Max(inn_blocked_due(), release_at));
	return due;
}

void
inn_taking_start_over(void)
{
	inn_lanes_reset();
	inn_targets_forget();
	inn_blocked_look_at_all();
}

bool
inn_taking_take(void)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext batch_context;
	ErrorData *error;
	bool any = false;

	if (take_at > inn_now() || !has_anything_to_take())
		return false;
	batch_context = AllocSetContextCreate(caller, "inngest taking", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(batch_context);
	error = inn_work_try(take_batch, &any);
	MemoryContextSwitchTo(caller);
	if (error != NULL)
	{
		inn_executor_report("could not take jobs", error);
		inn_lanes_rewind(PG_INT64_MIN);
		inn_blocked_look_at_all();
		take_at = inn_now() + FAILURE_RETRY_USEC;
	}
	MemoryContextDelete(batch_context);
	return any;
}

bool
inn_taking_release(void)
{
	ErrorData *error;

	if (Max(inn_blocked_due(), release_at) > inn_now())
		return false;
	error = inn_work_try(release_blocked, NULL);
	if (error == NULL)
		return true;
	inn_executor_report("could not make jobs ready", error);
	inn_blocked_look_at_all();
	release_at = inn_now() + FAILURE_RETRY_USEC;
	return false;
}

static void
release_blocked(void *unused)
{
	MemoryContext caller = CurrentMemoryContext;

	inn_work_begin("looking for jobs that were beyond a limit");
	MemoryContextSwitchTo(caller);
	inn_blocked_release();
	inn_work_commit();
	inn_blocked_released();
}

static bool
has_anything_to_take(void)
{
	int64 lowest = inn_tide_take(INN_TIDE_JOBS, my_index);
	bool have_changed;
	int nlanes;

	if (inn_tide_take(INN_TIDE_FUNCTIONS, my_index) != PG_INT64_MAX)
		inn_targets_forget();
	have_changed = inn_targets_have_changed();

	/* What was beyond a limit may not be any more, or nobody knows of it; one looks for all. */
	if ((inn_dispatch_has_anybody_left() || have_changed) && my_index == 0)
		inn_blocked_look_at_all();
	if (have_changed || reread_at <= inn_now())
	{
		reread_at = INN_NEVER;
		inn_lanes_reread();
	}
	if (have_changed || lowest == PG_INT64_MIN)
		inn_lanes_note_apps_unknown();
	if (lowest != PG_INT64_MAX)
		inn_lanes_rewind(lowest);
	(void) inn_lanes_to_read(&nlanes);
	return nlanes > 0 || inn_lanes_can_take(inn_max_calls, inn_max_calls_per_app);
}

/* Sets *any, a bool: was there anything to do, or is there more? */
static void
take_batch(void *any)
{
	MemoryContext caller = CurrentMemoryContext;
	Taken *taken = palloc(sizeof(Taken));
	int nlanes;
	TimestampTz now;

	taken->nflights = taken->ncalled = taken->nblocked = 0;
	taken->next = NULL;
	inn_work_begin("taking jobs");
	MemoryContextSwitchTo(caller);
	now = inn_now();
	read_jobs();
	PG_TRY();
	{
		claim_jobs(taken);
		inn_attempts_prepare(taken->flights, taken->nflights, now, taken->prepared);
		admit(taken->prepared, taken->nflights);
		inn_attempts_read_state(taken->prepared, taken->nflights);
		start_runs(taken->prepared, taken->nflights, now);
		end_runs(taken->prepared, taken->nflights);
		inn_blocked_put_aside(taken->blocked, taken->nblocked);
		inn_work_commit();
		if (taken->nflights > 0)
			INN_WAIT_POINT("executor before calling");
		inn_blocked_committed(taken->blocked, taken->nblocked);
		make_calls(taken);
	}
	PG_CATCH();
	{
		give_back(taken);
		PG_RE_THROW();
	}
	PG_END_TRY();
	(void) inn_lanes_to_read(&nlanes);
	*(bool *) any = taken->nflights > 0 || taken->nblocked > 0 || nlanes > 0;
}

static void
read_jobs(void)
{
	int nlanes;
	int njobs;
	InnJobLane *lanes;
	InnJob *jobs;

	if (inn_lanes_are_apps_unknown())
	{
		int napps;
		pg_uuid_t *apps = inn_apps_read(&napps);

		inn_lanes_set_apps(apps, napps);
	}
	lanes = inn_lanes_to_read(&nlanes);
	if (nlanes == 0)
		return;
	jobs = inn_jobs_read_ready(lanes, nlanes, &njobs);
	inn_lanes_were_read(lanes, nlanes, jobs, njobs);
	add_to_lanes(jobs, njobs);
}

/* With the controls of their runs, which those have whose functions have some. */
static void
add_to_lanes(const InnJob *jobs, int njobs)
{
	const InnJob **mine = palloc(Max(njobs, 1) * sizeof(InnJob *));
	InnUlid *controlled = palloc(Max(njobs, 1) * sizeof(InnUlid));
	const InnControls **controls = palloc(Max(njobs, 1) * sizeof(InnControls *));
	int nmine = 0;
	int ncontrolled = 0;

	/* those with controls first, so that the two arrays go together */
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < njobs; i++)
		{
			bool is_controlled;

			if (!is_mine(&jobs[i].run_id))
				continue;
			is_controlled = has_controls(&jobs[i].function_id);
			if (is_controlled == (pass == 0))
				mine[nmine++] = &jobs[i];
			if (is_controlled && pass == 0)
				controlled[ncontrolled++] = jobs[i].run_id;
		}
	}
	inn_controls_read(controlled, ncontrolled, controls);
	for (int i = 0; i < nmine; i++)
		inn_lanes_add(mine[i], i < ncontrolled ? controls[i] : NULL);
}

static bool
has_controls(const pg_uuid_t *function_id)
{
	const InnFunction *function = inn_targets_find(function_id);

	return function != NULL && function->has_controls;
}

static bool
is_mine(const InnUlid *run_id)
{
	return nexecutors <= 1 || hash_bytes(run_id->bytes, sizeof(run_id->bytes)) % nexecutors ==
								  (uint32) my_index % nexecutors;
}

/* Those that may be executed now, and that nobody else executes; and those that are beyond a limit. */
static void
claim_jobs(Taken *taken)
{
	int room = Min(inn_client_room(), BATCH);
	TimestampTz now = inn_now();

	while (taken->nflights < room && taken->nblocked < BATCH)
	{
		taken->next = inn_lanes_take(inn_max_calls, inn_max_calls_per_app);
		if (taken->next == NULL)
			break;
		claim_job(taken, now);
		taken->next = NULL;
	}
}

static void
claim_job(Taken *taken, TimestampTz now)
{
	InnFlight *flight = taken->next;
	InnSlot slots[INN_DISPATCH_MAX_SLOTS] = {0};
	InnClaim claim;
	int nslots;
	int blocking;

	/* Since it was read the runs have been shared anew: another executor may have settled it. */
	if (!is_mine(&flight->job.run_id))
	{
		inn_lanes_forget(flight);
		return;
	}
	inn_ulid_generate(&flight->request_id);
	flight->started_at = now;
	nslots = inn_blocked_slots(&flight->job.function_id, &flight->controls, slots);
	claim = inn_dispatch_begin(flight->job.id, &flight->job.run_id, &flight->request_id, now, slots,
							   nslots, flight->rank, &blocking);
	if (claim == INN_CLAIM_DONE)
		taken->flights[taken->nflights++] = flight;
	else if (claim == INN_CLAIM_BLOCKED && inn_run_claim(&flight->job.run_id))
	{
		taken->blocked[taken->nblocked++] =
			(InnBlocked){flight->job, slots[blocking], flight->rank};
		inn_lanes_forget(flight);
	}
	else
	{
		inn_taking_reread(now + CLAIMED_RETRY_USEC);
		inn_lanes_leave(flight);
	}
}

/* Not too many bytes at a time. */
static void
admit(InnPrepared *prepared, int nprepared)
{
	for (int i = 0; i < nprepared; i++)
	{
		if (prepared[i].readiness == INN_CALL_READY &&
			!inn_lanes_admit(prepared[i].flight, prepared[i].bytes))
			prepared[i].readiness = INN_CALL_ASIDE;
	}
}

/*
 * Runs that begin with these calls, unless somebody else is just ending them.  Nobody waits for that to reach the disk: if it is lost, so are
 * the calls.
 */
static void
start_runs(InnPrepared *prepared, int nprepared, TimestampTz now)
{
	InnUlid *ids = palloc(Max(nprepared, 1) * sizeof(InnUlid));
	pg_uuid_t *functions = palloc(Max(nprepared, 1) * sizeof(pg_uuid_t));
	InnJob *timeouts = palloc(Max(nprepared, 1) * sizeof(InnJob));
	int nstarted = 0;
	int ntimeouts = 0;

	for (int i = 0; i < nprepared; i++)
	{
		const InnJob *job = &prepared[i].flight->job;

		if (prepared[i].readiness != INN_CALL_READY || !prepared[i].is_first)
			continue;
		if (!inn_run_claim(&job->run_id))
		{
			prepared[i].readiness = INN_CALL_BUSY;
			continue;
		}
		ids[nstarted] = job->run_id;
		functions[nstarted++] = job->function_id;
		if (prepared[i].function->finish_timeout_usec > 0)
			timeouts[ntimeouts++] = (InnJob){
				.kind = INN_JOB_FINISH_TIMEOUT,
				.app_id = job->app_id,
				.function_id = job->function_id,
				.run_id = job->run_id,
				.run_at = now + prepared[i].function->finish_timeout_usec,
				.generation = 1,
				.queued_at = now,
			};
	}
	if (nstarted == 0)
		return;
	inn_runs_start(ids, nstarted, now);
	inn_outbox_put_status(ids, functions, nstarted);
	inn_jobs_put(timeouts, ntimeouts);
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/* Runs that cannot go on, unless somebody else has ended them meanwhile: then their jobs are gone. */
static void
end_runs(const InnPrepared *prepared, int nprepared)
{
	const InnPrepared **ending = palloc(Max(nprepared, 1) * sizeof(InnPrepared *));
	const InnJob **jobs = palloc(Max(nprepared, 1) * sizeof(InnJob *));
	bool *removed = palloc(Max(nprepared, 1) * sizeof(bool));
	InnChanges changes;
	int nending = 0;

	for (int i = 0; i < nprepared; i++)
	{
		if (prepared[i].readiness != INN_CALL_FAULTY && prepared[i].readiness != INN_CALL_LATE)
			continue;
		INN_WAIT_POINT("executor before ending a run");
		if (!inn_run_claim(&prepared[i].flight->job.run_id))
		{
			inn_taking_reread(inn_now() + CLAIMED_RETRY_USEC);
			continue;
		}
		jobs[nending] = &prepared[i].flight->job;
		ending[nending++] = &prepared[i];
	}
	if (nending == 0)
		return;
	inn_changes_init(&changes);
	inn_jobs_remove_ready(jobs, nending, removed);
	for (int i = 0; i < nending; i++)
	{
		if (removed[i])
			end_run(&changes, ending[i]);
	}
	inn_settle(&changes);
}

static void
end_run(InnChanges *changes, const InnPrepared *call)
{
	InnOutcomeOfCall outcome = {.retry_at = INN_NEVER, .request_version = -1};
	InnCallNews news;

	if (call->readiness == INN_CALL_LATE)
	{
		inn_changes_end(changes, &(InnRunEnd){
									 .run_id = call->flight->job.run_id,
									 .outcome = INN_RUN_CANCELLED,
								 });
		return;
	}
	news = inn_attempt_news(call->flight, &outcome);
	inn_apply_fault(changes, &news,
					&(InnCallFault){
						.error = call->fault,
						.is_fatal = true,
						.retry_at = INN_NEVER,
					});
}

/* The transaction is over. */
static void
make_calls(Taken *taken)
{
	const char *key = inn_mode == INN_MODE_CLOUD ? inn_keys_signing_key() : NULL;

	for (; taken->ncalled < taken->nflights; taken->ncalled++)
		make_call(&taken->prepared[taken->ncalled], key);
}

static void
make_call(InnPrepared *prepared, const char *key)
{
	InnFlight *flight = prepared->flight;

	if (prepared->readiness == INN_CALL_READY && inn_attempt_start(prepared, key))
		return;
	if (prepared->readiness == INN_CALL_ASIDE)
	{
		inn_dispatch_end(flight->job.id, NULL);
		return;
	}
	if (prepared->readiness == INN_CALL_READY || prepared->readiness == INN_CALL_BUSY)
		inn_taking_reread(inn_now() + FAILURE_RETRY_USEC);
	else if (prepared->readiness == INN_CALL_DOOMED)
		inn_taking_reread(inn_now() + DOOMED_RETRY_USEC);
	inn_attempt_leave(flight);
}

/* Something has failed: as if what was not done with had not been taken. */
static void
give_back(Taken *taken)
{
	if (taken->next != NULL)
	{
		inn_dispatch_end(taken->next->job.id, NULL);
		inn_lanes_put_back(taken->next);
	}
	for (int i = taken->ncalled; i < taken->nflights; i++)
	{
		inn_dispatch_end(taken->flights[i]->job.id, NULL);
		if (taken->flights[i]->state == INN_FLIGHT_CALLING)
			inn_lanes_put_back(taken->flights[i]);
	}
}
