/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Programs by their text, per backend.
 *
 * Each program has a memory context of its own, so that it can go alone: the one that was used longest ago
 * goes first when there are too many, or when they are larger than inngest.expression_cache_size.
 *
 * IDENTIFICATION
 *	  src/cel/cache.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "cel/internal.h"

#define CACHE_MAX_PROGRAMS 10000

typedef struct CacheEntry
{
	uint64 hash; /* of the text; the key */
	dlist_node node;
	MemoryContext context;
	Size size;
	const char *text;
	size_t len;
	const InnCelProgram *program;
} CacheEntry;

static HTAB *cache;
static dlist_head recently_used = DLIST_STATIC_INIT(recently_used); /* the last used first */
static Size cache_size;
static uint64 generation = 1; /* grows whenever a program goes */

static CacheEntry *find(uint64 hash, const char *text, size_t len);
static const CacheEntry *add(uint64 hash, const char *text, size_t len, InnCelFault *fault);
static const InnCelProgram *compile(const char *text, size_t len, MemoryContext context,
									InnCelFault *fault);
static void make_room(Size size);
static void forget(CacheEntry *entry);

const InnCelProgram *
inn_cel_cached(InnCelHandle *handle, const char *text, size_t len)
{
	InnCelFault fault;
	const InnCelProgram *program = inn_cel_try_cached(handle, text, len, &fault);

	if (program == NULL)
		inn_cel_throw(text, len, &fault);
	return program;
}

const InnCelProgram *
inn_cel_try_cached(InnCelHandle *handle, const char *text, size_t len, InnCelFault *fault)
{
	uint64 hash;
	const CacheEntry *entry;

	if (handle->program != NULL && handle->generation == generation && handle->len == len &&
		memcmp(handle->text, text, len) == 0)
		return handle->program;

	hash = DatumGetUInt64(hash_any_extended((const unsigned char *) text, (int) len, 0));
	entry = find(hash, text, len);
	if (entry == NULL)
		entry = add(hash, text, len, fault);
	if (entry == NULL)
		return NULL;
	*handle = (InnCelHandle){entry->program, entry->text, len, generation};
	return entry->program;
}

static CacheEntry *
find(uint64 hash, const char *text, size_t len)
{
	CacheEntry *entry = cache == NULL ? NULL : hash_search(cache, &hash, HASH_FIND, NULL);

	if (entry == NULL || entry->len != len || memcmp(entry->text, text, len) != 0)
		return NULL;
	dlist_move_head(&recently_used, &entry->node);
	return entry;
}

/* Its context belongs to the caller's until it is complete.  NULL if the text is no program. */
static const CacheEntry *
add(uint64 hash, const char *text, size_t len, InnCelFault *fault)
{
	CacheEntry *entry;
	CacheEntry fresh = {.hash = hash, .len = len};
	char *copy;

	fresh.context =
		AllocSetContextCreate(CurrentMemoryContext, "inngest expression", ALLOCSET_SMALL_SIZES);
	fresh.program = compile(text, len, fresh.context, fault);
	if (fresh.program == NULL)
		return NULL;
	copy = MemoryContextAlloc(fresh.context, Max(len, 1));
	memcpy(copy, text, len);
	fresh.text = copy;
	fresh.size = MemoryContextMemAllocated(fresh.context, true);

	if (cache == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(CacheEntry)};

		cache = hash_create("inngest expressions", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	make_room(fresh.size);
	entry = hash_search(cache, &hash, HASH_FIND, NULL);
	if (entry != NULL) /* another text has the same hash */
		forget(entry);
	entry = hash_search(cache, &hash, HASH_ENTER, NULL);
	*entry = fresh;
	dlist_push_head(&recently_used, &entry->node);
	cache_size += entry->size;
	MemoryContextSetParent(fresh.context, TopMemoryContext);
	return entry;
}

static const InnCelProgram *
compile(const char *text, size_t len, MemoryContext context, InnCelFault *fault)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	const InnCelProgram *program = inn_cel_compile(text, len, fault);

	MemoryContextSwitchTo(caller);
	if (program == NULL)
		MemoryContextDelete(context);
	return program;
}

static void
make_room(Size size)
{
	while (!dlist_is_empty(&recently_used) &&
		   (cache_size + size > (Size) inn_expression_cache_kb * 1024 ||
			hash_get_num_entries(cache) >= CACHE_MAX_PROGRAMS))
		forget(dlist_tail_element(CacheEntry, node, &recently_used));
}

static void
forget(CacheEntry *entry)
{
	MemoryContext context = entry->context;

	generation++;
	dlist_delete(&entry->node);
	cache_size -= entry->size;
	(void) hash_search(cache, &entry->hash, HASH_REMOVE, NULL);
	MemoryContextDelete(context);
}
