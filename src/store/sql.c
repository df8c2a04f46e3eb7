/*-------------------------------------------------------------------------
 *
 * sql.c
 *	  Saved plans, rows, and the transactions of workers.
 *
 * IDENTIFICATION
 *	  src/store/sql.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "pgstat.h"
#include "storage/lwlock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/sql.h"

static MemoryContext work_caller_context;

static SPIPlanPtr prepared(InnPlan *plan);
static uint64 run(InnPlan *plan, int nargs, const InnArg *args, Snapshot snapshot);

InnArg
inn_arg_cstring(const char *string)
{
	if (string == NULL)
		return (InnArg){(Datum) 0, true};
	return inn_arg(CStringGetTextDatum(string));
}

InnArg
inn_arg_time(TimestampTz when)
{
	return inn_arg(TimestampTzGetDatum(when));
}

InnArg
inn_arg_span(int64 usec)
{
	Interval *span;

	if (usec == 0)
		return (InnArg){(Datum) 0, true};
	span = palloc0(sizeof(Interval));
	span->time = usec;
	return inn_arg(IntervalPGetDatum(span));
}

InnArg
inn_arg_array(Datum *values, bool *nulls, int nvalues, Oid type)
{
	int16 typlen;
	bool typbyval;
	char typalign;
	int lower = 1;

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return inn_arg_pointer(
		construct_md_array(values, nulls, 1, &nvalues, &lower, type, typlen, typbyval, typalign));
}

void
inn_sql_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

void
inn_sql_end(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not finish SPI");
}

uint64
inn_plan_run(InnPlan *plan, int nargs, const InnArg *args)
{
	return run(plan, nargs, args, InvalidSnapshot);
}

uint64
inn_plan_run_latest(InnPlan *plan, int nargs, const InnArg *args)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	uint64 nrows = run(plan, nargs, args, snapshot);

	UnregisterSnapshot(snapshot);
	return nrows;
}

static uint64
run(InnPlan *plan, int nargs, const InnArg *args, Snapshot snapshot)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum values[INN_PLAN_MAX_ARGS];
	char nulls[INN_PLAN_MAX_ARGS];
	int result;

	Assert(nargs == plan->nargs);
	for (int i = 0; i < nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].is_null ? 'n' : ' ';
	}

	if (snapshot == InvalidSnapshot)
		result = SPI_execute_plan(prepared(plan), values, nulls, false, 0);
	else
		result = SPI_execute_snapshot(prepared(plan), values, nulls, snapshot, InvalidSnapshot,
									  true, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", plan->text, SPI_result_code_string(result));

	/* SPI leaves its own context behind, which dies before what the caller makes for after the commit. */
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

static SPIPlanPtr
prepared(InnPlan *plan)
{
	if (plan->saved == NULL)
	{
		SPIPlanPtr fresh = SPI_prepare_cursor(plan->text, plan->nargs, plan->argtypes,
											  plan->is_generic ? CURSOR_OPT_GENERIC_PLAN : 0);

		if (fresh == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", plan->text,
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(fresh);
		plan->saved = fresh;
	}
	return plan->saved;
}

int64
inn_sequence_next(const char *name)
{
	Oid relation = get_relname_relid(name, get_namespace_oid("inngest", false));

	if (!OidIsValid(relation))
		elog(ERROR, "sequence \"%s\" does not exist", name);
	return nextval_internal(relation, false);
}

Datum
inn_row_datum(uint64 row, int column, bool *is_null)
{
	Assert(row < SPI_tuptable->numvals);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

bool
inn_row_bool(uint64 row, int column)
{
	bool is_null;

	return DatumGetBool(inn_row_datum(row, column, &is_null)) && !is_null;
}

int32
inn_row_int(uint64 row, int column)
{
	bool is_null;

	return DatumGetInt32(inn_row_datum(row, column, &is_null));
}

int64
inn_row_bigint(uint64 row, int column)
{
	bool is_null;

	return DatumGetInt64(inn_row_datum(row, column, &is_null));
}

InnUlid
inn_row_ulid(uint64 row, int column)
{
	bool is_null;
	Datum value = inn_row_datum(row, column, &is_null);

	Assert(!is_null);
	return *DatumGetInnUlidP(value);
}

pg_uuid_t
inn_row_uuid(uint64 row, int column)
{
	bool is_null;
	Datum value = inn_row_datum(row, column, &is_null);

	Assert(!is_null);
	return *DatumGetUUIDP(value);
}

TimestampTz
inn_row_time(uint64 row, int column, TimestampTz if_null)
{
	bool is_null;
	Datum value = inn_row_datum(row, column, &is_null);

	return is_null ? if_null : DatumGetTimestampTz(value);
}

int64
inn_row_span(uint64 row, int column)
{
	bool is_null;
	Datum value = inn_row_datum(row, column, &is_null);

	return is_null ? 0 : DatumGetIntervalP(value)->time;
}

char *
inn_row_text(uint64 row, int column)
{
	bool is_null;
	Datum value = inn_row_datum(row, column, &is_null);

	return is_null ? NULL : TextDatumGetCString(value);
}

void
inn_rows_free(void)
{
	SPI_freetuptable(SPI_tuptable);
}

void
inn_work_begin(const char *activity)
{
	work_caller_context = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
	inn_sql_begin();
}

void
inn_work_commit(void)
{
	inn_sql_end();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);

	/* CommitTransactionCommand() leaves us in TopMemoryContext. */
	MemoryContextSwitchTo(work_caller_context);
}

void
inn_work_abort(void)
{
	/* An abort releases them, but there may be no transaction to abort. */
	LWLockReleaseAll();
	AbortOutOfAnyTransaction();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(work_caller_context);
}

ErrorData *
inn_work_try(void (*work)(void *arg), void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		work(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		inn_work_abort();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return error;
}
