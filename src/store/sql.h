/*-------------------------------------------------------------------------
 *
 * sql.h
 *	  Running the statements of src/store/: saved plans, transactions, rows.
 *
 * A statement is a static InnPlan beside the function that uses it.  It is prepared when first used and
 * kept; PostgreSQL replans it when what it names changes, even when the extension is dropped and
 * created again, because parameters have built-in types only (a ULID travels as uuid).
 *
 * IDENTIFICATION
 *	  src/store/sql.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SQL_H
#define INN_SQL_H

#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "utils/uuid.h"

#include "base/ulid.h"

#define INN_PLAN_MAX_ARGS 20

typedef struct InnPlan
{
	const char *text;
	int nargs;
	Oid argtypes[INN_PLAN_MAX_ARGS];
	bool is_generic;  /* plan it once, even if it looks cheaper for the arguments at hand */
	SPIPlanPtr saved; /* NULL until first used */
} InnPlan;

/* One argument; by-reference values must live until the plan has run. */
typedef struct InnArg
{
	Datum value;
	bool is_null;
} InnArg;

static inline InnArg
inn_arg(Datum value)
{
	return (InnArg){value, false};
}

/* NULL pointer, SQL null. */
static inline InnArg
inn_arg_pointer(const void *pointer)
{
	return (InnArg){PointerGetDatum(pointer), pointer == NULL};
}

static inline InnArg
inn_arg_ulid(const InnUlid *ulid)
{
	return inn_arg_pointer(ulid);
}

static inline InnArg
inn_arg_uuid(const pg_uuid_t *uuid)
{
	return inn_arg_pointer(uuid);
}

extern InnArg inn_arg_cstring(const char *string); /* as text; NULL: null */
extern InnArg inn_arg_time(TimestampTz when);
extern InnArg inn_arg_span(int64 usec); /* as an interval; 0: null */

/*
 * Arrays of one dimension for unnest().  nulls may be NULL.  Variable-length element types only as
 * pointers to varlena.
 */
extern InnArg inn_arg_array(Datum *values, bool *nulls, int nvalues, Oid type);

/*
 * Bracket around statements in a SQL-callable function, or in inn_work_begin()'s transaction: results
 * and whatever is palloc'ed inside the bracket die with it.
 */
extern void inn_sql_begin(void);
extern void inn_sql_end(void);

/*
 * Run a plan; returns the number of rows processed or returned.  Rows are in SPI_tuptable until the next
 * one runs.  nargs must be what the plan says.  The current memory context stays what it is.
 */
extern uint64 inn_plan_run(InnPlan *plan, int nargs, const InnArg *args);

/* The same, seeing what has been committed until now even in a repeatable read transaction; read-only. */
extern uint64 inn_plan_run_latest(InnPlan *plan, int nargs, const InnArg *args);

/* The next value of a sequence in schema inngest. */
extern int64 inn_sequence_next(const char *name);

#define INN_RUN(plan, ...) \
	inn_plan_run((plan), lengthof(((InnArg[]){__VA_ARGS__})), (InnArg[]){__VA_ARGS__})

/* Columns of row `row` of the last result, counted from 1; by-reference values live in SPI_tuptable. */
extern Datum inn_row_datum(uint64 row, int column, bool *is_null);
extern bool inn_row_bool(uint64 row, int column);
extern int32 inn_row_int(uint64 row, int column); /* int4 */
extern int64 inn_row_bigint(uint64 row, int column);
extern InnUlid inn_row_ulid(uint64 row, int column);
extern pg_uuid_t inn_row_uuid(uint64 row, int column);
extern TimestampTz inn_row_time(uint64 row, int column, TimestampTz if_null);
extern int64 inn_row_span(uint64 row, int column); /* of inn_arg_span(), in microseconds */
extern char *inn_row_text(uint64 row, int column); /* palloc'ed; NULL for null */

/* Forget the last result before the bracket ends, because it is large. */
extern void inn_rows_free(void);

/*
 * A worker's transaction with its snapshot.  inn_work_abort() is for the handler of an error: it rolls
 * back, whatever was open.  All switch back to the memory context that inn_work_begin() was called in.
 */
extern void inn_work_begin(const char *activity);
extern void inn_work_commit(void);
extern void inn_work_abort(void);

/*
 * Call work(arg), which begins and commits as above.  If it fails, what is open is rolled back, and the error returned, palloc'ed in the
 * caller's context; else NULL.  Either way that context is the current one afterwards.
 */
extern ErrorData *inn_work_try(void (*work)(void *arg), void *arg);

#endif /* INN_SQL_H */
