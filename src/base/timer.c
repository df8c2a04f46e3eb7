/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  The clock and the sleep of all workers.
 *
 * The wait event set is built once and kept: a worker watches its latch, the postmaster and at most
 * one file descriptor (the epoll fd of libmicrohttpd, or the Redis socket).  It is rebuilt when that
 * descriptor changes.
 *
 * IDENTIFICATION
 *	  src/base/timer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/testing.h"
#include "base/timer.h"

/* WaitEventSetWait takes an int of milliseconds; nobody minds being woken once an hour. */
#define MAX_SLEEP_MS (60 * 60 * 1000)

/* The clock may be set, or the machine be suspended, and the sleep knows nothing of it: so often the clock is looked at. */
#define LOOK_AT_CLOCK_MS (10 * 1000)

static WaitEventSet *wait_set;
static int wait_fd = -1;
static int wait_fd_position;
static uint32 wait_fd_events;

static void watch(InnWaitSocket socket);
static long timeout_until(TimestampTz until);

TimestampTz
inn_now(void)
{
	return inn_from_real(inn_now_real());
}

TimestampTz
inn_now_real(void)
{
	return GetCurrentTimestamp();
}

TimestampTz
inn_from_real(TimestampTz when)
{
#ifdef INN_TESTING
	if (!TIMESTAMP_NOT_FINITE(when))
		when += inn_testing_clock_shift();
#endif
	return when;
}

int64
inn_unix_ms(TimestampTz when)
{
	return when / 1000 + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
}

TimestampTz
inn_from_unix_ms(int64 unix_ms)
{
	return (unix_ms - (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000) *
		   1000;
}

bool
inn_should_stop(void)
{
	return ProcDiePending || ShutdownRequestPending;
}

bool
inn_wait(InnWaitSocket socket, TimestampTz until)
{
	WaitEvent events[3];
	long slept_ms = 0;
	int nevents;

	Assert(!IsTransactionState());

	watch(socket);
	do
	{
		long sleep_ms = timeout_until(until);

		if (until != INN_NEVER)
			sleep_ms = Min(sleep_ms, LOOK_AT_CLOCK_MS);
		nevents = WaitEventSetWait(wait_set, sleep_ms, events, lengthof(events), PG_WAIT_EXTENSION);
		slept_ms += sleep_ms;
	} while (nevents == 0 && slept_ms < MAX_SLEEP_MS && inn_now() < until);
	ResetLatch(MyLatch);

	/* An idle worker that is told to go leaves quietly.  Code 0 means for good, so not the launcher. */
	if (inn_should_stop())
		proc_exit(MyBgworkerEntry->bgw_restart_time == BGW_NEVER_RESTART ? 0 : 1);
	/* There is nothing to cancel in a worker that sleeps. */
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();

	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

void
inn_nap(int64 usec)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (long) Max(usec / 1000, 1), PG_WAIT_EXTENSION);

	/* Whatever it was set for is looked at by who waits in the loop of a worker, who looks before he sleeps. */
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
inn_wait_forget_socket(void)
{
	if (wait_set != NULL && wait_fd >= 0)
	{
		FreeWaitEventSet(wait_set);
		wait_set = NULL;
	}
}

/* Have wait_set watch this socket, and only this. */
static void
watch(InnWaitSocket socket)
{
	uint32 events = WL_SOCKET_READABLE | (socket.for_write ? WL_SOCKET_WRITEABLE : 0);

	if (wait_set != NULL && socket.fd == wait_fd)
	{
		if (wait_fd >= 0 && events != wait_fd_events)
			ModifyWaitEvent(wait_set, wait_fd_position, events, NULL);
		wait_fd_events = events;
		return;
	}

	if (wait_set != NULL)
		FreeWaitEventSet(wait_set);
	wait_set = inn_create_wait_event_set(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	if (socket.fd >= 0)
		wait_fd_position = AddWaitEventToSet(wait_set, events, socket.fd, NULL, NULL);
	wait_fd = socket.fd;
	wait_fd_events = events;
}

static long
timeout_until(TimestampTz until)
{
	TimestampTz now = inn_now();

	if (until <= now)
		return 0;
	return Min((until - now) / 1000 + 1, MAX_SLEEP_MS);
}
