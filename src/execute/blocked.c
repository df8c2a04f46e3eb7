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
 * put aside once more; or it may go without having been taken, because its run is cancelled; or have to wait for another limit.  So a key is
 * followed for as long as others wait for it and could have a place: when it is known what has become of what was made ready last, it is
 * looked at again.  So is one of which somebody holds a run.  After a crash, when an executor has left, or when limits have changed, all keys are
 * looked at.
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

/* How soon to try again what somebody else is just changing; to look for a job that was made ready; and how rarely. */
#define BUSY_RETRY_USEC (INT64CONST(20) * 1000)
#define FOLLOW_UP_USEC (INT64CONST(250) * 1000)
#define FOLLOW_UP_MAX_USEC (INT64CONST(8) * USECS_PER_SEC)

/* Keys that are followed. */
#define FOLLOWED_MAX INN_MAX_PLACES

/* What is known of a key when it is looked at. */
typedef struct Look
{
	pg_uuid_t key;
	int used;
	uint64 nblocked;
	bool has_waiting;
	int64 first_rank;	  /* of those that are not busy */
	int limit;			  /* the greatest of those that wait */
	bool is_busy;		  /* some could not be made ready now */
	bool is_more;		  /* and some for which it was not tried */
	bool is_moving;		  /* some were made ready */
	InnBlockedJob moving; /* the last of these */
} Look;

/* A key that is followed. */
typedef struct Followed
{
	pg_uuid_t key;
	int limit;
	InnBlockedJob job;		/* was made ready; id 0: look at the key whatever has become of it */
	TimestampTz busy_until; /* not to be looked at before */
	int64 delay_usec;
	TimestampTz at;
} Followed;

static bool is_scanning = true;
static bool is_scanned_again; /* all from the start, when it has come to the end */
static pg_uuid_t scanned;	  /* keys up to here */
static Look looks[KEYS_AT_A_TIME];
static int nlooks;
static HTAB *followed;
static bool has_forgotten; /* there were too many to be followed */
static TimestampTz follow_at = INN_NEVER;

static void follow_up(void);
static void look_now(Followed *entry);
static void wait_on(Followed *entry);
static bool is_put_off(const pg_uuid_t *key);
static bool is_looked_at(const pg_uuid_t *key);
static void scan(void);
static void look_at(Look *look);
static void release_of(Look *look, const pg_uuid_t *function_id, int *used);
static int limit_of(const Look *look, const pg_uuid_t *function_id, const InnBlockedJob *job);
static void follow(const Look *look);

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
	return is_scanning || inn_slots_are_freed() ? DT_NOBEGIN : follow_at;
}

void
inn_blocked_release(void)
{
	nlooks = 0;
	if (follow_at <= inn_now())
		follow_up();
	if (is_scanning)
		scan();
	while (nlooks < KEYS_AT_A_TIME && inn_slots_next_freed(&looks[nlooks].key))
	{
		if (!is_put_off(&looks[nlooks].key) && !is_looked_at(&looks[nlooks].key))
			look_at(&looks[nlooks++]);
	}
}

/* Already, in this transaction?  What that has let go on has no place yet, so the same places would be given twice. */
static bool
is_looked_at(const pg_uuid_t *key)
{
	for (int i = 0; i < nlooks; i++)
	{
		if (memcmp(&looks[i].key, key, sizeof(pg_uuid_t)) == 0)
			return true;
	}
	return false;
}

static void
follow_up(void)
{
	TimestampTz now = inn_now();
	TimestampTz soonest = INN_NEVER;
	long nfollowed = hash_get_num_entries(followed);
	InnBlockedJob *jobs = palloc(nfollowed * sizeof(InnBlockedJob));
	Followed **entries = palloc(nfollowed * sizeof(Followed *));
	bool *are_ready = palloc(nfollowed * sizeof(bool));
	int njobs = 0;
	HASH_SEQ_STATUS seq;
	Followed *entry;
	InnDispatch dispatch;

	hash_seq_init(&seq, followed);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->at > now)
			soonest = inn_sooner(soonest, entry->at);
		else if (!inn_slots_are_wanted(&entry->key, entry->limit))
			(void) hash_search(followed, &entry->key, HASH_REMOVE, NULL);
		else if (entry->job.id == 0 || inn_dispatch_find(entry->job.id, &dispatch))
			look_now(entry);
		else
		{
			jobs[njobs] = entry->job;
			entries[njobs++] = entry;
		}
	}
	inn_jobs_are_ready(jobs, njobs, are_ready);
	follow_at = soonest;
	for (int i = 0; i < njobs; i++)
	{
		if (are_ready[i])
			wait_on(entries[i]);
		else
			look_now(entries[i]);
	}
	if (has_forgotten && hash_get_num_entries(followed) < FOLLOWED_MAX / 2)
	{
		has_forgotten = false;
		inn_blocked_look_at_all();
	}
}

static void
look_now(Followed *entry)
{
	inn_slots_note_freed(&entry->key);
	(void) hash_search(followed, &entry->key, HASH_REMOVE, NULL);
}

/* Its job waits for its turn, which may take long. */
static void
wait_on(Followed *entry)
{
	entry->delay_usec = Min(2 * entry->delay_usec, FOLLOW_UP_MAX_USEC);
	entry->at = inn_now() + entry->delay_usec;
	follow_at = inn_sooner(follow_at, entry->at);
}

/* Was there a run just now that somebody holds?  Then it is looked at in a moment, and not again and again until then. */
static bool
is_put_off(const pg_uuid_t *key)
{
	Followed *entry = followed == NULL ? NULL : hash_search(followed, key, HASH_FIND, NULL);

	if (entry == NULL || entry->busy_until <= inn_now())
		return false;
	entry->job.id = 0;
	entry->limit = PG_INT32_MAX;
	entry->at = entry->busy_until;
	follow_at = inn_sooner(follow_at, entry->at);
	return true;
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
	look->limit = 0;
	for (int i = 0; i < Min(nfunctions, FUNCTIONS_AT_A_TIME); i++)
		release_of(look, &functions[i].id, &used);
	if (nfunctions <= FUNCTIONS_AT_A_TIME)
		return;

	/* Others wait as well, and if something could be done for these, it may be for them. */
	look->has_waiting = true;
	look->limit = PG_INT32_MAX;
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
		look->has_waiting = true;
		look->limit = Max(look->limit, limit == 0 ? PG_INT32_MAX : limit);

		/* Who comes later need not wait for somebody else's transaction. */
		if (nready < room)
			look->is_busy = true;
		else
			look->first_rank = Min(look->first_rank, jobs[i].rank);
	}
	look->is_more |= limit == 0 && njobs > JOBS_AT_A_TIME && nready > 0;
	inn_jobs_unblock(&look->key, ready, nready);
	if (nready > 0)
	{
		look->is_moving = true;
		look->moving = ready[nready - 1];
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
		if (looks[i].is_busy || (looks[i].is_moving && looks[i].has_waiting))
			follow(&looks[i]);
	}
	nlooks = 0;
}

static void
follow(const Look *look)
{
	HASHCTL ctl = {
		.keysize = sizeof(pg_uuid_t),
		.entrysize = sizeof(Followed),
		.hcxt = TopMemoryContext,
	};
	TimestampTz now = inn_now();
	Followed *entry;

	if (followed == NULL)
		followed =
			hash_create("inngest followed keys", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	if (hash_get_num_entries(followed) >= FOLLOWED_MAX)
	{
		has_forgotten = true;
		return;
	}
	entry = hash_search(followed, &look->key, HASH_ENTER, NULL);
	entry->limit = look->limit;
	entry->job = look->is_moving ? look->moving : (InnBlockedJob){0};
	entry->busy_until = look->is_busy ? now + BUSY_RETRY_USEC : DT_NOBEGIN;
	entry->delay_usec = look->is_busy ? BUSY_RETRY_USEC : FOLLOW_UP_USEC;
	entry->at = now + entry->delay_usec;
	follow_at = inn_sooner(follow_at, entry->at);
}
