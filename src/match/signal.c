/*-------------------------------------------------------------------------
 *
 * signal.c
 *	  From a signal to the run that waits for it, in the transaction of the sender.
 *
 * IDENTIFICATION
 *	  src/match/signal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/jcs.h"
#include "base/timer.h"
#include "match/signal.h"
#include "run/lifecycle.h"
#include "run/opcode.h"

static bool take(const char *signal, TimestampTz now, InnPause *pause);
static char *memo_of(const char *signal, Jsonb *data);

bool
inn_signal_send(InnChanges *changes, const char *signal, Jsonb *data, InnUlid *run_id)
{
	char *memo = memo_of(signal, data);
	InnPause pause;

	if (!take(signal, changes->now, &pause))
		return false;
	inn_apply_pause_end(changes, &pause, memo);
	*run_id = pause.run_id;
	return true;
}

/* Whoever deletes the pause has it.  When it has gone meanwhile, another run may be waiting. */
static bool
take(const char *signal, TimestampTz now, InnPause *pause)
{
	bool removed = false;

	while (!removed)
	{
		if (!inn_pauses_find_signal(signal, pause) || pause->expires_at < now)
			return false;
		inn_run_claim_patiently(&pause->run_id);
		inn_pauses_remove(&(const InnPause *){pause}, 1, &removed);
	}
	return true;
}

static char *
memo_of(const char *signal, Jsonb *data)
{
	StringInfoData memo;
	InnJcsFault fault = INN_JCS_GOOD;

	initStringInfo(&memo);
	appendStringInfoString(&memo, "{\"data\":{\"data\":");
	if (data == NULL)
		appendStringInfoString(&memo, "null");
	else
		fault = inn_jcs_append(&memo, data);
	appendStringInfoString(&memo, ",\"signal\":");
	if (fault == INN_JCS_GOOD)
		fault = inn_jcs_append_string(&memo, signal, (int) strlen(signal));
	appendStringInfoString(&memo, "}}");
	if (fault != INN_JCS_GOOD)
		ereport(ERROR,
				errcode(ERRCODE_INN_JSON_INVALID),
				errmsg("signal \"%s\" cannot be sent: %s", signal, inn_jcs_sentence(fault)));
	return memo.data;
}
