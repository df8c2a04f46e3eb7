/*-------------------------------------------------------------------------
 *
 * wake.c
 *	  The roster of workers, and waking them at commit.
 *
 * Each role has a fixed row of slots; a slot holds the latch of the worker that sits in it and the time
 * until which it sleeps.  Latches belong to PGPROC entries, which live as long as the shared memory, so
 * setting the latch of a worker that has just gone is harmless.
 *
 * A wish to wake is remembered per backend and carried out by a transaction callback: at commit, or
 * forgotten at abort.  A wish from a subtransaction that was rolled back wakes somebody for nothing.
 *
 * No wake-up is lost: a worker publishes INN_NEVER before it looks for work and the real time before it
 * sleeps; whoever commits in between finds a sleeper "until never" and sets its latch.
 *
 * IDENTIFICATION
 *	  src/base/wake.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "base/tide.h"
#include "base/timer.h"
#include "base/wake.h"

typedef struct RosterSlot
{
	pg_atomic_uint64 latch;		   /* Latch *, 0: nobody here */
	pg_atomic_uint64 sleeps_until; /* TimestampTz; DT_NOBEGIN: do not wake me */
	pg_atomic_uint64 received;	   /* wake-ups so far */
} RosterSlot;

typedef struct Roster
{
	pg_atomic_uint32 database;
	RosterSlot slots[INN_ROLE_COUNT][INN_MAX_WORKERS_PER_ROLE];
} Roster;

/* What the current transaction wants to wake: the earliest due time per role. */
typedef struct Wishes
{
	bool any;
	TimestampTz due_at[INN_ROLE_COUNT];
} Wishes;

static Roster *roster;
static RosterSlot *my_slot;
static Wishes wishes;
static bool callback_registered;

static void carry_out_wishes(XactEvent event, void *arg);
static void forget_wishes(void);
static void leave_roster(int code, Datum arg);
static void wake_sleepers(InnRole role, TimestampTz due_at);

const char *
inn_role_name(InnRole role)
{
	static const char *const names[] = {
#define INN_ROLE_NAME(name, text) text,
		INN_ROLE_TABLE(INN_ROLE_NAME)
#undef INN_ROLE_NAME
	};

	Assert(role < INN_ROLE_COUNT);
	return names[role];
}

Size
inn_wake_shmem_size(void)
{
	return MAXALIGN(sizeof(Roster));
}

void
inn_wake_shmem_init(void)
{
	bool found;

	roster = ShmemInitStruct("inngest roster", sizeof(Roster), &found);
	if (found)
		return;

	pg_atomic_init_u32(&roster->database, InvalidOid);
	for (int role = 0; role < INN_ROLE_COUNT; role++)
	{
		for (int i = 0; i < INN_MAX_WORKERS_PER_ROLE; i++)
		{
			pg_atomic_init_u64(&roster->slots[role][i].latch, 0);
			pg_atomic_init_u64(&roster->slots[role][i].sleeps_until, (uint64) INN_NEVER);
			pg_atomic_init_u64(&roster->slots[role][i].received, 0);
		}
	}
}

void
inn_wake_enlist(InnRole role, int index)
{
	Assert(roster != NULL);
	Assert(my_slot == NULL);
	Assert(index >= 0 && index < INN_MAX_WORKERS_PER_ROLE);

	my_slot = &roster->slots[role][index];
	pg_atomic_write_u64(&my_slot->sleeps_until, (uint64) INN_NEVER);
	pg_atomic_write_u64(&my_slot->latch, (uint64) (uintptr_t) MyLatch);
	before_shmem_exit(leave_roster, (Datum) 0);
}

static void
leave_roster(int code, Datum arg)
{
	uint64 mine = (uint64) (uintptr_t) MyLatch;

	/* A successor may sit in the slot already. */
	(void) pg_atomic_compare_exchange_u64(&my_slot->latch, &mine, 0);
	my_slot = NULL;
}

void
inn_wake(InnRole role)
{
	wake_sleepers(role, DT_NOBEGIN);
}

void
inn_wake_at_commit(InnRole role)
{
	inn_wake_at_commit_for(role, DT_NOBEGIN);
}

void
inn_wake_at_commit_for(InnRole role, TimestampTz due_at)
{
	if (roster == NULL)
		return;

	if (!callback_registered)
	{
		RegisterXactCallback(carry_out_wishes, NULL);
		callback_registered = true;
		forget_wishes();
	}
	wishes.any = true;
	wishes.due_at[role] = inn_sooner(wishes.due_at[role], due_at);
}

void
inn_wake_sleeping_until(TimestampTz until)
{
	if (my_slot != NULL)
	{
		pg_atomic_write_u64(&my_slot->sleeps_until, (uint64) until);
		pg_memory_barrier();
	}
}

uint64
inn_wake_received(void)
{
	return my_slot == NULL ? 0 : pg_atomic_read_u64(&my_slot->received);
}

Oid
inn_wake_database(void)
{
	return roster == NULL ? InvalidOid : (Oid) pg_atomic_read_u32(&roster->database);
}

void
inn_wake_set_database(Oid database)
{
	Assert(roster != NULL);
	pg_atomic_write_u32(&roster->database, database);
}

int
inn_wake_count(InnRole role)
{
	int count = 0;

	for (int i = 0; roster != NULL && i < INN_MAX_WORKERS_PER_ROLE; i++)
		count += pg_atomic_read_u64(&roster->slots[role][i].latch) != 0;
	return count;
}

/* Transaction callback; must not fail. */
static void
carry_out_wishes(XactEvent event, void *arg)
{
	/*
	 * A prepared transaction commits in another backend, which does not know our wishes; there
	 * everybody is woken (see inngest.c).
	 */
	if (!wishes.any || event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_PARALLEL_PRE_COMMIT)
		return;

	if (event == XACT_EVENT_COMMIT)
	{
		/* Whoever is woken looks for what this transaction has brought (base/tide.h). */
		inn_tide_publish();
		for (int role = 0; role < INN_ROLE_COUNT && MyDatabaseId == inn_wake_database(); role++)
		{
			if (wishes.due_at[role] != INN_NEVER)
				wake_sleepers(role, wishes.due_at[role]);
		}
	}
	forget_wishes();
}

static void
forget_wishes(void)
{
	wishes.any = false;
	for (int role = 0; role < INN_ROLE_COUNT; role++)
		wishes.due_at[role] = INN_NEVER;
}

/* Set the latch of everybody in the role who would sleep beyond due_at. */
static void
wake_sleepers(InnRole role, TimestampTz due_at)
{
	if (roster == NULL)
		return;

	pg_memory_barrier();
	for (int i = 0; i < INN_MAX_WORKERS_PER_ROLE; i++)
	{
		RosterSlot *slot = &roster->slots[role][i];
		Latch *latch = (Latch *) (uintptr_t) pg_atomic_read_u64(&slot->latch);

		if (latch != NULL && due_at < (TimestampTz) pg_atomic_read_u64(&slot->sleeps_until))
		{
			pg_atomic_fetch_add_u64(&slot->received, 1);
			SetLatch(latch);
		}
	}
}
