/*-------------------------------------------------------------------------
 *
 * jwt.c
 *	  JSON Web Tokens of ours.
 *
 * A token is header.claims.signature, each in base64 for URLs.  The header is always the same, and anything else is none of ours.
 *
 * IDENTIFICATION
 *	  src/base/jwt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "lib/stringinfo.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/jwt.h"
#include "base/sign.h"

/* {"alg":"HS256","typ":"JWT"} */
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

static char *signature_of(const char *text, size_t len, const char *secret);
static char *encode(const char *bytes, int size);
static char *decode(const char *text, size_t len, int *size);

char *
inn_jwt_make(Jsonb *claims, const char *secret)
{
	char *json = JsonbToCString(NULL, &claims->root, VARSIZE(claims));
	char *signed_part = psprintf(HEADER "%s", encode(json, (int) strlen(json)));

	return psprintf("%s.%s", signed_part, signature_of(signed_part, strlen(signed_part), secret));
}

Jsonb *
inn_jwt_read(const char *token, const char *secret)
{
	const char *claims = token + strlen(HEADER);
	const char *dot;
	char *signature;
	char *json;
	int size;
	Jsonb *result;
	char *error;

	if (strlen(token) > INN_JWT_MAX_BYTES || strncmp(token, HEADER, strlen(HEADER)) != 0)
		return NULL;
	dot = strchr(claims, '.');
	if (dot == NULL)
		return NULL;
	signature = signature_of(token, dot - token, secret);
	if (strlen(dot + 1) != strlen(signature) ||
		timingsafe_bcmp(dot + 1, signature, strlen(signature)) != 0)
		return NULL;
	json = decode(claims, dot - claims, &size);
	return json != NULL && inn_json_parse(json, size, &result, &error) ? result : NULL;
}

static char *
signature_of(const char *text, size_t len, const char *secret)
{
	uint8 mac[INN_MAC_BYTES];

	inn_sign_mac(secret, text, len, mac);
	return encode((const char *) mac, sizeof(mac));
}

static char *
encode(const char *bytes, int size)
{
	int room = pg_b64_enc_len(size) + 1;
	char *text = palloc(room);
	int len = pg_b64_encode((const InnBase64Byte *) bytes, size, text, room);

	if (len < 0)
		elog(ERROR, "could not encode %d bytes", size);
	while (len > 0 && text[len - 1] == '=')
		len--;
	text[len] = '\0';
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	return text;
}

/* NULL if it is none. */
static char *
decode(const char *text, size_t len, int *size)
{
	char *padded = palloc(len + 4);
	char *bytes;
	int room;

	for (size_t i = 0; i < len; i++)
		padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	while (len % 4 != 0)
		padded[len++] = '=';
	room = pg_b64_dec_len((int) len) + 1;
	bytes = palloc(room);
	*size = pg_b64_decode(padded, (int) len, (InnBase64Byte *) bytes, room);
	return *size < 0 ? NULL : bytes;
}
