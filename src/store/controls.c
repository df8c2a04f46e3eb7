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

#include "store/controls.h"

static InnPlan put_controls = {"INSERT INTO inngest.run_controls (run_id, priority)"
							   " SELECT c.run_id::inngest.ulid, c.priority"
							   " FROM unnest($1, $2) AS c (run_id, priority)",
							   2,
							   {UUIDARRAYOID, INT4ARRAYOID}};

static InnPlan read_controls = {"SELECT r.n::int4, c.priority"
								" FROM unnest($1) WITH ORDINALITY AS r (id, n),"
								" LATERAL (SELECT * FROM inngest.run_controls x"
								" WHERE x.run_id = r.id::inngest.ulid OFFSET 0) c",
								1,
								{UUIDARRAYOID},
								.is_generic = true};

static InnPlan remove_controls = {"DELETE FROM inngest.run_controls c"
								  " USING unnest($1) AS r (id)"
								  " WHERE c.run_id = r.id::inngest.ulid",
								  1,
								  {UUIDARRAYOID},
								  .is_generic = true};

static InnArg run_array(const InnUlid *run_ids, int nruns);

void
inn_controls_put(const InnControls *controls, int ncontrols)
{
	Datum *runs = palloc(Max(ncontrols, 1) * sizeof(Datum));
	Datum *priorities = palloc(Max(ncontrols, 1) * sizeof(Datum));

	if (ncontrols == 0)
		return;
	for (int i = 0; i < ncontrols; i++)
	{
		runs[i] = PointerGetDatum(&controls[i].run_id);
		priorities[i] = Int32GetDatum(controls[i].priority_s);
	}
	(void) INN_RUN(&put_controls, inn_arg_array(runs, NULL, ncontrols, UUIDOID),
				   inn_arg_array(priorities, NULL, ncontrols, INT4OID));
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
		};
		controls[n] = row;
	}
}

void
inn_controls_remove(const InnUlid *run_ids, int nruns)
{
	if (nruns > 0)
		(void) INN_RUN(&remove_controls, run_array(run_ids, nruns));
}

static InnArg
run_array(const InnUlid *run_ids, int nruns)
{
	Datum *values = palloc(Max(nruns, 1) * sizeof(Datum));

	for (int i = 0; i < nruns; i++)
		values[i] = PointerGetDatum(&run_ids[i]);
	return inn_arg_array(values, NULL, nruns, UUIDOID);
}
