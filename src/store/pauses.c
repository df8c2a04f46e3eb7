/*-------------------------------------------------------------------------
 *
 * pauses.c
 *	  Writing and reading inngest.pauses.
 *
 * IDENTIFICATION
 *	  src/store/pauses.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/tide.h"
#include "base/wake.h"
#include "store/awaited.h"
#include "store/pauses.h"

#define PAUSE_COLUMNS 15

static InnPlan put_pauses = {
	"INSERT INTO inngest.pauses (run_id, step_id, kind, app_id, function_id, name, event_name, expression, path,"
	" value_hash, signal, is_grouped, is_race, created_at, expires_at, since_xact)"
	" SELECT p.run_id::inngest.ulid, p.step_id, p.kind, p.app_id, p.function_id, p.name, p.event_name, p.expression,"
	" p.path, p.value_hash, p.signal, p.is_grouped, p.is_race, p.created_at, p.expires_at,"
	" pg_snapshot_xmin(pg_current_snapshot())"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
	" AS p (run_id, step_id, kind, app_id, function_id, name, event_name, expression, path,"
	" value_hash, signal, is_grouped, is_race, created_at, expires_at)"
	" ON CONFLICT DO NOTHING"
	" RETURNING run_id, step_id",
	PAUSE_COLUMNS,
	{UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID, UUIDARRAYOID, UUIDARRAYOID, TEXTARRAYOID,
	 TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, BOOLARRAYOID,
	 BOOLARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}};

/* What row_pause() reads.  OFFSET 0 keeps the planner from reading a whole table at once because it was small when it planned. */
#define READ_COLUMNS \
	"SELECT p.run_id, p.step_id, p.kind, p.app_id, p.function_id, p.name, p.event_name, p.expression, p.path," \
	" p.value_hash, p.signal, p.is_grouped, p.is_race, p.created_at, p.expires_at, p.since_xact," \
	" EXISTS (SELECT FROM inngest.pause_matches m WHERE m.run_id = p.run_id AND m.step_id = p.step_id OFFSET 0)," \
	" r.event_id"
#define READ_COLUMN_COUNT 18
#define JOIN_RUN \
	", LATERAL (SELECT event_id FROM inngest.function_runs r WHERE r.id = p.run_id OFFSET 0) r"

static InnPlan find_signal = {READ_COLUMNS " FROM inngest.pauses p" JOIN_RUN " WHERE p.signal = $1",
							  1,
							  {TEXTOID}};

static InnPlan give_up_signal = {"UPDATE inngest.pauses SET signal = NULL WHERE signal = $1",
								 1,
								 {TEXTOID}};

/* From one path to the next greater one, so that what it costs is the paths and not the pauses. */
static InnPlan pause_paths =
	{"WITH RECURSIVE p (path) AS ("
	 " (SELECT k.path FROM inngest.pauses k WHERE k.event_name = $1 AND k.path IS NOT NULL"
	 " ORDER BY k.event_name, k.path LIMIT 1)"
	 " UNION ALL"
	 " SELECT (SELECT k.path FROM inngest.pauses k"
	 " WHERE k.event_name = $1 AND k.path > p.path AND k.path IS NOT NULL"
	 " ORDER BY k.event_name, k.path LIMIT 1)"
	 " FROM p WHERE p.path IS NOT NULL)"
	 " SELECT path FROM p WHERE path IS NOT NULL",
	 1,
	 {TEXTOID},
	 .is_generic = true};

/* Never a part of a run's pauses, so that the run can be the mark of how far one has come. */
static InnPlan read_candidates = {
	READ_COLUMNS
	" FROM (SELECT * FROM ("
	" SELECT x.* FROM unnest($2, $3) AS k (path, value_hash),"
	" LATERAL (SELECT * FROM inngest.pauses y"
	" WHERE y.event_name = $1 AND y.path = k.path AND y.value_hash = k.value_hash AND y.path IS NOT NULL"
	" AND y.run_id > $4::inngest.ulid"
	" ORDER BY y.run_id"
	" FETCH FIRST $5 ROWS WITH TIES) x"
	" UNION ALL"
	" (SELECT * FROM inngest.pauses y"
	" WHERE y.event_name = $1 AND y.path IS NULL AND y.run_id > $4::inngest.ulid"
	" ORDER BY y.event_name, y.run_id"
	" FETCH FIRST $5 ROWS WITH TIES)) c"
	" ORDER BY c.run_id"
	" FETCH FIRST $5 ROWS WITH TIES) p" JOIN_RUN " ORDER BY p.run_id",
	5,
	{TEXTOID, TEXTARRAYOID, INT8ARRAYOID, UUIDOID, INT4OID},
	.is_generic = true};

static InnPlan waits_for = {
	"SELECT FROM unnest($1) AS n (name)"
	" WHERE EXISTS (SELECT FROM inngest.pauses p WHERE p.event_name = n.name AND p.path IS NOT NULL OFFSET 0)"
	" OR EXISTS (SELECT FROM inngest.pauses p WHERE p.event_name = n.name AND p.path IS NULL OFFSET 0)"
	" LIMIT 1",
	1,
	{TEXTARRAYOID},
	.is_generic = true};

/* Those that are locked here are still there, and are deleted. */
static InnPlan remove_pauses = {
	"WITH wanted AS MATERIALIZED (SELECT i.n, x.place FROM unnest($1, $2) WITH ORDINALITY AS i (run_id, step_id, n),"
	" LATERAL (SELECT p.ctid AS place FROM inngest.pauses p"
	" WHERE p.run_id = i.run_id::inngest.ulid AND p.step_id = i.step_id FOR UPDATE SKIP LOCKED) x),"
	" gone AS (DELETE FROM inngest.pauses p WHERE p.ctid = ANY (ARRAY (SELECT place FROM wanted)))"
	" SELECT n::int4 FROM wanted",
	2,
	{UUIDARRAYOID, TEXTARRAYOID},
	.is_generic = true};

static InnPlan remove_runs = {"DELETE FROM inngest.pauses WHERE run_id = ANY ($1::inngest.ulid[])",
							  1,
							  {UUIDARRAYOID},
							  .is_generic = true};

static InnPlan note_match = {"INSERT INTO inngest.pause_matches (run_id, step_id, event_id)"
							 " VALUES ($1::inngest.ulid, $2, $3::inngest.ulid)"
							 " ON CONFLICT DO NOTHING",
							 3,
							 {UUIDOID, TEXTOID, UUIDOID}};

static InnPlan drop_vain_matches = {
	"DELETE FROM inngest.pause_matches m"
	" WHERE NOT EXISTS (SELECT FROM inngest.pauses p WHERE p.run_id = m.run_id AND p.step_id = m.step_id OFFSET 0)",
	0,
	{0}};

static InnPlan remove_match =
	{"DELETE FROM inngest.pause_matches WHERE run_id = $1::inngest.ulid AND step_id = $2",
	 2,
	 {UUIDOID, TEXTOID}};

static InnPlan read_matched =
	{READ_COLUMNS ", m.event_id"
				  " FROM (SELECT * FROM inngest.pause_matches x WHERE x.run_id > $1::inngest.ulid"
				  " ORDER BY x.run_id"
				  " FETCH FIRST $2 ROWS WITH TIES) m,"
				  " LATERAL (SELECT * FROM inngest.pauses x"
				  " WHERE x.run_id = m.run_id AND x.step_id = m.step_id OFFSET 0) p" JOIN_RUN
				  " ORDER BY p.run_id",
	 2,
	 {UUIDOID, INT4OID},
	 .is_generic = true};

static InnPlan read_expired = {READ_COLUMNS " FROM (SELECT * FROM inngest.pauses x"
											" WHERE x.expires_at >= $1 AND x.expires_at <= $2"
											" ORDER BY x.expires_at"
											" LIMIT $3) p" JOIN_RUN " ORDER BY p.expires_at",
							   3,
							   {TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID},
							   .is_generic = true};

static InnPlan next_expiry = {"SELECT expires_at FROM inngest.pauses"
							  " WHERE expires_at >= $1"
							  " ORDER BY expires_at"
							  " LIMIT 1",
							  1,
							  {TIMESTAMPTZOID},
							  .is_generic = true};

static InnPlan awaited_names =
	{"SELECT DISTINCT event_name, path FROM inngest.pauses WHERE event_name IS NOT NULL", 0, {0}};

static InnPlan open_groups = {
	"SELECT r.n::int4 FROM unnest($1) WITH ORDINALITY AS r (id, n)"
	" WHERE EXISTS (SELECT FROM inngest.jobs j WHERE j.run_id = r.id::inngest.ulid AND j.is_grouped OFFSET 0)"
	" OR EXISTS (SELECT FROM inngest.pauses p WHERE p.run_id = r.id::inngest.ulid AND p.is_grouped OFFSET 0)",
	1,
	{UUIDARRAYOID},
	.is_generic = true};

static void fill_columns(const InnPause *pause, Datum *values, bool *nulls);
static void put_optional(const char *text, Datum *value, bool *is_null);
static void note_new(InnPause *pauses, int npauses, uint64 nstored);
static void tell_about(const InnPause *pause);
static InnPause *row_pauses(uint64 nrows, int *count);
static InnPause row_pause(uint64 row);
static InnPauseKind kind_of(const char *name);
static InnArg ulid_array(const InnUlid *ids, int nids);

static const char *const kind_names[] = {
#define INN_PAUSE_NAME(name, text) text,
	INN_PAUSE_TABLE(INN_PAUSE_NAME)
#undef INN_PAUSE_NAME
};

void
inn_pauses_put(InnPause *pauses, int npauses)
{
	static const Oid types[PAUSE_COLUMNS] = {UUIDOID, TEXTOID,		  TEXTOID,		 UUIDOID,
											 UUIDOID, TEXTOID,		  TEXTOID,		 TEXTOID,
											 TEXTOID, INT8OID,		  TEXTOID,		 BOOLOID,
											 BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum *values[PAUSE_COLUMNS];
	bool *nulls[PAUSE_COLUMNS];
	InnArg args[PAUSE_COLUMNS];

	if (npauses == 0)
		return;
	for (int c = 0; c < PAUSE_COLUMNS; c++)
	{
		values[c] = palloc(npauses * sizeof(Datum));
		nulls[c] = palloc0(npauses * sizeof(bool));
	}
	for (int i = 0; i < npauses; i++)
	{
		Datum row[PAUSE_COLUMNS];
		bool row_nulls[PAUSE_COLUMNS] = {false};

		fill_columns(&pauses[i], row, row_nulls);
		for (int c = 0; c < PAUSE_COLUMNS; c++)
		{
			values[c][i] = row[c];
			nulls[c][i] = row_nulls[c];
		}
		tell_about(&pauses[i]);
	}
	for (int c = 0; c < PAUSE_COLUMNS; c++)
		args[c] = inn_arg_array(values[c], nulls[c], npauses, types[c]);
	note_new(pauses, npauses, inn_plan_run(&put_pauses, PAUSE_COLUMNS, args));
}

/* Before it exists: whoever sends the event from now on wakes the scheduler. */
static void
tell_about(const InnPause *pause)
{
	if (pause->event_name != NULL)
		inn_awaited_note(pause->event_name, pause->path);
	inn_tide_note(INN_TIDE_EXPIRIES, pause->expires_at);
	inn_wake_at_commit_for(INN_ROLE_SCHEDULER, pause->expires_at);
}

static void
fill_columns(const InnPause *pause, Datum *values, bool *nulls)
{
	int n = 0;

	values[n++] = PointerGetDatum(&pause->run_id);
	values[n++] = CStringGetTextDatum(pause->step_id);
	values[n++] = CStringGetTextDatum(kind_names[pause->kind]);
	values[n++] = PointerGetDatum(&pause->app_id);
	values[n++] = PointerGetDatum(&pause->function_id);
	values[n++] = CStringGetTextDatum(pause->name);
	put_optional(pause->event_name, &values[n], &nulls[n]);
	n++;
	put_optional(pause->expression, &values[n], &nulls[n]);
	n++;
	put_optional(pause->path, &values[n], &nulls[n]);
	n++;
	nulls[n] = pause->path == NULL;
	values[n++] = Int64GetDatum(pause->value_hash);
	put_optional(pause->signal, &values[n], &nulls[n]);
	n++;
	values[n++] = BoolGetDatum(pause->is_grouped);
	values[n++] = BoolGetDatum(pause->is_race);
	values[n++] = TimestampTzGetDatum(pause->created_at);
	values[n++] = TimestampTzGetDatum(pause->expires_at);
	Assert(n == PAUSE_COLUMNS);
}

static void
put_optional(const char *text, Datum *value, bool *is_null)
{
	*is_null = text == NULL;
	*value = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* The result lists those that were stored, in the order of the arrays. */
static void
note_new(InnPause *pauses, int npauses, uint64 nstored)
{
	uint64 next = 0;

	for (int i = 0; i < npauses; i++)
	{
		InnUlid stored;

		pauses[i].is_new = false;
		if (next == nstored)
			continue;
		stored = inn_row_ulid(next, 1);
		if (memcmp(&stored, &pauses[i].run_id, sizeof(InnUlid)) != 0 ||
			strcmp(inn_row_text(next, 2), pauses[i].step_id) != 0)
			continue;
		pauses[i].is_new = true;
		next++;
	}
	if (next != nstored)
		elog(ERROR, "pauses were stored in another order than they were given");
}

bool
inn_pauses_find_signal(const char *signal, InnPause *pause)
{
	if (INN_RUN(&find_signal, inn_arg_cstring(signal)) == 0)
		return false;
	*pause = row_pause(0);
	return true;
}

void
inn_pauses_give_up_signal(const char *signal)
{
	(void) INN_RUN(&give_up_signal, inn_arg_cstring(signal));
}

char **
inn_pauses_paths(const char *event_name, int *count)
{
	char **paths = inn_awaited_paths(event_name, count);
	uint64 nrows;

	if (paths != NULL)
		return paths;
	nrows = INN_RUN(&pause_paths, inn_arg_cstring(event_name));
	paths = palloc(Max(nrows, 1) * sizeof(char *));
	for (uint64 i = 0; i < nrows; i++)
		paths[i] = inn_row_text(i, 1);
	*count = (int) nrows;
	return paths;
}

InnPause *
inn_pauses_read_candidates(const char *event_name, const InnPauseKey *keys, int nkeys,
						   const InnUlid *after, int max, int *count)
{
	Datum *paths = palloc(Max(nkeys, 1) * sizeof(Datum));
	Datum *hashes = palloc(Max(nkeys, 1) * sizeof(Datum));

	for (int i = 0; i < nkeys; i++)
	{
		paths[i] = CStringGetTextDatum(keys[i].path);
		hashes[i] = Int64GetDatum(keys[i].value_hash);
	}
	return row_pauses(INN_RUN(&read_candidates, inn_arg_cstring(event_name),
							  inn_arg_array(paths, NULL, nkeys, TEXTOID),
							  inn_arg_array(hashes, NULL, nkeys, INT8OID), inn_arg_ulid(after),
							  inn_arg(Int32GetDatum(max))),
					  count);
}

bool
inn_pauses_wait_for(char **names, int nnames)
{
	Datum *values = palloc(Max(nnames, 1) * sizeof(Datum));

	for (int i = 0; i < nnames; i++)
		values[i] = CStringGetTextDatum(names[i]);
	return INN_RUN(&waits_for, inn_arg_array(values, NULL, nnames, TEXTOID)) > 0;
}

static InnPause *
row_pauses(uint64 nrows, int *count)
{
	InnPause *pauses = palloc_extended(Max(nrows, 1) * sizeof(InnPause), MCXT_ALLOC_HUGE);

	for (uint64 i = 0; i < nrows; i++)
		pauses[i] = row_pause(i);
	*count = (int) nrows;
	return pauses;
}

static InnPause
row_pause(uint64 row)
{
	bool has_no_hash;
	bool is_null;
	Datum hash = inn_row_datum(row, 10, &has_no_hash);

	return (InnPause){
		.run_id = inn_row_ulid(row, 1),
		.step_id = inn_row_text(row, 2),
		.kind = kind_of(inn_row_text(row, 3)),
		.app_id = inn_row_uuid(row, 4),
		.function_id = inn_row_uuid(row, 5),
		.name = inn_row_text(row, 6),
		.event_name = inn_row_text(row, 7),
		.expression = inn_row_text(row, 8),
		.path = inn_row_text(row, 9),
		.value_hash = has_no_hash ? 0 : DatumGetInt64(hash),
		.signal = inn_row_text(row, 11),
		.is_grouped = inn_row_bool(row, 12),
		.is_race = inn_row_bool(row, 13),
		.created_at = inn_row_time(row, 14, 0),
		.expires_at = inn_row_time(row, 15, 0),
		.since_xact = DatumGetUInt64(inn_row_datum(row, 16, &is_null)),
		.is_matched = inn_row_bool(row, 17),
		.event_id = inn_row_ulid(row, READ_COLUMN_COUNT),
	};
}

static InnPauseKind
kind_of(const char *name)
{
	for (int kind = 0; kind < INN_PAUSE_COUNT; kind++)
	{
		if (strcmp(kind_names[kind], name) == 0)
			return kind;
	}
	elog(ERROR, "unknown kind of pause \"%s\"", name);
}

void
inn_pauses_remove(const InnPause *const *pauses, int npauses, bool *removed)
{
	Datum *runs = palloc(Max(npauses, 1) * sizeof(Datum));
	Datum *steps = palloc(Max(npauses, 1) * sizeof(Datum));
	uint64 nrows;

	for (int i = 0; i < npauses; i++)
	{
		runs[i] = PointerGetDatum(&pauses[i]->run_id);
		steps[i] = CStringGetTextDatum(pauses[i]->step_id);
	}
	nrows = INN_RUN(&remove_pauses, inn_arg_array(runs, NULL, npauses, UUIDOID),
					inn_arg_array(steps, NULL, npauses, TEXTOID));
	memset(removed, 0, npauses * sizeof(bool));
	for (uint64 i = 0; i < nrows; i++)
		removed[inn_row_int(i, 1) - 1] = true;
}

void
inn_pauses_remove_runs(const InnUlid *run_ids, int nruns)
{
	(void) INN_RUN(&remove_runs, ulid_array(run_ids, nruns));
}

static InnArg
ulid_array(const InnUlid *ids, int nids)
{
	Datum *values = palloc(Max(nids, 1) * sizeof(Datum));

	for (int i = 0; i < nids; i++)
		values[i] = PointerGetDatum(&ids[i]);
	return inn_arg_array(values, NULL, nids, UUIDOID);
}

void
inn_pauses_note_match(const InnPause *pause, const InnUlid *event_id)
{
	(void) INN_RUN(&note_match, inn_arg_ulid(&pause->run_id), inn_arg_cstring(pause->step_id),
				   inn_arg_ulid(event_id));
}

void
inn_pauses_remove_match(const InnPause *pause)
{
	(void) INN_RUN(&remove_match, inn_arg_ulid(&pause->run_id), inn_arg_cstring(pause->step_id));
}

InnPause *
inn_pauses_read_matched(const InnUlid *after, int max, int *count)
{
	InnPause *pauses;

	(void) inn_plan_run(&drop_vain_matches, 0, NULL);
	pauses =
		row_pauses(INN_RUN(&read_matched, inn_arg_ulid(after), inn_arg(Int32GetDatum(max))), count);
	for (int i = 0; i < *count; i++)
		pauses[i].matched_id = inn_row_ulid(i, READ_COLUMN_COUNT + 1);
	return pauses;
}

InnPause *
inn_pauses_read_expired(TimestampTz from, TimestampTz until, int max, int *count)
{
	return row_pauses(INN_RUN(&read_expired, inn_arg_time(from), inn_arg_time(until),
							  inn_arg(Int32GetDatum(max))),
					  count);
}

TimestampTz
inn_pauses_next_expiry(TimestampTz from)
{
	if (INN_RUN(&next_expiry, inn_arg_time(from)) == 0)
		return INN_NEVER;
	return inn_row_time(0, 1, INN_NEVER);
}

int64
inn_pause_number(const InnPause *pause)
{
	uint64 run = DatumGetUInt64(hash_any_extended(pause->run_id.bytes, sizeof(InnUlid), 0));

	return (int64) DatumGetUInt64(hash_any_extended((const unsigned char *) pause->step_id,
													(int) strlen(pause->step_id), run));
}

void
inn_pauses_note_awaited(void)
{
	uint64 nrows = inn_plan_run(&awaited_names, 0, NULL);

	for (uint64 i = 0; i < nrows; i++)
	{
		const char *event_name = inn_row_text(i, 1);

		if (event_name != NULL)
			inn_awaited_note(event_name, inn_row_text(i, 2));
	}
}

void
inn_groups_open(const InnUlid *run_ids, int nruns, bool *open)
{
	uint64 nrows = INN_RUN(&open_groups, ulid_array(run_ids, nruns));

	memset(open, 0, nruns * sizeof(bool));
	for (uint64 i = 0; i < nrows; i++)
		open[inn_row_int(i, 1) - 1] = true;
}
