/*-------------------------------------------------------------------------
 *
 * controls.h
 *	  What flow control has decided about runs that have not ended: table inngest.run_controls.
 *
 * A row comes with its run and goes when that ends; function_runs.has_controls says that there is one.
 *
 * IDENTIFICATION
 *	  src/store/controls.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CONTROLS_H
#define INN_CONTROLS_H

#include "store/sql.h"

#define INN_CONTROLS_MAX_LIMITS 2

typedef struct InnControls
{
	InnUlid run_id;
	int priority_s;
	bool is_singleton;
	pg_uuid_t singleton; /* what it is the only run of */

	/* the place that it needs among the runs in progress (store/places.h); those of the least rank have it first */
	bool needs_place;
	pg_uuid_t place;
	int64 rank;

	/* limits of concurrency by their names (run/flow.h), and what their keys came to */
	int nlimits;
	const char *limits[INN_CONTROLS_MAX_LIMITS];
	const char *values[INN_CONTROLS_MAX_LIMITS];
} InnControls;

extern void inn_controls_put(const InnControls *controls, int ncontrols);

/* Those of runs: sets controls[i], palloc'ed, or NULL if a run has none. */
extern void inn_controls_read(const InnUlid *run_ids, int nruns, const InnControls **controls);

/* The run that was created last of those that are to be the only one; false if there is none. */
extern bool inn_controls_find_singleton(const pg_uuid_t *singleton, InnUlid *run_id,
										TimestampTz *received_at);

/* A place that a run has had. */
typedef struct InnFreedPlace
{
	InnUlid run_id;
	pg_uuid_t place;
} InnFreedPlace;

/* Of runs that have ended; freed has room for nruns, the result is how many of them have had a place. */
extern int inn_controls_remove(const InnUlid *run_ids, int nruns, InnFreedPlace *freed);

#endif /* INN_CONTROLS_H */
