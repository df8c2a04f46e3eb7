/*-------------------------------------------------------------------------
 *
 * waiters.c
 *	  From an event to the runs that wait for it.
 *
 * Candidates are found, not tried: those whose key is a value of the event, and those that have no key.  Whoever is found is
 * evaluated in full.  An expression that fails does not match, and concerns nobody else.
 *
 * A run is changed only by who has claimed it.  Of a run that is busy it is written down that the event has ended its pause, and
 * the rest is done a little later: then the pause may be gone, because the run has ended or was cancelled.  Whoever deletes
 * the pause acts, so an event, another event, a timeout and the end of the run exclude each other.
 *
 * Which event ends a pause is decided for good when it is written down, or acted upon: a later event does not count, even if its
 * transaction comes first to the run.
 *
 * IDENTIFICATION
 *	  src/match/waiters.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/jcs.h"
#include "base/json.h"
#include "base/redo.h"
#include "base/timer.h"
#include "cel/cel.h"
#include "match/waiters.h"
#include "run/fault.h"
#include "run/lifecycle.h"
#include "run/opcode.h"
#include "run/wait.h"
#include "store/awaited.h"

/* Pauses that are read together, and bytes of memos that are written together. */
#define CHUNK_PAUSES 500
#define CHUNK_BYTES (16 * 1024 * 1024)

/* Runs that were busy, and are tried again in one transaction. */
#define RETRY_BATCH 100

/* How soon to try them: most are busy for a moment only. */
#define RETRY_MIN_USEC (INT64CONST(20) * 1000)
#define RETRY_MAX_USEC (INT64CONST(1) * USECS_PER_SEC)

/* How often the log may tell of expressions that fail. */
#define FAULT_LOG_USEC USECS_PER_MINUTE

/* What pauses get to know of an event. */
typedef struct News
{
	const InnEvent *event;
	uint64 xact;
	Jsonb *json;	/* as expressions see it */
	char *memos[2]; /* canonical, of INN_PAUSE_EVENT and of INN_PAUSE_INVOKE; NULL until needed */
} News;

/* Of runs that were busy. */
static TimestampTz retry_at = DT_NOBEGIN; /* there may be some of before the start */
static int64 retry_delay_usec = RETRY_MIN_USEC;
static InnUlid retry_after; /* runs up to this one have been tried in this round */
static InnUlid retry_reached;
static bool retry_is_over;	/* the round is */
static bool retry_is_empty; /* there was nobody in it */
static InnRedo redo;

static InnPauseKey *keys_of(InnShowing *showing, const News *news, int *nkeys);
static int chunk_size(const News *news);
static void end_matching(InnShowing *showing, News *news, const InnPause *pauses, int npauses);
static bool is_match(const News *news, const InnPause *pause);
static bool is_true(const News *news, const InnPause *pause);
static void note_fault(const InnPause *pause, const InnCelFault *fault);
static void end_pauses(InnShowing *showing, News *news, const InnPause *const *pauses, int npauses);
static bool may_end(InnChanges *changes, const InnPause *pause, bool *is_busy);
static const char *memo_of(News *news, InnPauseKind kind);
static char *event_memo(const News *news);
static char *invoke_memo(const News *news);
static char *error_memo(InnJcsFault fault);
static bool end_matched(InnChanges *changes, const InnPause *pause);

bool
inn_waiters_show(InnShowing *showing, const InnEvent *event, int *budget)
{
	News news = {.event = event, .xact = showing->xact};
	InnPauseKey *keys;
	int nkeys;
	int max;

	if (!inn_awaited_test_hash(inn_awaited_hash(event->name)))
		return true;
	news.json = inn_event_to_jsonb(event);
	keys = keys_of(showing, &news, &nkeys);
	max = chunk_size(&news);
	while (*budget > 0)
	{
		int npauses;
		InnPause *pauses =
			inn_pauses_read_candidates(event->name, keys, nkeys, &showing->after, max, &npauses);

		end_matching(showing, &news, pauses, npauses);
		*budget -= npauses + 1;
		if (npauses < max)
			return true;
		showing->after = pauses[npauses - 1].run_id;
	}
	return false;
}

static InnPauseKey *
keys_of(InnShowing *showing, const News *news, int *nkeys)
{
	InnPauseKey *keys;

	if (showing->name == NULL || strcmp(showing->name, news->event->name) != 0)
	{
		showing->name = news->event->name;
		showing->paths = inn_pauses_paths(showing->name, &showing->npaths);
	}
	keys = palloc(Max(showing->npaths, 1) * sizeof(InnPauseKey));
	*nkeys = 0;
	for (int i = 0; i < showing->npaths; i++)
	{
		uint64 hash;

		if (inn_cel_key_hash(&news->json->root, showing->paths[i], &hash))
			keys[(*nkeys)++] = (InnPauseKey){showing->paths[i], (int64) hash};
	}
	return keys;
}

/* Each of them may get a memo of the size of the event. */
static int
chunk_size(const News *news)
{
	return Max(1, Min(CHUNK_PAUSES, CHUNK_BYTES / (int) VARSIZE(news->json)));
}

static void
end_matching(InnShowing *showing, News *news, const InnPause *pauses, int npauses)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext evaluation =
		AllocSetContextCreate(caller, "inngest expression of a pause", ALLOCSET_SMALL_SIZES);
	const InnPause **matching = palloc(Max(npauses, 1) * sizeof(InnPause *));
	int nmatching = 0;

	for (int i = 0; i < npauses; i++)
	{
		bool matches;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(evaluation);
		matches = is_match(news, &pauses[i]);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(evaluation);
		if (matches)
			matching[nmatching++] = &pauses[i];
	}
	MemoryContextDelete(evaluation);
	end_pauses(showing, news, matching, nmatching);
}

static bool
is_match(const News *news, const InnPause *pause)
{
	const InnEvent *event = news->event;

	/* another event has ended it */
	if (pause->is_matched)
		return false;

	/* its transaction was over when the pause began, or it came when the pause was over */
	if (news->xact < pause->since_xact || event->received_at > pause->expires_at)
		return false;

	/* what starts a run neither cancels it, nor is it what it waits for */
	if (inn_ulid_compare(&event->id, &pause->event_id) == 0)
		return false;
	/* What was there before the run does not mean it.  Ids do not tell: they have the time of a sender's clock, and of a millisecond. */
	if (pause->kind == INN_PAUSE_CANCEL && event->received_at < pause->created_at)
		return false;

	return pause->expression == NULL || is_true(news, pause);
}

static bool
is_true(const News *news, const InnPause *pause)
{
	static InnCelHandle handle;
	InnCelInput input = {.async = &news->json->root, .event_is_captured = true};
	InnCelFault fault;
	const InnCelProgram *program;
	InnCelVerdict verdict = INN_CEL_FAILED;

	/* Most do not ask for it: what they compare with is a literal, or the key. */
	if (strstr(pause->expression, "event") != NULL)
		input.event = &inn_pause_starting_event(&pause->event_id)->root;
	program = inn_cel_try_cached(&handle, pause->expression, strlen(pause->expression), &fault);
	if (program != NULL)
		verdict = inn_cel_test(program, &input, &fault);
	if (verdict == INN_CEL_FAILED)
		note_fault(pause, &fault);
	return verdict == INN_CEL_TRUE;
}

static void
note_fault(const InnPause *pause, const InnCelFault *fault)
{
	static TimestampTz logged_at = DT_NOBEGIN;
	char run[INN_ULID_TEXT_LEN + 1];
	TimestampTz now = inn_now();
	bool is_due = logged_at == DT_NOBEGIN || now - logged_at >= FAULT_LOG_USEC;

	inn_ulid_format(&pause->run_id, run);
	ereport(is_due ? LOG : DEBUG1,
			errmsg("inngest: an expression of run %s failed for an event \"%s\": %s", run,
				   pause->event_name, fault->message),
			errdetail("It is: %s", pause->expression),
			errhint("It does not match; others of the next minute are not logged."));
	if (is_due)
		logged_at = now;
}

/* Whoever can be is ended now; of the others it is written down. */
static void
end_pauses(InnShowing *showing, News *news, const InnPause *const *pauses, int npauses)
{
	InnChanges *changes = showing->changes;
	const InnPause **ending = palloc(Max(npauses, 1) * sizeof(InnPause *));
	bool *removed = palloc(Max(npauses, 1) * sizeof(bool));
	int nending = 0;

	for (int i = 0; i < npauses; i++)
	{
		bool is_busy = showing->is_careful;

		if (!is_busy && may_end(changes, pauses[i], &is_busy))
			ending[nending++] = pauses[i];
		if (!is_busy)
			continue;
		inn_pauses_note_match(pauses[i], &news->event->id);
		retry_at = inn_sooner(retry_at, inn_now() + RETRY_MIN_USEC);
	}
	if (nending == 0)
		return;
	inn_pauses_remove(ending, nending, removed);
	for (int i = 0; i < nending; i++)
	{
		if (removed[i])
			inn_apply_pause_end(changes, ending[i], memo_of(news, ending[i]->kind));
	}
}

/* May its step end now?  A cancellation is carried out. */
static bool
may_end(InnChanges *changes, const InnPause *pause, bool *is_busy)
{
	*is_busy = false;
	if (pause->kind == INN_PAUSE_CANCEL)
	{
		*is_busy = inn_run_try_cancel(changes, &pause->run_id) == INN_CANCEL_BUSY;
		return false;
	}
	if (inn_changes_is_ending(changes, &pause->run_id))
		return false;
	*is_busy = !inn_run_claim(&pause->run_id);
	return !*is_busy;
}

/* ---- memos ---- */

static const char *
memo_of(News *news, InnPauseKind kind)
{
	int i = kind == INN_PAUSE_INVOKE;

	if (news->memos[i] == NULL)
		news->memos[i] = kind == INN_PAUSE_INVOKE ? invoke_memo(news) : event_memo(news);
	return news->memos[i];
}

static char *
event_memo(const News *news)
{
	StringInfoData memo;
	InnJcsFault fault;

	initStringInfo(&memo);
	fault = inn_jcs_append(&memo, news->json);
	return fault == INN_JCS_GOOD ? memo.data : error_memo(fault);
}

/* The event is about the end of the run that was invoked (protocol.md 8.7). */
static char *
invoke_memo(const News *news)
{
	JsonbContainer *data = &news->event->data->root;
	JsonbValue value;
	StringInfoData memo;
	InnJcsFault fault;

	initStringInfo(&memo);
	if (inn_json_find(data, "error", &value))
		appendStringInfoString(&memo, "{\"error\":");
	else
	{
		appendStringInfoString(&memo, "{\"data\":");
		if (!inn_json_find(data, "result", &value))
			value.type = jbvNull;
	}
	fault = inn_jcs_append_value(&memo, &value);
	appendStringInfoChar(&memo, '}');
	return fault == INN_JCS_GOOD ? memo.data : error_memo(fault);
}

/* What has no canonical text cannot be told: that is the step's error. */
static char *
error_memo(InnJcsFault fault)
{
	StringInfoData memo;

	initStringInfo(&memo);
	appendStringInfoString(&memo, "{\"error\":");
	(void) inn_jcs_append(&memo, inn_fault_make("Error", inn_jcs_sentence(fault)));
	appendStringInfoChar(&memo, '}');
	return memo.data;
}

/* ---- runs that were busy ---- */

TimestampTz
inn_waiters_due(void)
{
	return retry_at;
}

void
inn_waiters_collect(InnChanges *changes)
{
	InnUlid none = {{0}};
	int size;
	int64 failed;
	int npauses;
	InnPause *pauses;

	if (inn_redo_begin(&redo, RETRY_BATCH, &size, &failed))
		ereport(LOG, errmsg("inngest could not end a step of a run that was busy, and will try "
							"again later; inngest.pause_matches has it"));
	(void) inn_redo_again(&redo, changes->now);
	pauses = inn_pauses_read_matched(&retry_after, size, &npauses);
	retry_is_over = npauses == 0;
	retry_is_empty = npauses == 0 && inn_ulid_compare(&retry_after, &none) == 0;
	retry_reached = npauses == 0 ? none : pauses[npauses - 1].run_id;
	for (int i = 0; i < npauses; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (inn_redo_try(&redo, inn_pause_number(&pauses[i])) && end_matched(changes, &pauses[i]))
			inn_pauses_remove_match(&pauses[i]);
	}
}

/* False if the run is still busy.  The event may not be kept any more, then the pause goes on. */
static bool
end_matched(InnChanges *changes, const InnPause *pause)
{
	News news = {0};
	InnEvent event;
	bool is_busy;
	bool removed;

	if (!inn_events_read(&pause->matched_id, &event))
		return true;
	if (!may_end(changes, pause, &is_busy))
		return !is_busy;
	news.event = &event;
	news.json = inn_event_to_jsonb(&event);
	inn_pauses_remove(&pause, 1, &removed);
	if (removed)
		inn_apply_pause_end(changes, pause, memo_of(&news, pause->kind));
	return true;
}

void
inn_waiters_committed(void)
{
	inn_redo_done(&redo);
	retry_after = retry_reached;
	if (!retry_is_over)
		return;
	retry_delay_usec = retry_is_empty ? RETRY_MIN_USEC : Min(2 * retry_delay_usec, RETRY_MAX_USEC);
	retry_at = retry_is_empty ? INN_NEVER : inn_now() + retry_delay_usec;
}
