/*-------------------------------------------------------------------------
 *
 * controls.c
 *	  Writing and reading inngest.run_controls.
 *
 * IDENTIFICATION
 *	  src/store/controls.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/controls.h"

static InnPlan put_controls =
	{"INSERT INTO inngest.run_controls (run_id, priority, singleton,"
	 " limit_1, value_1, limit_2, value_2, place, rank)"
	 " SELECT c.run_id::inngest.ulid, c.priority, c.singleton, c.limit_1, c.value_1,"
	 " c.limit_2, c.value_2, c.place, c.rank FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	 " AS c (run_id, priority, singleton, limit_1, value_1, limit_2, value_2, place, rank)",
	 9,
	 {UUIDARRAYOID, INT4ARRAYOID, UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
	  TEXTARRAYOID, UUIDARRAYOID, INT8ARRAYOID}};

static InnPlan find_singleton =
	{"SELECT c.run_id::uuid, e.received_at FROM inngest.run_controls c"
	 " JOIN inngest.function_runs r ON r.id OPERATOR(inngest.=) c.run_id"
	 " LEFT JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id"
	 " WHERE c.singleton = $1 ORDER BY c.run_id DESC LIMIT 1",
	 1,
	 {UUIDOID}};

static InnPlan read_controls =
	{"SELECT r.n::int4, c.priority, c.limit_1, c.value_1, c.limit_2, c.value_2"
	 " FROM unnest($1) WITH ORDINALITY AS r (id, n),"
	 " LATERAL (SELECT * FROM inngest.run_controls x"
	 " WHERE x.run_id = r.id::inngest.ulid OFFSET 0) c",
	 1,
	 {UUIDARRAYOID},
	 .is_generic = true};

static InnPlan remove_controls =
	{"DELETE FROM inngest.run_controls WHERE run_id = ANY ($1::inngest.ulid[])"
	 " RETURNING run_id::uuid, place, has_place",
	 1,
	 {UUIDARRAYOID},
	 .is_generic = true};

static InnArg limit_array(const InnControls *controls, int ncontrols, int n, bool is_value);
static InnArg run_array(const InnUlid *run_ids, int nruns);

void
inn_controls_put(const InnControls *controls, int ncontrols)
{
	Datum *runs = palloc(Max(ncontrols, 1) * sizeof(Datum));
	Datum *priorities = palloc(Max(ncontrols, 1) * sizeof(Datum));
	Datum *singletons = palloc(Max(ncontrols, 1) * sizeof(Datum));
	bool *are_none = palloc(Max(ncontrols, 1) * sizeof(bool));
	Datum *places = palloc(Max(ncontrols, 1) * sizeof(Datum));
	Datum *ranks = palloc(Max(ncontrols, 1) * sizeof(Datum));
	bool *need_none = palloc(Max(ncontrols, 1) * sizeof(bool));

	if (ncontrols == 0)
		return;
	for (int i = 0; i < ncontrols; i++)
	{
		runs[i] = PointerGetDatum(&controls[i].run_id);
		priorities[i] = Int32GetDatum(controls[i].priority_s);
		singletons[i] = PointerGetDatum(&controls[i].singleton);
		are_none[i] = !controls[i].is_singleton;
		places[i] = PointerGetDatum(&controls[i].place);
		ranks[i] = Int64GetDatum(controls[i].rank);
		need_none[i] = !controls[i].needs_place;
	}
	(void) INN_RUN(&put_controls, inn_arg_array(runs, NULL, ncontrols, UUIDOID),
				   inn_arg_array(priorities, NULL, ncontrols, INT4OID),
				   inn_arg_array(singletons, are_none, ncontrols, UUIDOID),
				   limit_array(controls, ncontrols, 0, false),
				   limit_array(controls, ncontrols, 0, true),
				   limit_array(controls, ncontrols, 1, false),
				   limit_array(controls, ncontrols, 1, true),
				   inn_arg_array(places, need_none, ncontrols, UUIDOID),
				   inn_arg_array(ranks, need_none, ncontrols, INT8OID));
}

/* The names of the n-th limits, or the values. */
static InnArg
limit_array(const InnControls *controls, int ncontrols, int n, bool is_value)
{
	Datum *texts = palloc(ncontrols * sizeof(Datum));
	bool *nulls = palloc(ncontrols * sizeof(bool));

	for (int i = 0; i < ncontrols; i++)
	{
		nulls[i] = n >= controls[i].nlimits;
		texts[i] = nulls[i] ? (Datum) 0
							: CStringGetTextDatum(is_value ? controls[i].values[n]
														   : controls[i].limits[n]);
	}
	return inn_arg_array(texts, nulls, ncontrols, TEXTOID);
}

bool
inn_controls_find_singleton(const pg_uuid_t *singleton, InnUlid *run_id, TimestampTz *received_at)
{
	if (INN_RUN(&find_singleton, inn_arg_uuid(singleton)) == 0)
		return false;
	*run_id = inn_row_ulid(0, 1);
	*received_at = inn_row_time(0, 2, DT_NOBEGIN);
	return true;
}

void
inn_controls_read(const InnUlid *run_ids, int nruns, const InnControls **controls)
{
	uint64 nrows = nruns == 0 ? 0 : INN_RUN(&read_controls, run_array(run_ids, nruns));

	memset(controls, 0, nruns * sizeof(InnControls *));
	for (uint64 i = 0; i < nrows; i++)
	{
		InnControls *row = palloc(sizeof(InnControls));
		int n = inn_row_int(i, 1) - 1;

		*row = (InnControls){
			.run_id = run_ids[n],
			.priority_s = inn_row_int(i, 2),
			.limits = {inn_row_text(i, 3), inn_row_text(i, 5)},
			.values = {inn_row_text(i, 4), inn_row_text(i, 6)},
		};
		while (row->nlimits < INN_CONTROLS_MAX_LIMITS && row->limits[row->nlimits] != NULL)
			row->nlimits++;
		controls[n] = row;
	}
}

int
inn_controls_remove(const InnUlid *run_ids, int nruns, InnFreedPlace *freed)
{
	uint64 nrows = nruns == 0 ? 0 : INN_RUN(&remove_controls, run_array(run_ids, nruns));
	int nfreed = 0;

	for (uint64 i = 0; i < nrows; i++)
	{
		if (inn_row_bool(i, 3))
			freed[nfreed++] = (InnFreedPlace){inn_row_ulid(i, 1), inn_row_uuid(i, 2)};
	}
	return nfreed;
}

static InnArg
run_array(const InnUlid *run_ids, int nruns)
{
	Datum *values = palloc(Max(nruns, 1) * sizeof(Datum));

	for (int i = 0; i < nruns; i++)
		values[i] = PointerGetDatum(&run_ids[i]);
	return inn_arg_array(values, NULL, nruns, UUIDOID);
}
