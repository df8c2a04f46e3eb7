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
#include "base/tide.h"
#include "base/wake.h"
#include "store/apps.h"
#include "store/schedules.h"

#define DEFAULT_ENVIRONMENT "'00000000-0000-4000-b000-000000000000'::uuid"

#define FUNCTION_COLUMNS \
	" f.id, f.version, f.max_attempts::int4, f.runtime, f.paused_at IS NOT NULL," \
	" f.archived_at IS NOT NULL, f.slug, f.url, f.step_id, f.language, f.has_cancels," \
	" f.start_timeout, f.finish_timeout, f.app_id, f.has_controls, f.is_stateful," \
	" f.is_endpoint"
#define FUNCTION_COLUMN_COUNT 17

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

static InnPlan read_apps = {"SELECT id FROM inngest.apps", 0, {0}};

static InnPlan by_slug = {"SELECT" FUNCTION_COLUMNS " FROM inngest.functions f"
						  " WHERE f.env_id = " DEFAULT_ENVIRONMENT " AND f.slug = $1",
						  1,
						  {TEXTOID}};

static InnPlan by_id = {"SELECT" FUNCTION_COLUMNS " FROM inngest.functions f"
						" WHERE f.id = $1",
						1,
						{UUIDOID}};

static InnPlan config_of = {"SELECT config FROM inngest.functions WHERE id = $1", 1, {UUIDOID}};

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
	 " AND f.language IS NOT DISTINCT FROM $4"
	 " FROM inngest.functions f"
	 " WHERE f.env_id = " DEFAULT_ENVIRONMENT " AND f.slug = $1",
	 4,
	 {TEXTOID, JSONBOID, UUIDOID, TEXTOID}};

/* What a definition says; both statements have it from $3 on. */
#define DEFINED_COLUMNS \
	"name, runtime, max_attempts, config, url, step_id, language, start_timeout, finish_timeout," \
	" has_cancels, has_controls, is_stateful, is_endpoint"
#define DEFINED_VALUES "$3, $4, $5::int2, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15"
#define DEFINED_TYPES \
	TEXTOID, TEXTOID, INT4OID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, INTERVALOID, INTERVALOID, \
		BOOLOID, BOOLOID, BOOLOID, BOOLOID
#define DEFINED_COUNT 13

static InnPlan insert_function = {"INSERT INTO inngest.functions (id, app_id, " DEFINED_COLUMNS
								  ", env_id, slug)"
								  " VALUES ($1, $2, " DEFINED_VALUES ", " DEFAULT_ENVIRONMENT
								  ", $16)",
								  DEFINED_COUNT + 3,
								  {UUIDOID, UUIDOID, DEFINED_TYPES, TEXTOID}};

static InnPlan update_function = {"UPDATE inngest.functions"
								  " SET app_id = $2, (" DEFINED_COLUMNS ") = ROW (" DEFINED_VALUES
								  "),"
								  " version = version + 1, updated_at = now(), archived_at = NULL"
								  " WHERE id = $1",
								  DEFINED_COUNT + 2,
								  {UUIDOID, UUIDOID, DEFINED_TYPES}};

static InnPlan delete_cancels = {"DELETE FROM inngest.function_cancels WHERE function_id = $1",
								 1,
								 {UUIDOID}};

static InnPlan insert_cancel =
	{"INSERT INTO inngest.function_cancels"
	 " (function_id, position, event_name, expression, timeout, expires_at)"
	 " VALUES ($1, $2::int2, $3, $4, $5, $6)",
	 6,
	 {UUIDOID, INT4OID, TEXTOID, TEXTOID, INTERVALOID, TIMESTAMPTZOID}};

static InnPlan cancels_of = {"SELECT event_name, expression, timeout, expires_at"
							 " FROM inngest.function_cancels WHERE function_id = $1"
							 " ORDER BY position",
							 1,
							 {UUIDOID}};

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

static InnPlan archive_others =
	{"UPDATE inngest.functions SET archived_at = now(), updated_at = now()"
	 " WHERE app_id = $1 AND archived_at IS NULL AND id <> ALL ($2)"
	 " RETURNING id",
	 2,
	 {UUIDOID, UUIDARRAYOID}};

/* What an SDK has registered does not hold any more, so it is not the same if it registers that again. */
static InnPlan forget_checksum =
	{"UPDATE inngest.apps a SET checksum = NULL FROM inngest.functions f"
	 " WHERE f.id = $1 AND a.id = f.app_id AND a.checksum IS NOT NULL",
	 1,
	 {UUIDOID}};

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
static void write_function(const InnDefinition *definition, const pg_uuid_t *id,
						   const pg_uuid_t *app, bool is_new);
static void replace_triggers(const pg_uuid_t *id, const InnDefinition *definition);
static void insert_cancels(const pg_uuid_t *id, const InnDefinition *definition);
static void insert_trigger_row(const pg_uuid_t *id, int position,
							   const InnTriggerDefinition *trigger);
static void stop_triggers(const pg_uuid_t *id);
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
			.position = inn_row_int(i, FUNCTION_COLUMN_COUNT + 1),
			.expression = inn_row_text(i, FUNCTION_COLUMN_COUNT + 2),
		};
	*count = (int) nrows;
	return triggers;
}

pg_uuid_t *
inn_apps_read(int *count)
{
	uint64 nrows = inn_plan_run(&read_apps, 0, NULL);
	pg_uuid_t *ids = palloc(Max(nrows, 1) * sizeof(pg_uuid_t));

	for (uint64 i = 0; i < nrows; i++)
		ids[i] = inn_row_uuid(i, 1);
	*count = (int) nrows;
	return ids;
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

/* By its id first: that may look like a UUID. */
bool
inn_functions_by_name(const char *name, InnFunction *function)
{
	pg_uuid_t id;

	return inn_functions_by_slug(name, function) ||
		   (inn_uuid_parse(name, &id) && inn_functions_by_id(&id, function));
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
		.runtime = inn_runtime_of_name(inn_row_text(row, 4)),
		.is_paused = inn_row_bool(row, 5),
		.is_archived = inn_row_bool(row, 6),
		.slug = inn_row_text(row, 7),
		.url = inn_row_text(row, 8),
		.step_id = inn_row_text(row, 9),
		.is_go = inn_language_is_go(inn_row_text(row, 10)),
		.has_cancels = inn_row_bool(row, 11),
		.start_timeout_usec = inn_row_span(row, 12),
		.finish_timeout_usec = inn_row_span(row, 13),
		.app_id = inn_row_uuid(row, 14),
		.has_controls = inn_row_bool(row, 15),
		.is_stateful = inn_row_bool(row, 16),
		.is_endpoint = inn_row_bool(row, 17),
	};
}

Jsonb *
inn_functions_config(const pg_uuid_t *id)
{
	InnArg arg = inn_arg_uuid(id);
	bool is_null;

	if (inn_plan_run_latest(&config_of, 1, &arg) == 0)
		elog(ERROR, "the config of a function is gone");
	return DatumGetJsonbPCopy(inn_row_datum(0, 1, &is_null));
}

static const char *const runtime_names[] = {
	[INN_RUNTIME_PULL] = "pull",
	[INN_RUNTIME_HTTP] = "http",
	[INN_RUNTIME_SQL] = "sql",
};

const char *
inn_runtime_name(InnRuntime runtime)
{
	return runtime_names[runtime];
}

InnRuntime
inn_runtime_of_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(runtime_names); i++)
	{
		if (strcmp(name, runtime_names[i]) == 0)
			return i;
	}
	elog(ERROR, "unknown runtime \"%s\"", name);
}

bool
inn_functions_take_input(const pg_uuid_t *id)
{
	static InnPlan read_language = {"SELECT language FROM inngest.functions WHERE id = $1",
									1,
									{UUIDOID}};
	char *language;

	if (INN_RUN(&read_language, inn_arg_uuid(id)) == 0)
		return false;
	language = inn_row_text(0, 1);
	return language != NULL && strcmp(language, "js") == 0;
}

bool
inn_language_is_go(const char *language)
{
	return language != NULL && strcmp(language, "go") == 0;
}

InnCancel *
inn_functions_cancels(const InnFunction *function, int *count)
{
	InnArg id = inn_arg_uuid(&function->id);
	uint64 nrows;
	InnCancel *cancels;

	*count = 0;
	if (!function->has_cancels)
		return NULL;
	nrows = inn_plan_run_latest(&cancels_of, 1, &id);
	cancels = palloc(Max(nrows, 1) * sizeof(InnCancel));
	for (uint64 i = 0; i < nrows; i++)
		cancels[i] = (InnCancel){
			.event = inn_row_text(i, 1),
			.expression = inn_row_text(i, 2),
			.timeout_usec = inn_row_span(i, 3),
			.expires_at = inn_row_time(i, 4, INN_NEVER),
		};
	*count = (int) nrows;
	return cancels;
}

InnPut
inn_functions_put(const InnDefinition *definition, pg_uuid_t *id)
{
	pg_uuid_t app;
	bool is_archived;
	InnArg slug = inn_arg_cstring(definition->slug);

	/* Two first registrations of one function must not both find nothing. */
	INN_RUN(&lock_slug, slug);

	app = app_id(definition->app);
	if (INN_RUN(&find_config, slug, inn_arg_pointer(definition->config), inn_arg_uuid(&app),
				inn_arg_cstring(definition->language)) == 0)
	{
		inn_uuid_v5(definition->app, definition->slug, id);
		write_function(definition, id, &app, true);
		replace_triggers(id, definition);
		return INN_PUT_CREATED;
	}

	*id = inn_row_uuid(0, 1);
	is_archived = inn_row_bool(0, 2);
	if (!is_archived && inn_row_bool(0, 3))
	{
		inn_schedules_put(id, definition);
		return INN_PUT_SAME;
	}

	INN_RUN(&forget_checksum, inn_arg_uuid(id));
	write_function(definition, id, &app, false);
	replace_triggers(id, definition);
	return is_archived ? INN_PUT_CREATED : INN_PUT_CHANGED;
}

static void
write_function(const InnDefinition *definition, const pg_uuid_t *id, const pg_uuid_t *app,
			   bool is_new)
{
	InnArg args[] = {
		inn_arg_uuid(id),
		inn_arg_uuid(app),
		inn_arg_cstring(definition->name),
		inn_arg_cstring(inn_runtime_name(definition->runtime)),
		inn_arg(Int32GetDatum(definition->max_attempts)),
		inn_arg_pointer(definition->config),
		inn_arg_cstring(definition->url),
		inn_arg_cstring(definition->step_id),
		inn_arg_cstring(definition->language),
		inn_arg_span(definition->start_timeout_usec),
		inn_arg_span(definition->finish_timeout_usec),
		inn_arg(BoolGetDatum(definition->ncancels > 0)),
		inn_arg(BoolGetDatum(definition->has_controls)),
		inn_arg(BoolGetDatum(definition->is_stateful)),
		inn_arg(BoolGetDatum(definition->is_endpoint)),
		inn_arg_cstring(definition->slug),
	};

	if (is_new)
		inn_plan_run(&insert_function, lengthof(args), args);
	else
		inn_plan_run(&update_function, lengthof(args) - 1, args);
	INN_RUN(&forget_checksum, inn_arg_uuid(id));
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
	insert_cancels(id, definition);
	inn_schedules_replace(id, definition);
	tell_everybody();
}

static void
insert_cancels(const pg_uuid_t *id, const InnDefinition *definition)
{
	for (int i = 0; i < definition->ncancels; i++)
	{
		const InnCancel *cancel = &definition->cancels[i];
		InnArg expires_at = inn_arg_time(cancel->expires_at);

		expires_at.is_null = cancel->expires_at == INN_NEVER;
		INN_RUN(&insert_cancel, inn_arg_uuid(id), inn_arg(Int32GetDatum(i + 1)),
				inn_arg_cstring(cancel->event), inn_arg_cstring(cancel->expression),
				inn_arg_span(cancel->timeout_usec), expires_at);
	}
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

/* With what was noted of them: it was said of other expressions.  And with what cancels. */
static void
delete_triggers_of(const pg_uuid_t *id)
{
	INN_RUN(&delete_cancels, inn_arg_uuid(id));
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
	INN_RUN(&forget_checksum, inn_arg_uuid(&id));
	stop_triggers(&id);
	tell_everybody();
	return true;
}

int
inn_functions_archive_others(const pg_uuid_t *app_id, const pg_uuid_t *kept, int nkept)
{
	Datum *kept_ids = palloc(Max(nkept, 1) * sizeof(Datum));
	pg_uuid_t *archived;
	InnArg args[2];
	uint64 narchived;

	for (int i = 0; i < nkept; i++)
		kept_ids[i] = UUIDPGetDatum(&kept[i]);
	args[0] = inn_arg_uuid(app_id);
	args[1] = inn_arg_array(kept_ids, NULL, nkept, UUIDOID);
	narchived = inn_plan_run(&archive_others, lengthof(args), args);
	archived = palloc(Max(narchived, 1) * sizeof(pg_uuid_t));
	for (uint64 i = 0; i < narchived; i++)
		archived[i] = inn_row_uuid(i, 1);

	for (uint64 i = 0; i < narchived; i++)
		stop_triggers(&archived[i]);
	if (narchived > 0)
		tell_everybody();
	return (int) narchived;
}

static void
stop_triggers(const pg_uuid_t *id)
{
	delete_triggers_of(id);
	inn_schedules_replace(id, NULL);
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

	/*
	 * Executors may have jobs to do that were paused, or beyond a limit, and the scheduler runs that were waiting for a place; the
	 * invalidation would not wake them, and comes late.
	 */
	inn_tide_note(INN_TIDE_FUNCTIONS, 0);
	inn_wake_at_commit(INN_ROLE_EXECUTOR);
	inn_tide_note(INN_TIDE_LIMITS, 0);
	inn_wake_at_commit(INN_ROLE_SCHEDULER);
	CommandCounterIncrement();
}
