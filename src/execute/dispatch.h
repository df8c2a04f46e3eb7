/*-------------------------------------------------------------------------
 *
 * dispatch.h
 *	  Which jobs are being executed, by whom: claims in shared memory.
 *
 * A claim costs no write, and ends with the process that holds it: then the job is still in its table, and whoever finds it
 * there dispatches it anew.  Others look here to tell a call that goes on from one that was given up.
 *
 * IDENTIFICATION
 *	  src/execute/dispatch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_DISPATCH_H
#define INN_DISPATCH_H

#include "datatype/timestamp.h"

#include "base/ulid.h"

/* Most jobs that all executors together execute at a time. */
#define INN_MAX_DISPATCHES 16384

typedef struct InnDispatch
{
	int64 job_id; /* the key */
	InnUlid run_id;
	InnUlid request_id;
	TimestampTz started_at;
	int owner;			 /* pid */
	bool attempts_reset; /* a checkpoint came: the attempts of the job count from 0 again */
} InnDispatch;

extern Size inn_dispatch_shmem_size(void);
extern void inn_dispatch_shmem_init(void);

/* Claim a job.  False if another process executes it, or there is no room. */
extern bool inn_dispatch_begin(int64 job_id, const InnUlid *run_id, const InnUlid *request_id,
							   TimestampTz now);

/* Give a claim of this process up; *last, if not NULL, is what it was. */
extern void inn_dispatch_end(int64 job_id, InnDispatch *last);

/* Give all claims of this process up, because it exits or starts anew. */
extern void inn_dispatch_end_all(void);

/* Who executes a job; false if nobody does. */
extern bool inn_dispatch_find(int64 job_id, InnDispatch *dispatch);

/* A checkpoint of this job has been stored. */
extern void inn_dispatch_reset_attempts(int64 job_id);

#endif /* INN_DISPATCH_H */
