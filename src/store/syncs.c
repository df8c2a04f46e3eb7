/*-------------------------------------------------------------------------
 *
 * syncs.c
 *	  Requests to ask apps for their functions: inngest.syncs.
 *
 * Who is being asked just now is known to the executor alone; a restart asks again.
 *
 * IDENTIFICATION
 *	  src/store/syncs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/tide.h"
#include "base/timer.h"
#include "base/wake.h"
#include "store/syncs.h"

/* What is over is of interest so long; each new request clears some of it away. */
#define KEPT "interval '1 day'"

static InnPlan count_pending = {
	"SELECT count(*)::int4 FROM inngest.syncs WHERE status = 'pending'"};

static InnPlan put = {"INSERT INTO inngest.syncs (id, url, requested_at)"
					  " VALUES (gen_random_uuid(), $1, $2)"
					  " RETURNING id",
					  2,
					  {TEXTOID, TIMESTAMPTZOID}};

static InnPlan clear = {"DELETE FROM inngest.syncs WHERE id IN ("
						" SELECT id FROM inngest.syncs"
						" WHERE status <> 'pending' AND finished_at < $1 - " KEPT
						" LIMIT 100 FOR UPDATE SKIP LOCKED)",
						1,
						{TIMESTAMPTZOID}};

static InnPlan pending = {"SELECT id, url FROM inngest.syncs WHERE status = 'pending'"
						  " ORDER BY requested_at LIMIT $1",
						  1,
						  {INT4OID}};

static InnPlan finish =
	{"UPDATE inngest.syncs SET status = CASE WHEN $3 IS NULL THEN 'ok' ELSE 'failed' END,"
	 " finished_at = $5, app_id = $2, error_code = $3, error = $4"
	 " WHERE id = $1 AND status = 'pending'",
	 5,
	 {UUIDOID, UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}};

/* Requests that found nobody, where somebody may come yet. */
#define IN_VAIN \
	"s.status = 'failed' AND s.error_code = '" INN_SYNC_UNREACHABLE "'" \
	" AND s.finished_at > $2 - interval '1 hour'"

static InnPlan failing =
	{"SELECT url FROM inngest.apps"
	 " WHERE error_code IS NOT NULL AND archived_at IS NULL AND url IS NOT NULL"
	 " UNION"
	 " SELECT s.url FROM inngest.syncs s WHERE " IN_VAIN
	 " AND NOT EXISTS (SELECT FROM inngest.apps a WHERE a.url = s.url AND a.archived_at IS NULL)"
	 " ORDER BY url LIMIT $1",
	 2,
	 {INT4OID, TIMESTAMPTZOID}};

static InnPlan heal =
	{"UPDATE inngest.syncs s SET status = 'ok', app_id = $3, error_code = NULL, error = NULL,"
	 " finished_at = $2"
	 " WHERE s.url = $1 AND " IN_VAIN,
	 3,
	 {TEXTOID, TIMESTAMPTZOID, UUIDOID}};

pg_uuid_t
inn_syncs_put(const char *url)
{
	TimestampTz now = inn_now();

	inn_plan_run(&count_pending, 0, NULL);
	if (inn_row_int(0, 1) >= INN_MAX_PENDING_SYNCS)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("too many apps wait to be asked for their functions"),
				errdetail("There are %d.", INN_MAX_PENDING_SYNCS),
				errhint("Ask again later; inngest.syncs shows them."));
	INN_RUN(&clear, inn_arg_time(now));

	inn_tide_note(INN_TIDE_SYNCS, 0);
	inn_wake_at_commit(INN_ROLE_EXECUTOR);
	INN_RUN(&put, inn_arg_cstring(url), inn_arg_time(now));
	return inn_row_uuid(0, 1);
}

int
inn_syncs_pending(int max, InnSyncRequest *requests)
{
	int nrows = (int) INN_RUN(&pending, inn_arg(Int32GetDatum(max)));

	for (int i = 0; i < nrows; i++)
		requests[i] = (InnSyncRequest){inn_row_uuid(i, 1), inn_row_text(i, 2)};
	return nrows;
}

void
inn_syncs_finish(const pg_uuid_t *id, const pg_uuid_t *app_id, const char *error_code,
				 const char *error)
{
	INN_RUN(&finish, inn_arg_uuid(id), inn_arg_uuid(app_id), inn_arg_cstring(error_code),
			inn_arg_cstring(error), inn_arg_time(inn_now()));
	if (error_code != NULL)
		inn_tide_note(INN_TIDE_SYNCS, 0);
}

char **
inn_syncs_failing(int max, int *count)
{
	uint64 nrows = INN_RUN(&failing, inn_arg(Int32GetDatum(max)), inn_arg_time(inn_now()));
	char **urls = palloc(Max(nrows, 1) * sizeof(char *));

	for (uint64 i = 0; i < nrows; i++)
		urls[i] = inn_row_text(i, 1);
	*count = (int) nrows;
	return urls;
}

void
inn_syncs_heal(const char *url, const pg_uuid_t *app_id)
{
	INN_RUN(&heal, inn_arg_cstring(url), inn_arg_time(inn_now()), inn_arg_uuid(app_id));
}
