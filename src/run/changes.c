/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  Collecting changes to runs, and writing them.
 *
 * The order of writing matters in two places.  Runs end first, and nothing new is put for those.  And whether a
 * group of steps has come to its end is asked when everything else is written: then what is open is in the tables.
 *
 * IDENTIFICATION
 *	  src/run/changes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "base/claim.h"
#include "base/ident.h"
#include "base/timer.h"
#include "base/wake.h"
#include "run/changes.h"
#include "run/defer.h"
#include "run/finish.h"
#include "store/outbox.h"

/* Keeps claims of runs apart from claims of event ids (schedule/admit.c). */
#define CLAIM_SALT UINT64CONST(0x9e3779b97f4a7c15)

static List *add(List *list, const void *item, size_t size);
static void mark_begun(const InnUlid *run_id, const char *const *ids, int nids, bool *begun,
					   const InnUlid *of_run, const char *step_id);
static void end_runs(InnChanges *changes);
static void free_places(const InnChanges *changes, const InnEnding *endings, int nendings,
						const InnUlid *controlled, int ncontrolled);
static void record_steps(InnChanges *changes);
static void put_pauses(InnChanges *changes);
static void put_jobs(InnChanges *changes);
static void follow_completions(InnChanges *changes);
static bool is_superseded(const InnChanges *changes, int n);
static InnJob call_after(const InnCompletion *completion, TimestampTz now);
static void set_versions(InnChanges *changes);

bool
inn_run_claim(const InnUlid *run_id)
{
	/* Runs of one transaction have consecutive ids; their claims must not crowd into the same few slots. */
	return inn_claim_try(INN_CLAIM_RUN,
						 DatumGetUInt64(
							 hash_any_extended(run_id->bytes, sizeof(run_id->bytes), CLAIM_SALT)));
}

void
inn_changes_init(InnChanges *changes)
{
	*changes = (InnChanges){.now = inn_now()};
}

static List *
add(List *list, const void *item, size_t size)
{
	void *copy = palloc(size);

	memcpy(copy, item, size);
	return lappend(list, copy);
}

void
inn_changes_end(InnChanges *changes, const InnRunEnd *end)
{
	if (!inn_changes_is_ending(changes, &end->run_id))
		changes->ends = add(changes->ends, end, sizeof(*end));
}

void
inn_changes_record(InnChanges *changes, const InnStep *step)
{
	changes->steps = add(changes->steps, step, sizeof(*step));
}

void
inn_changes_pause(InnChanges *changes, const InnPause *pause)
{
	changes->pauses = add(changes->pauses, pause, sizeof(*pause));
}

void
inn_changes_queue(InnChanges *changes, const InnJob *job)
{
	changes->jobs = add(changes->jobs, job, sizeof(*job));
}

void
inn_changes_complete(InnChanges *changes, const InnCompletion *completion)
{
	changes->completions = add(changes->completions, completion, sizeof(*completion));
}

void
inn_changes_version(InnChanges *changes, const InnRunVersion *version)
{
	changes->versions = add(changes->versions, version, sizeof(*version));
}

void
inn_changes_attempt(InnChanges *changes, const InnAttempt *attempt)
{
	changes->attempts = add(changes->attempts, attempt, sizeof(*attempt));
}

void
inn_changes_send(InnChanges *changes, const InnEvent *event)
{
	if (changes->nevents == changes->events_capacity)
	{
		changes->events_capacity = Max(16, 2 * changes->events_capacity);
		changes->events =
			changes->events == NULL
				? palloc(changes->events_capacity * sizeof(InnEvent))
				: repalloc_huge(changes->events, changes->events_capacity * sizeof(InnEvent));
	}
	changes->events[changes->nevents] = *event;
	inn_ulid_generate(&changes->events[changes->nevents++].id);
}

void
inn_changes_begun(const InnChanges *changes, const InnUlid *run_id, const char *const *ids,
				  int nids, bool *begun)
{
	ListCell *cell;

	foreach(cell, changes->steps)
	{
		const InnStep *step = lfirst(cell);

		mark_begun(run_id, ids, nids, begun, &step->run_id, step->id);
	}
	foreach(cell, changes->pauses)
	{
		const InnPause *pause = lfirst(cell);

		mark_begun(run_id, ids, nids, begun, &pause->run_id, pause->step_id);
	}
	foreach(cell, changes->jobs)
	{
		const InnJob *job = lfirst(cell);

		mark_begun(run_id, ids, nids, begun, &job->run_id, job->step_id);
	}
}

/* A step has begun, of any run; none if step_id is NULL. */
static void
mark_begun(const InnUlid *run_id, const char *const *ids, int nids, bool *begun,
		   const InnUlid *of_run, const char *step_id)
{
	if (step_id == NULL || memcmp(of_run, run_id, sizeof(InnUlid)) != 0)
		return;
	for (int i = 0; i < nids; i++)
		begun[i] = begun[i] || strcmp(ids[i], step_id) == 0;
}

bool
inn_changes_is_ending(const InnChanges *changes, const InnUlid *run_id)
{
	ListCell *cell;

	foreach(cell, changes->ends)
	{
		if (memcmp(&((InnRunEnd *) lfirst(cell))->run_id, run_id, sizeof(InnUlid)) == 0)
			return true;
	}
	return false;
}

void
inn_changes_write(InnChanges *changes)
{
	end_runs(changes);
	record_steps(changes);
	put_pauses(changes);
	put_jobs(changes);
	follow_completions(changes);
	set_versions(changes);
	inn_attempts_insert(changes->attempts);
}

/* Those that had ended already stay what they are, and cause nothing. */
static void
end_runs(InnChanges *changes)
{
	int nends = list_length(changes->ends);
	InnUlid *ids = palloc(Max(nends, 1) * sizeof(InnUlid));
	pg_uuid_t *functions = palloc(Max(nends, 1) * sizeof(pg_uuid_t));
	InnUlid *controlled = palloc(Max(nends, 1) * sizeof(InnUlid));
	InnEnding *endings = palloc0(Max(nends, 1) * sizeof(InnEnding));
	int nended = 0;
	int ncontrolled = 0;

	if (nends == 0)
		return;
	for (int i = 0; i < nends; i++)
	{
		const InnRunEnd *end = list_nth(changes->ends, i);

		ids[i] = endings[i].id = end->run_id;
		endings[i].outcome = end->outcome;
	}
	inn_jobs_remove_runs(ids, nends);
	inn_pauses_remove_runs(ids, nends);
	inn_runs_end(endings, nends, changes->now);
	for (int i = 0; i < nends; i++)
	{
		if (!endings[i].has_ended)
			continue;
		inn_finish_announce(changes, list_nth(changes->ends, i), &endings[i]);
		if (endings[i].has_controls)
			controlled[ncontrolled++] = endings[i].id;
		if (endings[i].has_defers)
			inn_defers_announce(changes, &endings[i]);

		/* Somebody may be waiting for what the endpoint answers. */
		if (endings[i].is_endpoint)
			inn_wake_at_commit(INN_ROLE_HTTP);
		ids[nended] = endings[i].id;
		functions[nended++] = endings[i].function_id;
	}
	free_places(changes, endings, nends, controlled, ncontrolled);
	inn_outbox_put_status(ids, functions, nended);
}

/* The scheduler gives them to others, once this is committed. */
static void
free_places(const InnChanges *changes, const InnEnding *endings, int nendings,
			const InnUlid *controlled, int ncontrolled)
{
	InnFreedPlace *freed = palloc(Max(ncontrolled, 1) * sizeof(InnFreedPlace));
	int nfreed = inn_controls_remove(controlled, ncontrolled, freed);
	InnJob *jobs = palloc(Max(nfreed, 1) * sizeof(InnJob));

	for (int i = 0; i < nfreed; i++)
	{
		const InnEnding *ending = endings;
		char place[INN_UUID_TEXT_SIZE];

		while (memcmp(&ending->id, &freed[i].run_id, sizeof(InnUlid)) != 0)
			ending++;
		Assert(ending < endings + nendings);
		inn_uuid_format(&freed[i].place, place);
		jobs[i] = (InnJob){
			.kind = INN_JOB_PLACE_FREED,
			.app_id = ending->app_id,
			.function_id = ending->function_id,
			.run_id = ending->id,
			.run_at = changes->now,
			.step_id = pstrdup(place),
			.generation = 1,
			.queued_at = changes->now,
		};
	}
	inn_jobs_put(jobs, nfreed);
}

static void
record_steps(InnChanges *changes)
{
	int nsteps = list_length(changes->steps);
	InnStep *steps = palloc(Max(nsteps, 1) * sizeof(InnStep));
	ListCell *cell;

	foreach(cell, changes->steps)
		steps[foreach_current_index(cell)] = *(InnStep *) lfirst(cell);
	inn_steps_insert(steps, nsteps);
}

static void
put_pauses(InnChanges *changes)
{
	InnPause *pauses = palloc(Max(list_length(changes->pauses), 1) * sizeof(InnPause));
	int npauses = 0;
	ListCell *cell;

	foreach(cell, changes->pauses)
	{
		const InnPause *pause = lfirst(cell);

		if (!inn_changes_is_ending(changes, &pause->run_id))
			pauses[npauses++] = *pause;
	}
	inn_pauses_put(pauses, npauses);
}

static void
put_jobs(InnChanges *changes)
{
	InnJob *jobs = palloc(Max(list_length(changes->jobs), 1) * sizeof(InnJob));
	int njobs = 0;
	ListCell *cell;

	foreach(cell, changes->jobs)
	{
		const InnJob *job = lfirst(cell);

		if (!inn_changes_is_ending(changes, &job->run_id))
			jobs[njobs++] = *job;
	}
	inn_jobs_put(jobs, njobs);
}

/* Call the functions whose steps have ended: once for all steps of a group, when the last of them has. */
static void
follow_completions(InnChanges *changes)
{
	int n = list_length(changes->completions);
	InnUlid *runs = palloc(Max(n, 1) * sizeof(InnUlid));
	bool *is_open = palloc(Max(n, 1) * sizeof(bool));
	InnJob *jobs = palloc(Max(n, 1) * sizeof(InnJob));
	int njobs = 0;
	ListCell *cell;

	if (n == 0)
		return;
	foreach(cell, changes->completions)
		runs[foreach_current_index(cell)] = ((InnCompletion *) lfirst(cell))->run_id;
	inn_groups_open(runs, n, is_open);

	foreach(cell, changes->completions)
	{
		const InnCompletion *completion = lfirst(cell);
		int i = foreach_current_index(cell);

		if (inn_changes_is_ending(changes, &completion->run_id) ||
			(!completion->is_solo && (is_open[i] || is_superseded(changes, i))))
			continue;
		jobs[njobs++] = call_after(completion, changes->now);
	}
	inn_jobs_put(jobs, njobs);
}

/* Of several steps of a run that end together, the last causes the call. */
static bool
is_superseded(const InnChanges *changes, int n)
{
	const InnCompletion *completion = list_nth(changes->completions, n);

	for (int i = n + 1; i < list_length(changes->completions); i++)
	{
		const InnCompletion *later = list_nth(changes->completions, i);

		if (!later->is_solo && memcmp(&later->run_id, &completion->run_id, sizeof(InnUlid)) == 0)
			return true;
	}
	return false;
}

static InnJob
call_after(const InnCompletion *completion, TimestampTz now)
{
	return (InnJob){
		.id = completion->job_id,
		.kind = INN_JOB_CALL,
		.app_id = completion->app_id,
		.function_id = completion->function_id,
		.run_id = completion->run_id,
		.run_at = INN_NOW,
		.after_id = completion->after_id,
		.generation = 1,
		.queued_at = now,
	};
}

/* Who has ended is not asked again. */
static void
set_versions(InnChanges *changes)
{
	InnRunVersion *versions =
		palloc(Max(list_length(changes->versions), 1) * sizeof(InnRunVersion));
	int nversions = 0;
	ListCell *cell;

	foreach(cell, changes->versions)
	{
		const InnRunVersion *version = lfirst(cell);

		if (!inn_changes_is_ending(changes, &version->run_id))
			versions[nversions++] = *version;
	}
	inn_runs_set_versions(versions, nversions);
}
