/*-------------------------------------------------------------------------
 *
 * awaited.h
 *	  Event names that some pause may be waiting for, and the paths at which pauses are found.
 *
 * A hint in shared memory, so that senders wake the scheduler only for events that may concern a waiting run.  It errs on one
 * side: a name that is awaited is always in it, once the scheduler has been started; others may be.
 *
 * IDENTIFICATION
 *	  src/store/awaited.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_AWAITED_H
#define INN_AWAITED_H

extern Size inn_awaited_shmem_size(void);
extern void inn_awaited_shmem_init(void);

/* A pause for this event is about to exist, with this path or with none (NULL). */
extern void inn_awaited_note(const char *event_name, const char *path);

/*
 * The paths that pauses for this event have, and perhaps others: palloc'ed, *count is set.  NULL: there are too many to be kept.
 */
extern char **inn_awaited_paths(const char *event_name, int *count);

/* For inn_awaited_test_hash(), which may be called where nothing may fail. */
extern uint32 inn_awaited_hash(const char *event_name);
extern bool inn_awaited_test_hash(uint32 hash);

#endif /* INN_AWAITED_H */
