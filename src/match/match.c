/*-------------------------------------------------------------------------
 *
 * match.c
 *	  From an event name to functions.
 *
 * A name makes a short list of trigger texts: itself, and for each '/' and '.' the part before it with
 * the delimiter and a star (semantics.md 1.3).  A function matches if one of its triggers equals one of
 * them, so matching is a few index probes whatever the number of triggers.
 *
 * The answer for a name is cached per backend, also when it is empty.  An invalidation of
 * inngest.functions, which every change of functions or triggers sends (store/apps.c), marks the whole
 * cache stale; it is emptied when next used, so nobody's list disappears while in use.  The answer is
 * read with a fresh snapshot and kept only if no invalidation came meanwhile, so a change that commits
 * at any moment is either read or makes the cache stale afterwards.
 *
 * IDENTIFICATION
 *	  src/match/match.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "match/match.h"
#include "schedule/admit.h"

/* The cache is emptied when it is larger than either. */
#define CACHE_MAX_NAMES 1024
#define CACHE_MAX_BYTES (1024 * 1024)

typedef struct CacheEntry
{
	uint64 hash; /* of the name; the key */
	const char *name;
	InnFunction *functions;
	int nfunctions;
} CacheEntry;

static MemoryContext cache_context;
static HTAB *cache;
static bool cache_is_stale;
static Oid watched_relation;

static const CacheEntry *lookup(const char *name);
static void load(const char *name, CacheEntry *entry);
static void store(const CacheEntry *entry);
static const char **trigger_texts(const char *name, int *count);
static void prepare_cache(void);
static void note_invalidation(Datum arg, Oid relation);

void
inn_match_event(const InnEvent *event, InnRunList *runs)
{
	const CacheEntry *entry = lookup(event->name);

	for (int i = 0; i < entry->nfunctions; i++)
		inn_admit(event, &entry->functions[i], runs);
}

/* The entry lives until the next lookup at least. */
static const CacheEntry *
lookup(const char *name)
{
	static CacheEntry fresh;
	uint64 hash = DatumGetUInt64(hash_any_extended((const unsigned char *) name, strlen(name), 0));
	CacheEntry *entry;

	prepare_cache();
	entry = hash_search(cache, &hash, HASH_FIND, NULL);
	if (entry != NULL && strcmp(entry->name, name) == 0)
		return entry;

	fresh = (CacheEntry){.hash = hash, .name = name};
	load(name, &fresh);
	if (!cache_is_stale)
		store(&fresh);
	return &fresh;
}

static void
load(const char *name, CacheEntry *entry)
{
	int ntexts;
	const char **texts = trigger_texts(name, &ntexts);

	entry->functions = inn_functions_by_trigger(texts, ntexts, &entry->nfunctions);
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

/* Keep a copy. */
static void
store(const CacheEntry *entry)
{
	MemoryContext caller = MemoryContextSwitchTo(cache_context);
	CacheEntry copy = *entry;

	copy.name = pstrdup(entry->name);
	copy.functions = palloc(Max(entry->nfunctions, 1) * sizeof(InnFunction));
	for (int i = 0; i < entry->nfunctions; i++)
	{
		copy.functions[i] = entry->functions[i];
		copy.functions[i].slug = pstrdup(entry->functions[i].slug);
	}
	MemoryContextSwitchTo(caller);

	*(CacheEntry *) hash_search(cache, &copy.hash, HASH_ENTER, NULL) = copy;
}

/* Have a cache, empty if it must be. */
static void
prepare_cache(void)
{
	HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(CacheEntry)};
	Oid schema;

	if (cache != NULL && !cache_is_stale && hash_get_num_entries(cache) < CACHE_MAX_NAMES &&
		MemoryContextMemAllocated(cache_context, true) < CACHE_MAX_BYTES)
		return;

	if (cache_context == NULL)
	{
		cache_context =
			AllocSetContextCreate(TopMemoryContext, "inngest triggers", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(note_invalidation, (Datum) 0);
	}
	cache = NULL;
	MemoryContextReset(cache_context);
	ctl.hcxt = cache_context;

	/* The relation first: what changes from now on is noticed. */
	cache_is_stale = false;
	schema = get_namespace_oid("inngest", false);
	watched_relation = get_relname_relid("functions", schema);
	cache = hash_create("inngest triggers", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Invalidation callback; must not fail.  InvalidOid: everything. */
static void
note_invalidation(Datum arg, Oid relation)
{
	if (relation == watched_relation || relation == InvalidOid)
		cache_is_stale = true;
}
