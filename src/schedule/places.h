/*-------------------------------------------------------------------------
 *
 * places.h
 *	  Limits of runs in progress.
 *
 * For the scheduler, who alone gives places.
 *
 * IDENTIFICATION
 *	  src/schedule/places.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SCHEDULE_PLACES_H
#define INN_SCHEDULE_PLACES_H

#include "run/changes.h"

/* A transaction begins in which the following two are called; and it was committed. */
extern void inn_places_begin(void);
extern void inn_places_committed(void);

/* For a job that has come due, and is deleted: a run can start, if there is a place for it; else it waits for one. */
extern void inn_places_ask(InnChanges *changes, const InnJob *job);

/* The same: a run has ended that had a place. */
extern void inn_places_free(InnChanges *changes, const InnJob *job);

/*
 * Give what is free to those that wait, in a transaction of its own: when to look (which runs no query), and what becomes of it;
 * inn_places_committed() when that was committed.
 */
extern TimestampTz inn_places_due(void);
extern void inn_places_collect(InnChanges *changes);

#endif /* INN_SCHEDULE_PLACES_H */
