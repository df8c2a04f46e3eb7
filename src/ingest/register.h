/*-------------------------------------------------------------------------
 *
 * register.h
 *	  Definitions of functions: judged as a whole, then stored.
 *
 * IDENTIFICATION
 *	  src/ingest/register.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_REGISTER_H
#define INN_REGISTER_H

#include "ingest/judge.h"
#include "store/apps.h"

/* Bounds of a config; docs/functions.md explains them to users. */
#define INN_CONFIG_MAX_BYTES (256 * 1024) /* as jsonb */
#define INN_FUNCTION_ID_MAX_BYTES 255
#define INN_FUNCTION_MAX_TRIGGERS 10
#define INN_MAX_RETRIES 20
#define INN_DEFAULT_RETRIES 4
#define INN_DEFAULT_APP "default"

/*
 * Judge a config object.  True with *definition filled, or false with every
 * fault in *faults and nothing usable in *definition.  Faults are those of the
 * config and those of this version, which cannot do everything that a config
 * may ask for; the latter are of the kind INN_FAULT_UNSUPPORTED.
 *
 * Raises no error for a bad config.  *faults starts as zeroes.  Everything is
 * palloc'ed in the current memory context, but definition->config is config.
 */
extern bool inn_definition_judge(Jsonb *config, InnDefinition *definition, InnFaults *faults);

/*
 * The same for a function that an SDK registers with its app, under a path of the request such as
 * "functions[0]".  It is called unless it says otherwise, and what app it belongs to is not its to say:
 * definition->app and definition->language are for the caller to fill in.  *faults may have some already.
 */
extern bool inn_definition_judge_of_app(Jsonb *config, const char *path, InnDefinition *definition,
										InnFaults *faults);

/*
 * Judge a config object, store it and read the function back.  Called between
 * inn_sql_begin() and inn_sql_end().
 *
 * ERRORs, whose detail lists all faults: ERRCODE_INN_FUNCTION_INVALID, or
 * ERRCODE_FEATURE_NOT_SUPPORTED if nothing is wrong but what is not supported.
 */
extern InnPut inn_register(Jsonb *config, InnFunction *function);

#endif /* INN_REGISTER_H */
