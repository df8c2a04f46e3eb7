/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Pending calls, and requests that wait: for a run to lease, or for the end of one.
 *
 * A call is in flight until its answer comes through the channel.  A request that may wait ("lease" with
 * "wait") is answered 202 with "<how long it wants to wait, ms> <when the next attempt is due, Unix ms>"
 * when there is nothing for it; it is then parked, and the call made again when
 *
 *	- a commit has put something into the queue, or ended a run of an endpoint (we are woken, see inn_http_is_deaf), or
 *	- the next attempt is due,
 *
 * until its time is over.  Requests with the same body want the same, so of each such group only one asks
 * at a time, the oldest; the next one asks if that one got something.
 *
 * A call that has begun something (an event of an invocation) and waits for what comes of it says with a third word what that is.
 * It is given to the calls that are made again, as "continued" of the request, and such a request is a group of its own.  Its time is
 * never over, because only the call knows an answer: it ends the waiting itself.
 *
 * No run is missed: what is committed after a call was made and before it is parked has woken us, which
 * the count of wake-ups tells.
 *
 * IDENTIFICATION
 *	  src/http/calls.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/json.h"
#include "base/wake.h"
#include "http/calls.h"
#include "http/channel.h"
#include "http/counters.h"
#include "http/reply.h"

/* How much longer than its statement a call may take: it may have to wait for a free API worker. */
#define CALL_GRACE_USEC (INT64CONST(20) * USECS_PER_SEC)

/* A health check that is not answered by then has its answer. */
#define HEALTH_TIMEOUT_USEC (INT64CONST(5) * USECS_PER_SEC)

/* When to try again for those who wait, if the channel is full. */
#define FULL_RETRY_USEC (INT64CONST(100) * 1000)

#define STATUS_NOTHING_YET 202

typedef struct Pending
{
	dlist_node node;
	InnRequest *request; /* NULL: nobody waits any more */
	const InnRoute *route;
	char *argument;
	size_t size;
	bool is_in_flight;
	TimestampTz give_up_at; /* while in flight, real */

	/* of requests that may wait */
	uint32 group;
	bool is_continued;		/* its argument says what it has begun */
	bool is_stale;			/* parked, and there may be something now */
	uint64 seen_wakes;		/* count when the call was made */
	TimestampTz wait_until; /* 0: not known yet; INN_NEVER: it is continued */
	TimestampTz retry_at;	/* while parked */
} Pending;

static dlist_head pendings = DLIST_STATIC_INIT(pendings);
static MemoryContext calls_context;
static uint64 last_wakes;
static int nwaiting; /* pendings that may wait */

static void post(Pending *pending);
static void serve_answer(const InnAnswer *answer);
static bool is_nothing_yet(const Pending *pending, const InnAnswer *answer);
static void park_or_end(Pending *pending, const char *body);
static void continue_with(Pending *pending, const char *begun);
static void settle_group(uint32 group);
static void finish(Pending *pending, int status, const char *body, size_t size);
static void finish_nothing(Pending *pending);
static void finish_error(Pending *pending, int status, const char *code, const char *sentence);
static void drop(Pending *pending);
static bool serve_parked(void);
static bool group_is_asking(uint32 group);
static void give_up(Pending *pending);

void
inn_calls_init(void)
{
	calls_context =
		AllocSetContextCreate(CurrentMemoryContext, "inngest calls", ALLOCSET_DEFAULT_SIZES);
}

void
inn_calls_make(InnRequest *request, const InnTarget *target)
{
	MemoryContext caller = MemoryContextSwitchTo(calls_context);
	Pending *pending = palloc0(sizeof(Pending));
	StringInfoData argument;

	initStringInfo(&argument);
	inn_route_argument(target, request, &argument);
	MemoryContextSwitchTo(caller);

	pending->request = request;
	pending->route = target->route;
	pending->argument = argument.data;
	pending->size = argument.len;
	dlist_push_tail(&pendings, &pending->node);
	if (target->route->may_wait)
	{
		pending->group = hash_bytes((const unsigned char *) argument.data, argument.len);
		nwaiting++;
		inn_count(INN_COUNTER_LONG_POLLS, 1);
	}
	post(pending);
}

static void
post(Pending *pending)
{
	bool is_health = strcmp(pending->route->path, "/health") == 0;

	pending->is_stale = false;
	pending->seen_wakes = inn_wake_received();
	pending->give_up_at = inn_now_real() +
						  (is_health
							   ? HEALTH_TIMEOUT_USEC
							   : inn_statement_timeout_ms * INT64CONST(1000) + CALL_GRACE_USEC);
	pending->is_in_flight = true;

	/* From now on commits must wake us, even before this tick is over. */
	if (pending->route->may_wait)
		inn_wake_sleeping_until(INN_NEVER);
	if (inn_channel_post(pending->route->function, inn_family_of_path(pending->route->path),
						 pending->route->is_quick, pending->argument, pending->size, pending))
		return;
	pending->is_in_flight = false;
	if (pending->wait_until != 0)
	{
		/* Who waits anyway can wait for a place. */
		pending->retry_at = inn_now() + FULL_RETRY_USEC;
		return;
	}
	finish_error(pending, 503, "busy", "too many API requests at once; try again in a moment");
}

bool
inn_calls_serve_answers(void)
{
	InnAnswer answer;
	bool any = false;

	while (inn_channel_poll(&answer))
	{
		serve_answer(&answer);
		any = true;
	}
	return serve_parked() || any;
}

static void
serve_answer(const InnAnswer *answer)
{
	Pending *pending = answer->cookie;
	uint32 group = pending->group;
	bool may_wait = pending->route->may_wait;

	pending->is_in_flight = false;
	if (pending->request == NULL)
		drop(pending);
	else if (answer->status == INN_CHANNEL_LOST)
		finish_error(pending, 503, "internal_error",
					 "the worker that handled the request was stopped; try again");
	else if (is_nothing_yet(pending, answer))
		park_or_end(pending, answer->body);
	else
	{
		finish(pending, answer->status, answer->body, answer->size);
		if (may_wait)
			settle_group(group);
	}
}

/* An answer with headers may have that status, too; but no header begins with a digit. */
static bool
is_nothing_yet(const Pending *pending, const InnAnswer *answer)
{
	return pending->route->may_wait && answer->status == STATUS_NOTHING_YET &&
		   (!pending->route->has_head || (answer->body[0] >= '0' && answer->body[0] <= '9'));
}

/* There is nothing for this request now. */
static void
park_or_end(Pending *pending, const char *body)
{
	long long wait_ms = 0;
	long long next_ms = 0;
	int begun_at = 0;
	dlist_iter it;

	(void) sscanf(body, "%lld %lld %n", &wait_ms, &next_ms, &begun_at);
	if (begun_at > 0 && body[begun_at] != '\0' && !pending->is_continued)
		continue_with(pending, body + begun_at);
	if (pending->is_continued)
		pending->wait_until = INN_NEVER;
	else if (pending->wait_until == 0)
		pending->wait_until = inn_from_real(pending->request->received_at) +
							  Min(wait_ms * INT64CONST(1000), INN_MAX_WAIT_USEC);
	if (inn_now() >= pending->wait_until || inn_server_is_gone(pending->request))
	{
		finish_nothing(pending);
		return;
	}

	pending->retry_at = pending->wait_until;
	if (next_ms > 0)
		pending->retry_at = inn_sooner(pending->retry_at, inn_from_unix_ms(next_ms));
	pending->is_stale = inn_wake_received() != pending->seen_wakes;

	/* Nothing for this one means nothing for the others of its kind. */
	dlist_foreach(it, &pendings)
	{
		Pending *other = dlist_container(Pending, node, it.cur);

		if (other->route->may_wait && !other->is_in_flight && other->group == pending->group &&
			!pending->is_stale)
			other->is_stale = false;
	}
}

/* Splice it into the request, which is a JSON object and ends with a NUL; the body follows. */
static void
continue_with(Pending *pending, const char *begun)
{
	size_t brace = strlen(pending->argument) - 1;
	MemoryContext caller = MemoryContextSwitchTo(calls_context);
	StringInfoData argument;

	initStringInfo(&argument);
	appendBinaryStringInfo(&argument, pending->argument, brace);
	appendStringInfoString(&argument, ",\"continued\":");
	inn_json_append_string(&argument, begun);
	appendBinaryStringInfo(&argument, pending->argument + brace, pending->size - brace);
	MemoryContextSwitchTo(caller);

	pfree(pending->argument);
	pending->argument = argument.data;
	pending->size = argument.len;
	pending->group = hash_bytes((const unsigned char *) argument.data, argument.len);
	pending->is_continued = true;
}

/* One of the group got something: the others may ask, too. */
static void
settle_group(uint32 group)
{
	dlist_iter it;

	dlist_foreach(it, &pendings)
	{
		Pending *other = dlist_container(Pending, node, it.cur);

		if (other->route->may_wait && !other->is_in_flight && other->group == group)
			other->is_stale = true;
	}
}

/* Time passes: ask again for those who wait, give up on calls that take too long. */
static bool
serve_parked(void)
{
	TimestampTz now = inn_now();
	uint64 wakes = inn_wake_received();
	bool is_woken = wakes != last_wakes;
	bool any = false;
	dlist_mutable_iter it;

	last_wakes = wakes;
	dlist_foreach_modify(it, &pendings)
	{
		Pending *pending = dlist_container(Pending, node, it.cur);

		if (pending->is_in_flight)
		{
			if (inn_now_real() >= pending->give_up_at && pending->request != NULL)
				give_up(pending);
			continue;
		}
		if (now >= pending->wait_until)
		{
			finish_nothing(pending);
			any = true;
			continue;
		}
		if (now >= pending->retry_at || is_woken)
			pending->is_stale = true;
		if (!pending->is_stale || group_is_asking(pending->group))
			continue;
		any = true;
		if (inn_server_is_gone(pending->request))
			finish(pending, 200, "", 0);
		else
			post(pending);
	}
	return any;
}

static bool
group_is_asking(uint32 group)
{
	dlist_iter it;

	dlist_foreach(it, &pendings)
	{
		Pending *other = dlist_container(Pending, node, it.cur);

		if (other->is_in_flight && other->route->may_wait && other->group == group)
			return true;
	}
	return false;
}

static void
give_up(Pending *pending)
{
	InnRequest *request = pending->request;

	/* The answer, if it ever comes, finds nobody. */
	pending->request = NULL;
	if (strcmp(pending->route->path, "/health") == 0)
	{
		static const char down[] =
			"{\"status\": \"down\", \"version\": \"" INN_VERSION
			"\", \"backends\": {\"postgres\": {\"status\": \"down\", \"error\": \"the database does not answer\"}}}";

		inn_reply(request, 503, down, sizeof(down) - 1);
	}
	else
		inn_reply_error(request, 503, "timeout",
						"the request took too long (inngest.statement_timeout)");
}

static void
finish(Pending *pending, int status, const char *body, size_t size)
{
	const char *content_type = pending->route->content_type;

	if (pending->route->has_head && body[0] != '{') /* errors are JSON */
	{
		inn_server_reply_with(pending->request, status, body, size);
		drop(pending);
		return;
	}
	if (content_type == NULL || status >= 400)
		content_type = "application/json";
	inn_server_reply(pending->request, status, content_type, NULL, body, size);
	drop(pending);
}

static void
finish_nothing(Pending *pending)
{
	static const char nothing[] = "{\"data\": []}";
	static const char running[] =
		"{\"status\": \"running\", \"message\": \"run did not end within 5 minutes\"}";

	if (pending->route->has_head)
		finish(pending, STATUS_NOTHING_YET, running, sizeof(running) - 1);
	else
		finish(pending, 200, nothing, sizeof(nothing) - 1);
}

static void
finish_error(Pending *pending, int status, const char *code, const char *sentence)
{
	inn_reply_error(pending->request, status, code, sentence);
	drop(pending);
}

static void
drop(Pending *pending)
{
	dlist_delete(&pending->node);
	if (pending->route->may_wait)
	{
		nwaiting--;
		inn_count(INN_COUNTER_LONG_POLLS, -1);
	}
	pfree(pending->argument);
	pfree(pending);
}

TimestampTz
inn_calls_deadline(void)
{
	TimestampTz deadline = INN_NEVER;
	dlist_iter it;

	dlist_foreach(it, &pendings)
	{
		Pending *pending = dlist_container(Pending, node, it.cur);

		if (pending->is_in_flight && pending->request != NULL)
			deadline = inn_sooner(deadline, inn_from_real(pending->give_up_at));
		else if (!pending->is_in_flight && !pending->is_stale)
			deadline = inn_sooner(deadline, pending->retry_at);
	}
	return deadline;
}

bool
inn_calls_want_runs(void)
{
	return nwaiting > 0;
}

void
inn_calls_abandon(void)
{
	dlist_mutable_iter it;

	dlist_foreach_modify(it, &pendings)
	{
		Pending *pending = dlist_container(Pending, node, it.cur);

		pending->request = NULL;
		if (!pending->is_in_flight)
			drop(pending);
	}
}
