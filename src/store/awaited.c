/*-------------------------------------------------------------------------
 *
 * awaited.c
 *	  Event names that some pause may be waiting for: a bit for each hash.
 *
 * Bits are only ever set; a restart of the server clears them, and the scheduler sets those of the pauses that there are.  So a name
 * that was awaited once costs its senders a wake-up until then.
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

#include "store/awaited.h"

#define AWAITED_BITS 65536 /* 8 kB */

typedef struct Awaited
{
	pg_atomic_uint32 words[AWAITED_BITS / 32];
} Awaited;

static Awaited *awaited;

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
	for (int i = 0; !found && i < (int) lengthof(awaited->words); i++)
		pg_atomic_init_u32(&awaited->words[i], 0);
}

uint32
inn_awaited_hash(const char *event_name)
{
	return hash_bytes((const unsigned char *) event_name, (int) strlen(event_name)) % AWAITED_BITS;
}

void
inn_awaited_note(const char *event_name)
{
	uint32 hash = inn_awaited_hash(event_name);

	if (awaited == NULL || inn_awaited_test_hash(hash))
		return;
	pg_atomic_fetch_or_u32(&awaited->words[hash / 32], (uint32) 1 << (hash % 32));
}

bool
inn_awaited_test_hash(uint32 hash)
{
	return awaited != NULL &&
		   (pg_atomic_read_u32(&awaited->words[hash / 32]) & ((uint32) 1 << (hash % 32))) != 0;
}
