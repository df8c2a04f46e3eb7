/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  Admissions that could not be decided by the sender, cron triggers, expired leases, bulk cancellations,
 *	  failed expressions, partitions.
 *
 * Each has a transaction of its own, so that one that fails does not keep the others; and each says when
 * it wants to be asked again.
 *
 * IDENTIFICATION
 *	  src/scheduler.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/timer.h"
#include "base/wake.h"
#include "ingest/settle.h"
#include "match/faults.h"
#include "match/timetable.h"
#include "run/lifecycle.h"
#include "schedule/admit.h"
#include "scheduler.h"
#include "store/cancellations.h"
#include "store/maintenance.h"

PG_FUNCTION_INFO_V1(inngest_wake_scheduler);

static TimestampTz expire_leases(void);
static TimestampTz carry_on_cancellations(void);
static TimestampTz note_faults(void);
static TimestampTz maintain(bool reloaded);

TimestampTz
inn_scheduler_tick(bool reloaded)
{
	TimestampTz next;

	inn_work_begin("deciding on queued events");
	next = inn_admit_queued();
	inn_work_commit();

	inn_work_begin("firing cron triggers");
	next = inn_sooner(next, inn_timetable_run());
	inn_work_commit();

	next = inn_sooner(next, expire_leases());

	next = inn_sooner(next, carry_on_cancellations());

	next = inn_sooner(next, note_faults());
	return inn_sooner(next, maintain(reloaded));
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
