/*-------------------------------------------------------------------------
 *
 * maintenance.c
 *	  The door to inngest.maintain(), and membership of partitions in the extension.
 *
 * A dated partition is made by the engine, most of them not by CREATE EXTENSION.  It is entered as a member all the
 * same: pg_dump must not dump it (its rows are dumped as the default partition's), and DROP EXTENSION
 * must take it along.  ALTER EXTENSION ADD would need the owner of the extension; the dependency is
 * recorded directly, for tables that are partitions of ours and nothing else.
 *
 * IDENTIFICATION
 *	  src/store/maintenance.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/timer.h"
#include "store/maintenance.h"

PG_FUNCTION_INFO_V1(inngest_partition_adopt);
PG_FUNCTION_INFO_V1(inngest_partition_release);

static InnPlan begin = {"SELECT inngest.partitions_begin()", 0, {0}};

static InnPlan maintain = {"SELECT inngest.maintain()", 0, {0}};

static InnPlan restoring_sessions =
	{"SELECT FROM pg_catalog.pg_stat_activity"
	 " WHERE datname = pg_catalog.current_database() AND application_name = 'pg_restore'"
	 /* nobody else can restore us, and anybody can call himself so */
	 " AND coalesce(pg_catalog.pg_has_role(usesysid,"
	 " (SELECT extowner FROM pg_catalog.pg_extension WHERE extname = 'inngest'), 'MEMBER'), true)"
	 " LIMIT 1",
	 0,
	 {0}};

static void end_membership(Oid class, Oid object);
static void check_is_ours(Oid relation);

void
inn_maintenance_begin(void)
{
	(void) inn_plan_run(&begin, 0, NULL);
}

TimestampTz
inn_maintenance_run(void)
{
	(void) inn_plan_run(&maintain, 0, NULL);
	return inn_from_real(inn_row_time(0, 1, 0)); /* now() of SQL is real */
}

bool
inn_maintenance_sees_restore(void)
{
	return inn_plan_run(&restoring_sessions, 0, NULL) > 0;
}

/* partition_adopt(partition regclass) */
Datum
inngest_partition_adopt(PG_FUNCTION_ARGS)
{
	ObjectAddress partition, extension;

	check_is_ours(PG_GETARG_OID(0));
	if (creating_extension) /* CREATE TABLE has done it */
		PG_RETURN_VOID();
	ObjectAddressSet(partition, RelationRelationId, PG_GETARG_OID(0));
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("inngest", false));
	recordDependencyOn(&partition, &extension, DEPENDENCY_EXTENSION);
	PG_RETURN_VOID();
}

/* partition_release(partition regclass); its row types are members, too, if CREATE EXTENSION has made it in some versions (17) */
Datum
inngest_partition_release(PG_FUNCTION_ARGS)
{
	Oid relation = PG_GETARG_OID(0);
	Oid type;

	check_is_ours(relation);
	type = get_rel_type_id(relation);
	end_membership(RelationRelationId, relation);
	end_membership(TypeRelationId, type);
	end_membership(TypeRelationId, get_array_type(type));
	PG_RETURN_VOID();
}

static void
end_membership(Oid class, Oid object)
{
	(void) deleteDependencyRecordsForClass(class, object, ExtensionRelationId,
										   DEPENDENCY_EXTENSION);
}

/* A table in our schema that the caller, the engine, owns. */
static void
check_is_ours(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	bool is_ours = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

		is_ours = class->relkind == RELKIND_RELATION && class->relowner == GetUserId() &&
				  class->relnamespace == get_namespace_oid("inngest", false);
		ReleaseSysCache(tuple);
	}
	if (!is_ours)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("relation %u is not a partition of inngest", relation));
}
