/*-------------------------------------------------------------------------
 *
 * batches.c
 *	  Writing and reading inngest.batches and batch_events.
 *
 * IDENTIFICATION
 *	  src/store/batches.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "base/timer.h"
#include "store/batches.h"

#define BATCH_COLUMNS " function_id, key, id::uuid, nevents, bytes, fire_at"

static InnPlan read_batch = {"SELECT" BATCH_COLUMNS " FROM inngest.batches"
							 " WHERE function_id = $1 AND key = $2",
							 2,
							 {UUIDOID, UUIDOID}};

static InnPlan put_batch =
	{"INSERT INTO inngest.batches (function_id, key, id, nevents, bytes, fire_at)"
	 " VALUES ($1, $2, $3::inngest.ulid, $4, $5, $6)"
	 " ON CONFLICT (function_id, key) DO UPDATE"
	 " SET nevents = EXCLUDED.nevents, bytes = EXCLUDED.bytes",
	 6,
	 {UUIDOID, UUIDOID, UUIDOID, INT4OID, INT8OID, TIMESTAMPTZOID}};

static InnPlan close_batch = {"DELETE FROM inngest.batches WHERE function_id = $1 AND key = $2",
							  2,
							  {UUIDOID, UUIDOID}};

static InnPlan take_batches = {"DELETE FROM inngest.batches WHERE ctid = ANY (ARRAY("
							   " SELECT ctid FROM inngest.batches"
							   " WHERE fire_at <= $1"
							   " ORDER BY fire_at"
							   " LIMIT $2))"
							   " RETURNING" BATCH_COLUMNS,
							   2,
							   {TIMESTAMPTZOID, INT4OID}};

static InnPlan next_batch = {"SELECT fire_at FROM inngest.batches ORDER BY fire_at LIMIT 1"};

static InnPlan add_event = {"INSERT INTO inngest.batch_events (batch_id, position, event_id, bytes)"
							" VALUES ($1::inngest.ulid, $2, $3::inngest.ulid, $4)",
							4,
							{UUIDOID, INT4OID, UUIDOID, INT4OID}};

static InnPlan read_size = {
	"SELECT sum(b.bytes), bool_and(e.id IS NOT NULL) FROM inngest.batch_events b"
	" LEFT JOIN LATERAL (SELECT id FROM inngest.events e WHERE e.id = b.event_id OFFSET 0) e ON true"
	" WHERE b.batch_id = $1::inngest.ulid HAVING count(*) > 0",
	1,
	{UUIDOID},
	.is_generic = true};

static InnPlan read_events = {
	"SELECT b.event_id::uuid," INN_EVENT_COLUMNS " FROM inngest.batch_events b"
	" LEFT JOIN LATERAL (SELECT * FROM inngest.events e WHERE e.id = b.event_id OFFSET 0) e ON true"
	" WHERE b.batch_id = $1::inngest.ulid"
	" ORDER BY b.position"
	" LIMIT nullif($2, 0)",
	2,
	{UUIDOID, INT4OID},
	.is_generic = true};

static InnBatch row_batch(uint64 row);

bool
inn_batches_read(const InnLimitKey *key, InnBatch *batch)
{
	if (INN_RUN(&read_batch, inn_arg_uuid(&key->function_id), inn_arg_uuid(&key->key)) == 0)
		return false;
	*batch = row_batch(0);
	return true;
}

void
inn_batches_put(const InnBatch *batch)
{
	INN_RUN(&put_batch, inn_arg_uuid(&batch->key.function_id), inn_arg_uuid(&batch->key.key),
			inn_arg_ulid(&batch->id), inn_arg(Int32GetDatum(batch->nevents)),
			inn_arg(Int64GetDatum(batch->bytes)), inn_arg_time(batch->fire_at));
}

void
inn_batches_close(const InnLimitKey *key)
{
	INN_RUN(&close_batch, inn_arg_uuid(&key->function_id), inn_arg_uuid(&key->key));
}

int
inn_batches_take(TimestampTz now, int max, InnBatch *batches)
{
	uint64 nrows = INN_RUN(&take_batches, inn_arg_time(now), inn_arg(Int32GetDatum(max)));

	for (uint64 i = 0; i < nrows; i++)
		batches[i] = row_batch(i);
	return (int) nrows;
}

TimestampTz
inn_batches_next(void)
{
	if (inn_plan_run(&next_batch, 0, NULL) == 0)
		return INN_NEVER;
	return inn_row_time(0, 1, INN_NEVER);
}

static InnBatch
row_batch(uint64 row)
{
	return (InnBatch){
		.key = {inn_row_uuid(row, 1), inn_row_uuid(row, 2)},
		.id = inn_row_ulid(row, 3),
		.nevents = inn_row_int(row, 4),
		.bytes = inn_row_bigint(row, 5),
		.fire_at = inn_row_time(row, 6, 0),
	};
}

void
inn_batches_add_event(const InnBatch *batch, const InnUlid *event_id, int bytes)
{
	INN_RUN(&add_event, inn_arg_ulid(&batch->id), inn_arg(Int32GetDatum(batch->nevents)),
			inn_arg_ulid(event_id), inn_arg(Int32GetDatum(bytes)));
}

bool
inn_batches_size(const InnUlid *id, size_t *bytes)
{
	if (INN_RUN(&read_size, inn_arg_ulid(id)) == 0)
		return false;
	*bytes = (size_t) inn_row_bigint(0, 1);
	return inn_row_bool(0, 2);
}

bool
inn_batches_events(const InnUlid *id, int max, InnEvent **events, int *nevents)
{
	uint64 nrows = INN_RUN(&read_events, inn_arg_ulid(id), inn_arg(Int32GetDatum(max)));
	bool are_kept = nrows > 0;

	*events = palloc(Max(nrows, 1) * sizeof(InnEvent));
	*nevents = 0;
	for (uint64 i = 0; i < nrows && are_kept; i++)
	{
		InnUlid event_id = inn_row_ulid(i, 1);
		bool has_no_event;

		(void) inn_row_datum(i, 2, &has_no_event);
		are_kept = !has_no_event;
		if (are_kept)
			inn_events_row(i, 2, &event_id, &(*events)[(*nevents)++]);
	}
	inn_rows_free();
	return are_kept;
}
