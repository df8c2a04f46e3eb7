/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  The shapes that all routes share (DESIGN: one shape for every error).
 *
 * IDENTIFICATION
 *	  src/http/reply.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "http/reply.h"

void
inn_reply(InnRequest *request, int status, const char *body, size_t size)
{
	inn_server_reply(request, status, "application/json", NULL, body, size);
}

void
inn_reply_error(InnRequest *request, int status, const char *code, const char *sentence)
{
	StringInfoData body;

	initStringInfo(&body);
	inn_reply_format_error(&body, status, code, sentence, NULL);
	inn_reply(request, status, body.data, body.len);
	pfree(body.data);
}

void
inn_reply_format_error(StringInfo body, int status, const char *code, const char *sentence,
					   const char *hint)
{
	appendStringInfoString(body, "{\"error\":");
	inn_json_append_string(body, sentence);
	appendStringInfo(body, ",\"code\":\"%s\",\"status\":%d", code, status);
	if (hint != NULL)
	{
		appendStringInfoString(body, ",\"hint\":");
		inn_json_append_string(body, hint);
	}
	appendStringInfoChar(body, '}');
}
