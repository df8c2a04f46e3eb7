/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Putting and taking of items, leases of pull workers.
 *
 * Taking deletes by ctid what a locking subselect has found in key order: the rows of other takers are
 * skipped, nobody waits, and an aborted taker puts back what it took by aborting.
 *
 * IDENTIFICATION
 *	  src/store/queue.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/timer.h"
#include "base/wake.h"
#include "store/queue.h"

static InnPlan put_one = {"INSERT INTO inngest.queue (function_id, run_at, kind, run_id, attempt)"
						  " VALUES ($1, $2, 'attempt', $3::inngest.ulid, $4::int2)",
						  4,
						  {UUIDOID, TIMESTAMPTZOID, UUIDOID, INT4OID}};

static InnPlan put_many = {"INSERT INTO inngest.queue (function_id, run_at, kind, run_id)"
						   " SELECT i.function_id, i.run_at, 'attempt', i.run_id::inngest.ulid"
						   " FROM unnest($1, $2, $3) AS i (function_id, run_at, run_id)",
						   3,
						   {UUIDARRAYOID, TIMESTAMPTZARRAYOID, UUIDARRAYOID}};

static InnPlan put_admission =
	{"INSERT INTO inngest.queue (function_id, run_at, kind, event_id, attempt)"
	 " VALUES ($1, $2, 'admit', $3::inngest.ulid, $4::int2)",
	 4,
	 {UUIDOID, TIMESTAMPTZOID, UUIDOID, INT4OID}};

static InnPlan take_due = {"DELETE FROM inngest.queue WHERE ctid = ANY (ARRAY("
						   " SELECT ctid FROM inngest.queue"
						   " WHERE function_id = $1 AND run_at <= $2 AND kind = 'attempt'"
						   " ORDER BY run_at, id"
						   " LIMIT $3"
						   " FOR UPDATE SKIP LOCKED))"
						   " RETURNING run_id, function_id, attempt::int4",
						   3,
						   {UUIDOID, TIMESTAMPTZOID, INT4OID}};

static InnPlan take_runs =
	{"DELETE FROM inngest.queue WHERE ctid = ANY (ARRAY("
	 " SELECT ctid FROM inngest.queue"
	 " WHERE run_id = ANY ($3::inngest.ulid[]) AND function_id = $1 AND run_at <= $2"
	 " LIMIT $4"
	 " FOR UPDATE SKIP LOCKED))"
	 " RETURNING run_id, function_id, attempt::int4",
	 4,
	 {UUIDOID, TIMESTAMPTZOID, UUIDARRAYOID, INT4OID}};

static InnPlan next_admission = {"SELECT run_at FROM inngest.queue"
								 " WHERE kind = 'admit'"
								 " ORDER BY run_at, id"
								 " LIMIT 1",
								 0,
								 {0}};

static InnPlan remove_run = {"DELETE FROM inngest.queue WHERE run_id = $1::inngest.ulid",
							 1,
							 {UUIDOID}};

static InnPlan try_remove_run = {"DELETE FROM inngest.queue WHERE ctid = ANY (ARRAY("
								 " SELECT ctid FROM inngest.queue"
								 " WHERE run_id = $1::inngest.ulid"
								 " FOR UPDATE SKIP LOCKED))",
								 1,
								 {UUIDOID}};

static InnPlan lock_admissions =
	{"SELECT id, function_id, event_id, attempt::int4 FROM inngest.queue"
	 " WHERE kind = 'admit' AND run_at <= $1"
	 " ORDER BY run_at, id"
	 " LIMIT $2"
	 " FOR UPDATE SKIP LOCKED",
	 2,
	 {TIMESTAMPTZOID, INT4OID}};

static InnPlan remove_admission =
	{"DELETE FROM inngest.queue WHERE function_id = $1 AND id = $2 AND kind = 'admit'",
	 2,
	 {UUIDOID, INT8OID}};

static InnPlan put_leases =
	{"INSERT INTO inngest.leases (run_id, lease_id, function_id, attempt, leased_at, expires_at)"
	 " SELECT l.run_id::inngest.ulid, l.lease_id::inngest.ulid, l.function_id, l.attempt, $5, $6"
	 " FROM unnest($1, $2, $3, $4) AS l (run_id, lease_id, function_id, attempt)",
	 6,
	 {UUIDARRAYOID, UUIDARRAYOID, UUIDARRAYOID, INT2ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

#define LEASE_COLUMNS " run_id, lease_id, function_id, attempt::int4, leased_at, expires_at"

static InnPlan end_lease =
	{"DELETE FROM inngest.leases"
	 " WHERE run_id = $1::inngest.ulid AND lease_id = $2::inngest.ulid AND expires_at > $3"
	 " RETURNING" LEASE_COLUMNS,
	 3,
	 {UUIDOID, UUIDOID, TIMESTAMPTZOID}};

static InnPlan revoke_lease =
	{"DELETE FROM inngest.leases WHERE run_id = $1::inngest.ulid RETURNING" LEASE_COLUMNS,
	 1,
	 {UUIDOID}};

static InnPlan try_revoke_lease = {"DELETE FROM inngest.leases WHERE ctid = ANY (ARRAY("
								   " SELECT ctid FROM inngest.leases"
								   " WHERE run_id = $1::inngest.ulid"
								   " FOR UPDATE SKIP LOCKED))"
								   " RETURNING" LEASE_COLUMNS,
								   1,
								   {UUIDOID}};

static InnPlan extend_lease =
	{"UPDATE inngest.leases SET expires_at = $4"
	 " WHERE run_id = $1::inngest.ulid AND lease_id = $2::inngest.ulid AND expires_at > $3",
	 4,
	 {UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static InnPlan expire_leases = {"DELETE FROM inngest.leases WHERE ctid = ANY (ARRAY("
								" SELECT ctid FROM inngest.leases"
								" WHERE expires_at <= $1"
								" ORDER BY expires_at"
								" LIMIT $2"
								" FOR UPDATE SKIP LOCKED))"
								" RETURNING" LEASE_COLUMNS,
								2,
								{TIMESTAMPTZOID, INT4OID}};

static InnPlan next_expiry = {"SELECT expires_at FROM inngest.leases ORDER BY expires_at LIMIT 1",
							  0,
							  {0}};

static int rows_to_items(uint64 nrows, InnItem *items);
static InnLease row_lease(uint64 row);

void
inn_queue_put_first(const InnRun *runs, int nruns)
{
	Datum *functions = palloc(Max(nruns, 1) * sizeof(Datum));
	Datum *times = palloc(Max(nruns, 1) * sizeof(Datum));
	Datum *ids = palloc(Max(nruns, 1) * sizeof(Datum));
	int n = 0;

	for (int i = 0; i < nruns; i++)
	{
		if (!runs[i].is_pull || runs[i].is_skipped || runs[i].has_throttle)
			continue;
		functions[n] = PointerGetDatum(&runs[i].function_id);
		times[n] = TimestampTzGetDatum(runs[i].run_at);
		ids[n] = PointerGetDatum(&runs[i].id);
		n++;
	}

	if (n == 1)
		INN_RUN(&put_one, inn_arg(functions[0]), inn_arg(times[0]), inn_arg(ids[0]),
				inn_arg(Int32GetDatum(0)));
	else if (n > 1)
		INN_RUN(&put_many, inn_arg_array(functions, NULL, n, UUIDOID),
				inn_arg_array(times, NULL, n, TIMESTAMPTZOID),
				inn_arg_array(ids, NULL, n, UUIDOID));
	if (n > 0)
		inn_wake_at_commit(INN_ROLE_HTTP);
}

void
inn_queue_put_attempt(const InnItem *item, TimestampTz run_at)
{
	INN_RUN(&put_one, inn_arg_uuid(&item->function_id), inn_arg_time(run_at),
			inn_arg_ulid(&item->run_id), inn_arg(Int32GetDatum(item->attempt)));
	inn_wake_at_commit(INN_ROLE_HTTP);
}

void
inn_queue_put_admission(const pg_uuid_t *function_id, const InnUlid *event_id,
						InnAdmissionStage stage, TimestampTz run_at)
{
	INN_RUN(&put_admission, inn_arg_uuid(function_id), inn_arg_time(run_at), inn_arg_ulid(event_id),
			inn_arg(Int32GetDatum(stage)));
	inn_wake_at_commit_for(INN_ROLE_SCHEDULER, run_at);
}

int
inn_queue_take(const pg_uuid_t *function_id, TimestampTz now, int max, InnItem *items)
{
	Assert(max > 0);
	return rows_to_items(INN_RUN(&take_due, inn_arg_uuid(function_id), inn_arg_time(now),
								 inn_arg(Int32GetDatum(max))),
						 items);
}

int
inn_queue_take_runs(const pg_uuid_t *function_id, const InnUlid *run_ids, int nruns,
					TimestampTz now, int max, InnItem *items)
{
	Datum *ids = palloc(Max(nruns, 1) * sizeof(Datum));

	for (int i = 0; i < nruns; i++)
		ids[i] = PointerGetDatum(&run_ids[i]);
	return rows_to_items(INN_RUN(&take_runs, inn_arg_uuid(function_id), inn_arg_time(now),
								 inn_arg_array(ids, NULL, nruns, UUIDOID),
								 inn_arg(Int32GetDatum(max))),
						 items);
}

static int
rows_to_items(uint64 nrows, InnItem *items)
{
	for (uint64 i = 0; i < nrows; i++)
		items[i] = (InnItem){
			.run_id = inn_row_ulid(i, 1),
			.function_id = inn_row_uuid(i, 2),
			.attempt = inn_row_int(i, 3),
		};
	return (int) nrows;
}

TimestampTz
inn_queue_next_admission(void)
{
	if (inn_plan_run(&next_admission, 0, NULL) == 0)
		return INN_NEVER;
	return inn_row_time(0, 1, INN_NEVER);
}

void
inn_queue_remove(const InnUlid *run_id)
{
	INN_RUN(&remove_run, inn_arg_ulid(run_id));
}

bool
inn_queue_try_remove(const InnUlid *run_id)
{
	return INN_RUN(&try_remove_run, inn_arg_ulid(run_id)) > 0;
}

int
inn_queue_lock_admissions(TimestampTz now, int max, InnAdmission *admissions)
{
	uint64 nrows = INN_RUN(&lock_admissions, inn_arg_time(now), inn_arg(Int32GetDatum(max)));

	for (uint64 i = 0; i < nrows; i++)
		admissions[i] = (InnAdmission){
			.item_id = inn_row_bigint(i, 1),
			.function_id = inn_row_uuid(i, 2),
			.event_id = inn_row_ulid(i, 3),
			.stage = inn_row_int(i, 4),
		};
	return (int) nrows;
}

void
inn_queue_remove_admission(const InnAdmission *admission)
{
	INN_RUN(&remove_admission, inn_arg_uuid(&admission->function_id),
			inn_arg(Int64GetDatum(admission->item_id)));
}

void
inn_leases_put(const InnLease *leases, int nleases)
{
	Datum *runs = palloc(Max(nleases, 1) * sizeof(Datum));
	Datum *ids = palloc(Max(nleases, 1) * sizeof(Datum));
	Datum *functions = palloc(Max(nleases, 1) * sizeof(Datum));
	Datum *attempts = palloc(Max(nleases, 1) * sizeof(Datum));

	if (nleases == 0)
		return;
	for (int i = 0; i < nleases; i++)
	{
		Assert(leases[i].expires_at == leases[0].expires_at);
		runs[i] = PointerGetDatum(&leases[i].run_id);
		ids[i] = PointerGetDatum(&leases[i].lease_id);
		functions[i] = PointerGetDatum(&leases[i].function_id);
		attempts[i] = Int16GetDatum(leases[i].attempt);
	}
	INN_RUN(&put_leases, inn_arg_array(runs, NULL, nleases, UUIDOID),
			inn_arg_array(ids, NULL, nleases, UUIDOID),
			inn_arg_array(functions, NULL, nleases, UUIDOID),
			inn_arg_array(attempts, NULL, nleases, INT2OID), inn_arg_time(leases[0].leased_at),
			inn_arg_time(leases[0].expires_at));
	inn_wake_at_commit_for(INN_ROLE_SCHEDULER, leases[0].expires_at);
}

bool
inn_leases_end(const InnUlid *run_id, const InnUlid *lease_id, TimestampTz now, InnLease *lease)
{
	if (INN_RUN(&end_lease, inn_arg_ulid(run_id), inn_arg_ulid(lease_id), inn_arg_time(now)) == 0)
		return false;
	*lease = row_lease(0);
	return true;
}

bool
inn_leases_revoke(const InnUlid *run_id, InnLease *lease)
{
	if (INN_RUN(&revoke_lease, inn_arg_ulid(run_id)) == 0)
		return false;
	*lease = row_lease(0);
	return true;
}

bool
inn_leases_try_revoke(const InnUlid *run_id, InnLease *lease)
{
	if (INN_RUN(&try_revoke_lease, inn_arg_ulid(run_id)) == 0)
		return false;
	*lease = row_lease(0);
	return true;
}

bool
inn_leases_extend(const InnUlid *run_id, const InnUlid *lease_id, TimestampTz now,
				  TimestampTz expires_at)
{
	if (INN_RUN(&extend_lease, inn_arg_ulid(run_id), inn_arg_ulid(lease_id), inn_arg_time(now),
				inn_arg_time(expires_at)) == 0)
		return false;
	inn_wake_at_commit_for(INN_ROLE_SCHEDULER, expires_at);
	return true;
}

int
inn_leases_expire(TimestampTz now, int max, InnLease *leases)
{
	uint64 nrows = INN_RUN(&expire_leases, inn_arg_time(now), inn_arg(Int32GetDatum(max)));

	for (uint64 i = 0; i < nrows; i++)
		leases[i] = row_lease(i);
	return (int) nrows;
}

TimestampTz
inn_leases_next_expiry(void)
{
	if (inn_plan_run(&next_expiry, 0, NULL) == 0)
		return INN_NEVER;
	return inn_row_time(0, 1, INN_NEVER);
}

static InnLease
row_lease(uint64 row)
{
	return (InnLease){
		.run_id = inn_row_ulid(row, 1),
		.lease_id = inn_row_ulid(row, 2),
		.function_id = inn_row_uuid(row, 3),
		.attempt = inn_row_int(row, 4),
		.leased_at = inn_row_time(row, 5, 0),
		.expires_at = inn_row_time(row, 6, 0),
	};
}
