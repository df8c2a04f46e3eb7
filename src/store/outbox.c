/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  Writing inngest.redis_outbox in the sender's transaction, and reading it in the relay.
 *
 * Rows come and go at the rate of runs, so under an old snapshot the index fills with entries that lead
 * to dead rows.  Reading must not begin before them each time.  But where else?  Neither a sequence nor
 * a clock tells what may still be committed; a snapshot does.  A row bears the id of its transaction,
 * taken when the row is written, and for a snapshot S that was taken before we read to the end:
 *
 *		xact < xmax(S), not running in S	it had ended: its rows were there to be read
 *		xact running in S					may bring rows: the mark remembers it ("open")
 *		xact >= xmax(S)						may bring rows: they lie beyond the floor
 *
 * That holds for prepared transactions, which are running until they end, and for subtransactions, as a
 * row bears the id of the top one.  It takes one short list to remember; a restart forgets it and
 * begins at zero.
 *
 * Delayed rows have an index of their own, and no floor: the relay looks there less often when that is
 * slow.
 *
 * IDENTIFICATION
 *	  src/store/outbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/timer.h"
#include "base/wake.h"
#include "store/outbox.h"
#include "store/runs.h"

static InnPlan put_one = {
	"INSERT INTO inngest.redis_outbox (kind, run_id, function_id, event_id, event_name, attempt, due_at)"
	" VALUES ($1, $2::inngest.ulid, $3, $4::inngest.ulid, $5, $6::int2, $7)",
	7,
	{TEXTOID, UUIDOID, UUIDOID, UUIDOID, TEXTOID, INT4OID, TIMESTAMPTZOID}};

static InnPlan put_created = {
	"INSERT INTO inngest.redis_outbox (kind, run_id, function_id, event_id, event_name, attempt)"
	" SELECT 'created', o.run_id::inngest.ulid, o.function_id, o.event_id::inngest.ulid, o.event_name,"
	" CASE WHEN o.announce THEN 0 END"
	" FROM unnest($1, $2, $3, $4, $5) AS o (run_id, function_id, event_id, event_name, announce)",
	5,
	{UUIDARRAYOID, UUIDARRAYOID, UUIDARRAYOID, TEXTARRAYOID, BOOLARRAYOID}};

static InnPlan put_status = {"INSERT INTO inngest.redis_outbox (kind, run_id, function_id)"
							 " SELECT 'status', o.run_id::inngest.ulid, o.function_id"
							 " FROM unnest($1, $2) AS o (run_id, function_id)",
							 2,
							 {UUIDARRAYOID, UUIDARRAYOID}};

static InnPlan take_snapshot =
	{"SELECT pg_snapshot_xmax(s), open"
	 " FROM pg_current_snapshot() AS s LEFT JOIN LATERAL pg_snapshot_xip(s) AS open ON true",
	 0,
	 {0}};

/* Columns that row_news() reads, of a run r, its function f, app a and event e. */
#define NEWS_COLUMNS \
	" f.slug, a.name, f.runtime, r.event_id, inngest.run_status(r.outcome, r.started_at)," \
	" r.started_at, r.ended_at,"
#define NEWS_TABLES \
	" LEFT JOIN inngest.functions f ON f.id = r.function_id" \
	" LEFT JOIN inngest.apps a ON a.id = f.app_id"

#define OUTBOX_ROWS(rows) \
	"SELECT o.run_id," NEWS_COLUMNS " COALESCE(o.event_name, e.name), o.attempt::int4," \
	" o.place, o.id, o.xact, o.kind" \
	" FROM (" rows ") AS o" \
	" LEFT JOIN inngest.function_runs r ON r.id = o.run_id" NEWS_TABLES \
	" LEFT JOIN inngest.events e ON e.id = CASE WHEN o.event_name IS NULL THEN r.event_id END"

static InnPlan read_at_once = {OUTBOX_ROWS("(SELECT ctid AS place, * FROM inngest.redis_outbox"
										   " WHERE xact = ANY ($2) AND due_at IS NULL"
										   " ORDER BY xact, id"
										   " LIMIT $3)"
										   " UNION ALL"
										   " (SELECT ctid AS place, * FROM inngest.redis_outbox"
										   " WHERE xact >= $1 AND due_at IS NULL"
										   " ORDER BY xact, id"
										   " LIMIT $3)"
										   " LIMIT $3") " ORDER BY o.xact, o.id",
							   3,
							   {XID8OID, XID8ARRAYOID, INT4OID}};

static InnPlan read_due = {OUTBOX_ROWS("SELECT ctid AS place, * FROM inngest.redis_outbox"
									   " WHERE due_at <= $1"
									   " ORDER BY due_at, run_id"
									   " LIMIT $2") " ORDER BY o.due_at, o.run_id",
						   2,
						   {TIMESTAMPTZOID, INT4OID}};

static InnPlan next_due =
	{"SELECT due_at FROM inngest.redis_outbox WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
	 0,
	 {0}};

static InnPlan remove_rows = {"DELETE FROM inngest.redis_outbox WHERE ctid = ANY ($1) RETURNING id",
							  1,
							  {TIDARRAYOID}};

static InnPlan read_unended =
	{"SELECT r.id," NEWS_COLUMNS " e.name,"
	 " CASE WHEN f.runtime = 'pull' THEN q.attempt::int4 END, r.function_id, q.run_at,"
	 " q.attempt > 0 OR q.run_at > inngest.ulid_timestamp(r.id) + interval '1 second'"
	 " FROM (SELECT * FROM inngest.function_runs"
	 " WHERE outcome IS NULL AND id > $1::inngest.ulid AND id < $2::inngest.ulid"
	 " ORDER BY outcome, id"
	 " LIMIT $3) AS r" NEWS_TABLES " LEFT JOIN inngest.events e ON e.id = r.event_id"
	 " LEFT JOIN inngest.queue q ON q.run_id = r.id"
	 " ORDER BY r.id",
	 3,
	 {UUIDOID, UUIDOID, INT4OID}};

static InnPlan put_missing =
	{"INSERT INTO inngest.redis_outbox (kind, run_id, function_id, attempt, due_at)"
	 " SELECT 'attempt', m.run_id::inngest.ulid, m.function_id, m.attempt::int2, m.due_at"
	 " FROM unnest($1, $2, $3, $4) AS m (run_id, function_id, attempt, due_at)"
	 " WHERE NOT EXISTS (SELECT FROM inngest.redis_outbox o"
	 " WHERE o.due_at = m.due_at AND o.run_id = m.run_id::inngest.ulid)",
	 4,
	 {UUIDARRAYOID, UUIDARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID}};

static void put_one_created(const InnRun *run);
static void put_many_created(const InnRun *runs, int nruns);
static bool is_announced(const InnRun *run);
static InnOutboxMark mark_now(void);
static InnOutboxMark mark_after(const InnOutboxMark *mark, const InnOutboxMark *now, bool is_cut,
								uint64 last);
static int read_rows(uint64 nrows, InnOutboxRow *rows);
static bool row_news(uint64 row, InnNews *news);
static int compare_ids(const void *a, const void *b);

void
inn_outbox_put_created(const InnRun *runs, int nruns)
{
	if (nruns == 0 || !inn_redis_is_configured())
		return;

	if (nruns == 1)
		put_one_created(runs);
	else
		put_many_created(runs, nruns);

	for (int i = 0; i < nruns; i++)
	{
		if (runs[i].is_pull && runs[i].is_delayed && !runs[i].is_skipped && !runs[i].has_throttle)
			inn_outbox_put_attempt(&runs[i].id, &runs[i].function_id, 0, runs[i].run_at);
	}
	inn_wake_at_commit(INN_ROLE_RELAY);
}

static void
put_one_created(const InnRun *run)
{
	InnArg attempt = inn_arg(Int32GetDatum(0));

	attempt.is_null = !is_announced(run);
	INN_RUN(&put_one, inn_arg_cstring("created"), inn_arg_ulid(&run->id),
			inn_arg_uuid(&run->function_id), inn_arg_ulid(&run->event_id),
			inn_arg_cstring(run->event_name), attempt, inn_arg_pointer(NULL));
}

static void
put_many_created(const InnRun *runs, int nruns)
{
	Datum *ids = palloc(nruns * sizeof(Datum));
	Datum *functions = palloc(nruns * sizeof(Datum));
	Datum *events = palloc(nruns * sizeof(Datum));
	Datum *names = palloc(nruns * sizeof(Datum));
	Datum *announce = palloc(nruns * sizeof(Datum));

	for (int i = 0; i < nruns; i++)
	{
		ids[i] = PointerGetDatum(&runs[i].id);
		functions[i] = PointerGetDatum(&runs[i].function_id);
		events[i] = PointerGetDatum(&runs[i].event_id);
		names[i] = CStringGetTextDatum(runs[i].event_name);
		announce[i] = BoolGetDatum(is_announced(&runs[i]));
	}
	INN_RUN(&put_created, inn_arg_array(ids, NULL, nruns, UUIDOID),
			inn_arg_array(functions, NULL, nruns, UUIDOID),
			inn_arg_array(events, NULL, nruns, UUIDOID), inn_arg_array(names, NULL, nruns, TEXTOID),
			inn_arg_array(announce, NULL, nruns, BOOLOID));
}

/* Does the entry of a new run announce its first attempt, too? */
static bool
is_announced(const InnRun *run)
{
	return run->is_pull && !run->is_delayed && !run->is_skipped;
}

void
inn_outbox_put_attempt(const InnUlid *run_id, const pg_uuid_t *function_id, int attempt,
					   TimestampTz due_at)
{
	InnArg due = inn_arg_time(due_at);

	if (!inn_redis_is_configured())
		return;
	due.is_null = due_at <= inn_now();
	INN_RUN(&put_one, inn_arg_cstring("attempt"), inn_arg_ulid(run_id), inn_arg_uuid(function_id),
			inn_arg_pointer(NULL), inn_arg_pointer(NULL), inn_arg(Int32GetDatum(attempt)), due);
	inn_wake_at_commit_for(INN_ROLE_RELAY, due.is_null ? DT_NOBEGIN : due_at);
}

void
inn_outbox_put_status(const InnUlid *run_ids, const pg_uuid_t *function_ids, int nruns)
{
	Datum *ids = palloc(Max(nruns, 1) * sizeof(Datum));
	Datum *functions = palloc(Max(nruns, 1) * sizeof(Datum));

	if (nruns == 0 || !inn_redis_is_configured())
		return;
	for (int i = 0; i < nruns; i++)
	{
		ids[i] = PointerGetDatum(&run_ids[i]);
		functions[i] = PointerGetDatum(&function_ids[i]);
	}
	INN_RUN(&put_status, inn_arg_array(ids, NULL, nruns, UUIDOID),
			inn_arg_array(functions, NULL, nruns, UUIDOID));
	inn_wake_at_commit(INN_ROLE_RELAY);
}

int
inn_outbox_read(const InnOutboxMark *mark, int max, InnOutboxRow *rows, InnOutboxMark *next)
{
	Datum *open = palloc(Max(mark->nopen, 1) * sizeof(Datum));
	InnOutboxMark now = mark_now(); /* before reading, see above */
	int nrows;

	for (int i = 0; i < mark->nopen; i++)
		open[i] = UInt64GetDatum(mark->open[i]);
	nrows = read_rows(INN_RUN(&read_at_once, inn_arg(UInt64GetDatum(mark->floor)),
							  inn_arg_array(open, NULL, mark->nopen, XID8OID),
							  inn_arg(Int32GetDatum(max))),
					  rows);
	*next = mark_after(mark, &now, nrows == max, nrows > 0 ? rows[nrows - 1].xact : 0);
	return nrows;
}

/* The mark of somebody who has read all that is visible now. */
static InnOutboxMark
mark_now(void)
{
	uint64 nrows = inn_plan_run(&take_snapshot, 0, NULL);
	InnOutboxMark mark = {.open = palloc(Max(nrows, 1) * sizeof(uint64))};
	bool is_null;

	/* A row for each running transaction, or one with null. */
	for (uint64 i = 0; i < nrows; i++)
	{
		Datum open = inn_row_datum(i, 2, &is_null);

		mark.floor = DatumGetUInt64(inn_row_datum(i, 1, &is_null));
		if (!is_null)
			mark.open[mark.nopen++] = DatumGetUInt64(open);
	}
	return mark;
}

/*
 * Where to read on.  If the reading was cut off, what lies behind its last row has not been seen; the
 * last row may itself be of a transaction that was open.
 */
static InnOutboxMark
mark_after(const InnOutboxMark *mark, const InnOutboxMark *now, bool is_cut, uint64 last)
{
	InnOutboxMark next = {
		.floor = Max(mark->floor, is_cut ? Min(last, now->floor) : now->floor),
		.open = palloc((mark->nopen + now->nopen + 1) * sizeof(uint64)),
	};

	for (int i = 0; i < now->nopen; i++)
	{
		if (now->open[i] < next.floor)
			next.open[next.nopen++] = now->open[i];
	}
	for (int i = 0; is_cut && i < mark->nopen; i++)
	{
		if (mark->open[i] >= last)
			next.open[next.nopen++] = mark->open[i];
	}
	return next;
}

int
inn_outbox_read_due(TimestampTz now, int max, InnOutboxRow *rows)
{
	return read_rows(INN_RUN(&read_due, inn_arg_time(now), inn_arg(Int32GetDatum(max))), rows);
}

/* Columns of OUTBOX_ROWS. */
static int
read_rows(uint64 nrows, InnOutboxRow *rows)
{
	bool is_null;

	for (uint64 i = 0; i < nrows; i++)
	{
		const char *kind = inn_row_text(i, 14);
		InnOutboxRow *row = &rows[i];

		row->place = *(ItemPointer) DatumGetPointer(inn_row_datum(i, 11, &is_null));
		row->id = inn_row_bigint(i, 12);
		row->xact = DatumGetUInt64(inn_row_datum(i, 13, &is_null));
		row->kind = kind[0] == 'c'	 ? INN_OUTBOX_CREATED
					: kind[0] == 'a' ? INN_OUTBOX_ATTEMPT
									 : INN_OUTBOX_STATUS;
		row->is_void = !row_news(i, &row->news);
	}
	return (int) nrows;
}

/* The columns that all readings have in common; false if the run is gone. */
static bool
row_news(uint64 row, InnNews *news)
{
	bool has_no_run;
	bool has_no_attempt;
	Datum event_id = inn_row_datum(row, 5, &has_no_run);
	Datum attempt = inn_row_datum(row, 10, &has_no_attempt);

	if (has_no_run)
		return false;
	*news = (InnNews){
		.run_id = inn_row_ulid(row, 1),
		.function = inn_row_text(row, 2),
		.app = inn_row_text(row, 3),
		.runtime = inn_row_text(row, 4),
		.event_id = *DatumGetInnUlidP(event_id),
		.status = inn_row_text(row, 6),
		.started_at = inn_row_time(row, 7, INN_NEVER),
		.ended_at = inn_row_time(row, 8, INN_NEVER),
		.event_name = inn_row_text(row, 9),
		.attempt = has_no_attempt ? -1 : DatumGetInt32(attempt),
	};
	if (news->event_name == NULL)
		news->event_name = "";
	return news->function != NULL && news->app != NULL;
}

TimestampTz
inn_outbox_next_due(void)
{
	if (inn_plan_run(&next_due, 0, NULL) == 0)
		return INN_NEVER;
	return inn_row_time(0, 1, INN_NEVER);
}

/*
 * By place, because that cannot be done slowly.  A place may have become another row's only if the table
 * was rewritten since, so compare what has been deleted with what was to be.
 */
bool
inn_outbox_remove(const InnOutboxRow *rows, int nrows)
{
	Datum *places = palloc(Max(nrows, 1) * sizeof(Datum));
	int64 *wanted = palloc(Max(nrows, 1) * sizeof(int64));
	int64 *found = palloc(Max(nrows, 1) * sizeof(int64));

	for (int i = 0; i < nrows; i++)
	{
		places[i] = PointerGetDatum(&rows[i].place);
		wanted[i] = rows[i].id;
	}
	if (INN_RUN(&remove_rows, inn_arg_array(places, NULL, nrows, TIDOID)) != nrows)
		return false;
	for (int i = 0; i < nrows; i++)
		found[i] = inn_row_bigint(i, 1);
	qsort(wanted, nrows, sizeof(int64), compare_ids);
	qsort(found, nrows, sizeof(int64), compare_ids);
	return memcmp(wanted, found, nrows * sizeof(int64)) == 0;
}

static int
compare_ids(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

int
inn_outbox_read_unended(const InnUlid *after, const InnUlid *before, int max, InnUnendedRun *runs)
{
	MemoryContext caller = CurrentMemoryContext;
	uint64 nrows = INN_RUN(&read_unended, inn_arg_ulid(after), inn_arg_ulid(before),
						   inn_arg(Int32GetDatum(max)));

	/* Running a plan leaves us in the context of SPI. */
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < nrows; i++)
	{
		runs[i].function_id = inn_row_uuid(i, 11);
		runs[i].run_at = inn_row_time(i, 12, INN_NEVER);
		runs[i].was_announced_late = inn_row_bool(i, 13);
		if (!row_news(i, &runs[i].news))
			elog(ERROR, "a run has no function");
	}
	return (int) nrows;
}

void
inn_outbox_put_missing(const InnUnendedRun *const *runs, int nruns)
{
	Datum *ids = palloc(Max(nruns, 1) * sizeof(Datum));
	Datum *functions = palloc(Max(nruns, 1) * sizeof(Datum));
	Datum *attempts = palloc(Max(nruns, 1) * sizeof(Datum));
	Datum *times = palloc(Max(nruns, 1) * sizeof(Datum));

	if (nruns == 0)
		return;
	for (int i = 0; i < nruns; i++)
	{
		ids[i] = PointerGetDatum(&runs[i]->news.run_id);
		functions[i] = PointerGetDatum(&runs[i]->function_id);
		attempts[i] = Int32GetDatum(runs[i]->news.attempt);
		times[i] = TimestampTzGetDatum(runs[i]->run_at);
	}
	INN_RUN(&put_missing, inn_arg_array(ids, NULL, nruns, UUIDOID),
			inn_arg_array(functions, NULL, nruns, UUIDOID),
			inn_arg_array(attempts, NULL, nruns, INT4OID),
			inn_arg_array(times, NULL, nruns, TIMESTAMPTZOID));
}
