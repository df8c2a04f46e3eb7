/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  What all workers have in common: signals, connection, identity, and the loop.
 *
 * A turn of the loop (a tick) does everything that is ready and says when to be called again; then the
 * worker sleeps until that time, a wake-up or its socket.  No transaction is open between ticks.
 *
 * An ERROR in a tick is reported, the transaction rolled back, and the tick tried again after a delay
 * that doubles as long as it fails.  Whatever the tick had begun is still to be done: in the tables, or
 * in the role's own memory, which its recover function puts in order.  A wake-up does not wait for that
 * delay, because it may be what mends it; but who goes on failing is deaf for a moment each time, or every
 * event of a busy server would be a try and a line in the log.
 *
 * Workers connect as the bootstrap user, because PostgreSQL 15 lets no NOLOGIN role connect, and become
 * inngest_engine before they touch anything.
 *
 * IDENTIFICATION
 *	  src/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/timer.h"
#include "base/wake.h"
#include "executor.h"
#include "http/api_worker.h"
#include "http/http_worker.h"
#include "launcher.h"
#include "relay/relay.h"
#include "restore.h"
#include "scheduler.h"
#include "worker.h"

/*
 * What malloc keeps between ticks.  By default it returns and fetches again everything above 128 kB, which
 * under load costs page faults in each tick; a bound of its own keeps the worker small, too.
 */
#define KEPT_MEMORY_BYTES (1024 * 1024)

/* Seconds without a trace of a restore after which it is over. */
#define RESTORE_CLEAR_POLLS 3
#define RESTORE_RECENT_USEC (INT64CONST(60) * USECS_PER_SEC)

#define RETRY_DELAY_MIN_USEC (INT64CONST(100) * 1000)
#define RETRY_DELAY_MAX_USEC (INT64CONST(30) * USECS_PER_SEC)

typedef struct RoleMethods
{
	void (*init)(int index);			/* once; worker memory context */
	InnWaitSocket (*socket)(void);		/* NULL: none */
	TimestampTz (*tick)(bool reloaded); /* tick memory context; when to be called again */
	void (*recover)(void);				/* after an ERROR; may be NULL */
	bool (*is_deaf)(void);				/* need not hear of commits now; NULL: never */
} RoleMethods;

static void init_relay(int index);
static TimestampTz tick_relay(bool reloaded);

static const RoleMethods methods[INN_ROLE_COUNT] = {
	[INN_ROLE_SCHEDULER] = {.tick = inn_scheduler_tick},
	[INN_ROLE_HTTP] =
		{
			.init = inn_http_init,
			.socket = inn_http_socket,
			.tick = inn_http_tick,
			.recover = inn_http_recover,
			.is_deaf = inn_http_is_deaf,
		},
	[INN_ROLE_API] =
		{
			.init = inn_api_worker_init,
			.tick = inn_api_worker_tick,
			.recover = inn_api_worker_recover,
		},
	[INN_ROLE_EXECUTOR] =
		{
			.init = inn_executor_init,
			.socket = inn_executor_socket,
			.tick = inn_executor_tick,
			.recover = inn_executor_recover,
		},
	[INN_ROLE_RELAY] =
		{
			.init = init_relay,
			.socket = inn_relay_socket,
			.tick = tick_relay,
			.recover = inn_relay_recover,
			.is_deaf = inn_relay_is_deaf,
		},
};

PGDLLEXPORT void inngest_worker_main(Datum arg);

static void connect_as_engine(InnRole role);
static void outwait_restore(void);
static bool become_engine(void);
static void settle_in(InnRole role);
pg_noreturn static void run_loop(const RoleMethods *role, MemoryContext tick_context);
static void give_back_memory(void);
static TimestampTz safe_tick(const RoleMethods *role, MemoryContext tick_context, bool reloaded);
static void report(const ErrorData *error);
static bool is_installed(void);

Datum
inn_worker_arg(InnRole role, int index)
{
	return Int32GetDatum(role * INN_MAX_WORKERS_PER_ROLE + index);
}

void
inngest_worker_main(Datum arg)
{
	InnRole role = DatumGetInt32(arg) / INN_MAX_WORKERS_PER_ROLE;
	int index = DatumGetInt32(arg) % INN_MAX_WORKERS_PER_ROLE;
	MemoryContext worker_context;

	Assert(methods[role].tick != NULL);

#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY_BYTES);
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY_BYTES);
#endif
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	connect_as_engine(role);

	/* In the roster first: whoever waits for us to leave must see us. */
	inn_wake_enlist(role, index);
	settle_in(role);

	worker_context =
		AllocSetContextCreate(TopMemoryContext, "inngest worker", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(worker_context);
	if (methods[role].init != NULL)
		methods[role].init(index);
	run_loop(&methods[role],
			 AllocSetContextCreate(worker_context, "inngest tick", ALLOCSET_DEFAULT_SIZES));
}

static void
connect_as_engine(InnRole role)
{
	BackgroundWorkerInitializeConnectionByOid(inn_wake_database(), InvalidOid, 0);

	/* Settings of the database or of the bootstrap user are meant for others. */
	SetConfigOption("search_path", "pg_catalog, inngest, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_deferrable", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("jit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("timezone", "UTC", PGC_SUSET, PGC_S_OVERRIDE);

	/* DROP EXTENSION takes one lock after the other, as we do: in a deadlock it is us who give up. */
	SetConfigOption("deadlock_timeout", "100ms", PGC_SUSET, PGC_S_OVERRIDE);

	/* Our peers speak UTF-8.  Set in a transaction, it can be converted outside of one, too. */
	StartTransactionCommand();
	SetConfigOption("client_encoding", "UTF8", PGC_USERSET, PGC_S_OVERRIDE);
	CommitTransactionCommand();

	/* Plans are kept, and may have been made while the tables were empty; API lists are planned anew. */
	if (role != INN_ROLE_API)
	{
		SetConfigOption("enable_seqscan", "off", PGC_SUSET, PGC_S_OVERRIDE);
		SetConfigOption("enable_bitmapscan", "off", PGC_SUSET, PGC_S_OVERRIDE);

		/* Nobody's lock may stop a loop that serves everybody; API calls have a timeout of their own. */
		SetConfigOption("lock_timeout", "2s", PGC_SUSET, PGC_S_OVERRIDE);
	}
}

/* Find the extension, or leave; only the scheduler, who is first, tells the launcher. */
static void
settle_in(InnRole role)
{
	bool may_work;

	if (role == INN_ROLE_SCHEDULER)
		outwait_restore();

	may_work = become_engine();
	if (role == INN_ROLE_SCHEDULER)
		inn_launcher_report(may_work);
	if (!may_work)
		proc_exit(0);
}

/*
 * A parallel pg_restore closes its first session before it opens those for the data, so once a restore
 * was seen, nothing must be seen of it for a while.
 */
static void
outwait_restore(void)
{
	int clear_polls_wanted =
		inn_now() - inn_launcher_restore_noted() < RESTORE_RECENT_USEC ? RESTORE_CLEAR_POLLS : 0;

	for (int clear_polls = 0;; clear_polls++)
	{
		if (inn_restore_is_running())
		{
			clear_polls_wanted = RESTORE_CLEAR_POLLS;
			clear_polls = 0;
		}
		if (clear_polls >= clear_polls_wanted)
			return;
		(void) inn_wait((InnWaitSocket){.fd = -1}, inn_now() + USECS_PER_SEC);
	}
}

static bool
become_engine(void)
{
	Oid engine;

	if (!is_installed())
		return false;
	StartTransactionCommand();
	engine = get_role_oid("inngest_engine", true);
	CommitTransactionCommand();

	if (!OidIsValid(engine))
	{
		ereport(LOG,
				errmsg("inngest cannot work: role \"inngest_engine\" does not exist"),
				errhint("Create the extension anew, or restore the role."));
		return false;
	}
	SetUserIdAndSecContext(engine, 0);
	return true;
}

static void
run_loop(const RoleMethods *role, MemoryContext tick_context)
{
	bool reloaded = false;
	bool is_first = true;

	pgstat_report_activity(STATE_IDLE, NULL);
	for (;;)
	{
		TimestampTz next;
		InnWaitSocket socket = {.fd = -1};
		uint64 nwakes = inn_wake_received();

		/* Who commits from here on wakes us, whatever we find (base/wake.c). */
		inn_wake_sleeping_until(INN_NEVER);
		next = safe_tick(role, tick_context, reloaded);
		if (is_first)
			give_back_memory();
		is_first = false;
		if (role->is_deaf != NULL && role->is_deaf())
			inn_wake_sleeping_until(DT_NOBEGIN);
		else
			/* DT_NOBEGIN would mean deaf (base/wake.h) */
			inn_wake_sleeping_until(next == DT_NOBEGIN ? INN_NEVER : next);

		/* Who waits for a lock or a standby resets the latch, so what was set in between has to be looked for. */
		if (inn_wake_received() != nwakes || ConfigReloadPending || inn_should_stop())
			next = DT_NOBEGIN;
		if (role->socket != NULL)
			socket = role->socket();
		reloaded = inn_wait(socket, next);
	}
}

/*
 * The first tick parses and plans most statements there are.  What that took lies free below the plans,
 * where malloc returns nothing by itself: up to a tenth of a worker, for as long as it lives.
 */
static void
give_back_memory(void)
{
#ifdef __GLIBC__
	(void) malloc_trim(0);
#endif
}

/* One tick; an ERROR becomes a delay. */
static TimestampTz
safe_tick(const RoleMethods *role, MemoryContext tick_context, bool reloaded)
{
	static int64 delay_usec = 0;
	MemoryContext caller = MemoryContextSwitchTo(tick_context);
	volatile TimestampTz next = INN_NEVER;

	PG_TRY();
	{
		next = role->tick(reloaded);
		delay_usec = 0;
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(tick_context);
		error = CopyErrorData();
		FlushErrorState();
		LWLockReleaseAll();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(tick_context);
		if (!is_installed())
			proc_exit(0);
		report(error);
		pgstat_report_activity(STATE_IDLE, NULL);
		if (role->recover != NULL)
			role->recover();
		RESUME_INTERRUPTS();

		if (delay_usec > 0)
			pg_usleep(RETRY_DELAY_MIN_USEC);
		delay_usec = Min(Max(2 * delay_usec, RETRY_DELAY_MIN_USEC), RETRY_DELAY_MAX_USEC);
		next = inn_now() + delay_usec;
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	MemoryContextReset(tick_context);
	return next;
}

/*
 * Say what went wrong.  While the extension is being dropped everything does, and nobody wants to know:
 * the launcher is about to stop us anyway.
 */
static void
report(const ErrorData *error)
{
	ereport(LOG, errcode(error->sqlerrcode),
			errmsg("%s failed and will try again: %s", MyBgworkerEntry->bgw_name, error->message),
			error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			error->hint != NULL ? errhint("%s", error->hint) : 0,
			error->context != NULL ? errcontext("%s", error->context) : 0);
}

static bool
is_installed(void)
{
	bool found;

	StartTransactionCommand();
	found = OidIsValid(get_extension_oid("inngest", true));
	CommitTransactionCommand();
	return found;
}

static void
init_relay(int index)
{
	inn_relay_init();
}

static TimestampTz
tick_relay(bool reloaded)
{
	return inn_relay_tick();
}
