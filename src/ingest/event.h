/*-------------------------------------------------------------------------
 *
 * event.h
 *	  One event, judged: the rules of protocol.md 3.3 and the limits.
 *
 * IDENTIFICATION
 *	  src/ingest/event.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_EVENT_H
#define INN_EVENT_H

#include "base/compat.h"
#include "store/events.h"

/* Limits that are not settings, in bytes. */
#define INN_MAX_EVENT_NAME 1024
#define INN_MAX_EVENT_ID 1024
#define INN_MAX_EVENT_VERSION 256
#define INN_MAX_SESSIONS 5
#define INN_MAX_SESSION_KEY 128
#define INN_MAX_SESSION_ID 512

/* Why something was refused. */
typedef struct InnRefusal
{
	int sqlerrcode;		 /* of base/errors.h */
	const char *message; /* as ereport's primary message */
	const char *hint;	 /* NULL: none */
} InnRefusal;

/*
 * Take an event from a JSON value.  text_bytes is the size of its JSON text if known, or -1.  False, and
 * *refusal, if it breaks a rule.  The event gets everything but an id; received_at is `now`.
 * Pointers in it live in the current memory context or in the value's.
 */
extern bool inn_event_from_json(JsonbValue *value, int64 text_bytes, TimestampTz now,
								InnEvent *event, InnRefusal *refusal);

/*
 * Judge an event whose fields were filled in otherwise: name, data, user, caller_id, ts, received_at.
 * Removes data._inngest.
 */
extern bool inn_event_judge(InnEvent *event, InnRefusal *refusal);

/* Is the event, as JSON text, within inngest.max_event_size? */
extern bool inn_event_fits(int64 bytes, InnRefusal *refusal);

/* The same for an event that is not text: data and user (may be NULL) are measured. */
extern bool inn_event_fits_jsonb(const Jsonb *data, const Jsonb *user, InnRefusal *refusal);

/* Raise the refusal. */
pg_noreturn extern void inn_refusal_throw(const InnRefusal *refusal);

#endif /* INN_EVENT_H */
