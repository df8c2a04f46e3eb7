/*-------------------------------------------------------------------------
 *
 * admit.c
 *	  From a matching event to a run.
 *
 * An event with an id of the sender's starts at most one run per function within 24 hours.  The row in
 * inngest.idempotency_keys decides; its unique index alone would do, but a second sender of the same id
 * would have to wait until the first commits, perhaps for hours.  So the id is claimed first
 * (base/claim.h), which never waits.  Who cannot have the claim queues an "admit" item, and the
 * scheduler decides after both have ended.  Such a run is not in the answer to its sender.
 *
 * The claim covers an id for all functions: one is enough per event.
 *
 * Where a decision depends on what went before (limits.h), there is always an item, and the scheduler decides, one event after the
 * other.
 *
 * A crash leaves nothing half done: the key, the run and its item are in one transaction.
 *
 * IDENTIFICATION
 *	  src/schedule/admit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/claim.h"
#include "base/errors.h"
#include "base/ident.h"
#include "base/redo.h"
#include "base/timer.h"
#include "run/finish.h"
#include "run/flow.h"
#include "schedule/admit.h"
#include "schedule/cancels.h"
#include "schedule/limits.h"
#include "schedule/restart.h"
#include "store/limits.h"

/* Admissions decided in one transaction. */
#define ADMIT_BATCH 100

/* How soon to look again at an id, or a run, that an open transaction holds. */
#define ADMIT_RETRY_USEC (INT64CONST(250) * 1000)

/* A decision on an event, and what comes of it. */
typedef struct Decision
{
	InnEntry entry;
	InnFlow flow;
	InnAdmissionStage stage;
	InnRunList *runs;
	InnChanges *changes;
	List **singletons; /* uuids that have a run, or lose one, in this transaction */
	bool was_put_off;  /* because the run that holds its singleton was busy */
	bool is_singleton;
	pg_uuid_t singleton; /* valid if is_singleton */
} Decision;

typedef enum Verdict
{
	DECIDED,
	LATER,	  /* somebody else is about to decide something that this depends on */
	NEXT_TIME /* it depends on what this transaction has decided, and not written yet; so may all that come after it */
} Verdict;

static InnRedo admission_redo;
static InnRedo batch_redo;
static TimestampTz batches_at = DT_NOBEGIN; /* when the next one is over, as far as is known */

static bool try_admit(const InnEvent *event, const InnFunction *function, InnRunList *runs);
static bool claim_id(const InnEvent *event, pg_uuid_t *key);
static InnRun new_run(const InnEvent *event, const InnFunction *function);
static const InnControls *controls_of(const InnEvent *event, const InnFunction *function);
static InnControls *make_controls(const InnFlow *flow, const pg_uuid_t *function_id, Jsonb *event);
static char *value_of(const char *key, Jsonb *event);
static void end_debounces(TimestampTz now);
static bool start_batch(const InnBatch *batch, TimestampTz now, InnRunList *runs);
static void answer_batch(InnChanges *changes, const InnBatch *batch);
static Verdict decide(const InnAdmission *admission, InnRunList *runs, InnChanges *changes,
					  List **singletons);
static Verdict decide_stateful(Decision *decision);
static Verdict create(Decision *decision, const pg_uuid_t *key);
static void throttle(const InnEntry *entry, TimestampTz when, InnRun *run);
static Verdict make_room(Decision *decision, InnRun *run, InnControls *controls);
static bool is_invocation(const InnEvent *event, const InnFunction *function);
static int begin(InnRedo *redo, TimestampTz now);
static int64 piece_of(const InnAdmission *admission);
static void report_failure(const char *what, const InnUlid *id);
static bool is_among(const List *keys, const pg_uuid_t *key);
static void read_origin(const InnUlid *run_id, InnRunOrigin *origin, InnFunction *function,
						InnEvent *event);

void
inn_admit(const InnEvent *event, const InnFunction *function, InnRunList *runs)
{
	if (function->is_stateful || !try_admit(event, function, runs))
		inn_queue_put_admission(&function->id, &event->id, INN_ADMISSION_NEW, inn_now());
}

/*
 * False if it cannot be decided while another transaction is open.  A skipped run takes no key: the
 * event may be sent again when the function is resumed.
 */
static bool
try_admit(const InnEvent *event, const InnFunction *function, InnRunList *runs)
{
	InnRun run = new_run(event, function);
	TimestampTz now = inn_now();
	pg_uuid_t key;

	if (event->caller_id != NULL && !run.is_skipped)
	{
		if (!claim_id(event, &key))
			return false;
		if (!inn_idempotency_put(&function->id, &key, &run.id, now, now + INN_IDEMPOTENCY_USEC))
			return true;
	}
	if (!run.is_skipped)
		run.controls = controls_of(event, function);
	inn_run_list_add(runs, &run);
	inn_cancels_add(&run, function, event, runs);
	return true;
}

static bool
claim_id(const InnEvent *event, pg_uuid_t *key)
{
	uint64 hash;

	inn_idempotency_key(event->caller_id, key);
	memcpy(&hash, key->data, sizeof(hash));
	return inn_claim_try(INN_CLAIM_EVENT_ID, hash);
}

static InnRun
new_run(const InnEvent *event, const InnFunction *function)
{
	InnRun run = {
		.app_id = function->app_id,
		.function_id = function->id,
		.function_version = function->version,
		.function_slug = pstrdup(function->slug),
		.event_id = event->id,
		.event_name = event->name,
		.run_at = Max(event->ts, event->received_at),
		.is_delayed = event->ts > event->received_at,
		.is_pull = function->runtime == INN_RUNTIME_PULL,
		.is_skipped = function->is_paused,
		.start_timeout_usec = function->start_timeout_usec,
	};

	inn_ulid_generate(&run.id);
	return run;
}

/* They are frozen: a later config means later runs. */
static const InnControls *
controls_of(const InnEvent *event, const InnFunction *function)
{
	InnFlow flow;

	if (!function->has_controls)
		return NULL;
	inn_flow_read(inn_functions_config(&function->id), &flow);
	return make_controls(&flow, &function->id, inn_event_to_jsonb(event));
}

static InnControls *
make_controls(const InnFlow *flow, const pg_uuid_t *function_id, Jsonb *event)
{
	InnControls *controls = palloc(sizeof(InnControls));

	*controls = (InnControls){
		.priority_s = inn_flow_priority(flow, event),
		.needs_place = flow->runs.limit > 0,
	};
	for (int i = 0; i < flow->nsteps; i++)
	{
		if (flow->steps[i].key == NULL)
			continue;
		controls->limits[controls->nlimits] = inn_flow_limit_name(&flow->steps[i]);
		controls->values[controls->nlimits++] = value_of(flow->steps[i].key, event);
	}
	if (controls->needs_place)
		inn_flow_place(&flow->runs, function_id,
					   flow->runs.key == NULL ? NULL : value_of(flow->runs.key, event),
					   &controls->place);
	return controls;
}

/* Those whose key fails count together. */
static char *
value_of(const char *key, Jsonb *event)
{
	InnCelFault fault;
	char *value = inn_flow_key(key, event, NULL, &fault);

	return value == NULL ? pstrdup(INN_FLOW_KEY_FALSE) : value;
}

InnUlid
inn_admit_again(const InnUlid *run_id, const char *from_step, Jsonb *input)
{
	InnRunOrigin origin;
	InnFunction function;
	InnEvent event;
	InnRestart restart;
	InnRunList runs = {0};
	InnRun run;

	read_origin(run_id, &origin, &function, &event);
	run = new_run(&event, &function);
	run.run_at = inn_now();
	run.is_delayed = false;
	if (!run.is_skipped)
		run.controls = controls_of(&event, &function);
	if (from_step != NULL)
	{
		inn_restart_find(run_id, &function, from_step, input, &restart);
		inn_restart_aim(&restart, &run);
	}
	run.has_batch = origin.has_batch;
	run.batch_id = origin.batch_id;
	inn_run_list_add(&runs, &run);
	inn_cancels_add(&run, &function, &event, &runs);
	inn_run_create(&runs);
	if (from_step != NULL)
		inn_restart_copy(&restart, &run.id);
	inn_runs_set_original(&run.id, &origin.original_id);
	return run.id;
}

static void
read_origin(const InnUlid *run_id, InnRunOrigin *origin, InnFunction *function, InnEvent *event)
{
	char run[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(run_id, run);
	if (!inn_runs_origin(run_id, origin))
		ereport(ERROR,
				errcode(ERRCODE_INN_RUN_NOT_FOUND),
				errmsg("run %s does not exist", run));
	if (!inn_functions_by_id(&origin->function_id, function) || function->is_archived)
		ereport(ERROR,
				errcode(ERRCODE_INN_FUNCTION_NOT_FOUND),
				errmsg("the function of run %s was deleted", run),
				errhint("Register it again first."));
	if (!inn_events_read(&origin->event_id, event))
		ereport(ERROR,
				errcode(ERRCODE_INN_EVENT_GONE),
				errmsg("the event of run %s is not kept any more", run),
				errhint("\"inngest.event_retention\" says how long events are kept; send it anew."));
}

TimestampTz
inn_admit_queued(InnChanges *changes)
{
	InnAdmission admissions[ADMIT_BATCH];
	InnRunList runs = {0};
	List *singletons = NIL;
	TimestampTz now = changes->now;
	int max = begin(&admission_redo, now);
	int nadmissions;

	end_debounces(now);
	nadmissions = inn_queue_lock_admissions(now, max, admissions);
	for (int i = 0; i < nadmissions; i++)
	{
		Verdict verdict = LATER;
		TimestampTz later = now + ADMIT_RETRY_USEC;

		if (inn_redo_try(&admission_redo, piece_of(&admissions[i])))
			verdict = decide(&admissions[i], &runs, changes, &singletons);
		else
		{
			later = inn_redo_next(&admission_redo);
			report_failure("decide whether an event starts a function", &admissions[i].event_id);
		}
		if (verdict == NEXT_TIME)
			break;
		inn_queue_remove_admission(&admissions[i]);

		/* To the end of the queue, so that nobody waits behind an id that is held for hours, or one that fails. */
		if (verdict == LATER)
			inn_queue_put_admission(&admissions[i].function_id, &admissions[i].event_id,
									admissions[i].stage, later);
	}
	inn_run_create(&runs);
	batches_at = inn_batches_next();
	return inn_sooner(inn_queue_next_admission(), inn_debounces_next());
}

void
inn_admit_committed(void)
{
	inn_redo_done(&admission_redo);
}

/* How many to try. */
static int
begin(InnRedo *redo, TimestampTz now)
{
	int max;
	int64 failed;

	(void) inn_redo_begin(redo, ADMIT_BATCH, &max, &failed);
	(void) inn_redo_again(redo, now);
	return max;
}

/* The same for all items of an event and a function. */
static int64
piece_of(const InnAdmission *admission)
{
	int64 function;
	int64 event;

	memcpy(&function, admission->function_id.data, sizeof(function));
	memcpy(&event, &admission->event_id.bytes[sizeof(InnUlid) - sizeof(event)], sizeof(event));
	return function ^ event;
}

/* Why, was logged when the transaction failed. */
static void
report_failure(const char *what, const InnUlid *id)
{
	char text[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(id, text);
	ereport(LOG, errmsg("inngest could not %s, and will try again later: %s", what, text));
}

/* What has been debounced goes on as any other event. */
static void
end_debounces(TimestampTz now)
{
	InnDebounce debounces[ADMIT_BATCH];
	int ndebounces = inn_debounces_take(now, ADMIT_BATCH, debounces);

	for (int i = 0; i < ndebounces; i++)
		inn_queue_put_admission(&debounces[i].key.function_id, &debounces[i].event_id,
								debounces[i].is_paused ? INN_ADMISSION_DEBOUNCED_PAUSED
													   : INN_ADMISSION_DEBOUNCED,
								now);
}

TimestampTz
inn_admit_batches_due(void)
{
	return batches_at;
}

void
inn_admit_batches(InnChanges *changes)
{
	InnBatch batches[ADMIT_BATCH];
	InnRunList runs = {0};
	int max = begin(&batch_redo, changes->now);
	int nbatches = inn_batches_take(changes->now, max, batches);

	for (int i = 0; i < nbatches; i++)
	{
		int64 piece;

		memcpy(&piece, &batches[i].id.bytes[sizeof(InnUlid) - sizeof(piece)], sizeof(piece));
		if (!inn_redo_try(&batch_redo, piece))
		{
			batches[i].fire_at = inn_redo_next(&batch_redo);
			inn_batches_put(&batches[i]);
			report_failure("start a batch", &batches[i].id);
		}
		else if (!start_batch(&batches[i], changes->now, &runs))
			answer_batch(changes, &batches[i]);
	}
	inn_run_create(&runs);
	batches_at = inn_batches_next();
}

void
inn_admit_batches_committed(void)
{
	inn_redo_done(&batch_redo);
}

/*
 * Its first event stands for all where one is looked at.  What was gathered has been let through: it has no rate limit, and its ids
 * are not looked at (semantics.md 2.4).  False if its function was deleted.
 */
static bool
start_batch(const InnBatch *batch, TimestampTz now, InnRunList *runs)
{
	InnFunction function;
	InnEvent *events;
	int nevents;
	InnFlow flow;
	InnEntry entry = {.function = &function, .flow = &flow, .now = now};
	InnRun run;

	if (!inn_functions_by_id(&batch->key.function_id, &function) || function.is_archived)
		return false;
	if (!inn_batches_events(&batch->id, 1, &events, &nevents))
		return true;
	inn_flow_read(inn_functions_config(&function.id), &flow);
	entry.event = &events[0];
	entry.json = inn_event_to_jsonb(&events[0]);

	run = new_run(&events[0], &function);
	run.has_batch = true;
	run.batch_id = batch->id;
	run.run_at = now;
	if (!run.is_skipped)
	{
		run.controls = make_controls(&flow, &function.id, entry.json);
		throttle(&entry, now, &run);
	}
	inn_run_list_add(runs, &run);
	return true;
}

/* To those who have invoked a function that was deleted since. */
static void
answer_batch(InnChanges *changes, const InnBatch *batch)
{
	InnFunction function;
	InnEvent *events;
	int nevents;

	if (!inn_functions_by_id(&batch->key.function_id, &function) ||
		!inn_batches_events(&batch->id, 0, &events, &nevents))
		return;
	for (int i = 0; i < nevents; i++)
	{
		if (is_invocation(&events[i], &function))
			inn_finish_announce_missing(changes, &events[i], function.slug);
	}
}

static Verdict
decide(const InnAdmission *admission, InnRunList *runs, InnChanges *changes, List **singletons)
{
	InnFunction function;
	InnEvent event;
	Decision decision = {
		.entry = {.event = &event, .function = &function, .now = changes->now},
		.stage = admission->stage,
		.was_put_off = admission->stage == INN_ADMISSION_WITHIN_RATE,
		.runs = runs,
		.changes = changes,
		.singletons = singletons,
	};

	/* Retention or a deletion may have been faster. */
	if (!inn_events_read(&admission->event_id, &event) ||
		!inn_functions_by_id(&admission->function_id, &function))
		return DECIDED;
	if (function.is_archived)
	{
		if (is_invocation(&event, &function))
			inn_finish_announce_missing(changes, &event, function.slug);
		return DECIDED;
	}
	if (!function.is_stateful && admission->stage == INN_ADMISSION_NEW)
		return try_admit(&event, &function, runs) ? DECIDED : LATER;

	inn_flow_read(inn_functions_config(&function.id), &decision.flow);
	decision.entry.flow = &decision.flow;
	decision.entry.json = inn_event_to_jsonb(&event);
	return decide_stateful(&decision);
}

/* In the order of semantics.md 2.0; but what this depends on comes before a rate limit. */
static Verdict
decide_stateful(Decision *decision)
{
	const InnEntry *entry = &decision->entry;
	const InnEvent *event = entry->event;
	bool is_debounced = decision->stage >= INN_ADMISSION_DEBOUNCED;
	pg_uuid_t key;
	bool has_key = event->caller_id != NULL && !is_debounced;
	InnBatch batch;
	bool is_full;

	/* first of all, because what is spent is spent */
	decision->is_singleton = inn_singleton_key(entry, &decision->singleton);
	if (decision->is_singleton && is_among(*decision->singletons, &decision->singleton))
		return NEXT_TIME;
	if (decision->stage == INN_ADMISSION_NEW && inn_batch_keep(entry, &batch, &is_full))
	{
		if (is_full)
			(void) start_batch(&batch, entry->now, decision->runs);
		return DECIDED;
	}
	if (has_key && !claim_id(event, &key))
		return LATER;
	if (decision->stage == INN_ADMISSION_NEW)
	{
		InnRateVerdict verdict = inn_rate_limit_spend(entry);

		if (verdict == INN_RATE_LIMITED && is_invocation(event, entry->function))
			inn_finish_announce_limited(decision->changes, event, entry->function->slug);
		if (verdict != INN_RATE_FREE)
			return DECIDED;
		decision->stage = INN_ADMISSION_WITHIN_RATE;
	}
	if (!is_debounced && decision->flow.debounce.period_usec > 0)
	{
		inn_debounce_keep(entry);
		return DECIDED;
	}
	return create(decision, has_key ? &key : NULL);
}

/* key is that of its id; NULL: any number of runs may be made of the event. */
static Verdict
create(Decision *decision, const pg_uuid_t *key)
{
	const InnEntry *entry = &decision->entry;
	const pg_uuid_t *function_id = &entry->function->id;
	InnControls *controls = make_controls(&decision->flow, function_id, entry->json);
	InnRun run = new_run(entry->event, entry->function);

	if (decision->stage >= INN_ADMISSION_DEBOUNCED)
		run.is_skipped = decision->stage == INN_ADMISSION_DEBOUNCED_PAUSED;
	if (key != NULL && inn_idempotency_exists(function_id, key, entry->now))
		return DECIDED;
	if (make_room(decision, &run, controls) == LATER)
	{
		inn_queue_put_admission(function_id, &entry->event->id, decision->stage,
								entry->now + ADMIT_RETRY_USEC);
		return DECIDED;
	}
	if (!run.is_skipped)
	{
		if (key != NULL)
			(void) inn_idempotency_put(function_id, key, &run.id, entry->now,
									   entry->now + INN_IDEMPOTENCY_USEC);
		run.controls = controls;
		throttle(entry, Max(entry->event->ts, entry->now), &run);
	}
	inn_run_list_add(decision->runs, &run);
	inn_cancels_add(&run, entry->function, entry->event, decision->runs);
	return DECIDED;
}

/*
 * From a time on the run may start, as far as its throttle lets it.  The throttle has to be asked in the order of the times, so for one of
 * the future that waits until then (due.c).
 */
static void
throttle(const InnEntry *entry, TimestampTz when, InnRun *run)
{
	const InnRate *rate = &entry->flow->throttle;
	InnLimitKey key = inn_throttle_key(entry);

	run->has_throttle = rate->limit > 0 && when > entry->now;
	run->throttle = key.key;
	run->run_at = run->has_throttle ? when : inn_throttle_start(rate, &key, when);
	run->is_delayed = run->run_at > entry->now;
}

/* Of a singleton: is it this run that goes, or the one that is there?  Of two that cancel each other the newer event wins. */
static Verdict
make_room(Decision *decision, InnRun *run, InnControls *controls)
{
	InnUlid holder;
	TimestampTz holder_received_at;
	bool is_held;

	if (!decision->is_singleton)
		return DECIDED;
	controls->is_singleton = true;
	controls->singleton = decision->singleton;
	is_held = inn_controls_find_singleton(&controls->singleton, &holder, &holder_received_at);
	if (is_held &&
		(decision->flow.singleton.mode == INN_SINGLETON_SKIP ||
		 (decision->was_put_off && decision->entry.event->received_at < holder_received_at)))
	{
		run->is_skipped = true;
		return DECIDED;
	}

	/* What does not run at all needs no room. */
	if (run->is_skipped && !is_held)
		return DECIDED;
	if (is_held && inn_run_try_cancel(decision->changes, &holder) == INN_CANCEL_BUSY)
		return LATER;
	*decision->singletons =
		lappend(*decision->singletons,
				memcpy(palloc(sizeof(pg_uuid_t)), &controls->singleton, sizeof(pg_uuid_t)));
	return DECIDED;
}

/* Who has invoked the function waits for it. */
static bool
is_invocation(const InnEvent *event, const InnFunction *function)
{
	char id[INN_UUID_TEXT_SIZE];
	char *invoked;

	if (strcmp(event->name, INN_EVENT_INVOKED) != 0)
		return false;
	invoked = inn_event_invoked(event);
	inn_uuid_format(&function->id, id);
	return invoked != NULL &&
		   (strcmp(invoked, function->slug) == 0 || pg_strcasecmp(invoked, id) == 0);
}

static bool
is_among(const List *keys, const pg_uuid_t *key)
{
	ListCell *cell;

	foreach(cell, keys)
	{
		if (memcmp(lfirst(cell), key, sizeof(pg_uuid_t)) == 0)
			return true;
	}
	return false;
}
