/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Recognising pg_dump's output while it is being replayed.
 *
 * CREATE EXTENSION makes the first partitions and starts the workers, and in a restore it is followed by the data: rows into
 * whose time there is a partition would no longer fit into the default partition, and the workers would see items of runs that are not
 * there yet.
 *
 * So CREATE EXTENSION, which knows a setting that every dump begins with, makes no partitions then and takes a lock until the end
 * of its session, and the scheduler settles in only when that lock is free and no pg_restore is
 * connected (a parallel one uses other sessions for the data).
 *
 * IDENTIFICATION
 *	  src/restore.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "base/guc.h"
#include "base/wake.h"
#include "commands/dbcommands.h"
#include "launcher.h"
#include "restore.h"
#include "store/maintenance.h"

PG_FUNCTION_INFO_V1(inngest_installed);

static void lock_tag(LOCKTAG *tag);
static bool is_replaying_a_dump(void);

/* installed(): the last word of CREATE EXTENSION */
Datum
inngest_installed(PG_FUNCTION_ARGS)
{
	LOCKTAG tag;
	const char *database = get_database_name(MyDatabaseId);

	if (is_replaying_a_dump())
	{
		inn_launcher_note_restore();
		lock_tag(&tag);
		(void) LockAcquire(&tag, ExclusiveLock, true, false);
	}
	else
	{
		inn_sql_begin();
		inn_maintenance_begin();
		inn_sql_end();
	}

	if (inn_wake_count(INN_ROLE_LAUNCHER) == 0)
		ereport(WARNING,
				errmsg("the inngest workers are not running"),
				errdetail("Events will be accepted and stored, but there is no HTTP server and nothing is scheduled."),
				errhint("Add inngest to \"shared_preload_libraries\" and restart the server."));
	else if (strcmp(database, inn_database) != 0)
		ereport(WARNING,
				errmsg("the inngest workers serve database \"%s\", not this one", inn_database),
				errhint("Set \"inngest.database\" to \"%s\" and reload the configuration.", database));
	PG_RETURN_VOID();
}

bool
inn_restore_is_running(void)
{
	LOCKTAG tag;
	bool is_running;

	lock_tag(&tag);
	inn_work_begin("waiting for a restore to end");
	is_running = inn_maintenance_sees_restore();
	if (!is_running)
		is_running = LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL;
	inn_work_commit();
	return is_running;
}

/*
 * An advisory lock, because only these are released when a session ends that is not in a transaction.
 * No SQL function can take it: theirs have 1 or 2 in the last field.
 */
static void
lock_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, ExtensionRelationId, 0, 3);
}

/* Every dump, in whatever format, sets this before anything else, and hardly anybody else does; the others CREATE EXTENSION itself sets. */
static bool
is_replaying_a_dump(void)
{
	return strcmp(GetConfigOption("row_security", false, false), "off") == 0;
}
