/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  One attempt at a job: from the tables to the wire, and from the wire to an outcome.
 *
 * IDENTIFICATION
 *	  src/execute/attempt.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ATTEMPT_H
#define INN_ATTEMPT_H

#include "execute/lanes.h"
#include "execute/reply.h"
#include "execute/request.h"
#include "run/opcode.h"
#include "store/apps.h"
#include "store/runs.h"

typedef enum InnReadiness
{
	INN_CALL_READY,
	INN_CALL_GONE,	 /* the run has ended, or its function is paused: nothing to do */
	INN_CALL_FAULTY, /* the run fails, see fault */
	INN_CALL_LATE,	 /* a timeout of the function is over: the run is cancelled */
	INN_CALL_ASIDE,	 /* there is no room for so large a call now (inn_lanes_admit) */
	INN_CALL_BUSY,	 /* somebody else is just changing the run */
	INN_CALL_DOOMED	 /* a bulk cancellation will come to it */
} InnReadiness;

/* A call that is about to be made; texts are in the context that it was prepared in. */
typedef struct InnPrepared
{
	InnFlight *flight;
	InnReadiness readiness;
	Jsonb *fault; /* FAULTY */
	const InnFunction *function;
	InnRunToCall run;
	bool is_first; /* the run starts with it */
	InnRequestSubject subject;
	size_t bytes;		 /* of the body, about */
	MemoryContext large; /* for what is large of it; NULL: nothing is */
} InnPrepared;

/*
 * Read what calls say: fills prepared[i] of flights[i].  In a transaction.  Of those that are ready the caller says which are made (or sets
 * them ASIDE or BUSY), and has the rest of their state read.
 */
extern void inn_attempts_prepare(InnFlight *const *flights, int nflights, TimestampTz now,
								 InnPrepared *prepared);

extern void inn_attempts_read_state(InnPrepared *prepared, int nprepared);

/* Make a call; its reply comes out of the client with the flight as cookie.  False: out of memory. */
extern bool inn_attempt_start(InnPrepared *prepared, const char *signing_key);

/* What the reply of a flight comes to.  In a transaction. */
extern void inn_attempt_outcome(const InnFlight *flight, TimestampTz now,
								InnOutcomeOfCall *outcome);

/* The same as news for its run. */
extern InnCallNews inn_attempt_news(const InnFlight *flight, const InnOutcomeOfCall *outcome);

/* A flight is over: its job is done with, or is left where it is, until inn_lanes_reread(). */
extern void inn_attempt_land(InnFlight *flight);
extern void inn_attempt_leave(InnFlight *flight);

#endif /* INN_ATTEMPT_H */
