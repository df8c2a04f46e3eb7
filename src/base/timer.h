/*-------------------------------------------------------------------------
 *
 * timer.h
 *	  The only clock, and the only place where anybody sleeps.
 *
 * Everything that happens "at" or "not before" a time asks inn_now(); every worker waits in
 * inn_wait(), until a deadline and no longer.
 *
 * IDENTIFICATION
 *	  src/base/timer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TIMER_H
#define INN_TIMER_H

#include "datatype/timestamp.h"

/* A deadline that never comes. */
#define INN_NEVER DT_NOEND

/* Wall-clock time, microsecond precision.  Test builds can set it (base/testing.h). */
extern TimestampTz inn_now(void);

/*
 * The time that nobody can set, and when a moment of it is by inn_now(): for how long a peer may take, as the other
 * side and libraries keep time themselves, and for what peers compare with their own clocks.
 */
extern TimestampTz inn_now_real(void);
extern TimestampTz inn_from_real(TimestampTz when);

/* Conversion to and from the milliseconds since 1970 that ULIDs and the wire use. */
extern int64 inn_unix_ms(TimestampTz when);
extern TimestampTz inn_from_unix_ms(int64 unix_ms);

/* The nearer of two deadlines. */
static inline TimestampTz
inn_sooner(TimestampTz a, TimestampTz b)
{
	return a < b ? a : b;
}

/* One more socket to wait for beside the latch; fd < 0 means none. */
typedef struct InnWaitSocket
{
	int fd;
	bool for_write; /* wake when writable, too; reading is always watched */
} InnWaitSocket;

/*
 * Sleep until our latch is set, the socket is ready or `until` is reached, whichever comes first.
 *
 * Resets the latch, serves interrupts (so it may not return), and reloads the configuration after
 * SIGHUP.  Returns true if the configuration was reloaded.  Must not be called in a transaction.
 */
extern bool inn_wait(InnWaitSocket socket, TimestampTz until);

/* Sleep a little inside a transaction, for something that will not take long; serves interrupts. */
extern void inn_nap(int64 usec);

/* The watched socket is about to be closed: its number may come back as another's. */
extern void inn_wait_forget_socket(void);

/* Set by the launcher or the server: finish, quietly, when convenient. */
extern bool inn_should_stop(void);

#endif /* INN_TIMER_H */
