/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  The shapes that all routes share.
 *
 * Our own errors have one shape.  The SDKs and tools of Inngest expect several, which differ by the beginning
 * of the path, and so does what belongs to no route.
 *
 * IDENTIFICATION
 *	  src/http/reply.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "http/reply.h"

static const struct
{
	const char *prefix;
	InnFamily family;
} prefixes[] = {
	{"/e/", INN_FAMILY_INGEST},	 {"/v0/", INN_FAMILY_PUBLIC},	  {"/v1/", INN_FAMILY_PUBLIC},
	{"/fn/", INN_FAMILY_PUBLIC}, {"/invoke/", INN_FAMILY_PUBLIC}, {"/v2/", INN_FAMILY_V2},
	{"/api/v2/", INN_FAMILY_V2}, {"/dev", INN_FAMILY_PUBLIC},
};

static void append_optional(StringInfo body, const char *key, const char *value);
static const char *v2_code(const InnFault *fault);

InnFamily
inn_family_of_path(const char *path)
{
	for (int i = 0; i < (int) lengthof(prefixes); i++)
	{
		if (strncmp(path, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
			return prefixes[i].family;
	}
	return INN_FAMILY_OWN;
}

void
inn_reply(InnRequest *request, int status, const char *body, size_t size)
{
	inn_server_reply(request, status, "application/json", NULL, body, size);
}

void
inn_reply_error(InnRequest *request, int status, const char *code, const char *sentence)
{
	InnFault fault = {.status = status, .code = code, .sentence = sentence};
	StringInfoData body;

	initStringInfo(&body);
	inn_reply_format_error(&body, inn_family_of_path(request->path), &fault);
	inn_reply(request, status, body.data, body.len);
	pfree(body.data);
}

void
inn_reply_format_error(StringInfo body, InnFamily family, const InnFault *fault)
{
	if (family == INN_FAMILY_V2)
	{
		appendStringInfo(body, "{\"errors\":[{\"code\":\"%s\",\"message\":", v2_code(fault));
		inn_json_append_string(body, fault->sentence);
		appendStringInfoString(body, "}]}");
		return;
	}

	appendStringInfoString(body,
						   family == INN_FAMILY_INGEST ? "{\"ids\":[],\"error\":" : "{\"error\":");
	inn_json_append_string(body, fault->sentence);
	if (family == INN_FAMILY_PUBLIC)
		appendStringInfoString(body, ",\"data\":null");
	else
		appendStringInfo(body, ",\"code\":\"%s\"", fault->code);
	appendStringInfo(body, ",\"status\":%d", fault->status);
	if (family == INN_FAMILY_OWN)
	{
		append_optional(body, "detail", fault->detail);
		append_optional(body, "hint", fault->hint);
	}
	appendStringInfoChar(body, '}');
}

static void
append_optional(StringInfo body, const char *key, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(body, ",\"%s\":", key);
	inn_json_append_string(body, value);
}

/* That API has few codes of its own. */
static const char *
v2_code(const InnFault *fault)
{
	if (fault->status == 404)
		return "not_found";
	if (fault->status == 409)
		return fault->code;
	if (fault->status == 501 || strcmp(fault->code, "not_supported") == 0)
		return "not_implemented";
	if (strcmp(fault->code, "invalid_parameter") == 0)
		return "invalid_field_format";
	return "api_error";
}
