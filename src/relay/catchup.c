/*-------------------------------------------------------------------------
 *
 * catchup.c
 *	  Comparing the runs that have not ended with what Redis has.
 *
 * A run of which Redis has no hash is announced as if it were new.  Where the hash is, so was the run's
 * entry in P:runs, and the one of its first attempt if it was not delayed, as the hash is written after
 * them; but nothing tells about later attempts, so one that is waiting is announced again.  A run whose
 * attempt lies in the future gets a row in the outbox, unless that is there.
 *
 * Nothing else is written to the outbox.  Runs younger than the beginning have rows there of their own.
 * If this is interrupted, it begins anew with the first run.
 *
 * Between asking and telling no batch may be told, or an older status would overwrite a newer one.
 *
 * IDENTIFICATION
 *	  src/relay/catchup.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "relay/announce.h"
#include "relay/catchup.h"
#include "relay/status.h"

#define CHUNK_RUNS INN_ANNOUNCE_MAX_ITEMS

static struct
{
	MemoryContext context; /* of the runs in question */
	InnUlid done;		   /* up to here */
	InnUlid end;		   /* and no further */
	TimestampTz asked_at;  /* what is due was judged then */
	InnUnendedRun *runs;
	int nruns;
	bool *is_known; /* by run */
	int nanswers;
} catchup;

static void read_runs(void);

void
inn_catchup_init(void)
{
	catchup.context =
		AllocSetContextCreate(CurrentMemoryContext, "inngest catch-up", ALLOCSET_DEFAULT_SIZES);
}

void
inn_catchup_begin(void)
{
	memset(&catchup.done, 0, sizeof(catchup.done));
	inn_ulid_at(inn_unix_ms(inn_now()), &catchup.end);
}

int
inn_catchup_ask(void)
{
	MemoryContextReset(catchup.context);
	read_runs();
	catchup.nanswers = 0;
	for (int i = 0; i < catchup.nruns; i++)
	{
		inn_announce_item();
		inn_announce_question(&catchup.runs[i].news.run_id);
	}
	if (catchup.nruns > 0)
		catchup.done = catchup.runs[catchup.nruns - 1].news.run_id;
	return catchup.nruns;
}

static void
read_runs(void)
{
	const InnUnendedRun **later;
	int nlater = 0;

	catchup.asked_at = inn_now();
	inn_work_begin("looking for runs that Redis may have lost");
	later = palloc(CHUNK_RUNS * sizeof(InnUnendedRun *));
	MemoryContextSwitchTo(catchup.context);
	catchup.runs = palloc(CHUNK_RUNS * sizeof(InnUnendedRun));
	catchup.is_known = palloc0(CHUNK_RUNS * sizeof(bool));
	catchup.nruns = inn_outbox_read_unended(&catchup.done, &catchup.end, CHUNK_RUNS, catchup.runs);
	for (int i = 0; i < catchup.nruns; i++)
	{
		InnUnendedRun *run = &catchup.runs[i];

		if (run->news.attempt >= 0 && run->run_at > catchup.asked_at)
			later[nlater++] = run;
	}
	inn_outbox_put_missing(later, nlater);
	inn_work_commit();
}

void
inn_catchup_answer(bool is_known)
{
	Assert(catchup.nanswers < catchup.nruns);
	catchup.is_known[catchup.nanswers++] = is_known;
}

void
inn_catchup_tell(void)
{
	int nlost = 0;

	Assert(catchup.nanswers == catchup.nruns);
	for (int i = 0; i < catchup.nruns; i++)
	{
		InnUnendedRun *run = &catchup.runs[i];

		if (run->run_at > catchup.asked_at)
			run->news.attempt = -1;
		inn_announce_item();
		if (!catchup.is_known[i])
		{
			inn_announce_run(&run->news);
			nlost++;
			continue;
		}
		if (run->news.attempt >= 0 && run->was_announced_late)
			inn_announce_attempt(&run->news);
		inn_announce_status(&run->news);
	}
	inn_status_count(nlost);
}
