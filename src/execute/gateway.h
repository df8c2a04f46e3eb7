/*-------------------------------------------------------------------------
 *
 * gateway.h
 *	  Requests that functions have made for them: step.fetch and step.ai.infer (protocol.md 8.8).
 *
 * They are made when the call that asks for them has been answered, and before that is settled, so that a secret they carry is nowhere
 * stored.  A crash means that the function is called again.
 *
 * IDENTIFICATION
 *	  src/execute/gateway.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_GATEWAY_H
#define INN_GATEWAY_H

#include "execute/lanes.h"
#include "execute/reply.h"

/*
 * Does the outcome of a flight ask for requests that have not been answered yet?  Then they are under way; the flight is not to be
 * settled, and inn_gateway_note_reply() returns it when they have been.
 */
extern bool inn_gateways_open(InnFlight *flight, const InnOutcomeOfCall *outcome);

/* A reply of such a request: the flight, if it was the last one it waits for, else NULL. */
extern InnFlight *inn_gateway_note_reply(InnClientReply *reply);

/* Put the answers in the place of the ops that asked for them. */
extern void inn_gateways_apply(InnFlight *flight, InnOutcomeOfCall *outcome);

extern void inn_gateways_free(InnFlight *flight);

#endif /* INN_GATEWAY_H */
