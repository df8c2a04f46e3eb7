/*-------------------------------------------------------------------------
 *
 * apps.c
 *	  Writing and reading apps, functions and triggers.
 *
 * Backends cache what they look up here (match/match.c).  Whoever changes a row sends a relation cache
 * invalidation for inngest.functions, which arrives everywhere after the commit, and here at once.
 *
 * IDENTIFICATION
 *	  src/store/apps.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "base/ident.h"
#include "store/apps.h"
#include "store/schedules.h"

#define DEFAULT_ENVIRONMENT "'00000000-0000-4000-b000-000000000000'::uuid"

#define FUNCTION_COLUMNS \
	" f.id, f.version, f.max_attempts::int4, f.runtime = 'pull', f.paused_at IS NOT NULL," \
	" f.archived_at IS NOT NULL, f.slug, f.app_id"

/*
 * A name that is not cached costs these, so their plans are made once, and OFFSET 0 gives them their shape:
 * index probes, whatever the planner thinks of the size of the tables.
 */
#define TRIGGER_COLUMNS FUNCTION_COLUMNS ", t.position::int4, t.expression"
#define JOIN_FUNCTION \
	", LATERAL (SELECT * FROM inngest.functions f WHERE f.id = t.function_id OFFSET 0) f" \
	" WHERE f.archived_at IS NULL" \
	" ORDER BY f.slug, t.position"

static InnPlan triggers_without_keys =
	{"SELECT" TRIGGER_COLUMNS " FROM unnest($1) AS n (name),"
	 " LATERAL (SELECT t.function_id, t.position, t.expression FROM inngest.triggers t"
	 " WHERE t.event_name = n.name AND NOT t.is_keyed OFFSET 0) t" JOIN_FUNCTION,
	 1,
	 {TEXTARRAYOID},
	 .is_generic = true};

/* From one path to the next greater one, so that what it costs is the paths and not the triggers. */
static InnPlan trigger_paths =
	{"WITH RECURSIVE p (name, path) AS ("
	 " SELECT n.name, (SELECT k.path FROM inngest.trigger_keys k WHERE k.event_name = n.name"
	 " ORDER BY k.event_name, k.path LIMIT 1)"
	 " FROM unnest($1) AS n (name)"
	 " UNION ALL"
	 " SELECT p.name, (SELECT k.path FROM inngest.trigger_keys k"
	 " WHERE k.event_name = p.name AND k.path > p.path ORDER BY k.event_name, k.path LIMIT 1)"
	 " FROM p WHERE p.path IS NOT NULL)"
	 " SELECT name, path FROM p WHERE path IS NOT NULL",
	 1,
	 {TEXTARRAYOID},
	 .is_generic = true};

static InnPlan by_slug = {"SELECT" FUNCTION_COLUMNS " FROM inngest.functions f"
						  " WHERE f.env_id = " DEFAULT_ENVIRONMENT " AND f.slug = $1",
						  1,
						  {TEXTOID}};

static InnPlan by_id = {"SELECT" FUNCTION_COLUMNS " FROM inngest.functions f"
						" WHERE f.id = $1",
						1,
						{UUIDOID}};

static InnPlan lock_slug =
	{"SELECT pg_catalog.pg_advisory_xact_lock('inngest.functions'::regclass::oid::int4,"
	 " pg_catalog.hashtext($1))",
	 1,
	 {TEXTOID}};

static InnPlan put_app = {"INSERT INTO inngest.apps (id, env_id, name)"
						  " VALUES ($1, " DEFAULT_ENVIRONMENT ", $2)"
						  " ON CONFLICT (env_id, name) DO NOTHING",
						  2,
						  {UUIDOID, TEXTOID}};

static InnPlan find_app = {"SELECT id FROM inngest.apps WHERE env_id = " DEFAULT_ENVIRONMENT
						   " AND name = $1",
						   1,
						   {TEXTOID}};

static InnPlan find_config =
	{"SELECT f.id, f.archived_at IS NOT NULL, f.config = $2 AND f.app_id = $3"
	 " FROM inngest.functions f"
	 " WHERE f.env_id = " DEFAULT_ENVIRONMENT " AND f.slug = $1",
	 3,
	 {TEXTOID, JSONBOID, UUIDOID}};

static InnPlan insert_function =
	{"INSERT INTO inngest.functions (id, env_id, app_id, slug, name, runtime, max_attempts, config)"
	 " VALUES ($1, " DEFAULT_ENVIRONMENT ", $2, $3, $4, $5, $6::int2, $7)",
	 7,
	 {UUIDOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, JSONBOID}};

static InnPlan update_function =
	{"UPDATE inngest.functions"
	 " SET app_id = $2, name = $3, runtime = $4, max_attempts = $5::int2, config = $6,"
	 " version = version + 1, updated_at = now(), archived_at = NULL"
	 " WHERE id = $1",
	 6,
	 {UUIDOID, UUIDOID, TEXTOID, TEXTOID, INT4OID, JSONBOID}};

static InnPlan delete_triggers = {"DELETE FROM inngest.triggers WHERE function_id = $1",
								  1,
								  {UUIDOID}};

static InnPlan delete_trigger_keys = {"DELETE FROM inngest.trigger_keys WHERE function_id = $1",
									  1,
									  {UUIDOID}};

static InnPlan delete_trigger_faults = {"DELETE FROM inngest.trigger_faults WHERE function_id = $1",
										1,
										{UUIDOID}};

static InnPlan put_fault =
	{"INSERT INTO inngest.trigger_faults AS x"
	 " (function_id, position, error_count, last_error, last_error_at)"
	 " SELECT t.function_id, t.position, $4, $5, $6"
	 " FROM inngest.functions f JOIN inngest.triggers t ON t.function_id = f.id"
	 " WHERE f.id = $1 AND f.version = $2 AND t.position = $3"
	 " ON CONFLICT (function_id, position) DO UPDATE"
	 " SET error_count = x.error_count + excluded.error_count, last_error = excluded.last_error,"
	 " last_error_at = excluded.last_error_at",
	 6,
	 {UUIDOID, INT4OID, INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID}};

static InnPlan insert_trigger =
	{"INSERT INTO inngest.triggers (function_id, position, event_name, expression, is_keyed)"
	 " VALUES ($1, $2::int2, $3, $4, $5)",
	 5,
	 {UUIDOID, INT4OID, TEXTOID, TEXTOID, BOOLOID}};

static InnPlan insert_trigger_keys =
	{"INSERT INTO inngest.trigger_keys (function_id, position, event_name, path, value_hash)"
	 " SELECT $1, $2::int2, $3, k.path, k.value_hash FROM unnest($4, $5) AS k (path, value_hash)",
	 5,
	 {UUIDOID, INT4OID, TEXTOID, TEXTARRAYOID, INT8ARRAYOID}};

static InnPlan archive = {"UPDATE inngest.functions SET archived_at = now(), updated_at = now()"
						  " WHERE env_id = " DEFAULT_ENVIRONMENT
						  " AND slug = $1 AND archived_at IS NULL"
						  " RETURNING id",
						  1,
						  {TEXTOID}};

static InnPlan pause_function =
	{"UPDATE inngest.functions SET paused_at = coalesce(paused_at, now())"
	 " WHERE env_id = " DEFAULT_ENVIRONMENT " AND slug = $1 AND archived_at IS NULL",
	 1,
	 {TEXTOID}};

static InnPlan resume_function = {"UPDATE inngest.functions SET paused_at = NULL"
								  " WHERE env_id = " DEFAULT_ENVIRONMENT
								  " AND slug = $1 AND archived_at IS NULL",
								  1,
								  {TEXTOID}};

static bool read_one(InnPlan *plan, InnArg key, InnFunction *function);
static InnFunction row_function(uint64 row);
static pg_uuid_t app_id(const char *name);
static InnTrigger *row_triggers(uint64 nrows, int *count);
static InnArg name_array(const char **names, int nnames);
static void replace_triggers(const pg_uuid_t *id, const InnDefinition *definition);
static void insert_trigger_row(const pg_uuid_t *id, int position,
							   const InnTriggerDefinition *trigger);
static void delete_triggers_of(const pg_uuid_t *id);
static void tell_everybody(void);

InnTrigger *
inn_triggers_without_keys(const char **names, int nnames, int *count)
{
	InnArg arg = name_array(names, nnames);

	return row_triggers(inn_plan_run_latest(&triggers_without_keys, 1, &arg), count);
}

InnTriggerPath *
inn_triggers_paths(const char **names, int nnames, int *count)
{
	InnArg arg = name_array(names, nnames);
	uint64 nrows = inn_plan_run_latest(&trigger_paths, 1, &arg);
	InnTriggerPath *paths = palloc(Max(nrows, 1) * sizeof(InnTriggerPath));

	for (uint64 i = 0; i < nrows; i++)
		paths[i] = (InnTriggerPath){inn_row_text(i, 1), inn_row_text(i, 2)};
	*count = (int) nrows;
	return paths;
}

static InnArg
name_array(const char **names, int nnames)
{
	Datum *values = palloc(nnames * sizeof(Datum));

	for (int i = 0; i < nnames; i++)
		values[i] = CStringGetTextDatum(names[i]);
	return inn_arg_array(values, NULL, nnames, TEXTOID);
}

static InnTrigger *
row_triggers(uint64 nrows, int *count)
{
	InnTrigger *triggers =
		MemoryContextAllocHuge(CurrentMemoryContext, Max(nrows, 1) * sizeof(InnTrigger));

	for (uint64 i = 0; i < nrows; i++)
		triggers[i] = (InnTrigger){
			.function = row_function(i),
			.position = inn_row_int(i, 9),
			.expression = inn_row_text(i, 10),
		};
	*count = (int) nrows;
	return triggers;
}

bool
inn_functions_by_slug(const char *slug, InnFunction *function)
{
	return read_one(&by_slug, inn_arg_cstring(slug), function);
}

bool
inn_functions_by_id(const pg_uuid_t *id, InnFunction *function)
{
	return read_one(&by_id, inn_arg_uuid(id), function);
}

static bool
read_one(InnPlan *plan, InnArg key, InnFunction *function)
{
	if (INN_RUN(plan, key) == 0)
		return false;
	*function = row_function(0);
	return true;
}

static InnFunction
row_function(uint64 row)
{
	return (InnFunction){
		.id = inn_row_uuid(row, 1),
		.version = inn_row_int(row, 2),
		.max_attempts = inn_row_int(row, 3),
		.is_pull = inn_row_bool(row, 4),
		.is_paused = inn_row_bool(row, 5),
		.is_archived = inn_row_bool(row, 6),
		.slug = inn_row_text(row, 7),
		.app_id = inn_row_uuid(row, 8),
	};
}

InnPut
inn_functions_put(const InnDefinition *definition, pg_uuid_t *id)
{
	pg_uuid_t app;
	bool is_archived;
	InnArg app_arg, slug, config;

	/* Two first registrations of one function must not both find nothing. */
	slug = inn_arg_cstring(definition->slug);
	INN_RUN(&lock_slug, slug);

	app = app_id(definition->app);
	app_arg = inn_arg_uuid(&app);
	config = inn_arg_pointer(definition->config);

	if (INN_RUN(&find_config, slug, config, app_arg) == 0)
	{
		inn_uuid_v5(definition->app, definition->slug, id);
		INN_RUN(&insert_function, inn_arg_uuid(id), app_arg, slug,
				inn_arg_cstring(definition->name), inn_arg_cstring(definition->runtime),
				inn_arg(Int32GetDatum(definition->max_attempts)), config);
		replace_triggers(id, definition);
		return INN_PUT_CREATED;
	}

	*id = inn_row_uuid(0, 1);
	is_archived = inn_row_bool(0, 2);
	if (!is_archived && inn_row_bool(0, 3))
		return INN_PUT_SAME;

	INN_RUN(&update_function, inn_arg_uuid(id), app_arg, inn_arg_cstring(definition->name),
			inn_arg_cstring(definition->runtime), inn_arg(Int32GetDatum(definition->max_attempts)),
			config);
	replace_triggers(id, definition);
	return is_archived ? INN_PUT_CREATED : INN_PUT_CHANGED;
}

/* The id of an app, made if it is new. */
static pg_uuid_t
app_id(const char *name)
{
	pg_uuid_t fresh;
	InnArg name_arg = inn_arg_cstring(name);

	inn_uuid_v5(NULL, name, &fresh);
	INN_RUN(&put_app, inn_arg_uuid(&fresh), name_arg);
	if (INN_RUN(&find_app, name_arg) == 0)
		ereport(ERROR,
				errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("could not read app \"%s\", which another transaction has just made", name));
	return inn_row_uuid(0, 1);
}

static void
replace_triggers(const pg_uuid_t *id, const InnDefinition *definition)
{
	delete_triggers_of(id);
	for (int i = 0; i < definition->ntriggers; i++)
	{
		if (definition->triggers[i].event != NULL)
			insert_trigger_row(id, i + 1, &definition->triggers[i]);
	}
	inn_schedules_replace(id, definition);
	tell_everybody();
}

static void
insert_trigger_row(const pg_uuid_t *id, int position, const InnTriggerDefinition *trigger)
{
	InnArg position_arg = inn_arg(Int32GetDatum(position));
	InnArg event = inn_arg_cstring(trigger->event);
	Datum *paths = palloc(Max(trigger->nkeys, 1) * sizeof(Datum));
	Datum *hashes = palloc(Max(trigger->nkeys, 1) * sizeof(Datum));

	INN_RUN(&insert_trigger, inn_arg_uuid(id), position_arg, event,
			inn_arg_cstring(trigger->expression), inn_arg(BoolGetDatum(trigger->nkeys > 0)));
	if (trigger->nkeys == 0)
		return;
	for (int i = 0; i < trigger->nkeys; i++)
	{
		paths[i] = CStringGetTextDatum(trigger->keys[i].path);
		hashes[i] = Int64GetDatum(trigger->keys[i].hash);
	}
	INN_RUN(&insert_trigger_keys, inn_arg_uuid(id), position_arg, event,
			inn_arg_array(paths, NULL, trigger->nkeys, TEXTOID),
			inn_arg_array(hashes, NULL, trigger->nkeys, INT8OID));
}

void
inn_triggers_put_faults(const InnTriggerFault *faults, int nfaults)
{
	for (int i = 0; i < nfaults; i++)
		INN_RUN(&put_fault, inn_arg_uuid(&faults[i].function_id),
				inn_arg(Int32GetDatum(faults[i].function_version)),
				inn_arg(Int32GetDatum(faults[i].position)), inn_arg(Int64GetDatum(faults[i].count)),
				inn_arg_cstring(faults[i].message), inn_arg_time(faults[i].last_at));
}

/* With what was noted of them: it was said of other expressions. */
static void
delete_triggers_of(const pg_uuid_t *id)
{
	INN_RUN(&delete_triggers, inn_arg_uuid(id));
	INN_RUN(&delete_trigger_keys, inn_arg_uuid(id));
	INN_RUN(&delete_trigger_faults, inn_arg_uuid(id));
}

bool
inn_functions_archive(const char *slug)
{
	pg_uuid_t id;

	if (INN_RUN(&archive, inn_arg_cstring(slug)) == 0)
		return false;
	id = inn_row_uuid(0, 1);
	delete_triggers_of(&id);
	inn_schedules_replace(&id, NULL);
	tell_everybody();
	return true;
}

bool
inn_functions_pause(const char *slug)
{
	bool found = INN_RUN(&pause_function, inn_arg_cstring(slug)) > 0;

	tell_everybody();
	return found;
}

bool
inn_functions_resume(const char *slug)
{
	bool found = INN_RUN(&resume_function, inn_arg_cstring(slug)) > 0;

	tell_everybody();
	return found;
}

static void
tell_everybody(void)
{
	Oid schema = get_namespace_oid("inngest", false);

	CacheInvalidateRelcacheByRelid(get_relname_relid("functions", schema));
	CommandCounterIncrement();
}
