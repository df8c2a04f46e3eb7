/*-------------------------------------------------------------------------
 *
 * answers.h
 *	  Settles what apps have answered; part of the executor.
 *
 * IDENTIFICATION
 *	  src/answers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ANSWERS_H
#define INN_ANSWERS_H

#include "execute/lanes.h"

/* A flight whose reply is there. */
extern void inn_answers_add(InnFlight *flight);

/* True if anything was settled. */
extern bool inn_answers_settle(void);

/* When there is something to settle. */
extern TimestampTz inn_answers_due(void);

/* Their flights are gone; their jobs are in the table. */
extern void inn_answers_forget(void);

#endif /* INN_ANSWERS_H */
