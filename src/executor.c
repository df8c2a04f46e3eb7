/*-------------------------------------------------------------------------
 *
 * executor.c
 *	  The executor's tick: takes jobs, calls apps, settles what they answer.
 *
 *		read	ready jobs come into lanes, an app a lane (execute/lanes.h)
 *		take	those that are next are claimed (execute/dispatch.h), and what their calls say is read; runs
 *				that begin with this are marked as started
 *		call	no transaction is open while bytes move (execute/client.h)
 *		settle	all answers that have come are settled in one transaction: the job is deleted, and only if it was still there
 *				its run is changed (run/opcode.h) and the events that follow are sent
 *
 * If a batch of answers fails to be settled, they are settled one by one, so that only the one fails that cannot be; it is
 * then a failed attempt.
 *
 * What is beyond a limit of concurrency is put aside, and made ready when there is a place (execute/blocked.c).
 *
 * Crash anywhere: jobs that were taken are still in the table, and are taken again with the same attempt; what was on the wire is sent
 * once more.  Whether a run was marked as started is the only thing written between, and that may be lost.
 *
 * Several executors share the runs by a hash of their id, so that all news of a run come to one of them; a claim decides where
 * they disagree, while their number is being changed.
 *
 * IDENTIFICATION
 *	  src/executor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/guc.h"
#include "base/testing.h"
#include "base/tide.h"
#include "execute/attempt.h"
#include "execute/blocked.h"
#include "execute/dispatch.h"
#include "execute/gateway.h"
#include "execute/ping.h"
#include "execute/targets.h"
#include "executor.h"
#include "ingest/settle.h"
#include "run/fault.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "store/keys.h"
#include "store/outbox.h"

/* Answers, or jobs, of one transaction. */
#define BATCH 256

/* Turns of the inner loop in one tick. */
#define ROUNDS_PER_TICK 8

/* Calls beyond inngest.max_calls: those that apps may always have, pings, requests of functions. */
#define CALLS_BEYOND 512

/* Answers of one transaction, in bytes. */
#define BATCH_BYTES (8 * 1024 * 1024)

/* When to try again what somebody else holds, and what the server could not do. */
#define BUSY_RETRY_USEC (INT64CONST(2) * 1000)
#define CLAIMED_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)
#define FAILURE_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)

static int my_index;
static MemoryContext worker_context;
static dlist_head answered = DLIST_STATIC_INIT(answered); /* InnFlight, to be settled */
static TimestampTz settle_at;  /* what is answered can be settled; DT_NOBEGIN: now */
static TimestampTz reread_at;  /* jobs that somebody else held are to be read again */
static TimestampTz take_at;	   /* after a failure, jobs are taken again */
static TimestampTz release_at; /* after a failure, jobs that wait for a place are looked at again */
static TimestampTz ping_at;	   /* after a failure, apps are asked for their functions again */
static int nexecutors;		   /* how many share the runs */

static void release_claims(int code, Datum arg);
static void open_client(void);
static void collect_replies(void);
static void note_reply(InnClientReply *reply);
static bool ping(bool reloaded);
static void work_on_pings(const InnClientReply *reply);
static TimestampTz ping_due(bool reloaded);
static bool settle(void);
static int choose_answered(InnFlight **flights);
static bool settle_batch(InnFlight **flights, int nflights);
static void settle_together(InnFlight **flights, int nflights);
static void apply_outcome(InnChanges *changes, InnFlight *flight, InnOutcomeOfCall *outcome);
static InnCallNews news_of(InnFlight *flight, const InnOutcomeOfCall *outcome);
static void drop_attempts(InnFlight *flight);
static void fail_alone(InnFlight *flight, const ErrorData *error);
static void land(InnFlight *flight);
static void report(const char *what, const ErrorData *error);
static bool take(void);
static bool has_anything_to_take(void);
static bool take_batch(void);
static void read_jobs(void);
static void add_to_lanes(const InnJob *jobs, int njobs);
static bool has_controls(const pg_uuid_t *function_id);
static bool is_mine(const InnUlid *run_id);
static int claim_jobs(InnFlight **flights, InnBlocked *blocked, int *nblocked);
static bool release(void);
static void admit(InnPrepared *prepared, int nprepared);
static void start_runs(const InnPrepared *prepared, int nprepared, TimestampTz now);
static void end_runs(const InnPrepared *prepared, int nprepared);
static void make_calls(InnPrepared *prepared, int nprepared);
static void give_back(InnFlight **flights, int nflights);
static TimestampTz deadline(void);

void
inn_executor_init(int index)
{
	my_index = index;
	worker_context = CurrentMemoryContext;
	nexecutors = inn_executors;
	settle_at = take_at = release_at = ping_at = DT_NOBEGIN;
	reread_at = INN_NEVER;
	before_shmem_exit(release_claims, (Datum) 0);
	inn_targets_init();
	inn_lanes_init();
	open_client();
}

static void
release_claims(int code, Datum arg)
{
	inn_dispatch_end_all();
}

static void
open_client(void)
{
	if (!inn_client_open(inn_max_calls + CALLS_BEYOND))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				errmsg("could not make ready to call apps: %m"));
}

InnWaitSocket
inn_executor_socket(void)
{
	return (InnWaitSocket){.fd = inn_client_fd()};
}

TimestampTz
inn_executor_tick(bool reloaded)
{
	if (reloaded && nexecutors != inn_executors)
	{
		nexecutors = inn_executors;
		inn_lanes_rewind(PG_INT64_MIN);
		inn_blocked_look_at_all();
	}
	inn_keys_refresh();
	for (int round = 0; round < ROUNDS_PER_TICK; round++)
	{
		bool any;

		CHECK_FOR_INTERRUPTS();
		inn_client_run();
		collect_replies();
		any = settle();
		any |= take();
		any |= release();
		any |= ping(reloaded && round == 0);
		if (!any)
			return deadline();
	}
	return DT_NOBEGIN;
}

static TimestampTz
deadline(void)
{
	TimestampTz next = inn_sooner(inn_client_deadline(), reread_at);

	if (!dlist_is_empty(&answered))
		next = inn_sooner(next, settle_at);
	if (take_at > inn_now())
		next = inn_sooner(next, take_at);
	if (inn_blocked_due() != INN_NEVER)
		next = inn_sooner(next, Max(inn_blocked_due(), release_at));
	return inn_sooner(next, ping_due(false));
}

/*
 * An ERROR passed through where none was expected.  What is under way is given up: its jobs are in the table, and are taken
 * again.
 */
void
inn_executor_recover(void)
{
	inn_wait_forget_socket();
	inn_client_close();
	inn_ping_forget();
	inn_dispatch_end_all();
	dlist_init(&answered);
	inn_lanes_reset();
	inn_targets_forget();
	inn_blocked_look_at_all();
	open_client();
}

/* ---- answers ---- */

static void
collect_replies(void)
{
	InnClientReply *reply;

	while ((reply = inn_client_next()) != NULL)
		note_reply(reply);
}

static void
note_reply(InnClientReply *reply)
{
	InnFlight *flight;

	switch (*(InnCookieKind *) reply->cookie)
	{
		case INN_COOKIE_FLIGHT:
			flight = reply->cookie;
			flight->reply = reply;
			if (reply->error == INN_CLIENT_BUSY)
			{
				/* It was not made, and is no attempt: once more, when there is room. */
				land(flight);
				reread_at = inn_now() + FAILURE_RETRY_USEC;
				return;
			}
			break;
		case INN_COOKIE_GATEWAY:
			flight = inn_gateway_note_reply(reply);
			if (flight == NULL)
				return;
			break;
		case INN_COOKIE_SYNC:
			work_on_pings(reply);
			inn_client_free(reply);
			return;
		default:
			elog(ERROR, "a reply for nobody");
	}
	flight->state = INN_FLIGHT_ANSWERED;
	dlist_push_tail(&answered, &flight->answered);
}

/* Ask apps for their functions.  True if anybody was asked. */
static bool
ping(bool reloaded)
{
	if (ping_due(reloaded) > inn_now())
		return false;
	work_on_pings(NULL);
	return true;
}

/* Settle a reply, or begin what is due if there is none. */
static void
work_on_pings(const InnClientReply *reply)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		inn_work_begin("asking apps for their functions");
		MemoryContextSwitchTo(caller);
		if (reply != NULL)
			inn_ping_settle(reply);
		else
			inn_ping_begin();
		inn_work_commit();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		inn_work_abort();
		MemoryContextSwitchTo(caller);
	}
	PG_END_TRY();

	if (error == NULL)
		return;
	report("could not ask an app for its functions", error);
	ping_at = inn_now() + FAILURE_RETRY_USEC;
}

/* The first executor does it for all. */
static TimestampTz
ping_due(bool reloaded)
{
	TimestampTz due;

	if (my_index != 0)
		return INN_NEVER;
	due = inn_ping_due(reloaded);
	return due == INN_NEVER ? due : Max(due, ping_at);
}

/* True if anything was settled. */
static bool
settle(void)
{
	InnFlight *flights[BATCH];
	bool any = false;

	if (settle_at > inn_now())
		return false;
	settle_at = DT_NOBEGIN;
	for (;;)
	{
		int nflights = choose_answered(flights);

		if (nflights == 0)
			return any;
		if (!settle_batch(flights, nflights))
		{
			for (int i = 0; i < nflights; i++)
				(void) settle_batch(&flights[i], 1);
		}
		any = true;
		if (settle_at != DT_NOBEGIN)
			return any;
	}
}

static int
choose_answered(InnFlight **flights)
{
	int nflights = 0;
	size_t bytes = 0;

	while (nflights < BATCH && bytes < BATCH_BYTES && !dlist_is_empty(&answered))
	{
		flights[nflights] = dlist_container(InnFlight, answered, dlist_pop_head_node(&answered));
		bytes += flights[nflights++]->reply->size;
	}
	return nflights;
}

/* False if that failed and may be tried one by one; one alone is always got rid of. */
static bool
settle_batch(InnFlight **flights, int nflights)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext batch_context =
		AllocSetContextCreate(caller, "inngest settling", ALLOCSET_DEFAULT_SIZES);
	ErrorData *volatile error = NULL;

	MemoryContextSwitchTo(batch_context);
	PG_TRY();
	{
		settle_together(flights, nflights);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(batch_context);
		error = CopyErrorData();
		FlushErrorState();
		inn_work_abort();
		MemoryContextSwitchTo(batch_context);
	}
	PG_END_TRY();

	if (error != NULL && nflights == 1)
		fail_alone(flights[0], error);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch_context);
	return error == NULL || nflights == 1;
}

static void
settle_together(InnFlight **flights, int nflights)
{
	InnFlight **ready = palloc(nflights * sizeof(InnFlight *));
	InnFlight **busy = palloc(nflights * sizeof(InnFlight *));
	InnOutcomeOfCall *outcomes = palloc(nflights * sizeof(InnOutcomeOfCall));
	const InnJob **jobs = palloc(nflights * sizeof(InnJob *));
	bool *removed = palloc(nflights * sizeof(bool));
	MemoryContext batch_context = CurrentMemoryContext;
	InnChanges changes;
	int nready = 0;
	int nbusy = 0;

	INN_WAIT_POINT("executor before settling");

	inn_work_begin("settling what apps have answered");
	MemoryContextSwitchTo(batch_context);
	inn_changes_init(&changes);
	for (int i = 0; i < nflights; i++)
	{
		if (!inn_run_claim(&flights[i]->job.run_id))
		{
			busy[nbusy++] = flights[i];
			continue;
		}
		inn_attempt_outcome(flights[i], changes.now, &outcomes[nready]);

		/* It has more to ask before it is settled: its turn comes when that is answered. */
		if (inn_gateways_open(flights[i], &outcomes[nready]))
			continue;
		jobs[nready] = &flights[i]->job;
		ready[nready++] = flights[i];
	}
	inn_jobs_remove_ready(jobs, nready, removed);
	for (int i = 0; i < nready; i++)
	{
		/* If it is gone, the run has ended, and what its app says of it counts for nothing. */
		if (removed[i])
			apply_outcome(&changes, ready[i], &outcomes[i]);
	}
	inn_settle(&changes);
	INN_WAIT_POINT("executor before settling is committed");
	inn_work_commit();
	INN_WAIT_POINT("executor after settling");

	for (int i = 0; i < nready; i++)
		land(ready[i]);
	for (int i = 0; i < nbusy; i++)
	{
		dlist_push_tail(&answered, &busy[i]->answered);
		settle_at = inn_now() + BUSY_RETRY_USEC;
	}
}

static void
apply_outcome(InnChanges *changes, InnFlight *flight, InnOutcomeOfCall *outcome)
{
	InnCallNews news;

	drop_attempts(flight);
	inn_gateways_apply(flight, outcome);
	news = news_of(flight, outcome);
	switch (outcome->kind)
	{
		case INN_OUTCOME_OPS:
			inn_apply_ops(changes, &news, outcome->ops, outcome->nops);
			break;
		case INN_OUTCOME_RESULT:
			inn_apply_result(changes, &news, outcome->result);
			break;
		case INN_OUTCOME_ERROR:
			inn_apply_fault(changes, &news,
							&(InnCallFault){
								.reported = outcome->result,
								.error = outcome->error,
								.no_retry = outcome->no_retry,
								.is_fatal = outcome->is_fatal,
								.retry_at = outcome->retry_at,
							});
			break;
	}
}

static InnCallNews
news_of(InnFlight *flight, const InnOutcomeOfCall *outcome)
{
	const InnFunction *function = inn_targets_find(&flight->job.function_id);

	if (function == NULL)
		elog(ERROR, "the function of a run is gone");
	return (InnCallNews){
		.job = &flight->job,
		.function = function,
		.event_id = flight->event_id,
		.request_version = flight->request_version,
		.reply_version = outcome->request_version,
		.retry_at = outcome->retry_at,
		.no_retry = outcome->no_retry,
		.state = flight->state_size,
		.started_at = flight->started_at,
	};
}

/* A checkpoint that came while the call went on means that attempts count from there. */
static void
drop_attempts(InnFlight *flight)
{
	InnDispatch dispatch;

	if (inn_dispatch_find(flight->job.id, &dispatch) && dispatch.attempts_reset)
	{
		flight->job.attempt = 0;
		flight->state_size = inn_steps_size(&flight->job.run_id);
	}
}

/* It cannot be settled, whatever we do: that is a failed attempt, and if even that cannot be written, another day. */
static void
fail_alone(InnFlight *flight, const ErrorData *error)
{
	MemoryContext caller = CurrentMemoryContext;

	report("could not settle what an app has answered", error);
	PG_TRY();
	{
		const InnJob *jobs[1] = {&flight->job};
		InnOutcomeOfCall outcome = {
			.kind = INN_OUTCOME_ERROR,
			.error = inn_fault_make("Error",
									psprintf("the answer could not be stored: %s", error->message)),
			.retry_at = INN_NEVER,
			.request_version = -1,
		};
		InnChanges changes;
		bool removed;

		inn_work_begin("settling an answer that cannot be stored");
		MemoryContextSwitchTo(caller);
		inn_changes_init(&changes);
		if (inn_run_claim(&flight->job.run_id))
		{
			inn_jobs_remove_ready(jobs, 1, &removed);
			if (removed)
				apply_outcome(&changes, flight, &outcome);
		}
		else
			reread_at = inn_now() + CLAIMED_RETRY_USEC;
		inn_settle(&changes);
		inn_work_commit();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		inn_work_abort();
		MemoryContextSwitchTo(caller);
		reread_at = inn_now() + FAILURE_RETRY_USEC;
	}
	PG_END_TRY();
	land(flight);
}

/* It is done with, whatever has become of it. */
static void
land(InnFlight *flight)
{
	inn_dispatch_end(flight->job.id, NULL);
	inn_gateways_free(flight);
	if (flight->reply != NULL)
		inn_client_free(flight->reply);
	inn_lanes_forget(flight);
}

static void
report(const char *what, const ErrorData *error)
{
	ereport(LOG, errcode(error->sqlerrcode),
			errmsg("inngest executor %s: %s", what, error->message),
			error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			error->context != NULL ? errcontext("%s", error->context) : 0);
}

/* ---- jobs ---- */

/* True if there may be more to take at once. */
static bool
take(void)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext batch_context;
	ErrorData *volatile error = NULL;
	volatile bool any = false;

	if (take_at > inn_now() || !has_anything_to_take())
		return false;
	batch_context = AllocSetContextCreate(caller, "inngest taking", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(batch_context);
	PG_TRY();
	{
		any = take_batch();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		inn_work_abort();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch_context);

	if (error == NULL)
		return any;
	report("could not take jobs", error);
	inn_lanes_rewind(PG_INT64_MIN);
	take_at = inn_now() + FAILURE_RETRY_USEC;
	return false;
}

/* Jobs for which there is a place.  True if there may be more of them at once. */
static bool
release(void)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	if (Max(inn_blocked_due(), release_at) > inn_now())
		return false;
	PG_TRY();
	{
		inn_work_begin("looking for jobs that were beyond a limit");
		MemoryContextSwitchTo(caller);
		inn_blocked_release();
		inn_work_commit();
		inn_blocked_released();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		inn_work_abort();
		MemoryContextSwitchTo(caller);
	}
	PG_END_TRY();

	if (error == NULL)
		return true;
	report("could not make jobs ready", error);
	inn_blocked_look_at_all();
	release_at = inn_now() + FAILURE_RETRY_USEC;
	return false;
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

	/* What was beyond a limit may not be any more; one looks for all. */
	if (have_changed && my_index == 0)
		inn_blocked_look_at_all();
	if (have_changed || reread_at <= inn_now())
	{
		reread_at = INN_NEVER;
		lowest = PG_INT64_MIN;
	}
	if (lowest == PG_INT64_MIN)
		inn_lanes_note_apps_unknown();
	if (lowest != PG_INT64_MAX)
		inn_lanes_rewind(lowest);
	(void) inn_lanes_to_read(&nlanes);
	return nlanes > 0 || inn_lanes_can_take(inn_max_calls, inn_max_calls_per_app);
}

static bool
take_batch(void)
{
	MemoryContext caller = CurrentMemoryContext;
	InnFlight *flights[BATCH];
	InnBlocked *blocked = palloc(BATCH * sizeof(InnBlocked));
	InnPrepared *prepared = palloc(BATCH * sizeof(InnPrepared));
	int nblocked;
	int nflights;
	int nlanes;
	TimestampTz now;

	inn_work_begin("taking jobs");
	MemoryContextSwitchTo(caller);
	now = inn_now();
	read_jobs();
	nflights = claim_jobs(flights, blocked, &nblocked);
	PG_TRY();
	{
		inn_attempts_prepare(flights, nflights, now, prepared);
		admit(prepared, nflights);
		inn_attempts_read_state(prepared, nflights);
		start_runs(prepared, nflights, now);
		end_runs(prepared, nflights);
		inn_blocked_put_aside(blocked, nblocked);
		inn_work_commit();
	}
	PG_CATCH();
	{
		give_back(flights, nflights);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (nflights > 0)
		INN_WAIT_POINT("executor before calling");
	inn_blocked_committed(blocked, nblocked);
	make_calls(prepared, nflights);
	(void) inn_lanes_to_read(&nlanes);
	return nflights > 0 || nblocked > 0 || nlanes > 0;
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
static int
claim_jobs(InnFlight **flights, InnBlocked *blocked, int *nblocked)
{
	int room = Min(inn_client_room(), BATCH);
	TimestampTz now = inn_now();
	int nflights = 0;

	*nblocked = 0;
	while (nflights < room && *nblocked < BATCH)
	{
		InnFlight *flight = inn_lanes_take(inn_max_calls, inn_max_calls_per_app);
		InnSlot slots[INN_DISPATCH_MAX_SLOTS] = {0};
		InnClaim claim;
		int nslots;
		int blocking;

		if (flight == NULL)
			break;
		inn_ulid_generate(&flight->request_id);
		flight->started_at = now;
		nslots = inn_blocked_slots(&flight->job.function_id, &flight->controls, slots);
		claim = inn_dispatch_begin(flight->job.id, &flight->job.run_id, &flight->request_id, now,
								   slots, nslots, flight->rank, &blocking);
		if (claim == INN_CLAIM_DONE)
		{
			flights[nflights++] = flight;
			continue;
		}
		if (claim == INN_CLAIM_BLOCKED && inn_run_claim(&flight->job.run_id))
			blocked[(*nblocked)++] = (InnBlocked){flight->job, slots[blocking], flight->rank};
		else
			reread_at = now + CLAIMED_RETRY_USEC;
		inn_lanes_forget(flight);
	}
	return nflights;
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

/* Runs that begin with these calls.  Nobody waits for that to reach the disk: if it is lost, so are the calls. */
static void
start_runs(const InnPrepared *prepared, int nprepared, TimestampTz now)
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

/* Runs that cannot go on. */
static void
end_runs(const InnPrepared *prepared, int nprepared)
{
	InnChanges changes;

	inn_changes_init(&changes);
	for (int i = 0; i < nprepared; i++)
	{
		const InnPrepared *call = &prepared[i];
		InnOutcomeOfCall outcome = {
			.retry_at = INN_NEVER,
			.request_version = -1,
		};

		if (call->readiness != INN_CALL_FAULTY && call->readiness != INN_CALL_LATE)
			continue;
		if (!inn_run_claim(&call->flight->job.run_id))
			reread_at = inn_now() + CLAIMED_RETRY_USEC;
		else if (call->readiness == INN_CALL_LATE)
			inn_changes_end(&changes, &(InnRunEnd){
										  .run_id = call->flight->job.run_id,
										  .outcome = INN_RUN_CANCELLED,
									  });
		else if (call->function != NULL)
		{
			InnCallNews news = news_of(call->flight, &outcome);

			inn_apply_fault(&changes, &news,
							&(InnCallFault){
								.error = call->fault,
								.is_fatal = true,
								.retry_at = INN_NEVER,
							});
		}
	}
	inn_settle(&changes);
}

/* The transaction is over. */
static void
make_calls(InnPrepared *prepared, int nprepared)
{
	const char *key = inn_mode == INN_MODE_CLOUD ? inn_keys_signing_key() : NULL;

	for (int i = 0; i < nprepared; i++)
	{
		InnFlight *flight = prepared[i].flight;

		if (prepared[i].readiness == INN_CALL_READY && inn_attempt_start(&prepared[i], key))
			continue;
		if (prepared[i].readiness == INN_CALL_ASIDE)
		{
			inn_dispatch_end(flight->job.id, NULL);
			continue;
		}
		if (prepared[i].readiness == INN_CALL_READY)
			reread_at = inn_now() + FAILURE_RETRY_USEC;
		land(flight);
	}
}

/* The transaction has failed: as if they had not been taken. */
static void
give_back(InnFlight **flights, int nflights)
{
	for (int i = 0; i < nflights; i++)
	{
		inn_dispatch_end(flights[i]->job.id, NULL);
		if (flights[i]->state == INN_FLIGHT_CALLING)
			inn_lanes_put_back(flights[i]);
	}
}
