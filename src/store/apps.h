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

#include "base/timer.h"
#include "store/sql.h"

/* Who executes a function. */
typedef enum InnRuntime
{
	INN_RUNTIME_PULL, /* any program that takes runs */
	INN_RUNTIME_HTTP, /* an app, which is called */
	INN_RUNTIME_SQL	  /* a procedure in this database */
} InnRuntime;

/* As configs and the table spell it. */
extern const char *inn_runtime_name(InnRuntime runtime);
extern InnRuntime inn_runtime_of_name(const char *name);

/* Can the SDK of a function be told the input of a step (protocol.md 8.10)? */
extern bool inn_functions_take_input(const pg_uuid_t *id);

/* Is this what inngest.functions.language says of Go?  May be NULL. */
extern bool inn_language_is_go(const char *language);

/* What matching, admission and execution need to know of a function. */
typedef struct InnFunction
{
	pg_uuid_t id;
	pg_uuid_t app_id;
	int32 version;
	int max_attempts;
	InnRuntime runtime;
	bool is_paused;
	bool is_archived;
	const char *slug;
	const char *url;		   /* where to call it; NULL unless the runtime is http */
	const char *step_id;	   /* of its one step; NULL as url */
	bool is_go;				   /* the SDK that registered it is Go's */
	bool is_endpoint;		   /* called by repeating the request that its run began with */
	bool has_cancels;		   /* inn_functions_cancels() finds some */
	bool has_controls;		   /* its runs have rows in run_controls (store/controls.h) */
	bool is_stateful;		   /* the scheduler decides whether an event starts a run */
	int64 start_timeout_usec;  /* from queued to started; 0: none */
	int64 finish_timeout_usec; /* from started to ended; 0: none */
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

/* The same for who may name it by either. */
extern bool inn_functions_by_name(const char *name, InnFunction *function);

/* The config of a function as it is now; it has to be there. */
extern Jsonb *inn_functions_config(const pg_uuid_t *id);

/* An event that cancels the runs of a function. */
typedef struct InnCancel
{
	const char *event;
	const char *expression; /* over event and async; NULL: none */
	int64 timeout_usec;		/* after the run was queued; 0: see expires_at */
	TimestampTz expires_at; /* INN_NEVER: see timeout_usec */
} InnCancel;

/* Those of a function as they are now, in declared order, palloc'ed; costs nothing if there are none. */
extern InnCancel *inn_functions_cancels(const InnFunction *function, int *count);

/* All apps; palloc'ed, *count is set. */
extern pg_uuid_t *inn_apps_read(int *count);

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
	InnRuntime runtime;
	int max_attempts;
	const char *url;	  /* normalised; NULL: none */
	const char *step_id;  /* NULL as url */
	const char *language; /* of the SDK that registers it; NULL: none does */
	bool is_endpoint;
	Jsonb *config;
	InnTriggerDefinition *triggers; /* in declared order */
	int ntriggers;
	InnCancel *cancels; /* in declared order */
	int ncancels;
	int64 start_timeout_usec; /* 0: none */
	int64 finish_timeout_usec;
	bool has_controls; /* as in InnFunction */
	bool is_stateful;
} InnDefinition;

/*
 * Create or replace a function and its triggers.  The version grows when the config differs.  Serialized
 * per slug; other backends see the change when it commits (inn_match_event() is told).
 */
extern InnPut inn_functions_put(const InnDefinition *definition, pg_uuid_t *id);

/* Archive all functions of an app but those that are kept; returns how many. */
extern int inn_functions_archive_others(const pg_uuid_t *app_id, const pg_uuid_t *kept, int nkept);

/* These return false if there is no such function (archived ones do not count). */
extern bool inn_functions_archive(const char *slug);
extern bool inn_functions_pause(const char *slug);
extern bool inn_functions_resume(const char *slug);

#endif /* INN_APPS_H */
