/*-------------------------------------------------------------------------
 *
 * relay.h
 *	  The worker that tells Redis what happened.
 *
 * IDENTIFICATION
 *	  src/relay/relay.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_RELAY_H
#define INN_RELAY_H

#include "base/timer.h"
#include "relay/redis.h"

typedef struct InnRelayStatus
{
	bool is_connected;				  /* and Redis accepted what it was told last */
	char error[INN_REDIS_ERROR_SIZE]; /* why not; empty if connected */
	TimestampTz since;				  /* of the last change of is_connected */
	uint64 pushed_total;			  /* items told, since the server's start */
	uint64 failures_total;			  /* connections lost or not got, since the server's start */
} InnRelayStatus;

/* Once, in the worker, with the worker's memory context current. */
extern void inn_relay_init(void);

/* What to wait for beside the latch. */
extern InnWaitSocket inn_relay_socket(void);

/*
 * Do all that can be done now without waiting; the current memory context is for the tick only.  Returns
 * when to be called again at the latest.
 */
extern TimestampTz inn_relay_tick(void);

/* After an ERROR in a tick: drop the connection and what was on its way; it will be told again. */
extern void inn_relay_recover(void);

/* Need we not hear of commits, because we look into the outbox anyway when we go on? */
extern bool inn_relay_is_deaf(void);

extern Size inn_relay_shmem_size(void);
extern void inn_relay_shmem_init(void);

/* How it goes, from any process; false without shared memory. */
extern bool inn_relay_status(InnRelayStatus *out);

#endif /* INN_RELAY_H */
