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
#include "base/timer.h"
#include "run/flow.h"
#include "schedule/admit.h"
#include "schedule/cancels.h"
#include "schedule/restart.h"

/* Admissions decided in one transaction. */
#define ADMIT_BATCH 100

/* How soon to look again at an id that an open transaction holds. */
#define ADMIT_RETRY_USEC (INT64CONST(250) * 1000)

static bool try_admit(const InnEvent *event, const InnFunction *function, InnRunList *runs);
static InnRun new_run(const InnEvent *event, const InnFunction *function);
static const InnControls *controls_of(const InnEvent *event, const InnFunction *function);
static bool decide(const InnAdmission *admission, InnRunList *runs);
static void read_origin(const InnUlid *run_id, InnRunOrigin *origin, InnFunction *function,
						InnEvent *event);

void
inn_admit(const InnEvent *event, const InnFunction *function, InnRunList *runs)
{
	if (!try_admit(event, function, runs))
		inn_queue_put_admission(&function->id, &event->id, inn_now());
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
	uint64 hash;

	if (event->caller_id != NULL && !run.is_skipped)
	{
		inn_idempotency_key(event->caller_id, &key);
		memcpy(&hash, key.data, sizeof(hash));
		if (!inn_claim_try(hash))
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
	InnControls *controls;
	InnFlow flow;
	Jsonb *json;

	if (!function->has_controls)
		return NULL;
	inn_flow_read(inn_functions_config(&function->id), &flow);
	json = inn_event_to_jsonb(event);
	controls = palloc(sizeof(InnControls));
	*controls = (InnControls){.priority_s = inn_flow_priority(&flow, json)};
	return controls;
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
	run.controls = controls_of(&event, &function);
	if (from_step != NULL)
	{
		inn_restart_find(run_id, &function, from_step, input, &restart);
		inn_restart_aim(&restart, &run);
	}
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
inn_admit_queued(void)
{
	InnAdmission admissions[ADMIT_BATCH];
	InnRunList runs = {0};
	TimestampTz now = inn_now();
	int nadmissions = inn_queue_lock_admissions(now, ADMIT_BATCH, admissions);

	for (int i = 0; i < nadmissions; i++)
	{
		inn_queue_remove_admission(&admissions[i]);

		/* To the end of the queue, so that nobody waits behind an id that is held for hours. */
		if (!decide(&admissions[i], &runs))
			inn_queue_put_admission(&admissions[i].function_id, &admissions[i].event_id,
									now + ADMIT_RETRY_USEC);
	}
	inn_run_create(&runs);
	return inn_queue_next_admission();
}

/* False if somebody still holds the id. */
static bool
decide(const InnAdmission *admission, InnRunList *runs)
{
	InnFunction function;
	InnEvent event;

	/* Retention or a deletion may have been faster. */
	if (!inn_events_read(&admission->event_id, &event) ||
		!inn_functions_by_id(&admission->function_id, &function) || function.is_archived)
		return true;

	return try_admit(&event, &function, runs);
}
