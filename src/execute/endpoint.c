/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  The call of a durable endpoint.
 *
 * Headers tell the SDK that this is no new request: the id of the run and a signature, which must be there even where nobody checks
 * it.  What the steps have come to it fetches itself.
 *
 * A signature is of what the SDK can check: that for Go has no way to read the body before the endpoint does, and takes the id of
 * the run.  All others take the body, in its canonical form if it is JSON.
 *
 * IDENTIFICATION
 *	  src/execute/endpoint.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/jcs.h"
#include "base/json.h"
#include "base/sign.h"
#include "execute/endpoint.h"

/* The event of Go's SDK, whose body is in base64. */
#define EVENT_GO "http/run.started"

/* What is signed with where no key is known: dev mode, in which it is not checked. */
#define NO_KEY "dev"

/* Longer ones are left out. */
#define CONTENT_TYPE_MAX_BYTES 256

static char *make_url(const InnEvent *event);
static void put_body(const InnEvent *event, InnRequestText *text);
static void put_headers(const InnRequestSubject *subject, const InnEvent *event,
						InnRequestText *text);
static void put_signature(const InnRequestSubject *subject, InnRequestText *text);
static void put_header(InnRequestText *text, char *line);
static bool is_plain(const char *value);
static char *request_text(const InnEvent *event, const char *key);

void
inn_endpoint_build(const InnRequestSubject *subject, const InnEvent *event, const char **method,
				   InnRequestText *text)
{
	*text = (InnRequestText){.url = make_url(event), .uses_api = true};
	*method = request_text(event, "method");
	if ((*method)[0] == '\0')
		*method = "GET";
	put_body(event, text);
	put_headers(subject, event, text);
}

static char *
make_url(const InnEvent *event)
{
	char *origin = request_text(event, "domain");
	char *query = request_text(event, "query_params");

	if (strstr(origin, "://") == NULL)
		origin = psprintf("%s://%s", inn_mode == INN_MODE_CLOUD ? "https" : "http", origin);
	return psprintf("%s%s%s%s", origin, request_text(event, "path"), query[0] == '\0' ? "" : "?",
					query);
}

static void
put_body(const InnEvent *event, InnRequestText *text)
{
	char *body = request_text(event, "body");
	int size;

	initStringInfo(&text->body);
	if (strcmp(event->name, EVENT_GO) != 0)
	{
		body = pg_server_to_any(body, (int) strlen(body), PG_UTF8);
		appendStringInfoString(&text->body, body);
		return;
	}
	enlargeStringInfo(&text->body, pg_b64_dec_len((int) strlen(body)) + 1);
	size = pg_b64_decode(body, (int) strlen(body), (InnBase64Byte *) text->body.data,
						 text->body.maxlen - 1);
	text->body.len = Max(size, 0);
	text->body.data[text->body.len] = '\0';
}

static void
put_headers(const InnRequestSubject *subject, const InnEvent *event, InnRequestText *text)
{
	char *content_type = request_text(event, "content_type");
	char run_id[INN_ULID_TEXT_LEN + 1];
	char request_id[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(&subject->run_id, run_id);
	inn_ulid_format(&subject->request_id, request_id);
	if (content_type[0] != '\0' && is_plain(content_type))
		put_header(text, psprintf("Content-Type: %s", content_type));
	put_header(text, pstrdup("User-Agent: Inngest"));
	if (subject->is_planning)
		put_header(text, pstrdup("X-Inngest-Force-Step-Plan: true"));
	put_header(text, psprintf("X-Inngest-Generation-Id: %d", subject->generation));
	put_header(text, psprintf("X-Inngest-Job-Id: " INT64_FORMAT, subject->job_id));
	put_header(text, psprintf("X-Inngest-Req-Version: %d", subject->request_version));
	put_signature(subject, text);
	if (subject->target != NULL && is_plain(subject->target))
		put_header(text, psprintf("X-Inngest-Step-ID: %s", subject->target));
	put_header(text, psprintf("X-Request-Id: %s", request_id));
	put_header(text, psprintf("X-Run-ID: %s", run_id));
}

static void
put_signature(const InnRequestSubject *subject, InnRequestText *text)
{
	char signature[INN_SIGNATURE_SIZE];
	StringInfoData canonical;
	Jsonb *json;
	char *error;
	const char *bytes = text->body.data;
	size_t size = text->body.len;

	if (subject->always_inline)
	{
		/*
		 * Go means to check the run id, but makes canonical JSON of it first, which it is not, so that nothing is left
		 * (inngestgo 0.16, Sign() and validateResumeRequestSignature()).
		 */
		size = 0;
	}
	else if (size > 0 && inn_json_parse(bytes, size, &json, &error))
	{
		initStringInfo(&canonical);
		if (inn_jcs_append(&canonical, json) == INN_JCS_GOOD)
		{
			bytes = canonical.data;
			size = canonical.len;
		}
	}
	inn_sign(subject->signing_key != NULL ? subject->signing_key : NO_KEY, bytes, size,
			 subject->now_s, signature);
	put_header(text, psprintf("X-Inngest-Signature: %s", signature));
}

static void
put_header(InnRequestText *text, char *line)
{
	Assert(text->nheaders < INN_REQUEST_MAX_HEADERS);
	text->headers[text->nheaders++] = line;
}

/* Nothing may get out of a header. */
static bool
is_plain(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
	{
		if (*p < ' ' || *p > '~')
			return false;
	}
	return strlen(value) <= CONTENT_TYPE_MAX_BYTES;
}

/* "" if it is none. */
static char *
request_text(const InnEvent *event, const char *key)
{
	JsonbValue value;

	if (event->data == NULL || !inn_json_find(&event->data->root, key, &value) ||
		value.type != jbvString)
		return pstrdup("");
	return inn_json_string(&value);
}
