/*-------------------------------------------------------------------------
 *
 * dispatch.h
 *	  Which jobs are being executed, by whom: claims in shared memory.
 *
 * Limits of concurrency are counted here, too: what counts is what is executed, so who dies takes nothing along.
 *
 * A claim costs no write, and ends with the process that holds it: then the job is still in its table, and whoever finds it
 * there dispatches it anew.  Others look here to tell a call that goes on from one that was given up.
 *
 * IDENTIFICATION
 *	  src/execute/dispatch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_DISPATCH_H
#define INN_DISPATCH_H

#include "datatype/timestamp.h"

#include "utils/uuid.h"

#include "base/ulid.h"

/* Most jobs that all executors together execute at a time. */
#define INN_MAX_DISPATCHES 16384

/* Keys whose places are counted: those of jobs that are executed, and those for which jobs wait. */
#define INN_MAX_PLACES (4 * INN_MAX_DISPATCHES)

/* What a job takes up while it is executed: one of so many places that there are for a key. */
typedef struct InnSlot
{
	pg_uuid_t key;
	int limit;
	bool is_shared; /* with other functions, which may have other limits */
} InnSlot;

#define INN_DISPATCH_MAX_SLOTS 2

typedef struct InnDispatch
{
	int64 job_id; /* the key */
	InnUlid run_id;
	InnUlid request_id;
	TimestampTz started_at;
	int owner;			 /* pid */
	bool attempts_reset; /* a checkpoint came: the attempts of the job count from 0 again */
	int nslots;
	pg_uuid_t slots[INN_DISPATCH_MAX_SLOTS];
} InnDispatch;

extern Size inn_dispatch_shmem_size(void);
extern void inn_dispatch_shmem_init(void);

typedef enum InnClaim
{
	INN_CLAIM_DONE,
	INN_CLAIM_TAKEN, /* another process executes it, or there is no room */
	INN_CLAIM_BLOCKED /* a limit is reached, or somebody with a lower rank is waiting for the place */
} InnClaim;

/*
 * Claim a job, and the places that it takes up: all of them, or none.  *blocking is the slot that is to be waited for.
 *
 * Whoever is blocked has its job put aside (store/jobs.h), and says so when that is committed (inn_slots_note_blocked).  Who
 * frees a place that somebody waits for remembers its key, for inn_slots_next_freed().
 */
extern InnClaim inn_dispatch_begin(int64 job_id, const InnUlid *run_id, const InnUlid *request_id,
								   TimestampTz now, const InnSlot *slots, int nslots, int64 rank,
								   int *blocking);

/* A job that is blocked has been put aside.  If there is a place by now, this process has its key to look at. */
extern void inn_slots_note_blocked(const InnSlot *slot, int64 rank);

/* The next key that this process has to look at, because a place is free that jobs wait for; false if there is none. */
extern bool inn_slots_next_freed(pg_uuid_t *key);
extern void inn_slots_note_freed(const pg_uuid_t *key);
extern bool inn_slots_are_freed(void);

/* Are there jobs that wait for a key although not all of its places are taken?  Also if there is no room to count them. */
extern bool inn_slots_are_wanted(const pg_uuid_t *key, int limit);

/* How many places are taken, and a number that changes whenever a job is blocked, and never comes again. */
extern int inn_slots_used(const pg_uuid_t *key, uint64 *nblocked);

/*
 * What is left after jobs have been made ready: the least rank, if there are any that wait; nblocked as it was before.  Returns how many
 * places are taken now.
 */
extern int inn_slots_set_waiting(const pg_uuid_t *key, bool has_waiting, int64 first_rank,
								 uint64 nblocked);

/* Give a claim of this process up; *last, if not NULL, is what it was. */
extern void inn_dispatch_end(int64 job_id, InnDispatch *last);

/* Give all claims of this process up, because it exits or starts anew. */
extern void inn_dispatch_end_all(void);

/* Has any process done so since this one has asked last?  It knew of keys that nobody else would look at. */
extern bool inn_dispatch_has_anybody_left(void);

/* Who executes a job; false if nobody does. */
extern bool inn_dispatch_find(int64 job_id, InnDispatch *dispatch);

/* A checkpoint of this job has been stored. */
extern void inn_dispatch_reset_attempts(int64 job_id);

#endif /* INN_DISPATCH_H */
