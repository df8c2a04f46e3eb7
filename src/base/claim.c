/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Try-locks in shared open-addressing tables, one for each kind.
 *
 * A slot holds the key that is claimed, 0 if none, and who claimed it.  A key may only sit in the few
 * slots that follow its hash; if they are all taken by others, the claim is refused, which is always
 * allowed.  Taking is a compare-and-swap; only the owner frees.
 *
 * Two transactions could take the same key in two different slots if the first freed an earlier slot in
 * between; so a key is looked for in all its slots after it was put in one, and withdrawn if another has
 * it too.  Both may withdraw; that is a refusal, too.
 *
 * Claims are freed when the transaction has become visible or has gone (XACT_EVENT_COMMIT follows
 * ProcArrayEndTransaction), so whoever gets the claim next sees what its last holder did.  A prepared
 * transaction could not keep its claims until then.  Of event ids it frees them when it is prepared: the
 * unique index still makes later ones wait.  Of runs there is nothing else that keeps workers from waiting
 * for a row for as long as somebody likes, so such a transaction cannot be prepared.
 *
 * IDENTIFICATION
 *	  src/base/claim.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "base/claim.h"

#define CLAIM_SLOTS 65536 /* of a kind; a power of two; 1 MB */
#define CLAIM_PROBES 8
#define CLAIMS_PER_TRANSACTION (CLAIM_SLOTS / 8)

typedef struct ClaimSlot
{
	pg_atomic_uint64 key;	/* 0: free */
	pg_atomic_uint64 owner; /* pid of the claimant; meaningful to itself only */
} ClaimSlot;

static ClaimSlot *slots;

/* Slots that this transaction holds. */
static int *held;
static int nheld;
static int nheld_of[INN_CLAIM_KINDS];
static int held_capacity;

static bool holds_elsewhere(InnClaimKind kind, uint64 key, int mine);
static int slot_of(InnClaimKind kind, uint64 key, int probe);
static void make_room(void);
static void end_transaction(XactEvent event, void *arg);

Size
inn_claim_shmem_size(void)
{
	return MAXALIGN(sizeof(ClaimSlot) * CLAIM_SLOTS * INN_CLAIM_KINDS);
}

void
inn_claim_shmem_init(void)
{
	bool found;

	slots = ShmemInitStruct("inngest claims", inn_claim_shmem_size(), &found);
	for (int i = 0; !found && i < CLAIM_SLOTS * INN_CLAIM_KINDS; i++)
	{
		pg_atomic_init_u64(&slots[i].key, 0);
		pg_atomic_init_u64(&slots[i].owner, 0);
	}
}

bool
inn_claim_try(InnClaimKind kind, uint64 key)
{
	if (slots == NULL)
		return true;
	if (key == 0)
		key = 1;

	for (int i = 0; i < CLAIM_PROBES; i++)
	{
		ClaimSlot *slot = &slots[slot_of(kind, key, i)];

		if (pg_atomic_read_u64(&slot->key) == key &&
			pg_atomic_read_u64(&slot->owner) == (uint64) MyProcPid)
			return true;
	}

	/* One transaction must not take all there is. */
	if (nheld_of[kind] == CLAIMS_PER_TRANSACTION)
		return false;

	/* Room to remember it first: nothing may fail while a slot is ours and unknown. */
	make_room();

	for (int i = 0; i < CLAIM_PROBES; i++)
	{
		int slot = slot_of(kind, key, i);
		uint64 expected = 0;

		if (pg_atomic_read_u64(&slots[slot].key) == key)
			return false;
		if (!pg_atomic_compare_exchange_u64(&slots[slot].key, &expected, key))
			continue;

		pg_atomic_write_u64(&slots[slot].owner, (uint64) MyProcPid);
		pg_memory_barrier();
		if (holds_elsewhere(kind, key, slot))
		{
			pg_atomic_write_u64(&slots[slot].owner, 0);
			pg_atomic_write_u64(&slots[slot].key, 0);
			return false;
		}
		held[nheld++] = slot;
		nheld_of[kind]++;
		return true;
	}
	return false;
}

static bool
holds_elsewhere(InnClaimKind kind, uint64 key, int mine)
{
	for (int i = 0; i < CLAIM_PROBES; i++)
	{
		int slot = slot_of(kind, key, i);

		if (slot != mine && pg_atomic_read_u64(&slots[slot].key) == key)
			return true;
	}
	return false;
}

static int
slot_of(InnClaimKind kind, uint64 key, int probe)
{
	return (int) kind * CLAIM_SLOTS + (int) ((key + probe) % CLAIM_SLOTS);
}

/* Have room for one more held slot, and see to it that all are freed in time. */
static void
make_room(void)
{
	if (held == NULL)
	{
		held_capacity = 64;
		held = MemoryContextAlloc(TopMemoryContext, held_capacity * sizeof(int));
		RegisterXactCallback(end_transaction, NULL);
	}
	else if (nheld == held_capacity)
	{
		held = repalloc(held, 2 * held_capacity * sizeof(int));
		held_capacity *= 2;
	}
}

/* Transaction callback; must not fail but before the end. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_PREPARE && nheld_of[INN_CLAIM_RUN] > 0)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("cannot prepare a transaction that has operated on runs of inngest"),
				errdetail("Workers would wait for it until it is committed or rolled back."),
				errhint("Cancel runs in a transaction that ends with COMMIT."));
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		inn_claims_free();
}

void
inn_claims_free(void)
{
	for (int i = 0; i < nheld; i++)
	{
		pg_atomic_write_u64(&slots[held[i]].owner, 0);
		pg_memory_barrier();
		pg_atomic_write_u64(&slots[held[i]].key, 0);
	}
	nheld = 0;
	memset(nheld_of, 0, sizeof(nheld_of));
}
