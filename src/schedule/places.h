/*-------------------------------------------------------------------------
 *
 * places.h
 *	  Limits of runs in progress.
 *
 * For the scheduler, who alone gives places: each of these acts on a job that has come due, and is deleted.
 *
 * IDENTIFICATION
 *	  src/schedule/places.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SCHEDULE_PLACES_H
#define INN_SCHEDULE_PLACES_H

#include "run/changes.h"

/* A transaction begins in which they are called; and it was committed. */
extern void inn_places_begin(void);
extern void inn_places_committed(void);

/* A run can start, if there is a place for it; else it waits for one. */
extern void inn_places_ask(InnChanges *changes, const InnJob *job);

/* A run has ended that had a place: give it to others. */
extern void inn_places_give(InnChanges *changes, const InnJob *job);

#endif /* INN_SCHEDULE_PLACES_H */
