/*-------------------------------------------------------------------------
 *
 * triggers.h
 *	  Triggers by event name and by key, with their compiled expressions; cached per backend.
 *
 * IDENTIFICATION
 *	  src/match/triggers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TRIGGERS_H
#define INN_TRIGGERS_H

#include "cel/cel.h"
#include "store/apps.h"

typedef struct InnCompiledTrigger
{
	InnTrigger trigger;			  /* without the text of its expression */
	bool is_conditional;		  /* it has one */
	const InnCelProgram *program; /* NULL: none, or one that this version cannot read */
} InnCompiledTrigger;

/* In the order of functions and positions. */
typedef struct InnTriggerSet
{
	InnCompiledTrigger *triggers;
	int ntriggers;
	InnTriggerPath *paths; /* of a name: where the keys of its other triggers look */
	int npaths;
} InnTriggerSet;

/*
 * Before an event is matched: have a cache, emptied if something has changed or it has become too large.
 * Sets that are got after this live until it is called again, or as long as the current memory context.
 */
extern void inn_triggers_begin(void);

/* Triggers on a name, or on a wildcard that covers it, that have no keys. */
extern const InnTriggerSet *inn_triggers_of_name(const char *name);

/* Those with a key: that what is at the path hashes to this. */
extern const InnTriggerSet *inn_triggers_of_key(const InnTriggerPath *path, uint64 hash);

#endif /* INN_TRIGGERS_H */
