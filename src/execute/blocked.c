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
 * put aside once more.  What is made ready may also go without having been taken, because its run is cancelled; so as long as others of its
 * key wait it is remembered, and looked for a second later.  After a crash, or when limits have changed, all keys are looked at: one job of each is made ready, and if
 * that finds a place and there are more, the next.
 *
 * IDENTIFICATION
 *	  src/execute/blocked.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/timer.h"
#include "execute/blocked.h"
#include "execute/targets.h"
#include "run/changes.h"

/* Keys that are looked at in one transaction; functions of one, those that have waited for longest; jobs of one that are made ready. */
#define KEYS_AT_A_TIME 64
#define FUNCTIONS_AT_A_TIME 16
#define JOBS_AT_A_TIME 64

/* How soon to try again what somebody else is just changing. */
#define BUSY_RETRY_USEC (INT64CONST(20) * 1000)

/* When to see what has become of jobs that were made ready; and how many are remembered: if there are more, all keys are looked at then. */
#define FOLLOW_UP_USEC (INT64CONST(1) * USECS_PER_SEC)
#define RELEASED_MAX 1024

/* What is known of a key when it is looked at. */
typedef struct Look
{
	pg_uuid_t key;
	int used;
	uint64 nblocked;
	bool has_waiting;
	int64 first_rank;
	bool is_busy;	/* some could not be made ready now */
	bool is_more;	/* and some for which it was not tried */
	bool is_moving; /* some were made ready */
} Look;

static bool is_scanning = true;
static pg_uuid_t scanned; /* keys up to here */
static TimestampTz retry_at = DT_NOBEGIN;
static Look looks[KEYS_AT_A_TIME];
static int nlooks;

static InnBlockedJob released[RELEASED_MAX]; /* made ready while others wait for the same */
static pg_uuid_t released_keys[RELEASED_MAX];
static int nreleased;
static bool are_more_released;
static TimestampTz follow_up_at = INN_NEVER;

static void follow_up(void);
static void scan(void);
static void look_at(Look *look);
static void release_of(Look *look, const pg_uuid_t *function_id, int *used);
static void note_released(const Look *look, const InnBlockedJob *jobs, int njobs);
static void remember(int place, const pg_uuid_t *key, const InnBlockedJob *job);
static int limit_of(const Look *look, const pg_uuid_t *function_id, const InnBlockedJob *job);

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

void
inn_blocked_look_at_all(void)
{
	is_scanning = true;
	scanned = (pg_uuid_t){{0}};
	nreleased = 0;
	are_more_released = false;
	follow_up_at = INN_NEVER;
}

TimestampTz
inn_blocked_due(void)
{
	return is_scanning || inn_slots_are_freed() ? retry_at : follow_up_at;
}

void
inn_blocked_release(void)
{
	nlooks = 0;
	retry_at = DT_NOBEGIN;
	if (follow_up_at <= inn_now())
		follow_up();
	if (is_scanning && !inn_slots_are_freed())
		scan();
	while (nlooks < KEYS_AT_A_TIME && inn_slots_next_freed(&looks[nlooks].key))
		look_at(&looks[nlooks++]);
}

/* The end of a job that was taken has its key looked at by itself (dispatch.h); one that is gone does not. */
static void
follow_up(void)
{
	bool are_ready[RELEASED_MAX];
	InnDispatch dispatch;
	int nleft = 0;

	if (are_more_released)
	{
		inn_blocked_look_at_all();
		return;
	}
	for (int i = 0; i < nreleased; i++)
	{
		if (!inn_dispatch_find(released[i].id, &dispatch))
			remember(nleft++, &released_keys[i], &released[i]);
	}
	inn_jobs_are_ready(released, nleft, are_ready);
	nreleased = 0;
	for (int i = 0; i < nleft; i++)
	{
		if (are_ready[i])
			remember(nreleased++, &released_keys[i], &released[i]);
		else
			inn_slots_note_freed(&released_keys[i]);
	}
	follow_up_at = nreleased > 0 ? inn_now() + FOLLOW_UP_USEC : INN_NEVER;
}

static void
scan(void)
{
	pg_uuid_t keys[KEYS_AT_A_TIME];
	int nkeys = inn_jobs_blocked_keys(&scanned, KEYS_AT_A_TIME, keys);

	for (int i = 0; i < nkeys; i++)
		inn_slots_note_freed(&keys[i]);
	is_scanning = nkeys == KEYS_AT_A_TIME;
	if (is_scanning)
		scanned = keys[nkeys - 1];
}

static void
look_at(Look *look)
{
	InnBlockedFunction functions[FUNCTIONS_AT_A_TIME + 1];
	int used = look->used = inn_slots_used(&look->key, &look->nblocked);
	int nfunctions = inn_jobs_blocked_functions(&look->key, FUNCTIONS_AT_A_TIME + 1, functions);
	int nreleased_before = nreleased;

	look->has_waiting = look->is_busy = look->is_more = look->is_moving = false;
	look->first_rank = PG_INT64_MAX;
	for (int i = 0; i < Min(nfunctions, FUNCTIONS_AT_A_TIME); i++)
		release_of(look, &functions[i].id, &used);
	if (nfunctions <= FUNCTIONS_AT_A_TIME)
	{
		if (!look->has_waiting)
			nreleased = nreleased_before;
		return;
	}

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
	note_released(look, ready, nready);
	look->is_moving |= nready > 0;
	if (limit > 0)
		*used += nready;
}

static void
note_released(const Look *look, const InnBlockedJob *jobs, int njobs)
{
	for (int i = 0; i < njobs; i++)
	{
		if (nreleased < RELEASED_MAX)
			remember(nreleased++, &look->key, &jobs[i]);
		else
			are_more_released = true;
	}
	if (njobs > 0)
		follow_up_at = inn_sooner(follow_up_at, inn_now() + FOLLOW_UP_USEC);
}

static void
remember(int place, const pg_uuid_t *key, const InnBlockedJob *job)
{
	released_keys[place] = *key;
	released[place] = *job;
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
		if (looks[i].is_busy || looks[i].is_more || (looks[i].has_waiting && used < looks[i].used))
			inn_slots_note_freed(&looks[i].key);
		if (looks[i].is_busy)
			retry_at = inn_now() + BUSY_RETRY_USEC;
	}
	nlooks = 0;
}
