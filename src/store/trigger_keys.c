/*-------------------------------------------------------------------------
 *
 * trigger_keys.c
 *	  Triggers by the value that they want, found without a statement.
 *
 * Where every tenant has functions of its own, nearly every event has a value that no cache knows, so this is
 * what an event costs there.  As a statement it took twice as long as everything else that an event needs, most of
 * it for starting and ending an executor; reading the three tables through their indexes takes a quarter of that.
 *
 * Like the statements of this folder this runs for functions that the caller was allowed to call, with their
 * owner's rights, so privileges on the tables are not asked for again.
 *
 * IDENTIFICATION
 *	  src/store/trigger_keys.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "store/apps.h"

typedef struct Table
{
	Relation relation;
	Oid index; /* the one that is searched */
} Table;

typedef struct Search
{
	Table keys, triggers, functions;
	Snapshot snapshot;
	InnTrigger *found;
	int nfound;
	int size;
} Search;

static Table open_table(const char *name, const char *index);
static void find_keys(Search *search, const InnTriggerPath *path, int64 hash);
static void find_trigger(Search *search, pg_uuid_t function_id, int16 position);
static bool find_function(const Search *search, pg_uuid_t id, InnFunction *function);
static InnFunction read_function(Table table, HeapTuple row);
static void add(Search *search, const InnTrigger *trigger);
static void drop_duplicates(Search *search);
static int by_slug_and_position(const void *a, const void *b);

static SysScanDesc begin_scan(const Search *search, Table table, ScanKey keys, int nkeys);
static ScanKeyData equals(Table table, const char *name, RegProcedure procedure, Datum value);
static Datum column(Table table, HeapTuple row, const char *name, bool *is_null);
static char *text_column(Table table, HeapTuple row, const char *name);
static int64 span_column(Table table, HeapTuple row, const char *name);

InnTrigger *
inn_triggers_by_key(const InnTriggerPath *path, int64 hash, int *count)
{
	Search search = {
		.keys = open_table("trigger_keys", "trigger_keys_lookup"),
		.triggers = open_table("triggers", "triggers_pkey"),
		.functions = open_table("functions", "functions_pkey"),
		.snapshot = RegisterSnapshot(GetLatestSnapshot()),
		.size = 4,
	};

	search.found = palloc(search.size * sizeof(InnTrigger));
	find_keys(&search, path, hash);
	drop_duplicates(&search);

	UnregisterSnapshot(search.snapshot);
	table_close(search.functions.relation, AccessShareLock);
	table_close(search.triggers.relation, AccessShareLock);
	table_close(search.keys.relation, AccessShareLock);
	*count = search.nfound;
	return search.found;
}

static Table
open_table(const char *name, const char *index)
{
	Relation relation =
		table_openrv(makeRangeVar("inngest", unconstify(char *, name), -1), AccessShareLock);
	Table table = {relation, get_relname_relid(index, RelationGetNamespace(relation))};

	if (!OidIsValid(table.index))
		elog(ERROR, "inngest.%s has no index %s", name, index);
	return table;
}

static void
find_keys(Search *search, const InnTriggerPath *path, int64 hash)
{
	ScanKeyData keys[] = {
		equals(search->keys, "event_name", F_TEXTEQ, CStringGetTextDatum(path->event_name)),
		equals(search->keys, "path", F_TEXTEQ, CStringGetTextDatum(path->path)),
		equals(search->keys, "value_hash", F_INT8EQ, Int64GetDatum(hash)),
	};
	SysScanDesc scan = begin_scan(search, search->keys, keys, lengthof(keys));
	HeapTuple row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		pg_uuid_t *id = DatumGetUUIDP(column(search->keys, row, "function_id", NULL));

		CHECK_FOR_INTERRUPTS();
		find_trigger(search, *id, DatumGetInt16(column(search->keys, row, "position", NULL)));
	}
	systable_endscan(scan);
}

static void
find_trigger(Search *search, pg_uuid_t function_id, int16 position)
{
	ScanKeyData keys[] = {
		equals(search->triggers, "function_id", F_UUID_EQ, UUIDPGetDatum(&function_id)),
		equals(search->triggers, "position", F_INT2EQ, Int16GetDatum(position)),
	};
	SysScanDesc scan = begin_scan(search, search->triggers, keys, lengthof(keys));
	HeapTuple row = systable_getnext(scan);
	InnTrigger trigger = {.position = position};

	if (HeapTupleIsValid(row) && find_function(search, function_id, &trigger.function))
	{
		trigger.expression = TextDatumGetCString(column(search->triggers, row, "expression", NULL));
		add(search, &trigger);
	}
	systable_endscan(scan);
}

/* False also for one that is archived. */
static bool
find_function(const Search *search, pg_uuid_t id, InnFunction *function)
{
	const Table table = search->functions;
	ScanKeyData key = equals(table, "id", F_UUID_EQ, UUIDPGetDatum(&id));
	SysScanDesc scan = begin_scan(search, table, &key, 1);
	HeapTuple row = systable_getnext(scan);
	bool is_active = false;
	bool is_null;

	if (HeapTupleIsValid(row))
	{
		(void) column(table, row, "archived_at", &is_null);
		is_active = is_null;
	}
	if (is_active)
		*function = read_function(table, row);
	systable_endscan(scan);
	return is_active;
}

static InnFunction
read_function(Table table, HeapTuple row)
{
	InnFunction function = {
		.id = *DatumGetUUIDP(column(table, row, "id", NULL)),
		.app_id = *DatumGetUUIDP(column(table, row, "app_id", NULL)),
		.version = DatumGetInt32(column(table, row, "version", NULL)),
		.max_attempts = DatumGetInt16(column(table, row, "max_attempts", NULL)),
		.runtime = inn_runtime_of_name(text_column(table, row, "runtime")),
		.slug = text_column(table, row, "slug"),
		.url = text_column(table, row, "url"),
		.step_id = text_column(table, row, "step_id"),
		.is_go = inn_language_is_go(text_column(table, row, "language")),
		.has_cancels = DatumGetBool(column(table, row, "has_cancels", NULL)),
		.has_controls = DatumGetBool(column(table, row, "has_controls", NULL)),
		.is_stateful = DatumGetBool(column(table, row, "is_stateful", NULL)),
		.start_timeout_usec = span_column(table, row, "start_timeout"),
		.finish_timeout_usec = span_column(table, row, "finish_timeout"),
	};
	bool is_null;

	(void) column(table, row, "paused_at", &is_null);
	function.is_paused = !is_null;
	return function;
}

static void
add(Search *search, const InnTrigger *trigger)
{
	if (search->nfound == search->size)
	{
		search->size *= 2;
		search->found = repalloc_huge(search->found, search->size * sizeof(InnTrigger));
	}
	search->found[search->nfound++] = *trigger;
}

/* An expression can ask twice for a value. */
static void
drop_duplicates(Search *search)
{
	int nkept = 0;

	if (search->nfound < 2)
		return;
	qsort(search->found, search->nfound, sizeof(InnTrigger), by_slug_and_position);
	for (int i = 0; i < search->nfound; i++)
	{
		if (nkept == 0 || by_slug_and_position(&search->found[nkept - 1], &search->found[i]) != 0)
			search->found[nkept++] = search->found[i];
	}
	search->nfound = nkept;
}

static int
by_slug_and_position(const void *a, const void *b)
{
	const InnTrigger *left = a;
	const InnTrigger *right = b;
	int order = strcmp(left->function.slug, right->function.slug);

	return order != 0 ? order : left->position - right->position;
}

/* ---- reading a table ---- */

static SysScanDesc
begin_scan(const Search *search, Table table, ScanKey keys, int nkeys)
{
	return systable_beginscan(table.relation, table.index, true, search->snapshot, nkeys, keys);
}

/* With the collation of the column, which is that of its index. */
static ScanKeyData
equals(Table table, const char *name, RegProcedure procedure, Datum value)
{
	TupleDesc desc = RelationGetDescr(table.relation);
	int number = SPI_fnumber(desc, name);
	ScanKeyData key;

	if (number <= 0)
		elog(ERROR, "inngest.%s has no column %s", RelationGetRelationName(table.relation), name);
	ScanKeyEntryInitialize(&key, 0, number, BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(desc, number - 1)->attcollation, procedure, value);
	return key;
}

/* is_null may be NULL for a column that cannot be null. */
static Datum
column(Table table, HeapTuple row, const char *name, bool *is_null)
{
	TupleDesc desc = RelationGetDescr(table.relation);
	int number = SPI_fnumber(desc, name);
	bool found_null;
	Datum value;

	if (number <= 0)
		elog(ERROR, "inngest.%s has no column %s", RelationGetRelationName(table.relation), name);
	value = heap_getattr(row, number, desc, &found_null);
	if (is_null != NULL)
		*is_null = found_null;
	else if (found_null)
		elog(ERROR, "inngest.%s.%s is null", RelationGetRelationName(table.relation), name);
	return value;
}

/* NULL for null */
static char *
text_column(Table table, HeapTuple row, const char *name)
{
	bool is_null;
	Datum value = column(table, row, name, &is_null);

	return is_null ? NULL : TextDatumGetCString(value);
}

/* An interval that is a number of microseconds; 0 for null. */
static int64
span_column(Table table, HeapTuple row, const char *name)
{
	bool is_null;
	Datum value = column(table, row, name, &is_null);

	return is_null ? 0 : DatumGetIntervalP(value)->time;
}
