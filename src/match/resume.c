/*-------------------------------------------------------------------------
 *
 * resume.c
 *	  Deliveries: events that were committed, and that waiting runs have still to be shown.
 *
 * A sender leaves a row, and cannot do more: a run that begins to wait while he is open has to see his event, too.  Here rows are
 * taken in the order of their positions, from a mark on that says how far one has come (base/tide.h), shown (waiters.c),
 * and deleted, in one transaction with what follows.
 *
 * What concerns nobody is deleted in passing.  Its senders do not wake the scheduler: it looks about once a second as long as there
 * is something to be found, and sleeps when there is not.
 *
 * An event may concern more runs than go into one transaction.  Then its row stays until the last of them, and in between memory
 * knows how far it has come: up to which event, and up to which run.  After a crash it is shown from the beginning to
 * those who still wait.
 *
 * A delivery that makes its transaction fail is tried alone, and then put off (base/redo.h).  The next time it is only written down
 * whom it concerns: what follows is then done run by run, so that the one run fails alone that cannot be changed.  A delivery is never
 * dropped: somebody waits for it.
 *
 * IDENTIFICATION
 *	  src/match/resume.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/redo.h"
#include "base/testing.h"
#include "base/tide.h"
#include "base/timer.h"
#include "match/resume.h"
#include "match/waiters.h"
#include "store/awaited.h"
#include "store/deliveries.h"

/* Deliveries, and pauses that are tried, of one transaction. */
#define DELIVERY_BATCH 100
#define PAUSE_BATCH 1000

/* How long events that concern nobody may lie about; senders know that (store/deliveries.c). */
#define NAP_USEC USECS_PER_SEC

/* To ask whether anybody waits should not take longer. */
#define ASKING_USEC (INT64CONST(2) * 1000)

/* How far one has come. */
typedef struct Progress
{
	int64 mark; /* deliveries up to here are done, or put off */

	/* within the delivery at a position beyond that */
	int64 position;
	int event;	   /* this is the next of its events */
	InnUlid after; /* and runs up to this one have seen it */
} Progress;

static Progress progress = {.mark = PG_INT64_MIN};
static bool is_behind = true; /* there may be rows beyond */
static TimestampTz nap_until = INN_NEVER;
static TimestampTz ask_at = DT_NOBEGIN;
static InnRedo redo;

/* What becomes of these when the transaction is committed. */
static Progress reached;
static bool has_more;
static bool has_found;

static void go_back_to(int64 position);
static void note_awaited_once(void);
static bool show(const InnDelivery *delivery, InnChanges *changes, int *budget);
static bool concerns_somebody(const InnDelivery *delivery);
static bool is_worth_asking(void);
static bool ask_table(const InnDelivery *delivery);

TimestampTz
inn_resume_due(void)
{
	TimestampTz now = inn_now();

	go_back_to(inn_tide_take(INN_TIDE_DELIVERIES, 0));
	go_back_to(inn_redo_again(&redo, now));
	if (is_behind)
		return DT_NOBEGIN;
	if (nap_until <= now)
		nap_until = INN_NEVER;
	return inn_sooner(nap_until, inn_redo_next(&redo));
}

bool
inn_resume_is_behind(void)
{
	return is_behind;
}

/* There may be rows from this position on. */
static void
go_back_to(int64 position)
{
	if (position == PG_INT64_MAX)
		return;
	is_behind = true;
	progress.mark = Min(progress.mark, position == PG_INT64_MIN ? position : position - 1);
}

void
inn_resume_collect(InnChanges *changes)
{
	int size;
	int64 failed;
	int limit;
	int count;
	int budget = PAUSE_BATCH;
	int i;
	InnDelivery *deliveries;
	InnDelivery *done;
	int ndone = 0;

	if (inn_redo_begin(&redo, DELIVERY_BATCH, &size, &failed))
		ereport(LOG,
				errmsg("inngest could not show the events of delivery " INT64_FORMAT
					   " to waiting runs, and will try again later",
					   failed),
				errhint("inngest.deliveries says which events they are."));
	note_awaited_once();

	/* Those that are put off may lie in between. */
	limit = size + redo.nput_off;
	reached = progress;
	deliveries = inn_deliveries_read(progress.mark, limit, &count);
	if (count > 0)
		INN_WAIT_POINT("scheduler after reading deliveries");
	done = palloc(Max(count, 1) * sizeof(InnDelivery));
	for (i = 0; i < count && ndone < size && budget > 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (inn_redo_try(&redo, deliveries[i].position))
		{
			if (!show(&deliveries[i], changes, &budget))
				break;
			done[ndone++] = deliveries[i];
		}
		reached.mark = deliveries[i].position;
	}
	inn_deliveries_remove(done, ndone);
	has_more = i < count || count == limit;
	has_found = ndone > 0;
}

/* Before anything is shown, and once in the life of the scheduler: what was waiting before. */
static void
note_awaited_once(void)
{
	static bool is_noted = false;

	if (!is_noted)
		inn_pauses_note_awaited();
	is_noted = true;
}

void
inn_resume_committed(void)
{
	inn_redo_done(&redo);
	progress = reached;
	is_behind = has_more;
	if (has_found)
		nap_until = inn_now() + NAP_USEC;
}

/* False if there is more to be done than fits, and reached says how far it has come. */
static bool
show(const InnDelivery *delivery, InnChanges *changes, int *budget)
{
	InnShowing showing = {
		.changes = changes,
		.xact = delivery->xact,
		.is_careful = inn_redo_has_failed(&redo, delivery->position),
	};
	int first = 0;

	if (!concerns_somebody(delivery))
		return true;
	if (reached.position == delivery->position)
	{
		first = reached.event;
		showing.after = reached.after;
	}
	for (int i = first; i < delivery->nevents; i++)
	{
		InnEvent event;

		CHECK_FOR_INTERRUPTS();

		/* Retention may have been faster. */
		if (!inn_events_read(&delivery->event_ids[i], &event))
			continue;
		if (!inn_waiters_show(&showing, &event, budget))
		{
			reached.position = delivery->position;
			reached.event = i;
			reached.after = showing.after;
			return false;
		}
		showing.after = (InnUlid){{0}};
	}
	return true;
}

static bool
concerns_somebody(const InnDelivery *delivery)
{
	for (int i = 0; i < delivery->nnames; i++)
	{
		if (inn_awaited_test_hash(inn_awaited_hash(delivery->names[i])))
			return is_worth_asking() ? ask_table(delivery) : true;
	}
	return false;
}

/*
 * Where many rows were deleted that a transaction still sees, asking whether anybody waits takes longer than showing the
 * event.  Then it is not asked for a hundred times as long.
 */
static bool
is_worth_asking(void)
{
	return ask_at <= inn_now_real();
}

static bool
ask_table(const InnDelivery *delivery)
{
	TimestampTz begin = inn_now_real();
	bool answer = inn_pauses_wait_for(delivery->names, delivery->nnames);
	TimestampTz end = inn_now_real();

	if (end - begin > ASKING_USEC)
		ask_at = end + 100 * (end - begin);
	return answer;
}
