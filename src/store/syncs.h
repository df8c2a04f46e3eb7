/*-------------------------------------------------------------------------
 *
 * syncs.h
 *	  Requests to ask apps for their functions: inngest.syncs.
 *
 * IDENTIFICATION
 *	  src/store/syncs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SYNCS_H
#define INN_SYNCS_H

#include "store/sql.h"

/* Requests that wait. */
#define INN_MAX_PENDING_SYNCS 1000

typedef struct InnSyncRequest
{
	pg_uuid_t id;
	const char *url; /* normalised */
} InnSyncRequest;

/* Put down a request, and wake the executor when it commits; ERROR if too many wait already. */
extern pg_uuid_t inn_syncs_put(const char *url);

/* Those that wait, the oldest first, up to max; URLs are palloc'ed. */
extern int inn_syncs_pending(int max, InnSyncRequest *requests);

/* What became of one: it is well if error_code is NULL.  app_id may be NULL, if it is not known. */
extern void inn_syncs_finish(const pg_uuid_t *id, const pg_uuid_t *app_id, const char *error_code,
							 const char *error);

/*
 * URLs that are worth asking again, up to max of them: of apps that have an error, and those where nobody was within the last
 * hour and no app is known.  palloc'ed.
 */
extern char **inn_syncs_failing(int max, int *count);

/* An app has come to a URL: requests of the last hour that found nobody there are well after all. */
extern void inn_syncs_heal(const char *url, const pg_uuid_t *app_id);

/* What it says of a URL where nobody is. */
#define INN_SYNC_UNREACHABLE "unreachable"

#endif /* INN_SYNCS_H */
