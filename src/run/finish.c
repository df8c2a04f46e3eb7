/*-------------------------------------------------------------------------
 *
 * finish.c
 *	  Events about the end of runs.
 *
 * All of one run have the same data.  The id of a failure or cancellation is that of the run, so that a handler
 * starts once for it; finished has none.
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

static Jsonb *finish_data(const InnRunEnd *end, const InnEnding *ending, const char *run_id,
						  const char *correlation);
static Jsonb *missing_error(const char *message);
static bool is_answer(const InnEnding *ending);
static Jsonb *error_of(const InnRunEnd *end, const char *correlation);
static void put_status(JsonbParseState **state, InnOutcome outcome);
static char *internal_text(const InnEvent *event, const char *key);
static void send(InnChanges *changes, const char *name, Jsonb *data, const InnEnding *ending,
				 const char *id);

void
inn_finish_announce(InnChanges *changes, const InnRunEnd *end, const InnEnding *ending)
{
	Jsonb *data;
	char run_id[INN_ULID_TEXT_LEN + 1];

	Assert(ending->has_ended);
	inn_ulid_format(&end->run_id, run_id);
	if (!ending->has_event || strcmp(ending->event.name, INN_EVENT_FINISHED) == 0 ||
		strcmp(ending->event.name, INN_EVENT_FAILED) == 0)
		return;

	data = finish_data(end, ending, run_id,
					   is_answer(ending) ? inn_event_correlation(&ending->event) : NULL);
	send(changes, INN_EVENT_FINISHED, data, ending, NULL);
	if (end->outcome == INN_RUN_FAILED)
		send(changes, INN_EVENT_FAILED, data, ending, pstrdup(run_id));
	else if (end->outcome == INN_RUN_CANCELLED)
		send(changes, INN_EVENT_CANCELLED, data, ending, pstrdup(run_id));
}

void
inn_finish_announce_missing(InnChanges *changes, const InnEvent *invocation, const char *target)
{
	InnEnding ending = {.function_slug = "", .has_event = true, .event = *invocation};
	InnRunEnd end = {
		.outcome = INN_RUN_FAILED,
		.error = missing_error(psprintf("could not find function with ID: %s", target)),
	};

	send(changes, INN_EVENT_FINISHED,
		 finish_data(&end, &ending, "", inn_event_correlation(invocation)), &ending, NULL);
}

void
inn_finish_announce_limited(InnChanges *changes, const InnEvent *invocation,
							const char *function_slug)
{
	InnEnding ending = {.function_slug = function_slug, .has_event = true, .event = *invocation};
	InnRunEnd end = {
		.outcome = INN_RUN_FAILED,
		.error = missing_error("invoked function is rate limited"),
	};

	send(changes, INN_EVENT_FINISHED,
		 finish_data(&end, &ending, "", inn_event_correlation(invocation)), &ending, NULL);
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

static Jsonb *
finish_data(const InnRunEnd *end, const InnEnding *ending, const char *run_id,
			const char *correlation)
{
	Jsonb *event = inn_event_to_jsonb(&ending->event);
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "function_id", ending->function_slug);
	inn_json_put_text(&state, "run_id", run_id);
	inn_json_put(&state, "event", event);
	inn_json_put_key(&state, "events");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	inn_json_put_element(&state, event);
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	inn_json_put(&state, "error", error_of(end, correlation));
	inn_json_put(&state, "result", end->result);
	inn_json_put_text(&state, "correlation_id", correlation);
	put_status(&state, end->outcome);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Is the end of this function what the invoker waits for?  Others may have invocations among their triggers. */
static bool
is_answer(const InnEnding *ending)
{
	char *invoked = inn_event_invoked(&ending->event);
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
send(InnChanges *changes, const char *name, Jsonb *data, const InnEnding *ending, const char *id)
{
	inn_changes_send(changes, &(InnEvent){
								  .name = name,
								  .data = data,
								  .caller_id = id,
								  .ts = changes->now,
								  .meta = ending->event.meta,
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
