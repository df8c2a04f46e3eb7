/*-------------------------------------------------------------------------
 *
 * deliveries.c
 *	  Writing and reading inngest.deliveries.
 *
 * Whether to wake the scheduler at once is decided when the transaction has committed: a pause that was put before then has its name
 * among the awaited ones.  One that is put later sees that the event was there first, and is not for it.
 *
 * IDENTIFICATION
 *	  src/store/deliveries.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/tide.h"
#include "base/timer.h"
#include "base/wake.h"
#include "store/awaited.h"
#include "store/deliveries.h"

/* Events of one row. */
#define EVENTS_PER_ROW 1000

/* How long rows that concern nobody may lie about. */
#define IDLE_DELAY_USEC USECS_PER_SEC

/* Names that a transaction remembers until it commits; with more, it wakes the scheduler without asking. */
#define NOTED_NAMES 64

static InnPlan put_row =
	{"INSERT INTO inngest.deliveries (position, names, event_ids) VALUES ($1, $2, $3)",
	 3,
	 {INT8OID, TEXTARRAYOID, UUIDARRAYOID}};

static InnPlan read_rows = {"SELECT position, xact, names, event_ids FROM inngest.deliveries"
							" WHERE position > $1"
							" ORDER BY position"
							" LIMIT $2",
							2,
							{INT8OID, INT4OID},
							.is_generic = true};

static InnPlan remove_rows = {"DELETE FROM inngest.deliveries WHERE position = ANY ($1)",
							  1,
							  {INT8ARRAYOID},
							  .is_generic = true};

/* Names of events that this transaction sends. */
static uint32 noted[NOTED_NAMES];
static int nnoted;

static void put(const InnEvent *events, int nevents);
static int distinct_names(const InnEvent *events, int nevents, Datum *names);
static void note_name(const char *name);
static void end_transaction(XactEvent event, void *arg);
static bool concerns_somebody(void);
static char **text_array(Datum array, int *count);
static InnUlid *ulid_array(Datum array, int *count);

void
inn_deliveries_put(const InnEvent *events, int nevents)
{
	for (int done = 0; done < nevents; done += EVENTS_PER_ROW)
		put(&events[done], Min(nevents - done, EVENTS_PER_ROW));
}

static void
put(const InnEvent *events, int nevents)
{
	Datum *ids = palloc(nevents * sizeof(Datum));
	Datum *names = palloc(nevents * sizeof(Datum));
	int64 position = inn_sequence_next("delivery_position");
	int nnames = distinct_names(events, nevents, names);
	int nids = 0;

	for (int i = 0; i < nevents; i++)
	{
		if (!events[i].is_known)
			ids[nids++] = PointerGetDatum(&events[i].id);
	}
	if (nids == 0)
		return;
	(void) INN_RUN(&put_row, inn_arg(Int64GetDatum(position)),
				   inn_arg_array(names, NULL, nnames, TEXTOID),
				   inn_arg_array(ids, NULL, nids, UUIDOID));
	inn_tide_note(INN_TIDE_DELIVERIES, position);
	inn_wake_at_commit_for(INN_ROLE_SCHEDULER, inn_now() + IDLE_DELAY_USEC);
}

/* Events of one request mostly have one name, or few that follow each other: to list one twice does no harm. */
static int
distinct_names(const InnEvent *events, int nevents, Datum *names)
{
	const char *previous[4] = {NULL};
	int nnames = 0;

	for (int i = 0; i < nevents; i++)
	{
		bool is_listed = false;

		for (int j = 0; j < (int) lengthof(previous); j++)
			is_listed |= previous[j] != NULL && strcmp(previous[j], events[i].name) == 0;
		if (is_listed || events[i].is_known)
			continue;
		previous[nnames % lengthof(previous)] = events[i].name;
		names[nnames++] = CStringGetTextDatum(events[i].name);
		note_name(events[i].name);
	}
	return nnames;
}

static void
note_name(const char *name)
{
	static bool is_watching = false;

	if (!is_watching)
		RegisterXactCallback(end_transaction, NULL);
	is_watching = true;
	if (nnoted < NOTED_NAMES)
		noted[nnoted] = inn_awaited_hash(name);
	nnoted++;
}

/* Transaction callback; must not fail.  COMMIT PREPARED wakes everybody (inngest.c). */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT && concerns_somebody())
	{
		inn_tide_publish();
		inn_wake(INN_ROLE_SCHEDULER);
	}
	nnoted = 0;
}

static bool
concerns_somebody(void)
{
	if (nnoted > NOTED_NAMES)
		return true;
	for (int i = 0; i < nnoted; i++)
	{
		if (inn_awaited_test_hash(noted[i]))
			return true;
	}
	return false;
}

InnDelivery *
inn_deliveries_read(int64 after, int max, int *count)
{
	uint64 nrows = INN_RUN(&read_rows, inn_arg(Int64GetDatum(after)), inn_arg(Int32GetDatum(max)));
	InnDelivery *deliveries = palloc(Max(nrows, 1) * sizeof(InnDelivery));

	for (uint64 i = 0; i < nrows; i++)
	{
		bool is_null;
		InnDelivery *delivery = &deliveries[i];

		delivery->position = inn_row_bigint(i, 1);
		delivery->xact = DatumGetUInt64(inn_row_datum(i, 2, &is_null));
		delivery->names = text_array(inn_row_datum(i, 3, &is_null), &delivery->nnames);
		delivery->event_ids = ulid_array(inn_row_datum(i, 4, &is_null), &delivery->nevents);
	}
	*count = (int) nrows;
	return deliveries;
}

static char **
text_array(Datum array, int *count)
{
	Datum *values;
	char **texts;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &values, NULL,
					  count);
	texts = palloc(Max(*count, 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		texts[i] = TextDatumGetCString(values[i]);
	return texts;
}

static InnUlid *
ulid_array(Datum array, int *count)
{
	Datum *values;
	InnUlid *ulids;

	deconstruct_array(DatumGetArrayTypeP(array), UUIDOID, sizeof(InnUlid), false, TYPALIGN_CHAR,
					  &values, NULL, count);
	ulids = palloc(Max(*count, 1) * sizeof(InnUlid));
	for (int i = 0; i < *count; i++)
		memcpy(&ulids[i], DatumGetPointer(values[i]), sizeof(InnUlid));
	return ulids;
}

void
inn_deliveries_remove(const InnDelivery *deliveries, int ndeliveries)
{
	Datum *positions = palloc(Max(ndeliveries, 1) * sizeof(Datum));

	for (int i = 0; i < ndeliveries; i++)
		positions[i] = Int64GetDatum(deliveries[i].position);
	(void) INN_RUN(&remove_rows, inn_arg_array(positions, NULL, ndeliveries, INT8OID));
}
