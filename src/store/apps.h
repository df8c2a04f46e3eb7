/*-------------------------------------------------------------------------
 *
 * apps.h
 *	  Apps, functions and triggers.
 *
 * IDENTIFICATION
 *	  src/store/apps.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_APPS_H
#define INN_APPS_H

#include "utils/jsonb.h"

#include "store/sql.h"

#define INN_RUNTIME_PULL "pull"

/* What matching and admission need to know of a function. */
typedef struct InnFunction
{
	pg_uuid_t id;
	pg_uuid_t app_id;
	int32 version;
	int max_attempts;
	bool is_pull;
	bool is_paused;
	bool is_archived;
	const char *slug;
} InnFunction;

/* A trigger of a function that is not archived. */
typedef struct InnTrigger
{
	InnFunction function;
	int position;			/* in the config, from 1 */
	const char *expression; /* NULL: none */
} InnTrigger;

/* Where the keys of triggers with this event name look. */
typedef struct InnTriggerPath
{
	const char *event_name; /* as it stands in the trigger, perhaps with a star */
	const char *path;
} InnTriggerPath;

/*
 * Triggers whose event name is one of the names, in the order of functions and positions.  Those without
 * keys are all found by name; those with keys by a path and the hash of the value there (cel/cel.h), and
 * inn_triggers_paths() tells which paths there are.
 *
 * They see what is committed now, whatever the isolation level.  palloc'ed; *count is set.
 */
extern InnTrigger *inn_triggers_without_keys(const char **names, int nnames, int *count);
extern InnTriggerPath *inn_triggers_paths(const char **names, int nnames, int *count);
extern InnTrigger *inn_triggers_by_key(const InnTriggerPath *path, int64 hash, int *count);

/* One function, also an archived one; false if there is none. slug is palloc'ed. */
extern bool inn_functions_by_slug(const char *slug, InnFunction *function);
extern bool inn_functions_by_id(const pg_uuid_t *id, InnFunction *function);

typedef enum InnPut
{
	INN_PUT_CREATED, /* new, or back from the archive */
	INN_PUT_CHANGED,
	INN_PUT_SAME
} InnPut;

/* How often the expression of a trigger has failed lately, and what was said last. */
typedef struct InnTriggerFault
{
	pg_uuid_t function_id;
	int32 function_version;
	int position;
	int64 count;
	TimestampTz last_at;
	char message[256];
} InnTriggerFault;

/* Add them to what is written down, unless the function has changed since. */
extern void inn_triggers_put_faults(const InnTriggerFault *faults, int nfaults);

/* An equality that must hold for an expression to be true: what the value at a path hashes to. */
typedef struct InnTriggerKey
{
	const char *path;
	int64 hash;
} InnTriggerKey;

typedef struct InnTriggerDefinition
{
	const char *event;		/* NULL: it is no trigger by events, but by time */
	const char *expression; /* NULL: none */
	InnTriggerKey
		*keys; /* one of them holds when the expression is true; none: it has to be tried */
	int nkeys;
	const char *cron; /* NULL: it is no trigger by time */
	int64 jitter_usec;
} InnTriggerDefinition;

/* A definition that has been judged (ingest/register.c). */
typedef struct InnDefinition
{
	const char *app; /* app name, created when new */
	const char *slug;
	const char *name;
	const char *runtime;
	int max_attempts;
	Jsonb *config;
	InnTriggerDefinition *triggers; /* in declared order */
	int ntriggers;
} InnDefinition;

/*
 * Create or replace a function and its triggers.  The version grows when the config differs.  Serialized
 * per slug; other backends see the change when it commits (inn_match_event() is told).
 */
extern InnPut inn_functions_put(const InnDefinition *definition, pg_uuid_t *id);

/* These return false if there is no such function (archived ones do not count). */
extern bool inn_functions_archive(const char *slug);
extern bool inn_functions_pause(const char *slug);
extern bool inn_functions_resume(const char *slug);

#endif /* INN_APPS_H */
