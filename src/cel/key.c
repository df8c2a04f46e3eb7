/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Equalities that must hold for an expression to be true, to look expressions up by value.
 *
 * Of operands joined by && any one may be taken, because all must be true; the one with the fewest keys is
 * taken.  Of operands joined by || all are needed.  What is left is path == operand, and path in [operands].
 * Nothing is taken from below !, ?:, a macro or a function.
 *
 * Hashes are stored in tables, so they are the same on every machine and in every release.  They come from the
 * value alone: numbers by their double, so that 1, 1u and 1.0 agree; what is missing, or an error, as null,
 * because == finds them equal to null and to nothing else.
 *
 * IDENTIFICATION
 *	  src/cel/key.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "cel/internal.h"

/* a longer text is hashed by its beginning and its length */
#define HASHED_BYTES 1024

/* FNV-1a */
#define FNV_OFFSET UINT64CONST(0xcbf29ce484222325)
#define FNV_PRIME UINT64CONST(0x100000001b3)

/* what a hash begins with; part of what is stored */
#define HASH_NULL 0
#define HASH_FALSE 1
#define HASH_TRUE 2
#define HASH_STRING 3
#define HASH_NUMBER 4

typedef struct KeySet
{
	int count; /* 0: every value has to be looked at */
	InnCelKey keys[INN_CEL_MAX_KEYS];
} KeySet;

typedef struct Search
{
	const InnCelProgram *program;
	const char *root;
	const InnCelInput *input;
} Search;

static void collect(const Search *search, const CelNode *node, KeySet *keys);
static void collect_smallest(const Search *search, const CelNode *and_node, KeySet *keys);
static void collect_all(const Search *search, const CelNode *or_node, KeySet *keys);
static void collect_equality(const Search *search, const CelNode *chain, KeySet *keys);
static bool is_path(const Search *search, const CelNode *node);
static bool is_operand(const Search *search, const CelNode *node);
static bool add(const Search *search, KeySet *keys, const CelNode *path, const CelNode *operand);
static bool add_hash(KeySet *keys, char *path, uint64 hash);
static char *path_text(const CelNode *path);
static uint64 hash_bytes_fnv(uint64 hash, const char *bytes, size_t len);
static uint64 hash_word(uint64 hash, uint64 word);

int
inn_cel_keys(const InnCelProgram *program, const char *root, const InnCelInput *input,
			 InnCelKey *keys)
{
	Search search = {program, root, input};
	KeySet set = {0};

	collect(&search, &program->nodes[program->root], &set);
	memcpy(keys, set.keys, set.count * sizeof(InnCelKey));
	return set.count;
}

static void
collect(const Search *search, const CelNode *node, KeySet *keys)
{
	keys->count = 0;
	if (stack_is_too_deep())
		return;
	if (node->type == CEL_NODE_AND)
		collect_smallest(search, node, keys);
	else if (node->type == CEL_NODE_OR)
		collect_all(search, node, keys);
	else if (node->type == CEL_NODE_CHAIN && node->count == 2)
		collect_equality(search, node, keys);
}

static void
collect_smallest(const Search *search, const CelNode *and_node, KeySet *keys)
{
	for (CEL_EACH_CHILD(child, search->program, and_node))
	{
		KeySet candidate;

		collect(search, child, &candidate);
		if (candidate.count > 0 && (keys->count == 0 || candidate.count < keys->count))
			*keys = candidate;
	}
}

static void
collect_all(const Search *search, const CelNode *or_node, KeySet *keys)
{
	for (CEL_EACH_CHILD(child, search->program, or_node))
	{
		KeySet branch;

		collect(search, child, &branch);
		for (int i = 0; i < branch.count; i++)
		{
			if (!add_hash(keys, unconstify(char *, branch.keys[i].path), branch.keys[i].hash))
				branch.count = 0;
		}
		if (branch.count == 0)
		{
			keys->count = 0;
			return;
		}
	}
}

static void
collect_equality(const Search *search, const CelNode *chain, KeySet *keys)
{
	const CelNode *left = CEL_FIRST_CHILD(search->program, chain);
	const CelNode *right = CEL_NEXT_CHILD(search->program, left);

	if (right->joined_by == CEL_OP_EQ)
	{
		if (is_path(search, left) && is_operand(search, right))
			(void) add(search, keys, left, right);
		else if (is_path(search, right) && is_operand(search, left))
			(void) add(search, keys, right, left);
	}
	else if (right->joined_by == CEL_OP_IN && right->type == CEL_NODE_LIST && is_path(search, left))
	{
		for (CEL_EACH_CHILD(element, search->program, right))
		{
			if (is_operand(search, element) && add(search, keys, left, element))
				continue;
			keys->count = 0;
			return;
		}
	}
}

/* A field of the root. */
static bool
is_path(const Search *search, const CelNode *node)
{
	return node->type == CEL_NODE_PATH && node->count > 1 &&
		   strcmp(node->u.s.names[0].text, search->root) == 0;
}

/* Something whose value is known before the root is: a literal, or a path of another root. */
static bool
is_operand(const Search *search, const CelNode *node)
{
	if (node->type == CEL_NODE_LITERAL)
		return true;
	return search->input != NULL && node->type == CEL_NODE_PATH &&
		   strcmp(node->u.s.names[0].text, search->root) != 0;
}

static bool
add(const Search *search, KeySet *keys, const CelNode *path, const CelNode *operand)
{
	static const InnCelInput nothing = {0};
	uint64 hash;

	return cel_eval_operand(search->program, operand,
							search->input == NULL ? &nothing : search->input, &hash) &&
		   add_hash(keys, path_text(path), hash);
}

/* False if there is no room; one that is there already needs none. */
static bool
add_hash(KeySet *keys, char *path, uint64 hash)
{
	for (int i = 0; i < keys->count; i++)
	{
		if (keys->keys[i].hash == hash && strcmp(keys->keys[i].path, path) == 0)
			return true;
	}
	if (keys->count == INN_CEL_MAX_KEYS)
	{
		keys->count = 0;
		return false;
	}
	keys->keys[keys->count++] = (InnCelKey){path, hash};
	return true;
}

/* "data.plan" of event.data.plan */
static char *
path_text(const CelNode *path)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 1; i < path->count; i++)
		appendStringInfo(&text, i == 1 ? "%s" : ".%s", path->u.s.names[i].text);
	return text.data;
}

bool
inn_cel_key_hash(JsonbContainer *object, const char *path, uint64 *hash)
{
	CelValue value = {.kind = CEL_JSON_MAP, .u.json = object};

	while (*path != '\0' && value.kind != CEL_MISSING)
	{
		size_t len = strcspn(path, ".");

		if (value.kind != CEL_JSON_MAP || !cel_json_field(value.u.json, path, len, &value))
			value.kind = CEL_MISSING;
		path += path[len] == '.' ? len + 1 : len;
	}
	return cel_hash(value, hash);
}

bool
cel_hash(CelValue value, uint64 *hash)
{
	double d = 0;
	uint64 word;

	switch ((CelKind) value.kind)
	{
		case CEL_MISSING:
		case CEL_ERROR:
		case CEL_NULL:
			*hash = hash_word(FNV_OFFSET, HASH_NULL);
			return true;
		case CEL_BOOL:
			*hash = hash_word(FNV_OFFSET, value.u.boolean ? HASH_TRUE : HASH_FALSE);
			return true;
		case CEL_STRING:
			*hash = hash_word(hash_word(FNV_OFFSET, HASH_STRING), value.length);
			*hash = hash_bytes_fnv(*hash, value.u.text, Min(value.length, HASHED_BYTES));
			return true;
		case CEL_INT:
			d = (double) value.u.i;
			break;
		case CEL_UINT:
			d = (double) value.u.u;
			break;
		case CEL_DOUBLE:
			d = value.u.d;
			break;
		case CEL_NUMBER:
			d = inn_number_to_double(value.u.number);
			break;
		default:
			return false;
	}
	/* 0.0 is -0.0 */
	d = d == 0 ? 0 : d;
	memcpy(&word, &d, sizeof(word));
	*hash = hash_word(hash_word(FNV_OFFSET, HASH_NUMBER), word);
	return true;
}

/* Byte by byte from the lowest, whatever the order of bytes in memory. */
static uint64
hash_word(uint64 hash, uint64 word)
{
	for (int i = 0; i < 8; i++)
		hash = (hash ^ (word >> (8 * i) & 0xFF)) * FNV_PRIME;
	return hash;
}

static uint64
hash_bytes_fnv(uint64 hash, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char) bytes[i]) * FNV_PRIME;
	return hash;
}
