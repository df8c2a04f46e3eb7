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

#include "store/places.h"

static InnPlan read_place =
	{"SELECT place FROM inngest.run_controls WHERE run_id = $1::inngest.ulid AND place IS NOT NULL",
	 1,
	 {UUIDOID}};

static InnPlan count_taken = {
	"SELECT count(*)::int4 FROM (SELECT FROM inngest.run_controls WHERE place = $1 AND has_place LIMIT $2) x",
	2,
	{UUIDOID, INT4OID},
	.is_generic = true};

static InnPlan set_state = {"UPDATE inngest.run_controls SET has_place = $2, is_waiting = NOT $2"
							" WHERE run_id = $1::inngest.ulid",
							2,
							{UUIDOID, BOOLOID},
							.is_generic = true};

static InnPlan first_waiting = {
	"SELECT c.run_id::uuid, r.function_id FROM (SELECT run_id FROM inngest.run_controls"
	" WHERE place = $1 AND is_waiting ORDER BY place, rank, run_id LIMIT 1) c"
	" JOIN LATERAL (SELECT function_id FROM inngest.function_runs x WHERE x.id = c.run_id OFFSET 0) r ON true",
	1,
	{UUIDOID},
	.is_generic = true};

bool
inn_places_needed(const InnUlid *run_id, InnPlace *place)
{
	if (INN_RUN(&read_place, inn_arg_ulid(run_id)) == 0)
		return false;
	*place = inn_row_uuid(0, 1);
	return true;
}

int
inn_places_taken(const InnPlace *place, int max)
{
	(void) INN_RUN(&count_taken, inn_arg_uuid(place), inn_arg(Int32GetDatum(max)));
	return inn_row_int(0, 1);
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
inn_places_first(const InnPlace *place, InnUlid *run_id, pg_uuid_t *function_id)
{
	if (INN_RUN(&first_waiting, inn_arg_uuid(place)) == 0)
		return false;
	*run_id = inn_row_ulid(0, 1);
	*function_id = inn_row_uuid(0, 2);
	return true;
}
