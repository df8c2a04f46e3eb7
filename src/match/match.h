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
 * Hand the event to every function that has a matching trigger, once each.  What is to run is added to
 * the list; nothing is written but questions for the scheduler (schedule/admit.h).
 */
extern void inn_match_event(const InnEvent *event, InnRunList *runs);

#endif /* INN_MATCH_H */
