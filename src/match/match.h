/*-------------------------------------------------------------------------
 *
 * match.h
 *	  Which functions does an event start?
 *
 * IDENTIFICATION
 *	  src/match/match.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_MATCH_H
#define INN_MATCH_H

#include "run/lifecycle.h"
#include "store/events.h"

/*
 * Hand the event to every function that has a matching trigger, and to the one that it invokes, once each.  What is to run is added
 * to the list; nothing is written but questions for the scheduler (schedule/admit.h).  Events that follow at once, because nobody can be
 * invoked, are left in changes.
 */
extern void inn_match_event(const InnEvent *event, InnRunList *runs, InnChanges *changes);

#endif /* INN_MATCH_H */
