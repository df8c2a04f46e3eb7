/*-------------------------------------------------------------------------
 *
 * lifecycle.h
 *	  Every change to a run, whoever brings the news.
 *
 *		(none)	-> QUEUED		[inn_run_create]
 *		(none)	-> SKIPPED		[inn_run_create]
 *		QUEUED	-> RUNNING		[inn_run_lease; inn_runs_start, by the executor]
 *		RUNNING	-> COMPLETED	[inn_run_complete; run/opcode.h]
 *		RUNNING	-> FAILED		[inn_run_fail, inn_run_expire; run/opcode.h]
 *		any but ended -> CANCELLED	[inn_run_cancel, inn_run_try_cancel]
 *
 * All are called between inn_sql_begin() and inn_sql_end(), and take effect when the transaction commits.  Those that may end a
 * run collect that (run/changes.h), for the caller to write and to send the events that follow (ingest/settle.h).
 *
 * IDENTIFICATION
 *	  src/run/lifecycle.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_LIFECYCLE_H
#define INN_LIFECYCLE_H

#include "run/changes.h"
#include "store/apps.h"
#include "store/queue.h"

/* Most runs that one call leases. */
#define INN_MAX_LEASES 1000

/* Bounds of a lease. */
#define INN_LEASE_MIN_USEC (INT64CONST(1) * USECS_PER_SEC)
#define INN_LEASE_MAX_USEC (INT64CONST(24) * USECS_PER_HOUR)

/* Runs that are about to be created; grows as needed, in the context of the first addition. */
typedef struct InnRunList
{
	InnRun *runs;
	int count;
	int capacity;
	List *pauses; /* InnPause: what cancels them */
} InnRunList;

extern void inn_run_list_add(InnRunList *list, const InnRun *run);

/* Create runs with their first queue items, what cancels them and their timeouts, and announce them. */
extern void inn_run_create(const InnRunList *list);

/*
 * Lease up to max due attempts of pull functions that are not paused, for usec microseconds; returns
 * their number.  leases has room for max.  With run_ids, only attempts of those runs.  The functions
 * take turns in being asked first.
 */
extern int inn_run_lease(const InnFunction *functions, int nfunctions, const InnUlid *run_ids,
						 int nrun_ids, int max, int64 usec, InnLease *leases);

/*
 * Report on a leased attempt.  ERRORs: ERRCODE_INN_RUN_NOT_FOUND, and ERRCODE_INN_LEASE_LOST if the
 * lease has expired, was replaced, or the run has ended; then nothing changes.
 *
 * inn_run_fail() queues the next attempt after the backoff if retry is true and attempts are left, and
 * ends the run as failed otherwise; it returns when the next attempt may start, or INN_NEVER.
 */
extern void inn_run_complete(InnChanges *changes, const InnUlid *run_id, const InnUlid *lease_id,
							 Jsonb *output);
extern TimestampTz inn_run_fail(InnChanges *changes, const InnUlid *run_id, const InnUlid *lease_id,
								Jsonb *error, bool retry);

/* Let pull workers take an attempt, from a time on. */
extern void inn_run_queue_attempt(const InnItem *item, TimestampTz run_at);

/* Prolong a lease: it expires usec from now.  Same errors; returns the new time of expiry. */
extern TimestampTz inn_run_extend(const InnUlid *run_id, const InnUlid *lease_id, int64 usec);

/*
 * Cancel a run: true if it had not ended.  Whoever holds its lease will find it lost, and what its app is about to answer counts for
 * nothing.  Waits, a moment, while the run is being changed.  ERRCODE_INN_RUN_NOT_FOUND if there is no such run;
 * ERRCODE_LOCK_NOT_AVAILABLE if another transaction is about to change it and does not end.
 */
extern bool inn_run_cancel(InnChanges *changes, const InnUlid *run_id);

typedef enum InnCancelResult
{
	INN_CANCEL_DONE,
	INN_CANCEL_ENDED, /* it had ended, or is about to */
	INN_CANCEL_BUSY	  /* somebody is changing it: try again */
} InnCancelResult;

/* The same without waiting for anybody. */
extern InnCancelResult inn_run_try_cancel(InnChanges *changes, const InnUlid *run_id);

/* inn_run_claim() for those who can wait a moment.  ERRORs: ERRCODE_LOCK_NOT_AVAILABLE. */
extern void inn_run_claim_patiently(const InnUlid *run_id);

/*
 * Give up on expired leases: the next attempt of each is queued at once, without backoff, as nothing
 * is known to be wrong but the worker; returns when the next lease will expire.
 */
extern TimestampTz inn_run_expire(InnChanges *changes);

/* When a run was created. */
extern TimestampTz inn_run_queued_at(const InnUlid *run_id);

/* When the attempt after a failed one may start; failed_attempt counts from 0. */
extern TimestampTz inn_retry_time(int failed_attempt, TimestampTz now);

#endif /* INN_LIFECYCLE_H */
