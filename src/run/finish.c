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
 * a large one has no room for.
 *
 * IDENTIFICATION
 *	  src/run/finish.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/ident.h"
#include "base/json.h"
#include "run/fault.h"
#include "run/finish.h"
#include "store/batches.h"

/* What all events about the end of a run say. */
typedef struct Ended
{
	const InnRunEnd *end;
	const InnEnding *ending;
	const char *run_id; /* empty: there was no run */
} Ended;

static bool is_announced(const InnEvent *event);
static int events_of(const InnEnding *ending, InnEvent **events);
static Jsonb *finish_data(const Ended *ended, const InnEvent *events, int nevents,
						  const char *correlation);
static Jsonb *array_of(const InnEvent *events, int nevents);
static Jsonb *missing_error(const char *message);
static bool is_answer(const InnEnding *ending, const InnEvent *event);
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

	Assert(ending->has_ended);
	inn_ulid_format(&end->run_id, run_id);
	if (!ending->has_event)
		return;

	nevents = events_of(ending, &events);
	for (int i = 0; i < nevents; i++)
	{
		const InnEvent *event = &events[i];
		char *correlation = is_answer(ending, event) ? inn_event_correlation(event) : NULL;
		Jsonb *data;

		if (!is_announced(event) || (i > 0 && correlation == NULL))
			continue;
		data = finish_data(&ended, event, i == 0 ? nevents : 1, correlation);
		send(changes, INN_EVENT_FINISHED, data, event, NULL);
		if (i == 0 && end->outcome == INN_RUN_FAILED)
			send(changes, INN_EVENT_FAILED, data, event, pstrdup(run_id));
		else if (i == 0 && end->outcome == INN_RUN_CANCELLED)
			send(changes, INN_EVENT_CANCELLED, data, event, pstrdup(run_id));
	}
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
	InnRunEnd end = {.outcome = INN_RUN_FAILED, .error = missing_error(message)};
	Ended ended = {.end = &end, .ending = &ending, .run_id = ""};

	send(changes, INN_EVENT_FINISHED,
		 finish_data(&ended, invocation, 1, inn_event_correlation(invocation)), invocation, NULL);
}

/* As SDKs know it: without "error". */
static Jsonb *
missing_error(const char *message)
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

/* Is the end of this function what the invoker waits for?  Others may have invocations among their triggers. */
static bool
is_answer(const InnEnding *ending, const InnEvent *event)
{
	char *invoked = inn_event_invoked(event);
	char function_id[INN_UUID_TEXT_SIZE];

	inn_uuid_format(&ending->function_id, function_id);
	return invoked != NULL && (strcmp(invoked, ending->function_slug) == 0 ||
							   pg_strcasecmp(invoked, function_id) == 0);
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
