/*-------------------------------------------------------------------------
 *
 * state.c
 *	  How much a run may record.
 *
 * IDENTIFICATION
 *	  src/run/state.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "run/fault.h"
#include "run/state.h"

#define FAULT_OVERFLOW_STATE "InngestErrStateOverflowed"

/* Answers whose memos are so small may be applied without knowing what parallel steps have recorded meanwhile. */
#define SMALL_ANSWER_BYTES (256 * 1024)

/* More than the memo of a step whose result cannot be told. */
#define FAULT_BYTES 256

static int64 most_bytes(const InnOp *ops, int nops);
static void ask(InnState *state, const InnChanges *changes, const InnUlid *run_id, const InnOp *ops,
				int nops);
static void add(InnState *state, const InnStep *step, const char *const *ids, int nids);

Jsonb *
inn_state_fault(InnStateSize size)
{
	if (size.nsteps > INN_STEPS_MAX)
		return inn_fault_make(INN_FAULT_OVERFLOW_STEPS,
							  psprintf("The function run exceeded the step limit of %d steps.",
									   INN_STEPS_MAX));
	if (size.bytes > INN_STATE_MAX_BYTES)
		return inn_fault_make(
			FAULT_OVERFLOW_STATE,
			psprintf("The function run exceeded the state size limit of %d bytes.",
					 INN_STATE_MAX_BYTES));
	return NULL;
}

InnState
inn_state_survey(const InnChanges *changes, const InnCallNews *news, const InnOp *ops, int nops)
{
	InnState state = {.size = news->state};
	int64 bytes = most_bytes(ops, nops);

	if (state.size.nsteps + nops > INN_STEPS_MAX || bytes > SMALL_ANSWER_BYTES ||
		state.size.bytes + bytes > INN_STATE_MAX_BYTES)
		ask(&state, changes, &news->job->run_id, ops, nops);
	return state;
}

/* At most so much memos have: of a byte of jsonb become six, as \u0001, and of what cannot be told a sentence. */
static int64
most_bytes(const InnOp *ops, int nops)
{
	int64 bytes = 0;

	for (int i = 0; i < nops; i++)
	{
		bytes += FAULT_BYTES;
		if (ops[i].data != NULL)
			bytes += 6 * (int64) VARSIZE(ops[i].data);
		if (ops[i].error != NULL)
			bytes += 6 * (int64) VARSIZE(ops[i].error);
	}
	return bytes;
}

static void
ask(InnState *state, const InnChanges *changes, const InnUlid *run_id, const InnOp *ops, int nops)
{
	const char **ids = palloc(nops * sizeof(char *));
	ListCell *cell;

	for (int i = 0; i < nops; i++)
		ids[i] = ops[i].id;
	state->size = inn_steps_size(run_id);
	state->is_known = palloc(nops * sizeof(bool));
	inn_steps_recorded(run_id, ids, nops, state->is_known);
	foreach(cell, changes->steps) /* of calls that are settled together */
	{
		const InnStep *step = lfirst(cell);

		if (memcmp(&step->run_id, run_id, sizeof(InnUlid)) == 0)
			add(state, step, ids, nops);
	}
	/* of ops that say the same, the first counts */
	for (int i = 0; i < nops; i++)
	{
		for (int j = 0; j < i && !state->is_known[i]; j++)
			state->is_known[i] = strcmp(ids[i], ids[j]) == 0;
	}
}

static void
add(InnState *state, const InnStep *step, const char *const *ids, int nids)
{
	state->size.nsteps++;
	state->size.bytes += (int64) strlen(step->memo);
	for (int i = 0; i < nids; i++)
		state->is_known[i] = state->is_known[i] || strcmp(ids[i], step->id) == 0;
}
