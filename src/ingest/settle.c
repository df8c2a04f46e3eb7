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
#include "ingest/settle.h"

void
inn_settle(InnChanges *changes)
{
	InnSubmission submission;
	InnSubmission *submissions[] = {&submission};

	inn_changes_write(changes);
	if (changes->nevents == 0)
		return;
	submission = (InnSubmission){.events = changes->events, .nevents = changes->nevents};
	inn_accept(submissions, lengthof(submissions));
}
