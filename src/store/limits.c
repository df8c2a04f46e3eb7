/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Writing and reading inngest.rates and debounces.
 *
 * IDENTIFICATION
 *	  src/store/limits.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "base/timer.h"
#include "store/limits.h"

static InnPlan read_rate = {"SELECT busy_until FROM inngest.rates"
							" WHERE function_id = $1 AND key = $2 AND kind = $3",
							3,
							{UUIDOID, UUIDOID, TEXTOID}};

static InnPlan put_rate = {"INSERT INTO inngest.rates (function_id, key, kind, busy_until)"
						   " VALUES ($1, $2, $3, $4)"
						   " ON CONFLICT (function_id, kind, key) DO UPDATE"
						   " SET busy_until = EXCLUDED.busy_until",
						   4,
						   {UUIDOID, UUIDOID, TEXTOID, INT8OID}};

#define DEBOUNCE_COLUMNS " function_id, key, event_id::uuid, ts, is_paused, fire_at, latest_at"

static InnPlan read_debounce = {"SELECT" DEBOUNCE_COLUMNS " FROM inngest.debounces"
								" WHERE function_id = $1 AND key = $2",
								2,
								{UUIDOID, UUIDOID}};

static InnPlan put_debounce =
	{"INSERT INTO inngest.debounces (function_id, key, event_id, ts, is_paused, fire_at, latest_at)"
	 " VALUES ($1, $2, $3::inngest.ulid, $4, $5, $6, $7)"
	 " ON CONFLICT (function_id, key) DO UPDATE"
	 " SET event_id = EXCLUDED.event_id, ts = EXCLUDED.ts, is_paused = EXCLUDED.is_paused,"
	 " fire_at = EXCLUDED.fire_at, latest_at = EXCLUDED.latest_at",
	 7,
	 {UUIDOID, UUIDOID, UUIDOID, TIMESTAMPTZOID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static InnPlan take_debounces = {"DELETE FROM inngest.debounces WHERE ctid = ANY (ARRAY("
								 " SELECT ctid FROM inngest.debounces"
								 " WHERE fire_at <= $1"
								 " ORDER BY fire_at"
								 " LIMIT $2))"
								 " RETURNING" DEBOUNCE_COLUMNS,
								 2,
								 {TIMESTAMPTZOID, INT4OID}};

static InnPlan next_debounce = {"SELECT fire_at FROM inngest.debounces ORDER BY fire_at LIMIT 1"};

static InnDebounce row_debounce(uint64 row);

int64
inn_rates_read(const InnLimitKey *key, const char *kind)
{
	if (INN_RUN(&read_rate, inn_arg_uuid(&key->function_id), inn_arg_uuid(&key->key),
				inn_arg_cstring(kind)) == 0)
		return PG_INT64_MIN;
	return inn_row_bigint(0, 1);
}

void
inn_rates_put(const InnLimitKey *key, const char *kind, int64 busy_until)
{
	INN_RUN(&put_rate, inn_arg_uuid(&key->function_id), inn_arg_uuid(&key->key),
			inn_arg_cstring(kind), inn_arg(Int64GetDatum(busy_until)));
}

bool
inn_debounces_read(const InnLimitKey *key, InnDebounce *debounce)
{
	if (INN_RUN(&read_debounce, inn_arg_uuid(&key->function_id), inn_arg_uuid(&key->key)) == 0)
		return false;
	*debounce = row_debounce(0);
	return true;
}

void
inn_debounces_put(const InnDebounce *debounce)
{
	INN_RUN(&put_debounce, inn_arg_uuid(&debounce->key.function_id),
			inn_arg_uuid(&debounce->key.key), inn_arg_ulid(&debounce->event_id),
			inn_arg_time(debounce->ts), inn_arg(BoolGetDatum(debounce->is_paused)),
			inn_arg_time(debounce->fire_at), inn_arg_time(debounce->latest_at));
}

int
inn_debounces_take(TimestampTz now, int max, InnDebounce *debounces)
{
	uint64 nrows = INN_RUN(&take_debounces, inn_arg_time(now), inn_arg(Int32GetDatum(max)));

	for (uint64 i = 0; i < nrows; i++)
		debounces[i] = row_debounce(i);
	return (int) nrows;
}

TimestampTz
inn_debounces_next(void)
{
	if (inn_plan_run(&next_debounce, 0, NULL) == 0)
		return INN_NEVER;
	return inn_row_time(0, 1, INN_NEVER);
}

static InnDebounce
row_debounce(uint64 row)
{
	return (InnDebounce){
		.key = {inn_row_uuid(row, 1), inn_row_uuid(row, 2)},
		.event_id = inn_row_ulid(row, 3),
		.ts = inn_row_time(row, 4, 0),
		.is_paused = inn_row_bool(row, 5),
		.fire_at = inn_row_time(row, 6, 0),
		.latest_at = inn_row_time(row, 7, INN_NEVER),
	};
}
