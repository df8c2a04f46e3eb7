/*-------------------------------------------------------------------------
 *
 * targets.c
 *	  Functions by id, until somebody changes one.
 *
 * Every change of functions or apps invalidates the relation inngest.functions (store/apps.c).
 *
 * IDENTIFICATION
 *	  src/execute/targets.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "execute/targets.h"

typedef struct Target
{
	pg_uuid_t id; /* the key */
	InnFunction function;
	InnFlow *flow; /* NULL: not read yet */
} Target;

static MemoryContext parent;
static MemoryContext context; /* of the cache; NULL: empty */
static HTAB *targets;
static bool have_changed;
static Oid watched; /* inngest.functions; InvalidOid: not looked up yet, so everything is watched */

static void note_invalidation(Datum arg, Oid relation);
static void make_cache(void);
static char *copy(const char *text);

void
inn_targets_init(void)
{
	parent = CurrentMemoryContext;
	have_changed = true;
	CacheRegisterRelcacheCallback(note_invalidation, (Datum) 0);
}

/* Invalidation callback; must not fail.  InvalidOid: everything. */
static void
note_invalidation(Datum arg, Oid relation)
{
	if (relation == watched || relation == InvalidOid || watched == InvalidOid)
		have_changed = true;
}

bool
inn_targets_have_changed(void)
{
	bool result;

	/* Who sleeps does not hear of changes; it is safe outside of a transaction, and nearly free when there are none. */
	AcceptInvalidationMessages();
	result = have_changed;
	if (result && context != NULL)
	{
		MemoryContextDelete(context);
		context = NULL;
	}
	have_changed = false;
	return result;
}

void
inn_targets_forget(void)
{
	have_changed = true;
}

const InnFunction *
inn_targets_find(const pg_uuid_t *function_id)
{
	bool found;
	Target *target;
	InnFunction function;

	if (context == NULL)
		make_cache();
	target = hash_search(targets, function_id, HASH_FIND, NULL);
	if (target != NULL)
		return &target->function;
	if (!inn_functions_by_id(function_id, &function))
		return NULL;
	function.slug = copy(function.slug);
	function.url = copy(function.url);
	function.step_id = copy(function.step_id);
	target = hash_search(targets, function_id, HASH_ENTER, &found);
	target->function = function;
	target->flow = NULL;
	return &target->function;
}

const InnFlow *
inn_targets_flow(const pg_uuid_t *function_id)
{
	Target *target;

	if (inn_targets_find(function_id) == NULL)
		return NULL;
	target = hash_search(targets, function_id, HASH_FIND, NULL);
	if (target->flow == NULL)
	{
		Jsonb *config = inn_functions_config(function_id);
		MemoryContext caller = MemoryContextSwitchTo(context);
		InnFlow *flow = palloc(sizeof(InnFlow));

		inn_flow_read(config, flow);
		MemoryContextSwitchTo(caller);
		target->flow = flow;
	}
	return target->flow;
}

static void
make_cache(void)
{
	HASHCTL ctl = {.keysize = UUID_LEN, .entrysize = sizeof(Target)};

	watched = get_relname_relid("functions", get_namespace_oid("inngest", false));
	context = AllocSetContextCreate(parent, "inngest targets", ALLOCSET_DEFAULT_SIZES);
	ctl.hcxt = context;
	targets = hash_create("inngest targets", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static char *
copy(const char *text)
{
	return text == NULL ? NULL : MemoryContextStrdup(context, text);
}
