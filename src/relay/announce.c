/*-------------------------------------------------------------------------
 *
 * announce.c
 *	  The keys in Redis: encoding of commands, meaning of replies.
 *
 *		P:runs				stream, an entry for each new run
 *		P:queue:<function>	stream, an entry for each attempt of a pull run; consumer group "workers"
 *		P:run:<run id>		hash, how the run stands; expires after the run has ended
 *		P:epoch				whose announcements are complete here (relay.c)
 *
 * For each command that is on its way a tag says which item it belongs to and which key it is about, so
 * that a reply, which says neither, can be judged.  There is one announcement at a time.
 *
 * A new run is told to the streams first and to the hash last: where the hash is, the rest has been.
 *
 * IDENTIFICATION
 *	  src/relay/announce.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "relay/announce.h"

/* How long the hash of a run outlives the run. */
#define HASH_EXPIRY_S "3600"

#define GROUP "workers"

/* group, two entries, hash, expiry */
#define COMMANDS_PER_ITEM 5
#define MAX_COMMANDS (INN_ANNOUNCE_MAX_ITEMS * COMMANDS_PER_ITEM)

/* XADD key MAXLEN ~ n * and eight pairs */
#define MAX_WORDS 24

typedef enum Key
{
	KEY_RUNS,
	KEY_GROUP, /* of the stream KEY_QUEUE */
	KEY_QUEUE,
	KEY_HASH,
	KEY_EPOCH,
	KEY_SERVER /* not a key: INFO */
} Key;

typedef struct Tag
{
	uint16 item;
	uint16 function; /* valid for KEY_GROUP and KEY_QUEUE: position in functions */
	uint8 key;
} Tag;

typedef struct Command
{
	int nwords;
	const char *words[MAX_WORDS];
	size_t lengths[MAX_WORDS];
} Command;

static struct
{
	InnRedis *redis;
	MemoryContext context; /* of the functions' names */
	int nitems;
	int nsent;
	int nanswered;
	int nfunctions;
	const char *functions[INN_ANNOUNCE_MAX_ITEMS]; /* whose groups have been taken care of */
	InnUlid runs[INN_ANNOUNCE_MAX_ITEMS];		   /* by item */
	Tag tags[MAX_COMMANDS];
} sent;

static void add_entry(const InnNews *news, Key key);
static int ensure_group(const char *function);
static char *make_key(const char *kind, const char *name);
static void add(Command *command, const char *word);
static void add_pair(Command *command, const char *field, const char *value);
static void send(const Command *command, Key key, int function);
static const char *ulid_text(const InnUlid *ulid);
static const char *time_text(int64 unix_ms);
static char *key_of(const Tag *tag);

void
inn_announce_init(void)
{
	sent.context =
		AllocSetContextCreate(CurrentMemoryContext, "inngest announcement", ALLOCSET_DEFAULT_SIZES);
}

void
inn_announce_begin(InnRedis *redis)
{
	MemoryContextReset(sent.context);
	sent.redis = redis;
	sent.nitems = 0;
	sent.nsent = 0;
	sent.nanswered = 0;
	sent.nfunctions = 0;
}

void
inn_announce_item(void)
{
	Assert(sent.nitems < INN_ANNOUNCE_MAX_ITEMS);
	sent.nitems++;
}

void
inn_announce_run(const InnNews *news)
{
	add_entry(news, KEY_RUNS);
	if (news->attempt >= 0)
		inn_announce_attempt(news);
	inn_announce_status(news);
}

void
inn_announce_attempt(const InnNews *news)
{
	Assert(news->attempt >= 0);
	add_entry(news, KEY_QUEUE);
}

static void
add_entry(const InnNews *news, Key key)
{
	Command command = {0};
	int function = key == KEY_QUEUE ? ensure_group(news->function) : 0;

	add(&command, "XADD");
	add(&command, key == KEY_QUEUE ? make_key("queue:", news->function) : make_key("runs", ""));
	if (inn_redis_stream_maxlen > 0)
	{
		add(&command, "MAXLEN");
		add(&command, "~");
		add(&command, psprintf("%d", inn_redis_stream_maxlen));
	}
	add(&command, "*");
	add_pair(&command, "run_id", ulid_text(&news->run_id));
	add_pair(&command, "function_id", news->function);
	add_pair(&command, "app_id", news->app);
	add_pair(&command, "event_id", ulid_text(&news->event_id));
	add_pair(&command, "event_name", news->event_name);
	add_pair(&command, "runtime", news->runtime);
	add_pair(&command, "queued_at", time_text(inn_ulid_unix_ms(&news->run_id)));
	if (key == KEY_QUEUE)
		add_pair(&command, "attempt", psprintf("%d", news->attempt));
	send(&command, key, function);
}

/*
 * Have the consumer group exist, once in each announcement, as somebody may have removed it.  It begins
 * with the stream.  Returns the function's number.
 */
static int
ensure_group(const char *function)
{
	Command command = {0};

	for (int i = sent.nfunctions - 1; i >= 0; i--)
	{
		if (strcmp(sent.functions[i], function) == 0)
			return i;
	}
	Assert(sent.nfunctions < INN_ANNOUNCE_MAX_ITEMS);
	sent.functions[sent.nfunctions++] = MemoryContextStrdup(sent.context, function);

	add(&command, "XGROUP");
	add(&command, "CREATE");
	add(&command, make_key("queue:", function));
	add(&command, GROUP);
	add(&command, "0");
	add(&command, "MKSTREAM");
	send(&command, KEY_GROUP, sent.nfunctions - 1);
	return sent.nfunctions - 1;
}

void
inn_announce_status(const InnNews *news)
{
	Command command = {0};
	const char *key = make_key("run:", ulid_text(&news->run_id));

	sent.runs[sent.nitems - 1] = news->run_id;
	add(&command, "HSET");
	add(&command, key);
	add_pair(&command, "status", news->status);
	add_pair(&command, "function_id", news->function);
	add_pair(&command, "queued_at", time_text(inn_ulid_unix_ms(&news->run_id)));
	if (news->started_at != INN_NEVER)
		add_pair(&command, "started_at", time_text(inn_unix_ms(news->started_at)));
	if (news->ended_at != INN_NEVER)
		add_pair(&command, "ended_at", time_text(inn_unix_ms(news->ended_at)));
	send(&command, KEY_HASH, 0);

	if (news->ended_at != INN_NEVER)
	{
		command = (Command){0};
		add(&command, "EXPIRE");
		add(&command, key);
		add(&command, HASH_EXPIRY_S);
		send(&command, KEY_HASH, 0);
	}
}

void
inn_announce_question(const InnUlid *run_id)
{
	Command command = {0};

	sent.runs[sent.nitems - 1] = *run_id;
	add(&command, "EXISTS");
	add(&command, make_key("run:", ulid_text(run_id)));
	send(&command, KEY_HASH, 0);
}

void
inn_announce_who_are_you(void)
{
	Command command = {0};

	add(&command, "GET");
	add(&command, make_key("epoch", ""));
	send(&command, KEY_EPOCH, 0);

	command = (Command){0};
	add(&command, "INFO");
	add(&command, "server");
	send(&command, KEY_SERVER, 0);
}

void
inn_announce_epoch(const char *epoch)
{
	Command command = {0};

	add(&command, "SET");
	add(&command, make_key("epoch", ""));
	add(&command, epoch);
	send(&command, KEY_EPOCH, 0);
}

bool
inn_announce_judge(const InnReply *reply, char error[INN_ANNOUNCE_ERROR_SIZE])
{
	const Tag *tag;
	char *text;

	/* A reply to nothing: a server that refuses the connection says so unasked. */
	if (sent.nanswered == sent.nsent)
	{
		inn_redis_plain_text(reply->kind == INN_REPLY_ERROR ? reply->text : "an unexpected reply",
							 error, INN_ANNOUNCE_ERROR_SIZE);
		return false;
	}

	tag = &sent.tags[sent.nanswered];
	if (reply->kind != INN_REPLY_ERROR || tag->key == KEY_SERVER ||
		(tag->key == KEY_GROUP && strncmp(reply->text, "BUSYGROUP", 9) == 0))
	{
		sent.nanswered++;
		return true;
	}
	text = psprintf("%s: %s", key_of(tag), reply->text);
	inn_redis_plain_text(text, error, INN_ANNOUNCE_ERROR_SIZE);
	pfree(text);
	return false;
}

int
inn_announce_done(void)
{
	return sent.nanswered < sent.nsent ? sent.tags[sent.nanswered].item : sent.nitems;
}

int
inn_announce_unanswered(void)
{
	return sent.nsent - sent.nanswered;
}

static char *
key_of(const Tag *tag)
{
	switch ((Key) tag->key)
	{
		case KEY_RUNS:
			return make_key("runs", "");
		case KEY_GROUP:
		case KEY_QUEUE:
			return make_key("queue:", sent.functions[tag->function]);
		case KEY_HASH:
			return make_key("run:", ulid_text(&sent.runs[tag->item]));
		case KEY_EPOCH:
			return make_key("epoch", "");
		case KEY_SERVER:
			break;
	}
	return pstrdup("server");
}

static char *
make_key(const char *kind, const char *name)
{
	return psprintf("%s:%s%s", inn_redis_prefix, kind, name);
}

/* Redis speaks UTF-8, whatever this database does. */
static void
add(Command *command, const char *word)
{
	size_t length = strlen(word);
	char *utf8 = pg_server_to_any(word, (int) length, PG_UTF8);

	Assert(command->nwords < MAX_WORDS);
	command->words[command->nwords] = utf8;
	command->lengths[command->nwords] = utf8 == word ? length : strlen(utf8);
	command->nwords++;
}

static void
add_pair(Command *command, const char *field, const char *value)
{
	add(command, field);
	add(command, value);
}

static void
send(const Command *command, Key key, int function)
{
	Assert(sent.nsent < MAX_COMMANDS);
	sent.tags[sent.nsent++] = (Tag){
		.item = (uint16) Max(sent.nitems - 1, 0),
		.function = (uint16) function,
		.key = (uint8) key,
	};
	inn_redis_send(sent.redis, command->nwords, (const char **) command->words, command->lengths);
}

static const char *
ulid_text(const InnUlid *ulid)
{
	char *text = palloc(INN_ULID_TEXT_LEN + 1);

	inn_ulid_format(ulid, text);
	return text;
}

/* RFC 3339, UTC, milliseconds. */
static const char *
time_text(int64 unix_ms)
{
	const int64 ms_per_day = INT64CONST(24) * 3600 * 1000;
	int64 days = unix_ms / ms_per_day;
	int ms;
	int year, month, day;

	if (unix_ms % ms_per_day < 0)
		days--;
	ms = (int) (unix_ms - days * ms_per_day);
	j2date((int) (days + UNIX_EPOCH_JDATE), &year, &month, &day);
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day, ms / 3600000,
					ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}
