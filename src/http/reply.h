/*-------------------------------------------------------------------------
 *
 * reply.h
 *	  JSON replies and error bodies.
 *
 * IDENTIFICATION
 *	  src/http/reply.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_REPLY_H
#define INN_REPLY_H

#include "lib/stringinfo.h"

#include "http/server.h"

/* Which form errors have (protocol.md 2.6). */
typedef enum InnFamily
{
	INN_FAMILY_OWN,	   /* {"error", "code", "status", "detail"?, "hint"?} */
	INN_FAMILY_INGEST, /* /e/: {"ids": [], "status", "error", "code"} */
	INN_FAMILY_PUBLIC, /* /v0, /v1, /fn, /invoke, /dev: {"error", "data": null, "status"} */
	INN_FAMILY_V2	   /* {"errors": [{"code", "message"}]} */
} InnFamily;

/* Something that went wrong. */
typedef struct InnFault
{
	int status;
	const char *code;
	const char *sentence;
	const char *detail; /* NULL: none */
	const char *hint;	/* NULL: none */
} InnFault;

/* By the beginning of a path. */
extern InnFamily inn_family_of_path(const char *path);

/* Reply with JSON. */
extern void inn_reply(InnRequest *request, int status, const char *body, size_t size);

/* Reply with an error in the form of the request's path. */
extern void inn_reply_error(InnRequest *request, int status, const char *code,
							const char *sentence);

/* Its body. */
extern void inn_reply_format_error(StringInfo body, InnFamily family, const InnFault *fault);

#endif /* INN_REPLY_H */
