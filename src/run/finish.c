/*-------------------------------------------------------------------------
 *
 * finish.c
 *	  Events about the end of runs.
 *
 * All of one run have the same data.  The id of a failure or cancellation is that of the run, so that a handler
 * starts once for it; finished has none.
 *
 * A run of a batch answers everyone who has invoked it.  The first event is told as that of any other run, with all of the batch in
 * "events".  To the others only finished is told, with their own event there: each with all would be the square of the batch, which
 * a large one has no room for.  The result is in each of these events, and all are stored at once, so there is a limit to that, too.
 *
 * IDENTIFICATION
 *	  src/run/finish.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/ident.h"
#include "base/json.h"
#include "run/fault.h"
#include "run/finish.h"
#include "store/batches.h"

/* So much of results, or errors, is told to the others who have invoked a batch; beyond that, only that it is too much. */
#define OTHERS_MAX_BYTES (64 * 1024 * 1024)

/* What all events about the end of a run say. */
typedef struct Ended
{
	const InnRunEnd *end;
	const InnEnding *ending;
	const char *run_id; /* empty: there was no run */
} Ended;

static bool is_announced(const InnEvent *event);
static void answer_others(InnChanges *changes, const Ended *ended, const InnEvent *events,
						  int nevents);
static const InnRunEnd *end_for_others(const InnRunEnd *end, int nothers);
static int events_of(const InnEnding *ending, InnEvent **events);
static Jsonb *finish_data(const Ended *ended, const InnEvent *events, int nevents,
						  const char *correlation);
static Jsonb *array_of(const InnEvent *events, int nevents);
static Jsonb *bare_error(const char *message);
static char *answer_to(const InnEnding *ending, const InnEvent *event);
static Jsonb *error_of(const InnRunEnd *end, const char *correlation);
static void put_status(JsonbParseState **state, InnOutcome outcome);
static char *internal_text(const InnEvent *event, const char *key);
static void announce_missing(InnChanges *changes, const InnEvent *invocation,
							 const char *function_slug, const char *message);
static void send(InnChanges *changes, const char *name, Jsonb *data, const InnEvent *event,
				 const char *id);

void
inn_finish_announce(InnChanges *changes, const InnRunEnd *end, const InnEnding *ending)
{
	char run_id[INN_ULID_TEXT_LEN + 1];
	InnEvent *events;
	int nevents;
	Ended ended = {.end = end, .ending = ending, .run_id = run_id};
	Jsonb *data;

	Assert(ending->has_ended);
	inn_ulid_format(&end->run_id, run_id);
	if (!ending->has_event)
		return;

	nevents = events_of(ending, &events);
	if (is_announced(&events[0]))
	{
		data = finish_data(&ended, events, nevents, answer_to(ending, &events[0]));
		send(changes, INN_EVENT_FINISHED, data, &events[0], NULL);
		if (end->outcome == INN_RUN_FAILED)
			send(changes, INN_EVENT_FAILED, data, &events[0], pstrdup(run_id));
		else if (end->outcome == INN_RUN_CANCELLED)
			send(changes, INN_EVENT_CANCELLED, data, &events[0], pstrdup(run_id));
	}
	answer_others(changes, &ended, &events[1], nevents - 1);
}

/* Who else has invoked a batch. */
static void
answer_others(InnChanges *changes, const Ended *ended, const InnEvent *events, int nevents)
{
	char **correlations = palloc(Max(nevents, 1) * sizeof(char *));
	Ended others = *ended;
	int nothers = 0;

	for (int i = 0; i < nevents; i++)
	{
		correlations[i] = is_announced(&events[i]) ? answer_to(ended->ending, &events[i]) : NULL;
		nothers += correlations[i] != NULL;
	}
	others.end = end_for_others(ended->end, nothers);
	for (int i = 0; i < nevents; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (correlations[i] != NULL)
			send(changes, INN_EVENT_FINISHED, finish_data(&others, &events[i], 1, correlations[i]),
				 &events[i], NULL);
	}
}

static const InnRunEnd *
end_for_others(const InnRunEnd *end, int nothers)
{
	int64 bytes = (end->result == NULL ? 0 : VARSIZE(end->result)) +
				  (end->error == NULL ? 0 : VARSIZE(end->error));
	InnRunEnd *short_end = palloc(sizeof(InnRunEnd));

	if (bytes * nothers <= OTHERS_MAX_BYTES)
		return end;
	*short_end = *end;
	short_end->result = NULL;
	short_end->error = bare_error(psprintf("the %s of the batch has " INT64_FORMAT
										   " bytes, too many to be told to each of %d"
										   " who have invoked it: all may get %d together",
										   end->outcome == INN_RUN_COMPLETED ? "result" : "error",
										   bytes, nothers, OTHERS_MAX_BYTES));
	return short_end;
}

static bool
is_announced(const InnEvent *event)
{
	return strcmp(event->name, INN_EVENT_FINISHED) != 0 &&
		   strcmp(event->name, INN_EVENT_FAILED) != 0;
}

/* All events of the run; of a batch of which one is not kept any more, the first. */
static int
events_of(const InnEnding *ending, InnEvent **events)
{
	int nevents;

	if (ending->has_batch && inn_batches_events(&ending->batch_id, 0, events, &nevents))
		return nevents;
	*events = palloc(sizeof(InnEvent));
	(*events)[0] = ending->event;
	return 1;
}

void
inn_finish_announce_missing(InnChanges *changes, const InnEvent *invocation, const char *target)
{
	announce_missing(changes, invocation, "",
					 psprintf("could not find function with ID: %s", target));
}

void
inn_finish_announce_limited(InnChanges *changes, const InnEvent *invocation,
							const char *function_slug)
{
	announce_missing(changes, invocation, function_slug, "invoked function is rate limited");
}

/* There was no run. */
static void
announce_missing(InnChanges *changes, const InnEvent *invocation, const char *function_slug,
				 const char *message)
{
	InnEnding ending = {.function_slug = function_slug, .has_event = true, .event = *invocation};
	InnRunEnd end = {.outcome = INN_RUN_FAILED, .error = bare_error(message)};
	Ended ended = {.end = &end, .ending = &ending, .run_id = ""};

	send(changes, INN_EVENT_FINISHED,
		 finish_data(&ended, invocation, 1, inn_event_correlation(invocation)), invocation, NULL);
}

/* As SDKs know it: without "error". */
static Jsonb *
bare_error(const char *message)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "name", "Error");
	inn_json_put_text(&state, "message", message);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The first of the events is "event". */
static Jsonb *
finish_data(const Ended *ended, const InnEvent *events, int nevents, const char *correlation)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "function_id", ended->ending->function_slug);
	inn_json_put_text(&state, "run_id", ended->run_id);
	inn_json_put(&state, "event", inn_event_to_jsonb(events));
	inn_json_put(&state, "events", array_of(events, nevents));
	inn_json_put(&state, "error", error_of(ended->end, correlation));
	inn_json_put(&state, "result", ended->end->result);
	inn_json_put_text(&state, "correlation_id", correlation);
	put_status(&state, ended->end->outcome);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
array_of(const InnEvent *events, int nevents)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < nevents; i++)
		inn_json_put_element(&state, inn_event_to_jsonb(&events[i]));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/*
 * What the invoker knows the end of this function by; NULL if he does not wait for it, or there is none: others may have invocations
 * among their triggers.
 */
static char *
answer_to(const InnEnding *ending, const InnEvent *event)
{
	char *invoked = inn_event_invoked(event);
	char function_id[INN_UUID_TEXT_SIZE];

	if (invoked == NULL)
		return NULL;
	inn_uuid_format(&ending->function_id, function_id);
	if (strcmp(invoked, ending->function_slug) != 0 && pg_strcasecmp(invoked, function_id) != 0)
		return NULL;
	return inn_event_correlation(event);
}

/* Who has invoked a run must learn of its cancellation as of an error: he can read nothing else. */
static Jsonb *
error_of(const InnRunEnd *end, const char *correlation)
{
	if (end->error == NULL && end->outcome == INN_RUN_CANCELLED && correlation != NULL)
		return inn_fault_make("Error", "the invoked function was cancelled");
	return end->error;
}

static void
put_status(JsonbParseState **state, InnOutcome outcome)
{
	static const char *const names[] = {
		[INN_RUN_COMPLETED] = "Completed",
		[INN_RUN_FAILED] = "Failed",
		[INN_RUN_CANCELLED] = "Cancelled",
		[INN_RUN_SKIPPED] = "Skipped",
	};

	inn_json_put_key(state, "_inngest");
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(state, "status", names[outcome]);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static void
send(InnChanges *changes, const char *name, Jsonb *data, const InnEvent *event, const char *id)
{
	inn_changes_send(changes, &(InnEvent){
								  .name = name,
								  .data = data,
								  .caller_id = id,
								  .ts = changes->now,
								  .meta = event->meta,
								  .received_at = changes->now,
							  });
}

char *
inn_event_invoked(const InnEvent *event)
{
	return internal_text(event, "fn_id");
}

char *
inn_event_correlation(const InnEvent *event)
{
	return internal_text(event, "correlation_id");
}

static char *
internal_text(const InnEvent *event, const char *key)
{
	JsonbValue internal;
	JsonbValue value;

	if (event->data == NULL || !inn_json_find(&event->data->root, "_inngest", &internal) ||
		internal.type != jbvBinary || !inn_json_find(internal.val.binary.data, key, &value) ||
		value.type != jbvString)
		return NULL;
	return inn_json_string(&value);
}
