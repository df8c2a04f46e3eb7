/*-------------------------------------------------------------------------
 *
 * events.h
 *	  The inbox: table inngest.events.
 *
 * IDENTIFICATION
 *	  src/store/events.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_EVENTS_H
#define INN_EVENTS_H

#include "utils/jsonb.h"

#include "store/sql.h"

/* An event that has been judged (ingest/accept.c).  Pointers live as long as the caller's context. */
typedef struct InnEvent
{
	InnUlid id;
	const char *name;
	Jsonb *data;		   /* an object */
	Jsonb *user;		   /* an object, or NULL for {} */
	const char *caller_id; /* NULL: none given */
	TimestampTz ts;
	const char *version; /* NULL: none given */
	Jsonb *meta;		 /* NULL: none given */
	TimestampTz received_at;
	bool is_seeded; /* the id may come again when a request is repeated */
	bool is_known;	/* set by inn_events_insert(): the id was there already, nothing stored */
} InnEvent;

/* Store events, in one statement.  Only seeded ones may be known already. */
extern void inn_events_insert(InnEvent *events, int nevents);

/* Read one event; false if there is none.  Pointers live in the current context. */
extern bool inn_events_read(const InnUlid *id, InnEvent *event);

/* The columns of an event e, for statements of others, and reading them: the first is that of the name, null if there is none. */
#define INN_EVENT_COLUMNS \
	" e.name, e.data, e.\"user\", e.caller_id, e.ts, e.v, e.meta, e.received_at"
extern void inn_events_row(uint64 row, int column, const InnUlid *id, InnEvent *event);

/*
 * An event as functions and expressions see it (semantics.md 1.2), palloc'ed: name, data, user, id, ts in
 * milliseconds; v and meta if it has them.
 */
extern Jsonb *inn_event_to_jsonb(const InnEvent *event);

#endif /* INN_EVENTS_H */
