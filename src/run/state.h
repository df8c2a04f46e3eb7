/*-------------------------------------------------------------------------
 *
 * state.h
 *	  How much a run may record: the state that its calls carry.
 *
 * IDENTIFICATION
 *	  src/run/state.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_STATE_H
#define INN_STATE_H

#include "run/opcode.h"

/* What a run has recorded when an answer is applied to it, and which ops of the answer are among that; NULL: none. */
typedef struct InnState
{
	InnStateSize size;
	bool *is_known;
} InnState;

/* The error of a run that would have recorded so much; NULL: it may have. */
extern Jsonb *inn_state_fault(InnStateSize size);

/*
 * What was known when the call was made is enough nearly always.  The tables are asked if the answer might not have room, as an app
 * repeats what a checkpoint has recorded if it did not see our reply; and if it is large, as parallel steps may have recorded
 * much meanwhile.
 */
extern InnState inn_state_survey(const InnChanges *changes, const InnCallNews *news,
								 const InnOp *ops, int nops);

/* Is the result of an op recorded already? */
static inline bool
inn_state_knows(const InnState *state, int n)
{
	return state->is_known != NULL && state->is_known[n];
}

#endif /* INN_STATE_H */
