/*-------------------------------------------------------------------------
 *
 * tide.h
 *	  Low-water marks: where a reader of an ordered table has to begin.
 *
 * A table from which a worker takes rows in the order of a position fills, under an old snapshot, with index entries
 * that lead to dead rows.  A reader that remembers how far it has come need not walk over them; but a
 * transaction that commits late brings rows from before.  So every transaction says, when it commits, what the lowest
 * position is that it has brought, and the reader begins there if that is lower than where it was.
 *
 * Nothing is missed: the mark is lowered after the rows have become visible and before the reader is woken, and the reader
 * takes the mark before it takes its snapshot.  Marks live in shared memory; after a restart they are at the bottom.
 *
 * IDENTIFICATION
 *	  src/base/tide.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TIDE_H
#define INN_TIDE_H

/* X(enum name): what is read in order, and by whom */
#define INN_TIDE_TABLE(X) \
	X(JOBS)		  /* inngest.jobs that are ready, by position: each executor */ \
	X(TIMERS)	  /* inngest.jobs that wait for a time, by that: the scheduler */ \
	X(EXPIRIES)	  /* inngest.pauses, by when they expire: the scheduler */ \
	X(DELIVERIES) /* inngest.deliveries, by position: the scheduler */ \
	X(FUNCTIONS)  /* inngest.functions that have changed, in no order: each executor */ \
	X(LIMITS)	  /* inngest.functions that have changed, in no order: the scheduler */ \
	X(SYNCS)	  /* inngest.syncs and apps with an error, in no order: the first executor */

typedef enum InnTide
{
#define INN_TIDE_DECLARE(name) INN_TIDE_##name,
	INN_TIDE_TABLE(INN_TIDE_DECLARE)
#undef INN_TIDE_DECLARE
	INN_TIDE_COUNT
} InnTide;

extern Size inn_tide_shmem_size(void);
extern void inn_tide_shmem_init(void);

/* This transaction brings a row at a position: published when it commits, forgotten when it aborts. */
extern void inn_tide_note(InnTide tide, int64 position);

/* Anything may have been brought, as far as this transaction knows: COMMIT PREPARED. */
extern void inn_tide_note_all(void);

/*
 * Publish what this transaction has noted, now, and free what it has claimed.  For transaction callbacks at XACT_EVENT_COMMIT that wake a reader:
 * the order in which callbacks run is nobody's business but theirs.
 */
extern void inn_tide_publish(void);

/*
 * The lowest position that was published since this reader (a worker's index in its role) asked last;
 * PG_INT64_MAX if there was none, PG_INT64_MIN when it asks for the first time since the server has started.
 */
extern int64 inn_tide_take(InnTide tide, int reader);

#endif /* INN_TIDE_H */
