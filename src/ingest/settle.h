/*-------------------------------------------------------------------------
 *
 * settle.h
 *	  Writing changes of runs, and sending the events that follow from them.
 *
 * IDENTIFICATION
 *	  src/ingest/settle.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SETTLE_H
#define INN_SETTLE_H

#include "run/changes.h"

/*
 * Write what was collected, and accept the events: they are stored, matched and delivered as any others, in this transaction.
 * Between inn_sql_begin() and inn_sql_end().
 */
extern void inn_settle(InnChanges *changes);

#endif /* INN_SETTLE_H */
