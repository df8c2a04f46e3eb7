/*-------------------------------------------------------------------------
 *
 * places.h
 *	  Limits of runs in progress: what inngest.run_controls says of places.
 *
 * A run that needs a place waits until it has one, and has it until it ends.  Only the scheduler gives places.
 *
 * IDENTIFICATION
 *	  src/store/places.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_PLACES_H
#define INN_PLACES_H

#include "store/sql.h"

/* What the runs that count together have in common. */
typedef pg_uuid_t InnPlace;

/* As first_rank: nobody waits. */
#define INN_RANK_NONE PG_INT64_MAX

/* How things stand with a place. */
typedef struct InnPlaceState
{
	InnPlace place;
	int64
		taken; /* by runs in progress, and by ended ones whose job that says so is still there (INN_JOB_PLACE_FREED) */
	int64 first_rank;	 /* none of those that wait has a lower one */
	TimestampTz look_at; /* when one of them may have it; for whoever keeps the state */
} InnPlaceState;

/* All that are taken or waited for, palloc'ed; their number. */
extern int inn_places_read(InnPlaceState **states);

/* The place that a run needs, and its rank; false if there is no such run any more. */
extern bool inn_places_needed(const InnUlid *run_id, InnPlace *place, int64 *rank);

/* A run has it now, or waits for it. */
extern void inn_places_take(const InnUlid *run_id);
extern void inn_places_wait(const InnUlid *run_id);

typedef struct InnPlaceWaiter
{
	InnUlid run_id;
	pg_uuid_t function_id;
	int64 rank;
} InnPlaceWaiter;

/* The one that is next of those that wait, after the one that is given; false if there is none.  A run_id of zeroes is before all of its rank. */
extern bool inn_places_next(const InnPlace *place, InnPlaceWaiter *waiter);

#endif /* INN_PLACES_H */
