/*-------------------------------------------------------------------------
 *
 * runs.h
 *	  Runs and their attempts: tables inngest.function_runs, attempts, idempotency_keys.
 *
 * Only run/lifecycle.c decides about changes of a run; here they are carried out.
 *
 * IDENTIFICATION
 *	  src/store/runs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_RUNS_H
#define INN_RUNS_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "store/controls.h"
#include "store/events.h"

typedef enum InnOutcome
{
	INN_RUN_COMPLETED,
	INN_RUN_FAILED,
	INN_RUN_CANCELLED,
	INN_RUN_SKIPPED
} InnOutcome;

/* A run that is about to be created. */
typedef struct InnRun
{
	InnUlid id;
	pg_uuid_t app_id;
	pg_uuid_t function_id;
	int32 function_version;
	const char *function_slug;
	InnUlid event_id; /* the first one of a batch */
	const char *event_name;
	bool has_batch;
	InnUlid batch_id;
	TimestampTz run_at; /* first attempt not before; meaningless when skipped */
	bool is_delayed;	/* run_at is in the future */
	bool is_pull;
	bool is_skipped; /* born ended */
	bool
		has_throttle; /* at run_at it asks the throttle of its function when it may start, and is queued then */
	pg_uuid_t throttle;		  /* what it is throttled together with (schedule/limits.h) */
	int64 start_timeout_usec; /* from when it is created until it has started; 0: none */

	bool is_held; /* its app is executing it already, until run_at (inn_jobs_take_held) */

	/* of the first call of an app; NULL: as usual (store/jobs.h) */
	const char *step_id;
	const char *step_name;
	const char *after_id;
	const char *input;
	const InnControls *controls; /* NULL: none */
} InnRun;

/* A run that is to end, and what it was. */
typedef struct InnEnding
{
	InnUlid id;
	InnOutcome outcome;

	/* set by inn_runs_end() */
	bool has_ended; /* now; else it did before, or does not exist, and the rest is not set */
	bool has_defers;
	pg_uuid_t app_id;
	bool is_endpoint; /* its function is */
	pg_uuid_t function_id;
	const char *function_slug;
	bool has_controls;
	bool has_event; /* false: it is not kept any more */
	InnEvent event; /* that has started the run; the first one of a batch */
	bool has_batch;
	InnUlid batch_id;
} InnEnding;

/* What became of one attempt. */
typedef struct InnAttempt
{
	InnUlid run_id;
	int64 job_id;		/* 0: of the pull runtime */
	int attempt;		/* from 0 */
	const char *status; /* COMPLETED, FAILED, EXPIRED, CANCELLED */
	TimestampTz started_at;
	TimestampTz ended_at;
	TimestampTz retry_at; /* INN_NEVER: no further attempt */
	const char *step_id;  /* NULL: the function itself */
	const char *step_name;
	Jsonb *output; /* NULL: none */
	Jsonb *error;  /* NULL: none */
} InnAttempt;

/* Store new runs, in one statement. */
extern void inn_runs_insert(const InnRun *runs, int nruns);

/* First attempt taken up: sets started_at of those that have none and have not ended. */
extern void inn_runs_start(const InnUlid *ids, int nids, TimestampTz now);

/* End runs. */
extern void inn_runs_end(InnEnding *endings, int nendings, TimestampTz now);

/* What an app has said of itself when it answered a run for the first time. */
typedef struct InnRunVersion
{
	InnUlid run_id;
	int request_version;
	bool is_planning;
} InnRunVersion;

extern void inn_runs_set_versions(const InnRunVersion *versions, int nversions);

/* A run that its app is to be called for. */
typedef struct InnRunToCall
{
	bool is_alive;			 /* it exists, and has not ended */
	bool is_to_be_cancelled; /* a bulk cancellation will come to it */
	int request_version;
	bool is_planning;
	bool has_defers;
	TimestampTz started_at; /* INN_NEVER: it has not */
	bool has_event;			/* false: it is not kept any more */
	InnUlid event_id;
	InnEvent event; /* that has started it; the first one of a batch */
	bool has_batch;
	InnUlid batch_id;
} InnRunToCall;

/* Read runs: fills runs[i].  Texts are palloc'ed. */
extern void inn_runs_read_to_call(const InnUlid *ids, int nids, InnRunToCall *runs);

extern bool inn_runs_exists(const InnUlid *id);

/* Where a run stands, at one moment. */
typedef struct InnRunStanding
{
	bool is_alive;
	bool is_pulled;			/* it has an attempt that waits for a pull worker, or is made by one */
	TimestampTz started_at; /* INN_NEVER: it has not */
} InnRunStanding;

/* False if there is no such run. */
extern bool inn_runs_standing(const InnUlid *id, InnRunStanding *standing);

/* What a run was made of, and the first run that it repeats: itself if it is no rerun. */
typedef struct InnRunOrigin
{
	pg_uuid_t function_id;
	InnUlid event_id;
	bool has_batch;
	InnUlid batch_id;
	InnUlid original_id;
} InnRunOrigin;

/* False if there is no such run. */
extern bool inn_runs_origin(const InnUlid *id, InnRunOrigin *origin);

extern void inn_runs_set_original(const InnUlid *id, const InnUlid *original_id);

/* Which of these have not ended: sets alive[i]. Locks nothing. */
extern void inn_runs_alive(const InnUlid *ids, int nids, bool *alive);

/* Store what became of attempts; a list of InnAttempt. */
extern void inn_attempts_insert(const List *attempts);

/*
 * Remember that an event id started a run of a function, until expires_at.  False if an unexpired
 * entry exists.  Waits for other transactions with the same key: claim it first (base/claim.h).
 */
extern bool inn_idempotency_put(const pg_uuid_t *function_id, const pg_uuid_t *key,
								const InnUlid *run_id, TimestampTz now, TimestampTz expires_at);

/* Is there an unexpired entry? */
extern bool inn_idempotency_exists(const pg_uuid_t *function_id, const pg_uuid_t *key,
								   TimestampTz now);

#endif /* INN_RUNS_H */
