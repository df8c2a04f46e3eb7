/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Calls: what happens to a request until there is a reply.
 *
 * Each state of a call is a list:
 *
 *		(none)		-> STARTING	[inn_client_start]
 *		STARTING	-> RUNNING	[begin]
 *		RUNNING		-> STARTING	[follow] a redirect
 *		RUNNING		-> WAITING	[wait_for_lookup]
 *		WAITING		-> STARTING	[settle_lookups]
 *		these three	-> FINISHED	[finish]
 *		FINISHED	-> TAKEN	[inn_client_next]
 *		any			-> (none)	[forget]
 *
 * While it is RUNNING a call is in the hands of transfer.c.  Those that wait for a lookup that
 * somebody else has begun are in the list of that lookup.  All calls are in lists, and everything
 * that belongs to one hangs on it, so inn_client_close() forgets nothing.
 *
 * Redirects are followed here, not by libcurl, which would lose the query, and would not ask for a
 * pool anew.
 *
 * IDENTIFICATION
 *	  src/execute/client.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/timer.h"
#include "execute/client.h"
#include "execute/transfer.h"

/* Calls that begin in one turn, before others get theirs. */
#define BEGIN_PER_TURN 256

typedef enum CallState
{
	STARTING,
	RUNNING,
	WAITING, /* for a lookup; in the list of the state or in that of a lookup */
	FINISHED,
	TAKEN
} CallState;

#define NSTATES (TAKEN + 1)

struct InnClientCall
{
	InnClientReply reply; /* first, so that a pointer to one is a pointer to the other */
	CallState state;
	dlist_node node;
	TimestampTz started_at;
	TimestampTz ends_at;
	TimestampTz waiting_since; /* for a lookup; 0: has not waited for this one */
	bool stays;				   /* redirects are not followed */
	bool keeps_query;		   /* when they are */
	InnTransfer transfer;
};

static bool is_open;
static int max_calls;
static int ncalls; /* that are not FINISHED yet */
static size_t requests_bytes;
static dlist_head lists[NSTATES];

static InnClientCall *new_call(const InnClientRequest *request);
static void move(InnClientCall *call, CallState state);
static void put(InnClientCall *call, CallState state, dlist_head *list);
static void forget_all(dlist_head *list);
static void forget(InnClientCall *call);
static void drop_request(InnClientCall *call);
static void begin(InnClientCall *call);
static InnClientCall *call_of(InnTransfer *transfer);
static void conclude(InnClientCall *call);
static bool is_redirect(int status);
static void follow(InnClientCall *call, const char *location);
static bool is_same_site(const InnTarget *from, const InnTarget *to);
static void finish(InnClientCall *call);
static void fail(InnClientCall *call, InnClientError error, const char *sentence);
static void wait_for_lookup(InnClientCall *call);
static void fail_followers(const InnClientCall *call);
static void settle_lookups(void);
static TimestampTz end_of_patience(const InnClientCall *call);

bool
inn_client_open(int wanted)
{
	Assert(!is_open);
	Assert(wanted > 0);

	max_calls = inn_transfers_open(wanted);
	is_open = max_calls > 0;
	return is_open;
}

void
inn_client_close(void)
{
	InnLookup *lookup;

	if (!is_open)
		return;
	for (int i = 0; i < NSTATES; i++)
		forget_all(&lists[i]);

	/* None is RUNNING any more, so all lookups are over. */
	while ((lookup = inn_lookup_next_over()) != NULL)
	{
		forget_all(&lookup->followers);
		inn_lookup_release(lookup);
	}
	Assert(ncalls == 0);
	Assert(requests_bytes == 0);
	inn_transfers_close();
	is_open = false;
}

static void
forget_all(dlist_head *list)
{
	dlist_mutable_iter it;

	dlist_foreach_modify(it, list)
		forget(dlist_container(InnClientCall, node, it.cur));
}

int
inn_client_fd(void)
{
	return inn_transfers_fd();
}

TimestampTz
inn_client_deadline(void)
{
	TimestampTz deadline = inn_transfers_deadline();

	if (!dlist_is_empty(&lists[STARTING]) || !dlist_is_empty(&lists[FINISHED]))
		return DT_NOBEGIN;
	if (!dlist_is_empty(&lists[WAITING]))
		deadline =
			inn_sooner(deadline, inn_from_real(end_of_patience(
									 dlist_head_element(InnClientCall, node, &lists[WAITING]))));
	return deadline;
}

int
inn_client_room(void)
{
	if (!is_open || requests_bytes >= INN_CLIENT_MAX_REQUESTS_BYTES)
		return 0;
	return Max(max_calls - ncalls, 0);
}

InnClientCall *
inn_client_start(const InnClientRequest *request)
{
	bool has_room = inn_client_room() > 0;
	const char *fault = inn_outgoing_fault(request);
	InnClientCall *call = new_call(request);

	Assert(is_open);
	if (call == NULL)
		return NULL;
	if (fault != NULL)
		fail(call, INN_CLIENT_INVALID, fault);
	else if (!has_room)
		fail(call, INN_CLIENT_BUSY, "there are too many calls already, or too large ones");
	else
	{
		call->transfer.outgoing = inn_outgoing_copy(request);
		if (call->transfer.outgoing == NULL)
		{
			forget(call);
			return NULL;
		}
		requests_bytes += call->transfer.outgoing->bytes;
		fault = inn_transfer_set_url(&call->transfer, request->url, false);
		if (fault != NULL)
			fail(call, INN_CLIENT_INVALID, fault);
	}
	return call;
}

static InnClientCall *
new_call(const InnClientRequest *request)
{
	InnClientCall *call = calloc(1, sizeof(InnClientCall));
	int timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : INN_CLIENT_TIMEOUT_MS;

	if (call == NULL)
		return NULL;
	call->reply.cookie = request->cookie;
	call->reply.sentence = call->transfer.sentence;
	call->reply.body = "";
	call->transfer.is_restricted = request->is_restricted;
	call->stays = request->stays;
	call->keeps_query = request->keeps_query;
	call->transfer.incoming.max_body_bytes =
		request->max_reply_bytes > 0 ? request->max_reply_bytes : INN_CLIENT_MAX_REPLY_BYTES;
	call->started_at = inn_now_real();
	call->ends_at = call->started_at + timeout_ms * INT64CONST(1000);
	call->state = STARTING;
	dlist_push_tail(&lists[STARTING], &call->node);
	ncalls++;
	return call;
}

void
inn_client_abandon(InnClientCall *call)
{
	forget(call);
	settle_lookups();
}

InnClientReply *
inn_client_next(void)
{
	InnClientCall *call;

	if (dlist_is_empty(&lists[FINISHED]))
		return NULL;
	call = dlist_head_element(InnClientCall, node, &lists[FINISHED]);
	move(call, TAKEN);
	return &call->reply;
}

void
inn_client_free(InnClientReply *reply)
{
	InnClientCall *call = (InnClientCall *) reply;

	Assert(call->state == TAKEN);
	forget(call);
}

const char *
inn_client_header(const InnClientReply *reply, const char *name)
{
	const InnClientCall *call = (const InnClientCall *) reply;

	return inn_incoming_header(&call->transfer.incoming, name);
}

const InnClientHeader *
inn_client_headers(InnClientReply *reply, int *count)
{
	InnClientCall *call = (InnClientCall *) reply;

	return inn_incoming_headers(&call->transfer.incoming, count);
}

/* Into the list of a state. */
static void
move(InnClientCall *call, CallState state)
{
	put(call, state, &lists[state]);
}

static void
put(InnClientCall *call, CallState state, dlist_head *list)
{
	Assert(call->state < state || (call->state < FINISHED && state == STARTING));

	if (call->state < FINISHED && state >= FINISHED)
		ncalls--;
	dlist_delete(&call->node);
	dlist_push_tail(list, &call->node);
	call->state = state;
}

static void
forget(InnClientCall *call)
{
	if (call->state < FINISHED)
		ncalls--;
	dlist_delete(&call->node);
	drop_request(call);
	inn_incoming_clear(&call->transfer.incoming);
	free(call);
}

/* All that is needed only until there is a reply. */
static void
drop_request(InnClientCall *call)
{
	inn_transfer_clear(&call->transfer);
	if (call->transfer.outgoing != NULL)
		requests_bytes -= call->transfer.outgoing->bytes;
	free(call->transfer.outgoing);
	call->transfer.outgoing = NULL;
}

void
inn_client_run(void)
{
	InnTransfer *transfer;

	if (!is_open)
		return;
	for (int i = 0; i < BEGIN_PER_TURN && !dlist_is_empty(&lists[STARTING]); i++)
		begin(dlist_head_element(InnClientCall, node, &lists[STARTING]));
	inn_transfers_run();
	while ((transfer = inn_transfer_next()) != NULL)
		conclude(call_of(transfer));
	settle_lookups();
}

static void
begin(InnClientCall *call)
{
	int64 left_ms = (call->ends_at - inn_now_real() + 999) / 1000;

	Assert(call->state == STARTING);

	call->transfer.timeout_ms = (int) left_ms;
	if (left_ms <= 0)
		fail(call, INN_CLIENT_TIMEOUT, "there was no time left for the next request");
	else if (!inn_transfer_begin(&call->transfer))
		fail(call, INN_CLIENT_BUSY, "out of memory");
	else
		move(call, RUNNING);
}

static InnClientCall *
call_of(InnTransfer *transfer)
{
	return (InnClientCall *) ((char *) transfer - offsetof(InnClientCall, transfer));
}

/* A transfer has ended, and so has the call, unless it goes on. */
static void
conclude(InnClientCall *call)
{
	InnTransfer *transfer = &call->transfer;
	const char *location;

	Assert(call->state == RUNNING);

	if (transfer->must_wait)
	{
		wait_for_lookup(call);
		return;
	}
	if (transfer->error == INN_CLIENT_RESOLVE && transfer->lookup != NULL)
		fail_followers(call);
	location = inn_incoming_header(&transfer->incoming, "Location");
	if (transfer->error == INN_CLIENT_NONE && is_redirect(transfer->status) && !call->stays &&
		location != NULL && location[0] != '\0')
		follow(call, location);
	else
		finish(call);
}

static bool
is_redirect(int status)
{
	return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

/* Go where the reply sends us, with the same request. */
static void
follow(InnClientCall *call, const char *location)
{
	InnTransfer *transfer = &call->transfer;
	InnTarget from = transfer->target;
	const char *fault = inn_transfer_set_url(transfer, location, call->keeps_query);

	if (call->reply.redirects == INN_CLIENT_MAX_REDIRECTS)
		inn_transfer_fail(transfer, INN_CLIENT_REDIRECTS,
						  "more than %d redirects, the last by %s:%d", INN_CLIENT_MAX_REDIRECTS,
						  from.host, from.port);
	else if (fault != NULL)
		inn_transfer_fail(transfer, INN_CLIENT_REDIRECTS,
						  "%s:%d redirects to a URL that cannot be used: %s", from.host, from.port,
						  fault);
	if (transfer->error != INN_CLIENT_NONE)
	{
		finish(call);
		return;
	}
	if (!is_same_site(&from, &transfer->target))
		inn_outgoing_drop_secrets(transfer->outgoing);
	inn_incoming_clear(&transfer->incoming);
	call->reply.redirects++;
	call->waiting_since = 0;
	move(call, STARTING);
}

/* The same host and port, or the same host from http to https where both are usual. */
static bool
is_same_site(const InnTarget *from, const InnTarget *to)
{
	if (pg_strcasecmp(from->host, to->host) != 0)
		return false;
	return (from->port == to->port && from->is_tls == to->is_tls) ||
		   (from->port == 80 && !from->is_tls && to->port == 443 && to->is_tls);
}

static void
finish(InnClientCall *call)
{
	InnIncoming *incoming = &call->transfer.incoming;

	call->reply.error = call->transfer.error;
	call->reply.took_us = inn_now_real() - call->started_at;
	if (call->reply.error != INN_CLIENT_NONE)
		inn_incoming_clear(incoming);
	else
		call->reply.status = call->transfer.status;
	if (incoming->body_size > 0)
	{
		call->reply.body = incoming->body;
		call->reply.size = incoming->body_size;
	}
	drop_request(call);
	move(call, FINISHED);
}

static void
fail(InnClientCall *call, InnClientError error, const char *sentence)
{
	inn_transfer_fail(&call->transfer, error, "%s", sentence);
	finish(call);
}

static void
wait_for_lookup(InnClientCall *call)
{
	InnLookup *lookup = call->transfer.lookup;

	call->transfer.lookup = NULL;
	if (call->waiting_since == 0)
		call->waiting_since = inn_now_real();
	if (inn_now_real() >= end_of_patience(call))
		fail(call, INN_CLIENT_BUSY, "too many names of hosts are looked up at the same time");
	else if (lookup != NULL && lookup->is_taken &&
			 pg_strcasecmp(lookup->host, call->transfer.target.host) == 0)
		put(call, WAITING, &lookup->followers);
	else
		move(call, WAITING);
}

/* Who wanted to know the same shares the answer. */
static void
fail_followers(const InnClientCall *call)
{
	dlist_head *followers = &call->transfer.lookup->followers;

	while (!dlist_is_empty(followers))
		fail(dlist_head_element(InnClientCall, node, followers), call->transfer.error,
			 call->transfer.sentence);
}

/* Lookups that are over make room for others, and those who waited for them begin anew. */
static void
settle_lookups(void)
{
	InnLookup *lookup;
	int room;

	while ((lookup = inn_lookup_next_over()) != NULL)
	{
		while (!dlist_is_empty(&lookup->followers))
			move(dlist_head_element(InnClientCall, node, &lookup->followers), STARTING);
		inn_lookup_release(lookup);
	}
	room = inn_lookup_room();
	while (!dlist_is_empty(&lists[WAITING]))
	{
		InnClientCall *call = dlist_head_element(InnClientCall, node, &lists[WAITING]);

		if (inn_now_real() >= end_of_patience(call))
			fail(call, INN_CLIENT_BUSY, "too many names of hosts are looked up at the same time");
		else if (room-- > 0)
			move(call, STARTING);
		else
			break;
	}
}

static TimestampTz
end_of_patience(const InnClientCall *call)
{
	return call->waiting_since + INN_CLIENT_LOOKUP_PATIENCE_MS * INT64CONST(1000);
}
