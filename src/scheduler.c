/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  Admissions that could not be decided by the sender, cron triggers, events for waiting runs, what has come due, expired leases, bulk cancellations,
 *	  failed expressions, partitions.
 *
 * Each has a transaction of its own, so that one that fails does not keep the others; and each says when
 * it wants to be asked again.
 *
 * What changes runs is a duty: it collects what becomes of them, which is written, and the events that follow sent, in one
 * transaction.  A duty takes a bounded piece at a time, and has a few turns in each tick.
 *
 * IDENTIFICATION
 *	  src/scheduler.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/testing.h"
#include "base/timer.h"
#include "base/wake.h"
#include "ingest/settle.h"
#include "match/faults.h"
#include "match/resume.h"
#include "match/timetable.h"
#include "match/waiters.h"
#include "run/lifecycle.h"
#include "schedule/admit.h"
#include "schedule/due.h"
#include "schedule/places.h"
#include "scheduler.h"
#include "store/cancellations.h"
#include "store/maintenance.h"

PG_FUNCTION_INFO_V1(inngest_wake_scheduler);

/* Turns of a duty in one tick. */
#define MAX_TURNS 10

/* How long timeouts of pauses wait for events that have not been shown yet. */
#define EVENTS_FIRST_USEC (INT64CONST(5) * USECS_PER_SEC)

typedef struct Duty
{
	const char *activity;
	TimestampTz (*due)(void); /* runs no query */
	void (*collect)(InnChanges *changes);
	void (*committed)(void);
} Duty;

static TimestampTz decide_on_events(void);
static TimestampTz check_timetable(void);
static TimestampTz do_duty(const Duty *duty);
static TimestampTz due_pauses(void);
static TimestampTz expire_leases(void);
static TimestampTz carry_on_cancellations(void);
static TimestampTz note_faults(void);
static TimestampTz maintain(bool reloaded);

/* In this order: an event that has come goes before a timeout. */
static const Duty duties[] = {
	{"starting batches", inn_admit_batches_due, inn_admit_batches, inn_admit_batches_committed},
	{"going on with runs that were busy", inn_waiters_due, inn_waiters_collect,
	 inn_waiters_committed},
	{"showing events to waiting runs", inn_resume_due, inn_resume_collect, inn_resume_committed},
	{"acting on jobs that have come due", inn_due_jobs, inn_due_jobs_collect,
	 inn_due_jobs_committed},
	{"giving places to runs that wait for one", inn_places_due, inn_places_collect,
	 inn_places_committed},
	{"ending waits that have lasted too long", due_pauses, inn_due_pauses_collect,
	 inn_due_pauses_committed},
};

TimestampTz
inn_scheduler_tick(bool reloaded)
{
	TimestampTz next;

	INN_WAIT_POINT("scheduler before its tick");
	next = decide_on_events();

	/* first, as the other says when the next of them fires */
	next = inn_sooner(next, check_timetable());
	inn_work_begin("firing cron triggers");
	next = inn_sooner(next, inn_timetable_run());
	inn_work_commit();

	for (int i = 0; i < (int) lengthof(duties); i++)
		next = inn_sooner(next, do_duty(&duties[i]));
	next = inn_sooner(next, expire_leases());

	next = inn_sooner(next, carry_on_cancellations());

	next = inn_sooner(next, note_faults());
	return inn_sooner(next, maintain(reloaded));
}

static TimestampTz
decide_on_events(void)
{
	InnChanges changes;
	TimestampTz next;

	inn_work_begin("deciding on queued events");
	inn_changes_init(&changes);
	next = inn_admit_queued(&changes);
	inn_settle(&changes);
	inn_work_commit();
	inn_admit_committed();
	return next;
}

/* Once a minute while there is anything to check, and whenever the clock was set back by more. */
static TimestampTz
check_timetable(void)
{
	static TimestampTz next_at = DT_NOBEGIN;
	static bool has_any;
	TimestampTz now = inn_now();

	if (next_at <= now || next_at > now + USECS_PER_MINUTE)
	{
		next_at = now + USECS_PER_MINUTE;
		inn_work_begin("checking the times of cron triggers");
		has_any = inn_timetable_check();
		inn_work_commit();
	}
	return has_any ? next_at : INN_NEVER;
}

/* Returns when it is to be done again. */
static TimestampTz
do_duty(const Duty *duty)
{
	TimestampTz due = duty->due();

	for (int turn = 0; turn < MAX_TURNS && due <= inn_now(); turn++)
	{
		InnChanges changes;

		inn_work_begin(duty->activity);
		inn_changes_init(&changes);
		duty->collect(&changes);
		inn_settle(&changes);
		if (changes.completions != NIL || changes.ends != NIL)
			INN_WAIT_POINT("scheduler before a duty is committed");
		inn_work_commit();
		duty->committed();
		due = duty->due();
	}
	return due == DT_NOBEGIN ? inn_now() : due;
}

/* Not before all events are shown that have come; but it does not wait for them for ever. */
static TimestampTz
due_pauses(void)
{
	static TimestampTz behind_since = INN_NEVER;
	TimestampTz due = inn_due_pauses();
	TimestampTz now = inn_now();

	if (!inn_resume_is_behind())
		behind_since = INN_NEVER;
	else if (behind_since == INN_NEVER)
		behind_since = now;
	return behind_since == INN_NEVER ? due : Max(due, behind_since + EVENTS_FIRST_USEC);
}

static TimestampTz
expire_leases(void)
{
	InnChanges changes;
	TimestampTz next;

	inn_work_begin("looking for expired leases");
	inn_changes_init(&changes);
	next = inn_run_expire(&changes);
	inn_settle(&changes);
	inn_work_commit();
	return next;
}

/* One piece of one; the rest when we are called again, which is at once. */
static TimestampTz
carry_on_cancellations(void)
{
	TimestampTz next;

	inn_work_begin("looking for bulk cancellations");
	next = inn_cancellations_due();
	if (next <= inn_now())
	{
		inn_cancellations_carry_on();
		next = inn_cancellations_due();
	}
	inn_work_commit();
	return next;
}

/* wake_scheduler(): for what is written in SQL */
Datum
inngest_wake_scheduler(PG_FUNCTION_ARGS)
{
	inn_wake_at_commit(INN_ROLE_SCHEDULER);
	PG_RETURN_VOID();
}

static TimestampTz
note_faults(void)
{
	if (inn_trigger_faults_due() <= inn_now())
	{
		inn_work_begin("noting expressions that failed");
		inn_trigger_faults_store();
		inn_work_commit();
	}
	return inn_trigger_faults_due();
}

/* Partitions and retention: when it is time, or settings have changed. */
static TimestampTz
maintain(bool reloaded)
{
	static TimestampTz next_at = DT_NOBEGIN;

	if (reloaded)
		next_at = DT_NOBEGIN;
	if (next_at <= inn_now())
	{
		/* If this fails, do not let it keep the rest of the tick from working. */
		next_at = inn_now() + USECS_PER_MINUTE;
		inn_work_begin("making and dropping partitions");
		next_at = inn_maintenance_run();
		inn_work_commit();
	}
	return next_at;
}
