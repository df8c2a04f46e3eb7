/*-------------------------------------------------------------------------
 *
 * pauses.h
 *	  Who waits for what: table inngest.pauses.
 *
 * Whoever ends a pause deletes it, and acts only if it was there to be deleted: an event, a timeout and the end of the run may
 * come together, and one of them wins.
 *
 * IDENTIFICATION
 *	  src/store/pauses.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_PAUSES_H
#define INN_PAUSES_H

#include "base/timer.h"
#include "store/sql.h"

/* X(enum name, name in the table) */
#define INN_PAUSE_TABLE(X) \
	X(EVENT, "event") \
	X(INVOKE, "invoke") \
	X(SIGNAL, "signal") \
	X(CANCEL, "cancel")

typedef enum InnPauseKind
{
#define INN_PAUSE_DECLARE(name, text) INN_PAUSE_##name,
	INN_PAUSE_TABLE(INN_PAUSE_DECLARE)
#undef INN_PAUSE_DECLARE
	INN_PAUSE_COUNT
} InnPauseKind;

/* Texts live as long as the caller's context, NULL means none. */
typedef struct InnPause
{
	InnUlid run_id;
	const char *step_id;
	InnPauseKind kind;
	pg_uuid_t app_id;
	pg_uuid_t function_id;
	const char *name;		/* for people */
	const char *event_name; /* NULL: it waits for a signal */
	const char *expression; /* NULL: any event of that name */
	const char *path;		/* of the key; NULL: none */
	int64 value_hash;
	const char *signal;
	bool is_grouped;
	bool is_race;
	uint64 since_xact; /* when read: see the table */
	TimestampTz created_at;
	TimestampTz expires_at;
	InnUlid event_id;	/* when read: the event that its run was started by */
	bool is_matched;	/* when read: it is among inn_pauses_read_matched() */
	InnUlid matched_id; /* when read by that: the event that has ended it */
	bool is_new;		/* set by inn_pauses_put(): there was none of this step */
} InnPause;

/*
 * Put pauses, in order.  The name of what they wait for becomes an awaited one, and the scheduler is told when they expire.  One
 * whose signal is taken is not put; look for that first.
 */
extern void inn_pauses_put(InnPause *pauses, int npauses);

/* Who waits for a signal; false if nobody does. */
extern bool inn_pauses_find_signal(const char *signal, InnPause *pause);

/* Nobody waits for this signal any more: who did waits for the timeout alone. */
extern void inn_pauses_give_up_signal(const char *signal);

/* Where the keys of pauses for an event look; palloc'ed, *count is set. */
extern char **inn_pauses_paths(const char *event_name, int *count);

/* What an event has at a path where keys of pauses look. */
typedef struct InnPauseKey
{
	const char *path;
	int64 value_hash;
} InnPauseKey;

/*
 * Read about max pauses for an event that have one of the keys, or none, of runs beyond a run and in their order: all of each run, so
 * that it can be more than max.  Less, if there are no more.  palloc'ed, *count is set.
 */
extern InnPause *inn_pauses_read_candidates(const char *event_name, const InnPauseKey *keys,
											int nkeys, const InnUlid *after, int max, int *count);

/* Is there a pause for an event of one of these names? */
extern bool inn_pauses_wait_for(char **names, int nnames);

/* Delete pauses: sets removed[i] for those that were still there, and that nobody else is just deleting. */
extern void inn_pauses_remove(const InnPause *const *pauses, int npauses, bool *removed);

/* Delete whatever runs that have ended were waiting for. */
extern void inn_pauses_remove_runs(const InnUlid *run_ids, int nruns);

/* Remember that an event has ended a pause whose run is busy; the first one counts. */
extern void inn_pauses_note_match(const InnPause *pause, const InnUlid *event_id);
extern void inn_pauses_remove_match(const InnPause *pause);

/* Read about max of those that were so remembered, beyond a run; those whose pause is gone are forgotten. */
extern InnPause *inn_pauses_read_matched(const InnUlid *after, int max, int *count);

/* Read up to max pauses that expire between two times, earliest first, and the time of the next one. */
extern InnPause *inn_pauses_read_expired(TimestampTz from, TimestampTz until, int max, int *count);
extern TimestampTz inn_pauses_next_expiry(TimestampTz from);

/* A number that tells pauses apart, for all practical purposes (base/redo.h). */
extern int64 inn_pause_number(const InnPause *pause);

/* For all pauses that there are: note what they wait for (awaited.h). */
extern void inn_pauses_note_awaited(void);

/* Which of these runs have still a step of a group to end: sets open[i]. */
extern void inn_groups_open(const InnUlid *run_ids, int nruns, bool *open);

#endif /* INN_PAUSES_H */
