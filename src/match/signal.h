/*-------------------------------------------------------------------------
 *
 * signal.h
 *	  Signals: what a run that waits for one is told, by its name (protocol.md 13.1).
 *
 * IDENTIFICATION
 *	  src/match/signal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SIGNAL_H
#define INN_SIGNAL_H

#include "run/changes.h"

/*
 * Send a signal: true, and *run_id, if a run waits for it; it is forgotten if none does.  data may be NULL.  Waits, a moment, while
 * the run is being changed.  ERRORs: ERRCODE_LOCK_NOT_AVAILABLE, ERRCODE_INN_JSON_INVALID if the data cannot be told.
 */
extern bool inn_signal_send(InnChanges *changes, const char *signal, Jsonb *data, InnUlid *run_id);

#endif /* INN_SIGNAL_H */
