/*-------------------------------------------------------------------------
 *
 * schedules.c
 *	  When cron triggers fire next: table inngest.schedules.
 *
 * IDENTIFICATION
 *	  src/store/schedules.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/cron.h"
#include "base/timer.h"
#include "base/wake.h"
#include "store/schedules.h"

static InnPlan remove_others =
	{"DELETE FROM inngest.schedules WHERE function_id = $1 AND cron <> ALL ($2)",
	 2,
	 {UUIDOID, TEXTARRAYOID}};

/*
 * The sooner of the two: a tick that was missed is still made up for, and a time that is wrong, as the time zone was
 * not known or the clock was ahead, is put right.  Should it bring back a tick that has just fired, that starts no
 * second run, unless the function is debounced or paused.
 */
static InnPlan put =
	{"INSERT INTO inngest.schedules AS s (function_id, cron, jitter, next_at)"
	 " VALUES ($1, $2, nullif($3, 0) * interval '1 microsecond', $4)"
	 " ON CONFLICT (function_id, cron) DO UPDATE"
	 " SET jitter = excluded.jitter, next_at = least(s.next_at, excluded.next_at)"
	 " WHERE s.jitter IS DISTINCT FROM excluded.jitter OR s.next_at > excluded.next_at",
	 4,
	 {UUIDOID, TEXTOID, INT8OID, TIMESTAMPTZOID}};

#define COLUMNS \
	"function_id, cron, (coalesce(extract(epoch FROM jitter), 0) * 1000000)::int8, next_at"

static InnPlan lock_due = {"SELECT " COLUMNS
						   " FROM inngest.schedules WHERE next_at <= $1 ORDER BY next_at LIMIT $2"
						   " FOR UPDATE SKIP LOCKED",
						   2,
						   {TIMESTAMPTZOID, INT4OID}};

static InnPlan move = {"UPDATE inngest.schedules SET next_at = $3"
					   " WHERE function_id = $1 AND cron = $2",
					   3,
					   {UUIDOID, TEXTOID, TIMESTAMPTZOID}};

static InnPlan read_after =
	{"SELECT " COLUMNS " FROM inngest.schedules"
	 " WHERE (function_id, cron) > ($1, $2) ORDER BY function_id, cron LIMIT $3",
	 3,
	 {UUIDOID, TEXTOID, INT4OID}};

static InnPlan bring_forward =
	{"WITH late AS (SELECT function_id, cron FROM inngest.schedules"
	 " WHERE function_id = $1 AND cron = $2 AND next_at > $3 FOR UPDATE SKIP LOCKED)"
	 " UPDATE inngest.schedules s SET next_at = $3 FROM late"
	 " WHERE s.function_id = late.function_id AND s.cron = late.cron",
	 3,
	 {UUIDOID, TEXTOID, TIMESTAMPTZOID}};

static InnPlan next_due = {"SELECT min(next_at) FROM inngest.schedules", 0, {0}};

static int read_rows(uint64 nrows, InnSchedule *schedules);
static void put_schedule(const pg_uuid_t *function_id, const InnTriggerDefinition *trigger);

void
inn_schedules_replace(const pg_uuid_t *function_id, const InnDefinition *definition)
{
	int ntriggers = definition == NULL ? 0 : definition->ntriggers;
	Datum *crons = palloc(Max(ntriggers, 1) * sizeof(Datum));
	int ncrons = 0;

	for (int i = 0; i < ntriggers; i++)
	{
		if (definition->triggers[i].cron != NULL)
			crons[ncrons++] = CStringGetTextDatum(definition->triggers[i].cron);
	}
	INN_RUN(&remove_others, inn_arg_uuid(function_id), inn_arg_array(crons, NULL, ncrons, TEXTOID));
	if (definition != NULL)
		inn_schedules_put(function_id, definition);
}

void
inn_schedules_put(const pg_uuid_t *function_id, const InnDefinition *definition)
{
	for (int i = 0; i < definition->ntriggers; i++)
	{
		if (definition->triggers[i].cron != NULL)
			put_schedule(function_id, &definition->triggers[i]);
	}
}

static void
put_schedule(const pg_uuid_t *function_id, const InnTriggerDefinition *trigger)
{
	InnCron cron;
	TimestampTz next_at;

	if (inn_cron_parse(trigger->cron, &cron) != NULL)
		elog(ERROR, "cron trigger \"%s\" was not judged", trigger->cron);
	next_at = inn_cron_next(&cron, inn_now());
	INN_RUN(&put, inn_arg_uuid(function_id), inn_arg_cstring(trigger->cron),
			inn_arg(Int64GetDatum(trigger->jitter_usec)), inn_arg_time(next_at));
	inn_wake_at_commit_for(INN_ROLE_SCHEDULER, next_at);
}

int
inn_schedules_lock_due(TimestampTz now, int max, InnSchedule *schedules)
{
	return read_rows(INN_RUN(&lock_due, inn_arg_time(now), inn_arg(Int32GetDatum(max))), schedules);
}

static int
read_rows(uint64 nrows, InnSchedule *schedules)
{
	for (uint64 i = 0; i < nrows; i++)
		schedules[i] = (InnSchedule){
			.function_id = inn_row_uuid(i, 1),
			.cron = inn_row_text(i, 2),
			.jitter_usec = inn_row_bigint(i, 3),
			.next_at = inn_row_time(i, 4, INN_NEVER),
		};
	return (int) nrows;
}

void
inn_schedules_move(const InnSchedule *schedule, TimestampTz next_at)
{
	INN_RUN(&move, inn_arg_uuid(&schedule->function_id), inn_arg_cstring(schedule->cron),
			inn_arg_time(next_at));
}

int
inn_schedules_read(const InnSchedule *after, int max, InnSchedule *schedules)
{
	const pg_uuid_t none = {0};

	return read_rows(INN_RUN(&read_after, inn_arg_uuid(after ? &after->function_id : &none),
							 inn_arg_cstring(after ? after->cron : ""),
							 inn_arg(Int32GetDatum(max))),
					 schedules);
}

bool
inn_schedules_bring_forward(const InnSchedule *schedule, TimestampTz next_at)
{
	return INN_RUN(&bring_forward, inn_arg_uuid(&schedule->function_id),
				   inn_arg_cstring(schedule->cron), inn_arg_time(next_at)) > 0;
}

TimestampTz
inn_schedules_next(void)
{
	(void) inn_plan_run(&next_due, 0, NULL);
	return inn_row_time(0, 1, INN_NEVER);
}
