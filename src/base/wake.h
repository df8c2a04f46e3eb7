/*-------------------------------------------------------------------------
 *
 * wake.h
 *	  Who works in this cluster, and how to wake them.
 *
 * The roster lives in shared memory.  A backend that commits work for a worker wakes it once, after
 * the commit, by its latch; nothing is sent when the transaction rolls back.  Where the library was not
 * preloaded there is no roster, and waking does nothing.
 *
 * IDENTIFICATION
 *	  src/base/wake.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_WAKE_H
#define INN_WAKE_H

#include "datatype/timestamp.h"

/* X(enum name, name in pg_stat_activity and the log) */
#define INN_ROLE_TABLE(X) \
	X(LAUNCHER, "launcher") \
	X(SCHEDULER, "scheduler") \
	X(HTTP, "http") \
	X(API, "api") \
	X(EXECUTOR, "executor") \
	X(RELAY, "relay")

typedef enum InnRole
{
#define INN_ROLE_DECLARE(name, text) INN_ROLE_##name,
	INN_ROLE_TABLE(INN_ROLE_DECLARE)
#undef INN_ROLE_DECLARE
	INN_ROLE_COUNT
} InnRole;

/* Most workers of one role. */
#define INN_MAX_WORKERS_PER_ROLE 16

extern const char *inn_role_name(InnRole role);

extern Size inn_wake_shmem_size(void);
extern void inn_wake_shmem_init(void);

/* Enter this process into the roster, until it exits.  index < INN_MAX_WORKERS_PER_ROLE. */
extern void inn_wake_enlist(InnRole role, int index);

/* Wake all workers of a role now. */
extern void inn_wake(InnRole role);

/*
 * Wake all workers of a role when the current transaction commits.  With a time, only those that
 * would otherwise sleep beyond it (see inn_wake_sleeping_until).
 */
extern void inn_wake_at_commit(InnRole role);
extern void inn_wake_at_commit_for(InnRole role, TimestampTz due_at);

/* Tell the roster how long this worker means to sleep. Call before looking for work, with INN_NEVER. */
extern void inn_wake_sleeping_until(TimestampTz until);

/*
 * The database that the workers serve: InvalidOid until the launcher has found the extension there.
 */
extern Oid inn_wake_database(void);
extern void inn_wake_set_database(Oid database);

/* How often this worker was woken because of a commit. */
extern uint64 inn_wake_received(void);

/* Are there workers of this role in the roster? */
extern int inn_wake_count(InnRole role);

#endif /* INN_WAKE_H */
