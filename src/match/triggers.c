/*-------------------------------------------------------------------------
 *
 * triggers.c
 *	  Triggers by event name and by key, with their compiled expressions; cached per backend.
 *
 * A name makes a short list of trigger texts: itself, and for each '/' and '.' the part before it with
 * the delimiter and a star (semantics.md 1.3).  A trigger matches if it equals one of them, so finding them
 * is a few index probes whatever the number of triggers.
 *
 * The answer for a name, or for a name and a key, is cached, also when it is empty.  An invalidation of
 * inngest.functions, which every change of functions or triggers sends (store/apps.c), marks the whole
 * cache stale; it is emptied when next used, so nobody's set disappears while in use.  The answer is
 * read with a fresh snapshot and kept only if no invalidation came meanwhile, so a change that commits
 * at any moment is either read or makes the cache stale afterwards.
 *
 * Programs live in the cache's memory.  inngest.expression_cache_size bounds what is kept beyond the needs of a
 * single event, the first after the cache was emptied: a name with more triggers than the setting has room for
 * would otherwise be read and compiled again for each of its events.
 *
 * IDENTIFICATION
 *	  src/match/triggers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "match/triggers.h"

/* What is looked up: path NULL, all triggers of a name without keys. */
typedef struct LookUp
{
	const char *name; /* of the event; with a path, as it stands in the trigger */
	const char *path;
	uint64 hash;
} LookUp;

typedef struct CacheEntry
{
	uint64 hash; /* of the look-up; the key */
	LookUp what;
	InnTriggerSet set;
} CacheEntry;

static MemoryContext cache_context;
static HTAB *cache;
static bool cache_is_stale;
static Size cache_size_after_first; /* 0: no event was matched yet */
static Oid watched_relation;

static const InnTriggerSet *look_up(const LookUp *what);
static uint64 hash_of(const LookUp *what);
static bool is_same(const LookUp *a, const LookUp *b);
static void read_triggers(const LookUp *what, InnTriggerSet *set);
static const char **trigger_texts(const char *name, int *count);
static void compile(InnCompiledTrigger *trigger);
static const InnTriggerSet *keep(uint64 hash, const LookUp *what, const InnTriggerSet *set);
static void copy_set(InnTriggerSet *set);
static void copy_function(InnFunction *function);
static bool is_full(void);
static void make_cache(void);
static void note_invalidation(Datum arg, Oid relation);

const InnTriggerSet *
inn_triggers_of_name(const char *name)
{
	return look_up(&(LookUp){.name = name});
}

const InnTriggerSet *
inn_triggers_of_key(const InnTriggerPath *path, uint64 hash)
{
	return look_up(&(LookUp){path->event_name, path->path, hash});
}

static const InnTriggerSet *
look_up(const LookUp *what)
{
	uint64 hash = hash_of(what);
	const CacheEntry *entry = hash_search(cache, &hash, HASH_FIND, NULL);
	InnTriggerSet *set;

	if (entry != NULL && is_same(&entry->what, what))
		return &entry->set;

	set = palloc(sizeof(InnTriggerSet));
	read_triggers(what, set);
	if (!cache_is_stale)
		return keep(hash, what, set);
	for (int i = 0; i < set->ntriggers; i++)
		compile(&set->triggers[i]);
	return set;
}

static uint64
hash_of(const LookUp *what)
{
	uint64 hash = DatumGetUInt64(hash_any_extended((const unsigned char *) what->name,
												   (int) strlen(what->name), what->hash));

	if (what->path == NULL)
		return hash;
	return DatumGetUInt64(
		hash_any_extended((const unsigned char *) what->path, (int) strlen(what->path), hash));
}

static bool
is_same(const LookUp *a, const LookUp *b)
{
	if ((a->path == NULL) != (b->path == NULL) || a->hash != b->hash)
		return false;
	return strcmp(a->name, b->name) == 0 && (a->path == NULL || strcmp(a->path, b->path) == 0);
}

static void
read_triggers(const LookUp *what, InnTriggerSet *set)
{
	InnTrigger *triggers;

	*set = (InnTriggerSet){0};
	if (what->path == NULL)
	{
		int ntexts;
		const char **texts = trigger_texts(what->name, &ntexts);

		triggers = inn_triggers_without_keys(texts, ntexts, &set->ntriggers);
		set->paths = inn_triggers_paths(texts, ntexts, &set->npaths);
	}
	else
		triggers = inn_triggers_by_key(&(InnTriggerPath){what->name, what->path},
									   (int64) what->hash, &set->ntriggers);

	set->triggers = MemoryContextAllocHuge(CurrentMemoryContext,
										   Max(set->ntriggers, 1) * sizeof(InnCompiledTrigger));
	for (int i = 0; i < set->ntriggers; i++)
		set->triggers[i] = (InnCompiledTrigger){.trigger = triggers[i]};
	pfree(triggers);
}

/* Every text that a trigger on this name can have. */
static const char **
trigger_texts(const char *name, int *count)
{
	const char **texts = palloc((strlen(name) + 1) * sizeof(char *));
	int n = 0;

	texts[n++] = name;
	for (const char *c = name; *c != '\0'; c++)
	{
		if (*c == '/' || *c == '.')
			texts[n++] = psprintf("%.*s*", (int) (c - name) + 1, name);
	}
	*count = n;
	return texts;
}

/* It was judged when it was registered; one that another version took may be no program here. */
static void
compile(InnCompiledTrigger *trigger)
{
	const char *expression = trigger->trigger.expression;
	InnCelFault fault;

	CHECK_FOR_INTERRUPTS();
	trigger->is_conditional = expression != NULL;
	if (expression != NULL)
		trigger->program = inn_cel_compile(expression, strlen(expression), &fault);
	trigger->trigger.expression = NULL;
}

/* Into the cache, with a copy of everything.  An error on the way leaves no entry. */
static const InnTriggerSet *
keep(uint64 hash, const LookUp *what, const InnTriggerSet *set)
{
	MemoryContext caller = MemoryContextSwitchTo(cache_context);
	CacheEntry copy = {.hash = hash, .what = *what, .set = *set};
	CacheEntry *entry;

	copy.what.name = pstrdup(what->name);
	if (what->path != NULL)
		copy.what.path = pstrdup(what->path);
	copy_set(&copy.set);
	MemoryContextSwitchTo(caller);

	entry = hash_search(cache, &hash, HASH_ENTER, NULL);
	*entry = copy;
	return &entry->set;
}

static void
copy_set(InnTriggerSet *set)
{
	const InnCompiledTrigger *triggers = set->triggers;
	const InnTriggerPath *paths = set->paths;

	set->triggers = MemoryContextAllocHuge(CurrentMemoryContext,
										   Max(set->ntriggers, 1) * sizeof(InnCompiledTrigger));
	for (int i = 0; i < set->ntriggers; i++)
	{
		set->triggers[i] = triggers[i];
		copy_function(&set->triggers[i].trigger.function);
		compile(&set->triggers[i]);
	}

	set->paths = palloc(Max(set->npaths, 1) * sizeof(InnTriggerPath));
	for (int i = 0; i < set->npaths; i++)
		set->paths[i] = (InnTriggerPath){pstrdup(paths[i].event_name), pstrdup(paths[i].path)};
}

static void
copy_function(InnFunction *function)
{
	function->slug = pstrdup(function->slug);
	if (function->url == NULL)
		return;
	function->url = pstrdup(function->url);
	function->step_id = pstrdup(function->step_id);
}

void
inn_triggers_begin(void)
{
	Oid schema;

	if (cache != NULL && !cache_is_stale && !is_full())
		return;

	make_cache();
	/* The relation first: what changes from now on is noticed. */
	cache_is_stale = false;
	schema = get_namespace_oid("inngest", false);
	watched_relation = get_relname_relid("functions", schema);
}

static bool
is_full(void)
{
	Size size = MemoryContextMemAllocated(cache_context, true);

	if (cache_size_after_first == 0)
		cache_size_after_first = size;
	return size - cache_size_after_first > (Size) inn_expression_cache_kb * 1024;
}

static void
make_cache(void)
{
	HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(CacheEntry)};

	if (cache_context == NULL)
	{
		cache_context =
			AllocSetContextCreate(TopMemoryContext, "inngest triggers", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(note_invalidation, (Datum) 0);
	}
	cache = NULL;
	cache_size_after_first = 0;
	MemoryContextReset(cache_context);
	ctl.hcxt = cache_context;
	cache = hash_create("inngest triggers", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Invalidation callback; must not fail.  InvalidOid: everything. */
static void
note_invalidation(Datum arg, Oid relation)
{
	if (relation == watched_relation || relation == InvalidOid)
		cache_is_stale = true;
}
