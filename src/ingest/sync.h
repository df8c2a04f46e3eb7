/*-------------------------------------------------------------------------
 *
 * sync.h
 *	  An SDK registers its app: all functions at once, judged as a whole.
 *
 * IDENTIFICATION
 *	  src/ingest/sync.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SYNC_H
#define INN_SYNC_H

#include "ingest/judge.h"
#include "store/registrations.h"

/* Functions of an app. */
#define INN_APP_MAX_FUNCTIONS 1000

/* What the headers of a registration say; each may be NULL.  The body goes before them. */
typedef struct InnSyncHeaders
{
	const char *sdk;
	const char *framework;
	const char *platform;
} InnSyncHeaders;

typedef struct InnSyncOutcome
{
	bool is_accepted;
	bool is_modified; /* accepted, and not what there was already */
	InnSyncIds ids;	  /* accepted */

	/* not accepted: a code, and for people everything that is wrong */
	const char *error_code;
	const char *error;
	InnFaults faults;
} InnSyncOutcome;

/*
 * Judge what an SDK sends to POST /fn/register (protocol.md 5.3) and store it: functions that are new or differ,
 * and the end of those that are missing.  What is refused changes nothing, but is noted as the error of the app if
 * there is one of that name.  Called between inn_sql_begin() and inn_sql_end(); palloc'ed in the current context.
 */
extern void inn_sync_register(Jsonb *body, const InnSyncHeaders *headers, InnSyncOutcome *outcome);

#endif /* INN_SYNC_H */
