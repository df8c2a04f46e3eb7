/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Where a result that causes new events meets the beginning of the flow.
 *
 * IDENTIFICATION
 *	  src/ingest/settle.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/accept.h"
#include "ingest/sessions.h"
#include "ingest/settle.h"

static void merge_sessions(InnEvent *event);

void
inn_settle(InnChanges *changes)
{
	InnSubmission submission;
	InnSubmission *submissions[] = {&submission};

	inn_changes_write(changes);
	if (changes->nevents == 0)
		return;
	for (int i = 0; i < changes->nevents; i++)
		merge_sessions(&changes->events[i]);
	submission = (InnSubmission){.events = changes->events, .nevents = changes->nevents};
	inn_accept(submissions, lengthof(submissions));
}

/* What an app says of the sessions of an invocation, or of what it defers, is judged as in events that it sends; but nothing can be refused any more. */
static void
merge_sessions(InnEvent *event)
{
	Jsonb *given = event->meta;
	InnRefusal refusal;

	if (given == NULL)
		return;
	if (!inn_sessions_merge(&given->root, &event->meta, &refusal))
		ereport(LOG, errmsg("inngest dropped the sessions of an event \"%s\": %s", event->name,
							refusal.message));
}
