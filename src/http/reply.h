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

/* Reply with JSON. */
extern void inn_reply(InnRequest *request, int status, const char *body, size_t size);

/* Reply {"error": sentence, "code": …, "status": n}. */
extern void inn_reply_error(InnRequest *request, int status, const char *code,
							const char *sentence);

/* The same as text; hint may be NULL. */
extern void inn_reply_format_error(StringInfo body, int status, const char *code,
								   const char *sentence, const char *hint);

#endif /* INN_REPLY_H */
