/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  Expressions of triggers that failed: counted by senders, written down by the scheduler.
 *
 * Senders must not wait for each other, so they do not write the row that counts; they add to a small table in
 * shared memory, under a lock that is held for a moment.  The scheduler empties it into
 * inngest.trigger_faults.  A crash forgets what was not yet written: it is an observation, not a promise.
 *
 * IDENTIFICATION
 *	  src/match/faults.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/timer.h"
#include "base/wake.h"
#include "match/faults.h"

/* Triggers that may fail between two visits of the scheduler. */
#define FAULTS_MAX 256

#define STORE_INTERVAL_USEC USECS_PER_SEC

typedef struct FaultTable
{
	int tranche;
	LWLock lock;
	int count;
	int64 nomitted; /* for which there was no room */
	InnTriggerFault faults[FAULTS_MAX];
} FaultTable;

static FaultTable *table; /* NULL: the library was not preloaded, and nobody would fetch them */

static TimestampTz stored_at = DT_NOBEGIN;

static bool count_fault(const InnTrigger *trigger, const char *message);
static int take(InnTriggerFault *faults, int64 *nomitted);

Size
inn_trigger_faults_shmem_size(void)
{
	return MAXALIGN(sizeof(FaultTable));
}

void
inn_trigger_faults_shmem_init(void)
{
	bool found;

	table = ShmemInitStruct("inngest trigger faults", inn_trigger_faults_shmem_size(), &found);
	if (!found)
	{
		memset(table, 0, sizeof(FaultTable));
		table->tranche = LWLockNewTrancheId();
		LWLockInitialize(&table->lock, table->tranche);
	}
	LWLockRegisterTranche(table->tranche, "inngest_trigger_faults");
}

void
inn_trigger_fault_note(const InnTrigger *trigger, const char *message)
{
	bool is_first;

	if (table == NULL)
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	is_first = count_fault(trigger, message);
	LWLockRelease(&table->lock);
	if (is_first)
		inn_wake(INN_ROLE_SCHEDULER);
}

/* True if the table was empty. */
static bool
count_fault(const InnTrigger *trigger, const char *message)
{
	InnTriggerFault *fault = table->faults;
	InnTriggerFault *end = table->faults + table->count;

	while (fault < end && (fault->position != trigger->position ||
						   fault->function_version != trigger->function.version ||
						   memcmp(&fault->function_id, &trigger->function.id, UUID_LEN) != 0))
		fault++;
	if (fault == end)
	{
		if (table->count == FAULTS_MAX)
		{
			table->nomitted++;
			return false;
		}
		table->count++;
		*fault = (InnTriggerFault){
			.function_id = trigger->function.id,
			.function_version = trigger->function.version,
			.position = trigger->position,
		};
	}
	fault->count++;
	fault->last_at = inn_now();
	strlcpy(fault->message, message, sizeof(fault->message));
	return table->count == 1 && fault->count == 1;
}

TimestampTz
inn_trigger_faults_due(void)
{
	if (table == NULL || table->count == 0)
		return INN_NEVER;
	return stored_at <= inn_now() ? stored_at + STORE_INTERVAL_USEC : inn_now();
}

void
inn_trigger_faults_store(void)
{
	InnTriggerFault *faults = palloc(FAULTS_MAX * sizeof(InnTriggerFault));
	int64 nomitted;
	int count = take(faults, &nomitted);

	stored_at = inn_now();
	inn_triggers_put_faults(faults, count);
	if (nomitted > 0)
		ereport(LOG,
				errmsg("inngest: the expressions of more than %d triggers failed; " INT64_FORMAT
					   " failures were not counted",
					   FAULTS_MAX, nomitted));
}

static int
take(InnTriggerFault *faults, int64 *nomitted)
{
	int count;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	count = table->count;
	*nomitted = table->nomitted;
	memcpy(faults, table->faults, count * sizeof(InnTriggerFault));
	table->count = 0;
	table->nomitted = 0;
	LWLockRelease(&table->lock);
	return count;
}
