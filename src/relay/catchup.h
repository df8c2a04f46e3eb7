/*-------------------------------------------------------------------------
 *
 * catchup.h
 *	  Telling a Redis that has lost, or never had, what it was to be told.
 *
 * All runs that have not ended are gone through, so many at a time: ask, take the answers, tell.
 *
 * IDENTIFICATION
 *	  src/relay/catchup.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CATCHUP_H
#define INN_CATCHUP_H

/* Once, with the worker's memory context current. */
extern void inn_catchup_init(void);

/* Begin with the first run. */
extern void inn_catchup_begin(void);

/*
 * Put questions about the next runs into the announcement that has begun; returns their number, 0 when
 * there are no more.
 */
extern int inn_catchup_ask(void);

/* The answers, in order: does Redis know the run? */
extern void inn_catchup_answer(bool is_known);

/* All answers are in: put what Redis lacks into a new announcement.  It may turn out empty. */
extern void inn_catchup_tell(void);

#endif /* INN_CATCHUP_H */
