/*-------------------------------------------------------------------------
 *
 * defers.c
 *	  Writing and reading inngest.defers.
 *
 * That a run has any stands in its own row, too, so that all others pay nothing for this.
 *
 * IDENTIFICATION
 *	  src/store/defers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "store/defers.h"

static InnPlan read_tally = {
	"SELECT count(*)::int4, count(*) FILTER (WHERE status <> 'rejected')::int4,"
	" coalesce(sum(size) FILTER (WHERE status <> 'rejected'), 0)::int8, coalesce(bool_or(id = $2), false)"
	" FROM inngest.defers WHERE run_id = $1::inngest.ulid",
	2,
	{UUIDOID, TEXTOID}};

static InnPlan put_defer = {
	"INSERT INTO inngest.defers (run_id, id, name, fn_slug, status, reason, input, meta, size, created_at, changed_at)"
	" VALUES ($1::inngest.ulid, $2, $3, $4, CASE WHEN $5 IS NULL THEN 'after_run' ELSE 'rejected' END, $5, $6, $7, $8,"
	" $9, $9)"
	" ON CONFLICT DO NOTHING",
	9,
	{UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, INT4OID, TIMESTAMPTZOID}};

static InnPlan note_run = {"UPDATE inngest.function_runs SET has_defers = true"
						   " WHERE id = $1::inngest.ulid AND NOT has_defers",
						   1,
						   {UUIDOID}};

static InnPlan abort_defer =
	{"UPDATE inngest.defers SET status = 'aborted', changed_at = $3"
	 " WHERE run_id = $1::inngest.ulid AND id = $2 AND status = 'after_run'",
	 3,
	 {UUIDOID, TEXTOID, TIMESTAMPTZOID}};

static InnPlan schedule_defers =
	{"WITH due AS (UPDATE inngest.defers SET status = 'scheduled', changed_at = $2"
	 " WHERE run_id = $1::inngest.ulid AND status = 'after_run'"
	 " RETURNING id, name, fn_slug, input, meta, created_at)"
	 " SELECT id, name, fn_slug, input, meta FROM due ORDER BY created_at, id",
	 2,
	 {UUIDOID, TIMESTAMPTZOID}};

static InnPlan read_marks = {"SELECT r.n::int4, d.id, d.status = 'after_run'"
							 " FROM unnest($1) WITH ORDINALITY AS r (id, n),"
							 " LATERAL (SELECT x.id, x.status FROM inngest.defers x"
							 " WHERE x.run_id = r.id::inngest.ulid OFFSET 0) d"
							 " ORDER BY r.n",
							 1,
							 {UUIDARRAYOID},
							 .is_generic = true};

static Jsonb *row_jsonb(uint64 row, int column);

InnDeferTally
inn_defers_tally(const InnUlid *run_id, const char *id)
{
	(void) INN_RUN(&read_tally, inn_arg_ulid(run_id), inn_arg_cstring(id));
	return (InnDeferTally){
		.nrecorded = inn_row_int(0, 1),
		.naccepted = inn_row_int(0, 2),
		.bytes = inn_row_bigint(0, 3),
		.is_known = inn_row_bool(0, 4),
	};
}

void
inn_defers_put(const InnDefer *defer, TimestampTz now)
{
	Assert((defer->input == NULL) == (defer->reason != NULL));

	(void) INN_RUN(&put_defer, inn_arg_ulid(&defer->run_id), inn_arg_cstring(defer->id),
				   inn_arg_cstring(defer->name), inn_arg_cstring(defer->function_slug),
				   inn_arg_cstring(defer->reason), inn_arg_pointer(defer->input),
				   inn_arg_pointer(defer->meta), inn_arg(Int32GetDatum(defer->size)),
				   inn_arg_time(now));
	(void) INN_RUN(&note_run, inn_arg_ulid(&defer->run_id));
}

void
inn_defers_abort(const InnUlid *run_id, const char *id, TimestampTz now)
{
	(void) INN_RUN(&abort_defer, inn_arg_ulid(run_id), inn_arg_cstring(id), inn_arg_time(now));
}

InnDefer *
inn_defers_schedule(const InnUlid *run_id, TimestampTz now, int *count)
{
	uint64 nrows = INN_RUN(&schedule_defers, inn_arg_ulid(run_id), inn_arg_time(now));
	InnDefer *defers = palloc(Max(nrows, 1) * sizeof(InnDefer));

	for (uint64 i = 0; i < nrows; i++)
		defers[i] = (InnDefer){
			.run_id = *run_id,
			.id = inn_row_text(i, 1),
			.name = inn_row_text(i, 2),
			.function_slug = inn_row_text(i, 3),
			.input = row_jsonb(i, 4),
			.meta = row_jsonb(i, 5),
		};
	*count = (int) nrows;
	return defers;
}

static Jsonb *
row_jsonb(uint64 row, int column)
{
	bool is_null;
	Datum value = inn_row_datum(row, column, &is_null);

	return is_null ? NULL : DatumGetJsonbPCopy(value);
}

InnDeferMark *
inn_defers_marks(const InnUlid *run_ids, int nruns, int *count)
{
	Datum *ids = palloc(Max(nruns, 1) * sizeof(Datum));
	uint64 nrows;
	InnDeferMark *marks;

	for (int i = 0; i < nruns; i++)
		ids[i] = PointerGetDatum(&run_ids[i]);
	nrows = INN_RUN(&read_marks, inn_arg_array(ids, NULL, nruns, UUIDOID));
	marks = palloc(Max(nrows, 1) * sizeof(InnDeferMark));
	for (uint64 i = 0; i < nrows; i++)
		marks[i] = (InnDeferMark){
			.run = inn_row_int(i, 1) - 1,
			.id = inn_row_text(i, 2),
			.is_abortable = inn_row_bool(i, 3),
		};
	*count = (int) nrows;
	return marks;
}
