/*-------------------------------------------------------------------------
 *
 * ping.h
 *	  Asking apps for their functions (protocol.md 5.1, 5.2).
 *
 * For one executor, the first.  Its turn, beside that of its other calls:
 *
 *		if (inn_ping_due() <= now)
 *			... a transaction: inn_ping_begin();
 *		while ((reply = inn_client_next()) != NULL)
 *			... if its cookie is of the kind INN_COOKIE_SYNC, a transaction: inn_ping_settle(reply);
 *		... sleep until inn_ping_due(), too
 *
 * IDENTIFICATION
 *	  src/execute/ping.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_PING_H
#define INN_PING_H

#include "base/timer.h"
#include "execute/client.h"

/* Most apps that are asked at the same time, and how long one may take to answer. */
#define INN_MAX_PINGS 8
#define INN_PING_TIMEOUT_MS 10000

/* Most apps with an error that are asked again by themselves in a round. */
#define INN_MAX_POLLED_APPS 1000

/*
 * When to call inn_ping_begin(): in the past for now, INN_NEVER if there is nothing to ask.  Costs next to nothing, and no
 * query.
 */
extern TimestampTz inn_ping_due(void);

/* Start what is due, as far as there is room.  In a transaction, after inn_keys_refresh(). */
extern void inn_ping_begin(void);

/* Write down what became of it, or register what it says.  In a transaction; the reply stays the caller's. */
extern void inn_ping_settle(const InnClientReply *reply);

/* The client was closed: what was under way will be asked again. */
extern void inn_ping_forget(void);

#endif /* INN_PING_H */
