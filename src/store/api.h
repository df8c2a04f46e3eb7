/*-------------------------------------------------------------------------
 *
 * api.h
 *	  Calling the SQL functions behind the HTTP API (sql/parts/80_http_api.sql).
 *
 * IDENTIFICATION
 *	  src/store/api.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_API_H
#define INN_API_H

#include "utils/jsonb.h"

#include "store/sql.h"

typedef struct InnApiReply
{
	int status; /* HTTP status */
	char *body; /* in the memory context of the caller; with a NUL */
	size_t size;
} InnApiReply;

/*
 * Call inngest.<function>(request, body); body may be NULL.  The name comes from the route table, never from a request.  A body
 * that is a JSON string is given as its text, everything else as JSON.
 */
extern void inn_api_call(const char *function, Jsonb *request, Jsonb *body, InnApiReply *reply);

#endif /* INN_API_H */
