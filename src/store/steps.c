/*-------------------------------------------------------------------------
 *
 * steps.c
 *	  Writing and reading inngest.steps.
 *
 * IDENTIFICATION
 *	  src/store/steps.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/steps.h"

static InnPlan insert_steps = {
	"INSERT INTO inngest.steps (run_id, id, op, name, memo, size, attempt, started_at, ended_at)"
	" SELECT s.run_id::inngest.ulid, s.id, s.op, s.name, s.memo::json, octet_length(s.memo), s.attempt,"
	" s.started_at, s.ended_at"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"
	" AS s (run_id, id, op, name, memo, attempt, started_at, ended_at)"
	" ON CONFLICT DO NOTHING"
	" RETURNING run_id, id",
	8,
	{UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID,
	 TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}};

static InnPlan find_contradiction = {
	"SELECT FROM unnest($1, $2, $3) AS n (run_id, id, memo),"
	" LATERAL (SELECT FROM inngest.steps s"
	" WHERE s.run_id = n.run_id::inngest.ulid AND s.id = n.id AND s.memo::text <> n.memo OFFSET 0) s"
	" LIMIT 1",
	3,
	{UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID},
	.is_generic = true};

/* Memos as long as they are few bytes in all: the sum is over what comes before, too. */
static InnPlan read_steps =
	{"SELECT t.run_id, t.id, CASE WHEN t.size <= $2 AND t.sum <= $3 THEN t.memo::text END, t.size"
	 " FROM (SELECT s.*, r.n, sum(s.size) OVER (ORDER BY r.n, s.position ROWS UNBOUNDED PRECEDING)"
	 " FROM unnest($1) WITH ORDINALITY AS r (id, n),"
	 " LATERAL (SELECT * FROM inngest.steps x WHERE x.run_id = r.id::inngest.ulid OFFSET 0) s) t"
	 " ORDER BY t.n, t.position",
	 3,
	 {UUIDARRAYOID, INT4OID, INT4OID},
	 .is_generic = true};

static InnPlan read_memo = {"SELECT memo::text FROM inngest.steps"
							" WHERE run_id = $1::inngest.ulid AND id = $2",
							2,
							{UUIDOID, TEXTOID}};

static InnPlan sum_up = {"SELECT count(*)::int4, coalesce(sum(size), 0)::int8 FROM inngest.steps"
						 " WHERE run_id = $1::inngest.ulid",
						 1,
						 {UUIDOID}};

static InnPlan find_recorded = {
	"SELECT i.n::int4 FROM unnest($2) WITH ORDINALITY AS i (id, n)"
	" WHERE EXISTS (SELECT FROM inngest.steps s WHERE s.run_id = $1::inngest.ulid AND s.id = i.id OFFSET 0)",
	2,
	{UUIDOID, TEXTARRAYOID},
	.is_generic = true};

static InnPlan find_begun = {
	"SELECT i.n::int4 FROM unnest($2) WITH ORDINALITY AS i (id, n)"
	" WHERE EXISTS (SELECT FROM inngest.steps s WHERE s.run_id = $1::inngest.ulid AND s.id = i.id OFFSET 0)"
	" OR EXISTS (SELECT FROM inngest.pauses p WHERE p.run_id = $1::inngest.ulid AND p.step_id = i.id OFFSET 0)"
	" OR EXISTS (SELECT FROM inngest.jobs j WHERE j.run_id = $1::inngest.ulid AND j.step_id = i.id OFFSET 0)",
	2,
	{UUIDOID, TEXTARRAYOID},
	.is_generic = true};

/* Steps that ended, were tried, are to be called for, sleep or wait. */
static InnPlan find_places = {
	"SELECT f.id, f.name, f.is_run, f.position, (SELECT s.id FROM inngest.steps s"
	" WHERE s.run_id = $1::inngest.ulid AND (f.position IS NULL OR s.position < f.position)"
	" ORDER BY s.position DESC"
	" LIMIT 1)"
	" FROM (SELECT DISTINCT ON (x.id) x.* FROM ("
	"SELECT id, name, op = 'run' AS is_run, position FROM inngest.steps WHERE run_id = $1::inngest.ulid"
	" UNION ALL"
	" SELECT step_id, step_name, kind IN ('call', 'start'), NULL FROM inngest.jobs"
	" WHERE run_id = $1::inngest.ulid AND kind NOT IN ('throttle', 'place_freed')"
	" UNION ALL"
	" SELECT step_id, name, false, NULL FROM inngest.pauses WHERE run_id = $1::inngest.ulid AND kind <> 'cancel'"
	" UNION ALL"
	/* of a request of ours nothing else is known while it is tried again */
	" SELECT step_id, step_name, coalesce(error ->> 'name', '') NOT IN ('GatewayError', 'AIGatewayError'), NULL"
	" FROM inngest.attempts WHERE run_id = $1::inngest.ulid) x"
	" WHERE x.id IS NOT NULL AND (x.id = $2 OR x.id = $3 OR x.name = $2)"
	" ORDER BY x.id, x.position) f"
	" ORDER BY f.position"
	" LIMIT $4",
	4,
	{UUIDOID, TEXTOID, TEXTOID, INT4OID}};

static InnPlan copy_steps =
	{"INSERT INTO inngest.steps (run_id, id, op, name, memo, size, attempt, started_at, ended_at)"
	 " SELECT $2::inngest.ulid, id, op, name, memo, size, attempt, started_at, ended_at"
	 " FROM inngest.steps WHERE run_id = $1::inngest.ulid AND position < $3"
	 " ORDER BY position",
	 3,
	 {UUIDOID, UUIDOID, INT8OID}};

static void note_new(InnStep *steps, int nsteps, uint64 nstored);
static void find(InnPlan *plan, const InnUlid *run_id, const char *const *ids, int nids,
				 bool *found);

void
inn_steps_insert(InnStep *steps, int nsteps)
{
	Datum *columns[8];

	if (nsteps == 0)
		return;
	for (int c = 0; c < (int) lengthof(columns); c++)
		columns[c] = palloc(nsteps * sizeof(Datum));
	for (int i = 0; i < nsteps; i++)
	{
		columns[0][i] = PointerGetDatum(&steps[i].run_id);
		columns[1][i] = CStringGetTextDatum(steps[i].id);
		columns[2][i] = CStringGetTextDatum(steps[i].op);
		columns[3][i] = CStringGetTextDatum(steps[i].name);
		columns[4][i] = CStringGetTextDatum(steps[i].memo);
		columns[5][i] = Int16GetDatum((int16) steps[i].attempt);
		columns[6][i] = TimestampTzGetDatum(steps[i].started_at);
		columns[7][i] = TimestampTzGetDatum(steps[i].ended_at);
	}
	note_new(steps, nsteps,
			 INN_RUN(&insert_steps, inn_arg_array(columns[0], NULL, nsteps, UUIDOID),
					 inn_arg_array(columns[1], NULL, nsteps, TEXTOID),
					 inn_arg_array(columns[2], NULL, nsteps, TEXTOID),
					 inn_arg_array(columns[3], NULL, nsteps, TEXTOID),
					 inn_arg_array(columns[4], NULL, nsteps, TEXTOID),
					 inn_arg_array(columns[5], NULL, nsteps, INT2OID),
					 inn_arg_array(columns[6], NULL, nsteps, TIMESTAMPTZOID),
					 inn_arg_array(columns[7], NULL, nsteps, TIMESTAMPTZOID)));
}

/* The result lists those that were stored, in the order of the arrays.  Of two with one id, the first was. */
static void
note_new(InnStep *steps, int nsteps, uint64 nstored)
{
	uint64 next = 0;

	for (int i = 0; i < nsteps; i++)
	{
		InnUlid stored;

		steps[i].is_new = false;
		if (next == nstored)
			continue;
		stored = inn_row_ulid(next, 1);
		if (memcmp(&stored, &steps[i].run_id, sizeof(InnUlid)) != 0 ||
			strcmp(inn_row_text(next, 2), steps[i].id) != 0)
			continue;
		steps[i].is_new = true;
		next++;
	}
	if (next != nstored)
		elog(ERROR, "steps were stored in another order than they were given");
}

bool
inn_steps_contradict(const InnStep *steps, int nsteps)
{
	Datum *columns[3];

	for (int c = 0; c < (int) lengthof(columns); c++)
		columns[c] = palloc(Max(nsteps, 1) * sizeof(Datum));
	for (int i = 0; i < nsteps; i++)
	{
		columns[0][i] = PointerGetDatum(&steps[i].run_id);
		columns[1][i] = CStringGetTextDatum(steps[i].id);
		columns[2][i] = CStringGetTextDatum(steps[i].memo);
	}
	return nsteps > 0 &&
		   INN_RUN(&find_contradiction, inn_arg_array(columns[0], NULL, nsteps, UUIDOID),
				   inn_arg_array(columns[1], NULL, nsteps, TEXTOID),
				   inn_arg_array(columns[2], NULL, nsteps, TEXTOID)) > 0;
}

InnStep *
inn_steps_read(const InnUlid *run_ids, int nruns, int *count)
{
	Datum *ids = palloc(Max(nruns, 1) * sizeof(Datum));
	uint64 nrows;
	InnStep *steps;

	for (int i = 0; i < nruns; i++)
		ids[i] = PointerGetDatum(&run_ids[i]);
	nrows = INN_RUN(&read_steps, inn_arg_array(ids, NULL, nruns, UUIDOID),
					inn_arg(Int32GetDatum(INN_MEMO_SMALL_BYTES)),
					inn_arg(Int32GetDatum(INN_MEMOS_TOGETHER_BYTES)));
	steps = palloc_extended(Max(nrows, 1) * sizeof(InnStep), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < nrows; i++)
		steps[i] = (InnStep){
			.run_id = inn_row_ulid(i, 1),
			.id = inn_row_text(i, 2),
			.memo = inn_row_text(i, 3),
			.size = inn_row_int(i, 4),
		};
	inn_rows_free();
	*count = (int) nrows;
	return steps;
}

char *
inn_steps_memo(const InnUlid *run_id, const char *id)
{
	char *memo = NULL;

	if (INN_RUN(&read_memo, inn_arg_ulid(run_id), inn_arg_cstring(id)) > 0)
		memo = inn_row_text(0, 1);
	inn_rows_free();
	return memo;
}

void
inn_steps_begun(const InnUlid *run_id, const char *const *ids, int nids, bool *begun)
{
	find(&find_begun, run_id, ids, nids, begun);
}

void
inn_steps_recorded(const InnUlid *run_id, const char *const *ids, int nids, bool *recorded)
{
	find(&find_recorded, run_id, ids, nids, recorded);
}

/* The plan gives the numbers of those that it finds. */
static void
find(InnPlan *plan, const InnUlid *run_id, const char *const *ids, int nids, bool *found)
{
	Datum *values = palloc(Max(nids, 1) * sizeof(Datum));
	uint64 nrows;

	for (int i = 0; i < nids; i++)
		values[i] = CStringGetTextDatum(ids[i]);
	nrows = INN_RUN(plan, inn_arg_ulid(run_id), inn_arg_array(values, NULL, nids, TEXTOID));
	memset(found, 0, nids * sizeof(bool));
	for (uint64 i = 0; i < nrows; i++)
		found[inn_row_int(i, 1) - 1] = true;
}

InnStepPlace *
inn_steps_find(const InnUlid *run_id, const char *wanted, const char *hash, int *count)
{
	uint64 nrows = INN_RUN(&find_places, inn_arg_ulid(run_id), inn_arg_cstring(wanted),
						   inn_arg_cstring(hash), inn_arg(Int32GetDatum(INN_STEP_PLACES_MAX)));
	InnStepPlace *places = palloc(Max(nrows, 1) * sizeof(InnStepPlace));

	for (uint64 i = 0; i < nrows; i++)
	{
		bool has_not_ended;
		Datum position = inn_row_datum(i, 4, &has_not_ended);

		places[i] = (InnStepPlace){
			.id = inn_row_text(i, 1),
			.name = inn_row_text(i, 2),
			.is_run = inn_row_bool(i, 3),
			.position = has_not_ended ? PG_INT64_MAX : DatumGetInt64(position),
			.after_id = inn_row_text(i, 5),
		};
	}
	*count = (int) nrows;
	return places;
}

void
inn_steps_copy(const InnUlid *from, const InnUlid *to, int64 before)
{
	(void) INN_RUN(&copy_steps, inn_arg_ulid(from), inn_arg_ulid(to),
				   inn_arg(Int64GetDatum(before)));
}

InnStateSize
inn_steps_size(const InnUlid *run_id)
{
	(void) INN_RUN(&sum_up, inn_arg_ulid(run_id));
	return (InnStateSize){.nsteps = inn_row_int(0, 1), .bytes = inn_row_bigint(0, 2)};
}
