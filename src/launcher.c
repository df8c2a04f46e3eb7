/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The worker that starts the others, restarts what dies, and stops them when the extension goes.
 *
 * The launcher is connected to no database, so it stands in nobody's way: not of DROP DATABASE, and not
 * of a database that does not exist yet.  Whether the extension is installed is found out by the
 * scheduler, which is started first and leaves again if it is not.
 *
 *		UNKNOWN	-> PRESENT, ABSENT	[inn_launcher_report, by the scheduler]
 *		ABSENT	-> UNKNOWN			[probe requested: CREATE or ALTER EXTENSION has committed]
 *		any		-> UNKNOWN			[restart requested: DROP EXTENSION; database changed; hold over]
 *
 * Nothing is polled: who creates or drops the extension tells us (object access hook in inngest.c), and
 * so does the postmaster when a worker starts or ends.
 *
 * A crash of any process resets shared memory and restarts everything, so no state outlives it.
 *
 * IDENTIFICATION
 *	  src/launcher.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/timer.h"
#include "base/wake.h"
#include "launcher.h"
#include "worker.h"

#define RESTART_DELAY_MIN_USEC (INT64CONST(100) * 1000)
#define RESTART_DELAY_MAX_USEC (INT64CONST(30) * USECS_PER_SEC)
#define HEALTHY_AFTER_USEC (INT64CONST(10) * USECS_PER_SEC)
#define NO_SLOT_RETRY_USEC (INT64CONST(10) * USECS_PER_SEC)
#define HOLD_WAIT_MS 10
#define HOLD_WAIT_MAX_MS 10000

typedef enum Presence
{
	PRESENCE_UNKNOWN,
	PRESENCE_PRESENT,
	PRESENCE_ABSENT
} Presence;

typedef struct LauncherShared
{
	pg_atomic_uint32 presence;
	pg_atomic_uint32 probe_requested;
	pg_atomic_uint32 restart_requested;
	pg_atomic_uint64 restore_noted; /* TimestampTz; 0: never */
	pg_atomic_uint32 holds;			/* backends that want no workers now */
} LauncherShared;

/* One place for one worker. */
typedef struct Post
{
	BackgroundWorkerHandle *handle; /* NULL: nobody there */
	bool is_stopping;
	TimestampTz started_at;
	TimestampTz not_before; /* restart delay */
	int64 delay_usec;
} Post;

static LauncherShared *shared;
static Post posts[INN_ROLE_COUNT][INN_MAX_WORKERS_PER_ROLE];
static bool lacks_slots;	/* said so already */
static bool lacks_database; /* said so already */

/* What the current transaction of this backend will request. */
static bool wants_probe;
static bool wants_restart;
static bool is_holding;

PGDLLEXPORT void inngest_launcher_main(Datum arg);

static TimestampTz launch(void);
static bool find_database(void);
static Oid scan_for_database(const char *name);
static int wanted(InnRole role);
static TimestampTz keep_post(InnRole role, int index, bool is_wanted);
static bool is_vacant(Post *post);
static void fill_post(InnRole role, int index, Post *post);
static void stop_all(void);
static void dismiss_all(int code, Datum arg);
static void request_at_xact_end(XactEvent event, void *arg);
static void watch_transactions(void);

Size
inn_launcher_shmem_size(void)
{
	return MAXALIGN(sizeof(LauncherShared));
}

void
inn_launcher_shmem_init(void)
{
	bool found;

	shared = ShmemInitStruct("inngest launcher", sizeof(LauncherShared), &found);
	if (found)
		return;
	pg_atomic_init_u32(&shared->presence, PRESENCE_UNKNOWN);
	pg_atomic_init_u32(&shared->probe_requested, 0);
	pg_atomic_init_u32(&shared->restart_requested, 0);
	pg_atomic_init_u32(&shared->holds, 0);
	pg_atomic_init_u64(&shared->restore_noted, 0);
}

void
inn_launcher_register(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 1,
	};

	strlcpy(worker.bgw_library_name, "inngest", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "inngest_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "inngest launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "inngest launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

void
inngest_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(dismiss_all, (Datum) 0);
	inn_wake_enlist(INN_ROLE_LAUNCHER, 0);
	inn_wake_set_database(InvalidOid);
	pg_atomic_write_u32(&shared->presence, PRESENCE_UNKNOWN);

	for (;;)
	{
		TimestampTz next = launch();

		if (inn_wait((InnWaitSocket){.fd = -1}, next))
			lacks_slots = lacks_database = false;
	}
}

/* Make what runs agree with what should run; returns when to look again. */
static TimestampTz
launch(void)
{
	TimestampTz next = INN_NEVER;
	bool may_run = pg_atomic_read_u32(&shared->holds) == 0;

	if (pg_atomic_exchange_u32(&shared->restart_requested, 0) != 0 || !may_run)
	{
		stop_all();
		pg_atomic_write_u32(&shared->presence, PRESENCE_UNKNOWN);
	}
	/* While the scheduler is still looking, the request stays: it may have looked too early. */
	if (pg_atomic_read_u32(&shared->presence) == PRESENCE_ABSENT &&
		pg_atomic_exchange_u32(&shared->probe_requested, 0) != 0)
		pg_atomic_write_u32(&shared->presence, PRESENCE_UNKNOWN);
	if (may_run)
		may_run = find_database();

	for (int role = INN_ROLE_LAUNCHER + 1; role < INN_ROLE_COUNT; role++)
	{
		int nwanted = may_run ? wanted(role) : 0;

		for (int i = 0; i < INN_MAX_WORKERS_PER_ROLE; i++)
			next = inn_sooner(next, keep_post(role, i, i < nwanted));
	}
	return next;
}

/* Look the database up; when it is another than before, everybody has to move. */
static bool
find_database(void)
{
	Oid database;

	StartTransactionCommand();
	database = scan_for_database(inn_database);
	CommitTransactionCommand();

	if (!OidIsValid(database) && !lacks_database)
		ereport(LOG,
				errmsg("inngest is waiting: database \"%s\" does not exist", inn_database),
				errhint("Create it and run CREATE EXTENSION inngest there, or set \"inngest.database\"."));
	lacks_database = !OidIsValid(database);
	if (database != inn_wake_database())
	{
		stop_all();
		inn_wake_set_database(database);
		pg_atomic_write_u32(&shared->presence, PRESENCE_UNKNOWN);
	}
	return OidIsValid(database);
}

/*
 * pg_database is read from front to back, because that is all that can be relied upon without being
 * connected to a database.
 */
static Oid
scan_for_database(const char *name)
{
	Relation rel = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);
	HeapTuple tuple;
	Oid found = InvalidOid;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(database->datname), name) == 0 && database->datallowconn)
			found = database->oid;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* How many workers of a role there should be. */
static int
wanted(InnRole role)
{
	Presence presence = pg_atomic_read_u32(&shared->presence);

	if (role == INN_ROLE_SCHEDULER)
		return presence == PRESENCE_ABSENT ? 0 : 1;
	if (presence != PRESENCE_PRESENT)
		return 0;

	switch (role)
	{
		case INN_ROLE_HTTP:
			return inn_http_workers;
		case INN_ROLE_API:
			return inn_api_workers;
		case INN_ROLE_EXECUTOR:
			return inn_executors;
		case INN_ROLE_RELAY:
			return inn_redis_is_configured() ? 1 : 0;
		default:
			return 0;
	}
}

/* Fill or vacate a post; returns when to look again. */
static TimestampTz
keep_post(InnRole role, int index, bool is_wanted)
{
	Post *post = &posts[role][index];
	TimestampTz now;

	if (!is_vacant(post))
	{
		if (!is_wanted && !post->is_stopping)
		{
			TerminateBackgroundWorker(post->handle);
			post->is_stopping = true;
		}
		return INN_NEVER;
	}
	/* The scheduler may just have found the extension absent, and left. */
	if (!is_wanted || (role == INN_ROLE_SCHEDULER && wanted(role) == 0))
	{
		/* To leave because there is nothing to do is no failure. */
		post->delay_usec = 0;
		post->not_before = 0;
		return INN_NEVER;
	}

	now = inn_now();
	if (now < post->not_before)
		return post->not_before;
	fill_post(role, index, post);
	return post->handle != NULL ? INN_NEVER : post->not_before;
}

/* Is nobody at this post?  Notes when whoever was there may be replaced. */
static bool
is_vacant(Post *post)
{
	pid_t pid;
	TimestampTz now;

	if (post->handle == NULL)
		return true;
	if (GetBackgroundWorkerPid(post->handle, &pid) != BGWH_STOPPED)
		return false;

	now = inn_now();
	if (post->is_stopping || now - post->started_at > HEALTHY_AFTER_USEC)
		post->delay_usec = 0;
	post->not_before = now + post->delay_usec;
	post->delay_usec =
		Min(Max(2 * post->delay_usec, RESTART_DELAY_MIN_USEC), RESTART_DELAY_MAX_USEC);
	pfree(post->handle);
	post->handle = NULL;
	return true;
}

static void
fill_post(InnRole role, int index, Post *post)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = inn_worker_arg(role, index),
		.bgw_notify_pid = MyProcPid,
	};
	bool registered;

	strlcpy(worker.bgw_library_name, "inngest", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "inngest_worker_main", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "inngest %s", inn_role_name(role));
	strlcpy(worker.bgw_type, worker.bgw_name, BGW_MAXLEN);

	registered = RegisterDynamicBackgroundWorker(&worker, &post->handle);
	MemoryContextSwitchTo(caller);

	post->started_at = inn_now();
	post->is_stopping = false;
	if (registered)
		return;

	post->handle = NULL;
	post->not_before = post->started_at + NO_SLOT_RETRY_USEC;
	if (!lacks_slots)
		ereport(WARNING,
				errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				errmsg("could not start worker \"inngest %s\": too few worker slots",
					   inn_role_name(role)),
				errhint("Raise \"max_worker_processes\", which is %d, and restart the server.",
						max_worker_processes));
	lacks_slots = true;
}

/*
 * Stop everybody and wait until they are gone.  Waiting resets our latch, so the loop is made to look
 * again: what it was to be woken for may have come meanwhile.
 */
static void
stop_all(void)
{
	bool has_waited = false;

	dismiss_all(0, (Datum) 0);
	for (int role = 0; role < INN_ROLE_COUNT; role++)
	{
		for (int i = 0; i < INN_MAX_WORKERS_PER_ROLE; i++)
		{
			Post *post = &posts[role][i];

			if (post->handle == NULL)
				continue;
			if (WaitForBackgroundWorkerShutdown(post->handle) == BGWH_POSTMASTER_DIED)
				proc_exit(1);
			(void) is_vacant(post);
			has_waited = true;
		}
	}
	if (has_waited)
		SetLatch(MyLatch);
}

/* Tell everybody to go; also on our own way out, as a successor would not know them. */
static void
dismiss_all(int code, Datum arg)
{
	for (int role = 0; role < INN_ROLE_COUNT; role++)
	{
		for (int i = 0; i < INN_MAX_WORKERS_PER_ROLE; i++)
		{
			if (posts[role][i].handle != NULL && !posts[role][i].is_stopping)
				TerminateBackgroundWorker(posts[role][i].handle);
			posts[role][i].is_stopping = true;
		}
	}
}

void
inn_launcher_probe_at_commit(void)
{
	watch_transactions();
	wants_probe = true;
}

void
inn_launcher_restart_at_commit(void)
{
	watch_transactions();
	wants_restart = true;
}

static void
watch_transactions(void)
{
	static bool is_watching = false;

	if (!is_watching)
		RegisterXactCallback(request_at_xact_end, NULL);
	is_watching = true;
}

/* Transaction callback; must not fail. */
static void
request_at_xact_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT && shared != NULL && (wants_probe || wants_restart))
	{
		/* What we dropped or made counts only where the workers are or will be. */
		if (MyDatabaseId == inn_wake_database())
		{
			if (wants_restart)
				pg_atomic_write_u32(&shared->restart_requested, 1);
			pg_atomic_write_u32(&shared->probe_requested, 1);
		}
		inn_wake(INN_ROLE_LAUNCHER);
	}
	wants_probe = wants_restart = false;
	if (is_holding)
	{
		pg_atomic_fetch_sub_u32(&shared->holds, 1);
		is_holding = false;
		inn_wake(INN_ROLE_LAUNCHER);
	}
}

void
inn_launcher_hold(void)
{
	Assert(shared != NULL);

	watch_transactions();
	if (is_holding)
		return;
	is_holding = true;
	pg_atomic_fetch_add_u32(&shared->holds, 1);
	inn_wake(INN_ROLE_LAUNCHER);

	for (int waited = 0; waited < HOLD_WAIT_MAX_MS; waited += HOLD_WAIT_MS)
	{
		int nworkers = 0;

		for (int role = INN_ROLE_LAUNCHER + 1; role < INN_ROLE_COUNT; role++)
			nworkers += inn_wake_count(role);
		if (nworkers == 0)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, HOLD_WAIT_MS,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
inn_launcher_note_restore(void)
{
	if (shared != NULL)
		pg_atomic_write_u64(&shared->restore_noted, (uint64) inn_now());
}

TimestampTz
inn_launcher_restore_noted(void)
{
	return (TimestampTz) pg_atomic_read_u64(&shared->restore_noted);
}

void
inn_launcher_report(bool is_installed)
{
	pg_atomic_write_u32(&shared->presence, is_installed ? PRESENCE_PRESENT : PRESENCE_ABSENT);
	inn_wake(INN_ROLE_LAUNCHER);
}
