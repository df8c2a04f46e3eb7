/*-------------------------------------------------------------------------
 *
 * redo.c
 *	  Trying the pieces of a batch that has failed one by one.
 *
 * IDENTIFICATION
 *	  src/base/redo.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/redo.h"
#include "base/timer.h"

static void put_off(InnRedo *redo, int64 piece);
static InnPutOff *find(InnRedo *redo, int64 piece);
static InnPutOff *room(InnRedo *redo);

bool
inn_redo_begin(InnRedo *redo, int max, int *size, int64 *failed)
{
	bool has_failed_alone = redo->ntried == 1;

	if (has_failed_alone)
	{
		*failed = redo->first;
		put_off(redo, redo->first);
	}
	else if (redo->ntried > 1)
		redo->ncareful = redo->ntried;
	redo->ntried = 0;
	*size = redo->ncareful > 0 ? 1 : max;
	return has_failed_alone;
}

static void
put_off(InnRedo *redo, int64 piece)
{
	InnPutOff *entry = find(redo, piece);

	if (entry == NULL)
	{
		entry = room(redo);
		*entry = (InnPutOff){.piece = piece};
	}
	entry->delay_usec =
		Min(Max(2 * entry->delay_usec, INN_REDO_DELAY_MIN_USEC), INN_REDO_DELAY_MAX_USEC);
	entry->retry_at = inn_now() + entry->delay_usec;
	redo->ncareful = Max(redo->ncareful - 1, 0);
}

static InnPutOff *
find(InnRedo *redo, int64 piece)
{
	for (int i = 0; i < redo->nput_off; i++)
	{
		if (redo->put_off[i].piece == piece)
			return &redo->put_off[i];
	}
	return NULL;
}

/* A free entry, or one that is not needed any more, or that of who is next. */
static InnPutOff *
room(InnRedo *redo)
{
	InnPutOff *next = &redo->put_off[0];

	if (redo->nput_off < INN_REDO_MAX)
		return &redo->put_off[redo->nput_off++];
	for (int i = 0; i < INN_REDO_MAX; i++)
	{
		if (redo->put_off[i].retry_at == INN_NEVER)
			return &redo->put_off[i];
		if (redo->put_off[i].retry_at < next->retry_at)
			next = &redo->put_off[i];
	}
	return next;
}

bool
inn_redo_try(InnRedo *redo, int64 piece)
{
	InnPutOff *entry = find(redo, piece);

	if (entry != NULL && entry->retry_at != INN_NEVER)
		return false;
	if (redo->ntried++ == 0)
		redo->first = piece;
	return true;
}

bool
inn_redo_has_failed(InnRedo *redo, int64 piece)
{
	return find(redo, piece) != NULL;
}

void
inn_redo_done(InnRedo *redo)
{
	redo->ncareful = Max(redo->ncareful - redo->ntried, 0);
	redo->ntried = 0;
}

TimestampTz
inn_redo_next(const InnRedo *redo)
{
	TimestampTz next = INN_NEVER;

	for (int i = 0; i < redo->nput_off; i++)
		next = inn_sooner(next, redo->put_off[i].retry_at);
	return next;
}

int64
inn_redo_again(InnRedo *redo, TimestampTz now)
{
	int64 lowest = PG_INT64_MAX;

	for (int i = 0; i < redo->nput_off; i++)
	{
		if (redo->put_off[i].retry_at > now)
			continue;
		redo->put_off[i].retry_at = INN_NEVER;
		lowest = Min(lowest, redo->put_off[i].piece);
	}
	return lowest;
}
