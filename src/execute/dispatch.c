/*-------------------------------------------------------------------------
 *
 * dispatch.c
 *	  Claims of jobs: a hash table in shared memory under one lock, which is held for moments.
 *
 * IDENTIFICATION
 *	  src/execute/dispatch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "execute/dispatch.h"

typedef struct Shared
{
	LWLock lock;
} Shared;

static Shared *shared;
static HTAB *dispatches;

static Size
table_size(void)
{
	return hash_estimate_size(INN_MAX_DISPATCHES, sizeof(InnDispatch));
}

Size
inn_dispatch_shmem_size(void)
{
	return add_size(MAXALIGN(sizeof(Shared)), table_size());
}

void
inn_dispatch_shmem_init(void)
{
	bool found;
	HASHCTL ctl = {.keysize = sizeof(int64), .entrysize = sizeof(InnDispatch)};

	shared = ShmemInitStruct("inngest dispatch lock", sizeof(Shared), &found);
	if (!found)
		LWLockInitialize(&shared->lock, LWLockNewTrancheId());
	LWLockRegisterTranche(shared->lock.tranche, "inngest dispatches");
	dispatches = ShmemInitHash("inngest dispatches", INN_MAX_DISPATCHES, INN_MAX_DISPATCHES, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

bool
inn_dispatch_begin(int64 job_id, const InnUlid *run_id, const InnUlid *request_id, TimestampTz now)
{
	bool found;
	InnDispatch *dispatch;
	bool is_mine = false;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	dispatch = hash_search(dispatches, &job_id, HASH_ENTER_NULL, &found);
	if (dispatch != NULL && (!found || dispatch->owner == MyProcPid))
	{
		dispatch->run_id = *run_id;
		dispatch->request_id = *request_id;
		dispatch->started_at = now;
		dispatch->owner = MyProcPid;
		dispatch->attempts_reset = false;
		is_mine = true;
	}
	LWLockRelease(&shared->lock);
	return is_mine;
}

void
inn_dispatch_end(int64 job_id, InnDispatch *last)
{
	InnDispatch *dispatch;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	dispatch = hash_search(dispatches, &job_id, HASH_FIND, NULL);
	if (last != NULL)
		*last = (InnDispatch){0};
	if (dispatch != NULL && dispatch->owner == MyProcPid)
	{
		if (last != NULL)
			*last = *dispatch;
		(void) hash_search(dispatches, &job_id, HASH_REMOVE, NULL);
	}
	LWLockRelease(&shared->lock);
}

void
inn_dispatch_end_all(void)
{
	HASH_SEQ_STATUS scan;
	InnDispatch *dispatch;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, dispatches);
	while ((dispatch = hash_seq_search(&scan)) != NULL)
	{
		if (dispatch->owner == MyProcPid)
			(void) hash_search(dispatches, &dispatch->job_id, HASH_REMOVE, NULL);
	}
	LWLockRelease(&shared->lock);
}

bool
inn_dispatch_find(int64 job_id, InnDispatch *found)
{
	InnDispatch *dispatch;

	if (shared == NULL)
		return false;
	LWLockAcquire(&shared->lock, LW_SHARED);
	dispatch = hash_search(dispatches, &job_id, HASH_FIND, NULL);
	if (dispatch != NULL)
		*found = *dispatch;
	LWLockRelease(&shared->lock);
	return dispatch != NULL;
}

void
inn_dispatch_reset_attempts(int64 job_id)
{
	InnDispatch *dispatch;

	if (shared == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	dispatch = hash_search(dispatches, &job_id, HASH_FIND, NULL);
	if (dispatch != NULL)
		dispatch->attempts_reset = true;
	LWLockRelease(&shared->lock);
}
