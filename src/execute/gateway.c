/*-------------------------------------------------------------------------
 *
 * gateway.c
 *	  Requests that functions have made for them.
 *
 * Where they may go is a policy: in cloud mode only to public addresses, unless inngest.allow_private_requests says otherwise, as whoever
 * writes functions would else reach whatever the database server reaches.
 *
 * A request that fails is a failed attempt of its step: the function is called again and asks again, until no attempt is left.  For
 * step.fetch every answer is a success, whatever its status; for step.ai.infer one up to 299 is.
 *
 * IDENTIFICATION
 *	  src/execute/gateway.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/json.h"
#include "execute/gateway.h"
#include "run/op.h"
#include "store/jobs.h"

/* Most headers of a request. */
#define MAX_HEADERS 64

typedef struct InnGateway
{
	InnCookieKind cookie; /* INN_COOKIE_GATEWAY */
	InnFlight *flight;
	InnClientCall *call;
	InnClientReply *reply; /* NULL: none yet, or none will come */
} InnGateway;

typedef struct Asked
{
	const char *method;
	char *url;
	const char *headers[MAX_HEADERS];
	int nheaders;
	char *body;
} Asked;

static bool is_gateway(const InnOp *op);
static void start(InnGateway *gateway, const InnOp *op);
static void read_options(const InnOp *op, Asked *asked);
static char *text_option(const InnOp *op, const char *key);
static void add_header(Asked *asked, const char *name, const char *value);
static void add_headers(Asked *asked, const InnOp *op);
static void add_credentials(Asked *asked, const char *format, const char *key);
static char *body_option(const InnOp *op);
static void apply_fetched(InnOp *op, InnClientReply *reply);
static void apply_inferred(InnOp *op, InnClientReply *reply);
static void apply_failure(InnOp *op, const char *what, InnClientReply *reply);
static Jsonb *headers_json(InnClientReply *reply);
static char *usual_case(const char *name);
static Jsonb *body_json(const InnClientReply *reply);
static char *body_text(const InnClientReply *reply);

bool
inn_gateways_open(InnFlight *flight, const InnOutcomeOfCall *outcome)
{
	int ngateways = 0;

	if (flight->gateways != NULL)
		return flight->gateways_open > 0;
	for (int i = 0; outcome->kind == INN_OUTCOME_OPS && i < outcome->nops; i++)
		ngateways += is_gateway(&outcome->ops[i]);
	if (ngateways == 0 || !inn_jobs_exists(&flight->job.run_id, flight->job.id))
		return false;

	flight->gateways =
		MemoryContextAllocZero(GetMemoryChunkContext(flight), outcome->nops * sizeof(InnGateway));
	flight->ngateways = outcome->nops;
	for (int i = 0; i < outcome->nops; i++)
	{
		if (!is_gateway(&outcome->ops[i]))
			continue;
		flight->gateways[i] = (InnGateway){.cookie = INN_COOKIE_GATEWAY, .flight = flight};
		start(&flight->gateways[i], &outcome->ops[i]);
	}
	if (flight->gateways_open > 0)
		flight->state = INN_FLIGHT_GATEWAYS;
	return flight->gateways_open > 0;
}

static bool
is_gateway(const InnOp *op)
{
	return op->kind == INN_OP_GATEWAY || op->kind == INN_OP_AI_GATEWAY;
}

static void
start(InnGateway *gateway, const InnOp *op)
{
	Asked asked = {0};

	read_options(op, &asked);
	gateway->call = inn_client_start(&(InnClientRequest){
		.method = asked.method,
		.url = asked.url,
		.headers = asked.headers,
		.nheaders = asked.nheaders,
		.body = asked.body,
		.body_size = asked.body == NULL ? 0 : strlen(asked.body),
		.max_reply_bytes = INN_STEP_MAX_BYTES,
		.is_restricted = inn_mode == INN_MODE_CLOUD && !inn_allow_private_requests,
		.cookie = gateway,
	});
	if (gateway->call != NULL)
		gateway->flight->gateways_open++;
}

static void
read_options(const InnOp *op, Asked *asked)
{
	bool is_ai = op->kind == INN_OP_AI_GATEWAY;
	char *method = text_option(op, "method");

	asked->method = is_ai || method == NULL || method[0] == '\0' ? "POST" : method;
	asked->url = text_option(op, "url");
	if (asked->url == NULL)
		asked->url = pstrdup("");
	asked->body = body_option(op);
	if (is_ai)
	{
		add_header(asked, "Content-Type", "application/json");
		add_credentials(asked, text_option(op, "format"), text_option(op, "auth_key"));
	}
	add_headers(asked, op);
}

static char *
text_option(const InnOp *op, const char *key)
{
	JsonbValue value;

	if (op->opts == NULL || !inn_json_find(&op->opts->root, key, &value) || value.type != jbvString)
		return NULL;
	return inn_json_string(&value);
}

static void
add_header(Asked *asked, const char *name, const char *value)
{
	if (asked->nheaders < MAX_HEADERS)
		asked->headers[asked->nheaders++] = psprintf("%s: %s", name, value);
}

/* opts.headers, an object of strings. */
static void
add_headers(Asked *asked, const InnOp *op)
{
	JsonbValue headers;
	JsonbValue value;
	JsonbIterator *it;
	char *name = NULL;
	JsonbIteratorToken token;

	if (op->opts == NULL || !inn_json_find(&op->opts->root, "headers", &headers) ||
		headers.type != jbvBinary || !JsonContainerIsObject(headers.val.binary.data))
		return;
	it = JsonbIteratorInit(headers.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && value.type == jbvString)
			add_header(asked, name, inn_json_string(&value));
	}
}

/* How an AI provider wants its key (protocol.md 8.8). */
static void
add_credentials(Asked *asked, const char *format, const char *key)
{
	if (key == NULL || key[0] == '\0')
		return;
	if (format != NULL && strcmp(format, "gemini") == 0)
		asked->url =
			psprintf("%s%ckey=%s", asked->url, strchr(asked->url, '?') == NULL ? '?' : '&', key);
	else if (format != NULL && strcmp(format, "anthropic") == 0)
		add_header(asked, "x-api-key", key);
	else if (format != NULL && strcmp(format, "bedrock") == 0)
		add_header(asked, "Authorization", key);
	else
		add_header(asked, "Authorization", psprintf("Bearer %s", key));
}

/* A text goes as it is if it is JSON, else as a JSON string; anything else as JSON. */
static char *
body_option(const InnOp *op)
{
	JsonbValue value;
	Jsonb *json;
	char *error;

	if (op->opts == NULL || !inn_json_find(&op->opts->root, "body", &value) ||
		value.type == jbvNull)
		return NULL;
	if (value.type == jbvString && op->kind == INN_OP_GATEWAY)
	{
		char *text = inn_json_string(&value);

		if (text[0] == '\0')
			return NULL;
		if (inn_json_parse(text, strlen(text), &json, &error))
			return text;
	}
	json = inn_json_to_jsonb(&value);
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

InnFlight *
inn_gateway_note_reply(InnClientReply *reply)
{
	InnGateway *gateway = reply->cookie;
	InnFlight *flight = gateway->flight;

	gateway->reply = reply;
	gateway->call = NULL;
	return --flight->gateways_open == 0 ? flight : NULL;
}

void
inn_gateways_apply(InnFlight *flight, InnOutcomeOfCall *outcome)
{
	if (flight->gateways == NULL || outcome->kind != INN_OUTCOME_OPS)
		return;
	Assert(flight->ngateways == outcome->nops);
	for (int i = 0; i < outcome->nops; i++)
	{
		InnOp *op = &outcome->ops[i];

		if (op->kind == INN_OP_GATEWAY)
			apply_fetched(op, flight->gateways[i].reply);
		else if (op->kind == INN_OP_AI_GATEWAY)
			apply_inferred(op, flight->gateways[i].reply);
	}
}

/* {"body": text, "headers": {}, "status_code": n, "url": text} */
static void
apply_fetched(InnOp *op, InnClientReply *reply)
{
	JsonbParseState *state = NULL;

	if (op->type == NULL)
		op->type = "step.fetch";
	if (reply == NULL || reply->status == 0)
	{
		apply_failure(op, "GatewayError", reply);
		return;
	}
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "url", text_option(op, "url"));
	inn_json_put(&state, "headers", headers_json(reply));
	inn_json_put_text(&state, "body", body_text(reply));
	inn_json_put_integer(&state, "status_code", reply->status);
	op->data = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	op->kind = INN_OP_STEP_RUN;
}

static void
apply_inferred(InnOp *op, InnClientReply *reply)
{
	if (op->type == NULL)
		op->type = "step.ai.infer";
	if (reply == NULL || reply->status == 0 || reply->status > 299)
	{
		apply_failure(op, "AIGatewayError", reply);
		return;
	}
	op->data = body_json(reply);
	op->kind = INN_OP_STEP_RUN;
}

static void
apply_failure(InnOp *op, const char *name, InnClientReply *reply)
{
	bool is_ai = op->kind == INN_OP_AI_GATEWAY;
	const char *what = is_ai ? "Error making AI request" : "Error making gateway request";
	const char *why = "out of memory";
	JsonbParseState *state = NULL;

	if (reply != NULL)
		why = reply->status == 0 ? reply->sentence : psprintf("HTTP status %d", reply->status);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "name", name);
	inn_json_put_text(&state, "message", psprintf("%s: %s", what, why));
	if (is_ai && reply != NULL && reply->status != 0)
	{
		inn_json_put(&state, "data", body_json(reply));
		inn_json_put_text(&state, "stack", body_text(reply));
	}
	op->error = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	op->kind = INN_OP_STEP_ERROR;
}

static Jsonb *
headers_json(InnClientReply *reply)
{
	JsonbParseState *state = NULL;
	int count = 0;
	const InnClientHeader *headers = inn_client_headers(reply, &count);

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; headers != NULL && i < count; i++)
	{
		if (pg_verify_mbstr(PG_UTF8, headers[i].value, (int) strlen(headers[i].value), true))
			inn_json_put_text(&state, usual_case(headers[i].name),
							  pg_any_to_server(headers[i].value, (int) strlen(headers[i].value),
											   PG_UTF8));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* "content-type" as "Content-Type", however it was sent. */
static char *
usual_case(const char *name)
{
	char *result = pstrdup(name);

	for (int i = 0; result[i] != '\0'; i++)
		result[i] = (char) (i == 0 || result[i - 1] == '-'
								? pg_ascii_toupper((unsigned char) result[i])
								: pg_ascii_tolower((unsigned char) result[i]));
	return result;
}

/* As JSON, or else as a string. */
static Jsonb *
body_json(const InnClientReply *reply)
{
	Jsonb *json;
	char *error;

	if (inn_json_parse(reply->body, reply->size, &json, &error))
		return json;
	return inn_json_from_text(body_text(reply));
}

/* What is not UTF-8, and NUL, becomes a question mark: a string cannot hold it. */
static char *
body_text(const InnClientReply *reply)
{
	char *text = palloc(reply->size + 1);

	memcpy(text, reply->body, reply->size);
	text[reply->size] = '\0';
	for (size_t at = 0; at < reply->size;)
	{
		int len = text[at] == '\0' ? 1 : pg_utf_mblen((unsigned char *) text + at);

		if (text[at] == '\0' || at + len > reply->size ||
			!pg_utf8_islegal((unsigned char *) text + at, len))
		{
			text[at++] = '?';
			continue;
		}
		at += len;
	}
	return pg_any_to_server(text, (int) reply->size, PG_UTF8);
}

void
inn_gateways_free(InnFlight *flight)
{
	if (flight->gateways == NULL)
		return;
	for (int i = 0; i < flight->ngateways; i++)
	{
		if (flight->gateways[i].call != NULL)
			inn_client_abandon(flight->gateways[i].call);
		if (flight->gateways[i].reply != NULL)
			inn_client_free(flight->gateways[i].reply);
	}
	pfree(flight->gateways);
	flight->gateways = NULL;
}
