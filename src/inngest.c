/*-------------------------------------------------------------------------
 *
 * inngest.c
 *	  Module entry: settings, shared memory, hooks, the launcher.
 *
 * The library works in two ways.  Preloaded, it has shared memory and workers.  Loaded by a function
 * call only, it still accepts events and runs the SQL API, but nobody is there to be woken.
 *
 * IDENTIFICATION
 *	  src/inngest.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/utility.h"

#include "base/claim.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/testing.h"
#include "base/tide.h"
#include "base/wake.h"
#include "execute/dispatch.h"
#include "http/channel.h"
#include "http/counters.h"
#include "launcher.h"
#include "match/faults.h"
#include "relay/relay.h"
#include "store/awaited.h"

PG_MODULE_MAGIC;

/* Parts of shared memory; each is named by the file that knows it. */
static const struct
{
	Size (*size)(void);
	void (*init)(void);
} shared_parts[] = {
	{inn_wake_shmem_size, inn_wake_shmem_init},
	{inn_claim_shmem_size, inn_claim_shmem_init},
	{inn_launcher_shmem_size, inn_launcher_shmem_init},
	{inn_channel_shmem_size, inn_channel_shmem_init},
	{inn_counters_shmem_size, inn_counters_shmem_init},
	{inn_relay_shmem_size, inn_relay_shmem_init},
	{inn_trigger_faults_shmem_size, inn_trigger_faults_shmem_init},
	{inn_tide_shmem_size, inn_tide_shmem_init},
	{inn_awaited_shmem_size, inn_awaited_shmem_init},
	{inn_dispatch_shmem_size, inn_dispatch_shmem_init},
#ifdef INN_TESTING
	{inn_testing_shmem_size, inn_testing_shmem_init},
#endif
};

static shmem_request_hook_type previous_shmem_request;
static shmem_startup_hook_type previous_shmem_startup;
static object_access_hook_type previous_object_access;
static ProcessUtility_hook_type previous_utility;

void _PG_init(void);

static void request_shared_memory(void);
static void init_shared_memory(void);
static void watch_objects(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg);
static void watch_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
						  ProcessUtilityContext context, ParamListInfo params,
						  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc);
static bool takes_database_away(Node *statement);
static bool renames_database(Node *statement);

void
_PG_init(void)
{
	inn_guc_init();
	/* pg_upgrade wants the servers it starts to itself. */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	previous_shmem_request = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = init_shared_memory;
	previous_object_access = object_access_hook;
	object_access_hook = watch_objects;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;

	inn_launcher_register();
}

static void
request_shared_memory(void)
{
	if (previous_shmem_request != NULL)
		previous_shmem_request();
	for (int i = 0; i < (int) lengthof(shared_parts); i++)
		RequestAddinShmemSpace(shared_parts[i].size());
}

static void
init_shared_memory(void)
{
	if (previous_shmem_startup != NULL)
		previous_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < (int) lengthof(shared_parts); i++)
		shared_parts[i].init();
	LWLockRelease(AddinShmemInitLock);
}

/* Tell the launcher when an extension comes, changes or goes, whatever statement did it. */
static void
watch_objects(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (previous_object_access != NULL)
		previous_object_access(access, classId, objectId, subId, arg);
	if (classId != ExtensionRelationId)
		return;

	/* A new extension has no name yet that could be looked up; asking in vain is cheap. */
	if (access == OAT_POST_CREATE || access == OAT_POST_ALTER)
		inn_launcher_probe_at_commit();
	else if (access == OAT_DROP)
	{
		char *name = get_extension_name(objectId);

		if (name != NULL && strcmp(name, "inngest") == 0)
			inn_launcher_restart_at_commit();
	}
}

static void
watch_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			  ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
			  DestReceiver *dest, QueryCompletion *qc)
{
	ProcessUtility_hook_type next = previous_utility ? previous_utility : standard_ProcessUtility;
	Node *statement = pstmt->utilityStmt;

	/* What a prepared transaction wanted to wake, it forgot (base/wake.c). */
	if (IsA(statement, TransactionStmt) &&
		castNode(TransactionStmt, statement)->kind == TRANS_STMT_COMMIT_PREPARED)
	{
		for (int role = 0; role < INN_ROLE_COUNT; role++)
			inn_wake_at_commit(role);
		inn_tide_note_all();
		inn_launcher_probe_at_commit();
	}

	/* A database of the wanted name may appear, with the extension in it. */
	if (IsA(statement, CreatedbStmt) || renames_database(statement))
		inn_launcher_probe_at_commit();

	/* Our workers are connected to it: have them leave first. */
	if (takes_database_away(statement))
		inn_launcher_hold();
	next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/* Does it need our database for itself, and may this user ask for that? */
static bool
takes_database_away(Node *statement)
{
	const char *name = NULL;
	Oid database = inn_wake_database();

	if (IsA(statement, DropdbStmt))
		name = castNode(DropdbStmt, statement)->dbname;
	else if (renames_database(statement))
		name = castNode(RenameStmt, statement)->subname;

	return name != NULL && OidIsValid(database) && get_database_oid(name, true) == database &&
		   inn_owns_database(database, GetUserId());
}

static bool
renames_database(Node *statement)
{
	return IsA(statement, RenameStmt) &&
		   castNode(RenameStmt, statement)->renameType == OBJECT_DATABASE;
}
