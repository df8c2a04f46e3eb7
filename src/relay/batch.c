/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  From the outbox to Redis, a batch at a time.
 *
 * A batch is made of delayed rows whose time has come, then of rows in the order of their transactions.
 *
 * Invariants:
 *
 *	(1) A row is removed only after Redis acknowledged all its commands: at least once.
 *	(2) Rows are told in the order in which they were read, and none behind one that failed is removed.
 *	(3) The mark (store/outbox.h) moves when a whole batch has been removed, so rows of a batch that
 *		failed are read again.
 *
 * A crash leaves rows that Redis may have been told: they are told again.
 *
 * IDENTIFICATION
 *	  src/relay/batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "relay/announce.h"
#include "relay/batch.h"
#include "relay/status.h"

/* Looking for delayed rows may take this share of our time when it is slow. */
#define SLOW_LOOK_USEC 2000
#define LOOK_PAUSE_FACTOR 10

StaticAssertDecl(INN_BATCH_ROWS <= INN_ANNOUNCE_MAX_ITEMS, "a batch is one announcement");

static struct
{
	MemoryContext context;
	InnOutboxMark mark; /* read on from here */
	InnOutboxMark next; /* and from here when the batch is settled */
	InnOutboxRow *rows; /* of their news nothing is valid after telling */
	int nrows;
	TimestampTz look_at; /* do not look for delayed rows before */
	TimestampTz wake_at;
} batch;

static int read_rows(void);
static int read_due(TimestampTz now);
static void tell_row(const InnOutboxRow *row);
static void move_mark(InnOutboxMark *to, const InnOutboxMark *from);

void
inn_batch_init(void)
{
	batch.context = CurrentMemoryContext;
	batch.rows = palloc(INN_BATCH_ROWS * sizeof(InnOutboxRow));
	batch.look_at = DT_NOBEGIN;
	batch.wake_at = INN_NEVER;
}

int
inn_batch_tell(void)
{
	inn_work_begin("reading the outbox");
	batch.nrows = read_rows();
	for (int i = 0; i < batch.nrows; i++)
		tell_row(&batch.rows[i]);
	inn_work_commit();

	if (batch.nrows == 0)
		move_mark(&batch.mark, &batch.next);
	return batch.nrows;
}

static int
read_rows(void)
{
	int ndue = read_due(inn_now());
	InnOutboxMark next = batch.mark;
	int nrows = 0;

	if (ndue < INN_BATCH_ROWS)
		nrows = inn_outbox_read(&batch.mark, INN_BATCH_ROWS - ndue, batch.rows + ndue, &next);
	move_mark(&batch.next, &next);
	return ndue + nrows;
}

/*
 * Under an old snapshot the way to the first delayed row can be long, as it leads along all that were
 * removed since.  If it was, do not go it too often.
 */
static int
read_due(TimestampTz now)
{
	TimestampTz due_at;
	int64 cost_usec;

	batch.wake_at = batch.look_at;
	if (now < batch.look_at)
		return 0;
	due_at = inn_outbox_next_due();
	cost_usec = inn_now() - now;
	batch.look_at = cost_usec < SLOW_LOOK_USEC ? DT_NOBEGIN : now + LOOK_PAUSE_FACTOR * cost_usec;
	batch.wake_at = due_at;
	return due_at <= now ? inn_outbox_read_due(now, INN_BATCH_ROWS, batch.rows) : 0;
}

static void
tell_row(const InnOutboxRow *row)
{
	inn_announce_item();
	if (row->is_void)
		return;
	switch (row->kind)
	{
		case INN_OUTBOX_CREATED:
			inn_announce_run(&row->news);
			break;
		case INN_OUTBOX_ATTEMPT:
			inn_announce_attempt(&row->news);
			break;
		case INN_OUTBOX_STATUS:
			inn_announce_status(&row->news);
			break;
	}
}

void
inn_batch_settle(int ndone)
{
	bool is_removed;

	Assert(ndone <= batch.nrows);
	if (ndone == 0)
		return;

	inn_work_begin("removing from the outbox");
	is_removed = inn_outbox_remove(batch.rows, ndone);
	if (is_removed)
		inn_work_commit();
	else
		inn_work_abort();

	inn_status_count(ndone);
	if (!is_removed)
		inn_batch_start_over();
	else if (ndone == batch.nrows)
		move_mark(&batch.mark, &batch.next);
	batch.nrows = 0;
}

TimestampTz
inn_batch_next(void)
{
	return batch.wake_at;
}

void
inn_batch_start_over(void)
{
	batch.mark.floor = 0;
	batch.mark.nopen = 0;
	batch.nrows = 0;
}

/* Copy a mark into one whose array is ours. */
static void
move_mark(InnOutboxMark *to, const InnOutboxMark *from)
{
	uint64 *open = MemoryContextAlloc(batch.context, (from->nopen + 1) * sizeof(uint64));

	for (int i = 0; i < from->nopen; i++)
		open[i] = from->open[i];
	if (to->open != NULL)
		pfree(to->open);
	*to = (InnOutboxMark){.floor = from->floor, .nopen = from->nopen, .open = open};
}
