/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *	  The call of a durable endpoint: the request that its run began with, once more (protocol.md 12.3).
 *
 * IDENTIFICATION
 *	  src/execute/endpoint.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ENDPOINT_H
#define INN_ENDPOINT_H

#include "execute/request.h"
#include "store/events.h"

/* Put it together, palloc'ed in the current context: the method, and the rest. */
extern void inn_endpoint_build(const InnRequestSubject *subject, const InnEvent *event,
							   const char **method, InnRequestText *text);

#endif /* INN_ENDPOINT_H */
