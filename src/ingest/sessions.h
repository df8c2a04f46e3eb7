/*-------------------------------------------------------------------------
 *
 * sessions.h
 *	  The sessions an event belongs to (protocol.md 3.6).
 *
 * IDENTIFICATION
 *	  src/ingest/sessions.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SESSIONS_H
#define INN_SESSIONS_H

#include "ingest/event.h"

/*
 * From an event's "meta": *meta becomes {"sessions": {…}}, the given ones and, where there is room, the
 * inherited ones; NULL if there are none.  False, and *refusal, if a rule or limit is broken.
 */
extern bool inn_sessions_from_json(JsonbContainer *event, Jsonb **meta, InnRefusal *refusal);

/* The same from an object that is one's "meta". */
extern bool inn_sessions_merge(JsonbContainer *given_meta, Jsonb **meta, InnRefusal *refusal);

#endif /* INN_SESSIONS_H */
