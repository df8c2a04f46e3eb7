/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  Writing inngest.function_runs, attempts and idempotency_keys.
 *
 * IDENTIFICATION
 *	  src/store/runs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/timer.h"
#include "store/runs.h"

/* A skipped run is born ended; its end is the time of its id. */
#define SKIPPED_COLUMNS(skipped, id) \
	" CASE WHEN " skipped " THEN 'SKIPPED'::inngest.run_outcome END," \
	" CASE WHEN " skipped " THEN inngest.ulid_timestamp(" id "::inngest.ulid) END"

static InnPlan insert_one = {
	"INSERT INTO inngest.function_runs (id, function_id, function_version, event_id, outcome, ended_at)"
	" VALUES ($1::inngest.ulid, $2, $3, $4::inngest.ulid," SKIPPED_COLUMNS("$5", "$1") ")",
	5,
	{UUIDOID, UUIDOID, INT4OID, UUIDOID, BOOLOID}};

static InnPlan insert_many = {
	"INSERT INTO inngest.function_runs (id, function_id, function_version, event_id, outcome, ended_at)"
	" SELECT r.id::inngest.ulid, r.function_id, r.version, r.event_id::inngest.ulid," SKIPPED_COLUMNS(
		"r.skipped",
		"r.id") " FROM unnest($1, $2, $3, $4, $5) AS r (id, function_id, version, event_id, skipped)",
	5,
	{UUIDARRAYOID, UUIDARRAYOID, INT4ARRAYOID, UUIDARRAYOID, BOOLARRAYOID}};

static InnPlan start_runs =
	{"UPDATE inngest.function_runs SET started_at = $2"
	 " WHERE id = ANY ($1::inngest.ulid[]) AND started_at IS NULL AND outcome IS NULL",
	 2,
	 {UUIDARRAYOID, TIMESTAMPTZOID}};

static InnPlan end_run =
	{"UPDATE inngest.function_runs SET outcome = $2::inngest.run_outcome, ended_at = $3"
	 " WHERE id = $1::inngest.ulid AND outcome IS NULL"
	 " RETURNING function_id",
	 3,
	 {UUIDOID, TEXTOID, TIMESTAMPTZOID}};

static InnPlan find_run = {"SELECT FROM inngest.function_runs WHERE id = $1::inngest.ulid",
						   1,
						   {UUIDOID}};

static InnPlan read_origin =
	{"SELECT function_id, event_id::uuid, coalesce(original_run_id, id)::uuid"
	 " FROM inngest.function_runs WHERE id = $1::inngest.ulid",
	 1,
	 {UUIDOID}};

static InnPlan set_original = {"UPDATE inngest.function_runs SET original_run_id = $2::inngest.ulid"
							   " WHERE id = $1::inngest.ulid",
							   2,
							   {UUIDOID, UUIDOID}};

static InnPlan alive_runs =
	{"SELECT i.ordinality::int4"
	 " FROM unnest($1::inngest.ulid[]) WITH ORDINALITY AS i (id, ordinality)"
	 " JOIN inngest.function_runs r ON r.id = i.id"
	 " WHERE r.outcome IS NULL",
	 1,
	 {UUIDARRAYOID}};

static InnPlan insert_attempt = {
	"INSERT INTO inngest.attempts (run_id, attempt, status, started_at, ended_at, retry_at, output, error)"
	" VALUES ($1::inngest.ulid, $2::int2, $3, $4, $5, $6, $7, $8)",
	8,
	{UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID,
	 JSONBOID}};

static InnPlan put_key =
	{"INSERT INTO inngest.idempotency_keys AS k (function_id, key, run_id, expires_at)"
	 " VALUES ($1, $2, $3::inngest.ulid, $5)"
	 " ON CONFLICT (function_id, key) DO UPDATE"
	 " SET run_id = EXCLUDED.run_id, expires_at = EXCLUDED.expires_at"
	 " WHERE k.expires_at <= $4",
	 5,
	 {UUIDOID, UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static void insert_in_one_statement(const InnRun *runs, int nruns);
static InnArg ulid_array(const InnUlid *ids, int nids);

void
inn_runs_insert(const InnRun *runs, int nruns)
{
	if (nruns == 1)
		INN_RUN(&insert_one, inn_arg_ulid(&runs->id), inn_arg_uuid(&runs->function_id),
				inn_arg(Int32GetDatum(runs->function_version)), inn_arg_ulid(&runs->event_id),
				inn_arg(BoolGetDatum(runs->is_skipped)));
	else if (nruns > 1)
		insert_in_one_statement(runs, nruns);
}

static void
insert_in_one_statement(const InnRun *runs, int nruns)
{
	Datum *ids = palloc(nruns * sizeof(Datum));
	Datum *functions = palloc(nruns * sizeof(Datum));
	Datum *versions = palloc(nruns * sizeof(Datum));
	Datum *events = palloc(nruns * sizeof(Datum));
	Datum *skipped = palloc(nruns * sizeof(Datum));

	for (int i = 0; i < nruns; i++)
	{
		ids[i] = PointerGetDatum(&runs[i].id);
		functions[i] = PointerGetDatum(&runs[i].function_id);
		versions[i] = Int32GetDatum(runs[i].function_version);
		events[i] = PointerGetDatum(&runs[i].event_id);
		skipped[i] = BoolGetDatum(runs[i].is_skipped);
	}
	INN_RUN(&insert_many, inn_arg_array(ids, NULL, nruns, UUIDOID),
			inn_arg_array(functions, NULL, nruns, UUIDOID),
			inn_arg_array(versions, NULL, nruns, INT4OID),
			inn_arg_array(events, NULL, nruns, UUIDOID),
			inn_arg_array(skipped, NULL, nruns, BOOLOID));
}

void
inn_runs_start(const InnUlid *ids, int nids, TimestampTz now)
{
	INN_RUN(&start_runs, ulid_array(ids, nids), inn_arg_time(now));
}

bool
inn_runs_end(const InnUlid *id, InnOutcome outcome, TimestampTz now, pg_uuid_t *function_id)
{
	static const char *const names[] = {
		[INN_RUN_COMPLETED] = "COMPLETED",
		[INN_RUN_FAILED] = "FAILED",
		[INN_RUN_CANCELLED] = "CANCELLED",
		[INN_RUN_SKIPPED] = "SKIPPED",
	};

	Assert(outcome < lengthof(names));
	if (INN_RUN(&end_run, inn_arg_ulid(id), inn_arg_cstring(names[outcome]), inn_arg_time(now)) ==
		0)
		return false;
	*function_id = inn_row_uuid(0, 1);
	return true;
}

bool
inn_runs_exists(const InnUlid *id)
{
	return INN_RUN(&find_run, inn_arg_ulid(id)) > 0;
}

bool
inn_runs_origin(const InnUlid *id, InnRunOrigin *origin)
{
	if (INN_RUN(&read_origin, inn_arg_ulid(id)) == 0)
		return false;
	*origin = (InnRunOrigin){
		.function_id = inn_row_uuid(0, 1),
		.event_id = inn_row_ulid(0, 2),
		.original_id = inn_row_ulid(0, 3),
	};
	return true;
}

void
inn_runs_set_original(const InnUlid *id, const InnUlid *original_id)
{
	INN_RUN(&set_original, inn_arg_ulid(id), inn_arg_ulid(original_id));
}

void
inn_runs_alive(const InnUlid *ids, int nids, bool *alive)
{
	uint64 nrows = INN_RUN(&alive_runs, ulid_array(ids, nids));

	memset(alive, 0, nids * sizeof(bool));
	for (uint64 i = 0; i < nrows; i++)
		alive[inn_row_int(i, 1) - 1] = true;
}

void
inn_attempts_insert(const InnAttempt *attempt)
{
	InnArg retry_at = inn_arg_time(attempt->retry_at);

	retry_at.is_null = attempt->retry_at == INN_NEVER;
	INN_RUN(&insert_attempt, inn_arg_ulid(&attempt->run_id),
			inn_arg(Int32GetDatum(attempt->attempt)), inn_arg_cstring(attempt->status),
			inn_arg_time(attempt->started_at), inn_arg_time(attempt->ended_at), retry_at,
			inn_arg_pointer(attempt->output), inn_arg_pointer(attempt->error));
}

bool
inn_idempotency_put(const pg_uuid_t *function_id, const pg_uuid_t *key, const InnUlid *run_id,
					TimestampTz now, TimestampTz expires_at)
{
	return INN_RUN(&put_key, inn_arg_uuid(function_id), inn_arg_uuid(key), inn_arg_ulid(run_id),
				   inn_arg_time(now), inn_arg_time(expires_at)) > 0;
}

static InnArg
ulid_array(const InnUlid *ids, int nids)
{
	Datum *values = palloc(Max(nids, 1) * sizeof(Datum));

	for (int i = 0; i < nids; i++)
		values[i] = PointerGetDatum(&ids[i]);
	return inn_arg_array(values, NULL, nids, UUIDOID);
}
