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
#include "utils/memutils.h"

#include "execute/dispatch.h"

typedef struct Shared
{
	LWLock lock;
	uint64 nblocked;			  /* jobs that were put aside, ever */
	pg_atomic_uint64 ndepartures; /* processes that have given all claims up */
} Shared;

/* How many jobs with a key are executed. */
typedef struct Places
{
	pg_uuid_t key;
	int used;
	bool has_waiting; /* there are jobs put aside, as far as is known */
	int64 first_rank; /* of those */
	uint64 nblocked;  /* as it was when the last one was put aside; 0: none was */
} Places;

static Shared *shared;
static HTAB *dispatches;
static HTAB *places;

/* Keys that this process has to look at, first come first served. */
static pg_uuid_t *freed;
static int first_freed;
static int nfreed; /* the last one's index + 1 */
static int freed_capacity;

static int find_blocking(const InnSlot *slots, int nslots, int64 rank);
static bool take_places(const InnSlot *slots, int nslots, bool *is_more);
static int free_places(const InnDispatch *dispatch, pg_uuid_t *keys);
static void forget_places(Places *entry);

static Size
table_size(void)
{
	return add_size(hash_estimate_size(INN_MAX_DISPATCHES, sizeof(InnDispatch)),
					hash_estimate_size(INN_MAX_PLACES, sizeof(Places)));
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
	{
		LWLockInitialize(&shared->lock, LWLockNewTrancheId());
		shared->nblocked = 0;
		pg_atomic_init_u64(&shared->ndepartures, 0);
	}
	LWLockRegisterTranche(shared->lock.tranche, "inngest dispatches");
	dispatches = ShmemInitHash("inngest dispatches", INN_MAX_DISPATCHES, INN_MAX_DISPATCHES, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	ctl = (HASHCTL){.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(Places)};
	places = ShmemInitHash("inngest places", INN_MAX_PLACES, INN_MAX_PLACES, &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

InnClaim
inn_dispatch_begin(int64 job_id, const InnUlid *run_id, const InnUlid *request_id, TimestampTz now,
				   const InnSlot *slots, int nslots, int64 rank, int *blocking)
{
	bool found;
	InnDispatch *dispatch;
	InnClaim claim = INN_CLAIM_TAKEN;
	bool is_more[INN_DISPATCH_MAX_SLOTS] = {false};

	Assert(nslots <= INN_DISPATCH_MAX_SLOTS);
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	dispatch = hash_search(dispatches, &job_id, HASH_FIND, NULL);
	if (dispatch == NULL)
	{
		*blocking = find_blocking(slots, nslots, rank);
		if (*blocking >= 0)
			claim = INN_CLAIM_BLOCKED;
		else if (take_places(slots, nslots, is_more))
		{
			dispatch = hash_search(dispatches, &job_id, HASH_ENTER_NULL, &found);
			if (dispatch != NULL)
				claim = INN_CLAIM_DONE;
			else
				(void) free_places(&(InnDispatch){.nslots = nslots,
												  .slots = {slots[0].key, slots[1].key}},
								   NULL);
		}
	}
	if (claim == INN_CLAIM_DONE)
	{
		*dispatch = (InnDispatch){
			.job_id = job_id,
			.run_id = *run_id,
			.request_id = *request_id,
			.started_at = now,
			.owner = MyProcPid,
			.nslots = nslots,
		};
		for (int i = 0; i < nslots; i++)
			dispatch->slots[i] = slots[i].key;
	}
	LWLockRelease(&shared->lock);

	/* A limit that was raised lets more than one begin for one that ends. */
	for (int i = 0; i < nslots && claim == INN_CLAIM_DONE; i++)
	{
		if (is_more[i])
			inn_slots_note_freed(&slots[i].key);
	}
	return claim;
}

/*
 * -1 if there is none.  Who comes later does not overtake those that wait, if all have the same limit; what counts together over functions
 * does not keep to that, because those that wait may have a lower one.
 */
static int
find_blocking(const InnSlot *slots, int nslots, int64 rank)
{
	for (int i = 0; i < nslots; i++)
	{
		Places *entry = hash_search(places, &slots[i].key, HASH_FIND, NULL);

		if (entry == NULL)
			continue;
		if (entry->used >= slots[i].limit ||
			(!slots[i].is_shared && entry->has_waiting && rank > entry->first_rank))
			return i;
	}
	return -1;
}

/* False if there is no room to count them. */
static bool
take_places(const InnSlot *slots, int nslots, bool *is_more)
{
	for (int i = 0; i < nslots; i++)
	{
		bool found;
		Places *entry = hash_search(places, &slots[i].key, HASH_ENTER_NULL, &found);

		if (entry == NULL)
		{
			(void) free_places(&(InnDispatch){.nslots = i, .slots = {slots[0].key}}, NULL);
			return false;
		}
		if (!found)
			*entry = (Places){.key = slots[i].key};
		entry->used++;
		is_more[i] = entry->has_waiting && entry->used < slots[i].limit;
	}
	return true;
}

/* keys, if not NULL, are filled with those that others wait for; returns their number. */
static int
free_places(const InnDispatch *dispatch, pg_uuid_t *keys)
{
	int nkeys = 0;

	for (int i = 0; i < dispatch->nslots; i++)
	{
		Places *entry = hash_search(places, &dispatch->slots[i], HASH_FIND, NULL);

		if (entry == NULL)
			continue;
		Assert(entry->used > 0);
		entry->used--;
		if (entry->has_waiting && keys != NULL)
			keys[nkeys++] = entry->key;
		forget_places(entry);
	}
	return nkeys;
}

static void
forget_places(Places *entry)
{
	pg_uuid_t key = entry->key;

	if (entry->used == 0 && !entry->has_waiting)
		(void) hash_search(places, &key, HASH_REMOVE, NULL);
}

void
inn_dispatch_end(int64 job_id, InnDispatch *last)
{
	InnDispatch *dispatch;
	pg_uuid_t keys[INN_DISPATCH_MAX_SLOTS];
	int nkeys = 0;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	dispatch = hash_search(dispatches, &job_id, HASH_FIND, NULL);
	if (last != NULL)
		*last = (InnDispatch){0};
	if (dispatch != NULL && dispatch->owner == MyProcPid)
	{
		if (last != NULL)
			*last = *dispatch;
		nkeys = free_places(dispatch, keys);
		(void) hash_search(dispatches, &job_id, HASH_REMOVE, NULL);
	}
	LWLockRelease(&shared->lock);
	for (int i = 0; i < nkeys; i++)
		inn_slots_note_freed(&keys[i]);
}

/* Others look at all keys that are waited for, so none is remembered here. */
void
inn_dispatch_end_all(void)
{
	HASH_SEQ_STATUS scan;
	InnDispatch *dispatch;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, dispatches);
	while ((dispatch = hash_seq_search(&scan)) != NULL)
	{
		if (dispatch->owner != MyProcPid)
			continue;
		(void) free_places(dispatch, NULL);
		(void) hash_search(dispatches, &dispatch->job_id, HASH_REMOVE, NULL);
	}
	LWLockRelease(&shared->lock);
	(void) pg_atomic_fetch_add_u64(&shared->ndepartures, 1);
}

bool
inn_dispatch_has_anybody_left(void)
{
	static uint64 nseen = 0;
	uint64 ndepartures = pg_atomic_read_u64(&shared->ndepartures);
	bool has_left = ndepartures != nseen;

	nseen = ndepartures;
	return has_left;
}

void
inn_slots_note_blocked(const InnSlot *slot, int64 rank)
{
	bool found;
	Places *entry;
	bool is_free = true;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	entry = hash_search(places, &slot->key, HASH_ENTER_NULL, &found);
	if (entry != NULL)
	{
		if (!found)
			*entry = (Places){.key = slot->key};
		entry->first_rank = entry->has_waiting ? Min(entry->first_rank, rank) : rank;
		entry->has_waiting = true;
		entry->nblocked = ++shared->nblocked;
		is_free = entry->used < slot->limit;
	}
	LWLockRelease(&shared->lock);
	if (is_free)
		inn_slots_note_freed(&slot->key);
}

int
inn_slots_used(const pg_uuid_t *key, uint64 *nblocked)
{
	Places *entry;
	int used = 0;

	*nblocked = 0;
	LWLockAcquire(&shared->lock, LW_SHARED);
	entry = hash_search(places, key, HASH_FIND, NULL);
	if (entry != NULL)
	{
		used = entry->used;
		*nblocked = entry->nblocked;
	}
	LWLockRelease(&shared->lock);
	return used;
}

/* A job that was blocked meanwhile may have been put aside after we looked: then what is known of it stays. */
int
inn_slots_set_waiting(const pg_uuid_t *key, bool has_waiting, int64 first_rank, uint64 nblocked)
{
	bool found;
	Places *entry;
	int used = 0;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	entry = hash_search(places, key, has_waiting ? HASH_ENTER_NULL : HASH_FIND, &found);
	if (entry != NULL)
	{
		if (!found)
			*entry = (Places){.key = *key};
		if (entry->nblocked == nblocked)
		{
			entry->has_waiting = has_waiting;
			entry->first_rank = first_rank;
		}
		else if (has_waiting)
		{
			entry->first_rank = entry->has_waiting ? Min(entry->first_rank, first_rank)
												   : first_rank;
			entry->has_waiting = true;
		}
		used = entry->used;
		forget_places(entry);
	}
	LWLockRelease(&shared->lock);
	return used;
}

bool
inn_slots_are_wanted(const pg_uuid_t *key, int limit)
{
	Places *entry;
	bool are_wanted;

	LWLockAcquire(&shared->lock, LW_SHARED);
	entry = hash_search(places, key, HASH_FIND, NULL);
	are_wanted = entry != NULL ? entry->has_waiting && entry->used < limit
							   : hash_get_num_entries(places) >= INN_MAX_PLACES;
	LWLockRelease(&shared->lock);
	return are_wanted;
}

void
inn_slots_note_freed(const pg_uuid_t *key)
{
	if (nfreed > first_freed && memcmp(&freed[nfreed - 1], key, sizeof(pg_uuid_t)) == 0)
		return;
	if (nfreed == freed_capacity && first_freed >= freed_capacity / 2 && first_freed > 0)
	{
		nfreed -= first_freed;
		memmove(freed, freed + first_freed, nfreed * sizeof(pg_uuid_t));
		first_freed = 0;
	}
	if (nfreed == freed_capacity)
	{
		freed_capacity = Max(64, 2 * freed_capacity);
		freed = freed == NULL
					? MemoryContextAlloc(TopMemoryContext, freed_capacity * sizeof(pg_uuid_t))
					: repalloc_huge(freed, freed_capacity * sizeof(pg_uuid_t));
	}
	freed[nfreed++] = *key;
}

bool
inn_slots_next_freed(pg_uuid_t *key)
{
	if (first_freed == nfreed)
		return false;
	*key = freed[first_freed++];
	return true;
}

bool
inn_slots_are_freed(void)
{
	return nfreed > first_freed;
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
