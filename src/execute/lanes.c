/*-------------------------------------------------------------------------
 *
 * lanes.c
 *	  The jobs that this executor knows.
 *
 * A job is read in the order of positions and executed in the order of runs, among those that are in memory.  What was read is known
 * by its id until it is settled, so reading it again does no harm; and it is read again when a transaction
 * commits late that has brought jobs from before (base/tide.h).
 *
 * Lanes take turns.
 *
 * IDENTIFICATION
 *	  src/execute/lanes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "execute/lanes.h"

/* A call of so many bytes is large; and the bytes after which no further large one begins, of all apps and of one. */
#define LARGE_BYTES (64 * 1024)
#ifdef INN_TESTING
#define MAX_LARGE_BYTES (2 * 1024 * 1024)
#else
#define MAX_LARGE_BYTES (96 * 1024 * 1024)
#endif
#define MAX_LARGE_BYTES_PER_APP (MAX_LARGE_BYTES / 2)

/* A known job. */
typedef struct Known
{
	int64 job_id; /* the key */
	InnFlight *flight;
} Known;

static MemoryContext context;
static HTAB *known;
static InnLane **lanes;
static int nlanes;
static int next_lane; /* whose turn it is */
static bool are_apps_unknown;
static int ncalls;
static int nwaiting;
static size_t large_bytes; /* of calls under way */

static InnLane *new_lane(const pg_uuid_t *app_id);
static InnLane *find_lane(const pg_uuid_t *app_id);
static int by_run(const pairingheap_node *a, const pairingheap_node *b, void *arg);
static InnFlight *copy_job(const InnJob *job, const InnControls *controls);
static size_t text_size(const char *text);
static const char *copy_text(const char *text, char **end);
static void stop_calling(InnFlight *flight);
static void let_wait(InnFlight *flight);
static void look_aside(void);
static bool may_call(const InnLane *lane, int max_calls, int max_calls_per_app);

void
inn_lanes_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(int64), .entrysize = sizeof(Known)};

	context = AllocSetContextCreate(CurrentMemoryContext, "inngest jobs", ALLOCSET_DEFAULT_SIZES);
	ctl.hcxt = context;
	known = hash_create("inngest known jobs", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	lanes = NULL;
	nlanes = next_lane = ncalls = nwaiting = 0;
	large_bytes = 0;
	are_apps_unknown = true;
}

void
inn_lanes_note_apps_unknown(void)
{
	are_apps_unknown = true;
}

bool
inn_lanes_are_apps_unknown(void)
{
	return are_apps_unknown;
}

void
inn_lanes_set_apps(const pg_uuid_t *app_ids, int napps)
{
	are_apps_unknown = false;
	for (int i = 0; i < napps; i++)
	{
		if (find_lane(&app_ids[i]) != NULL)
			continue;
		lanes = lanes == NULL ? MemoryContextAlloc(context, sizeof(InnLane *))
							  : repalloc(lanes, (nlanes + 1) * sizeof(InnLane *));
		lanes[nlanes++] = new_lane(&app_ids[i]);
	}
}

static InnLane *
new_lane(const pg_uuid_t *app_id)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	InnLane *lane = palloc0(sizeof(InnLane));

	lane->app_id = *app_id;
	lane->after = PG_INT64_MIN;
	lane->has_more = true;
	dlist_init(&lane->aside);
	lane->waiting = pairingheap_allocate(by_run, NULL);
	MemoryContextSwitchTo(caller);
	return lane;
}

static InnLane *
find_lane(const pg_uuid_t *app_id)
{
	for (int i = 0; i < nlanes; i++)
	{
		if (memcmp(&lanes[i]->app_id, app_id, UUID_LEN) == 0)
			return lanes[i];
	}
	return NULL;
}

/* The oldest run is on top; of one run, what came first. */
static int
by_run(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const InnFlight *left = pairingheap_const_container(InnFlight, waiting, a);
	const InnFlight *right = pairingheap_const_container(InnFlight, waiting, b);
	int order;

	if (left->rank != right->rank)
		return left->rank < right->rank ? 1 : -1;
	order = memcmp(&right->job.run_id, &left->job.run_id, sizeof(InnUlid));

	if (order != 0)
		return order;
	return left->job.position < right->job.position ? 1 : -1;
}

void
inn_lanes_rewind(int64 position)
{
	int64 after = position == PG_INT64_MIN ? position : position - 1;

	for (int i = 0; i < nlanes; i++)
	{
		lanes[i]->after = Min(lanes[i]->after, after);
		lanes[i]->has_more = true;
	}
}

InnJobLane *
inn_lanes_to_read(int *count)
{
	InnJobLane *wanted = palloc(Max(nlanes, 1) * sizeof(InnJobLane));

	*count = 0;
	for (int i = 0; i < nlanes; i++)
	{
		int room = INN_LANE_CAPACITY - lanes[i]->nwaiting - lanes[i]->ncalls;

		if (lanes[i]->has_more && room > 0)
			wanted[(*count)++] = (InnJobLane){lanes[i]->app_id, lanes[i]->after, room};
	}
	return wanted;
}

void
inn_lanes_were_read(const InnJobLane *wanted, int nwanted, const InnJob *jobs, int njobs)
{
	for (int i = 0; i < nwanted; i++)
	{
		InnLane *lane = find_lane(&wanted[i].app_id);
		int nread = 0;

		for (int j = 0; j < njobs; j++)
		{
			if (memcmp(&jobs[j].app_id, &lane->app_id, UUID_LEN) != 0)
				continue;
			lane->after = Max(lane->after, jobs[j].position);
			nread++;
		}
		lane->has_more = nread == wanted[i].room;
	}
}

void
inn_lanes_add(const InnJob *job, const InnControls *controls)
{
	bool found;
	Known *entry = hash_search(known, &job->id, HASH_ENTER, &found);
	InnFlight *flight;

	if (found)
	{
		/* One that waits here may have been queued anew meanwhile, after another executor had it. */
		if (entry->flight->state == INN_FLIGHT_WAITING &&
			entry->flight->job.position != job->position)
		{
			entry->flight->job.position = job->position;
			entry->flight->job.attempt = job->attempt;
			entry->flight->job.generation = job->generation;
		}
		return;
	}
	flight = entry->flight = copy_job(job, controls);
	flight->rank = inn_ulid_unix_ms(&job->run_id) - (int64) flight->controls.priority_s * 1000;
	flight->lane = find_lane(&job->app_id);
	pairingheap_add(flight->lane->waiting, &flight->waiting);
	flight->lane->nwaiting++;
	nwaiting++;
}

/* With its texts behind it. */
static InnFlight *
copy_job(const InnJob *job, const InnControls *controls)
{
	size_t size = sizeof(InnFlight) + text_size(job->step_id) + text_size(job->step_name) +
				  text_size(job->after_id) + text_size(job->input);
	InnFlight *flight;
	char *end;

	for (int i = 0; controls != NULL && i < controls->nlimits; i++)
		size += text_size(controls->limits[i]) + text_size(controls->values[i]);
	flight = MemoryContextAllocExtended(context, size, MCXT_ALLOC_ZERO);
	end = (char *) (flight + 1);

	flight->cookie = INN_COOKIE_FLIGHT;
	flight->job = *job;
	flight->job.step_id = copy_text(job->step_id, &end);
	flight->job.step_name = copy_text(job->step_name, &end);
	flight->job.after_id = copy_text(job->after_id, &end);
	flight->job.input = copy_text(job->input, &end);
	if (controls != NULL)
		flight->controls = *controls;
	for (int i = 0; controls != NULL && i < controls->nlimits; i++)
	{
		flight->controls.limits[i] = copy_text(controls->limits[i], &end);
		flight->controls.values[i] = copy_text(controls->values[i], &end);
	}
	return flight;
}

static size_t
text_size(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

static const char *
copy_text(const char *text, char **end)
{
	char *copy = *end;

	if (text == NULL)
		return NULL;
	memcpy(copy, text, text_size(text));
	*end += text_size(text);
	return copy;
}

InnFlight *
inn_lanes_take(int max_calls, int max_calls_per_app)
{
	for (int i = 0; i < nlanes; i++)
	{
		InnLane *lane = lanes[(next_lane + i) % nlanes];
		InnFlight *flight;

		if (pairingheap_is_empty(lane->waiting) || !may_call(lane, max_calls, max_calls_per_app))
			continue;
		next_lane = (next_lane + i + 1) % nlanes;
		flight = pairingheap_container(InnFlight, waiting, pairingheap_remove_first(lane->waiting));
		flight->state = INN_FLIGHT_CALLING;
		lane->nwaiting--;
		nwaiting--;
		lane->ncalls++;
		ncalls++;
		return flight;
	}
	return NULL;
}

bool
inn_lanes_can_take(int max_calls, int max_calls_per_app)
{
	if (are_apps_unknown)
		return true;
	for (int i = 0; i < nlanes; i++)
	{
		if (!pairingheap_is_empty(lanes[i]->waiting) &&
			may_call(lanes[i], max_calls, max_calls_per_app))
			return true;
	}
	return false;
}

static bool
may_call(const InnLane *lane, int max_calls, int max_calls_per_app)
{
	if (lane->ncalls >= max_calls_per_app)
		return false;
	return ncalls < max_calls || lane->ncalls < INN_LANE_RESERVED_CALLS;
}

bool
inn_lanes_admit(InnFlight *flight, size_t bytes)
{
	InnLane *lane = flight->lane;

	Assert(flight->state == INN_FLIGHT_CALLING && flight->large_bytes == 0);
	if (bytes < LARGE_BYTES)
		return true;
	if (large_bytes < MAX_LARGE_BYTES && lane->large_bytes < MAX_LARGE_BYTES_PER_APP)
	{
		flight->large_bytes = bytes;
		lane->large_bytes += bytes;
		large_bytes += bytes;
		return true;
	}
	stop_calling(flight);
	let_wait(flight);
	flight->was_aside = true;
	dlist_push_tail(&lane->aside, &flight->answered);
	return false;
}

static void
stop_calling(InnFlight *flight)
{
	InnLane *lane = flight->lane;

	lane->ncalls--;
	ncalls--;
	lane->large_bytes -= flight->large_bytes;
	large_bytes -= flight->large_bytes;
	flight->large_bytes = 0;
}

static void
let_wait(InnFlight *flight)
{
	flight->state = INN_FLIGHT_WAITING;
	flight->lane->nwaiting++;
	nwaiting++;
}

void
inn_lanes_put_back(InnFlight *flight)
{
	Assert(flight->state == INN_FLIGHT_CALLING);
	stop_calling(flight);
	let_wait(flight);
	pairingheap_add(flight->lane->waiting, &flight->waiting);
}

void
inn_lanes_forget(InnFlight *flight)
{
	Assert(flight->state != INN_FLIGHT_WAITING);
	(void) hash_search(known, &flight->job.id, HASH_REMOVE, NULL);

	/* One that was aside and came to nothing leaves its turn to the next. */
	if (flight->large_bytes > 0 || flight->was_aside)
		look_aside();
	stop_calling(flight);
	pfree(flight);
}

/* There is room for a large call.  Whose turn it is shows when they are taken; two of each lane, because they may be smaller. */
static void
look_aside(void)
{
	for (int i = 0; i < nlanes; i++)
	{
		for (int n = 0; n < 2 && !dlist_is_empty(&lanes[i]->aside); n++)
		{
			InnFlight *flight =
				dlist_container(InnFlight, answered, dlist_pop_head_node(&lanes[i]->aside));

			pairingheap_add(lanes[i]->waiting, &flight->waiting);
		}
	}
}

int
inn_lanes_calls(void)
{
	return ncalls;
}

int
inn_lanes_waiting(void)
{
	return nwaiting;
}

void
inn_lanes_reset(void)
{
	MemoryContext parent = MemoryContextGetParent(context);
	MemoryContext caller;

	MemoryContextDelete(context);
	caller = MemoryContextSwitchTo(parent);
	inn_lanes_init();
	MemoryContextSwitchTo(caller);
}
