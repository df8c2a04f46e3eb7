/*-------------------------------------------------------------------------
 *
 * announce.h
 *	  What Redis is told about a run, as commands, and what its replies mean.
 *
 * An announcement is a series of items (rows of the outbox, say), each of which takes a number of
 * commands, in order.  An item is done when all its commands have been answered without an error.
 *
 * IDENTIFICATION
 *	  src/relay/announce.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ANNOUNCE_H
#define INN_ANNOUNCE_H

#include "relay/redis.h"
#include "store/outbox.h"

/* Most items of one announcement. */
#define INN_ANNOUNCE_MAX_ITEMS 1000

/* room for a reason: a key that may be long, and what Redis says about it */
#define INN_ANNOUNCE_ERROR_SIZE INN_REDIS_ERROR_SIZE

/* Once, with the worker's memory context current. */
extern void inn_announce_init(void);

/* Begin an announcement; the one before is over. */
extern void inn_announce_begin(InnRedis *redis);

/* The next item: void, or any number of the commands below. */
extern void inn_announce_item(void);

/* A new run: an entry in P:runs, the hash, and if news->attempt >= 0 its entry in the queue. */
extern void inn_announce_run(const InnNews *news);

/* Attempt news->attempt is ready: an entry in P:queue:<function>. */
extern void inn_announce_attempt(const InnNews *news);

/* How the run stands: the hash P:run:<id>. */
extern void inn_announce_status(const InnNews *news);

/* Ask whether Redis knows the run: the reply is 1 or 0. */
extern void inn_announce_question(const InnUlid *run_id);

/* P:epoch: ask for it together with the server's own idea of who it is (two replies), and set it. */
extern void inn_announce_who_are_you(void);
extern void inn_announce_epoch(const char *epoch);

/*
 * Judge the next reply.  False for an error that matters; *error then says which key it is about.
 */
extern bool inn_announce_judge(const InnReply *reply, char error[INN_ANNOUNCE_ERROR_SIZE]);

/* Items that are done; commands that are not answered yet. */
extern int inn_announce_done(void);
extern int inn_announce_unanswered(void);

#endif /* INN_ANNOUNCE_H */
