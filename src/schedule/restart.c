/*-------------------------------------------------------------------------
 *
 * restart.c
 *	  Repeating a run from one of its steps on.
 *
 * What had ended before that step is copied, so the function finds it done.  A step that the function runs itself is asked for by
 * name, with its input; all others begin when the function comes to them, as they did the first time.
 *
 * IDENTIFICATION
 *	  src/schedule/restart.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/ident.h"
#include "base/jcs.h"
#include "base/json.h"
#include "run/op.h"
#include "schedule/restart.h"

static char *canonical_input(Jsonb *input);
static void choose(const InnUlid *run_id, const char *step, InnStepPlace *place);
static char *list_ids(const InnStepPlace *places, int nplaces);

void
inn_restart_find(const InnUlid *run_id, const InnFunction *function, const char *step, Jsonb *input,
				 InnRestart *restart)
{
	if (function->runtime != INN_RUNTIME_HTTP)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("function \"%s\" has no steps to begin from", function->slug),
				errdetail("Only functions of apps have."));
	*restart = (InnRestart){.run_id = *run_id};
	if (input != NULL)
		restart->input = canonical_input(input);
	choose(run_id, step, &restart->place);
	if (input != NULL && !restart->place.is_run)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("step \"%s\" takes no input", restart->place.name),
				errdetail("Only steps that run code of the function do."));
	if (input != NULL && !inn_functions_take_input(&function->id))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("the SDK of function \"%s\" cannot be given the input of a step",
					   function->slug),
				errdetail("Only that for TypeScript can."));
}

static char *
canonical_input(Jsonb *input)
{
	StringInfoData text;
	JsonbValue value;

	if (!JB_ROOT_IS_ARRAY(input) || JB_ROOT_IS_SCALAR(input))
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("the input of a step must be an array"),
				errdetail("Its elements are the arguments of the step's code."));
	JsonbToJsonbValue(input, &value);
	if (!inn_jcs_is_within(&value, INN_STEP_MAX_BYTES))
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("the input of a step must have no more than %d bytes of canonical JSON",
					   INN_STEP_MAX_BYTES));
	initStringInfo(&text);
	(void) inn_jcs_append(&text, input);
	return text.data;
}

/* Who gives a hash means that step. */
static void
choose(const InnUlid *run_id, const char *step, InnStepPlace *place)
{
	char hash[INN_STEP_HASH_SIZE];
	int nplaces;
	InnStepPlace *places;

	inn_step_hash(step, hash);
	places = inn_steps_find(run_id, step, hash, &nplaces);
	for (int i = 0; i < nplaces; i++)
	{
		if (strcmp(places[i].id, step) == 0)
		{
			*place = places[i];
			return;
		}
	}
	if (nplaces == 0)
	{
		char run[INN_ULID_TEXT_LEN + 1];

		inn_ulid_format(run_id, run);
		ereport(ERROR,
				errcode(ERRCODE_INN_STEP_NOT_FOUND),
				errmsg("run %s has no step \"%s\"", run, step));
	}
	if (nplaces > 1)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("%d steps of the run are called \"%s\"", nplaces, step),
				errdetail("Their hashes are: %s.", list_ids(places, nplaces)),
				errhint("Name the step by its hash."));
	*place = places[0];
}

static char *
list_ids(const InnStepPlace *places, int nplaces)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < nplaces && i < INN_STEP_PLACES_MAX; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", places[i].id);
	return list.data;
}

void
inn_restart_aim(const InnRestart *restart, InnRun *run)
{
	run->after_id = restart->place.after_id;
	if (!restart->place.is_run)
		return;
	run->step_id = restart->place.id;
	run->step_name = restart->place.name;
	run->input = restart->input;
}

void
inn_restart_copy(const InnRestart *restart, const InnUlid *run_id)
{
	inn_steps_copy(&restart->run_id, run_id, restart->place.position);
}
