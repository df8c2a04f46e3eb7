/*-------------------------------------------------------------------------
 *
 * syncs.h
 *	  Apps as their SDKs register them: inngest.apps.
 *
 * IDENTIFICATION
 *	  src/store/syncs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SYNCS_H
#define INN_SYNCS_H

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
extern void inn_syncs_lock(const char *app, const char *const *slugs, int nslugs);

/* Of each slug, the name of the app that it belongs to, if that is another one and the function is not archived; or NULL. */
extern const char **inn_syncs_owners(const char *app, const char *const *slugs, int nslugs);

/* Is the app registered with this checksum already, and well? */
extern bool inn_syncs_is_same(const char *app, const bytea *checksum);

/* A registration was accepted: write down what was said, and that the app is well. */
extern void inn_syncs_put(const InnAppInfo *info, const bytea *checksum, InnSyncIds *ids);

/* Something went wrong with an app; nothing if there is none of that name. */
extern void inn_syncs_put_error(const char *app, const char *code, const char *message);

/* Put away apps with all their functions, by name or by URL.  Returns how many. */
extern int inn_syncs_archive_app(const char *name);
extern int inn_syncs_archive_url(const char *url);

#endif /* INN_SYNCS_H */
