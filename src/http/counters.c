/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Atomic counters in shared memory, since the start of the server.
 *
 * IDENTIFICATION
 *	  src/http/counters.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

#include "http/counters.h"

PG_FUNCTION_INFO_V1(inngest_counters);

typedef struct Counters
{
	pg_atomic_uint64 values[INN_COUNTER_COUNT];
} Counters;

static Counters *counters;

Size
inn_counters_shmem_size(void)
{
	return MAXALIGN(sizeof(Counters));
}

void
inn_counters_shmem_init(void)
{
	bool found;

	counters = ShmemInitStruct("inngest counters", sizeof(Counters), &found);
	for (int i = 0; !found && i < INN_COUNTER_COUNT; i++)
		pg_atomic_init_u64(&counters->values[i], 0);
}

void
inn_count(InnCounter counter, int64 amount)
{
	Assert(counter < INN_COUNTER_COUNT);
	if (counters != NULL)
		pg_atomic_fetch_add_u64(&counters->values[counter], amount);
}

/* counters(OUT name text, OUT type text, OUT help text, OUT value bigint) returns setof record */
Datum
inngest_counters(PG_FUNCTION_ARGS)
{
	static const char *const texts[][3] = {
#define INN_COUNTER_TEXTS(name, text, type, help) {text, type, help},
		INN_COUNTER_TABLE(INN_COUNTER_TEXTS)
#undef INN_COUNTER_TEXTS
	};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; counters != NULL && i < INN_COUNTER_COUNT; i++)
	{
		bool nulls[4] = {false};
		Datum values[4] = {
			CStringGetTextDatum(texts[i][0]),
			CStringGetTextDatum(texts[i][1]),
			CStringGetTextDatum(texts[i][2]),
			Int64GetDatum((int64) pg_atomic_read_u64(&counters->values[i])),
		};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
