/*-------------------------------------------------------------------------
 *
 * relay.c
 *	  Telling Redis what happened: from the outbox, in batches, over one connection.
 *
 * The outbox is told in batches (batch.c), over one connection (redis.c).  No transaction is open while
 * a reply is awaited.  The steps:
 *
 *		(no connection)	-> CONNECTING	[connect_when_due]
 *		CONNECTING		-> MEETING		who are you, and is this all still yours?  [meet]
 *		MEETING			-> READY
 *		READY			-> TELLING		a batch of the outbox  [tell]
 *		READY			-> ASKING		which of these runs do you know?  [ask]
 *		ASKING			-> CATCHING_UP	tell what it does not know  [catch_up]
 *		READY			-> SIGNING		now it is all yours  [sign]
 *		TELLING, CATCHING_UP, SIGNING	-> READY
 *		any				-> (no connection)	[give_up, forget_connection]
 *
 * Redis may lack what it was told, or should have been: it restarts empty or with an old snapshot, it is
 * flushed, the setting points to another one, or Redis was switched off here for a while so that the
 * outbox was not written.  Therefore P:epoch in Redis names the life of the relay and the life of the
 * Redis server for which everything has been told.  If it does not when we connect, we catch up
 * (catchup.c), then sign.
 *
 * A crash leaves rows that Redis may have been told, and a life that has not signed: what Redis was told
 * may be told again, never not at all.
 *
 * A change of state is logged once.  "Up" is not the connection alone, as a Redis without memory takes
 * connections as before: we are up when a batch was acknowledged, or when there is nothing to tell.
 *
 * IDENTIFICATION
 *	  src/relay/relay.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "relay/announce.h"
#include "relay/batch.h"
#include "relay/catchup.h"
#include "relay/relay.h"
#include "relay/status.h"

#define RETRY_DELAY_MIN_USEC (INT64CONST(100) * 1000)
#define RETRY_DELAY_MAX_USEC (INT64CONST(5) * USECS_PER_SEC)
#define MAX_DOUBLINGS 6

/*
 * The pause after a batch that was not full.  The first run after some silence is told at once; a stream of
 * them makes a batch each pause and not each commit, which leaves the processors to those who commit.
 */
#define PAUSE_USEC (INT64CONST(5) * 1000)

/* a ULID, a slash, the 40 characters that Redis calls run_id */
#define EPOCH_SIZE 72

typedef enum Step
{
	STEP_CONNECTING,
	STEP_MEETING,
	STEP_READY,
	STEP_TELLING,
	STEP_ASKING,
	STEP_CATCHING_UP,
	STEP_SIGNING
} Step;

typedef enum Belief
{
	BELIEF_NONE, /* nothing has been logged */
	BELIEF_UP,
	BELIEF_DOWN
} Belief;

static struct
{
	MemoryContext context; /* of the worker */
	InnUlid life;		   /* names this process */

	InnRedis *redis; /* NULL: none until retry_at */
	Step step;		 /* valid with a connection */
	char *url;		 /* settings that it was made with */
	char *prefix;
	TimestampTz retry_at;
	TimestampTz pause_until; /* READY: no batch before that */
	int failures;			 /* in a row */
	Belief belief;

	/* valid from MEETING on */
	char epoch_found[EPOCH_SIZE];
	char epoch[EPOCH_SIZE]; /* what it should be */
	bool is_server_known;	/* epoch names the server */
	bool has_to_catch_up;
	bool is_catching_up; /* has begun */
	bool is_turn_to_ask; /* batches and questions take turns */
	bool has_to_sign;
} relay;

static void notice_settings(void);
static bool advance(void);
static bool connect_when_due(void);
static bool take_replies(void);
static void take_reply(const InnReply *reply);
static void end_connection(const char *reason, bool is_quiet);
static void finish_step(void);
static void meet(void);
static void note_server(const char *info);
static void compare_epochs(void);
static bool work(void);
static bool is_pausing(void);
static bool tell(void);
static bool ask(void);
static void catch_up(void);
static void sign(void);
static void give_up(const char *reason);
static void forget_connection(TimestampTz retry_at);
static void believe(Belief belief, const char *reason);
static void leave(int code, Datum arg);

/*
 * The statements of this worker are few and always meant to be index scans of small ranges, while the
 * tables they were planned for may be thousand times larger an hour later.  What a crash may bring back
 * is told again, so nobody waits for the disk.
 */
void
inn_relay_init(void)
{
	static const char *const off[] = {"enable_seqscan",	   "enable_bitmapscan",
									  "enable_sort",	   "enable_incremental_sort",
									  "enable_hashjoin",   "enable_mergejoin",
									  "enable_material",   "enable_memoize",
									  "synchronous_commit"};

	for (int i = 0; i < lengthof(off); i++)
		SetConfigOption(off[i], "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("plan_cache_mode", "force_generic_plan", PGC_SUSET, PGC_S_OVERRIDE);

	relay.context = CurrentMemoryContext;
	relay.retry_at = DT_NOBEGIN;
	inn_ulid_generate(&relay.life);
	inn_announce_init();
	inn_batch_init();
	inn_catchup_init();
	before_shmem_exit(leave, (Datum) 0);
}

InnWaitSocket
inn_relay_socket(void)
{
	if (relay.redis == NULL)
		return (InnWaitSocket){.fd = -1};
	return inn_redis_socket(relay.redis);
}

bool
inn_relay_is_deaf(void)
{
	return relay.redis == NULL || relay.step != STEP_READY || is_pausing();
}

TimestampTz
inn_relay_tick(void)
{
	notice_settings();
	while (advance())
		CHECK_FOR_INTERRUPTS();

	if (relay.redis == NULL)
		return relay.retry_at;
	if (relay.step == STEP_READY)
		return inn_sooner(is_pausing() ? relay.pause_until : inn_batch_next(),
						  inn_redis_deadline(relay.redis));
	return inn_redis_deadline(relay.redis);
}

void
inn_relay_recover(void)
{
	inn_batch_start_over();
	if (relay.redis != NULL)
		give_up("an error in the relay, see the server log");
}

/* Another server, another password, another prefix: begin anew. */
static void
notice_settings(void)
{
	const char *url = inn_redis_is_configured() ? inn_redis_url : "";

	if (relay.url != NULL && strcmp(relay.url, url) == 0 &&
		strcmp(relay.prefix, inn_redis_prefix) == 0)
		return;

	forget_connection(*url == '\0' ? INN_NEVER : DT_NOBEGIN);
	if (relay.url != NULL)
	{
		pfree(relay.url);
		pfree(relay.prefix);
		relay.url = NULL;
	}
	relay.prefix = MemoryContextStrdup(relay.context, inn_redis_prefix);
	relay.url = MemoryContextStrdup(relay.context, url);
	relay.failures = 0;
	relay.belief = BELIEF_NONE;
}

/* One step; false when there is nothing to do but wait. */
static bool
advance(void)
{
	if (relay.redis == NULL)
		return connect_when_due();

	/* Replies that came before the connection broke count. */
	(void) inn_redis_turn(relay.redis);
	if (relay.step != STEP_CONNECTING && !take_replies())
		return true;
	if (inn_redis_state(relay.redis) == INN_REDIS_BROKEN)
	{
		end_connection(inn_redis_error(relay.redis), inn_redis_was_hung_up(relay.redis));
		return true;
	}

	switch (relay.step)
	{
		case STEP_CONNECTING:
			if (inn_redis_state(relay.redis) != INN_REDIS_READY)
				return false;
			meet();
			return true;
		case STEP_READY:
			return work();
		default:
			if (inn_announce_unanswered() > 0)
				return false;
			finish_step();
			return true;
	}
}

static bool
connect_when_due(void)
{
	InnRedisUrl url;
	const char *error;

	if (inn_now() < relay.retry_at)
		return false;
	if (!inn_redis_url_parse(relay.url, &url, &error))
	{
		/* The setting was checked, so this is nearly impossible. */
		give_up(error);
		return false;
	}
	relay.redis = inn_redis_open(&url);
	explicit_bzero(&url, sizeof(url));
	if (relay.redis == NULL)
	{
		give_up("out of memory");
		return false;
	}
	relay.step = STEP_CONNECTING;
	return true;
}

/* Take all replies that have come; false if one of them ended the connection. */
static bool
take_replies(void)
{
	InnReply reply;
	char error[INN_ANNOUNCE_ERROR_SIZE];

	while (inn_redis_reply(relay.redis, &reply))
	{
		if (!inn_announce_judge(&reply, error))
		{
			end_connection(error, false);
			return false;
		}
		take_reply(&reply);
	}
	return true;
}

static void
take_reply(const InnReply *reply)
{
	if (relay.step == STEP_MEETING && inn_announce_unanswered() > 0)
		strlcpy(relay.epoch_found, reply->text, sizeof(relay.epoch_found));
	else if (relay.step == STEP_MEETING)
		note_server(reply->kind == INN_REPLY_TEXT ? reply->text : "");
	else if (relay.step == STEP_ASKING)
		inn_catchup_answer(reply->integer != 0);
}

/*
 * It is over, whoever ended it.  A server that hung up while we were silent may have restarted, or be
 * tired of silence; that is no news unless it cannot be reached again.
 */
static void
end_connection(const char *reason, bool is_quiet)
{
	if (relay.step == STEP_TELLING)
		inn_batch_settle(inn_announce_done());
	if (is_quiet && relay.belief == BELIEF_UP && relay.failures == 0)
		forget_connection(DT_NOBEGIN);
	else
		give_up(reason);
}

/* All replies to the step are in. */
static void
finish_step(void)
{
	Step finished = relay.step;

	relay.step = STEP_READY;
	switch (finished)
	{
		case STEP_MEETING:
			compare_epochs();
			break;
		case STEP_TELLING:
			inn_batch_settle(inn_announce_done());
			believe(BELIEF_UP, NULL);
			break;
		case STEP_ASKING:
			catch_up();
			break;
		case STEP_SIGNING:
			relay.has_to_sign = false;
			break;
		default:
			break;
	}
}

static void
meet(void)
{
	relay.epoch_found[0] = '\0';
	inn_announce_begin(relay.redis);
	inn_announce_who_are_you();
	relay.step = STEP_MEETING;
}

/* From what INFO says: which life of the server is this? */
static void
note_server(const char *info)
{
	static const char field[] = "run_id:";
	const char *found = strstr(info, field);
	char life[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(&relay.life, life);
	relay.is_server_known = found != NULL;
	if (found == NULL)
		snprintf(relay.epoch, sizeof(relay.epoch), "%s/", life);
	else
	{
		found += sizeof(field) - 1;
		snprintf(relay.epoch, sizeof(relay.epoch), "%s/%.*s", life,
				 (int) Min(strcspn(found, "\r\n"), 40), found);
	}
}

/* Whoever cannot be recognised may have lost everything. */
static void
compare_epochs(void)
{
	relay.has_to_catch_up = !relay.is_server_known || strcmp(relay.epoch, relay.epoch_found) != 0;
	relay.has_to_sign = relay.has_to_catch_up;
	relay.is_catching_up = false;
	relay.is_turn_to_ask = false;
}

/* What is next?  False if nothing is. */
static bool
work(void)
{
	if (relay.has_to_catch_up && relay.is_turn_to_ask)
		return ask();
	if (is_pausing())
		return false;
	if (tell())
		return true;
	if (relay.has_to_catch_up)
		return ask();
	believe(BELIEF_UP, NULL);
	if (!relay.has_to_sign)
		return false;
	sign();
	return true;
}

/* Whoever commits now is told at the end of the pause, without waking us. */
static bool
is_pausing(void)
{
	return inn_now() < relay.pause_until;
}

/* A batch of the outbox; false if there is nothing in it. */
static bool
tell(void)
{
	int nrows;

	inn_announce_begin(relay.redis);
	nrows = inn_batch_tell();

	/* The backlog comes first: it is made of what Redis does not know. */
	relay.is_turn_to_ask = nrows < INN_BATCH_ROWS;
	relay.pause_until = nrows > 0 && nrows < INN_BATCH_ROWS ? inn_now() + PAUSE_USEC : DT_NOBEGIN;
	if (nrows == 0)
		return false;
	relay.step = STEP_TELLING;
	return true;
}

/* True, as there is something to do afterwards in any case. */
static bool
ask(void)
{
	if (!relay.is_catching_up)
		inn_catchup_begin();
	relay.is_catching_up = true;
	relay.is_turn_to_ask = false;

	inn_announce_begin(relay.redis);
	if (inn_catchup_ask() > 0)
		relay.step = STEP_ASKING;
	else
		relay.has_to_catch_up = false;
	return true;
}

static void
catch_up(void)
{
	inn_announce_begin(relay.redis);
	inn_catchup_tell();
	relay.step = STEP_CATCHING_UP;
}

/* All that Redis should know it knows. */
static void
sign(void)
{
	inn_announce_begin(relay.redis);
	inn_announce_epoch(relay.epoch);
	relay.step = STEP_SIGNING;
}

/* The connection failed, or Redis does not take what it is told: wait, longer each time, then try again. */
static void
give_up(const char *reason)
{
	char copy[INN_REDIS_ERROR_SIZE];
	int64 delay = RETRY_DELAY_MIN_USEC << Min(relay.failures, MAX_DOUBLINGS);

	/* It may belong to the connection. */
	strlcpy(copy, reason, sizeof(copy));
	delay = Min(delay, RETRY_DELAY_MAX_USEC);
	delay -= (int64) (pg_prng_double(&pg_global_prng_state) * delay / 2);
	relay.failures++;
	forget_connection(inn_now() + delay);
	believe(BELIEF_DOWN, copy);
}

static void
forget_connection(TimestampTz retry_at)
{
	inn_redis_close(relay.redis);
	relay.redis = NULL;
	relay.retry_at = retry_at;
}

/* Up or down: tell everybody, but the log only if it is news. */
static void
believe(Belief belief, const char *reason)
{
	Belief before = relay.belief;
	char display[INN_URL_DISPLAY_SIZE] = "";
	InnRedisUrl url;
	const char *error;

	if (belief == BELIEF_UP)
		relay.failures = 0;
	if (belief == BELIEF_UP && before == BELIEF_UP)
		return;
	relay.belief = belief;
	inn_status_set(reason, belief != before);
	if (belief == before)
		return;

	if (inn_redis_url_parse(relay.url, &url, &error))
		inn_redis_url_display(&url, display, sizeof(display));
	explicit_bzero(&url, sizeof(url));
	if (belief == BELIEF_UP)
		ereport(LOG, errmsg("connected to Redis at \"%s\"", display));
	else
		ereport(LOG,
				before == BELIEF_UP ? errmsg("lost connection to Redis at \"%s\": %s", display, reason)
									: errmsg("could not connect to Redis at \"%s\": %s", display, reason),
				errdetail("Events are accepted as before; runs are announced when Redis is back."));
}

static void
leave(int code, Datum arg)
{
	inn_redis_close(relay.redis);
	relay.redis = NULL;
	inn_status_leave();
}
