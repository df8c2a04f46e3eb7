/*-------------------------------------------------------------------------
 *
 * answers.c
 *	  Settles what apps have answered.
 *
 * All answers that have come are settled in one transaction: the job is deleted, and only if it was still there its run is changed
 * (run/opcode.h) and the events that follow are sent.  If that fails, they are settled one by one, so that only the one fails that cannot be
 * settled; it is then a failed attempt.  What the server could not do just now is tried again for as long as it takes: an app has done its
 * work once, and is not to blame.  Such an answer is put off, for longer each time, and then tried alone, so that it keeps no other.
 *
 * IDENTIFICATION
 *	  src/answers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "answers.h"
#include "base/testing.h"
#include "execute/attempt.h"
#include "execute/dispatch.h"
#include "execute/gateway.h"
#include "executor.h"
#include "ingest/settle.h"
#include "run/fault.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "taking.h"

/* Answers of one transaction, and their bytes, with those of the events of their runs. */
#define BATCH_ANSWERS 256
#define BATCH_BYTES (8 * 1024 * 1024)

/* When to try again what somebody else holds, and what the server could not do. */
#define BUSY_RETRY_USEC (INT64CONST(2) * 1000)
#define CLAIMED_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)
#define FAILURE_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)
#define PUT_OFF_MAX_USEC (INT64CONST(30) * USECS_PER_SEC)

/* Others are tried again so soon: if it was about them, too, that took as long as a lock is waited for. */
#define BESIDE_RETRY_USEC (INT64CONST(20) * 1000)

typedef enum Settling
{
	SETTLED,
	FAILED, /* nothing was done */
	PUT_OFF,
} Settling;

/* For inn_work_try(). */
typedef struct Batch
{
	InnFlight **flights;
	int nflights;
} Batch;

typedef struct Unstorable
{
	InnFlight *flight;
	const ErrorData *error;
} Unstorable;

static dlist_head answered = DLIST_STATIC_INIT(answered); /* InnFlight */
static TimestampTz settle_at = DT_NOBEGIN;				  /* when they can be settled */
static dlist_head put_off = DLIST_STATIC_INIT(put_off);	  /* InnFlight, each with its time */
static TimestampTz put_off_at = DT_NOBEGIN;				  /* when one of these can be */

static int choose_answered(InnFlight **flights);
static bool settle_put_off(void);
static void settle_each(InnFlight **flights, int nflights);
static Settling settle_batch(InnFlight **flights, int nflights);
static void settle_together(void *batch);
static void be_impatient(void);
static void apply_outcomes(InnChanges *changes, InnFlight **flights, InnOutcomeOfCall *outcomes,
						   const bool *removed, int nflights, bool for_steps);
static void apply_outcome(InnChanges *changes, InnFlight *flight, InnOutcomeOfCall *outcome);
static void drop_attempts(InnFlight *flight);
static bool will_pass(const ErrorData *error);
static void put_off_answer(InnFlight *flight, const ErrorData *error);
static void fail_alone(InnFlight *flight, const ErrorData *error);
static void settle_unstorable(void *answer);

void
inn_answers_add(InnFlight *flight)
{
	Assert(flight->gateways_open == 0);
	flight->state = INN_FLIGHT_ANSWERED;
	dlist_push_tail(&answered, &flight->answered);
}

TimestampTz
inn_answers_due(void)
{
	TimestampTz due = INN_NEVER;
	dlist_iter it;

	dlist_foreach(it, &put_off)
		due = inn_sooner(due, dlist_container(InnFlight, answered, it.cur)->settle_at);
	due = Max(due, put_off_at);
	return dlist_is_empty(&answered) ? due : inn_sooner(due, settle_at);
}

void
inn_answers_forget(void)
{
	dlist_init(&answered);
	dlist_init(&put_off);
}

bool
inn_answers_settle(void)
{
	InnFlight *flights[BATCH_ANSWERS];
	bool any = settle_put_off();

	if (settle_at > inn_now())
		return any;
	settle_at = DT_NOBEGIN;
	for (;;)
	{
		int nflights = choose_answered(flights);

		if (nflights == 0)
			return any;
		if (settle_batch(flights, nflights) == FAILED)
			settle_each(flights, nflights);
		any = true;
		if (settle_at != DT_NOBEGIN)
			return any;
	}
}

/* The first whose time has come; alone, and one in a second if that is in vain: there are others to be seen to. */
static bool
settle_put_off(void)
{
	TimestampTz now = inn_now();
	dlist_mutable_iter it;

	if (put_off_at > now)
		return false;
	dlist_foreach_modify(it, &put_off)
	{
		InnFlight *flight = dlist_container(InnFlight, answered, it.cur);

		if (flight->settle_at > now)
			continue;
		dlist_delete(&flight->answered);
		if (settle_batch(&flight, 1) == PUT_OFF)
			put_off_at = inn_now() + FAILURE_RETRY_USEC;
		return true;
	}
	return false;
}

/* When one is put off those behind it are left for a moment, lest each of them waits for the same lock. */
static void
settle_each(InnFlight **flights, int nflights)
{
	Settling settling = SETTLED;

	for (int i = 0; i < nflights; i++)
	{
		if (settling != PUT_OFF)
			settling = settle_batch(&flights[i], 1);
		else if (flights[i]->gateways_open == 0)
			dlist_push_tail(&answered, &flights[i]->answered);
	}
	if (settling == PUT_OFF)
		settle_at = inn_now() + BESIDE_RETRY_USEC;
}

static int
choose_answered(InnFlight **flights)
{
	int nflights = 0;
	size_t bytes = 0;

	while (nflights < BATCH_ANSWERS && bytes < BATCH_BYTES && !dlist_is_empty(&answered))
	{
		flights[nflights] = dlist_container(InnFlight, answered, dlist_pop_head_node(&answered));
		bytes += flights[nflights]->reply->size + flights[nflights]->event_bytes;
		nflights++;
	}
	return nflights;
}

/* More than one may fail; one alone is settled somehow, or put off. */
static Settling
settle_batch(InnFlight **flights, int nflights)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext batch_context =
		AllocSetContextCreate(caller, "inngest settling", ALLOCSET_DEFAULT_SIZES);
	Settling settling = SETTLED;
	ErrorData *error;

	MemoryContextSwitchTo(batch_context);
	error = inn_work_try(settle_together, &(Batch){flights, nflights});
	if (error != NULL && nflights > 1)
		settling = FAILED;
	else if (error != NULL && will_pass(error))
	{
		put_off_answer(flights[0], error);
		settling = PUT_OFF;
	}
	else if (error != NULL)
		fail_alone(flights[0], error);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch_context);
	return settling;
}

static void
settle_together(void *arg)
{
	const Batch *batch = arg;
	InnFlight **flights = batch->flights;
	int nflights = batch->nflights;
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
	if (nflights == 1 && flights[0]->settle_delay_usec > 0)
		be_impatient();
	inn_changes_init(&changes);
	for (int i = 0; i < nflights; i++)
	{
		/* a transaction that has failed has asked; it comes again when that is answered */
		if (flights[i]->gateways_open > 0)
			continue;
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

	/* Results of steps first: their jobs are gone, so calls that plan these steps could not know of them. */
	apply_outcomes(&changes, ready, outcomes, removed, nready, true);
	apply_outcomes(&changes, ready, outcomes, removed, nready, false);
	inn_settle(&changes);
	INN_WAIT_POINT("executor before settling is committed");
	inn_work_commit();
	INN_WAIT_POINT("executor after settling");

	for (int i = 0; i < nready; i++)
		inn_attempt_land(ready[i]);
	for (int i = 0; i < nbusy; i++)
	{
		dlist_push_tail(&answered, &busy[i]->answered);
		settle_at = inn_now() + BUSY_RETRY_USEC;
	}
}

/* It has waited for a lock already, and can again; the others shall not. */
static void
be_impatient(void)
{
	(void) set_config_option("lock_timeout", "100ms", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
}

/* Of the calls for a step, or of the others.  If a job is gone, the run has ended, and what its app says of it counts for nothing. */
static void
apply_outcomes(InnChanges *changes, InnFlight **flights, InnOutcomeOfCall *outcomes,
			   const bool *removed, int nflights, bool for_steps)
{
	for (int i = 0; i < nflights; i++)
	{
		if (removed[i] && (flights[i]->job.step_id != NULL) == for_steps)
			apply_outcome(changes, flights[i], &outcomes[i]);
	}
}

static void
apply_outcome(InnChanges *changes, InnFlight *flight, InnOutcomeOfCall *outcome)
{
	InnCallNews news;

	drop_attempts(flight);
	inn_gateways_apply(flight, outcome);
	news = inn_attempt_news(flight, outcome);
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

/* A lock that was not to be had, a deadlock, a full disk, or somebody who has cancelled us: none of it is in the answer. */
static bool
will_pass(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK ||
		   error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		   error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_DISK_FULL;
}

/* One that has got as far as to ask something first comes by itself, when that is answered. */
static void
put_off_answer(InnFlight *flight, const ErrorData *error)
{
	inn_executor_report("could not settle yet what an app has answered", error);
	if (flight->gateways_open > 0)
		return;
	flight->settle_delay_usec = flight->settle_delay_usec == 0
									? FAILURE_RETRY_USEC
									: Min(2 * flight->settle_delay_usec, PUT_OFF_MAX_USEC);
	flight->settle_at = inn_now() + flight->settle_delay_usec;
	dlist_push_tail(&put_off, &flight->answered);
}

/* It cannot be settled, whatever we do: that is a failed attempt, and if even that cannot be written, another day. */
static void
fail_alone(InnFlight *flight, const ErrorData *error)
{
	inn_executor_report("could not settle what an app has answered", error);
	if (inn_work_try(settle_unstorable, &(Unstorable){flight, error}) != NULL)
		inn_taking_reread(inn_now() + FAILURE_RETRY_USEC);
	inn_attempt_leave(flight);
}

static void
settle_unstorable(void *arg)
{
	const Unstorable *answer = arg;
	MemoryContext caller = CurrentMemoryContext;
	const InnJob *jobs[1] = {&answer->flight->job};
	InnOutcomeOfCall outcome = {
		.kind = INN_OUTCOME_ERROR,
		.error = inn_fault_make("Error", psprintf("the answer could not be stored: %s",
												  answer->error->message)),
		.retry_at = INN_NEVER,
		.request_version = -1,
	};
	InnChanges changes;
	bool removed;

	inn_work_begin("settling an answer that cannot be stored");
	MemoryContextSwitchTo(caller);
	inn_changes_init(&changes);
	if (inn_run_claim(&answer->flight->job.run_id))
	{
		inn_jobs_remove_ready(jobs, 1, &removed);
		if (removed)
			apply_outcome(&changes, answer->flight, &outcome);
	}
	else
		inn_taking_reread(inn_now() + CLAIMED_RETRY_USEC);
	inn_settle(&changes);
	inn_work_commit();
}
