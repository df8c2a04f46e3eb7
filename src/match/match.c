/*-------------------------------------------------------------------------
 *
 * match.c
 *	  From an event to the functions that it starts.
 *
 * Candidates are found, not tried: first by the keys that the event's own values make (triggers.c), then those
 * of its name that have no keys.  Whoever is found is evaluated in full.  A function starts once, whichever of
 * its triggers are true.  An invocation starts the function that it names, too.
 *
 * An expression that fails does not match and does no harm to the sender: it is noted for the function's owner
 * (faults.c).
 *
 * IDENTIFICATION
 *	  src/match/match.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

#include "match/faults.h"
#include "match/invoke.h"
#include "match/match.h"
#include "match/triggers.h"
#include "run/finish.h"
#include "schedule/admit.h"

/* Functions found by key that are remembered without a table. */
#define FEW_FUNCTIONS 16

typedef struct Matching
{
	const InnEvent *event;
	InnRunList *runs;
	Jsonb *json; /* the event as expressions see it; NULL until one wants to */
	int nfound;	 /* functions found by key, or by name */
	pg_uuid_t found[FEW_FUNCTIONS];
	HTAB *more_found;
} Matching;

static void match_invoked(Matching *matching, InnChanges *changes);
static void match_keys(Matching *matching, const InnTriggerSet *set);
static void match_set(Matching *matching, const InnTriggerSet *set, bool is_by_key);
static bool is_match(Matching *matching, const InnCompiledTrigger *trigger);
static Jsonb *event_json(Matching *matching);
static bool is_found(const Matching *matching, const pg_uuid_t *id);
static void note_found(Matching *matching, const pg_uuid_t *id);

void
inn_match_event(const InnEvent *event, InnRunList *runs, InnChanges *changes)
{
	Matching matching = {.event = event, .runs = runs};
	const InnTriggerSet *set;

	match_invoked(&matching, changes);
	inn_triggers_begin();
	set = inn_triggers_of_name(event->name);
	if (set->npaths > 0)
		match_keys(&matching, set);
	match_set(&matching, set, false);

	if (matching.json != NULL)
		pfree(matching.json);
	if (matching.more_found != NULL)
		hash_destroy(matching.more_found);
}

/* The function that the event is for, whatever its triggers are; it does not start once more by those. */
static void
match_invoked(Matching *matching, InnChanges *changes)
{
	InnFunction function;
	char *target;

	switch (inn_invoke_find(matching->event, &function, &target))
	{
		case INN_INVOKE_NOTHING:
			return;
		case INN_INVOKE_MISSING:
			inn_finish_announce_missing(changes, matching->event, target);
			return;
		case INN_INVOKE_FUNCTION:
			note_found(matching, &function.id);
			inn_admit(matching->event, &function, matching->runs);
			return;
	}
}

/* What is at each path that some key looks at. */
static void
match_keys(Matching *matching, const InnTriggerSet *set)
{
	JsonbContainer *event = &event_json(matching)->root;

	for (int i = 0; i < set->npaths; i++)
	{
		uint64 hash;

		CHECK_FOR_INTERRUPTS();
		if (inn_cel_key_hash(event, set->paths[i].path, &hash))
			match_set(matching, inn_triggers_of_key(&set->paths[i], hash), true);
	}
}

/* Triggers of one function follow each other. */
static void
match_set(Matching *matching, const InnTriggerSet *set, bool is_by_key)
{
	const pg_uuid_t *last = NULL;

	for (int i = 0; i < set->ntriggers; i++)
	{
		const InnFunction *function = &set->triggers[i].trigger.function;

		CHECK_FOR_INTERRUPTS();
		if ((last != NULL && memcmp(last, &function->id, UUID_LEN) == 0) ||
			is_found(matching, &function->id) || !is_match(matching, &set->triggers[i]))
			continue;
		last = &function->id;
		if (is_by_key)
			note_found(matching, &function->id);
		inn_admit(matching->event, function, matching->runs);
	}
}

static bool
is_match(Matching *matching, const InnCompiledTrigger *compiled)
{
	const InnTrigger *trigger = &compiled->trigger;
	InnCelInput input = {0};
	InnCelFault fault;
	InnCelVerdict verdict = INN_CEL_FAILED;

	if (!compiled->is_conditional)
		return true;
	strlcpy(fault.message, "this version cannot read the expression", sizeof(fault.message));
	if (compiled->program != NULL)
	{
		input.event = &event_json(matching)->root;
		verdict = inn_cel_test(compiled->program, &input, &fault);
	}
	if (verdict == INN_CEL_FAILED)
		inn_trigger_fault_note(trigger, fault.message);
	return verdict == INN_CEL_TRUE;
}

static Jsonb *
event_json(Matching *matching)
{
	if (matching->json == NULL)
		matching->json = inn_event_to_jsonb(matching->event);
	return matching->json;
}

/* ---- functions found by key ---- */

static bool
is_found(const Matching *matching, const pg_uuid_t *id)
{
	for (int i = 0; i < Min(matching->nfound, FEW_FUNCTIONS); i++)
	{
		if (memcmp(&matching->found[i], id, UUID_LEN) == 0)
			return true;
	}
	return matching->more_found != NULL &&
		   hash_search(matching->more_found, id, HASH_FIND, NULL) != NULL;
}

static void
note_found(Matching *matching, const pg_uuid_t *id)
{
	if (matching->nfound++ < FEW_FUNCTIONS)
	{
		matching->found[matching->nfound - 1] = *id;
		return;
	}
	if (matching->more_found == NULL)
	{
		HASHCTL ctl = {.keysize = UUID_LEN, .entrysize = UUID_LEN, .hcxt = CurrentMemoryContext};

		matching->more_found = hash_create("inngest functions found by key", 256, &ctl,
										   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(matching->more_found, id, HASH_ENTER, NULL);
}
