/*-------------------------------------------------------------------------
 *
 * api_worker.c
 *	  One call after the other: a transaction, a function in schema inngest, an answer.
 *
 * Such a function takes jsonb and gives (status integer, body jsonb); it reports faults by ereport, and
 * base/errors.h says what they are over HTTP.  The answer leaves after the commit.  Time is limited by
 * inngest.statement_timeout, which is armed here because PostgreSQL does not do it for background
 * workers.
 *
 * IDENTIFICATION
 *	  src/http/api_worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <malloc.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/timer.h"
#include "http/api_worker.h"
#include "http/channel.h"
#include "http/reply.h"
#include "store/api.h"

static bool quick_only;
static InnCall current;
static bool has_current;

static bool take_next(void);
static void carry_out(void);
static void disarm(void);
static Jsonb *parse(const char *text, size_t size);
static void answer_error(ErrorData *error);
static void answer(int status, const char *body, size_t size);

void
inn_api_worker_init(int index)
{
	quick_only = index == 0;
	inn_channel_attach();
}

TimestampTz
inn_api_worker_tick(bool reloaded)
{
	MemoryContext tick_context = CurrentMemoryContext;

	while (!inn_should_stop() && take_next())
	{
		PG_TRY();
		{
			carry_out();
		}
		PG_CATCH();
		{
			ErrorData *error;

			MemoryContextSwitchTo(tick_context);
			error = CopyErrorData();
			FlushErrorState();
			disarm();
			inn_work_abort();
			MemoryContextSwitchTo(tick_context);
			answer_error(error);
		}
		PG_END_TRY();
		MemoryContextReset(tick_context);
		(void) malloc_trim(
			0); /* planning a view takes megabytes, and leaves them in pieces between what is kept */
	}
	return INN_NEVER;
}

/* If taking fails half-way, the call is ours all the same. */
static bool
take_next(void)
{
	current.slot = -1;
	has_current = true;
	has_current = inn_channel_take(quick_only, &current);
	return has_current;
}

/* An ERROR while answering an ERROR: the caller must not wait for ever. */
void
inn_api_worker_recover(void)
{
	disarm();
	if (has_current && current.slot >= 0)
		answer(INN_CHANNEL_LOST, NULL, 0);
}

static void
carry_out(void)
{
	size_t head_size = strlen(current.argument);
	Jsonb *request = parse(current.argument, head_size);
	Jsonb *body = NULL;
	InnApiReply reply;
	MemoryContext caller = CurrentMemoryContext;

	if (current.size > head_size + 1)
		body = parse(current.argument + head_size + 1, current.size - head_size - 1);

	inn_work_begin(current.function);
	enable_timeout_after(STATEMENT_TIMEOUT, inn_statement_timeout_ms);
	MemoryContextSwitchTo(caller);
	inn_api_call(current.function, request, body, &reply);
	disarm();
	inn_work_commit();
	answer(reply.status, reply.body, reply.size);
}

/* The time of this call is over, also if it ran out just now: the next one is not to pay. */
static void
disarm(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
}

static Jsonb *
parse(const char *text, size_t size)
{
	Jsonb *json;
	char *fault;

	if (!inn_json_parse(text, size, &json, &fault))
		ereport(ERROR,
				errcode(ERRCODE_INN_JSON_INVALID),
				errmsg("the request body is not valid JSON: %s", fault));
	return json;
}

static void
answer_error(ErrorData *error)
{
	InnHttpError http = inn_error_to_http(error->sqlerrcode);
	InnFault fault = {http.status, http.code, error->message, error->detail, error->hint};
	StringInfoData body;

	if (http.status == 500)
		ereport(LOG,
				errcode(error->sqlerrcode),
				errmsg("API call %s failed: %s", current.function, error->message),
				error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
				error->context != NULL ? errcontext("%s", error->context) : 0);

	initStringInfo(&body);
	inn_reply_format_error(&body, (InnFamily) current.error_form, &fault);
	answer(http.status, body.data, body.len);
}

static void
answer(int status, const char *body, size_t size)
{
	inn_channel_answer(&current, status, body, size);
	has_current = false;
}
