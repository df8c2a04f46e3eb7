/*-------------------------------------------------------------------------
 *
 * accept.c
 *	  The one way for events into the database, over HTTP and from SQL.
 *
 * All events of all submissions are inserted by one statement; then each is matched; then all runs are
 * created by one statement per table.  What is committed together was there together: a run never
 * without its event, an event never without its runs.
 *
 * IDENTIFICATION
 *	  src/ingest/accept.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/timer.h"
#include "ingest/accept.h"
#include "match/invoke.h"
#include "match/match.h"
#include "run/finish.h"
#include "store/deliveries.h"

static bool is_blank(const char *body, size_t size);
static void refuse_body(InnSubmission *submission, int sqlerrcode, const char *message,
						const char *hint);
static void read_events(Jsonb *json, int64 text_bytes, const InnSeed *seed, InnAcceptRule rule,
						InnSubmission *submission);
static void read_array(JsonbContainer *array, int64 text_bytes, const InnSeed *seed,
					   InnAcceptRule rule, InnSubmission *submission);
static bool read_event(JsonbValue *value, int64 text_bytes, const InnSeed *seed,
					   InnSubmission *submission);
static void give_id(InnEvent *event, const InnSeed *seed, int index);
static void accept_replies(InnChanges *changes);
static void store_events(InnSubmission *const *submissions, int nsubmissions);

void
inn_submission_from_body(const char *body, size_t size, const InnSeed *seed, InnAcceptRule rule,
						 InnSubmission *submission)
{
	Jsonb *json;
	char *error;

	*submission = (InnSubmission){0};
	if (is_blank(body, size))
		return;
	if (!inn_json_parse(body, size, &json, &error))
		refuse_body(submission, ERRCODE_INN_JSON_INVALID, error, NULL);
	else
		read_events(json, size, seed, rule, submission);
}

/* The body of a request has no NUL at its end. */
static bool
is_blank(const char *body, size_t size)
{
	for (size_t i = 0; i < size; i++)
	{
		if (body[i] != ' ' && body[i] != '\t' && body[i] != '\r' && body[i] != '\n')
			return false;
	}
	return true;
}

void
inn_submission_from_json(Jsonb *json, InnSubmission *submission)
{
	*submission = (InnSubmission){0};
	read_events(json, -1, NULL, INN_ACCEPT_ALL, submission);
}

/* It is judged under a name that anybody may use. */
void
inn_submission_from_invocation(const char *target, Jsonb *json, InnSubmission *submission)
{
	JsonbParseState *state = NULL;
	Jsonb *named;

	*submission = (InnSubmission){0};
	if (!JB_ROOT_IS_OBJECT(json))
	{
		refuse_body(submission, ERRCODE_INN_JSON_INVALID,
					"what a function is invoked with must be a JSON object", NULL);
		return;
	}
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "name", "invoke");
	named = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	named = DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(json), JsonbPGetDatum(named)));
	read_events(named, -1, NULL, INN_ACCEPT_ALL, submission);
	if (submission->is_refused)
		return;
	submission->events[0].name = INN_EVENT_INVOKED;
	submission->events[0].data = inn_invoke_data(submission->events[0].data, target);
}

static void
refuse_body(InnSubmission *submission, int sqlerrcode, const char *message, const char *hint)
{
	*submission = (InnSubmission){
		.is_refused = true,
		.refused_index = -1,
		.refusal = {.sqlerrcode = sqlerrcode, .message = message, .hint = hint},
	};
}

static void
read_events(Jsonb *json, int64 text_bytes, const InnSeed *seed, InnAcceptRule rule,
			InnSubmission *submission)
{
	if (JB_ROOT_IS_OBJECT(json))
	{
		JsonbValue value;

		JsonbToJsonbValue(json, &value);
		submission->events = palloc(sizeof(InnEvent));
		(void) read_event(&value, text_bytes, seed, submission);
	}
	else if (JB_ROOT_IS_ARRAY(json) && !JB_ROOT_IS_SCALAR(json))
		read_array(&json->root, text_bytes, seed, rule, submission);
	else
		refuse_body(submission, ERRCODE_INN_JSON_INVALID,
					"Request body must contain an event object or an array of event objects", NULL);
}

static void
read_array(JsonbContainer *array, int64 text_bytes, const InnSeed *seed, InnAcceptRule rule,
		   InnSubmission *submission)
{
	int nvalues = JsonContainerSize(array);
	int64 each_bytes = text_bytes >= 0 && text_bytes <= inn_max_event_bytes ? text_bytes : -1;
	JsonbIterator *it;
	JsonbValue value;

	if (nvalues > inn_max_events_per_request)
	{
		refuse_body(submission, ERRCODE_INN_TOO_MANY_EVENTS,
					psprintf("Cannot have more than %d events in a batch",
							 inn_max_events_per_request),
					"Send several requests, or raise \"inngest.max_events_per_request\".");
		return;
	}

	submission->events = palloc(Max(nvalues, 1) * sizeof(InnEvent));
	it = JsonbIteratorInit(array);
	(void) JsonbIteratorNext(&it, &value, true);
	while (JsonbIteratorNext(&it, &value, true) == WJB_ELEM)
	{
		CHECK_FOR_INTERRUPTS();
		if (read_event(&value, each_bytes, seed, submission))
			continue;
		if (rule == INN_ACCEPT_ALL)
		{
			submission->refused_index = submission->nevents;
			submission->nevents = 0;
		}
		break;
	}
}

/* Append one event, or refuse it. */
static bool
read_event(JsonbValue *value, int64 text_bytes, const InnSeed *seed, InnSubmission *submission)
{
	InnEvent *event = &submission->events[submission->nevents];

	if (!inn_event_from_json(value, text_bytes, inn_now(), event, &submission->refusal))
	{
		submission->is_refused = true;
		submission->refused_index = submission->nevents;
		return false;
	}
	give_id(event, seed, submission->nevents + 1);
	submission->nevents++;
	return true;
}

static void
give_id(InnEvent *event, const InnSeed *seed, int index)
{
	event->is_seeded = seed != NULL;
	if (seed != NULL)
		inn_ulid_from_seed(seed->unix_ms, seed->entropy, index, &event->id);
	else
		inn_ulid_generate(&event->id);
}

void
inn_accept(InnSubmission *const *submissions, int nsubmissions)
{
	InnRunList runs = {0};
	InnChanges changes;
	int *starts = palloc((nsubmissions + 1) * sizeof(int));

	inn_changes_init(&changes);
	store_events(submissions, nsubmissions);

	for (int i = 0; i < nsubmissions; i++)
	{
		starts[i] = runs.count;
		for (int j = 0; j < submissions[i]->nevents; j++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!submissions[i]->events[j].is_known)
				inn_match_event(&submissions[i]->events[j], &runs, &changes);
		}
	}
	starts[nsubmissions] = runs.count;
	inn_run_create(&runs);
	accept_replies(&changes);

	for (int i = 0; i < nsubmissions; i++)
	{
		submissions[i]->runs = runs.runs == NULL ? NULL : &runs.runs[starts[i]];
		submissions[i]->nruns = starts[i + 1] - starts[i];
	}
}

/* Events that are the answer to others, and ask for none themselves. */
static void
accept_replies(InnChanges *changes)
{
	InnSubmission submission = {.events = changes->events, .nevents = changes->nevents};

	if (submission.nevents > 0)
		inn_accept((InnSubmission *[]){&submission}, 1);
}

/* Insert the events of all in one go, and note for each which were known. */
static void
store_events(InnSubmission *const *submissions, int nsubmissions)
{
	InnEvent *all;
	int nevents = 0;

	for (int i = 0; i < nsubmissions; i++)
		nevents += submissions[i]->nevents;
	if (nevents == 0)
		return;

	if (nsubmissions == 1)
	{
		inn_events_insert(submissions[0]->events, nevents);
		inn_deliveries_put(submissions[0]->events, nevents);
		return;
	}

	all = palloc_extended(nevents * sizeof(InnEvent), MCXT_ALLOC_HUGE);
	nevents = 0;
	for (int i = 0; i < nsubmissions; i++)
	{
		for (int j = 0; j < submissions[i]->nevents; j++)
			all[nevents++] = submissions[i]->events[j];
	}
	inn_events_insert(all, nevents);
	inn_deliveries_put(all, nevents);

	nevents = 0;
	for (int i = 0; i < nsubmissions; i++)
	{
		for (int j = 0; j < submissions[i]->nevents; j++)
			submissions[i]->events[j].is_known = all[nevents++].is_known;
	}
}
