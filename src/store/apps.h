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
	int32 version;
	int max_attempts;
	bool is_pull;
	bool is_paused;
	bool is_archived;
	const char *slug;
} InnFunction;

/*
 * The functions that have a trigger equal to one of the names: each once, not the archived.  Sees what
 * is committed now, whatever the isolation level.  palloc'ed; *count is set.
 */
extern InnFunction *inn_functions_by_trigger(const char **names, int nnames, int *count);

/* One function, also an archived one; false if there is none. slug is palloc'ed. */
extern bool inn_functions_by_slug(const char *slug, InnFunction *function);
extern bool inn_functions_by_id(const pg_uuid_t *id, InnFunction *function);

typedef enum InnPut
{
	INN_PUT_CREATED, /* new, or back from the archive */
	INN_PUT_CHANGED,
	INN_PUT_SAME
} InnPut;

/* A definition that has been judged (ingest/register.c). */
typedef struct InnDefinition
{
	const char *app; /* app name, created when new */
	const char *slug;
	const char *name;
	const char *runtime;
	int max_attempts;
	Jsonb *config;
	const char **triggers; /* event names in declared order */
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
