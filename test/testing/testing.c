/*-------------------------------------------------------------------------
 *
 * testing.c
 *	  The clock that tests set, and the points where they stop processes (base/testing.h).
 *
 * Both are in shared memory, so that all backends and workers see the same.
 *
 * The clock goes on after it was set: it is the system's, shifted.  What is shifted is inn_now(), and with it the times
 * of ULIDs; now() of SQL is not, which is what partitions, retention, bulk cancellations and columns like updated_at go by.
 * Everybody is woken when it is set, because a deadline may have passed.
 *
 * A point exists once it was armed, whether or not the code has one of that name.  It counts who comes, and its generation
 * tells those who wait that they were released even if it is armed again at once.
 *
 * IDENTIFICATION
 *	  test/testing/testing.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/testing.h"
#include "base/timer.h"
#include "base/wake.h"

#define MAX_POINTS 32
#define REACH_TIMEOUT_MS 60000

typedef struct WaitPoint
{
	char name[NAMEDATALEN]; /* empty: free */
	bool is_armed;
	uint32 generation; /* how often it was armed */
	int nreached;	   /* since then */
	ConditionVariable moved;
} WaitPoint;

typedef struct Testing
{
	pg_atomic_uint64 clock_shift; /* as int64 */
	pg_atomic_uint32 narmed;
	slock_t mutex;
	WaitPoint points[MAX_POINTS];
} Testing;

static Testing *testing;

PG_FUNCTION_INFO_V1(inngest_testing_set_time);
PG_FUNCTION_INFO_V1(inngest_testing_advance);
PG_FUNCTION_INFO_V1(inngest_testing_real_time);
PG_FUNCTION_INFO_V1(inngest_testing_now);
PG_FUNCTION_INFO_V1(inngest_testing_arm);
PG_FUNCTION_INFO_V1(inngest_testing_wait_until_reached);
PG_FUNCTION_INFO_V1(inngest_testing_release);

static Testing *shared(void);
static void shift_clock(int64 shift_usec);
static WaitPoint *find_point(const char *name);
static WaitPoint *point_of(text *name_text);

Size
inn_testing_shmem_size(void)
{
	return MAXALIGN(sizeof(Testing));
}

void
inn_testing_shmem_init(void)
{
	bool found;

	testing = ShmemInitStruct("inngest testing", sizeof(Testing), &found);
	if (found)
		return;
	memset(testing, 0, sizeof(Testing));
	pg_atomic_init_u64(&testing->clock_shift, 0);
	pg_atomic_init_u32(&testing->narmed, 0);
	SpinLockInit(&testing->mutex);
	for (int i = 0; i < MAX_POINTS; i++)
		ConditionVariableInit(&testing->points[i].moved);
}

static Testing *
shared(void)
{
	if (testing == NULL)
		elog(ERROR, "the library was not preloaded");
	return testing;
}

/* ---- the clock ---- */

int64
inn_testing_clock_shift(void)
{
	return testing == NULL ? 0 : (int64) pg_atomic_read_u64(&testing->clock_shift);
}

/* set_time(to): it is that time now */
Datum
inngest_testing_set_time(PG_FUNCTION_ARGS)
{
	shift_clock(PG_GETARG_TIMESTAMPTZ(0) - inn_now_real());
	PG_RETURN_TIMESTAMPTZ(inn_now());
}

/* advance(by) */
Datum
inngest_testing_advance(PG_FUNCTION_ARGS)
{
	TimestampTz now = inn_now();
	TimestampTz then = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(0)));

	shift_clock(inn_testing_clock_shift() + then - now);
	PG_RETURN_TIMESTAMPTZ(inn_now());
}

/* real_time(): as the system says again */
Datum
inngest_testing_real_time(PG_FUNCTION_ARGS)
{
	shift_clock(0);
	PG_RETURN_TIMESTAMPTZ(inn_now());
}

Datum
inngest_testing_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(inn_now());
}

static void
shift_clock(int64 shift_usec)
{
	pg_atomic_write_u64(&shared()->clock_shift, (uint64) shift_usec);
	for (int role = 0; role < INN_ROLE_COUNT; role++)
		inn_wake(role);
}

/* ---- wait-points ---- */

void
inn_testing_wait_point(const char *name)
{
	WaitPoint *point;
	uint32 generation = 0;
	bool is_held;

	if (testing == NULL || pg_atomic_read_u32(&testing->narmed) == 0)
		return;
	SpinLockAcquire(&testing->mutex);
	point = find_point(name);
	is_held = point != NULL && point->is_armed;
	if (is_held)
	{
		generation = point->generation;
		point->nreached++;
	}
	SpinLockRelease(&testing->mutex);
	if (!is_held)
		return;

	ConditionVariableBroadcast(&point->moved);
	ConditionVariablePrepareToSleep(&point->moved);
	while (is_held)
	{
		ConditionVariableSleep(&point->moved, PG_WAIT_EXTENSION);
		SpinLockAcquire(&testing->mutex);
		is_held = point->is_armed && point->generation == generation;
		SpinLockRelease(&testing->mutex);
	}
	ConditionVariableCancelSleep();

	/* Whoever has set it meanwhile did not do so for us. */
	SetLatch(MyLatch);
}

/* arm(name): who comes there from now on stays */
Datum
inngest_testing_arm(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	WaitPoint *point;

	if (strlen(name) >= NAMEDATALEN || *name == '\0')
		elog(ERROR, "not a name of a wait-point: \"%s\"", name);
	(void) shared();
	SpinLockAcquire(&testing->mutex);
	point = find_point(name);
	if (point == NULL)
		point = find_point("");
	if (point != NULL)
	{
		strlcpy(point->name, name, NAMEDATALEN);
		if (!point->is_armed)
			pg_atomic_fetch_add_u32(&testing->narmed, 1);
		point->is_armed = true;
		point->generation++;
		point->nreached = 0;
	}
	SpinLockRelease(&testing->mutex);
	if (point == NULL)
		elog(ERROR, "there are %d wait-points already", MAX_POINTS);
	ConditionVariableBroadcast(&point->moved);
	PG_RETURN_VOID();
}

/* wait_until_reached(name, how_often): wait until so many have come since it was armed */
Datum
inngest_testing_wait_until_reached(PG_FUNCTION_ARGS)
{
	WaitPoint *point = point_of(PG_GETARG_TEXT_PP(0));
	int wanted = PG_GETARG_INT32(1);
	int nreached;

	ConditionVariablePrepareToSleep(&point->moved);
	for (;;)
	{
		SpinLockAcquire(&testing->mutex);
		nreached = point->nreached;
		SpinLockRelease(&testing->mutex);
		if (nreached >= wanted)
			break;
		if (ConditionVariableTimedSleep(&point->moved, REACH_TIMEOUT_MS, PG_WAIT_EXTENSION))
			elog(ERROR, "wait-point \"%s\" was reached %d times", point->name, nreached);
	}
	ConditionVariableCancelSleep();
	PG_RETURN_INT32(nreached);
}

/* release(name): let all go on who are there, and nobody stay any more */
Datum
inngest_testing_release(PG_FUNCTION_ARGS)
{
	WaitPoint *point = point_of(PG_GETARG_TEXT_PP(0));

	SpinLockAcquire(&testing->mutex);
	if (point->is_armed)
		pg_atomic_fetch_sub_u32(&testing->narmed, 1);
	point->is_armed = false;
	SpinLockRelease(&testing->mutex);
	ConditionVariableBroadcast(&point->moved);
	PG_RETURN_VOID();
}

static WaitPoint *
find_point(const char *name)
{
	for (int i = 0; i < MAX_POINTS; i++)
	{
		if (strcmp(testing->points[i].name, name) == 0)
			return &testing->points[i];
	}
	return NULL;
}

static WaitPoint *
point_of(text *name_text)
{
	const char *name = text_to_cstring(name_text);
	WaitPoint *point;

	(void) shared();
	SpinLockAcquire(&testing->mutex);
	point = find_point(name);
	SpinLockRelease(&testing->mutex);
	if (point == NULL)
		elog(ERROR, "wait-point \"%s\" was never armed", name);
	return point;
}
