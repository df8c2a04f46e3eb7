/*-------------------------------------------------------------------------
 *
 * timetable.c
 *	  From a time to the functions that it starts.
 *
 * A tick is an event, inngest/scheduled.timer, that starts the function it was made for; others can have it as
 * their trigger, as any event.  Its id is the scheduled time, so two cron triggers of a function that fire
 * together start one run (semantics.md 1.5).
 *
 * The next tick is reckoned from the scheduled time and not from now: what was missed while nobody was there is made
 * up for, tick by tick.  It does not depend on what became of the run: a paused function has its skipped runs and
 * goes on with its timetable.
 *
 * Event, run and the next tick are one transaction.
 *
 * IDENTIFICATION
 *	  src/match/timetable.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/cron.h"
#include "base/json.h"
#include "base/timer.h"
#include "match/match.h"
#include "match/timetable.h"
#include "run/finish.h"
#include "schedule/admit.h"
#include "store/deliveries.h"
#include "store/schedules.h"

/* Ticks of one transaction. */
#define TICK_BATCH 100

/* How soon to look again at ticks that are due but locked, by who is registering their function. */
#define RETRY_USEC (INT64CONST(250) * 1000)

static void fire(const InnSchedule *schedule, InnRunList *runs);
static void make_event(const InnSchedule *schedule, InnEvent *event);
static int64 jitter_of(const InnSchedule *schedule);
static char *rfc3339(TimestampTz when);
static TimestampTz next_of(const InnSchedule *schedule);
static bool put_right(const InnSchedule *schedule, TimestampTz now);

TimestampTz
inn_timetable_run(void)
{
	InnSchedule schedules[TICK_BATCH];
	InnRunList runs = {0};
	TimestampTz now = inn_now();
	int nschedules = inn_schedules_lock_due(now, TICK_BATCH, schedules);
	TimestampTz next;

	for (int i = 0; i < nschedules; i++)
	{
		fire(&schedules[i], &runs);
		inn_schedules_move(&schedules[i], next_of(&schedules[i]));
	}
	inn_run_create(&runs);
	next = inn_schedules_next();
	return nschedules == 0 && next <= now ? now + RETRY_USEC : next;
}

/* Nothing, if the function was deleted meanwhile. */
static void
fire(const InnSchedule *schedule, InnRunList *runs)
{
	InnFunction function;
	InnEvent event;

	if (!inn_functions_by_id(&schedule->function_id, &function) || function.is_archived)
		return;
	make_event(schedule, &event);
	inn_events_insert(&event, 1);
	inn_deliveries_put(&event, 1);
	inn_admit(&event, &function, runs);
	inn_match_event(&event, runs, NULL); /* it invokes nobody */
}

static void
make_event(const InnSchedule *schedule, InnEvent *event)
{
	TimestampTz fire_at = schedule->next_at + jitter_of(schedule);
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "cron", schedule->cron);
	inn_json_put_text(&state, "scheduledAt", rfc3339(schedule->next_at));
	inn_json_put_text(&state, "fireAt", rfc3339(fire_at));

	*event = (InnEvent){
		.name = INN_EVENT_TICK,
		.data = inn_json_to_jsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)),
		.caller_id = rfc3339(schedule->next_at),
		.ts = fire_at,
		.received_at = inn_now(),
	};
	inn_ulid_generate(&event->id);
}

/* From one second to the jitter, the same for the same tick whoever fires it. */
static int64
jitter_of(const InnSchedule *schedule)
{
	uint64 hash;

	if (schedule->jitter_usec <= USECS_PER_SEC)
		return schedule->jitter_usec;
	hash = DatumGetUInt64(hash_any_extended((const unsigned char *) schedule->cron,
											(int) strlen(schedule->cron), schedule->next_at));
	hash = DatumGetUInt64(hash_any_extended(schedule->function_id.data, UUID_LEN, hash));
	return USECS_PER_SEC + (int64) (hash % (uint64) (schedule->jitter_usec - USECS_PER_SEC));
}

/* In UTC, with milliseconds if there are any. */
static char *
rfc3339(TimestampTz when)
{
	struct pg_tm tm;
	fsec_t usec;

	if (timestamp2tm(when, NULL, &tm, &usec, NULL, NULL) != 0)
		elog(ERROR, "a cron trigger fires beyond the calendar");
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year, tm.tm_mon, tm.tm_mday,
					tm.tm_hour, tm.tm_min, tm.tm_sec,
					usec < 1000 ? "" : psprintf(".%03d", usec / 1000));
}

/*
 * What cannot be read does not fire: the server has lost its time zone, or a newer version has stored it.  The log says so once, and
 * inn_timetable_check() tries again.
 */
static TimestampTz
next_of(const InnSchedule *schedule)
{
	InnCron cron;
	const char *fault = inn_cron_parse(schedule->cron, &cron);

	if (fault == NULL)
		return inn_cron_next(&cron, schedule->next_at);
	ereport(WARNING,
			errmsg("inngest cannot read the cron trigger \"%s\" any more, and does not fire it",
				   schedule->cron),
			errdetail("%s", fault),
			errhint("It goes on within a minute from when it can be read."));
	return INN_NEVER;
}

bool
inn_timetable_check(void)
{
	InnSchedule schedules[TICK_BATCH];
	TimestampTz now = inn_now();
	int nschedules = inn_schedules_read(NULL, TICK_BATCH, schedules);
	bool has_any = nschedules > 0;
	int nlate = 0;

	while (nschedules > 0)
	{
		InnSchedule last = schedules[nschedules - 1];

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < nschedules; i++)
			nlate += put_right(&schedules[i], now);
		nschedules = inn_schedules_read(&last, TICK_BATCH, schedules);
	}
	if (nlate > 0)
		ereport(LOG,
				errmsg_plural("inngest put right the next time of %d cron trigger, which was too late",
							  "inngest put right the next times of %d cron triggers, which were too late",
							  nlate, nlate));
	return has_any;
}

/*
 * Was it too late?  By one tick it may be, as after a clock that was set back a little: that tick has fired.
 */
static bool
put_right(const InnSchedule *schedule, TimestampTz now)
{
	InnCron cron;
	TimestampTz next;

	if (inn_cron_parse(schedule->cron, &cron) != NULL)
		return false;
	next = inn_cron_next(&cron, now);
	if (next >= schedule->next_at ||
		(schedule->next_at != INN_NEVER && schedule->next_at <= inn_cron_next(&cron, next)))
		return false;
	return inn_schedules_bring_forward(schedule, next);
}
