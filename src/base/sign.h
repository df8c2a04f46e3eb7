/*-------------------------------------------------------------------------
 *
 * sign.h
 *	  Signatures of requests, which prove that one knows the signing key (protocol.md 6.4).
 *
 * A key is a text such as "signkey-prod-0123abcd"; what is up to the second hyphen names an environment and is
 * no secret.  The rest, as it is written, is the key of the signature.  (Its other use, as a bearer, is known in
 * store/keys.h.)
 *
 * Comparisons take the same time whatever differs.  Nothing here needs a transaction, but what says so.
 *
 * IDENTIFICATION
 *	  src/base/sign.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SIGN_H
#define INN_SIGN_H

/* How far the time of a signature may be away from ours. */
#define INN_SIGN_TOLERANCE_SEC 300

/* The HMAC-SHA-256 of bytes; the key without its prefix is the secret. */
#define INN_MAC_BYTES 32
extern void inn_sign_mac(const char *key, const char *bytes, size_t size, uint8 out[INN_MAC_BYTES]);

/* Room for the value of a signature header, with its NUL. */
#define INN_SIGNATURE_SIZE 96

/* The key without its prefix: a pointer into it. */
extern const char *inn_sign_key_secret(const char *key);

/* The value of X-Inngest-Signature: "t=<seconds since 1970>&s=<hex>".  The body may be NULL if it is empty. */
extern void inn_sign(const char *key, const char *body, size_t size, int64 now_s,
					 char out[INN_SIGNATURE_SIZE]);

/*
 * Is it the signature of these bytes, and made less than INN_SIGN_TOLERANCE_SEC ago?
 *
 * or_canonical: a signature of the canonical form of the body does, too, if it is JSON; some SDKs sign that.  Needs a
 * transaction in a database whose encoding is not UTF-8.
 */
extern bool inn_sign_verify(const char *header, const char *key, const char *body, size_t size,
							int64 now_s, bool or_canonical);

#endif /* INN_SIGN_H */
