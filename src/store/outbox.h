/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  What Redis has still to be told: table inngest.redis_outbox.
 *
 * Rows are put in the transaction whose news they carry and removed when Redis has acknowledged them.
 * Putting does nothing when no Redis is configured; when one is configured later, the relay announces
 * what it finds (relay/relay.c).
 *
 * Only the relay reads, between inn_work_begin() and inn_work_commit().  What it gets is gone with the
 * transaction, unless said otherwise.
 *
 * IDENTIFICATION
 *	  src/store/outbox.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_OUTBOX_H
#define INN_OUTBOX_H

#include "storage/itemptr.h"

#include "store/sql.h"

struct InnRun;

typedef enum InnOutboxKind
{
	INN_OUTBOX_CREATED,
	INN_OUTBOX_ATTEMPT,
	INN_OUTBOX_STATUS
} InnOutboxKind;

/* What there is to tell about a run, as it is now. */
typedef struct InnNews
{
	InnUlid run_id;
	InnUlid event_id;
	const char *function; /* slug */
	const char *app;
	const char *runtime;
	const char *event_name; /* empty if the event is gone */
	const char *status;
	TimestampTz started_at; /* INN_NEVER: has not */
	TimestampTz ended_at;	/* INN_NEVER: has not */
	int attempt;			/* to be announced; -1: none */
} InnNews;

/* A row of the outbox, found where it lies. */
typedef struct InnOutboxRow
{
	ItemPointerData place;
	int64 id;
	uint64 xact;
	InnOutboxKind kind;
	bool is_void; /* its run is gone: nothing to tell, news is not valid */
	InnNews news;
} InnOutboxRow;

/* A run that has not ended. */
typedef struct InnUnendedRun
{
	pg_uuid_t function_id;
	TimestampTz run_at;		 /* of the attempt in the queue; INN_NEVER: there is none */
	bool was_announced_late; /* that attempt is not the one announced with the new run */
	InnNews news;			 /* attempt: the one in the queue, of a pull run; else -1 */
} InnUnendedRun;

/*
 * How far the outbox has been read: no row of a transaction before `floor` can appear any more, but of
 * those in `open`.  All zero: nothing has been read.
 */
typedef struct InnOutboxMark
{
	uint64 floor;
	int nopen;
	uint64 *open; /* ascending */
} InnOutboxMark;

/* New runs: kind "created", and "attempt" for pull runs whose time is yet to come.  Wakes the relay. */
extern void inn_outbox_put_created(const struct InnRun *runs, int nruns);

/* An attempt of a pull run is ready from due_at on (not in the future: at once). */
extern void inn_outbox_put_attempt(const InnUlid *run_id, const pg_uuid_t *function_id, int attempt,
								   TimestampTz due_at);

/* Runs have started or ended. */
extern void inn_outbox_put_status(const InnUlid *run_ids, const pg_uuid_t *function_ids, int nruns);

/*
 * Read up to max rows that are to be told at once, in the order of their transactions.  *next is the mark
 * from which to read on when all of them have been removed.
 */
extern int inn_outbox_read(const InnOutboxMark *mark, int max, InnOutboxRow *rows,
						   InnOutboxMark *next);

/* Read up to max rows whose time has come, earliest first. */
extern int inn_outbox_read_due(TimestampTz now, int max, InnOutboxRow *rows);

/* When the next delayed row is due; INN_NEVER if there is none. */
extern TimestampTz inn_outbox_next_due(void);

/*
 * Remove rows.  False, and the transaction must be aborted, if they were not all found where they
 * lay: somebody has rewritten the table, and everything has to be read again.
 */
extern bool inn_outbox_remove(const InnOutboxRow *rows, int nrows);

/*
 * Read up to max runs between two ids, ascending, that have not ended.  Their texts are palloc'ed in the
 * current context and may outlive the transaction.
 */
extern int inn_outbox_read_unended(const InnUlid *after, const InnUlid *before, int max,
								   InnUnendedRun *runs);

/* Put the announcements of attempts at their time, run_at, but for those that wait here already. */
extern void inn_outbox_put_missing(const InnUnendedRun *const *runs, int nruns);

#endif /* INN_OUTBOX_H */
