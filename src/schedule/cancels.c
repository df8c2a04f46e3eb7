/*-------------------------------------------------------------------------
 *
 * cancels.c
 *	  Events that cancel the runs of a function: a pause for each, with the run, and in its transaction.
 *
 * The pause goes when the run ends.  It counts from when the run is committed: an event that came before found no run.
 *
 * IDENTIFICATION
 *	  src/schedule/cancels.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/timer.h"
#include "cel/cel.h"
#include "run/wait.h"
#include "schedule/cancels.h"

static TimestampTz expiry(const InnCancel *cancel, TimestampTz queued_at);
static bool set_expression(InnPause *pause, const char *expression, Jsonb *event);
static bool is_false_already(const char *expression, Jsonb *event);

void
inn_cancels_add(const InnRun *run, const InnFunction *function, const InnEvent *event,
				InnRunList *list)
{
	TimestampTz now = inn_now();
	Jsonb *json = NULL;
	int ncancels;
	InnCancel *cancels;

	if (run->is_skipped)
		return;
	cancels = inn_functions_cancels(function, &ncancels);
	for (int i = 0; i < ncancels; i++)
	{
		InnPause *pause = palloc(sizeof(InnPause));

		*pause = (InnPause){
			.run_id = run->id,
			.step_id = psprintf("%d", i + 1),
			.kind = INN_PAUSE_CANCEL,
			.app_id = run->app_id,
			.function_id = run->function_id,
			.name = cancels[i].event,
			.event_name = cancels[i].event,
			.created_at = now,
			.expires_at = expiry(&cancels[i], inn_run_queued_at(&run->id)),
		};
		if (cancels[i].expression != NULL && json == NULL)
			json = inn_event_to_jsonb(event);
		if (pause->expires_at > now && set_expression(pause, cancels[i].expression, json))
			list->pauses = lappend(list->pauses, pause);
	}
}

static TimestampTz
expiry(const InnCancel *cancel, TimestampTz queued_at)
{
	if (cancel->expires_at != INN_NEVER)
		return cancel->expires_at;
	return queued_at + (cancel->timeout_usec > 0 ? cancel->timeout_usec : INN_CANCEL_DEFAULT_USEC);
}

/* False if it can never be true. */
static bool
set_expression(InnPause *pause, const char *expression, Jsonb *event)
{
	const char *error;

	if (expression == NULL)
		return true;
	if (is_false_already(expression, event))
		return false;
	pause->expression = expression;
	if (!inn_pause_set_key(pause, event, &error))
		ereport(DEBUG1, errmsg_internal("an expression that cancels cannot be read: %s", error));
	return true;
}

/* One that does not look at the event to come. */
static bool
is_false_already(const char *expression, Jsonb *event)
{
	InnCelInput input = {.event = &event->root, .event_is_captured = true};
	InnCelFault fault;
	InnCelProgram *program;

	if (strstr(expression, "async") != NULL)
		return false;
	program = inn_cel_compile(expression, strlen(expression), &fault);
	return program != NULL && inn_cel_test(program, &input, &fault) == INN_CEL_FALSE;
}
