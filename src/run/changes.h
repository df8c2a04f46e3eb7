/*-------------------------------------------------------------------------
 *
 * changes.h
 *	  Changes to runs, collected and written together.
 *
 * Whoever has news of runs (a reply of an app, an event, a time, a command) says here what becomes of them, for any number of runs;
 * inn_changes_write() carries it out, one statement per table, in the transaction of the caller.  Events that
 * follow are left in the collection, for the caller to send (ingest/settle.h): this code never looks leftwards.
 *
 * A run may be changed only by who has claimed it until the end of the transaction (inn_run_claim).  Nobody ever waits for a
 * claim: what cannot be changed now is left where it is and tried again.
 *
 * What is added is copied as a struct; texts and documents must live until it is written.
 *
 * IDENTIFICATION
 *	  src/run/changes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CHANGES_H
#define INN_CHANGES_H

#include "nodes/pg_list.h"

#include "store/events.h"
#include "store/jobs.h"
#include "store/pauses.h"
#include "store/runs.h"
#include "store/steps.h"

/* A step of a run of an app has ended: the function is called again, if nothing else of its group is open. */
typedef struct InnCompletion
{
	InnUlid run_id;
	pg_uuid_t app_id;
	pg_uuid_t function_id;
	const char *after_id; /* the step; NULL: none, just call again */
	bool is_solo;		  /* causes a call of its own, whatever else is open */
	int64 job_id;		  /* the job goes on as that call; 0: a new one */
} InnCompletion;

typedef struct InnRunEnd
{
	InnUlid run_id;
	InnOutcome outcome;
	Jsonb *result; /* what it returned, or what the app sent as its error; NULL: nothing */
	Jsonb *error;  /* FAILED: {"error", "name", "message", ...} */
} InnRunEnd;

typedef struct InnChanges
{
	TimestampTz now;
	List *ends;		   /* InnRunEnd */
	List *steps;	   /* InnStep */
	List *pauses;	   /* InnPause */
	List *jobs;		   /* InnJob */
	List *completions; /* InnCompletion */
	List *versions;	   /* InnRunVersion */
	List *attempts;	   /* InnAttempt */

	/* set when written: events that are to be sent */
	InnEvent *events;
	int nevents;
	int events_capacity;
} InnChanges;

/* May this transaction change the run?  False: somebody else is just doing it. */
extern bool inn_run_claim(const InnUlid *run_id);

/* An empty collection. */
extern void inn_changes_init(InnChanges *changes);

extern void inn_changes_end(InnChanges *changes, const InnRunEnd *end);
extern void inn_changes_record(InnChanges *changes, const InnStep *step);
extern void inn_changes_pause(InnChanges *changes, const InnPause *pause);
extern void inn_changes_queue(InnChanges *changes, const InnJob *job);
extern void inn_changes_complete(InnChanges *changes, const InnCompletion *completion);
extern void inn_changes_version(InnChanges *changes, const InnRunVersion *version);
extern void inn_changes_attempt(InnChanges *changes, const InnAttempt *attempt);

/* An event to be sent; gets its id. */
extern void inn_changes_send(InnChanges *changes, const InnEvent *event);

/* Which of these steps do the changes collected so far record, queue, or wait for?  Those that they do are set in begun. */
extern void inn_changes_begun(const InnChanges *changes, const InnUlid *run_id,
							  const char *const *ids, int nids, bool *begun);

/* Is the run about to end? */
extern bool inn_changes_is_ending(const InnChanges *changes, const InnUlid *run_id);

/*
 * Carry them out.  Steps are recorded even of runs that end; whatever else such a run had to do or was waiting for is
 * forgotten, and inngest/function.finished and its like are among the events to be sent.
 */
extern void inn_changes_write(InnChanges *changes);

#endif /* INN_CHANGES_H */
