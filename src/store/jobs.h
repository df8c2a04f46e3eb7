/*-------------------------------------------------------------------------
 *
 * jobs.h
 *	  Calls of apps that are to be made, now or later, and what else a run has to wait for: table inngest.jobs.
 *
 * A job is ready (it has a position), waits for its time, or is blocked by a limit (52_jobs.sql says what each kind means).  Jobs are inserted and deleted; the one that deletes a job may act
 * upon it, so nothing happens twice.
 *
 * Whoever puts jobs of a run, or acts upon one, has claimed the run (run/lifecycle.h), or is creating it.
 *
 * IDENTIFICATION
 *	  src/store/jobs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_JOBS_H
#define INN_JOBS_H

#include "base/timer.h"
#include "store/sql.h"

/* X(enum name, name in the table) */
#define INN_JOB_TABLE(X) \
	X(CALL, "call") \
	X(THROTTLE, "throttle") \
	X(START, "start") \
	X(SLEEP, "sleep") \
	X(START_TIMEOUT, "start_timeout") \
	X(FINISH_TIMEOUT, "finish_timeout") \
	X(PLACE_FREED, "place_freed")

typedef enum InnJobKind
{
#define INN_JOB_DECLARE(name, text) INN_JOB_##name,
	INN_JOB_TABLE(INN_JOB_DECLARE)
#undef INN_JOB_DECLARE
	INN_JOB_COUNT
} InnJobKind;

/*
 * Of a call that the app is making by itself, and that waits until we take it over.  All others count from 1.
 */
#define INN_GENERATION_HELD 0

/* Texts live as long as the caller's context, NULL means none. */
typedef struct InnJob
{
	int64 id; /* 0, when it is put: it gets one */
	InnJobKind kind;
	pg_uuid_t app_id;
	pg_uuid_t function_id;
	InnUlid run_id;
	int64 position;		/* of a ready job that was read */
	TimestampTz run_at; /* INN_NOW: ready */
	const char *step_id;
	const char *step_name;
	const char *after_id;
	int attempt;
	int generation;
	bool is_planning;
	bool is_grouped;
	bool is_race;
	const char *input; /* canonical JSON */
	TimestampTz queued_at;
} InnJob;

/* As run_at: the job is ready. */
#define INN_NOW DT_NOBEGIN

/* Put jobs, in order; wakes the executors or the scheduler. */
extern void inn_jobs_put(InnJob *jobs, int njobs);

/* Where an executor has come to in the jobs of an app, and how many more it can take. */
typedef struct InnJobLane
{
	pg_uuid_t app_id;
	int64 after; /* position */
	int room;
} InnJobLane;

/* Read ready jobs of apps, for each in the order of positions; palloc'ed, *count is set. */
extern InnJob *inn_jobs_read_ready(const InnJobLane *lanes, int nlanes, int *count);

/* Delete ready jobs: sets removed[i] for those that were still there. */
extern void inn_jobs_remove_ready(const InnJob *const *jobs, int njobs, bool *removed);

/* Read up to max jobs whose time lies between two, earliest first; palloc'ed, *count is set. */
extern InnJob *inn_jobs_read_due(TimestampTz from, TimestampTz until, int max, int *count);

/* The time of the first job at or after another; INN_NEVER if there is none. */
extern TimestampTz inn_jobs_next_due(TimestampTz from);

/* Delete jobs that wait for their time: sets removed[i] for those that were there and nobody else is just deleting. */
extern void inn_jobs_remove_timed(const InnJob *const *jobs, int njobs, bool *removed);

/* Delete whatever runs that have ended had still to do; INN_JOB_PLACE_FREED stays. */
extern void inn_jobs_remove_runs(const InnUlid *run_ids, int nruns);

/* Delete the job of a run whose app executes it by itself; false if it does not, or does no more. */
extern bool inn_jobs_take_held(const InnUlid *run_id, InnJob *job);

/* Delete the job that a run waits with for its place; false if there is none, or somebody else is deleting it. */
extern bool inn_jobs_take_start(const InnUlid *run_id, InnJob *job);

/* Reset the attempts of a ready job, because it has come further (protocol.md 12.2). */
extern void inn_jobs_reset_attempt(const InnUlid *run_id, int64 job_id);

/* Put ready jobs aside that are beyond a limit: keys[i] names it, ranks[i] orders those of one key. */
extern void inn_jobs_block(const InnJob *const *jobs, const pg_uuid_t *keys, const int64 *ranks,
						   int njobs);

/* A job that was put aside. */
typedef struct InnBlockedJob
{
	int64 id;
	InnUlid run_id;
	int64 rank;
} InnBlockedJob;

typedef struct InnBlockedFunction
{
	pg_uuid_t id;
	int64 rank; /* the least of its jobs */
} InnBlockedFunction;

/* Up to max functions that have such jobs of a key; and up to max of those; first those of the least rank. */
extern int inn_jobs_blocked_functions(const pg_uuid_t *key, int max, InnBlockedFunction *functions);
extern int inn_jobs_read_blocked(const pg_uuid_t *key, const pg_uuid_t *function_id, int max,
								 InnBlockedJob *jobs);

/* Make them ready; whoever does has claimed their runs. */
extern void inn_jobs_unblock(const pg_uuid_t *key, const InnBlockedJob *jobs, int njobs);

/* Which of these jobs are ready, or under way. */
extern void inn_jobs_are_ready(const InnBlockedJob *jobs, int njobs, bool *are_ready);

/* Up to max keys that jobs are blocked on, in order, after a key; their number. */
extern int inn_jobs_blocked_keys(const pg_uuid_t *after, int max, pg_uuid_t *keys);

/* Is there a job of this id? */
extern bool inn_jobs_exists(const InnUlid *run_id, int64 job_id);

#endif /* INN_JOBS_H */
