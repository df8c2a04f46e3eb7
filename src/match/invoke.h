/*-------------------------------------------------------------------------
 *
 * invoke.h
 *	  Which function does an event invoke? (semantics.md 1.7)
 *
 * IDENTIFICATION
 *	  src/match/invoke.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_INVOKE_H
#define INN_INVOKE_H

#include "store/apps.h"
#include "store/events.h"

typedef enum InnInvocation
{
	INN_INVOKE_NOTHING, /* it is no invocation */
	INN_INVOKE_FUNCTION,
	INN_INVOKE_MISSING /* there is no such function, it was deleted, or it is an endpoint */
} InnInvocation;

/* Fills *function, or *target with what the event names instead. */
extern InnInvocation inn_invoke_find(const InnEvent *event, InnFunction *function, char **target);

/* May it be invoked at all?  If not, it is as if it was not there. */
extern bool inn_invoke_is_allowed(const InnFunction *function);

/*
 * An event that invokes a function: data as given, which may be NULL, with the name of the function where
 * inn_invoke_find() looks for it.
 */
extern Jsonb *inn_invoke_data(Jsonb *data, const char *target);

#endif /* INN_INVOKE_H */
