/*-------------------------------------------------------------------------
 *
 * request.c
 *	  The call of an app, as bytes.
 *
 * The body is written from left to right with its keys in canonical order, so nothing is sorted but the steps.
 *
 * IDENTIFICATION
 *	  src/execute/request.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/jcs.h"
#include "base/sign.h"
#include "execute/request.h"

#define ACCOUNT_ID "00000000-0000-4000-a000-000000000000"
#define STEP_PARAMETER "stepId="

/* what a body has beside events, steps and the stack: some 600 bytes, and a step id */
#define FRAME_BYTES 1024

/* of a step in the steps, beside its memo */
#define STEP_BYTES(id_len) ((id_len) + 16)

#define UUID_TEXT_SIZE 37

/* Something under "steps". */
typedef struct Entry
{
	const char *id;
	int id_len;
	const char *json;
	size_t size;
	bool is_input; /* json is the input of a step that has not run */
} Entry;

/* What of a body is sent, in the order in which it is given up. */
typedef enum Extent
{
	EVERYTHING,
	WITHOUT_STEPS,
	WITHOUT_EVENTS
} Extent;

static char *make_url(const InnRequestSubject *subject);
static void append_parameter(StringInfo url, const char *start, size_t len);
static void append_encoded(StringInfo out, const char *text);
static Extent choose_extent(const InnRequestSubject *subject);
static size_t size_of(const InnRequestSubject *subject, Extent extent);
static size_t size_of_steps(const InnRequestSubject *subject);
static size_t size_of_events(const InnRequestSubject *subject);
static void write_body(const InnRequestSubject *subject, Extent extent, StringInfo body);
static void append_ctx(const InnRequestSubject *subject, bool uses_api, StringInfo body);
static void append_stack(const InnRequestSubject *subject, StringInfo body);
static void append_events(const InnRequestSubject *subject, StringInfo body);
static void append_steps(const InnRequestSubject *subject, StringInfo body);
static int compare_entries(const void *a, const void *b);
static void append_text(StringInfo buf, const char *text);
static const char *bool_text(bool value);
static void write_headers(const InnRequestSubject *subject, InnRequestText *text);
static void add_header(InnRequestText *text, const char *format, ...) pg_attribute_printf(2, 3);
static void format_uuid(const pg_uuid_t *uuid, char out[UUID_TEXT_SIZE]);
static const char *to_hex(const uint8 *bytes, int len, char *out);

void
inn_request_build(const InnRequestSubject *subject, InnRequestText *text)
{
	Extent extent = choose_extent(subject);

	Assert(subject->nevents > 0);
	*text = (InnRequestText){.url = make_url(subject), .uses_api = extent != EVERYTHING};
	write_body(subject, extent, &text->body);
	write_headers(subject, text);
}

char *
inn_request_queue_ref(int64 job_id)
{
	return psprintf(INT64_FORMAT, job_id);
}

bool
inn_request_parse_queue_ref(const char *text, int64 *job_id)
{
	char *end;
	long long number;

	if (text[0] < '1' || text[0] > '9')
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*job_id = number;
	return true;
}

/* ---- URL ---- */

/* The registered one with stepId set, in its place if it has one; a fragment is not sent. */
static char *
make_url(const InnRequestSubject *subject)
{
	const char *end = subject->url + strcspn(subject->url, "#");
	const char *query = memchr(subject->url, '?', end - subject->url);
	const char *step = subject->target != NULL ? subject->target : subject->step_id;
	bool is_set = false;
	StringInfoData url;

	initStringInfo(&url);
	appendBinaryStringInfo(&url, subject->url,
						   (int) ((query == NULL ? end : query) - subject->url));
	for (const char *p = query; p != NULL && p < end;)
	{
		const char *start = p + 1;
		const char *next = memchr(start, '&', end - start);
		size_t len = (next == NULL ? end : next) - start;

		p = next;
		if (len < strlen(STEP_PARAMETER) ||
			strncmp(start, STEP_PARAMETER, strlen(STEP_PARAMETER)) != 0)
			append_parameter(&url, start, len);
		else if (!is_set)
		{
			append_parameter(&url, STEP_PARAMETER, strlen(STEP_PARAMETER));
			append_encoded(&url, step);
			is_set = true;
		}
	}
	if (!is_set)
	{
		append_parameter(&url, STEP_PARAMETER, strlen(STEP_PARAMETER));
		append_encoded(&url, step);
	}
	return url.data;
}

static void
append_parameter(StringInfo url, const char *start, size_t len)
{
	if (len == 0)
		return;
	appendStringInfoChar(url, strchr(url->data, '?') == NULL ? '?' : '&');
	appendBinaryStringInfo(url, start, (int) len);
}

/* Ids of SDKs are hexadecimal digits; of others nothing may get out of the query, or of a header. */
static void
append_encoded(StringInfo out, const char *text)
{
	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			strchr("-._~", c) != NULL)
			appendStringInfoChar(out, (char) c);
		else
			appendStringInfo(out, "%%%02X", c);
	}
}

/* ---- body ---- */

static Extent
choose_extent(const InnRequestSubject *subject)
{
	Extent extent = EVERYTHING;

	while (!subject->always_inline && extent < WITHOUT_EVENTS &&
		   size_of(subject, extent) > INN_REQUEST_MAX_BYTES)
		extent++;
	return extent;
}

/* At most so many bytes. */
static size_t
size_of(const InnRequestSubject *subject, Extent extent)
{
	size_t size = FRAME_BYTES + strlen(subject->events[0]);

	if (subject->defers != NULL)
		size += strlen(subject->defers);

	for (int i = 0; i < subject->nstack; i++)
		size += strlen(subject->stack[i].step_id) + 3;
	if (extent < WITHOUT_STEPS)
		size += size_of_steps(subject);
	if (extent < WITHOUT_EVENTS)
		size += size_of_events(subject);
	return size;
}

static size_t
size_of_steps(const InnRequestSubject *subject)
{
	size_t size = 0;

	for (int i = 0; i < subject->nstack; i++)
		size += subject->stack[i].size + STEP_BYTES(strlen(subject->stack[i].step_id));
	if (subject->input_id != NULL)
		size += strlen(subject->input) + STEP_BYTES(strlen(subject->input_id));
	return size;
}

static size_t
size_of_events(const InnRequestSubject *subject)
{
	size_t size = subject->unread_events;

	for (int i = 0; i < subject->nevents; i++)
		size += strlen(subject->events[i]) + 1;
	return size;
}

static void
write_body(const InnRequestSubject *subject, Extent extent, StringInfo body)
{
	bool uses_api = extent != EVERYTHING;

	initStringInfo(body);
	enlargeStringInfo(body, (int) Min(size_of(subject, extent), MaxAllocSize / 2));
	append_ctx(subject, uses_api, body);
	appendStringInfo(body,
					 ",\"defers\":%s,\"event\":", subject->defers != NULL ? subject->defers : "{}");
	appendStringInfoString(body, subject->events[0]);
	appendStringInfoString(body, ",\"events\":[");
	if (extent != WITHOUT_EVENTS)
		append_events(subject, body);
	appendStringInfoString(body, "],\"steps\":{");
	if (extent == EVERYTHING)
		append_steps(subject, body);
	appendStringInfo(body, "},\"use_api\":%s,\"version\":%d}", bool_text(uses_api),
					 subject->request_version);
}

static void
append_ctx(const InnRequestSubject *subject, bool uses_api, StringInfo body)
{
	char function_id[UUID_TEXT_SIZE];
	char run_id[INN_ULID_TEXT_LEN + 1];
	char request_id[INN_ULID_TEXT_LEN + 1];

	format_uuid(&subject->function_id, function_id);
	inn_ulid_format(&subject->run_id, run_id);
	inn_ulid_format(&subject->request_id, request_id);

	appendStringInfo(
		body,
		"{\"ctx\":{\"attempt\":%d,\"disable_immediate_execution\":%s,\"env\":\"\","
		"\"fn_id\":\"%s\",\"generation_id\":%d,\"job_id\":\"" INT64_FORMAT "\","
		"\"max_attempts\":%d,\"qi_id\":\"%s\",\"request_id\":\"%s\",\"run_id\":\"%s\",",
		subject->attempt, bool_text(subject->is_planning), function_id, subject->generation,
		subject->job_id, subject->max_attempts, inn_request_queue_ref(subject->job_id), request_id,
		run_id);
	append_stack(subject, body);
	appendStringInfoString(body, ",\"step_id\":");
	append_text(body, subject->step_id);
	appendStringInfoString(body, uses_api ? ",\"use_api\":true}" : ",\"use_api\":false}");
}

static void
append_stack(const InnRequestSubject *subject, StringInfo body)
{
	appendStringInfo(body, "\"stack\":{\"current\":%d,\"stack\":[", subject->current);
	for (int i = 0; i < subject->nstack; i++)
	{
		if (i > 0)
			appendStringInfoChar(body, ',');
		append_text(body, subject->stack[i].step_id);
	}
	appendStringInfoString(body, "]}");
}

static void
append_events(const InnRequestSubject *subject, StringInfo body)
{
	for (int i = 0; i < subject->nevents; i++)
	{
		if (i > 0)
			appendStringInfoChar(body, ',');
		appendStringInfoString(body, subject->events[i]);
	}
}

static void
append_steps(const InnRequestSubject *subject, StringInfo body)
{
	Entry *entries = palloc((subject->nstack + 1) * sizeof(Entry));
	int count = 0;

	for (int i = 0; i < subject->nstack; i++)
	{
		const InnMemo *memo = &subject->stack[i];

		entries[count++] =
			(Entry){memo->step_id, (int) strlen(memo->step_id), memo->json, memo->size, false};
	}
	if (subject->input_id != NULL)
		entries[count++] = (Entry){subject->input_id, (int) strlen(subject->input_id),
								   subject->input, strlen(subject->input), true};
	qsort(entries, count, sizeof(Entry), compare_entries);

	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(body, ',');
		append_text(body, entries[i].id);
		appendStringInfoString(body, entries[i].is_input ? ":{\"input\":" : ":");
		appendBinaryStringInfo(body, entries[i].json, (int) entries[i].size);
		if (entries[i].is_input)
			appendStringInfoChar(body, '}');
	}
	pfree(entries);
}

static int
compare_entries(const void *a, const void *b)
{
	const Entry *left = a;
	const Entry *right = b;

	return inn_jcs_compare_keys(left->id, left->id_len, right->id, right->id_len);
}

static void
append_text(StringInfo buf, const char *text)
{
	(void) inn_jcs_append_string(buf, text, (int) strlen(text));
}

static const char *
bool_text(bool value)
{
	return value ? "true" : "false";
}

/* ---- headers ---- */

static void
write_headers(const InnRequestSubject *subject, InnRequestText *text)
{
	const char *step = subject->target != NULL ? subject->target : subject->step_id;
	char trace_id[2 * sizeof(InnUlid) + 1];
	char span_id[sizeof(InnUlid) + 1];
	char run_id[INN_ULID_TEXT_LEN + 1];
	char request_id[INN_ULID_TEXT_LEN + 1];
	StringInfoData encoded;

	inn_ulid_format(&subject->run_id, run_id);
	inn_ulid_format(&subject->request_id, request_id);
	initStringInfo(&encoded);
	append_encoded(&encoded, step);

	add_header(text, "Account-Id: " ACCOUNT_ID);
	add_header(text, "Content-Type: application/json");
	/* one trace a run, one span a call */
	add_header(text, "Traceparent: 00-%s-%s-01",
			   to_hex(subject->run_id.bytes, sizeof(InnUlid), trace_id),
			   to_hex(subject->request_id.bytes + sizeof(InnUlid) / 2, sizeof(InnUlid) / 2,
					  span_id));
	add_header(text, "User-Agent: Inngest");
	if (subject->generation > 0)
		add_header(text, "X-Inngest-Generation-Id: %d", subject->generation);
	add_header(text, "X-Inngest-Job-Id: " INT64_FORMAT, subject->job_id);
	add_header(text, "X-Inngest-Req-Version: %d", subject->request_version);
	if (subject->signing_key != NULL)
	{
		char signature[INN_SIGNATURE_SIZE];

		inn_sign(subject->signing_key, text->body.data, text->body.len, subject->now_s, signature);
		add_header(text, "X-Inngest-Signature: %s", signature);
	}
	add_header(text, "X-Inngest-Step-Id: %s", encoded.data);
	add_header(text, "X-Request-Id: %s", request_id);
	add_header(text, "X-Run-Id: %s", run_id);
}

static void
add_header(InnRequestText *text, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);

	Assert(text->nheaders < INN_REQUEST_MAX_HEADERS);
	text->headers[text->nheaders++] = pstrdup(line);
}

static void
format_uuid(const pg_uuid_t *uuid, char out[UUID_TEXT_SIZE])
{
	static const int groups[] = {4, 2, 2, 2, 6};
	const uint8 *bytes = uuid->data;

	for (int i = 0; i < lengthof(groups); i++)
	{
		if (i > 0)
			*out++ = '-';
		to_hex(bytes, groups[i], out);
		bytes += groups[i];
		out += 2 * groups[i];
	}
}

static const char *
to_hex(const uint8 *bytes, int len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < len; i++)
	{
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 0xF];
	}
	out[2 * len] = '\0';
	return out;
}
