/*-------------------------------------------------------------------------
 *
 * registrations.h
 *	  Apps as their SDKs register them: inngest.apps.
 *
 * IDENTIFICATION
 *	  src/store/registrations.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_REGISTRATIONS_H
#define INN_REGISTRATIONS_H

#include "utils/jsonb.h"

#include "store/sql.h"

/* What an SDK says of its app; all but the name and the URL may be NULL. */
typedef struct InnAppInfo
{
	const char *name;
	const char *url; /* normalised */
	const char *sdk;
	const char *framework;
	const char *platform;
	const char *app_version;
} InnAppInfo;

/* Names of this registration and of its app. */
typedef struct InnSyncIds
{
	pg_uuid_t sync_id;
	pg_uuid_t app_id;
} InnSyncIds;

/*
 * Let nobody else register this app or these functions until the transaction ends.  All at once and in an order
 * of their own, so that two registrations do not wait for each other.
 */
extern void inn_apps_lock(const char *app, const char *const *slugs, int nslugs);

/* Of each slug, the name of the app that it belongs to, if that is another one and the function is not archived; or NULL. */
extern const char **inn_apps_owners(const char *app, const char *const *slugs, int nslugs);

/* Is the app registered with this checksum already, and well? */
extern bool inn_apps_is_same(const char *app, const bytea *checksum);

/* A registration was accepted: write down what was said, and that the app is well. */
extern void inn_apps_put(const InnAppInfo *info, const bytea *checksum, InnSyncIds *ids);

/* Something went wrong with an app, or with those at a URL; nothing if there is none. */
extern void inn_apps_put_error(const char *app, const char *code, const char *message);
extern void inn_apps_put_error_at(const char *url, const char *code, const char *message);

/* Has an app at a URL registered since then?  Or was it refused, which is in *error_code and *error; else they are NULL. */
extern bool inn_apps_registered_since(const char *url, TimestampTz since, pg_uuid_t *app_id,
									  char **error_code, char **error);

/*
 * What an SDK says in its answer instead of sending it (protocol.md 5.8), as if it had sent it (ingest/sync.h).  False
 * if it is refused, with a code and a sentence.
 */
extern bool inn_apps_register_in_band(Jsonb *reply, pg_uuid_t *app_id, char **error_code,
									  char **error);

/* Put away apps with all their functions, by name or by URL.  Returns how many. */
extern int inn_apps_archive(const char *name);
extern int inn_apps_archive_at(const char *url);

#endif /* INN_REGISTRATIONS_H */
