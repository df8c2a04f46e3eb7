/*-------------------------------------------------------------------------
 *
 * api.c
 *	  Plans for the functions of the HTTP API, made when first called.
 *
 * IDENTIFICATION
 *	  src/store/api.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "store/api.h"

/* The API has fewer functions than that. */
#define MAX_FUNCTIONS 128

typedef struct ApiPlan
{
	char *function;
	InnPlan plan;
} ApiPlan;

static InnPlan *plan_for(const char *function);
static char *body_text(Jsonb *body);

void
inn_api_call(const char *function, Jsonb *request, Jsonb *body, InnApiReply *reply)
{
	bool is_null;
	Datum answer;

	if (INN_RUN(plan_for(function), inn_arg_pointer(request), inn_arg_pointer(body)) != 1)
		elog(ERROR, "API function %s gave no answer", function);
	answer = inn_row_datum(0, 2, &is_null);

	reply->status = inn_row_int(0, 1);
	reply->body = is_null ? pstrdup("") : body_text(DatumGetJsonbP(answer));
	reply->size = strlen(reply->body);
}

static InnPlan *
plan_for(const char *function)
{
	static ApiPlan plans[MAX_FUNCTIONS];
	static int nplans;
	MemoryContext caller;

	for (int i = 0; i < nplans; i++)
	{
		if (strcmp(plans[i].function, function) == 0)
			return &plans[i].plan;
	}
	if (nplans == MAX_FUNCTIONS)
		elog(ERROR, "too many API functions");

	caller = MemoryContextSwitchTo(TopMemoryContext);
	plans[nplans].function = pstrdup(function);
	plans[nplans].plan = (InnPlan){
		.text = psprintf("SELECT status, body FROM inngest.%s($1, $2)", quote_identifier(function)),
		.nargs = 2,
		.argtypes = {JSONBOID, JSONBOID},
	};
	MemoryContextSwitchTo(caller);
	return &plans[nplans++].plan;
}

static char *
body_text(Jsonb *body)
{
	JsonbValue value;

	if (JB_ROOT_IS_SCALAR(body) && JsonbExtractScalar(&body->root, &value) &&
		value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	return JsonbToCString(NULL, &body->root, VARSIZE(body));
}
