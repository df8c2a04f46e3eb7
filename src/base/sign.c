/*-------------------------------------------------------------------------
 *
 * sign.c
 *	  Signatures of requests.
 *
 * The server's HMAC registers what it allocates with the current resource owner, and there is none
 * outside of transactions, where workers sign what they are about to send.  So there is one for it here that is
 * never released.  The HMAC is made once and keyed anew each time.
 *
 * IDENTIFICATION
 *	  src/base/sign.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "base/jcs.h"
#include "base/json.h"
#include "base/sign.h"

#define PREFIX "signkey-"

/* most digits of the time in a signature */
#define TIME_MAX_DIGITS 12

#define HEX_LENGTH (2 * PG_SHA256_DIGEST_LENGTH)

typedef struct Signature
{
	const char *time; /* as it is written */
	size_t time_len;
	int64 time_s;
	const char *mac; /* HEX_LENGTH digits */
} Signature;

static bool read_signature(const char *header, Signature *out);
static bool is_signed(const Signature *signature, const char *key, const char *body, size_t size);
static bool is_signed_canonically(const Signature *signature, const char *key, const char *body,
								  size_t size);
static void compute_mac(const char *key, const char *body, size_t size, const char *time,
						size_t time_len, uint8 *out);
static void compute_hex(const char *key, const char *body, size_t size, const char *time,
						size_t time_len, char *out);
pg_noreturn static void fail(const char *what, const char *why);
static ResourceOwner enter(void);
static void leave(ResourceOwner caller);
static bool is_word(char c);

const char *
inn_sign_key_secret(const char *key)
{
	const char *p = key + strlen(PREFIX);

	if (strncmp(key, PREFIX, strlen(PREFIX)) != 0)
		return key;
	while (is_word(*p))
		p++;
	return *p == '-' && p > key + strlen(PREFIX) ? p + 1 : key;
}

void
inn_sign(const char *key, const char *body, size_t size, int64 now_s, char out[INN_SIGNATURE_SIZE])
{
	char time[24];
	int time_len = snprintf(time, sizeof(time), INT64_FORMAT, now_s);
	int len = snprintf(out, INN_SIGNATURE_SIZE, "t=%s&s=", time);

	Assert(len + HEX_LENGTH < INN_SIGNATURE_SIZE);
	compute_hex(key, body, size, time, time_len, out + len);
	out[len + HEX_LENGTH] = '\0';
}

bool
inn_sign_verify(const char *header, const char *key, const char *body, size_t size, int64 now_s,
				bool or_canonical)
{
	Signature signature;

	if (!read_signature(header, &signature))
		return false;
	if (signature.time_s < now_s - INN_SIGN_TOLERANCE_SEC ||
		signature.time_s > now_s + INN_SIGN_TOLERANCE_SEC)
		return false;
	return is_signed(&signature, key, body, size) ||
		   (or_canonical && is_signed_canonically(&signature, key, body, size));
}

/* "t=1700000000&s=0123..." and nothing else */
static bool
read_signature(const char *header, Signature *out)
{
	const char *p = header;

	*out = (Signature){0};
	if (strncmp(p, "t=", 2) != 0)
		return false;
	out->time = p += 2;
	for (; *p >= '0' && *p <= '9'; p++)
	{
		if (++out->time_len > TIME_MAX_DIGITS)
			return false;
		out->time_s = out->time_s * 10 + (*p - '0');
	}
	if (out->time_len == 0 || strncmp(p, "&s=", 3) != 0)
		return false;
	out->mac = p + 3;
	return strlen(out->mac) == HEX_LENGTH;
}

static bool
is_signed(const Signature *signature, const char *key, const char *body, size_t size)
{
	char mac[HEX_LENGTH];

	compute_hex(key, body, size, signature->time, signature->time_len, mac);
	return timingsafe_bcmp(mac, signature->mac, HEX_LENGTH) == 0;
}

static bool
is_signed_canonically(const Signature *signature, const char *key, const char *body, size_t size)
{
	StringInfoData canonical;
	Jsonb *json;
	char *error;
	bool is_good;

	if (!inn_json_parse(body, size, &json, &error))
		return false;
	initStringInfo(&canonical);
	is_good = inn_jcs_append(&canonical, json) == INN_JCS_GOOD &&
			  is_signed(signature, key, canonical.data, canonical.len);
	pfree(canonical.data);
	return is_good;
}

void
inn_sign_mac(const char *key, const char *bytes, size_t size, uint8 out[INN_MAC_BYTES])
{
	StaticAssertStmt(INN_MAC_BYTES == PG_SHA256_DIGEST_LENGTH, "as PostgreSQL has it");
	compute_mac(key, bytes, size, "", 0, out);
}

static void
compute_hex(const char *key, const char *body, size_t size, const char *time, size_t time_len,
			char *out)
{
	uint8 mac[PG_SHA256_DIGEST_LENGTH];

	compute_mac(key, body, size, time, time_len, mac);
	hex_encode((const char *) mac, sizeof(mac), out);
}

static void
compute_mac(const char *key, const char *body, size_t size, const char *time, size_t time_len,
			uint8 *out)
{
	static pg_hmac_ctx *ctx = NULL;
	const char *secret = inn_sign_key_secret(key);
	ResourceOwner caller = enter();

	if (ctx == NULL)
	{
		MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);

		ctx = pg_hmac_create(PG_SHA256);
		MemoryContextSwitchTo(context);
	}
	if (ctx == NULL)
		fail("HMAC", "out of memory");
	if (pg_hmac_init(ctx, (const uint8 *) secret, strlen(secret)) < 0 ||
		(size > 0 && pg_hmac_update(ctx, (const uint8 *) body, size) < 0) ||
		(time_len > 0 && pg_hmac_update(ctx, (const uint8 *) time, time_len) < 0) ||
		pg_hmac_final(ctx, out, PG_SHA256_DIGEST_LENGTH) < 0)
		fail("HMAC", pg_hmac_error(ctx));
	leave(caller);
}

static void
fail(const char *what, const char *why)
{
	elog(ERROR, "could not compute %s: %s", what, why);
}

/* Let what is allocated belong to nobody but this process. */
static ResourceOwner
enter(void)
{
	static ResourceOwner ours = NULL;
	ResourceOwner caller = CurrentResourceOwner;

	if (ours == NULL)
		ours = ResourceOwnerCreate(NULL, "inngest signatures");
	CurrentResourceOwner = ours;
	return caller;
}

static void
leave(ResourceOwner caller)
{
	CurrentResourceOwner = caller;
}

static bool
is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
