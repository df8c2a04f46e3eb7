/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  Writing keys, and a cache of them in each worker.
 *
 * Whoever changes a row sends a relation cache invalidation for inngest.event_keys, which stands for both
 * tables.  It is in the queue of invalidations before the change is visible to whoever made it, so a worker
 * that looks into the queue at each request never uses a key that its client knows to be gone, nor refuses
 * one that its client has just got.
 *
 * Keys that are compared are compared as SHA-256, and whole, so that the time it takes tells nothing.
 *
 * IDENTIFICATION
 *	  src/store/keys.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/ident.h"
#include "base/sign.h"
#include "store/keys.h"

/* Random bytes of a new key. */
#define NEW_KEY_BYTES 32

/* What a new signing key begins with; the SDKs want something of this form, and ignore what it says. */
#define NEW_SIGNING_KEY_PREFIX "signkey-prod-"

/* One before and one after the hash of each. */
#define MAX_BEARERS 4

static InnPlan lock_keys = {"LOCK TABLE inngest.event_keys, inngest.signing_keys"
							" IN SHARE ROW EXCLUSIVE MODE"};

static InnPlan count_event_keys = {"SELECT count(*), count(*) FILTER (WHERE name = $1),"
								   " count(*) FILTER (WHERE hash = $2)"
								   " FROM inngest.event_keys",
								   2,
								   {TEXTOID, BYTEAOID}};

static InnPlan insert_event_key = {"INSERT INTO inngest.event_keys (name, hash) VALUES ($1, $2)",
								   2,
								   {TEXTOID, BYTEAOID}};

static InnPlan delete_event_key = {"DELETE FROM inngest.event_keys WHERE name = $1", 1, {TEXTOID}};

static InnPlan read_event_keys = {"SELECT hash FROM inngest.event_keys"};

static InnPlan read_signing_keys = {
	"SELECT key FROM inngest.signing_keys ORDER BY is_current DESC"};

static InnPlan insert_signing_key =
	{"INSERT INTO inngest.signing_keys (key, is_current) VALUES ($1, $2)", 2, {TEXTOID, BOOLOID}};

static InnPlan swap_signing_keys = {"UPDATE inngest.signing_keys SET is_current = NOT is_current"
									" WHERE (SELECT count(*) FROM inngest.signing_keys) = 2"};

static InnPlan delete_other_key = {"DELETE FROM inngest.signing_keys WHERE NOT is_current"};

static InnPlan delete_signing_keys = {"DELETE FROM inngest.signing_keys"};

/* What this process knows; in keys_context. */
static MemoryContext keys_context;
static bool keys_are_stale;
static Oid watched_relation;
static int nevent_keys;
static uint8 (*event_hashes)[INN_SHA256_BYTES];
static char *signing_keys[2]; /* the current one and the other one */
static int nbearers;
static uint8 bearer_hashes[MAX_BEARERS][INN_SHA256_BYTES];

static void judge_name(const char *name);
static void judge_event_key(const char *key);
static char *signing_key_digits(const char *key);
static char *random_text(const char *prefix, bool is_hex);
static bytea *hash_of(const char *key);
static void tell_everybody(void);
static void read_keys(void);
static void read_hashes(void);
static void forget_keys(void);
static void add_bearers(const char *key);
static bool is_among(const char *key, uint8 (*hashes)[INN_SHA256_BYTES], int nhashes);
static void note_invalidation(Datum arg, Oid relation);

char *
inn_keys_create_event_key(const char *name, const char *key)
{
	char *result = key == NULL ? random_text("", false) : pstrdup(key);
	InnArg name_arg = inn_arg_cstring(name);
	InnArg hash_arg;

	judge_name(name);
	judge_event_key(result);
	hash_arg = inn_arg_pointer(hash_of(result));

	inn_plan_run(&lock_keys, 0, NULL);
	INN_RUN(&count_event_keys, name_arg, hash_arg);
	if (inn_row_bigint(0, 1) >= INN_MAX_EVENT_KEYS)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("there are %d event keys already, which is the most there can be",
					   INN_MAX_EVENT_KEYS),
				errhint("Delete those that nobody uses with inngest.delete_event_key()."));
	if (inn_row_bigint(0, 2) > 0)
		ereport(ERROR,
				errcode(ERRCODE_DUPLICATE_OBJECT),
				errmsg("event key \"%s\" exists already", name),
				errhint("Give the new one another name, and delete the old one when nobody uses it any more."));
	if (inn_row_bigint(0, 3) > 0)
		ereport(ERROR,
				errcode(ERRCODE_DUPLICATE_OBJECT),
				errmsg("event key \"%s\" would be the same key as another one", name));
	INN_RUN(&insert_event_key, name_arg, hash_arg);
	tell_everybody();
	return result;
}

static void
judge_name(const char *name)
{
	int nchars = pg_mbstrlen(name);

	if (nchars < 1 || nchars > INN_KEY_NAME_MAX_CHARS)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("the name of an event key must have 1 to %d characters, not %d",
					   INN_KEY_NAME_MAX_CHARS, nchars));
}

/* It stands in a URL. */
static void
judge_event_key(const char *key)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.~";
	size_t size = strlen(key);

	if (size < INN_EVENT_KEY_MIN_BYTES || size > INN_EVENT_KEY_MAX_BYTES ||
		strspn(key, allowed) != size)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("an event key must have %d to %d letters, digits or characters of \"_-.~\"",
					   INN_EVENT_KEY_MIN_BYTES, INN_EVENT_KEY_MAX_BYTES));
}

bool
inn_keys_delete_event_key(const char *name)
{
	bool found = INN_RUN(&delete_event_key, inn_arg_cstring(name)) > 0;

	tell_everybody();
	return found;
}

char *
inn_keys_create_signing_key(const char *key)
{
	char *result = key == NULL ? random_text(NEW_SIGNING_KEY_PREFIX, true) : pstrdup(key);
	char *digits = signing_key_digits(result);
	uint64 nkeys;

	inn_plan_run(&lock_keys, 0, NULL);
	nkeys = inn_plan_run(&read_signing_keys, 0, NULL);
	for (uint64 i = 0; i < nkeys; i++)
	{
		if (strcmp(inn_row_text(i, 1), digits) == 0)
			ereport(ERROR,
					errcode(ERRCODE_DUPLICATE_OBJECT),
					errmsg("this signing key exists already"));
	}
	if (nkeys > 1)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("there are two signing keys already"),
				errdetail("One is signed with, both are accepted."),
				errhint("Have the other one accepted no more with inngest.retire_signing_key()."));
	INN_RUN(&insert_signing_key, inn_arg_cstring(digits), inn_arg(BoolGetDatum(nkeys == 0)));
	tell_everybody();
	return result;
}

/* The key without its prefix, or an error. */
static char *
signing_key_digits(const char *key)
{
	const char *digits = inn_sign_key_secret(key);
	size_t ndigits = strlen(digits);

	if (ndigits < INN_SIGNING_KEY_MIN_DIGITS || ndigits > INN_SIGNING_KEY_MAX_DIGITS ||
		ndigits % 2 != 0 || strspn(digits, "0123456789abcdefABCDEF") != ndigits)
		ereport(ERROR,
				errcode(ERRCODE_INN_PARAMETER_INVALID),
				errmsg("a signing key must be an even number, %d to %d, of hexadecimal digits",
					   INN_SIGNING_KEY_MIN_DIGITS, INN_SIGNING_KEY_MAX_DIGITS),
				errdetail("\"signkey-\", letters or digits, and \"-\" may stand before them."),
				errhint("Call inngest.create_signing_key() without a key to have one made."));
	return pstrdup(digits);
}

/* Chance, as two hexadecimal digits a byte, or as six bits of each byte. */
static char *
random_text(const char *prefix, bool is_hex)
{
	uint8 bytes[NEW_KEY_BYTES];
	StringInfoData buf;

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not generate a random key"));
	initStringInfo(&buf);
	appendStringInfoString(&buf, prefix);
	for (int i = 0; i < NEW_KEY_BYTES; i++)
	{
		static const char digits[] =
			"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";

		if (is_hex)
			appendStringInfo(&buf, "%02x", bytes[i]);
		else
			appendStringInfoChar(&buf, digits[bytes[i] % 64]);
	}
	explicit_bzero(bytes, sizeof(bytes));
	return buf.data;
}

static bytea *
hash_of(const char *key)
{
	bytea *hash = palloc(VARHDRSZ + INN_SHA256_BYTES);

	SET_VARSIZE(hash, VARHDRSZ + INN_SHA256_BYTES);
	inn_sha256(key, strlen(key), (uint8 *) VARDATA(hash));
	return hash;
}

void
inn_keys_rotate(void)
{
	inn_plan_run(&lock_keys, 0, NULL);
	if (inn_plan_run(&swap_signing_keys, 0, NULL) == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("there is no second signing key"),
				errhint("Make one with inngest.create_signing_key(), and let the apps know it before you rotate."));
	tell_everybody();
}

bool
inn_keys_retire(void)
{
	bool found;

	inn_plan_run(&lock_keys, 0, NULL);
	found = inn_plan_run(&delete_other_key, 0, NULL) > 0;
	tell_everybody();
	return found;
}

int
inn_keys_delete_signing_keys(void)
{
	int nkeys;

	inn_plan_run(&lock_keys, 0, NULL);
	nkeys = (int) inn_plan_run(&delete_signing_keys, 0, NULL);
	tell_everybody();
	return nkeys;
}

static void
tell_everybody(void)
{
	Oid schema = get_namespace_oid("inngest", false);

	CacheInvalidateRelcacheByRelid(get_relname_relid("event_keys", schema));
	CommandCounterIncrement();
}

void
inn_keys_refresh(void)
{
	MemoryContext caller = CurrentMemoryContext;

	Assert(!IsTransactionState());

	if (keys_context == NULL)
	{
		keys_context =
			AllocSetContextCreate(TopMemoryContext, "inngest keys", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(note_invalidation, (Datum) 0);
		keys_are_stale = true;
	}

	/* the beginning of a transaction looks into the queue of invalidations */
	StartTransactionCommand();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	if (keys_are_stale)
		read_keys();
}

static void
read_keys(void)
{
	inn_work_begin("reading keys");
	watched_relation = get_relname_relid("event_keys", get_namespace_oid("inngest", false));

	/* what comes while we read makes it stale again, and so does an error */
	keys_are_stale = false;
	forget_keys();
	PG_TRY();
	{
		read_hashes();
		for (int i = 0, n = (int) inn_plan_run(&read_signing_keys, 0, NULL); i < Min(n, 2); i++)
			signing_keys[i] = MemoryContextStrdup(keys_context, inn_row_text(i, 1));
		for (int i = 0; i < 2 && signing_keys[i] != NULL; i++)
			add_bearers(signing_keys[i]);
	}
	PG_CATCH();
	{
		keys_are_stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	inn_work_commit();
}

static void
read_hashes(void)
{
	int nhashes = (int) inn_plan_run(&read_event_keys, 0, NULL);

	event_hashes = MemoryContextAlloc(keys_context, Max(nhashes, 1) * sizeof(*event_hashes));
	for (int i = 0; i < nhashes; i++)
	{
		bool is_null;
		bytea *hash = DatumGetByteaPP(inn_row_datum(i, 1, &is_null));

		Assert(!is_null && VARSIZE_ANY_EXHDR(hash) == INN_SHA256_BYTES);
		memcpy(event_hashes[i], VARDATA_ANY(hash), INN_SHA256_BYTES);
	}
	nevent_keys = nhashes;
}

static void
forget_keys(void)
{
	for (int i = 0; i < 2; i++)
	{
		if (signing_keys[i] != NULL)
			explicit_bzero(signing_keys[i], strlen(signing_keys[i]));
		signing_keys[i] = NULL;
	}
	nevent_keys = 0;
	event_hashes = NULL;
	nbearers = 0;
	MemoryContextReset(keys_context);
}

/* A key, and the hash of the bytes that it is the hexadecimal form of, which most SDKs send in its place. */
static void
add_bearers(const char *key)
{
	size_t ndigits = strlen(key);
	uint8 bytes[INN_SIGNING_KEY_MAX_DIGITS / 2];
	uint8 hash[INN_SHA256_BYTES];
	char hex[2 * INN_SHA256_BYTES];

	Assert(nbearers + 2 <= MAX_BEARERS);
	if (ndigits > INN_SIGNING_KEY_MAX_DIGITS)
		return;
	inn_sha256(key, ndigits, bearer_hashes[nbearers++]);
	inn_sha256(bytes, hex_decode(key, ndigits, (char *) bytes), hash);
	hex_encode((char *) hash, INN_SHA256_BYTES, hex);
	inn_sha256(hex, sizeof(hex), bearer_hashes[nbearers++]);
	explicit_bzero(bytes, sizeof(bytes));
}

static void
note_invalidation(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == watched_relation)
		keys_are_stale = true;
}

bool
inn_keys_have_event_key(void)
{
	return nevent_keys > 0;
}

bool
inn_keys_is_event_key(const char *key)
{
	return is_among(key, event_hashes, nevent_keys);
}

const char *
inn_keys_signing_key(void)
{
	return signing_keys[0];
}

const char *
inn_keys_other_signing_key(void)
{
	return signing_keys[1];
}

bool
inn_keys_is_signing_key(const char *token)
{
	return is_among(inn_sign_key_secret(token), bearer_hashes, nbearers);
}

static bool
is_among(const char *key, uint8 (*hashes)[INN_SHA256_BYTES], int nhashes)
{
	MemoryContext caller = CurrentMemoryContext;
	uint8 hash[INN_SHA256_BYTES];
	bool found = false;

	/* PostgreSQL's hash functions want a resource owner. */
	StartTransactionCommand();
	inn_sha256(key, strlen(key), hash);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	for (int i = 0; i < nhashes; i++)
	{
		uint8 differences = 0;

		for (int j = 0; j < INN_SHA256_BYTES; j++)
			differences |= hash[j] ^ hashes[i][j];
		found |= differences == 0;
	}
	return found;
}
