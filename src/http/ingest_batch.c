/*-------------------------------------------------------------------------
 *
 * ingest_batch.c
 *	  Micro-batches of event requests.
 *
 * A batch is what was ready when the worker looked: there is no waiting for more.  The replies are made
 * after the commit.  What a reply looks like depends on the route: /e/ follows protocol.md 3.4, which
 * SDKs parse, /api/v1/events is our own and also names the runs.
 *
 * IDENTIFICATION
 *	  src/http/ingest_batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/json.h"
#include "http/counters.h"
#include "http/ingest_batch.h"
#include "http/reply.h"
#include "ingest/accept.h"

typedef struct Entry
{
	InnRequest *request; /* NULL once replied to */
	InnRouteKind kind;
	InnSubmission submission;
} Entry;

/* For inn_work_try(). */
typedef struct Submissions
{
	InnSubmission **submissions;
	int nsubmissions;
} Submissions;

static Entry *entries; /* of INN_BATCH_MAX_REQUESTS; NULL: no batch is open */
static int nentries;
static size_t batch_bytes;

static bool is_form(const InnRequest *request);
static void refuse_form(InnSubmission *submission);
static void store(Entry *batch, int n);
static ErrorData *try_store(Entry *batch, int n);
static void accept_together(void *submissions);
static void reply_stored(Entry *entry);
static void reply_failed(Entry *entry, const ErrorData *error);
static void reply_events(Entry *entry, StringInfo body);
static void reply_ingest(Entry *entry, StringInfo body);
static void append_ids(StringInfo body, const InnSubmission *submission);
static void append_ulid(StringInfo body, const InnUlid *ulid);

void
inn_batch_add(InnRequest *request, const InnTarget *target)
{
	const char *event_seed;
	InnSeed seed;
	bool has_seed;
	Entry *entry;

	if (entries == NULL)
	{
		entries = palloc(INN_BATCH_MAX_REQUESTS * sizeof(Entry));
		nentries = 0;
		batch_bytes = 0;
	}
	Assert(nentries < INN_BATCH_MAX_REQUESTS);

	entry = &entries[nentries];
	*entry = (Entry){.request = request, .kind = target->route->kind};
	event_seed = request->headers[INN_HEADER_EVENT_ID_SEED];
	has_seed = entry->kind == INN_ROUTE_INGEST && event_seed != NULL &&
			   inn_seed_parse(event_seed, &seed.unix_ms, seed.entropy);

	if (entry->kind == INN_ROUTE_INGEST && is_form(request))
		refuse_form(&entry->submission);
	else
		inn_submission_from_body(request->body, request->size, has_seed ? &seed : NULL,
								 entry->kind == INN_ROUTE_INGEST ? INN_ACCEPT_PREFIX
																 : INN_ACCEPT_ALL,
								 &entry->submission);
	nentries++;
	batch_bytes += request->size;
}

/*
 * JSON is recognised by its first character, whatever the content type says (protocol.md 3.2).  The
 * reference turns forms into arrays of strings, and so refuses every one of them later on.
 */
static bool
is_form(const InnRequest *request)
{
	const char *content_type = request->headers[INN_HEADER_CONTENT_TYPE];
	size_t start = 0;

	if (content_type == NULL ||
		(pg_strncasecmp(content_type, "multipart/form-data", 19) != 0 &&
		 pg_strncasecmp(content_type, "application/x-www-form-urlencoded", 33) != 0))
		return false;
	while (start < request->size && strchr(" \t\r\n", request->body[start]) != NULL)
		start++;
	return start < request->size && request->body[start] != '{' && request->body[start] != '[';
}

static void
refuse_form(InnSubmission *submission)
{
	*submission = (InnSubmission){
		.is_refused = true,
		.refused_index = -1,
		.refusal =
			{
				.sqlerrcode = ERRCODE_INN_JSON_INVALID,
				.message =
					"event field \"data\" must be an object: a form carries only strings, send JSON",
			},
	};
}

bool
inn_batch_is_full(void)
{
	return entries != NULL &&
		   (nentries == INN_BATCH_MAX_REQUESTS || batch_bytes >= INN_BATCH_MAX_BYTES);
}

void
inn_batch_flush(void)
{
	if (entries == NULL)
		return;
	store(entries, nentries);
	entries = NULL;
}

void
inn_batch_forget(void)
{
	entries = NULL;
}

/* Store these, together if possible. */
static void
store(Entry *batch, int n)
{
	ErrorData *error = try_store(batch, n);

	if (error == NULL)
	{
		for (int i = 0; i < n; i++)
			reply_stored(&batch[i]);
		return;
	}
	if (n == 1)
	{
		reply_failed(&batch[0], error);
		return;
	}
	for (int i = 0; i < n; i++)
		store(&batch[i], 1);
}

/* NULL if they are stored. */
static ErrorData *
try_store(Entry *batch, int n)
{
	InnSubmission **submissions = palloc(n * sizeof(InnSubmission *));
	int nsubmissions = 0;
	ErrorData *error;

	for (int i = 0; i < n; i++)
	{
		if (batch[i].submission.nevents > 0)
			submissions[nsubmissions++] = &batch[i].submission;
	}
	if (nsubmissions == 0)
		return NULL;
	error = inn_work_try(accept_together, &(Submissions){submissions, nsubmissions});
	if (error == NULL)
		inn_count(INN_COUNTER_EVENT_BATCHES, 1);
	return error;
}

static void
accept_together(void *arg)
{
	const Submissions *all = arg;
	MemoryContext caller = CurrentMemoryContext;

	inn_work_begin("storing events");
	/* what is made here goes into the replies, after the commit */
	MemoryContextSwitchTo(caller);
	inn_accept(all->submissions, all->nsubmissions);
	inn_work_commit();
}

static void
reply_stored(Entry *entry)
{
	const InnSubmission *submission = &entry->submission;
	StringInfoData body;
	int status = 200;

	initStringInfo(&body);
	if (entry->kind == INN_ROUTE_INGEST)
	{
		/* SDKs look at the body; the reference uses 400 for whatever is wrong with it */
		status = submission->is_refused ? 400 : 200;
		reply_ingest(entry, &body);
	}
	else
	{
		if (submission->is_refused)
			status = inn_error_to_http(submission->refusal.sqlerrcode).status;
		reply_events(entry, &body);
	}
	inn_reply(entry->request, status, body.data, body.len);
	entry->request = NULL;

	inn_count(INN_COUNTER_EVENTS_ACCEPTED, submission->nevents);
	inn_count(INN_COUNTER_RUNS_CREATED, submission->nruns);
	if (submission->is_refused)
		inn_count(INN_COUNTER_EVENTS_REFUSED, 1);
}

/* The database refused, for whatever reason: nothing of this request was stored. */
static void
reply_failed(Entry *entry, const ErrorData *error)
{
	InnHttpError http = inn_error_to_http(error->sqlerrcode);

	if (http.status >= 500)
		ereport(LOG,
				errcode(error->sqlerrcode),
				errmsg("events could not be stored: %s", error->message),
				error->detail != NULL ? errdetail_internal("%s", error->detail) : 0);

	entry->submission.nevents = 0;
	entry->submission.nruns = 0;
	inn_reply_error(entry->request, http.status, http.code, error->message);
	entry->request = NULL;
}

/* {"ids":[…],"status":n,"error":…} */
static void
reply_ingest(Entry *entry, StringInfo body)
{
	const InnSubmission *submission = &entry->submission;

	appendStringInfoString(body, "{\"ids\":");
	append_ids(body, submission);
	appendStringInfo(body, ",\"status\":%d", submission->is_refused ? 400 : 200);
	if (submission->is_refused)
	{
		appendStringInfoString(body, ",\"error\":");
		inn_json_append_string(body, submission->refusal.message);
	}
	appendStringInfoChar(body, '}');
}

/* {"status":200,"ids":[…],"runs":[{"id","function_id","event_id"}…]}, or an error naming the event */
static void
reply_events(Entry *entry, StringInfo body)
{
	const InnSubmission *submission = &entry->submission;

	if (submission->is_refused)
	{
		InnHttpError http = inn_error_to_http(submission->refusal.sqlerrcode);

		InnFault fault = {http.status, http.code, submission->refusal.message, NULL,
						  submission->refusal.hint};

		inn_reply_format_error(body, INN_FAMILY_OWN, &fault);
		if (submission->refused_index >= 0)
		{
			body->len--;
			appendStringInfo(body, ",\"event\":%d}", submission->refused_index);
		}
		return;
	}

	appendStringInfoString(body, "{\"status\":200,\"ids\":");
	append_ids(body, submission);
	appendStringInfoString(body, ",\"runs\":[");
	for (int i = 0; i < submission->nruns; i++)
	{
		appendStringInfoString(body, i > 0 ? ",{\"id\":" : "{\"id\":");
		append_ulid(body, &submission->runs[i].id);
		appendStringInfoString(body, ",\"function_id\":");
		inn_json_append_string(body, submission->runs[i].function_slug);
		appendStringInfoString(body, ",\"event_id\":");
		append_ulid(body, &submission->runs[i].event_id);
		appendStringInfoChar(body, '}');
	}
	appendStringInfoString(body, "]}");
}

static void
append_ids(StringInfo body, const InnSubmission *submission)
{
	appendStringInfoChar(body, '[');
	for (int i = 0; i < submission->nevents; i++)
	{
		if (i > 0)
			appendStringInfoChar(body, ',');
		append_ulid(body, &submission->events[i].id);
	}
	appendStringInfoChar(body, ']');
}

static void
append_ulid(StringInfo body, const InnUlid *ulid)
{
	char text[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(ulid, text);
	appendStringInfoChar(body, '"');
	appendBinaryStringInfo(body, text, INN_ULID_TEXT_LEN);
	appendStringInfoChar(body, '"');
}
