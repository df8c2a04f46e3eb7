/*-------------------------------------------------------------------------
 *
 * batches.h
 *	  Events that are gathered for one run: tables inngest.batches and batch_events.
 *
 * A batch is open until its run is created; then its row in inngest.batches goes, and the run has its id.  Which events it has
 * is kept until its run has ended and inngest.run_retention has passed since the first came; the events, as all others are.
 *
 * Only the scheduler writes, so what is read stays what it is until it is written.
 *
 * IDENTIFICATION
 *	  src/store/batches.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BATCHES_H
#define INN_BATCHES_H

#include "store/events.h"
#include "store/limits.h"

/* One that is open. */
typedef struct InnBatch
{
	InnLimitKey key;
	InnUlid id;
	int nevents;
	int64 bytes; /* of its events */
	TimestampTz fire_at;
} InnBatch;

/* The open batch of a key; false if there is none. */
extern bool inn_batches_read(const InnLimitKey *key, InnBatch *batch);

/* Write it, instead of one with the same key. */
extern void inn_batches_put(const InnBatch *batch);
extern void inn_batches_close(const InnLimitKey *key);

/* Close up to max whose time has come, earliest first; and when the next one's is, INN_NEVER if there is none. */
extern int inn_batches_take(TimestampTz now, int max, InnBatch *batches);
extern TimestampTz inn_batches_next(void);

/* One more event, which was not counted yet, of so many bytes. */
extern void inn_batches_add_event(const InnBatch *batch, const InnUlid *event_id, int bytes);

/* How many bytes its events have; false if one of them, or all, are not kept any more. */
extern bool inn_batches_size(const InnUlid *id, size_t *bytes);

/*
 * The events of a batch in their order, palloc'ed.  False if one of them, or all, are not kept any more.  max: no more than so many
 * from the first on; 0: all.
 */
extern bool inn_batches_events(const InnUlid *id, int max, InnEvent **events, int *nevents);

#endif /* INN_BATCHES_H */
