/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  What an app answered, as news of a run.
 *
 * That it was the SDK that answered is known by a header: without it a 200 of some proxy would complete a run.  A
 * streamed reply is 201 at first, before anybody knows how it will end, and holds the real one as JSON; that is taken
 * out and then read like any other [open_envelope].
 *
 * Nothing of what was answered is dropped silently.  JSON that jsonb cannot hold (\u0000) is an
 * error of the attempt that says so; only what is no JSON at all is taken as a text.
 *
 * IDENTIFICATION
 *	  src/execute/reply.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/json.h"
#include "cel/cel.h"
#include "execute/reply.h"
#include "run/fault.h"

#define STATUS_STREAMED 201
#define STATUS_OPS 206

/* what is told of a body that is none of an SDK's */
#define QUOTE_MAX_BYTES 1024

/* longest Retry-After that is seconds; longer ones would be years */
#define SECONDS_MAX_DIGITS 7

/* A body, read as JSON. */
typedef struct Payload
{
	InnJsonFault fault;
	Jsonb *json;	/* NULL if there is a fault */
	char *sentence; /* the fault's */
} Payload;

static void read_failure(const InnAnswer *answer, InnOutcomeOfCall *outcome);
static bool open_envelope(InnAnswer *answer, Payload *payload, InnOutcomeOfCall *outcome);
static void open_headers(JsonbContainer *envelope, InnAnswer *answer);
static void open_body(JsonbContainer *envelope, InnAnswer *answer, Payload *payload);
static const char *header_text(const JsonbValue *value);
static void read_payload(const InnAnswer *answer, Payload *payload);
static void read_control(const InnAnswer *answer, TimestampTz now, InnOutcomeOfCall *outcome);
static bool is_old_javascript(const char *sdk);
static TimestampTz read_retry_after(const char *text, TimestampTz now);
static void read_stranger(const InnAnswer *answer, const Payload *payload,
						  InnOutcomeOfCall *outcome);
static bool is_about_ops(const Payload *payload);
static void read_page(const InnAnswer *answer, InnOutcomeOfCall *outcome);
static bool leads_to_output(const InnAnswer *answer);
static void take_for_new(const InnAnswer *answer, InnOutcomeOfCall *outcome);
static void read_ops(const Payload *payload, InnOutcomeOfCall *outcome);
static void read_result(const InnAnswer *answer, const Payload *payload, bool is_targeted,
						InnOutcomeOfCall *outcome);
static void read_error(const InnAnswer *answer, const Payload *payload, InnOutcomeOfCall *outcome);
static void fail(InnOutcomeOfCall *outcome, Jsonb *error);
static JsonbValue root_of(Jsonb *json);
static Jsonb *text_to_json(const char *text, size_t size);
static const char *quote(const InnAnswer *answer);
static const char *plain(const char *header);
static bool is_blank(const char *text, size_t size);
static bool is_success(int status);
static bool is_go(const char *sdk);
static bool is_go_endpoint(const InnAnswer *answer);

void
inn_answer_read(const InnAnswer *given, bool is_targeted, TimestampTz now,
				InnOutcomeOfCall *outcome)
{
	InnAnswer answer = *given;
	Payload payload;

	*outcome = (InnOutcomeOfCall){.retry_at = INN_NEVER, .request_version = -1};
	if (answer.trouble != INN_ANSWERED)
	{
		read_failure(&answer, outcome);
		return;
	}

	read_payload(&answer, &payload);
	if (answer.status == STATUS_STREAMED && answer.sdk != NULL && !is_go_endpoint(&answer) &&
		!open_envelope(&answer, &payload, outcome))
		return;

	read_control(&answer, now, outcome);
	if (is_go_endpoint(&answer) && !is_about_ops(&payload) &&
		(answer.status != STATUS_OPS || payload.fault != INN_JSON_UNSTORABLE))
		read_page(&answer, outcome);
	else if (answer.sdk == NULL)
		read_stranger(&answer, &payload, outcome);
	else if (answer.status == STATUS_OPS || (answer.is_endpoint && is_about_ops(&payload)))
		read_ops(&payload, outcome);
	else if (answer.is_endpoint && answer.no_retry == NULL && answer.status < 500)
		take_for_new(&answer, outcome);
	else if (is_success(answer.status))
		read_result(&answer, &payload, is_targeted, outcome);
	else
		read_error(&answer, &payload, outcome);
}

/* Nobody answered, or not in a way that can be taken. */
static void
read_failure(const InnAnswer *answer, InnOutcomeOfCall *outcome)
{
	const char *sentence = answer->sentence == NULL ? "" : answer->sentence;

	outcome->no_retry = answer->trouble == INN_NEVER_REACHABLE;
	if (answer->trouble == INN_ANSWER_TOO_LARGE)
		fail(outcome,
			 inn_fault_make("output_too_large",
							"Your function's response body exceeds the maximum size limit"));
	else
		fail(outcome, inn_fault_make_full("Unable to reach SDK URL", "Error",
										  sentence[0] == '\0'
											  ? "Unable to reach SDK URL"
											  : psprintf("Unable to reach SDK URL: %s", sentence)));
}

/* ---- streamed replies ---- */

/*
 * {"status": 206, "headers": {...}, "body": ...}, after blanks that kept the connection alive.  What it says replaces
 * what the outer reply said.  False, with the outcome set, if it has not come to its end.
 */
static bool
open_envelope(InnAnswer *answer, Payload *payload, InnOutcomeOfCall *outcome)
{
	JsonbContainer *envelope = payload->json == NULL ? NULL : &payload->json->root;
	JsonbValue value;
	int64 status;

	if (envelope == NULL)
	{
		fail(outcome, inn_fault_make("Error", psprintf("could not read the streamed reply: %s",
													   payload->sentence)));
		return false;
	}
	if (!inn_json_find(envelope, "status", &value) || !inn_json_is_integer(&value, &status) ||
		status < 100 || status > 599)
	{
		if (!is_go(answer->sdk))
			return true; /* a result of its own */

		/* It streams nothing else, but that it could not write the result that it had */
		fail(outcome, inn_fault_make("Error", psprintf("the streamed reply has no status.%s",
													   quote(answer))));
		return false;
	}

	answer->status = (int) status;
	open_headers(envelope, answer);
	open_body(envelope, answer, payload);
	return true;
}

static void
open_headers(JsonbContainer *envelope, InnAnswer *answer)
{
	const struct
	{
		const char *name;
		const char **place;
	} headers[] = {
		{"x-inngest-sdk", &answer->sdk},
		{"x-inngest-no-retry", &answer->no_retry},
		{"retry-after", &answer->retry_after},
		{"x-inngest-req-version", &answer->request_version},
		{"content-type", &answer->content_type},
	};
	JsonbValue object;
	JsonbValue value;

	if (inn_json_find(envelope, "headers", &object) && object.type == jbvBinary)
	{
		for (int i = 0; i < lengthof(headers); i++)
		{
			if (inn_json_find_ci(object.val.binary.data, headers[i].name, &value) &&
				header_text(&value) != NULL)
				*headers[i].place = header_text(&value);
		}
	}

	/* Go says these two beside the headers */
	if (inn_json_find(envelope, "noRetry", &value) && value.type == jbvBool && value.val.boolean)
		answer->no_retry = "true";
	if (inn_json_find(envelope, "retryAt", &value) && value.type == jbvString)
		answer->retry_after = inn_json_string(&value);
}

/* A text, the first of several, or NULL. */
static const char *
header_text(const JsonbValue *value)
{
	JsonbValue *first;

	if (value->type == jbvString)
		return inn_json_string(value);
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return NULL;
	first = getIthJsonbValueFromContainer(value->val.binary.data, 0);
	return first != NULL && first->type == jbvString ? inn_json_string(first) : NULL;
}

/* A text is the body as it would have been sent, anything else is what the body says. */
static void
open_body(JsonbContainer *envelope, InnAnswer *answer, Payload *payload)
{
	JsonbValue value;
	char *text;

	answer->body = "";
	answer->size = 0;
	if (!inn_json_find(envelope, "body", &value) || value.type == jbvNull)
		value = (JsonbValue){.type = jbvString, .val.string = {.val = "", .len = 0}};
	if (value.type == jbvString)
	{
		text = inn_json_string(&value);
		answer->body = pg_server_to_any(text, value.val.string.len, PG_UTF8);
		answer->size = strlen(answer->body);
		read_payload(answer, payload);
		return;
	}
	*payload = (Payload){.json = inn_json_to_jsonb(&value)};
}

static void
read_payload(const InnAnswer *answer, Payload *payload)
{
	payload->fault = inn_json_read(answer->body, answer->size, &payload->json, &payload->sentence);
}

/* ---- what is asked of us ---- */

static void
read_control(const InnAnswer *answer, TimestampTz now, InnOutcomeOfCall *outcome)
{
	if (answer->retry_after != NULL)
		outcome->retry_at = read_retry_after(answer->retry_after, now);
	if (answer->sdk == NULL)
		return;

	if (answer->no_retry != NULL)
		outcome->no_retry = pg_strcasecmp(answer->no_retry, "true") == 0;
	else
		outcome->no_retry = answer->status >= 400 && answer->status < 500 &&
							is_old_javascript(answer->sdk);
	if (answer->request_version != NULL)
	{
		char *end;
		long version = strtol(answer->request_version, &end, 10);

		if (end != answer->request_version && *end == '\0' && version >= 0 && version < 1000)
			outcome->request_version = (int) version;
	}
}

/* SDKs for JavaScript before 1.10.1 and 2.4.1 meant by any 4xx that there is no use in trying again. */
static bool
is_old_javascript(const char *sdk)
{
	int major;
	int minor;
	int patch;

	if (strncmp(sdk, "inngest-", strlen("inngest-")) == 0)
		sdk += strlen("inngest-");
	if (sscanf(sdk, "js:v%d.%d.%d", &major, &minor, &patch) != 3)
		return false;
	if (major == 1)
		return minor < 10 || (minor == 10 && patch < 1);
	if (major == 2)
		return minor < 4 || (minor == 4 && patch < 1);
	return major < 1;
}

/* Seconds, RFC 3339, or an HTTP date. */
static TimestampTz
read_retry_after(const char *text, TimestampTz now)
{
	size_t len;
	TimestampTz when;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;

	if (len > 0 && strspn(text, "0123456789") == len)
	{
		if (len > SECONDS_MAX_DIGITS)
			return INN_NEVER;
		when = now + atoi(text) * USECS_PER_SEC;
	}
	else if (!inn_cel_date_parse(text, len, &when))
		return INN_NEVER;
	return Min(Max(when, now + INN_RETRY_AFTER_MIN_USEC), now + INN_RETRY_AFTER_MAX_USEC);
}

/* ---- what it means ---- */

/* Not an SDK: a proxy, a platform, a crash. */
static void
read_stranger(const InnAnswer *answer, const Payload *payload, InnOutcomeOfCall *outcome)
{
	char *sentence;

	outcome->result = payload->json;
	if (is_success(answer->status))
	{
		sentence = psprintf("Your server returned HTTP %d, but it was not the SDK that responded: "
							"there is no X-Inngest-SDK header.",
							answer->status);
		fail(outcome, inn_fault_make_full(psprintf("not_sdk: %s", sentence), "not_sdk",
										  psprintf("%s%s", sentence, quote(answer))));
	}
	else
	{
		sentence =
			psprintf("Your server returned HTTP %d before the SDK responded.", answer->status);
		fail(outcome, inn_fault_make_full(sentence, "Server returned a fatal error",
										  psprintf("%s%s", sentence, quote(answer))));
	}
}

/* An op, or an array that begins with one. */
static bool
is_about_ops(const Payload *payload)
{
	JsonbContainer *container = payload->json == NULL ? NULL : &payload->json->root;
	JsonbValue value;

	if (container != NULL && JsonContainerIsArray(container) && !JsonContainerIsScalar(container))
	{
		JsonbValue *first = getIthJsonbValueFromContainer(container, 0);

		container = first != NULL && first->type == jbvBinary ? first->val.binary.data : NULL;
	}
	return container != NULL && JsonContainerIsObject(container) &&
		   inn_json_find(container, "op", &value) && value.type == jbvString &&
		   inn_json_find(container, "id", &value) && value.type == jbvString;
}

/* A durable endpoint of Go that has come to its end answers as it would its user, whatever the status: {"status", "headers", "body"}. */
static void
read_page(const InnAnswer *answer, InnOutcomeOfCall *outcome)
{
	JsonbParseState *state = NULL;
	Jsonb *body = text_to_json(answer->body, answer->size);

	if (leads_to_output(answer))
	{
		/* It has begun another run, and would as often as it is called. */
		outcome->no_retry = true;
		take_for_new(answer, outcome);
		return;
	}
	if (body == NULL)
	{
		fail(outcome,
			 inn_fault_make("Error",
							"The answer of the endpoint is no text, and cannot be stored."));
		return;
	}
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_integer(&state, "status", answer->status);
	inn_json_put_key(&state, "headers");
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < answer->nheaders; i++)
	{
		const InnClientHeader *header = &answer->headers[i];

		if (plain(header->name) == header->name && plain(header->value) == header->value)
			inn_json_put_text(&state, header->name, header->value);
	}
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	inn_json_put(&state, "body", body);
	outcome->kind = INN_OUTCOME_RESULT;
	outcome->result = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Who begins a run that goes on in the background is sent to what it will come to. */
static bool
leads_to_output(const InnAnswer *answer)
{
	for (int i = 0; i < answer->nheaders; i++)
	{
		const char *value = answer->headers[i].value;

		if (pg_strcasecmp(answer->headers[i].name, "location") == 0)
			return strstr(value, "/output?token=") != NULL &&
				   (strstr(value, "/v1/http/runs/") != NULL ||
					strstr(value, "/v1/checkpoint/") != NULL);
	}
	return false;
}

static void
take_for_new(const InnAnswer *answer, InnOutcomeOfCall *outcome)
{
	fail(outcome,
		 inn_fault_make("Error",
						psprintf("The endpoint answered HTTP %d as to a new request: "
								 "something may have taken the X-Run-ID header away, or it "
								 "has another signing key.",
								 answer->status)));
}

static void
read_ops(const Payload *payload, InnOutcomeOfCall *outcome)
{
	char *error = payload->sentence;
	bool is_overflow = false;
	JsonbValue root;

	if (payload->json != NULL)
	{
		root = root_of(payload->json);
		outcome->ops = inn_ops_read(&root, &outcome->nops, &is_overflow, &error);
	}
	if (outcome->ops != NULL)
	{
		outcome->kind = INN_OUTCOME_OPS;
		return;
	}

	outcome->nops = 0;
	outcome->is_fatal = is_overflow;
	if (is_overflow)
		fail(outcome,
			 inn_fault_make("InngestErrFunctionOverflowed",
							psprintf("The function run exceeded the step limit of %d steps.",
									 INN_MAX_OPS)));
	else
		fail(outcome,
			 inn_fault_make("Error",
							psprintf("error reading generator opcode response: %s", error)));
}

/* JSON is kept as it is, but that a text which is an object is that object; anything else is a text. */
static void
read_result(const InnAnswer *answer, const Payload *payload, bool is_targeted,
			InnOutcomeOfCall *outcome)
{
	JsonbValue root;
	Payload inner = {.json = NULL};

	outcome->kind = INN_OUTCOME_RESULT;
	outcome->result = payload->json;
	if (payload->json == NULL && is_blank(answer->body, answer->size))
		outcome->result = inn_json_to_jsonb(&(JsonbValue){.type = jbvNull});
	else if (payload->fault == INN_JSON_SYNTAX)
		outcome->result = text_to_json(answer->body, answer->size);

	if (outcome->result == NULL)
	{
		fail(outcome,
			 inn_fault_make("Error", psprintf("The result of the function cannot be stored: %s",
											  payload->sentence)));
		return;
	}

	root = root_of(outcome->result);
	if (root.type == jbvNull && is_targeted && is_go(answer->sdk))
		fail(outcome,
			 inn_fault_make("Error", "The function returned without the step it was asked for; "
									 "it does not take the same way every time."));
	if (root.type == jbvString && root.val.string.len > 0 && root.val.string.val[0] == '{')
	{
		const char *utf8 = pg_server_to_any(inn_json_string(&root), root.val.string.len, PG_UTF8);

		if (inn_json_read(utf8, strlen(utf8), &inner.json, &inner.sentence) == INN_JSON_GOOD)
			outcome->result = inner.json;
	}
}

/* The function failed. */
static void
read_error(const InnAnswer *answer, const Payload *payload, InnOutcomeOfCall *outcome)
{
	Jsonb *reported = payload->json;
	JsonbValue root;

	if (payload->fault == INN_JSON_SYNTAX)
		reported = text_to_json(answer->body, answer->size);
	if (reported == NULL && payload->fault != INN_JSON_GOOD && answer->size > 0)
	{
		fail(outcome,
			 inn_fault_make("Error",
							psprintf("The function failed, and its error cannot be stored: %s",
									 payload->sentence)));
		return;
	}
	outcome->result = payload->json;
	if (reported != NULL)
		root = root_of(reported);
	fail(outcome, inn_fault_of_function(reported == NULL ? NULL : &root, outcome->no_retry));
}

static void
fail(InnOutcomeOfCall *outcome, Jsonb *error)
{
	outcome->kind = INN_OUTCOME_ERROR;
	outcome->error = error;
}

/* ---- texts ---- */

/* A document as a value; of a scalar, the scalar. */
static JsonbValue
root_of(Jsonb *json)
{
	if (JB_ROOT_IS_SCALAR(json))
		return *getIthJsonbValueFromContainer(&json->root, 0);
	return (JsonbValue){.type = jbvBinary,
						.val.binary = {.data = &json->root, .len = VARSIZE(json) - VARHDRSZ}};
}

/* Bytes that should be UTF-8 as a JSON string; NULL if they cannot be one. */
static Jsonb *
text_to_json(const char *text, size_t size)
{
	StringInfoData quoted;
	Jsonb *json;
	char *error;

	if (memchr(text, '\0', size) != NULL)
		return NULL;
	initStringInfo(&quoted);
	inn_json_append_string(&quoted, pnstrdup(text, size));
	return inn_json_parse(quoted.data, quoted.len, &json, &error) ? json : NULL;
}

/* What was answered, to be told to people: " (text/html) <h1>oops</h1>", or nothing. */
static const char *
quote(const InnAnswer *answer)
{
	size_t len = Min(answer->size, QUOTE_MAX_BYTES);
	const char *type = plain(answer->content_type);
	Jsonb *text;
	JsonbValue root;

	len = pg_encoding_mbcliplen(PG_UTF8, answer->body, (int) len, (int) len);
	text = len == 0 ? NULL : text_to_json(answer->body, len);
	if (text == NULL)
		return psprintf(" The response has %zu bytes (%s).", answer->size, type);
	root = root_of(text);
	return psprintf(" The response (%s): %.*s%s", type, root.val.string.len, root.val.string.val,
					len < answer->size ? "..." : "");
}

/* A header may be any bytes, in no encoding. */
static const char *
plain(const char *header)
{
	if (header == NULL)
		return "no content type";
	for (const char *p = header; *p != '\0'; p++)
	{
		if (*p < ' ' || *p > '~')
			return "strange content type";
	}
	return header;
}

static bool
is_blank(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
	{
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
			return false;
	}
	return true;
}

static bool
is_success(int status)
{
	return status >= 200 && status < 300;
}

static bool
is_go_endpoint(const InnAnswer *answer)
{
	return answer->is_endpoint && answer->sdk != NULL && is_go(answer->sdk);
}

static bool
is_go(const char *sdk)
{
	return strncmp(sdk, "go:", strlen("go:")) == 0 ||
		   strncmp(sdk, "inngest-go:", strlen("inngest-go:")) == 0;
}
