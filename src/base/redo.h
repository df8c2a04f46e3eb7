/*-------------------------------------------------------------------------
 *
 * redo.h
 *	  What to do after a batch of work has failed: redo it one by one, so that one bad piece fails alone.
 *
 * A worker that takes work in batches, each in a transaction, says here what it is about to try and when that was done.  When it comes
 * again without having been done, the batch has failed: its pieces are tried alone for a while.  One that has failed alone is put
 * off, for longer each time, and does not keep the others.
 *
 * Pieces are known by a number of the worker's.  All this is memory of the process, and forgotten with it.
 *
 * IDENTIFICATION
 *	  src/base/redo.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_REDO_H
#define INN_REDO_H

#include "datatype/timestamp.h"

/* Pieces that are remembered as put off; when there are more, the one that has waited for longest is tried again. */
#define INN_REDO_MAX 256

#define INN_REDO_DELAY_MIN_USEC USECS_PER_SEC
#define INN_REDO_DELAY_MAX_USEC (INT64CONST(10) * USECS_PER_MINUTE)

typedef struct InnPutOff
{
	int64 piece;
	TimestampTz
		retry_at; /* INN_NEVER: it may be tried; if it fails again, for longer than before */
	int64 delay_usec;
} InnPutOff;

/* All zeroes at first. */
typedef struct InnRedo
{
	int ntried;	  /* pieces of the batch that has been begun and not done */
	int64 first;  /* of them */
	int ncareful; /* how many more to try alone */
	int nput_off;
	InnPutOff put_off[INN_REDO_MAX];
} InnRedo;

/*
 * Begin a batch: how many pieces to try, max or one.  True if the last one has failed with a single piece, which is then
 * *failed and has been put off.
 */
extern bool inn_redo_begin(InnRedo *redo, int max, int *size, int64 *failed);

/* About to try a piece.  False: not now, it is put off. */
extern bool inn_redo_try(InnRedo *redo, int64 piece);

/* Has a piece failed alone, as far as is remembered? */
extern bool inn_redo_has_failed(InnRedo *redo, int64 piece);

/* What was tried has been committed. */
extern void inn_redo_done(InnRedo *redo);

/* When the first piece that is put off may be tried again; INN_NEVER if there is none. */
extern TimestampTz inn_redo_next(const InnRedo *redo);

/* Pieces that were put off until now may be tried: their lowest number; PG_INT64_MAX if there are none. */
extern int64 inn_redo_again(InnRedo *redo, TimestampTz now);

#endif /* INN_REDO_H */
