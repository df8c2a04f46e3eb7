/*-------------------------------------------------------------------------
 *
 * redis.c
 *	  The only file that knows hiredis.
 *
 * A connection goes through three states, forward only:
 *
 *		CONNECTING	-> READY	[shake_hands]
 *		any			-> BROKEN	[break_off]
 *
 * While CONNECTING the socket becomes writable, then AUTH and SELECT are sent, if the URL asks for
 * them, and answered.  hiredis is used without its callbacks and without blocking: it formats commands
 * into its buffer, parses replies out of another, and reads and writes what the kernel takes.
 *
 * Invariants:
 *
 *	(1) Everything malloc'ed belongs to the InnRedis and goes with inn_redis_close(); no function
 *		here may raise an error, so nothing can be left half made.
 *	(2) outstanding counts commands sent whose reply has not been taken.  While it is not zero, bytes
 *		wait to be written, or we are CONNECTING, there is a deadline, moved by progress only.
 *	(3) Written bytes leave the buffer early (FLUSH_BYTES), and what waits to be parsed is limited
 *		(MAX_UNREAD_BYTES): a pipeline of any length needs little memory.
 *
 * IDENTIFICATION
 *	  src/relay/redis.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include "relay/redis.h"

#define FLUSH_BYTES (32 * 1024)
#define READ_BYTES (16 * 1024) /* what redisBufferRead() reads at most */
#define MAX_READS 64		   /* in one turn */
#define MAX_UNREAD_BYTES (1024 * 1024)

struct InnRedis
{
	redisContext *context; /* NULL only if it could not be made */
	redisReply *reply;	   /* the last one taken; may be NULL */
	InnRedisState state;
	bool is_connected;	 /* the socket is; still CONNECTING until hands are shaken */
	bool was_hung_up;	 /* valid if BROKEN */
	bool has_unsent;	 /* bytes wait in context->obuf */
	size_t unsent_bytes; /* at least so many were appended since the last flush */
	int outstanding;
	TimestampTz progress_at; /* valid while there is a deadline */
	char error[INN_REDIS_ERROR_SIZE];
	InnRedisUrl url;
};

static bool finish_connecting(InnRedis *redis);
static void greet(InnRedis *redis);
static void shake_hands(InnRedis *redis);
static void flush(InnRedis *redis);
static void receive(InnRedis *redis);
static bool is_owed(const InnRedis *redis);
static void break_off_by_context(InnRedis *redis);
static void break_off(InnRedis *redis, const char *reason);

InnRedis *
inn_redis_open(const InnRedisUrl *url)
{
	InnRedis *redis = calloc(1, sizeof(InnRedis));

	if (redis == NULL)
		return NULL;
	redis->url = *url;
	redis->progress_at = inn_now_real();
	redis->context = url->is_unix ? redisConnectUnixNonBlock(url->host)
								  : redisConnectNonBlock(url->host, url->port);
	if (redis->context == NULL)
		break_off(redis, "out of memory");
	else if (redis->context->err != 0)
		break_off_by_context(redis);
	return redis;
}

void
inn_redis_close(InnRedis *redis)
{
	if (redis == NULL)
		return;
	inn_wait_forget_socket();
	if (redis->reply != NULL)
		freeReplyObject(redis->reply);
	if (redis->context != NULL)
		redisFree(redis->context);
	explicit_bzero(&redis->url, sizeof(redis->url));
	free(redis);
}

InnRedisState
inn_redis_turn(InnRedis *redis)
{
	bool owed = is_owed(redis);

	if (redis->state == INN_REDIS_BROKEN)
		return redis->state;
	if (!redis->is_connected && finish_connecting(redis))
		greet(redis);
	if (redis->is_connected)
	{
		flush(redis);
		receive(redis);
		if (redis->state == INN_REDIS_CONNECTING)
			shake_hands(redis);
	}
	if (redis->state != INN_REDIS_BROKEN && owed && is_owed(redis) &&
		inn_now() >= inn_redis_deadline(redis))
		break_off(redis, redis->is_connected ? "no reply for 5 seconds"
											 : "no connection within 5 seconds");
	return redis->state;
}

/* Has connect() come to its end? */
static bool
finish_connecting(InnRedis *redis)
{
	struct pollfd socket = {.fd = redis->context->fd, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);

	if (poll(&socket, 1, 0) <= 0)
		return false;
	if (getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0)
	{
		break_off(redis, strerror(error));
		return false;
	}
	redis->is_connected = true;
	redis->progress_at = inn_now_real();

	/* A server that vanishes while nothing is to be said is noticed all the same. */
	if (!redis->url.is_unix)
		(void) redisEnableKeepAlive(redis->context);
	return true;
}

/* Send what has to come before anything else. */
static void
greet(InnRedis *redis)
{
	const InnRedisUrl *url = &redis->url;
	char number[12];

	if (url->has_password && url->user[0] != '\0')
		inn_redis_send(redis, 3, (const char *[]){"AUTH", url->user, url->password}, NULL);
	else if (url->has_password)
		inn_redis_send(redis, 2, (const char *[]){"AUTH", url->password}, NULL);
	if (url->database != 0)
	{
		snprintf(number, sizeof(number), "%d", url->database);
		inn_redis_send(redis, 2, (const char *[]){"SELECT", number}, NULL);
	}
}

/*
 * Take the replies to greet(); READY when all have come.
 *
 * Of an error only its code is told: a server that does not know AUTH quotes what it was given.
 */
static void
shake_hands(InnRedis *redis)
{
	bool is_login = redis->url.has_password && redis->outstanding == 1 + (redis->url.database != 0);
	InnReply reply;

	while (inn_redis_reply(redis, &reply))
	{
		char code[32];
		char reason[INN_REDIS_ERROR_SIZE];

		if (reply.kind == INN_REPLY_ERROR)
		{
			inn_redis_plain_text(reply.text, code, Min(sizeof(code), strcspn(reply.text, " ") + 1));
			if (is_login)
				snprintf(reason, sizeof(reason), "authentication failed (%s)", code);
			else
				snprintf(reason, sizeof(reason), "database %d cannot be selected (%s)",
						 redis->url.database, code);
			break_off(redis, reason);
			return;
		}
		is_login = false;
	}
	if (redis->state == INN_REDIS_CONNECTING && redis->outstanding == 0)
		redis->state = INN_REDIS_READY;
}

InnWaitSocket
inn_redis_socket(const InnRedis *redis)
{
	if (redis->state == INN_REDIS_BROKEN)
		return (InnWaitSocket){.fd = -1};
	return (InnWaitSocket){
		.fd = redis->context->fd,
		.for_write = !redis->is_connected || redis->has_unsent,
	};
}

TimestampTz
inn_redis_deadline(const InnRedis *redis)
{
	if (!is_owed(redis))
		return INN_NEVER;
	return inn_from_real(redis->progress_at + (TimestampTz) INN_REDIS_PATIENCE_MS * 1000);
}

/* Are we waiting for the other side? */
static bool
is_owed(const InnRedis *redis)
{
	return redis->state == INN_REDIS_CONNECTING ||
		   (redis->state == INN_REDIS_READY && (redis->outstanding > 0 || redis->has_unsent));
}

void
inn_redis_send(InnRedis *redis, int argc, const char **argv, const size_t *lengths)
{
	if (redis->state == INN_REDIS_BROKEN)
		return;
	if (redisAppendCommandArgv(redis->context, argc, argv, lengths) != REDIS_OK)
	{
		break_off_by_context(redis);
		return;
	}
	if (redis->outstanding++ == 0)
		redis->progress_at = inn_now_real();
	redis->has_unsent = true;
	for (int i = 0; i < argc; i++)
		redis->unsent_bytes += lengths != NULL ? lengths[i] : strlen(argv[i]);
	if (redis->unsent_bytes >= FLUSH_BYTES)
		flush(redis);
}

/* Write what the kernel takes. */
static void
flush(InnRedis *redis)
{
	int is_done = 1;

	if (redis->state == INN_REDIS_BROKEN || !redis->has_unsent)
		return;
	redis->unsent_bytes = 0;
	if (redisBufferWrite(redis->context, &is_done) != REDIS_OK)
	{
		break_off_by_context(redis);
		return;
	}
	if (is_done)
	{
		redis->has_unsent = false;
		redis->progress_at = inn_now_real();
	}
}

/* Read what has come, but not more at once than we are willing to keep. */
static void
receive(InnRedis *redis)
{
	for (int i = 0; i < MAX_READS && redis->state != INN_REDIS_BROKEN; i++)
	{
		redisReader *reader = redis->context->reader;
		size_t before = reader->len - reader->pos;
		size_t after;

		if (redisBufferRead(redis->context) != REDIS_OK)
		{
			break_off_by_context(redis);
			return;
		}
		after = reader->len - reader->pos;
		if (after > MAX_UNREAD_BYTES)
			break_off(redis, "a reply is too large");
		if (after < before + READ_BYTES)
			return;
	}
}

bool
inn_redis_reply(InnRedis *redis, InnReply *reply)
{
	void *taken = NULL;

	if (redis->reply != NULL)
		freeReplyObject(redis->reply);
	redis->reply = NULL;

	/* What was read before the connection broke still counts. */
	if (redis->context == NULL || redis->context->reader->err != 0)
		return false;
	if (redisReaderGetReply(redis->context->reader, &taken) != REDIS_OK)
	{
		break_off(redis, "its replies cannot be understood");
		return false;
	}
	if (taken == NULL)
		return false;

	redis->reply = taken;
	redis->progress_at = inn_now_real();
	if (redis->outstanding > 0)
		redis->outstanding--;
	*reply = (InnReply){.kind = INN_REPLY_OTHER, .text = ""};
	switch (redis->reply->type)
	{
		case REDIS_REPLY_INTEGER:
			reply->kind = INN_REPLY_INTEGER;
			reply->integer = redis->reply->integer;
			break;
		case REDIS_REPLY_STRING:
		case REDIS_REPLY_STATUS:
			reply->kind = INN_REPLY_TEXT;
			reply->text = redis->reply->str;
			break;
		case REDIS_REPLY_ERROR:
			reply->kind = INN_REPLY_ERROR;
			reply->text = redis->reply->str;
			break;
	}
	return true;
}

InnRedisState
inn_redis_state(const InnRedis *redis)
{
	return redis->state;
}

const char *
inn_redis_error(const InnRedis *redis)
{
	return redis->error;
}

bool
inn_redis_was_hung_up(const InnRedis *redis)
{
	return redis->was_hung_up;
}

/* hiredis has noted what went wrong. */
static void
break_off_by_context(InnRedis *redis)
{
	int error = redis->context->err;

	if (error == REDIS_ERR_EOF)
		break_off(redis, "the server closed the connection");
	else
		break_off(redis, redis->context->errstr);
	redis->was_hung_up = redis->outstanding == 0 &&
						 (error == REDIS_ERR_EOF || error == REDIS_ERR_IO);
}

static void
break_off(InnRedis *redis, const char *reason)
{
	redis->was_hung_up = false;
	redis->state = INN_REDIS_BROKEN;
	inn_redis_plain_text(reason, redis->error, sizeof(redis->error));
}

void
inn_redis_plain_text(const char *text, char *out, size_t size)
{
	size_t length = 0;

	for (; text[length] != '\0' && length + 1 < size; length++)
		out[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
	out[length] = '\0';
}
