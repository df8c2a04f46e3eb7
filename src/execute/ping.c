/*-------------------------------------------------------------------------
 *
 * ping.c
 *	  Asking apps for their functions.
 *
 * An app is asked by a PUT of its URL.  Most SDKs then send what they have to POST /fn/register, and answer us when that has been
 * answered; what they answer us proves little (Python says 200 even if it was refused), so we look whether something has arrived.
 * Others answer with what they have, and that is registered here.
 *
 * Two things are asked for: what inngest.sync_app() has put into inngest.syncs, and, in dev mode, whoever has
 * failed, again and again: an app that was not running when it was asked, or whose functions had a fault, is there soon.
 * Nothing is read but after somebody has said that there is something (INN_TIDE_SYNCS), or while there are
 * such apps.  An answer that is the same as the last time writes nothing.
 *
 * Who is being asked is known to this process only; a crash asks again, and it does no harm.
 *
 * IDENTIFICATION
 *	  src/execute/ping.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/jcs.h"
#include "base/json.h"
#include "base/sign.h"
#include "base/tide.h"
#include "execute/lanes.h"
#include "execute/ping.h"
#include "store/keys.h"
#include "store/registrations.h"
#include "store/syncs.h"

/* of what an app says to people */
#define MESSAGE_MAX_BYTES 1000

/* An app that is being asked.  The cookie of the call is its address. */
typedef struct Ping
{
	InnCookieKind cookie; /* INN_COOKIE_SYNC */
	bool is_busy;
	bool is_requested; /* by sync_id; else because of the app's error */
	pg_uuid_t sync_id;
	char *url; /* in pings_context */
	TimestampTz started_at;
} Ping;

/* What an answer means. */
typedef struct Verdict
{
	bool has_app_id;
	pg_uuid_t app_id;
	const char *code; /* of what is wrong; NULL: nothing is */
	const char *error;
	bool is_noted; /* with the app already */
} Verdict;

static Ping pings[INN_MAX_PINGS];
static MemoryContext pings_context;

/* What there may be, as far as we know; a process that begins knows nothing. */
static bool has_requests = true;
static TimestampTz poll_at = DT_NOBEGIN;
static int interval_ms; /* of polls, when we last looked; 0: there are none */

/* Apps of this round that were not asked yet. */
static MemoryContext polled_context;
static char **polled;
static int npolled;

static int poll_interval_ms(void);
static int free_pings(void);
static void begin_requests(void);
static void begin_polls(void);
static void read_polled(void);
static bool is_asked(const char *url, const pg_uuid_t *sync_id);
static void start(const char *url, const pg_uuid_t *sync_id);
static const char *mode_name(void);

static void judge(const Ping *ping, const InnClientReply *reply, Verdict *verdict);
static void judge_registration(const Ping *ping, const InnClientReply *reply, Verdict *verdict);
static void judge_status(const InnClientReply *reply, Verdict *verdict);
static const char *code_of_bad_request(const char *message);
static void register_in_band(const InnClientReply *reply, Verdict *verdict);
static bool is_signed(const InnClientReply *reply);
static const char *message_of(const InnClientReply *reply);
static void fail(Verdict *verdict, const char *code, const char *format, ...)
	pg_attribute_printf(3, 4);

/* ---- asking ---- */

TimestampTz
inn_ping_due(void)
{
	bool has_news = interval_ms != poll_interval_ms();

	if (inn_tide_take(INN_TIDE_SYNCS, 0) != PG_INT64_MAX)
		has_requests = has_news = true;
	interval_ms = poll_interval_ms();
	if (interval_ms == 0)
		poll_at = INN_NEVER;
	else if (has_news)
		poll_at = Min(poll_at, inn_now() + interval_ms * INT64CONST(1000));

	/* a reply, which makes room, wakes us anyway */
	if (free_pings() == 0 || inn_client_room() == 0)
		return INN_NEVER;
	return has_requests || npolled > 0 ? DT_NOBEGIN : poll_at;
}

static int
poll_interval_ms(void)
{
	return inn_mode == INN_MODE_DEV ? inn_app_poll_interval_ms : 0;
}

static int
free_pings(void)
{
	int count = 0;

	for (int i = 0; i < INN_MAX_PINGS; i++)
		count += pings[i].is_busy ? 0 : 1;
	return count;
}

void
inn_ping_begin(void)
{
	if (has_requests)
		begin_requests();
	if (npolled == 0 && poll_at <= inn_now())
		read_polled();
	begin_polls();
}

static void
begin_requests(void)
{
	/* so many that there is one more than can be under way */
	InnSyncRequest requests[INN_MAX_PINGS + 1];
	int nrequests = inn_syncs_pending(lengthof(requests), requests);
	int nwaiting = 0;

	for (int i = 0; i < nrequests; i++)
	{
		if (is_asked(NULL, &requests[i].id))
			continue;
		if (free_pings() > 0 && inn_client_room() > 0)
			start(requests[i].url, &requests[i].id);
		else
			nwaiting++;
	}
	has_requests = nwaiting > 0 || nrequests == (int) lengthof(requests);
}

/* A new round; none follows if there is nobody to ask. */
static void
read_polled(void)
{
	MemoryContext caller;

	if (polled_context == NULL)
		polled_context =
			AllocSetContextCreate(TopMemoryContext, "inngest polled apps", ALLOCSET_SMALL_SIZES);
	npolled = 0;
	MemoryContextReset(polled_context);

	caller = MemoryContextSwitchTo(polled_context);
	polled = inn_syncs_failing(INN_MAX_POLLED_APPS, &npolled);
	MemoryContextSwitchTo(caller);
	poll_at = npolled == 0 ? INN_NEVER : inn_now() + interval_ms * INT64CONST(1000);
}

static void
begin_polls(void)
{
	for (; npolled > 0 && free_pings() > 0 && inn_client_room() > 0; npolled--)
	{
		if (poll_interval_ms() > 0 && !is_asked(polled[npolled - 1], NULL))
			start(polled[npolled - 1], NULL);
	}
}

/* Is there an answer to come from this URL, or to this request? */
static bool
is_asked(const char *url, const pg_uuid_t *sync_id)
{
	for (int i = 0; i < INN_MAX_PINGS; i++)
	{
		const Ping *ping = &pings[i];

		if (!ping->is_busy)
			continue;
		if (url != NULL && strcmp(ping->url, url) == 0)
			return true;
		if (sync_id != NULL && ping->is_requested && memcmp(&ping->sync_id, sync_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* sync_id NULL: nobody has requested it. */
static void
start(const char *url, const pg_uuid_t *sync_id)
{
	const char *key = inn_mode == INN_MODE_CLOUD ? inn_keys_signing_key() : NULL;
	TimestampTz now = inn_now();
	char signature[INN_SIGNATURE_SIZE];
	const char *headers[4] = {"Content-Type: application/json", "User-Agent: Inngest"};
	InnClientRequest request = {
		.method = "PUT",
		.url = url,
		.headers = headers,
		.nheaders = 2,
		.timeout_ms = INN_PING_TIMEOUT_MS,
		.max_reply_bytes = inn_max_request_bytes,
		.keeps_query = true,
	};
	StringInfoData body;
	Ping *ping = pings;

	while (ping->is_busy)
		ping++;
	Assert(ping < pings + INN_MAX_PINGS);

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"url\":");
	(void) inn_jcs_append_string(&body, url, (int) strlen(url));
	appendStringInfoChar(&body, '}');
	request.body = body.data;
	request.body_size = body.len;

	headers[request.nheaders++] = psprintf("X-Inngest-Server-Kind: %s", mode_name());
	if (key != NULL)
	{
		inn_sign(key, body.data, body.len, inn_unix_ms(inn_now_real()) / 1000, signature);
		headers[request.nheaders++] = psprintf("X-Inngest-Signature: %s", signature);
	}

	if (pings_context == NULL)
		pings_context =
			AllocSetContextCreate(TopMemoryContext, "inngest pings", ALLOCSET_SMALL_SIZES);
	*ping = (Ping){
		.cookie = INN_COOKIE_SYNC,
		.url = MemoryContextStrdup(pings_context, url),
		.started_at = now,
	};
	if (sync_id != NULL)
	{
		ping->is_requested = true;
		ping->sync_id = *sync_id;
	}
	request.cookie = ping;
	ping->is_busy = inn_client_start(&request) != NULL;
	if (!ping->is_busy)
	{
		pfree(ping->url);
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory for a call of an app"));
	}
}

static const char *
mode_name(void)
{
	return inn_mode == INN_MODE_DEV ? "dev" : "cloud";
}

void
inn_ping_forget(void)
{
	for (int i = 0; i < INN_MAX_PINGS; i++)
	{
		if (pings[i].is_busy)
			pfree(pings[i].url);
		pings[i].is_busy = false;
	}
	has_requests = true;
}

/* ---- answers ---- */

void
inn_ping_settle(const InnClientReply *reply)
{
	Ping *slot = reply->cookie;
	Ping ping = *slot;
	Verdict verdict = {0};

	Assert(slot >= pings && slot < pings + INN_MAX_PINGS && ping.is_busy);

	/* Whatever happens now, it is not under way any more; if this fails, it is asked again. */
	slot->is_busy = false;
	ping.url = pstrdup(slot->url);
	pfree(slot->url);
	has_requests |= ping.is_requested;

	judge(&ping, reply, &verdict);
	if (verdict.code != NULL && !verdict.is_noted)
		inn_apps_put_error_at(ping.url, verdict.code, verdict.error);
	if (ping.is_requested)
		inn_syncs_finish(&ping.sync_id, verdict.has_app_id ? &verdict.app_id : NULL, verdict.code,
						 verdict.error);
	else if (verdict.has_app_id)
		inn_syncs_heal(ping.url, &verdict.app_id);
}

static void
judge(const Ping *ping, const InnClientReply *reply, Verdict *verdict)
{
	const char *kind = inn_client_header(reply, "x-inngest-sync-kind");
	bool is_sdk = inn_client_header(reply, "x-inngest-sdk") != NULL ||
				  inn_client_header(reply, "x-inngest-sdk-handled") != NULL;
	bool is_success = reply->status >= 200 && reply->status <= 299;

	if (reply->error == INN_CLIENT_INVALID)
		fail(verdict, "unsupported_protocol", "The URL cannot be called: %s", reply->sentence);
	else if (reply->error != INN_CLIENT_NONE)
		fail(verdict, INN_SYNC_UNREACHABLE, "The app could not be reached: %s", reply->sentence);
	else if (!is_success && reply->status != 400)
		judge_status(reply, verdict);
	else if (!is_sdk)
		fail(verdict, "not_sdk", "What answered there is not an Inngest SDK.");
	else if (is_success && kind != NULL && pg_strcasecmp(kind, "in_band") == 0)
		register_in_band(reply, verdict);
	else
		judge_registration(ping, reply, verdict);
}

static void
judge_status(const InnClientReply *reply, Verdict *verdict)
{
	static const struct
	{
		int status;
		const char *code;
	} codes[] = {
		{401, "unauthorized"},
		{403, "forbidden"},
		{404, "url_not_found"},
		{500, "internal_server_error"},
	};
	const char *code = "unexpected_status";
	const char *message = message_of(reply);

	for (int i = 0; i < (int) lengthof(codes); i++)
	{
		if (codes[i].status == reply->status)
			code = codes[i].code;
	}
	fail(verdict, code, "The app answered with HTTP %d%s%s", reply->status,
		 message[0] == '\0' ? "." : ": ", message);
}

/* The app claims to have registered, or to have been refused: what do we know of it? */
static void
judge_registration(const Ping *ping, const InnClientReply *reply, Verdict *verdict)
{
	const char *message = message_of(reply);
	char *code;
	char *error;

	if (inn_apps_registered_since(ping->url, ping->started_at, &verdict->app_id, &code, &error))
		verdict->has_app_id = true;
	else if (code != NULL)
	{
		fail(verdict, code, "%s", error);
		verdict->is_noted = true;
	}
	else if (reply->status == 400)
		fail(verdict, code_of_bad_request(message), "The app answered with HTTP 400%s%s",
			 message[0] == '\0' ? "." : ": ", message);
	else
		fail(verdict, "not_registered",
			 "The app answered, but has not registered with this URL here%s%s",
			 message[0] == '\0' ? "." : ": ", message);
}

/* By what it says, in words that only SDKs choose (protocol.md 5.2). */
static const char *
code_of_bad_request(const char *message)
{
	static const struct
	{
		const char *words;
		const char *code;
	} codes[] = {
		{"branch", "missing_branch_env_name"},	{"missing signing key", "missing_signing_key"},
		{"signing key", "invalid_signing_key"}, {"no functions", "no_functions"},
		{"function", "invalid_function"},
	};
	char *text = asc_tolower(message, strlen(message));

	for (int i = 0; i < (int) lengthof(codes); i++)
	{
		if (strstr(text, codes[i].words) != NULL)
			return codes[i].code;
	}
	return "unexpected_status";
}

static void
register_in_band(const InnClientReply *reply, Verdict *verdict)
{
	Jsonb *body;
	char *fault;
	char *code;
	char *error;

	if (inn_mode == INN_MODE_CLOUD && !is_signed(reply))
		fail(verdict, "invalid_signature",
			 "The answer of the app has no valid signature; it may have another signing key.");
	else if (!inn_json_parse(reply->body, reply->size, &body, &fault))
		fail(verdict, "invalid_answer", "The answer of the app is not JSON: %s", fault);
	else if (inn_apps_register_in_band(body, &verdict->app_id, &code, &error))
		verdict->has_app_id = true;
	else
	{
		fail(verdict, code, "%s", error);
		verdict->is_noted = true;
	}
}

static bool
is_signed(const InnClientReply *reply)
{
	const char *signature = inn_client_header(reply, "x-inngest-signature");
	const char *keys[] = {inn_keys_signing_key(), inn_keys_other_signing_key()};
	int64 now_s = inn_unix_ms(inn_now_real()) / 1000;
	bool has_line_end = reply->size > 0 && reply->body[reply->size - 1] == '\n';

	/* The SDK for Go ends its answer with a line feed that it has not signed. */
	for (int i = 0; i < (int) lengthof(keys) && signature != NULL; i++)
	{
		if (keys[i] == NULL)
			continue;
		if (inn_sign_verify(signature, keys[i], reply->body, reply->size, now_s, true) ||
			(has_line_end &&
			 inn_sign_verify(signature, keys[i], reply->body, reply->size - 1, now_s, false)))
			return true;
	}
	return false;
}

/* What the body of an answer says to people, cut off if it is long; empty if nothing. */
static const char *
message_of(const InnClientReply *reply)
{
	static const char *const keys[] = {"message", "error"};
	Jsonb *body;
	char *unused;
	JsonbValue value;

	if (reply->size == 0 || !inn_json_parse(reply->body, reply->size, &body, &unused))
		return "";
	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		if (inn_json_find(&body->root, keys[i], &value) && value.type == jbvString)
			return pnstrdup(value.val.string.val,
							pg_mbcliplen(value.val.string.val, value.val.string.len,
										 MESSAGE_MAX_BYTES));
	}
	return "";
}

static void
fail(Verdict *verdict, const char *code, const char *format, ...)
{
	StringInfoData text;
	int missing = 1;

	initStringInfo(&text);
	while (missing > 0)
	{
		va_list args;

		va_start(args, format);
		missing = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (missing > 0)
			enlargeStringInfo(&text, missing);
	}
	verdict->code = code;
	verdict->error = text.data;
}
