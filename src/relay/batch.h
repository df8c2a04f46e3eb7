/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  What the outbox holds, as announcements of limited size.
 *
 * One batch at a time: told, then settled.  Each is a short transaction; between them none is open.
 *
 * IDENTIFICATION
 *	  src/relay/batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BATCH_H
#define INN_BATCH_H

#include "base/timer.h"

/* Rows of a full batch. */
#define INN_BATCH_ROWS 1000

/* Once, with the worker's memory context current. */
extern void inn_batch_init(void);

/* Read the next rows and put them into the announcement that has begun; returns their number. */
extern int inn_batch_tell(void);

/*
 * Redis has acknowledged the first so many rows of the batch: remove them.  The others, if any, are
 * read again.
 */
extern void inn_batch_settle(int ndone);

/* When to look again if the last batch was empty and nobody wakes us: a delayed row is due. */
extern TimestampTz inn_batch_next(void);

/* After an error: read everything from the beginning. */
extern void inn_batch_start_over(void);

#endif /* INN_BATCH_H */
