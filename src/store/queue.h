/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  What is to be done, and who is doing it: tables inngest.queue and inngest.leases.
 *
 * How work is claimed is known here and nowhere else.  An item is inserted, taken (deleted) once, and
 * never updated.  A pull attempt that is taken becomes a lease; at any time a run that has not ended
 * has either an item or a lease, not both, or a transaction is just exchanging one for the other.
 *
 * Whoever locks both takes items first, then leases, then the run.
 *
 * IDENTIFICATION
 *	  src/store/queue.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_QUEUE_H
#define INN_QUEUE_H

#include "store/runs.h"

typedef struct InnItem
{
	InnUlid run_id;
	pg_uuid_t function_id;
	int attempt;
} InnItem;

typedef struct InnLease
{
	InnUlid run_id;
	InnUlid lease_id;
	pg_uuid_t function_id;
	int attempt;
	TimestampTz leased_at;
	TimestampTz expires_at;
} InnLease;

/* How far the decision on an event has come. */
typedef enum InnAdmissionStage
{
	INN_ADMISSION_NEW,
	INN_ADMISSION_WITHIN_RATE, /* the rate limit has let it through */
	INN_ADMISSION_DEBOUNCED,
	INN_ADMISSION_DEBOUNCED_PAUSED /* the same; its function was paused when it came */
} InnAdmissionStage;

typedef struct InnAdmission
{
	int64 item_id;
	InnAdmissionStage stage;
	pg_uuid_t function_id;
	InnUlid event_id;
} InnAdmission;

/* First attempts of new runs of the pull runtime; skipped ones get none. Wakes whoever waits for work. */
extern void inn_queue_put_first(const InnRun *runs, int nruns);

/* Another attempt, not before run_at. */
extern void inn_queue_put_attempt(const InnItem *item, TimestampTz run_at);

/* Let the scheduler decide, from run_at on, whether the event starts a run of the function; wakes it. */
extern void inn_queue_put_admission(const pg_uuid_t *function_id, const InnUlid *event_id,
									InnAdmissionStage stage, TimestampTz run_at);

/*
 * Take up to max items of one function that are due, oldest first, passing over those that others are
 * taking.  Returns their number; items has room for max.
 */
extern int inn_queue_take(const pg_uuid_t *function_id, TimestampTz now, int max, InnItem *items);

/* The same for given runs, whatever their order, if they belong to the function. */
extern int inn_queue_take_runs(const pg_uuid_t *function_id, const InnUlid *run_ids, int nruns,
							   TimestampTz now, int max, InnItem *items);

/* Forget the item of a run that has ended. */
extern void inn_queue_remove(const InnUlid *run_id);

/* The same without waiting for anybody: false if there is none, or somebody is just taking it. */
extern bool inn_queue_try_remove(const InnUlid *run_id);

/* Lock and read up to max due admissions that nobody else has locked; inn_queue_remove_admission() ends one. */
extern int inn_queue_lock_admissions(TimestampTz now, int max, InnAdmission *admissions);
extern void inn_queue_remove_admission(const InnAdmission *admission);

/* When the next admission is due; INN_NEVER if there is none. */
extern TimestampTz inn_queue_next_admission(void);

extern void inn_leases_put(const InnLease *leases, int nleases);

/* End a lease that has not expired: true and *lease if it was this one. */
extern bool inn_leases_end(const InnUlid *run_id, const InnUlid *lease_id, TimestampTz now,
						   InnLease *lease);

/* End whatever lease a run has, because the run ends: true and *lease if there was one. */
extern bool inn_leases_revoke(const InnUlid *run_id, InnLease *lease);

/* The same without waiting for anybody: false if there is none, or somebody is just ending it. */
extern bool inn_leases_try_revoke(const InnUlid *run_id, InnLease *lease);

/* Prolong a lease that has not expired; false if it is lost. */
extern bool inn_leases_extend(const InnUlid *run_id, const InnUlid *lease_id, TimestampTz now,
							  TimestampTz expires_at);

/* End up to max expired leases, passing over those that are being ended otherwise. */
extern int inn_leases_expire(TimestampTz now, int max, InnLease *leases);

/* When the next lease expires; INN_NEVER if there is none. */
extern TimestampTz inn_leases_next_expiry(void);

#endif /* INN_QUEUE_H */
