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

#define ATTEMPT_COLUMNS 11

/* A skipped run is born ended; its end is the time of its id. */
#define SKIPPED_COLUMNS(skipped, id) \
	" CASE WHEN " skipped " THEN 'SKIPPED'::inngest.run_outcome END," \
	" CASE WHEN " skipped " THEN inngest.ulid_timestamp(" id "::inngest.ulid) END"

static InnPlan insert_one = {
	"INSERT INTO inngest.function_runs (id, function_id, function_version, event_id, has_controls, batch_id, outcome, ended_at)"
	" VALUES ($1::inngest.ulid, $2, $3, $4::inngest.ulid, $6, $7::inngest.ulid," SKIPPED_COLUMNS(
		"$5", "$1") ")",
	7,
	{UUIDOID, UUIDOID, INT4OID, UUIDOID, BOOLOID, BOOLOID, UUIDOID}};

static InnPlan insert_many = {
	"INSERT INTO inngest.function_runs (id, function_id, function_version, event_id, has_controls, batch_id, outcome, ended_at)"
	" SELECT r.id::inngest.ulid, r.function_id, r.version, r.event_id::inngest.ulid, r.has_controls, r.batch_id::inngest.ulid," SKIPPED_COLUMNS(
		"r.skipped",
		"r.id") " FROM unnest($1, $2, $3, $4, $5, $6, $7)"
				" AS r (id, function_id, version, event_id, skipped, has_controls, batch_id)",
	7,
	{UUIDARRAYOID, UUIDARRAYOID, INT4ARRAYOID, UUIDARRAYOID, BOOLARRAYOID, BOOLARRAYOID,
	 UUIDARRAYOID}};

/*
 * Written so that the index of outcomes is no choice: while few runs are known to be alive, reading all of them would look as good as
 * looking for each by its id.
 */
#define HAS_NOT_ENDED " (outcome IS NULL) IS TRUE"

static InnPlan start_runs =
	{"UPDATE inngest.function_runs SET started_at = $2"
	 " WHERE id = ANY ($1::inngest.ulid[]) AND started_at IS NULL AND" HAS_NOT_ENDED,
	 2,
	 {UUIDARRAYOID, TIMESTAMPTZOID},
	 .is_generic = true};

/* Ends runs, and reads what they were.  The runs are not joined: a plan that was made for few of them would read all. */
static InnPlan end_runs = {
	"WITH ended AS (UPDATE inngest.function_runs SET outcome = $2::inngest.run_outcome, ended_at = $3"
	" WHERE id = ANY ($1::inngest.ulid[]) AND" HAS_NOT_ENDED
	" RETURNING id, function_id, event_id, has_defers, has_controls, batch_id)"
	" SELECT x.id, x.function_id, f.slug, f.app_id, x.has_defers, x.event_id::uuid, x.has_controls, f.is_endpoint, x.batch_id::uuid," INN_EVENT_COLUMNS
	" FROM ended x"
	" JOIN LATERAL (SELECT slug, app_id, is_endpoint FROM inngest.functions f WHERE f.id = x.function_id OFFSET 0) f ON true"
	" LEFT JOIN LATERAL (SELECT * FROM inngest.events e WHERE e.id = x.event_id OFFSET 0) e ON true",
	3,
	{UUIDARRAYOID, TEXTOID, TIMESTAMPTZOID},
	.is_generic = true};

/* Usually there is none, which is asked once for all runs. */
#define IS_TO_BE_CANCELLED \
	"(SELECT EXISTS (SELECT FROM inngest.cancellations WHERE due_at < 'infinity'))" \
	" AND EXISTS (SELECT FROM inngest.cancellations c WHERE c.due_at < 'infinity' AND c.function_id = r.function_id" \
	" AND inngest.cancels_run(c, r.id, r.event_id))"

static InnPlan read_to_call = {
	"SELECT i.n::int4, r.outcome IS NULL, r.request_version::int4, r.is_planning, r.has_defers, r.started_at, r.event_id::uuid, r.batch_id::uuid,"
	" " IS_TO_BE_CANCELLED "," INN_EVENT_COLUMNS " FROM unnest($1) WITH ORDINALITY AS i (id, n),"
	" LATERAL (SELECT * FROM inngest.function_runs x WHERE x.id = i.id::inngest.ulid OFFSET 0) r"
	" LEFT JOIN LATERAL (SELECT * FROM inngest.events e WHERE e.id = r.event_id OFFSET 0) e ON true",
	1,
	{UUIDARRAYOID},
	.is_generic = true};

static InnPlan set_version =
	{"UPDATE inngest.function_runs SET request_version = $2::int2, is_planning = $3"
	 " WHERE id = ANY ($1::inngest.ulid[])",
	 3,
	 {UUIDARRAYOID, INT4OID, BOOLOID},
	 .is_generic = true};

static InnPlan find_run = {"SELECT FROM inngest.function_runs WHERE id = $1::inngest.ulid",
						   1,
						   {UUIDOID}};

/* In one statement, because items and leases are exchanged for each other. */
static InnPlan read_standing = {"SELECT r.outcome IS NULL, r.started_at,"
								" EXISTS (SELECT FROM inngest.queue q WHERE q.run_id = r.id)"
								" OR EXISTS (SELECT FROM inngest.leases l WHERE l.run_id = r.id)"
								" FROM inngest.function_runs r WHERE r.id = $1::inngest.ulid",
								1,
								{UUIDOID}};

static InnPlan read_origin =
	{"SELECT function_id, event_id::uuid, coalesce(original_run_id, id)::uuid, batch_id::uuid"
	 " FROM inngest.function_runs WHERE id = $1::inngest.ulid",
	 1,
	 {UUIDOID}};

static InnPlan set_original = {"UPDATE inngest.function_runs SET original_run_id = $2::inngest.ulid"
							   " WHERE id = $1::inngest.ulid",
							   2,
							   {UUIDOID, UUIDOID}};

static InnPlan alive_runs = {
	"SELECT i.ordinality::int4"
	" FROM unnest($1::inngest.ulid[]) WITH ORDINALITY AS i (id, ordinality),"
	" LATERAL (SELECT FROM inngest.function_runs x WHERE x.id = i.id AND x.outcome IS NULL OFFSET 0) r",
	1,
	{UUIDARRAYOID},
	.is_generic = true};

static InnPlan insert_attempts = {
	"INSERT INTO inngest.attempts (run_id, job_id, attempt, status, started_at, ended_at, retry_at, step_id,"
	" step_name, output, error)"
	" SELECT a.run_id::inngest.ulid, a.job_id, a.attempt, a.status, a.started_at, a.ended_at, a.retry_at, a.step_id,"
	" a.step_name, a.output, a.error"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
	" AS a (run_id, job_id, attempt, status, started_at, ended_at, retry_at, step_id, step_name, output, error)"
	" ON CONFLICT DO NOTHING",
	ATTEMPT_COLUMNS,
	{UUIDARRAYOID, INT8ARRAYOID, INT2ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
	 TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID,
	 JSONBARRAYOID}};

static InnPlan put_key =
	{"INSERT INTO inngest.idempotency_keys AS k (function_id, key, run_id, expires_at)"
	 " VALUES ($1, $2, $3::inngest.ulid, $5)"
	 " ON CONFLICT (function_id, key) DO UPDATE"
	 " SET run_id = EXCLUDED.run_id, expires_at = EXCLUDED.expires_at"
	 " WHERE k.expires_at <= $4",
	 5,
	 {UUIDOID, UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static InnPlan find_key = {"SELECT FROM inngest.idempotency_keys"
						   " WHERE function_id = $1 AND key = $2 AND expires_at > $3",
						   3,
						   {UUIDOID, UUIDOID, TIMESTAMPTZOID}};

static void insert_in_one_statement(const InnRun *runs, int nruns);
static int by_outcome(const void *a, const void *b);
static void end_alike(InnEnding *const *endings, int nendings, TimestampTz now);
static void read_ending(uint64 row, InnEnding *ending);
static bool row_batch(uint64 row, int column, InnUlid *batch_id);
static void attempt_args(const InnAttempt *attempt, InnArg *args);
static InnArg ulid_array(const InnUlid *ids, int nids);

void
inn_runs_insert(const InnRun *runs, int nruns)
{
	if (nruns == 1)
		INN_RUN(&insert_one, inn_arg_ulid(&runs->id), inn_arg_uuid(&runs->function_id),
				inn_arg(Int32GetDatum(runs->function_version)), inn_arg_ulid(&runs->event_id),
				inn_arg(BoolGetDatum(runs->is_skipped)),
				inn_arg(BoolGetDatum(runs->controls != NULL)),
				runs->has_batch ? inn_arg_ulid(&runs->batch_id) : inn_arg_pointer(NULL));
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
	Datum *controlled = palloc(nruns * sizeof(Datum));
	Datum *batches = palloc(nruns * sizeof(Datum));
	bool *have_none = palloc(nruns * sizeof(bool));

	for (int i = 0; i < nruns; i++)
	{
		ids[i] = PointerGetDatum(&runs[i].id);
		functions[i] = PointerGetDatum(&runs[i].function_id);
		versions[i] = Int32GetDatum(runs[i].function_version);
		events[i] = PointerGetDatum(&runs[i].event_id);
		skipped[i] = BoolGetDatum(runs[i].is_skipped);
		controlled[i] = BoolGetDatum(runs[i].controls != NULL);
		batches[i] = PointerGetDatum(&runs[i].batch_id);
		have_none[i] = !runs[i].has_batch;
	}
	INN_RUN(&insert_many, inn_arg_array(ids, NULL, nruns, UUIDOID),
			inn_arg_array(functions, NULL, nruns, UUIDOID),
			inn_arg_array(versions, NULL, nruns, INT4OID),
			inn_arg_array(events, NULL, nruns, UUIDOID),
			inn_arg_array(skipped, NULL, nruns, BOOLOID),
			inn_arg_array(controlled, NULL, nruns, BOOLOID),
			inn_arg_array(batches, have_none, nruns, UUIDOID));
}

void
inn_runs_start(const InnUlid *ids, int nids, TimestampTz now)
{
	INN_RUN(&start_runs, ulid_array(ids, nids), inn_arg_time(now));
}

void
inn_runs_end(InnEnding *endings, int nendings, TimestampTz now)
{
	InnEnding **sorted = palloc(Max(nendings, 1) * sizeof(InnEnding *));

	for (int i = 0; i < nendings; i++)
	{
		sorted[i] = &endings[i];
		endings[i].has_ended = false;
	}
	qsort(sorted, nendings, sizeof(InnEnding *), by_outcome);
	for (int first = 0, next = 0; first < nendings; first = next)
	{
		while (next < nendings && sorted[next]->outcome == sorted[first]->outcome)
			next++;
		end_alike(&sorted[first], next - first, now);
	}
}

/* Those of one outcome together, in the order of their ids. */
static int
by_outcome(const void *a, const void *b)
{
	const InnEnding *left = *(InnEnding *const *) a;
	const InnEnding *right = *(InnEnding *const *) b;

	if (left->outcome != right->outcome)
		return left->outcome < right->outcome ? -1 : 1;
	return inn_ulid_compare(&left->id, &right->id);
}

static void
end_alike(InnEnding *const *endings, int nendings, TimestampTz now)
{
	static const char *const names[] = {
		[INN_RUN_COMPLETED] = "COMPLETED",
		[INN_RUN_FAILED] = "FAILED",
		[INN_RUN_CANCELLED] = "CANCELLED",
		[INN_RUN_SKIPPED] = "SKIPPED",
	};
	Datum *ids = palloc(nendings * sizeof(Datum));
	InnEnding wanted = {.outcome = endings[0]->outcome};
	const InnEnding *key = &wanted;
	uint64 nrows;

	Assert(wanted.outcome < lengthof(names));
	for (int i = 0; i < nendings; i++)
		ids[i] = PointerGetDatum(&endings[i]->id);
	nrows = INN_RUN(&end_runs, inn_arg_array(ids, NULL, nendings, UUIDOID),
					inn_arg_cstring(names[wanted.outcome]), inn_arg_time(now));
	for (uint64 i = 0; i < nrows; i++)
	{
		InnEnding *const *found;

		wanted.id = inn_row_ulid(i, 1);
		found = bsearch(&key, endings, nendings, sizeof(InnEnding *), by_outcome);
		read_ending(i, *found);
	}
}

static void
read_ending(uint64 row, InnEnding *ending)
{
	InnUlid event_id = inn_row_ulid(row, 6);
	bool has_no_event;

	ending->has_ended = true;
	ending->function_id = inn_row_uuid(row, 2);
	ending->function_slug = inn_row_text(row, 3);
	ending->app_id = inn_row_uuid(row, 4);
	ending->has_defers = inn_row_bool(row, 5);
	ending->has_controls = inn_row_bool(row, 7);
	ending->is_endpoint = inn_row_bool(row, 8);
	ending->has_batch = row_batch(row, 9, &ending->batch_id);
	(void) inn_row_datum(row, 10, &has_no_event);
	ending->has_event = !has_no_event;
	if (ending->has_event)
		inn_events_row(row, 10, &event_id, &ending->event);
}

/* False for null. */
static bool
row_batch(uint64 row, int column, InnUlid *batch_id)
{
	bool has_none;

	(void) inn_row_datum(row, column, &has_none);
	if (!has_none)
		*batch_id = inn_row_ulid(row, column);
	return !has_none;
}

/* Those that say the same together: most do. */
void
inn_runs_set_versions(const InnRunVersion *versions, int nversions)
{
	bool *is_done = palloc0(Max(nversions, 1) * sizeof(bool));
	Datum *ids = palloc(Max(nversions, 1) * sizeof(Datum));

	for (int first = 0; first < nversions; first++)
	{
		const InnRunVersion *version = &versions[first];
		int nids = 0;

		for (int i = first; i < nversions && !is_done[first]; i++)
		{
			if (is_done[i] || versions[i].request_version != version->request_version ||
				versions[i].is_planning != version->is_planning)
				continue;
			ids[nids++] = PointerGetDatum(&versions[i].run_id);
			is_done[i] = i > first;
		}
		if (nids > 0)
			(void) INN_RUN(&set_version, inn_arg_array(ids, NULL, nids, UUIDOID),
						   inn_arg(Int32GetDatum(version->request_version)),
						   inn_arg(BoolGetDatum(version->is_planning)));
	}
}

void
inn_runs_read_to_call(const InnUlid *ids, int nids, InnRunToCall *runs)
{
	uint64 nrows = INN_RUN(&read_to_call, ulid_array(ids, nids));

	memset(runs, 0, nids * sizeof(InnRunToCall));
	for (uint64 i = 0; i < nrows; i++)
	{
		InnRunToCall *run = &runs[inn_row_int(i, 1) - 1];
		bool has_no_event;

		run->is_alive = inn_row_bool(i, 2);
		run->request_version = inn_row_int(i, 3);
		run->is_planning = inn_row_bool(i, 4);
		run->has_defers = inn_row_bool(i, 5);
		run->started_at = inn_row_time(i, 6, INN_NEVER);
		run->event_id = inn_row_ulid(i, 7);
		run->has_batch = row_batch(i, 8, &run->batch_id);
		run->is_to_be_cancelled = inn_row_bool(i, 9);
		(void) inn_row_datum(i, 10, &has_no_event);
		run->has_event = !has_no_event;
		if (run->has_event)
			inn_events_row(i, 10, &run->event_id, &run->event);
	}
}

bool
inn_runs_exists(const InnUlid *id)
{
	return INN_RUN(&find_run, inn_arg_ulid(id)) > 0;
}

bool
inn_runs_standing(const InnUlid *id, InnRunStanding *standing)
{
	if (INN_RUN(&read_standing, inn_arg_ulid(id)) == 0)
		return false;
	*standing = (InnRunStanding){
		.is_alive = inn_row_bool(0, 1),
		.started_at = inn_row_time(0, 2, INN_NEVER),
		.is_pulled = inn_row_bool(0, 3),
	};
	return true;
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
	origin->has_batch = row_batch(0, 4, &origin->batch_id);
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
inn_attempts_insert(const List *attempts)
{
	static const Oid types[ATTEMPT_COLUMNS] = {UUIDOID,		   INT8OID,		   INT2OID,
											   TEXTOID,		   TIMESTAMPTZOID, TIMESTAMPTZOID,
											   TIMESTAMPTZOID, TEXTOID,		   TEXTOID,
											   JSONBOID,	   JSONBOID};
	int nattempts = list_length(attempts);
	Datum *values[ATTEMPT_COLUMNS];
	bool *nulls[ATTEMPT_COLUMNS];
	InnArg args[ATTEMPT_COLUMNS];
	ListCell *cell;

	if (nattempts == 0)
		return;
	for (int c = 0; c < ATTEMPT_COLUMNS; c++)
	{
		values[c] = palloc(nattempts * sizeof(Datum));
		nulls[c] = palloc(nattempts * sizeof(bool));
	}
	foreach(cell, attempts)
	{
		attempt_args(lfirst(cell), args);
		for (int c = 0; c < ATTEMPT_COLUMNS; c++)
		{
			values[c][foreach_current_index(cell)] = args[c].value;
			nulls[c][foreach_current_index(cell)] = args[c].is_null;
		}
	}
	for (int c = 0; c < ATTEMPT_COLUMNS; c++)
		args[c] = inn_arg_array(values[c], nulls[c], nattempts, types[c]);
	(void) inn_plan_run(&insert_attempts, ATTEMPT_COLUMNS, args);
}

static void
attempt_args(const InnAttempt *attempt, InnArg *args)
{
	int n = 0;

	args[n++] = inn_arg_ulid(&attempt->run_id);
	args[n++] = inn_arg(Int64GetDatum(attempt->job_id));
	args[n++] = inn_arg(Int16GetDatum((int16) attempt->attempt));
	args[n++] = inn_arg_cstring(attempt->status);
	args[n++] = inn_arg_time(attempt->started_at);
	args[n++] = inn_arg_time(attempt->ended_at);
	args[n] = inn_arg_time(attempt->retry_at);
	args[n++].is_null = attempt->retry_at == INN_NEVER;
	args[n++] = inn_arg_cstring(attempt->step_id);
	args[n++] = inn_arg_cstring(attempt->step_name);
	args[n++] = inn_arg_pointer(attempt->output);
	args[n++] = inn_arg_pointer(attempt->error);
	Assert(n == ATTEMPT_COLUMNS);
}

bool
inn_idempotency_put(const pg_uuid_t *function_id, const pg_uuid_t *key, const InnUlid *run_id,
					TimestampTz now, TimestampTz expires_at)
{
	return INN_RUN(&put_key, inn_arg_uuid(function_id), inn_arg_uuid(key), inn_arg_ulid(run_id),
				   inn_arg_time(now), inn_arg_time(expires_at)) > 0;
}

bool
inn_idempotency_exists(const pg_uuid_t *function_id, const pg_uuid_t *key, TimestampTz now)
{
	return INN_RUN(&find_key, inn_arg_uuid(function_id), inn_arg_uuid(key), inn_arg_time(now)) > 0;
}

static InnArg
ulid_array(const InnUlid *ids, int nids)
{
	Datum *values = palloc(Max(nids, 1) * sizeof(Datum));

	for (int i = 0; i < nids; i++)
		values[i] = PointerGetDatum(&ids[i]);
	return inn_arg_array(values, NULL, nids, UUIDOID);
}
