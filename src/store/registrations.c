/*-------------------------------------------------------------------------
 *
 * registrations.c
 *	  Apps as their SDKs register them: inngest.apps.
 *
 * Only what concerns an app as a whole; its functions are those of store/apps.c.  The locks are advisory ones, as
 * what they protect need not exist yet.  Who registers a function alone takes its lock, too (inn_functions_put).
 *
 * IDENTIFICATION
 *	  src/store/registrations.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/ident.h"
#include "base/tide.h"
#include "base/wake.h"
#include "store/apps.h"
#include "store/registrations.h"

#define DEFAULT_ENVIRONMENT "'00000000-0000-4000-b000-000000000000'::uuid"

static InnPlan lock_all =
	{"SELECT pg_catalog.pg_advisory_xact_lock(l.class, l.key) FROM ("
	 " SELECT 'inngest.apps'::regclass::oid::int4 AS class, pg_catalog.hashtext($1) AS key"
	 " UNION"
	 " SELECT 'inngest.functions'::regclass::oid::int4, pg_catalog.hashtext(s) FROM unnest($2) AS s"
	 " ORDER BY class, key OFFSET 0) l",
	 2,
	 {TEXTOID, TEXTARRAYOID}};

static InnPlan owners = {"SELECT a.name"
						 " FROM unnest($2) WITH ORDINALITY AS s (slug, position)"
						 " LEFT JOIN inngest.functions f ON f.env_id = " DEFAULT_ENVIRONMENT
						 " AND f.slug = s.slug AND f.archived_at IS NULL"
						 " LEFT JOIN inngest.apps a ON a.id = f.app_id AND a.name <> $1"
						 " ORDER BY s.position",
						 2,
						 {TEXTOID, TEXTARRAYOID}};

static InnPlan is_same = {"SELECT FROM inngest.apps"
						  " WHERE env_id = " DEFAULT_ENVIRONMENT " AND name = $1"
						  " AND checksum = $2 AND error_code IS NULL AND archived_at IS NULL",
						  2,
						  {TEXTOID, BYTEAOID}};

static InnPlan put =
	{"INSERT INTO inngest.apps (id, env_id, name, url, method, sdk, framework, platform,"
	 " app_version, checksum, sync_id, synced_at)"
	 " VALUES ($1, " DEFAULT_ENVIRONMENT ", $2, $3, 'serve', $4, $5, $6, $7, $8,"
	 " gen_random_uuid(), now())"
	 " ON CONFLICT (env_id, name) DO UPDATE SET (url, method, sdk, framework, platform,"
	 " app_version, checksum, sync_id, synced_at, updated_at, error_code, error, archived_at) ="
	 " ROW (excluded.url, excluded.method, excluded.sdk, excluded.framework, excluded.platform,"
	 " excluded.app_version, excluded.checksum, excluded.sync_id, now(), now(), NULL, NULL, NULL)"
	 " RETURNING sync_id, id",
	 8,
	 {UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID}};

/* Nothing is written that is written there already: who fails, fails again and again. */
#define PUT_ERROR \
	"UPDATE inngest.apps SET error_code = $2, error = $3, updated_at = now()" \
	" WHERE env_id = " DEFAULT_ENVIRONMENT \
	" AND (error_code IS DISTINCT FROM $2 OR error IS DISTINCT FROM $3)"

static InnPlan put_error = {PUT_ERROR " AND name = $1", 3, {TEXTOID, TEXTOID, TEXTOID}};
static InnPlan put_error_at = {PUT_ERROR " AND url = $1 AND archived_at IS NULL",
							   3,
							   {TEXTOID, TEXTOID, TEXTOID}};

static InnPlan registered_since = {
	"SELECT id, error_code, error FROM inngest.apps"
	" WHERE env_id = " DEFAULT_ENVIRONMENT " AND url = $1 AND archived_at IS NULL"
	" AND (synced_at >= $2 OR error_code IN ('invalid_function', 'not_supported'))"
	" ORDER BY coalesce(synced_at >= $2, false) DESC, error_code IS NULL DESC, updated_at DESC LIMIT 1",
	2,
	{TEXTOID, TIMESTAMPTZOID}};

static InnPlan register_in_band =
	{"SELECT app_id, error_code, error"
	 " FROM inngest.register_app(inngest.in_band_registration($1), NULL, NULL, NULL)",
	 1,
	 {JSONBOID}};

/* The names, in the order in which everybody else locks them, too. */
#define FIND_APPS \
	"SELECT name FROM inngest.apps WHERE env_id = " DEFAULT_ENVIRONMENT " AND archived_at IS NULL"

static InnPlan find_by_name = {FIND_APPS " AND name = $1", 1, {TEXTOID}};
static InnPlan find_by_url = {FIND_APPS " AND url = $1 ORDER BY name", 1, {TEXTOID}};

static InnPlan archive =
	{"UPDATE inngest.apps SET archived_at = now(), updated_at = now(), checksum = NULL"
	 " WHERE env_id = " DEFAULT_ENVIRONMENT " AND name = $1 AND archived_at IS NULL"
	 " RETURNING id",
	 1,
	 {TEXTOID}};

static void write_error(InnPlan *plan, const char *key, const char *code, const char *message);
static int archive_found(InnPlan *find, const char *key);
static bool archive_app(const char *name);
static InnArg text_array(const char *const *texts, int ntexts);

void
inn_apps_lock(const char *app, const char *const *slugs, int nslugs)
{
	INN_RUN(&lock_all, inn_arg_cstring(app), text_array(slugs, nslugs));
}

const char **
inn_apps_owners(const char *app, const char *const *slugs, int nslugs)
{
	const char **names = palloc(Max(nslugs, 1) * sizeof(char *));
	InnArg args[] = {inn_arg_cstring(app), text_array(slugs, nslugs)};
	uint64 nrows = inn_plan_run(&owners, lengthof(args), args);

	Assert(nrows == (uint64) nslugs);
	for (uint64 i = 0; i < nrows; i++)
		names[i] = inn_row_text(i, 1);
	return names;
}

bool
inn_apps_is_same(const char *app, const bytea *checksum)
{
	return INN_RUN(&is_same, inn_arg_cstring(app), inn_arg_pointer(checksum)) > 0;
}

void
inn_apps_put(const InnAppInfo *info, const bytea *checksum, InnSyncIds *ids)
{
	pg_uuid_t fresh;

	inn_uuid_v5(NULL, info->name, &fresh);
	INN_RUN(&put, inn_arg_uuid(&fresh), inn_arg_cstring(info->name), inn_arg_cstring(info->url),
			inn_arg_cstring(info->sdk), inn_arg_cstring(info->framework),
			inn_arg_cstring(info->platform), inn_arg_cstring(info->app_version),
			inn_arg_pointer(checksum));
	ids->sync_id = inn_row_uuid(0, 1);
	ids->app_id = inn_row_uuid(0, 2);
}

void
inn_apps_put_error(const char *app, const char *code, const char *message)
{
	write_error(&put_error, app, code, message);
}

void
inn_apps_put_error_at(const char *url, const char *code, const char *message)
{
	write_error(&put_error_at, url, code, message);
}

/* The executor asks apps with an error from time to time. */
static void
write_error(InnPlan *plan, const char *key, const char *code, const char *message)
{
	if (INN_RUN(plan, inn_arg_cstring(key), inn_arg_cstring(code), inn_arg_cstring(message)) == 0)
		return;
	inn_tide_note(INN_TIDE_SYNCS, 0);
	inn_wake_at_commit(INN_ROLE_EXECUTOR);
}

bool
inn_apps_registered_since(const char *url, TimestampTz since, pg_uuid_t *app_id, char **error_code,
						  char **error)
{
	*error_code = *error = NULL;
	if (INN_RUN(&registered_since, inn_arg_cstring(url), inn_arg_time(since)) == 0)
		return false;
	*app_id = inn_row_uuid(0, 1);
	*error_code = inn_row_text(0, 2);
	*error = inn_row_text(0, 3);
	return *error_code == NULL;
}

bool
inn_apps_register_in_band(Jsonb *reply, pg_uuid_t *app_id, char **error_code, char **error)
{
	if (INN_RUN(&register_in_band, inn_arg_pointer(reply)) != 1)
		elog(ERROR, "a registration has no outcome");
	*error_code = inn_row_text(0, 2);
	*error = inn_row_text(0, 3);
	if (*error_code != NULL)
		return false;
	*app_id = inn_row_uuid(0, 1);
	return true;
}

int
inn_apps_archive(const char *name)
{
	return archive_found(&find_by_name, name);
}

int
inn_apps_archive_at(const char *url)
{
	return archive_found(&find_by_url, url);
}

static int
archive_found(InnPlan *find, const char *key)
{
	uint64 nfound = INN_RUN(find, inn_arg_cstring(key));
	char **names = palloc(Max(nfound, 1) * sizeof(char *));
	int count = 0;

	for (uint64 i = 0; i < nfound; i++)
		names[i] = inn_row_text(i, 1);
	for (uint64 i = 0; i < nfound; i++)
		count += archive_app(names[i]) ? 1 : 0;
	return count;
}

/* False if somebody else has been faster. */
static bool
archive_app(const char *name)
{
	pg_uuid_t id;

	inn_apps_lock(name, NULL, 0);
	if (INN_RUN(&archive, inn_arg_cstring(name)) == 0)
		return false;
	id = inn_row_uuid(0, 1);
	inn_functions_archive_others(&id, NULL, 0);
	return true;
}

static InnArg
text_array(const char *const *texts, int ntexts)
{
	Datum *values = palloc(Max(ntexts, 1) * sizeof(Datum));

	for (int i = 0; i < ntexts; i++)
		values[i] = CStringGetTextDatum(texts[i]);
	return inn_arg_array(values, NULL, ntexts, TEXTOID);
}
