/*-------------------------------------------------------------------------
 *
 * blocked.c
 *	  Putting jobs aside that are beyond a limit, and making them ready.
 *
 * A job that is put aside is a row under the key of the limit (store/jobs.h); it takes up no memory and is in nobody's way, however many
 * there are.  Places are counted in shared memory (dispatch.h).
 *
 * Nobody waits in vain.  Who frees a place that is waited for looks at its key afterwards.  Who puts a job aside says so when that is
 * committed, and if there is a place by then, looks at the key himself.  What is made ready may find its place taken again, and is
 * put aside once more.  What is made ready may also go without having been taken, because its run is cancelled; so as long as others wait
 * and nobody has a place, one of those is looked for a moment later.  Likewise a key is looked at again of which a run was busy.  After a
 * crash, when an executor has left, or when limits have changed, all keys are looked at.
 *
 * IDENTIFICATION
 *	  src/execute/blocked.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/timer.h"
#include "execute/blocked.h"
#include "execute/targets.h"
#include "run/changes.h"

/* Keys that are looked at in one transaction; functions of one, those that have waited for longest; jobs of one that are made ready. */
#define KEYS_AT_A_TIME 64
#define FUNCTIONS_AT_A_TIME 16
#define JOBS_AT_A_TIME 64

/* How soon to try again what somebody else is just changing, and to look for a job that was made ready. */
#define BUSY_RETRY_USEC (INT64CONST(20) * 1000)
#define FOLLOW_UP_USEC (INT64CONST(250) * 1000)

/* Keys to be looked at later; if there are as many, others wait until it is less. */
#define LATER_MAX 4096

/* What is known of a key when it is looked at. */
typedef struct Look
{
	pg_uuid_t key;
	int used;
	uint64 nblocked;
	bool has_waiting;
	int64 first_rank;
	bool is_busy;		  /* some could not be made ready now */
	bool is_more;		  /* and some for which it was not tried */
	bool is_moving;		  /* some were made ready */
	InnBlockedJob moving; /* one of these */
} Look;

/* A key to be looked at later, unless its job is taken by then. */
typedef struct Later
{
	pg_uuid_t key;
	TimestampTz at;
	bool is_busy;	   /* look at it also if the job is taken */
	InnBlockedJob job; /* was made ready; id 0: none was */
} Later;

static bool is_scanning = true;
static bool is_scanned_again; /* all from the start, when it has come to the end */
static pg_uuid_t scanned;	  /* keys up to here */
static Look looks[KEYS_AT_A_TIME];
static int nlooks;
static HTAB *later;
static TimestampTz later_at = INN_NEVER;

static bool has_room(void);
static void see_to_later(void);
static void look_now(Later *entry);
static void postpone(Later *entry);
static void scan(void);
static void look_at(Look *look);
static void release_of(Look *look, const pg_uuid_t *function_id, int *used);
static int limit_of(const Look *look, const pg_uuid_t *function_id, const InnBlockedJob *job);
static void look_later(const Look *look);

int
inn_blocked_slots(const pg_uuid_t *function_id, const InnControls *controls, InnSlot *slots)
{
	const InnFlow *flow = inn_targets_flow(function_id);
	int nslots = 0;

	for (int i = 0; flow != NULL && i < flow->nsteps; i++)
	{
		const InnConcurrency *limit = &flow->steps[i];
		const char *value = NULL;

		if (limit->key != NULL)
		{
			const char *name = inn_flow_limit_name(limit);

			/* A key that is new holds for new runs. */
			for (int j = 0; controls != NULL && j < controls->nlimits && value == NULL; j++)
				value = strcmp(controls->limits[j], name) == 0 ? controls->values[j] : NULL;
			if (value == NULL)
				continue;
		}
		slots[nslots] = (InnSlot){.limit = limit->limit, .is_shared = limit->scope != 'f'};
		inn_flow_slot_key(limit, function_id, value, &slots[nslots].key);
		if (nslots == 1 && memcmp(&slots[0].key, &slots[1].key, sizeof(pg_uuid_t)) == 0)
			slots[0].limit = Min(slots[0].limit, slots[1].limit);
		else
			nslots++;
	}
	return nslots;
}

void
inn_blocked_put_aside(const InnBlocked *blocked, int nblocked)
{
	const InnJob **jobs = palloc(Max(nblocked, 1) * sizeof(InnJob *));
	pg_uuid_t *keys = palloc(Max(nblocked, 1) * sizeof(pg_uuid_t));
	int64 *ranks = palloc(Max(nblocked, 1) * sizeof(int64));

	for (int i = 0; i < nblocked; i++)
	{
		jobs[i] = &blocked[i].job;
		keys[i] = blocked[i].slot.key;
		ranks[i] = blocked[i].rank;
	}
	inn_jobs_block(jobs, keys, ranks, nblocked);
}

void
inn_blocked_committed(const InnBlocked *blocked, int nblocked)
{
	for (int i = 0; i < nblocked; i++)
		inn_slots_note_blocked(&blocked[i].slot, blocked[i].rank);
}

/* A scan that is under way goes on to its end first, or who is told again and again would never get there. */
void
inn_blocked_look_at_all(void)
{
	if (is_scanning)
		is_scanned_again = true;
	is_scanning = true;
}

TimestampTz
inn_blocked_due(void)
{
	return (is_scanning || inn_slots_are_freed()) && has_room() ? DT_NOBEGIN : later_at;
}

static bool
has_room(void)
{
	return later == NULL || hash_get_num_entries(later) + nlooks < LATER_MAX;
}

void
inn_blocked_release(void)
{
	nlooks = 0;
	if (later_at <= inn_now())
		see_to_later();
	if (is_scanning && has_room())
		scan();
	while (nlooks < KEYS_AT_A_TIME && has_room() && inn_slots_next_freed(&looks[nlooks].key))
		look_at(&looks[nlooks++]);
}

/* The end of a job that has a place has its key looked at by itself (dispatch.h); one that is gone does not. */
static void
see_to_later(void)
{
	TimestampTz now = inn_now();
	long nlater = hash_get_num_entries(later);
	InnBlockedJob *jobs = palloc(nlater * sizeof(InnBlockedJob));
	Later **entries = palloc(nlater * sizeof(Later *));
	bool *are_ready = palloc(nlater * sizeof(bool));
	int njobs = 0;
	HASH_SEQ_STATUS seq;
	Later *entry;
	InnDispatch dispatch;
	TimestampTz soonest = INN_NEVER;

	hash_seq_init(&seq, later);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->at > now)
			soonest = inn_sooner(soonest, entry->at);
		else if (!entry->is_busy && !inn_slots_are_idle(&entry->key))
			(void) hash_search(later, &entry->key, HASH_REMOVE, NULL);
		else if (entry->job.id == 0 || inn_dispatch_find(entry->job.id, &dispatch))
			look_now(entry);
		else
		{
			jobs[njobs] = entry->job;
			entries[njobs++] = entry;
		}
	}
	inn_jobs_are_ready(jobs, njobs, are_ready);
	later_at = soonest;
	for (int i = 0; i < njobs; i++)
	{
		if (are_ready[i])
			postpone(entries[i]);
		else
			look_now(entries[i]);
	}
}

static void
look_now(Later *entry)
{
	inn_slots_note_freed(&entry->key);
	(void) hash_search(later, &entry->key, HASH_REMOVE, NULL);
}

static void
postpone(Later *entry)
{
	entry->at = inn_now() + (entry->is_busy ? BUSY_RETRY_USEC : FOLLOW_UP_USEC);
	later_at = inn_sooner(later_at, entry->at);
}

static void
scan(void)
{
	pg_uuid_t keys[KEYS_AT_A_TIME];
	int nkeys = inn_jobs_blocked_keys(&scanned, KEYS_AT_A_TIME, keys);

	for (int i = 0; i < nkeys; i++)
		inn_slots_note_freed(&keys[i]);
	if (nkeys == KEYS_AT_A_TIME)
	{
		scanned = keys[nkeys - 1];
		return;
	}
	scanned = (pg_uuid_t){{0}};
	is_scanning = is_scanned_again;
	is_scanned_again = false;
}

static void
look_at(Look *look)
{
	InnBlockedFunction functions[FUNCTIONS_AT_A_TIME + 1];
	int used = look->used = inn_slots_used(&look->key, &look->nblocked);
	int nfunctions = inn_jobs_blocked_functions(&look->key, FUNCTIONS_AT_A_TIME + 1, functions);

	look->has_waiting = look->is_busy = look->is_more = look->is_moving = false;
	look->first_rank = PG_INT64_MAX;
	for (int i = 0; i < Min(nfunctions, FUNCTIONS_AT_A_TIME); i++)
		release_of(look, &functions[i].id, &used);
	if (nfunctions <= FUNCTIONS_AT_A_TIME)
		return;

	/* Others wait as well, and if something could be done for these, it may be for them. */
	look->has_waiting = true;
	look->first_rank = Min(look->first_rank, functions[FUNCTIONS_AT_A_TIME].rank);
	look->is_more |= look->is_moving;
}

static void
release_of(Look *look, const pg_uuid_t *function_id, int *used)
{
	InnBlockedJob jobs[JOBS_AT_A_TIME + 1];
	InnBlockedJob ready[JOBS_AT_A_TIME];
	int njobs = inn_jobs_read_blocked(&look->key, function_id, JOBS_AT_A_TIME + 1, jobs);
	int limit = njobs > 0 ? limit_of(look, function_id, &jobs[0]) : 0;
	int room = limit == 0 ? JOBS_AT_A_TIME : Min(Max(limit - *used, 0), JOBS_AT_A_TIME);
	int nready = 0;

	for (int i = 0; i < njobs; i++)
	{
		if (nready < room && inn_run_claim(&jobs[i].run_id))
		{
			ready[nready++] = jobs[i];
			continue;
		}
		look->is_busy |= nready < room;
		look->has_waiting = true;
		look->first_rank = Min(look->first_rank, jobs[i].rank);
	}
	look->is_more |= limit == 0 && njobs > nready;
	inn_jobs_unblock(&look->key, ready, nready);
	if (nready > 0)
	{
		look->is_moving = true;
		look->moving = ready[0];
	}
	if (limit > 0)
		*used += nready;
}

/* 0: the key is no limit of this job any more. */
static int
limit_of(const Look *look, const pg_uuid_t *function_id, const InnBlockedJob *job)
{
	const InnControls *controls;
	InnSlot slots[INN_DISPATCH_MAX_SLOTS];
	int nslots;

	inn_controls_read(&job->run_id, 1, &controls);
	nslots = inn_blocked_slots(function_id, controls, slots);
	for (int i = 0; i < nslots; i++)
	{
		if (memcmp(&slots[i].key, &look->key, sizeof(pg_uuid_t)) == 0)
			return slots[i].limit;
	}
	return 0;
}

void
inn_blocked_released(void)
{
	for (int i = 0; i < nlooks; i++)
	{
		int used = inn_slots_set_waiting(&looks[i].key, looks[i].has_waiting, looks[i].first_rank,
										 looks[i].nblocked);

		/* Who has freed a place in between may not have known that it is waited for. */
		if (looks[i].is_more || (looks[i].has_waiting && used < looks[i].used))
			inn_slots_note_freed(&looks[i].key);
		else if (looks[i].is_busy || (looks[i].is_moving && looks[i].has_waiting))
			look_later(&looks[i]);
	}
	nlooks = 0;
}

static void
look_later(const Look *look)
{
	HASHCTL ctl = {.keysize = sizeof(pg_uuid_t),
				   .entrysize = sizeof(Later),
				   .hcxt = TopMemoryContext};
	Later *entry;

	if (later == NULL)
		later = hash_create("inngest keys to look at later", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	entry = hash_search(later, &look->key, HASH_ENTER, NULL);
	entry->is_busy = look->is_busy;
	entry->job = look->is_moving ? look->moving : (InnBlockedJob){0};
	postpone(entry);
}
