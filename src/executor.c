/*-------------------------------------------------------------------------
 *
 * executor.c
 *	  The executor's tick: takes jobs, calls apps, settles what they answer.
 *
 *		take	ready jobs are claimed, and what their calls say is read (taking.c)
 *		call	no transaction is open while bytes move (execute/client.h)
 *		settle	what apps have answered (answers.c)
 *
 * Crash anywhere: jobs that were taken are still in the table, and are taken again with the same attempt; what was on the wire is sent
 * once more.  Whether a run was marked as started is the only thing written between, and that may be lost.
 *
 * IDENTIFICATION
 *	  src/executor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "answers.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/wake.h"
#include "execute/attempt.h"
#include "execute/dispatch.h"
#include "execute/gateway.h"
#include "execute/ping.h"
#include "executor.h"
#include "store/keys.h"
#include "taking.h"

/* Turns of the inner loop in one tick. */
#define ROUNDS_PER_TICK 8

/* Calls beyond inngest.max_calls: those that apps may always have, pings, requests of functions. */
#define CALLS_BEYOND 512

/* When to try again what could not be done. */
#define FAILURE_RETRY_USEC (INT64CONST(1) * USECS_PER_SEC)

static int my_index;
static TimestampTz ping_at =
	DT_NOBEGIN; /* after a failure, apps are asked for their functions again */

static void release_claims(int code, Datum arg);
static void open_client(void);
static void collect_replies(void);
static void note_reply(InnClientReply *reply);
static bool ping(void);
static void work_on_pings(InnClientReply *reply);
static void try_pings(void *reply);
static TimestampTz ping_due(void);
static TimestampTz deadline(void);

void
inn_executor_init(int index)
{
	my_index = index;
	before_shmem_exit(release_claims, (Datum) 0);
	inn_taking_init(index);
	open_client();
}

static void
release_claims(int code, Datum arg)
{
	inn_dispatch_end_all();
	inn_wake(INN_ROLE_EXECUTOR);
}

static void
open_client(void)
{
	if (!inn_client_open(inn_max_calls + CALLS_BEYOND))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				errmsg("could not make ready to call apps: %m"));
}

InnWaitSocket
inn_executor_socket(void)
{
	return (InnWaitSocket){.fd = inn_client_fd()};
}

TimestampTz
inn_executor_tick(bool reloaded)
{
	if (reloaded)
		inn_taking_note_settings();
	inn_keys_refresh();
	for (int round = 0; round < ROUNDS_PER_TICK; round++)
	{
		bool any;

		CHECK_FOR_INTERRUPTS();
		inn_client_run();
		collect_replies();
		any = inn_answers_settle();
		any |= inn_taking_take();
		any |= inn_taking_release();
		any |= ping();
		if (!any)
			return deadline();
	}
	return DT_NOBEGIN;
}

static TimestampTz
deadline(void)
{
	TimestampTz next =
		inn_sooner(inn_client_deadline(), inn_sooner(inn_answers_due(), inn_taking_due()));

	return inn_sooner(next, ping_due());
}

/*
 * An ERROR passed through where none was expected.  What is under way is given up: its jobs are in the table, and are taken
 * again.
 */
void
inn_executor_recover(void)
{
	inn_wait_forget_socket();
	inn_client_close();
	inn_ping_forget();
	inn_dispatch_end_all();
	inn_answers_forget();
	inn_taking_start_over();
	open_client();
}

static void
collect_replies(void)
{
	InnClientReply *reply;

	while ((reply = inn_client_next()) != NULL)
		note_reply(reply);
}

static void
note_reply(InnClientReply *reply)
{
	InnFlight *flight;

	switch (*(InnCookieKind *) reply->cookie)
	{
		case INN_COOKIE_FLIGHT:
			flight = reply->cookie;
			flight->reply = reply;
			if (reply->error == INN_CLIENT_BUSY)
			{
				/* It was not made, and is no attempt: once more, when there is room. */
				inn_attempt_leave(flight);
				inn_taking_reread(inn_now() + FAILURE_RETRY_USEC);
				return;
			}
			break;
		case INN_COOKIE_GATEWAY:
			flight = inn_gateway_note_reply(reply);
			if (flight == NULL)
				return;
			break;
		case INN_COOKIE_SYNC:
			work_on_pings(reply);
			inn_client_free(reply);
			return;
		default:
			elog(ERROR, "a reply for nobody");
	}
	inn_answers_add(flight);
}

/* Ask apps for their functions.  True if anybody was asked. */
static bool
ping(void)
{
	if (ping_due() > inn_now())
		return false;
	work_on_pings(NULL);
	return true;
}

/* Settle a reply, or begin what is due if there is none. */
static void
work_on_pings(InnClientReply *reply)
{
	ErrorData *error = inn_work_try(try_pings, reply);

	if (error == NULL)
		return;
	inn_executor_report("could not ask an app for its functions", error);
	ping_at = inn_now() + FAILURE_RETRY_USEC;
}

static void
try_pings(void *reply)
{
	MemoryContext caller = CurrentMemoryContext;

	inn_work_begin("asking apps for their functions");
	MemoryContextSwitchTo(caller);
	if (reply != NULL)
		inn_ping_settle(reply);
	else
		inn_ping_begin();
	inn_work_commit();
}

/* The first executor does it for all. */
static TimestampTz
ping_due(void)
{
	TimestampTz due;

	if (my_index != 0)
		return INN_NEVER;
	due = inn_ping_due();
	return due == INN_NEVER ? due : Max(due, ping_at);
}

void
inn_executor_report(const char *what, const ErrorData *error)
{
	ereport(LOG, errcode(error->sqlerrcode),
			errmsg("inngest executor %s: %s", what, error->message),
			error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			error->context != NULL ? errcontext("%s", error->context) : 0);
}
