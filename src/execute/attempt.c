/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  What a call says, and what its answer comes to.
 *
 * Everything that calls say is read for all calls of a turn together: the runs with their events, and the steps that have ended.  Memos
 * are canonical JSON already; large ones, and the events of a batch, are read only for a call that really carries them, and forgotten when the client has its copy
 * of the body.
 *
 * IDENTIFICATION
 *	  src/execute/attempt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/jcs.h"
#include "base/json.h"
#include "execute/attempt.h"
#include "execute/dispatch.h"
#include "execute/endpoint.h"
#include "execute/gateway.h"
#include "execute/targets.h"
#include "run/fault.h"
#include "run/opcode.h"
#include "run/state.h"
#include "store/batches.h"
#include "store/defers.h"

#define EVENTS_GONE "what has started the run is not kept any more (inngest.event_retention)"

static void let_go(InnFlight *flight);
static int headers_of(InnClientReply *reply, InnClientHeader **headers);
static void prepare(InnPrepared *prepared, TimestampTz now);
static void judge(InnPrepared *prepared, TimestampTz now);
static bool is_late(const InnPrepared *prepared, TimestampTz now);
static void refuse(InnPrepared *prepared, Jsonb *fault);
static bool put_events(InnPrepared *prepared);
static char *event_text(InnPrepared *prepared, const InnEvent *event);
static bool carries_events(const InnPrepared *prepared);
static void read_events(InnPrepared *prepared);
static MemoryContext switch_to_large(InnPrepared *prepared);
static void put_state(InnPrepared *prepared, const InnStep *steps, int nsteps);
static void put_defers(InnPrepared *prepared, const InnUlid *run_ids, int nprepared);
static bool carries_state(const InnPrepared *prepared);
static bool lacks_memos(const InnPrepared *prepared);
static void read_memos(InnPrepared *prepared);

void
inn_attempts_prepare(InnFlight *const *flights, int nflights, TimestampTz now,
					 InnPrepared *prepared)
{
	InnUlid *run_ids = palloc(Max(nflights, 1) * sizeof(InnUlid));
	InnRunToCall *runs = palloc(Max(nflights, 1) * sizeof(InnRunToCall));
	InnStep *steps;
	int nsteps;
	int next = 0;

	for (int i = 0; i < nflights; i++)
		run_ids[i] = flights[i]->job.run_id;
	inn_runs_read_to_call(run_ids, nflights, runs);
	steps = inn_steps_read(run_ids, nflights, &nsteps);

	for (int i = 0; i < nflights; i++)
	{
		int first = next;

		/* Steps come in the order of the runs; a run that is called twice comes twice. */
		while (next < nsteps && memcmp(&steps[next].run_id, &run_ids[i], sizeof(InnUlid)) == 0 &&
			   (next == first || strcmp(steps[next].id, steps[first].id) != 0))
			next++;
		prepared[i] = (InnPrepared){.flight = flights[i], .run = runs[i]};
		prepare(&prepared[i], now);
		if (prepared[i].readiness == INN_CALL_READY)
			put_state(&prepared[i], &steps[first], next - first);
	}
	put_defers(prepared, run_ids, nflights);
}

static void
prepare(InnPrepared *prepared, TimestampTz now)
{
	const InnJob *job = &prepared->flight->job;
	InnRequestSubject *subject = &prepared->subject;
	const InnFunction *function = inn_targets_find(&job->function_id);

	prepared->function = function;
	judge(prepared, now);
	if (prepared->readiness != INN_CALL_READY || !put_events(prepared))
		return;

	prepared->is_first = prepared->run.started_at == INN_NEVER;
	*subject = (InnRequestSubject){
		.url = function->url,
		.step_id = function->step_id != NULL ? function->step_id : "step",
		.target = job->step_id,
		.function_id = job->function_id,
		.run_id = job->run_id,
		.job_id = job->id,
		.generation = job->generation,
		.attempt = job->attempt,
		.max_attempts = function->max_attempts,
		.request_version = prepared->run.request_version,
		.is_planning = job->is_planning || prepared->run.is_planning,
		.always_inline = function->is_go,
		.events = subject->events,
		.nevents = subject->nevents,
		.unread_events = subject->unread_events,
		.input_id = job->input != NULL ? job->step_id : NULL,
		.input = job->input,
	};
}

static void
judge(InnPrepared *prepared, TimestampTz now)
{
	const InnFunction *function = prepared->function;

	prepared->readiness = INN_CALL_READY;
	if (!prepared->run.is_alive || function == NULL || function->is_paused)
		prepared->readiness = INN_CALL_GONE;
	else if (prepared->run.is_to_be_cancelled)
		prepared->readiness = INN_CALL_DOOMED;
	else if (function->url == NULL)
		refuse(prepared,
			   inn_fault_make(
				   "Error", "the function is not one of an app any more, so it cannot be called"));
	else if (!prepared->run.has_event)
		refuse(prepared, inn_fault_make("Error", EVENTS_GONE));
	else if (is_late(prepared, now))
		prepared->readiness = INN_CALL_LATE;
}

/* Timers do the same (schedule/due.c), but a call that begins now must not be made. */
static bool
is_late(const InnPrepared *prepared, TimestampTz now)
{
	const InnFunction *function = prepared->function;

	if (prepared->run.started_at != INN_NEVER)
		return function->finish_timeout_usec > 0 &&
			   now > prepared->run.started_at + function->finish_timeout_usec;
	return function->start_timeout_usec > 0 &&
		   now > inn_from_unix_ms(inn_ulid_unix_ms(&prepared->flight->job.run_id)) +
					 function->start_timeout_usec;
}

static void
refuse(InnPrepared *prepared, Jsonb *fault)
{
	prepared->readiness = INN_CALL_FAULTY;
	prepared->fault = fault;
}

/* The first one is said twice. Further ones of a batch are read later, if at all. */
static bool
put_events(InnPrepared *prepared)
{
	const InnRunToCall *run = &prepared->run;
	const char **texts = palloc(sizeof(char *));

	texts[0] = event_text(prepared, &run->event);
	if (texts[0] == NULL)
		return false;
	prepared->subject.events = texts;
	prepared->subject.nevents = 1;
	prepared->bytes = 2 * strlen(texts[0]);
	prepared->flight->event_bytes = strlen(texts[0]);
	if (!run->has_batch)
		return true;
	if (!inn_batches_size(&run->batch_id, &prepared->subject.unread_events))
	{
		refuse(prepared, inn_fault_make("Error", EVENTS_GONE));
		return false;
	}
	prepared->flight->event_bytes = prepared->subject.unread_events;
	if (carries_events(prepared))
		prepared->bytes += prepared->subject.unread_events;
	return true;
}

/* NULL, and the call is refused, if it cannot be told. */
static char *
event_text(InnPrepared *prepared, const InnEvent *event)
{
	StringInfoData buf;
	InnJcsFault fault;

	initStringInfo(&buf);
	fault = inn_jcs_append(&buf, inn_event_to_jsonb(event));
	if (fault == INN_JCS_GOOD)
		return buf.data;
	refuse(prepared,
		   inn_fault_make("Error", psprintf("an event that has started the run cannot be sent: %s",
											inn_jcs_sentence(fault))));
	return NULL;
}

static bool
carries_events(const InnPrepared *prepared)
{
	return prepared->subject.unread_events <= INN_REQUEST_MAX_BYTES || prepared->function->is_go;
}

/* The steps that have ended, and where in them the one is that has caused this call. */
static void
put_state(InnPrepared *prepared, const InnStep *steps, int nsteps)
{
	InnFlight *flight = prepared->flight;
	InnMemo *memos = palloc(Max(nsteps, 1) * sizeof(InnMemo));
	Jsonb *fault;

	flight->state_size = (InnStateSize){.nsteps = nsteps};
	for (int i = 0; i < nsteps; i++)
	{
		memos[i] = (InnMemo){steps[i].id, steps[i].memo, steps[i].size};
		flight->state_size.bytes += steps[i].size;
		if (flight->job.after_id != NULL && strcmp(flight->job.after_id, steps[i].id) == 0)
			prepared->subject.current = i + 1;
	}
	/* There must be room for a step more.  Waits and parallel steps that end together may have recorded more bytes than may be. */
	fault = inn_state_fault((InnStateSize){nsteps + 1, flight->state_size.bytes});
	if (fault != NULL)
	{
		refuse(prepared, fault);
		return;
	}
	if (carries_state(prepared))
		prepared->bytes += flight->state_size.bytes;
	prepared->subject.stack = memos;
	prepared->subject.nstack = nsteps;
}

static bool
carries_state(const InnPrepared *prepared)
{
	return prepared->flight->state_size.bytes <= INN_REQUEST_MAX_BYTES || prepared->function->is_go;
}

void
inn_attempts_read_state(InnPrepared *prepared, int nprepared)
{
	for (int i = 0; i < nprepared; i++)
	{
		if (prepared[i].readiness == INN_CALL_READY && prepared[i].subject.unread_events > 0 &&
			carries_events(&prepared[i]))
			read_events(&prepared[i]);
		if (prepared[i].readiness == INN_CALL_READY && carries_state(&prepared[i]) &&
			lacks_memos(&prepared[i]))
			read_memos(&prepared[i]);
	}
}

static void
read_events(InnPrepared *prepared)
{
	MemoryContext caller = switch_to_large(prepared);
	InnEvent *events;
	const char **texts;
	int nevents;

	if (!inn_batches_events(&prepared->run.batch_id, 0, &events, &nevents))
		elog(ERROR, "an event of a batch is gone");
	texts = palloc(nevents * sizeof(char *));
	for (int i = 0; i < nevents && prepared->readiness == INN_CALL_READY; i++)
		texts[i] = event_text(prepared, &events[i]);
	prepared->subject.events = texts;
	prepared->subject.nevents = nevents;
	prepared->subject.unread_events = 0;
	MemoryContextSwitchTo(caller);
}

static MemoryContext
switch_to_large(InnPrepared *prepared)
{
	if (prepared->large == NULL)
		prepared->large = AllocSetContextCreate(CurrentMemoryContext, "inngest large call",
												ALLOCSET_DEFAULT_SIZES);
	return MemoryContextSwitchTo(prepared->large);
}

static bool
lacks_memos(const InnPrepared *prepared)
{
	for (int i = 0; i < prepared->subject.nstack; i++)
	{
		if (prepared->subject.stack[i].json == NULL)
			return true;
	}
	return false;
}

static void
read_memos(InnPrepared *prepared)
{
	MemoryContext caller = switch_to_large(prepared);
	InnMemo *memos = prepared->subject.stack;

	for (int i = 0; i < prepared->subject.nstack; i++)
	{
		if (memos[i].json == NULL)
			memos[i].json = inn_steps_memo(&prepared->flight->job.run_id, memos[i].step_id);
		if (memos[i].json == NULL)
			elog(ERROR, "step \"%s\" of a run is gone", memos[i].step_id);
	}
	MemoryContextSwitchTo(caller);
}

/* What runs have deferred, so that they need not report it again.  Few runs have any. */
static void
put_defers(InnPrepared *prepared, const InnUlid *run_ids, int nprepared)
{
	InnDeferMark *marks;
	int nmarks = 0;
	bool any = false;

	for (int i = 0; i < nprepared; i++)
		any |= prepared[i].readiness == INN_CALL_READY && prepared[i].run.has_defers;
	if (!any)
		return;
	marks = inn_defers_marks(run_ids, nprepared, &nmarks);
	for (int i = 0; i < nmarks;)
	{
		int run = marks[i].run;
		JsonbParseState *state = NULL;
		StringInfoData text;

		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		for (; i < nmarks && marks[i].run == run; i++)
		{
			JsonbValue flag = {.type = jbvBool, .val.boolean = marks[i].is_abortable};

			inn_json_put_key(&state, marks[i].id);
			(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
			inn_json_put_value(&state, "abortable", &flag);
			(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		}
		initStringInfo(&text);
		(void) inn_jcs_append(&text,
							  JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
		prepared[run].subject.defers = text.data;
	}
}

bool
inn_attempt_start(InnPrepared *prepared, const char *signing_key)
{
	InnFlight *flight = prepared->flight;
	MemoryContext caller = CurrentMemoryContext;
	InnRequestText text;
	const char *method = "POST";
	bool is_started;

	if (prepared->large != NULL)
		MemoryContextSwitchTo(prepared->large);
	prepared->subject.request_id = flight->request_id;
	prepared->subject.signing_key = signing_key;
	prepared->subject.now_s = inn_unix_ms(inn_now_real()) / 1000;
	if (prepared->function->is_endpoint)
		inn_endpoint_build(&prepared->subject, &prepared->run.event, &method, &text);
	else
		inn_request_build(&prepared->subject, &text);
	flight->event_id = prepared->run.event_id;
	flight->request_version = prepared->run.request_version;
	flight->is_endpoint = prepared->function->is_endpoint;
	is_started = inn_client_start(&(InnClientRequest){
					 .method = method,
					 .url = text.url,
					 .headers = (const char *const *) text.headers,
					 .nheaders = text.nheaders,
					 .body = text.body.data,
					 .body_size = text.body.len,
					 .stays = flight->is_endpoint,
					 .keeps_query = true,
					 .cookie = flight,
				 }) != NULL;
	MemoryContextSwitchTo(caller);
	if (prepared->large != NULL)
		MemoryContextDelete(prepared->large);
	return is_started;
}

/* Of several of a name the first, as the SDK does when it reports an answer by itself. */
static int
headers_of(InnClientReply *reply, InnClientHeader **headers)
{
	int nheaders;
	const InnClientHeader *all = inn_client_headers(reply, &nheaders);

	if (all == NULL)
		return 0;
	*headers = palloc(Max(nheaders, 1) * sizeof(InnClientHeader));
	for (int i = 0; i < nheaders; i++)
		(*headers)[i] = (InnClientHeader){all[i].name, inn_client_header(reply, all[i].name)};
	return nheaders;
}

void
inn_attempt_outcome(const InnFlight *flight, TimestampTz now, InnOutcomeOfCall *outcome)
{
	static const InnNoAnswer troubles[] = {
		[INN_CLIENT_NONE] = INN_ANSWERED,			[INN_CLIENT_INVALID] = INN_NEVER_REACHABLE,
		[INN_CLIENT_REFUSED] = INN_NEVER_REACHABLE, [INN_CLIENT_RESOLVE] = INN_UNREACHABLE,
		[INN_CLIENT_CONNECT] = INN_UNREACHABLE,		[INN_CLIENT_TIMEOUT] = INN_UNREACHABLE,
		[INN_CLIENT_CUT_OFF] = INN_UNREACHABLE,		[INN_CLIENT_TOO_LARGE] = INN_ANSWER_TOO_LARGE,
		[INN_CLIENT_REDIRECTS] = INN_UNREACHABLE,	[INN_CLIENT_BUSY] = INN_UNREACHABLE,
		[INN_CLIENT_GARBLED] = INN_UNREACHABLE,
	};
	InnClientReply *reply = flight->reply;
	InnClientHeader *headers = NULL;
	int nheaders = flight->is_endpoint ? headers_of(reply, &headers) : 0;

	inn_answer_read(
		&(InnAnswer){
			.trouble = troubles[reply->error],
			.sentence = reply->sentence,
			.status = reply->status,
			.sdk = inn_client_header(reply, "x-inngest-sdk"),
			.no_retry = inn_client_header(reply, "x-inngest-no-retry"),
			.retry_after = inn_client_header(reply, "retry-after"),
			.request_version = inn_client_header(reply, "x-inngest-req-version"),
			.content_type = inn_client_header(reply, "content-type"),
			.body = reply->body,
			.size = reply->size,
			.is_endpoint = flight->is_endpoint,
			.headers = headers,
			.nheaders = nheaders,
		},
		flight->job.step_id != NULL, now, outcome);
}

InnCallNews
inn_attempt_news(const InnFlight *flight, const InnOutcomeOfCall *outcome)
{
	const InnFunction *function = inn_targets_find(&flight->job.function_id);

	if (function == NULL)
		elog(ERROR, "the function of a run is gone");
	return (InnCallNews){
		.job = &flight->job,
		.function = function,
		.event_id = flight->event_id,
		.request_version = flight->request_version,
		.reply_version = outcome->request_version,
		.retry_at = outcome->retry_at,
		.no_retry = outcome->no_retry,
		.state = flight->state_size,
		.started_at = flight->started_at,
	};
}

void
inn_attempt_land(InnFlight *flight)
{
	let_go(flight);
	inn_lanes_forget(flight);
}

void
inn_attempt_leave(InnFlight *flight)
{
	let_go(flight);
	inn_lanes_leave(flight);
}

static void
let_go(InnFlight *flight)
{
	inn_dispatch_end(flight->job.id, NULL);
	inn_gateways_free(flight);
	if (flight->reply != NULL)
		inn_client_free(flight->reply);
}
