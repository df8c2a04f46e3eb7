/*-------------------------------------------------------------------------
 *
 * status.c
 *	  The state of the relay in shared memory: one writer, many readers.
 *
 * IDENTIFICATION
 *	  src/relay/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "storage/spin.h"

#include "relay/relay.h"
#include "relay/status.h"

#define NOT_RUNNING "the relay is not running"

typedef struct SharedStatus
{
	slock_t mutex;
	InnRelayStatus status;
} SharedStatus;

static SharedStatus *shared;

Size
inn_relay_shmem_size(void)
{
	return MAXALIGN(sizeof(SharedStatus));
}

void
inn_relay_shmem_init(void)
{
	bool found;

	shared = ShmemInitStruct("inngest relay", sizeof(SharedStatus), &found);
	if (found)
		return;
	memset(shared, 0, sizeof(SharedStatus));
	SpinLockInit(&shared->mutex);
	strlcpy(shared->status.error, NOT_RUNNING, sizeof(shared->status.error));
}

bool
inn_relay_status(InnRelayStatus *out)
{
	if (shared == NULL)
		return false;
	SpinLockAcquire(&shared->mutex);
	*out = shared->status;
	SpinLockRelease(&shared->mutex);
	return true;
}

void
inn_status_set(const char *error, bool is_news)
{
	TimestampTz now = inn_now();

	SpinLockAcquire(&shared->mutex);
	if (is_news)
		shared->status.since = now;
	if (error != NULL)
		shared->status.failures_total++;
	shared->status.is_connected = error == NULL;
	strlcpy(shared->status.error, error == NULL ? "" : error, sizeof(shared->status.error));
	SpinLockRelease(&shared->mutex);
}

void
inn_status_count(int nitems)
{
	SpinLockAcquire(&shared->mutex);
	shared->status.pushed_total += nitems;
	SpinLockRelease(&shared->mutex);
}

void
inn_status_leave(void)
{
	TimestampTz now = inn_now();

	SpinLockAcquire(&shared->mutex);
	shared->status.is_connected = false;
	shared->status.since = now;
	strlcpy(shared->status.error, NOT_RUNNING, sizeof(shared->status.error));
	SpinLockRelease(&shared->mutex);
}
