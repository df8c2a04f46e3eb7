/*-------------------------------------------------------------------------
 *
 * invoke.c
 *	  Invocations: events that name the function they are for, by its id or its UUID.
 *
 * The name stands in data._inngest, which nobody can send from outside.
 *
 * IDENTIFICATION
 *	  src/match/invoke.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/json.h"
#include "match/invoke.h"
#include "run/finish.h"

#define INTERNAL_KEY "_inngest"

InnInvocation
inn_invoke_find(const InnEvent *event, InnFunction *function, char **target)
{
	if (strcmp(event->name, INN_EVENT_INVOKED) != 0)
		return INN_INVOKE_NOTHING;
	*target = inn_event_invoked(event);
	if (*target == NULL)
		return INN_INVOKE_NOTHING;
	if (inn_functions_by_name(*target, function) && inn_invoke_is_allowed(function))
		return INN_INVOKE_FUNCTION;
	return INN_INVOKE_MISSING;
}

/* An endpoint repeats the request that its run began with: whoever could make one up would have us sign it, and send it anywhere. */
bool
inn_invoke_is_allowed(const InnFunction *function)
{
	return !function->is_archived && !function->is_endpoint;
}

Jsonb *
inn_invoke_data(Jsonb *data, const char *target)
{
	JsonbParseState *state = NULL;
	Jsonb *internal;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_key(&state, INTERNAL_KEY);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "fn_id", target);
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	internal = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	if (data == NULL)
		return internal;
	return DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(data), JsonbPGetDatum(internal)));
}
