/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The skeleton of every worker.
 *
 * IDENTIFICATION
 *	  src/worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_WORKER_H
#define INN_WORKER_H

#include "base/wake.h"

/* The bgw_main_arg of the index-th worker of a role. */
extern Datum inn_worker_arg(InnRole role, int index);

#endif /* INN_WORKER_H */
