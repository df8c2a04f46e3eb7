/*-------------------------------------------------------------------------
 *
 * jobs.c
 *	  Writing and reading inngest.jobs.
 *
 * IDENTIFICATION
 *	  src/store/jobs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/tide.h"
#include "base/wake.h"
#include "store/jobs.h"

#define JOB_COLUMNS 17

static InnPlan put_jobs = {
	"INSERT INTO inngest.jobs (app_id, position, run_at, id, kind, run_id, function_id, step_id, step_name,"
	" after_id, attempt, generation, is_planning, is_grouped, is_race, input, queued_at)"
	" SELECT j.app_id, j.position, j.run_at, j.id, j.kind, j.run_id::inngest.ulid, j.function_id, j.step_id,"
	" j.step_name, j.after_id, j.attempt, j.generation, j.is_planning, j.is_grouped, j.is_race, j.input::json,"
	" j.queued_at"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
	" AS j (app_id, position, run_at, id, kind, run_id, function_id, step_id, step_name,"
	" after_id, attempt, generation, is_planning, is_grouped, is_race, input, queued_at)",
	JOB_COLUMNS,
	{UUIDARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, TEXTARRAYOID, UUIDARRAYOID,
	 UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID, INT4ARRAYOID,
	 BOOLARRAYOID, BOOLARRAYOID, BOOLARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}};

/* What row_job() reads. */
#define READ_COLUMNS \
	" j.app_id, j.position, j.run_at, j.id, j.kind, j.run_id, j.function_id, j.step_id, j.step_name," \
	" j.after_id, j.attempt::int4, j.generation, j.is_planning, j.is_grouped, j.is_race, j.input::text," \
	" j.queued_at"

static InnPlan read_ready =
	{"SELECT" READ_COLUMNS " FROM unnest($1, $2, $3) WITH ORDINALITY AS l (app_id, after, room, n),"
	 " LATERAL (SELECT * FROM inngest.jobs x"
	 " WHERE x.app_id = l.app_id AND x.position > l.after AND x.position IS NOT NULL"
	 " ORDER BY x.position"
	 " LIMIT l.room) j"
	 " ORDER BY l.n, j.position",
	 3,
	 {UUIDARRAYOID, INT8ARRAYOID, INT4ARRAYOID},
	 .is_generic = true};

/*
 * What is deleted is found first, row by row.  A join with the table would be planned when the table is nearly empty, and might read
 * all of it ever after.
 */
static InnPlan remove_ready = {
	"WITH wanted AS MATERIALIZED (SELECT i.n, i.position, x.place"
	" FROM unnest($1, $2) WITH ORDINALITY AS i (app_id, position, n),"
	" LATERAL (SELECT j.ctid AS place FROM inngest.jobs j"
	" WHERE j.app_id = i.app_id AND j.position = i.position AND j.position IS NOT NULL OFFSET 0) x),"
	" gone AS (DELETE FROM inngest.jobs j"
	" WHERE j.ctid = ANY (ARRAY (SELECT place FROM wanted))"
	" RETURNING j.position)"
	" SELECT w.n::int4 FROM wanted w JOIN gone g ON g.position = w.position",
	2,
	{UUIDARRAYOID, INT8ARRAYOID},
	.is_generic = true};

static InnPlan read_due = {"SELECT" READ_COLUMNS " FROM inngest.jobs j"
						   " WHERE j.run_at >= $1 AND j.run_at <= $2 AND j.run_at IS NOT NULL"
						   " ORDER BY j.run_at, j.id"
						   " LIMIT $3",
						   3,
						   {TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID},
						   .is_generic = true};

static InnPlan next_due = {"SELECT run_at FROM inngest.jobs"
						   " WHERE run_at >= $1 AND run_at IS NOT NULL"
						   " ORDER BY run_at, id"
						   " LIMIT 1",
						   1,
						   {TIMESTAMPTZOID},
						   .is_generic = true};

/* Those that are locked here are still there, and are deleted. */
static InnPlan remove_timed = {
	"WITH wanted AS MATERIALIZED (SELECT i.n, x.place FROM unnest($1, $2) WITH ORDINALITY AS i (run_at, id, n),"
	" LATERAL (SELECT j.ctid AS place FROM inngest.jobs j"
	" WHERE j.run_at = i.run_at AND j.id = i.id AND j.run_at IS NOT NULL FOR UPDATE SKIP LOCKED) x),"
	" gone AS (DELETE FROM inngest.jobs j WHERE j.ctid = ANY (ARRAY (SELECT place FROM wanted)))"
	" SELECT n::int4 FROM wanted",
	2,
	{TIMESTAMPTZARRAYOID, INT8ARRAYOID},
	.is_generic = true};

/* That a place was freed is said when a run has ended, and stays, however often it is ended. */
static InnPlan remove_runs =
	{"DELETE FROM inngest.jobs WHERE run_id = ANY ($1::inngest.ulid[]) AND kind <> 'place_freed'",
	 1,
	 {UUIDARRAYOID},
	 .is_generic = true};

static InnPlan take_held = {
	"DELETE FROM inngest.jobs j"
	" WHERE j.run_id = $1::inngest.ulid AND j.run_at IS NOT NULL AND j.kind = 'call' AND j.generation = 0"
	" RETURNING" READ_COLUMNS,
	1,
	{UUIDOID}};

/* Waits for nobody. */
static InnPlan take_start =
	{"DELETE FROM inngest.jobs j WHERE j.ctid = ANY (ARRAY (SELECT x.ctid FROM inngest.jobs x"
	 " WHERE x.run_id = $1::inngest.ulid AND x.kind = 'start' FOR UPDATE SKIP LOCKED))"
	 " RETURNING" READ_COLUMNS,
	 1,
	 {UUIDOID},
	 .is_generic = true};

static InnPlan reset_attempt = {"UPDATE inngest.jobs SET attempt = 0"
								" WHERE run_id = $1::inngest.ulid AND id = $2 AND attempt > 0",
								2,
								{UUIDOID, INT8OID}};

static InnPlan find_job = {"SELECT FROM inngest.jobs WHERE run_id = $1::inngest.ulid AND id = $2",
						   2,
						   {UUIDOID, INT8OID}};

/* A value at a time, so that what it costs is the keys and not the jobs. */
static InnPlan blocked_keys =
	{"WITH RECURSIVE k (key) AS ("
	 " (SELECT blocked_on FROM inngest.jobs WHERE blocked_on > $1 ORDER BY blocked_on LIMIT 1)"
	 " UNION ALL"
	 " SELECT (SELECT j.blocked_on FROM inngest.jobs j WHERE j.blocked_on > k.key"
	 " ORDER BY j.blocked_on LIMIT 1) FROM k WHERE k.key IS NOT NULL)"
	 " SELECT key FROM k WHERE key IS NOT NULL LIMIT $2",
	 2,
	 {UUIDOID, INT4OID},
	 .is_generic = true};

/* From one function to the next, so that what it costs is the functions and not the jobs. */
static InnPlan blocked_functions = {
	"WITH RECURSIVE f (id) AS ("
	" (SELECT function_id FROM inngest.jobs WHERE blocked_on = $1 ORDER BY function_id LIMIT 1)"
	" UNION ALL"
	" SELECT (SELECT j.function_id FROM inngest.jobs j WHERE j.blocked_on = $1 AND j.function_id > f.id"
	" ORDER BY j.function_id LIMIT 1) FROM f WHERE f.id IS NOT NULL)"
	" SELECT f.id, j.rank FROM f, LATERAL (SELECT x.rank FROM inngest.jobs x"
	" WHERE x.blocked_on = $1 AND x.function_id = f.id ORDER BY x.rank LIMIT 1) j"
	" ORDER BY j.rank, f.id LIMIT $2",
	2,
	{UUIDOID, INT4OID},
	.is_generic = true};

static InnPlan read_blocked = {"SELECT id, run_id::uuid, rank FROM inngest.jobs"
							   " WHERE blocked_on = $1 AND function_id = $2"
							   " ORDER BY rank, id"
							   " LIMIT $3",
							   3,
							   {UUIDOID, UUIDOID, INT4OID},
							   .is_generic = true};

/* Found first, as those that are deleted. */
static InnPlan block_jobs = {
	"WITH wanted AS MATERIALIZED (SELECT i.key, i.rank, x.place"
	" FROM unnest($1, $2, $3, $4) AS i (app_id, position, key, rank),"
	" LATERAL (SELECT j.ctid AS place FROM inngest.jobs j"
	" WHERE j.app_id = i.app_id AND j.position = i.position AND j.position IS NOT NULL OFFSET 0) x)"
	" UPDATE inngest.jobs j SET position = NULL, blocked_on = w.key, rank = w.rank"
	" FROM wanted w"
	" WHERE j.ctid = ANY (ARRAY (SELECT place FROM wanted)) AND j.ctid = w.place",
	4,
	{UUIDARRAYOID, INT8ARRAYOID, UUIDARRAYOID, INT8ARRAYOID},
	.is_generic = true};

static InnPlan unblock_jobs =
	{"WITH wanted AS MATERIALIZED (SELECT i.position, x.place"
	 " FROM unnest($2, $3, $4) AS i (run_id, id, position),"
	 " LATERAL (SELECT j.ctid AS place FROM inngest.jobs j"
	 " WHERE j.run_id = i.run_id::inngest.ulid AND j.id = i.id AND j.blocked_on = $1 OFFSET 0) x)"
	 " UPDATE inngest.jobs j SET position = w.position, blocked_on = NULL, rank = NULL"
	 " FROM wanted w"
	 " WHERE j.ctid = ANY (ARRAY (SELECT place FROM wanted)) AND j.ctid = w.place",
	 4,
	 {UUIDOID, UUIDARRAYOID, INT8ARRAYOID, INT8ARRAYOID},
	 .is_generic = true};

static InnPlan ready_jobs =
	{"SELECT i.n FROM unnest($1, $2) WITH ORDINALITY AS i (run_id, id, n),"
	 " LATERAL (SELECT FROM inngest.jobs j WHERE j.run_id = i.run_id::inngest.ulid"
	 " AND j.id = i.id AND j.position IS NOT NULL OFFSET 0) x",
	 2,
	 {UUIDARRAYOID, INT8ARRAYOID},
	 .is_generic = true};

static void give_place(InnJob *job);
static void fill_columns(const InnJob *job, Datum *values, bool *nulls);
static void put_optional(const char *text, Datum *value, bool *is_null);
static InnJob *row_jobs(uint64 nrows, int *count);
static InnJob row_job(uint64 row);
static InnJobKind kind_of(const char *name);
static void note_removed(uint64 nrows, int njobs, bool *removed);

static const char *const kind_names[] = {
#define INN_JOB_NAME(name, text) text,
	INN_JOB_TABLE(INN_JOB_NAME)
#undef INN_JOB_NAME
};

void
inn_jobs_put(InnJob *jobs, int njobs)
{
	static const Oid types[JOB_COLUMNS] = {UUIDOID, INT8OID,	   TIMESTAMPTZOID, INT8OID, TEXTOID,
										   UUIDOID, UUIDOID,	   TEXTOID,		   TEXTOID, TEXTOID,
										   INT2OID, INT4OID,	   BOOLOID,		   BOOLOID, BOOLOID,
										   TEXTOID, TIMESTAMPTZOID};
	Datum *values[JOB_COLUMNS];
	bool *nulls[JOB_COLUMNS];
	InnArg args[JOB_COLUMNS];

	if (njobs == 0)
		return;
	for (int c = 0; c < JOB_COLUMNS; c++)
	{
		values[c] = palloc(njobs * sizeof(Datum));
		nulls[c] = palloc0(njobs * sizeof(bool));
	}
	for (int i = 0; i < njobs; i++)
	{
		Datum row[JOB_COLUMNS];
		bool row_nulls[JOB_COLUMNS] = {false};

		give_place(&jobs[i]);
		fill_columns(&jobs[i], row, row_nulls);
		for (int c = 0; c < JOB_COLUMNS; c++)
		{
			values[c][i] = row[c];
			nulls[c][i] = row_nulls[c];
		}
	}
	for (int c = 0; c < JOB_COLUMNS; c++)
		args[c] = inn_arg_array(values[c], nulls[c], njobs, types[c]);
	(void) inn_plan_run(&put_jobs, JOB_COLUMNS, args);
}

/* Its id and position, and who is to be told. */
static void
give_place(InnJob *job)
{
	if (job->id == 0)
		job->id = inn_sequence_next("job_id");
	if (job->run_at == INN_NOW)
	{
		job->position = inn_sequence_next("job_position");
		inn_tide_note(INN_TIDE_JOBS, job->position);
		inn_wake_at_commit(INN_ROLE_EXECUTOR);
		return;
	}
	job->position = 0;
	inn_tide_note(INN_TIDE_TIMERS, job->run_at);
	inn_wake_at_commit_for(INN_ROLE_SCHEDULER, job->run_at);
}

static void
fill_columns(const InnJob *job, Datum *values, bool *nulls)
{
	int n = 0;

	values[n++] = PointerGetDatum(&job->app_id);
	nulls[n] = job->run_at != INN_NOW;
	values[n++] = Int64GetDatum(job->position);
	nulls[n] = job->run_at == INN_NOW;
	values[n++] = TimestampTzGetDatum(job->run_at);
	values[n++] = Int64GetDatum(job->id);
	values[n++] = CStringGetTextDatum(kind_names[job->kind]);
	values[n++] = PointerGetDatum(&job->run_id);
	values[n++] = PointerGetDatum(&job->function_id);
	put_optional(job->step_id, &values[n], &nulls[n]);
	n++;
	put_optional(job->step_name, &values[n], &nulls[n]);
	n++;
	put_optional(job->after_id, &values[n], &nulls[n]);
	n++;
	values[n++] = Int16GetDatum((int16) job->attempt);
	values[n++] = Int32GetDatum(job->generation);
	values[n++] = BoolGetDatum(job->is_planning);
	values[n++] = BoolGetDatum(job->is_grouped);
	values[n++] = BoolGetDatum(job->is_race);
	put_optional(job->input, &values[n], &nulls[n]);
	n++;
	values[n++] = TimestampTzGetDatum(job->queued_at);
	Assert(n == JOB_COLUMNS);
}

static void
put_optional(const char *text, Datum *value, bool *is_null)
{
	*is_null = text == NULL;
	*value = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

InnJob *
inn_jobs_read_ready(const InnJobLane *lanes, int nlanes, int *count)
{
	Datum *apps = palloc(Max(nlanes, 1) * sizeof(Datum));
	Datum *after = palloc(Max(nlanes, 1) * sizeof(Datum));
	Datum *room = palloc(Max(nlanes, 1) * sizeof(Datum));

	for (int i = 0; i < nlanes; i++)
	{
		apps[i] = PointerGetDatum(&lanes[i].app_id);
		after[i] = Int64GetDatum(lanes[i].after);
		room[i] = Int32GetDatum(lanes[i].room);
	}
	return row_jobs(INN_RUN(&read_ready, inn_arg_array(apps, NULL, nlanes, UUIDOID),
							inn_arg_array(after, NULL, nlanes, INT8OID),
							inn_arg_array(room, NULL, nlanes, INT4OID)),
					count);
}

static InnJob *
row_jobs(uint64 nrows, int *count)
{
	InnJob *jobs = palloc_extended(Max(nrows, 1) * sizeof(InnJob), MCXT_ALLOC_HUGE);

	for (uint64 i = 0; i < nrows; i++)
		jobs[i] = row_job(i);
	*count = (int) nrows;
	return jobs;
}

static InnJob
row_job(uint64 row)
{
	bool is_null;
	Datum position = inn_row_datum(row, 2, &is_null);

	return (InnJob){
		.app_id = inn_row_uuid(row, 1),
		.position = is_null ? 0 : DatumGetInt64(position),
		.run_at = inn_row_time(row, 3, INN_NOW),
		.id = inn_row_bigint(row, 4),
		.kind = kind_of(inn_row_text(row, 5)),
		.run_id = inn_row_ulid(row, 6),
		.function_id = inn_row_uuid(row, 7),
		.step_id = inn_row_text(row, 8),
		.step_name = inn_row_text(row, 9),
		.after_id = inn_row_text(row, 10),
		.attempt = inn_row_int(row, 11),
		.generation = inn_row_int(row, 12),
		.is_planning = inn_row_bool(row, 13),
		.is_grouped = inn_row_bool(row, 14),
		.is_race = inn_row_bool(row, 15),
		.input = inn_row_text(row, 16),
		.queued_at = inn_row_time(row, 17, 0),
	};
}

static InnJobKind
kind_of(const char *name)
{
	for (int kind = 0; kind < INN_JOB_COUNT; kind++)
	{
		if (strcmp(kind_names[kind], name) == 0)
			return kind;
	}
	elog(ERROR, "unknown kind of job \"%s\"", name);
}

void
inn_jobs_remove_ready(const InnJob *const *jobs, int njobs, bool *removed)
{
	Datum *apps = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *positions = palloc(Max(njobs, 1) * sizeof(Datum));

	for (int i = 0; i < njobs; i++)
	{
		apps[i] = PointerGetDatum(&jobs[i]->app_id);
		positions[i] = Int64GetDatum(jobs[i]->position);
	}
	note_removed(INN_RUN(&remove_ready, inn_arg_array(apps, NULL, njobs, UUIDOID),
						 inn_arg_array(positions, NULL, njobs, INT8OID)),
				 njobs, removed);
}

static void
note_removed(uint64 nrows, int njobs, bool *removed)
{
	memset(removed, 0, njobs * sizeof(bool));
	for (uint64 i = 0; i < nrows; i++)
		removed[inn_row_int(i, 1) - 1] = true;
}

InnJob *
inn_jobs_read_due(TimestampTz from, TimestampTz until, int max, int *count)
{
	return row_jobs(INN_RUN(&read_due, inn_arg_time(from), inn_arg_time(until),
							inn_arg(Int32GetDatum(max))),
					count);
}

TimestampTz
inn_jobs_next_due(TimestampTz from)
{
	if (INN_RUN(&next_due, inn_arg_time(from)) == 0)
		return INN_NEVER;
	return inn_row_time(0, 1, INN_NEVER);
}

void
inn_jobs_remove_timed(const InnJob *const *jobs, int njobs, bool *removed)
{
	Datum *times = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *ids = palloc(Max(njobs, 1) * sizeof(Datum));

	for (int i = 0; i < njobs; i++)
	{
		times[i] = TimestampTzGetDatum(jobs[i]->run_at);
		ids[i] = Int64GetDatum(jobs[i]->id);
	}
	note_removed(INN_RUN(&remove_timed, inn_arg_array(times, NULL, njobs, TIMESTAMPTZOID),
						 inn_arg_array(ids, NULL, njobs, INT8OID)),
				 njobs, removed);
}

void
inn_jobs_remove_runs(const InnUlid *run_ids, int nruns)
{
	Datum *ids = palloc(Max(nruns, 1) * sizeof(Datum));

	for (int i = 0; i < nruns; i++)
		ids[i] = PointerGetDatum(&run_ids[i]);
	(void) INN_RUN(&remove_runs, inn_arg_array(ids, NULL, nruns, UUIDOID));
}

bool
inn_jobs_take_held(const InnUlid *run_id, InnJob *job)
{
	StaticAssertStmt(INN_GENERATION_HELD == 0, "as the statement has it");
	if (INN_RUN(&take_held, inn_arg_ulid(run_id)) == 0)
		return false;
	*job = row_job(0);
	return true;
}

bool
inn_jobs_take_start(const InnUlid *run_id, InnJob *job)
{
	if (INN_RUN(&take_start, inn_arg_ulid(run_id)) == 0)
		return false;
	*job = row_job(0);
	return true;
}

void
inn_jobs_reset_attempt(const InnUlid *run_id, int64 job_id)
{
	(void) INN_RUN(&reset_attempt, inn_arg_ulid(run_id), inn_arg(Int64GetDatum(job_id)));
}

bool
inn_jobs_exists(const InnUlid *run_id, int64 job_id)
{
	return INN_RUN(&find_job, inn_arg_ulid(run_id), inn_arg(Int64GetDatum(job_id))) > 0;
}

void
inn_jobs_block(const InnJob *const *jobs, const pg_uuid_t *keys, const int64 *ranks, int njobs)
{
	Datum *apps = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *positions = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *key_values = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *rank_values = palloc(Max(njobs, 1) * sizeof(Datum));

	if (njobs == 0)
		return;
	for (int i = 0; i < njobs; i++)
	{
		apps[i] = PointerGetDatum(&jobs[i]->app_id);
		positions[i] = Int64GetDatum(jobs[i]->position);
		key_values[i] = PointerGetDatum(&keys[i]);
		rank_values[i] = Int64GetDatum(ranks[i]);
	}
	(void) INN_RUN(&block_jobs, inn_arg_array(apps, NULL, njobs, UUIDOID),
				   inn_arg_array(positions, NULL, njobs, INT8OID),
				   inn_arg_array(key_values, NULL, njobs, UUIDOID),
				   inn_arg_array(rank_values, NULL, njobs, INT8OID));
}

int
inn_jobs_blocked_functions(const pg_uuid_t *key, int max, InnBlockedFunction *functions)
{
	uint64 nrows = INN_RUN(&blocked_functions, inn_arg_uuid(key), inn_arg(Int32GetDatum(max)));

	for (uint64 i = 0; i < nrows; i++)
		functions[i] = (InnBlockedFunction){inn_row_uuid(i, 1), inn_row_bigint(i, 2)};
	return (int) nrows;
}

int
inn_jobs_read_blocked(const pg_uuid_t *key, const pg_uuid_t *function_id, int max,
					  InnBlockedJob *jobs)
{
	uint64 nrows = INN_RUN(&read_blocked, inn_arg_uuid(key), inn_arg_uuid(function_id),
						   inn_arg(Int32GetDatum(max)));

	for (uint64 i = 0; i < nrows; i++)
		jobs[i] = (InnBlockedJob){
			.id = inn_row_bigint(i, 1),
			.run_id = inn_row_ulid(i, 2),
			.rank = inn_row_bigint(i, 3),
		};
	return (int) nrows;
}

void
inn_jobs_unblock(const pg_uuid_t *key, const InnBlockedJob *jobs, int njobs)
{
	Datum *runs = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *ids = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *positions = palloc(Max(njobs, 1) * sizeof(Datum));

	if (njobs == 0)
		return;
	for (int i = 0; i < njobs; i++)
	{
		int64 position = inn_sequence_next("job_position");

		inn_tide_note(INN_TIDE_JOBS, position);
		runs[i] = PointerGetDatum(&jobs[i].run_id);
		ids[i] = Int64GetDatum(jobs[i].id);
		positions[i] = Int64GetDatum(position);
	}
	(void) INN_RUN(&unblock_jobs, inn_arg_uuid(key), inn_arg_array(runs, NULL, njobs, UUIDOID),
				   inn_arg_array(ids, NULL, njobs, INT8OID),
				   inn_arg_array(positions, NULL, njobs, INT8OID));
	inn_wake_at_commit(INN_ROLE_EXECUTOR);
}

void
inn_jobs_are_ready(const InnBlockedJob *jobs, int njobs, bool *are_ready)
{
	Datum *runs = palloc(Max(njobs, 1) * sizeof(Datum));
	Datum *ids = palloc(Max(njobs, 1) * sizeof(Datum));
	uint64 nrows;

	for (int i = 0; i < njobs; i++)
	{
		runs[i] = PointerGetDatum(&jobs[i].run_id);
		ids[i] = Int64GetDatum(jobs[i].id);
		are_ready[i] = false;
	}
	nrows = INN_RUN(&ready_jobs, inn_arg_array(runs, NULL, njobs, UUIDOID),
					inn_arg_array(ids, NULL, njobs, INT8OID));
	for (uint64 i = 0; i < nrows; i++)
		are_ready[inn_row_bigint(i, 1) - 1] = true;
}

int
inn_jobs_blocked_keys(const pg_uuid_t *after, int max, pg_uuid_t *keys)
{
	uint64 nrows = INN_RUN(&blocked_keys, inn_arg_uuid(after), inn_arg(Int32GetDatum(max)));

	for (uint64 i = 0; i < nrows; i++)
		keys[i] = inn_row_uuid(i, 1);
	return (int) nrows;
}
