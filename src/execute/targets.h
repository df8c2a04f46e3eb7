/*-------------------------------------------------------------------------
 *
 * targets.h
 *	  Functions as the executor needs them, cached.
 *
 * IDENTIFICATION
 *	  src/execute/targets.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TARGETS_H
#define INN_TARGETS_H

#include "run/flow.h"
#include "store/apps.h"

extern void inn_targets_init(void);

/* Have functions or apps changed since this was asked last?  The cache is emptied then; true at first. */
extern bool inn_targets_have_changed(void);

/* Start anew: everything has changed. */
extern void inn_targets_forget(void);

/*
 * A function, also an archived one; NULL if there is none.  In a transaction.  Valid until inn_targets_have_changed() is asked
 * again.
 */
extern const InnFunction *inn_targets_find(const pg_uuid_t *function_id);

/* Its flow control; NULL if there is no such function. */
extern const InnFlow *inn_targets_flow(const pg_uuid_t *function_id);

#endif /* INN_TARGETS_H */
