/*-------------------------------------------------------------------------
 *
 * tide.c
 *	  Low-water marks in shared memory, one for each table and reader.
 *
 * IDENTIFICATION
 *	  src/base/tide.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"

#include "base/claim.h"
#include "base/tide.h"
#include "base/wake.h"

typedef struct Marks
{
	pg_atomic_uint64 lowest[INN_TIDE_COUNT][INN_MAX_WORKERS_PER_ROLE]; /* as int64 */
} Marks;

static Marks *marks;

/* What this transaction brings. */
static bool any;
static int64 noted[INN_TIDE_COUNT];

static void end_transaction(XactEvent event, void *arg);
static void watch_transactions(void);
static void forget(void);
static void lower(pg_atomic_uint64 *mark, int64 position);

Size
inn_tide_shmem_size(void)
{
	return MAXALIGN(sizeof(Marks));
}

void
inn_tide_shmem_init(void)
{
	bool found;

	marks = ShmemInitStruct("inngest tides", sizeof(Marks), &found);
	for (int tide = 0; !found && tide < INN_TIDE_COUNT; tide++)
	{
		for (int reader = 0; reader < INN_MAX_WORKERS_PER_ROLE; reader++)
			pg_atomic_init_u64(&marks->lowest[tide][reader], (uint64) PG_INT64_MIN);
	}
}

void
inn_tide_note(InnTide tide, int64 position)
{
	Assert(tide < INN_TIDE_COUNT);
	if (marks == NULL)
		return;
	watch_transactions();
	any = true;
	noted[tide] = Min(noted[tide], position);
}

void
inn_tide_note_all(void)
{
	for (int tide = 0; tide < INN_TIDE_COUNT; tide++)
		inn_tide_note(tide, PG_INT64_MIN);
}

static void
watch_transactions(void)
{
	static bool is_watching = false;

	if (is_watching)
		return;
	RegisterXactCallback(end_transaction, NULL);
	is_watching = true;
	forget();
}

/* Transaction callback; must not fail.  What a prepared transaction noted is published by COMMIT PREPARED. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		inn_tide_publish();
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		forget();
}

void
inn_tide_publish(void)
{
	/* or whoever looks for it finds it claimed */
	inn_claims_free();
	if (!any)
		return;

	/* Only now: when it was noted the workers may not have been ours yet.  Those that begin later read everything. */
	for (int tide = 0; tide < INN_TIDE_COUNT && MyDatabaseId == inn_wake_database(); tide++)
	{
		if (noted[tide] == PG_INT64_MAX)
			continue;
		for (int reader = 0; reader < INN_MAX_WORKERS_PER_ROLE; reader++)
			lower(&marks->lowest[tide][reader], noted[tide]);
	}
	forget();
}

static void
forget(void)
{
	any = false;
	for (int tide = 0; tide < INN_TIDE_COUNT; tide++)
		noted[tide] = PG_INT64_MAX;
}

static void
lower(pg_atomic_uint64 *mark, int64 position)
{
	uint64 current = pg_atomic_read_u64(mark);

	while (position < (int64) current &&
		   !pg_atomic_compare_exchange_u64(mark, &current, (uint64) position))
		;
}

int64
inn_tide_take(InnTide tide, int reader)
{
	Assert(tide < INN_TIDE_COUNT);
	Assert(reader >= 0 && reader < INN_MAX_WORKERS_PER_ROLE);
	Assert(marks != NULL);

	return (int64) pg_atomic_exchange_u64(&marks->lowest[tide][reader], (uint64) PG_INT64_MAX);
}
