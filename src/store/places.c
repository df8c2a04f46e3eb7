/*-------------------------------------------------------------------------
 *
 * places.c
 *	  Places of runs in inngest.run_controls.
 *
 * IDENTIFICATION
 *	  src/store/places.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/timer.h"
#include "store/places.h"

/* In one statement: a run that ends exchanges the one for the other.  At any time, because the clock may have been set back. */
static InnPlan read_states =
	{"SELECT x.place, sum(x.taken)::int8, min(x.rank) FROM ("
	 " SELECT c.place, 1 AS taken, NULL::int8 AS rank FROM inngest.run_controls c WHERE c.has_place"
	 " UNION ALL"
	 " SELECT c.place, 0, c.rank FROM inngest.run_controls c WHERE c.is_waiting"
	 " UNION ALL"
	 " SELECT j.step_id::uuid, 1, NULL FROM inngest.jobs j"
	 " WHERE j.run_at < 'infinity' AND j.kind = 'place_freed') x"
	 " GROUP BY x.place",
	 0,
	 {0}};

static InnPlan read_need = {"SELECT place, rank FROM inngest.run_controls"
							" WHERE run_id = $1::inngest.ulid AND place IS NOT NULL",
							1,
							{UUIDOID}};

static InnPlan set_state = {"UPDATE inngest.run_controls SET has_place = $2, is_waiting = NOT $2"
							" WHERE run_id = $1::inngest.ulid",
							2,
							{UUIDOID, BOOLOID},
							.is_generic = true};

/* From a run on: what was before it is gone, but while a snapshot is open the index still has it. */
static InnPlan next_waiting = {
	"SELECT c.run_id::uuid, r.function_id, c.rank FROM (SELECT run_id, rank FROM inngest.run_controls"
	" WHERE place = $1 AND (rank, run_id) > ($2, $3::inngest.ulid) AND is_waiting"
	" ORDER BY place, rank, run_id LIMIT 1) c"
	" JOIN LATERAL (SELECT function_id FROM inngest.function_runs x WHERE x.id = c.run_id OFFSET 0) r ON true",
	3,
	{UUIDOID, INT8OID, UUIDOID},
	.is_generic = true};

int
inn_places_read(InnPlaceState **states)
{
	uint64 nrows = inn_plan_run(&read_states, 0, NULL);

	*states = palloc_extended(Max(nrows, 1) * sizeof(InnPlaceState), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < nrows; i++)
	{
		bool has_none;
		Datum rank = inn_row_datum(i, 3, &has_none);

		(*states)[i] = (InnPlaceState){
			.place = inn_row_uuid(i, 1),
			.taken = inn_row_bigint(i, 2),
			.first_rank = has_none ? INN_RANK_NONE : DatumGetInt64(rank),
			.look_at = INN_NEVER,
		};
	}
	return (int) nrows;
}

bool
inn_places_needed(const InnUlid *run_id, InnPlace *place, int64 *rank)
{
	if (INN_RUN(&read_need, inn_arg_ulid(run_id)) == 0)
		return false;
	*place = inn_row_uuid(0, 1);
	*rank = inn_row_bigint(0, 2);
	return true;
}

void
inn_places_take(const InnUlid *run_id)
{
	INN_RUN(&set_state, inn_arg_ulid(run_id), inn_arg(BoolGetDatum(true)));
}

void
inn_places_wait(const InnUlid *run_id)
{
	INN_RUN(&set_state, inn_arg_ulid(run_id), inn_arg(BoolGetDatum(false)));
}

bool
inn_places_next(const InnPlace *place, InnPlaceWaiter *waiter)
{
	if (INN_RUN(&next_waiting, inn_arg_uuid(place), inn_arg(Int64GetDatum(waiter->rank)),
				inn_arg_ulid(&waiter->run_id)) == 0)
		return false;
	*waiter = (InnPlaceWaiter){
		.run_id = inn_row_ulid(0, 1),
		.function_id = inn_row_uuid(0, 2),
		.rank = inn_row_bigint(0, 3),
	};
	return true;
}
