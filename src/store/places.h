/*-------------------------------------------------------------------------
 *
 * places.h
 *	  Limits of runs in progress: what inngest.run_controls says of places.
 *
 * A run that needs a place waits until it has one, and has it until it ends.  Only the scheduler gives places, so what is counted stays so
 * until they are given.
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

/* The place that a run needs; false if there is no such run any more. */
extern bool inn_places_needed(const InnUlid *run_id, InnPlace *place);

/* How many runs have one; counts up to max. */
extern int inn_places_taken(const InnPlace *place, int max);

/* A run has it now, or waits for it. */
extern void inn_places_take(const InnUlid *run_id);
extern void inn_places_wait(const InnUlid *run_id);

/* Of those that wait, the run of the least rank and its function; false if none does. */
extern bool inn_places_first(const InnPlace *place, InnUlid *run_id, pg_uuid_t *function_id);

#endif /* INN_PLACES_H */
