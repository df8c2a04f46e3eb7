/*-------------------------------------------------------------------------
 *
 * awaited.c
 *	  Event names that some pause may be waiting for: a bit for each hash, and one for each pair of a name and a path.
 *
 * Bits are only ever set; a restart of the server clears them, and the scheduler sets those of the pauses that there are.  So a name
 * that was awaited once costs its senders a wake-up until then.
 *
 * Paths are few, because they are written in the code of functions.  They are kept here, because to find them in inngest.pauses one
 * would have to go over all rows that were deleted while a transaction stays open.
 *
 * IDENTIFICATION
 *	  src/store/awaited.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "store/awaited.h"

#define AWAITED_BITS 65536 /* 8 kB */

/* Paths that are kept, and the longest. */
#ifdef INN_TESTING
#define MAX_PATHS 2
#else
#define MAX_PATHS 256
#endif
#define PATH_SIZE 128

typedef struct Awaited
{
	pg_atomic_uint32 words[AWAITED_BITS / 32];
	slock_t lock;			  /* of who adds a path */
	pg_atomic_uint32 npaths;  /* those are written, and never change */
	pg_atomic_uint32 is_full; /* a path was not kept */
	char paths[MAX_PATHS][PATH_SIZE];
} Awaited;

static Awaited *awaited;

static bool is_kept(const char *path, uint32 first, uint32 end);
static void keep_path(const char *path);
static void set_bit(uint32 hash);
static uint32 hash_of(const char *event_name, const char *path);

Size
inn_awaited_shmem_size(void)
{
	return MAXALIGN(sizeof(Awaited));
}

void
inn_awaited_shmem_init(void)
{
	bool found;

	awaited = ShmemInitStruct("inngest awaited events", sizeof(Awaited), &found);
	if (found)
		return;
	for (int i = 0; i < (int) lengthof(awaited->words); i++)
		pg_atomic_init_u32(&awaited->words[i], 0);
	SpinLockInit(&awaited->lock);
	pg_atomic_init_u32(&awaited->npaths, 0);
	pg_atomic_init_u32(&awaited->is_full, 0);
}

void
inn_awaited_note(const char *event_name, const char *path)
{
	if (awaited == NULL)
		return;
	if (path != NULL)
	{
		keep_path(path);
		set_bit(hash_of(event_name, path));
	}
	set_bit(inn_awaited_hash(event_name));
}

static void
keep_path(const char *path)
{
	uint32 seen = pg_atomic_read_u32(&awaited->npaths);
	uint32 npaths;

	pg_read_barrier();
	if (is_kept(path, 0, seen))
		return;
	SpinLockAcquire(&awaited->lock);
	npaths = pg_atomic_read_u32(&awaited->npaths);
	if (is_kept(path, seen, npaths))
		;
	else if (npaths == MAX_PATHS || strlen(path) >= PATH_SIZE)
		pg_atomic_write_u32(&awaited->is_full, 1);
	else
	{
		strcpy(awaited->paths[npaths], path);
		pg_write_barrier();
		pg_atomic_write_u32(&awaited->npaths, npaths + 1);
	}
	SpinLockRelease(&awaited->lock);
}

static bool
is_kept(const char *path, uint32 first, uint32 end)
{
	for (uint32 i = first; i < end; i++)
	{
		if (strcmp(awaited->paths[i], path) == 0)
			return true;
	}
	return false;
}

static void
set_bit(uint32 hash)
{
	if (!inn_awaited_test_hash(hash))
		pg_atomic_fetch_or_u32(&awaited->words[hash / 32], (uint32) 1 << (hash % 32));
}

char **
inn_awaited_paths(const char *event_name, int *count)
{
	Awaited *kept = awaited;
	char **paths;
	uint32 npaths;

	*count = 0;
	if (kept == NULL || pg_atomic_read_u32(&kept->is_full) != 0)
		return NULL;
	npaths = pg_atomic_read_u32(&kept->npaths);
	pg_read_barrier();
	paths = palloc(Max(npaths, 1) * sizeof(char *));
	for (uint32 i = 0; i < npaths; i++)
	{
		if (inn_awaited_test_hash(hash_of(event_name, kept->paths[i])))
			paths[(*count)++] = kept->paths[i];
	}
	return paths;
}

uint32
inn_awaited_hash(const char *event_name)
{
	return hash_of(event_name, "");
}

static uint32
hash_of(const char *event_name, const char *path)
{
	return hash_combine(hash_bytes((const unsigned char *) event_name, (int) strlen(event_name)),
						hash_bytes((const unsigned char *) path, (int) strlen(path))) %
		   AWAITED_BITS;
}

bool
inn_awaited_test_hash(uint32 hash)
{
	return awaited != NULL &&
		   (pg_atomic_read_u32(&awaited->words[hash / 32]) & ((uint32) 1 << (hash % 32))) != 0;
}
