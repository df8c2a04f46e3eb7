/*-------------------------------------------------------------------------
 *
 * redis.h
 *	  One connection to Redis that never waits.
 *
 * Commands are sent in order and replies taken in the same order, as many at a time as one likes.
 * Nothing here raises an error: a connection that fails is INN_REDIS_BROKEN and says why, in a short
 * sentence of plain ASCII that holds neither the password nor anything that Redis echoes of it.
 *
 * The one call that may take long is inn_redis_open() with the name of a host: the resolver of the
 * system is asked, and waited for.
 *
 * IDENTIFICATION
 *	  src/relay/redis.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_REDIS_H
#define INN_REDIS_H

#include "base/timer.h"
#include "base/url.h"

/* Silence of a server that owes us a reply (or a connection) ends after so long. */
#define INN_REDIS_PATIENCE_MS 5000

/* room for inn_redis_error(), with its NUL */
#define INN_REDIS_ERROR_SIZE 160

typedef struct InnRedis InnRedis;

typedef enum InnRedisState
{
	INN_REDIS_CONNECTING, /* connecting or logging in: send nothing yet */
	INN_REDIS_READY,
	INN_REDIS_BROKEN /* for good: close it */
} InnRedisState;

typedef enum InnReplyKind
{
	INN_REPLY_OTHER, /* nil, list */
	INN_REPLY_INTEGER,
	INN_REPLY_TEXT,
	INN_REPLY_ERROR
} InnReplyKind;

typedef struct InnReply
{
	InnReplyKind kind;
	int64 integer;
	const char
		*text; /* TEXT and ERROR: NUL-terminated, gone with the next call on the connection */
} InnReply;

/* Begin to connect.  The result, which may be broken already, belongs to the caller; NULL: out of memory. */
extern InnRedis *inn_redis_open(const InnRedisUrl *url);

/* Close and forget it; NULL is fine. */
extern void inn_redis_close(InnRedis *redis);

/* Do what can be done now: go on connecting, write, read, notice that patience has ended. */
extern InnRedisState inn_redis_turn(InnRedis *redis);

/* What to wait for until the next turn, and for how long. */
extern InnWaitSocket inn_redis_socket(const InnRedis *redis);
extern TimestampTz inn_redis_deadline(const InnRedis *redis);

/* Send a command, soon: whatever does not leave now leaves in the next turn.  Void if broken. */
extern void inn_redis_send(InnRedis *redis, int argc, const char **argv, const size_t *lengths);

/* Take the next reply of those that have come; false if there is none, or the connection broke. */
extern bool inn_redis_reply(InnRedis *redis, InnReply *reply);

extern InnRedisState inn_redis_state(const InnRedis *redis);

/* Why it is broken. */
extern const char *inn_redis_error(const InnRedis *redis);

/* Broken because the other side hung up while we wanted nothing: a restart, or its idle timeout. */
extern bool inn_redis_was_hung_up(const InnRedis *redis);

/* Copy text cut to size bytes, with anything but printable ASCII replaced. */
extern void inn_redis_plain_text(const char *text, char *out, size_t size);

#endif /* INN_REDIS_H */
