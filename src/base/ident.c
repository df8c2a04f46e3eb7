/*-------------------------------------------------------------------------
 *
 * ident.c
 *	  Hashes as identifiers, by PostgreSQL's own code.
 *
 * IDENTIFICATION
 *	  src/base/ident.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha1.h"
#include "common/sha2.h"
#include "utils/builtins.h"

#include "base/ident.h"

void
inn_uuid_v5(const char *prefix, const char *name, pg_uuid_t *out)
{
	/* 6ba7b812-9dad-11d1-80b4-00c04fd430c8, the namespace of OIDs in RFC 4122 */
	static const char oid_namespace[16] = {0x6b,		(char) 0xa7, (char) 0xb8, 0x12,
										   (char) 0x9d, (char) 0xad, 0x11,		  (char) 0xd1,
										   (char) 0x80, (char) 0xb4, 0x00,		  (char) 0xc0,
										   0x4f,		(char) 0xd4, 0x30,		  (char) 0xc8};
	uint8 hash[SHA1_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA1);

	if (prefix == NULL)
		prefix = "";
	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) oid_namespace, sizeof(oid_namespace)) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) prefix, strlen(prefix)) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) name, strlen(name)) < 0 ||
		pg_cryptohash_final(ctx, hash, sizeof(hash)) < 0)
		elog(ERROR, "could not compute SHA-1: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);

	memcpy(out->data, hash, UUID_LEN);
	out->data[6] = (out->data[6] & 0x0f) | 0x50;
	out->data[8] = (out->data[8] & 0x3f) | 0x80;
}

void
inn_step_hash(const char *id, char out[INN_STEP_HASH_SIZE])
{
	uint8 hash[SHA1_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA1);

	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) id, strlen(id)) < 0 ||
		pg_cryptohash_final(ctx, hash, sizeof(hash)) < 0)
		elog(ERROR, "could not compute SHA-1: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);
	out[hex_encode((const char *) hash, sizeof(hash), out)] = '\0';
}

void
inn_idempotency_key(const char *event_id, pg_uuid_t *out)
{
	uint8 hash[INN_SHA256_BYTES];

	inn_sha256(event_id, strlen(event_id), hash);
	memcpy(out->data, hash, UUID_LEN);
}

void
inn_uuid_format(const pg_uuid_t *uuid, char buf[INN_UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *out = buf;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[uuid->data[i] >> 4];
		*out++ = digits[uuid->data[i] & 0x0f];
	}
	*out = '\0';
}

void
inn_sha256(const void *bytes, size_t size, uint8 *out)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	StaticAssertStmt(INN_SHA256_BYTES == PG_SHA256_DIGEST_LENGTH, "as PostgreSQL has it");
	if (pg_cryptohash_init(ctx) < 0 || pg_cryptohash_update(ctx, bytes, size) < 0 ||
		pg_cryptohash_final(ctx, out, INN_SHA256_BYTES) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);
}

bool
inn_uuid_parse(const char *text, pg_uuid_t *out)
{
	char canonical[INN_UUID_TEXT_SIZE];

	if (strlen(text) != INN_UUID_TEXT_SIZE - 1)
		return false;
	memset(out->data, 0, UUID_LEN);
	for (int i = 0, nibble = 0; i < INN_UUID_TEXT_SIZE - 1 && nibble < 2 * UUID_LEN; i++)
	{
		char c = pg_ascii_tolower((unsigned char) text[i]);
		int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (c == '-')
			continue;
		if (value < 0)
			return false;
		out->data[nibble / 2] |= value << (nibble % 2 == 0 ? 4 : 0);
		nibble++;
	}

	/* Are the dashes where they belong? */
	inn_uuid_format(out, canonical);
	return pg_strcasecmp(canonical, text) == 0;
}
