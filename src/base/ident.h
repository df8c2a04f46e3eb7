/*-------------------------------------------------------------------------
 *
 * ident.h
 *	  Identifiers that are computed from what they identify.
 *
 * IDENTIFICATION
 *	  src/base/ident.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_IDENT_H
#define INN_IDENT_H

#include "utils/uuid.h"

/* Length of a SHA-256. */
#define INN_SHA256_BYTES 32

extern void inn_sha256(const void *bytes, size_t size, uint8 *out);

/* Version 5 UUID in the OID namespace over prefix (may be NULL) followed by name. */
extern void inn_uuid_v5(const char *prefix, const char *name, pg_uuid_t *out);

/* What SDKs call a step: the SHA-1 of its id in the code, in hex; room for it with its NUL. */
#define INN_STEP_HASH_SIZE 41
extern void inn_step_hash(const char *id, char out[INN_STEP_HASH_SIZE]);

/* The key under which an event id is remembered: the first 16 bytes of its SHA-256. */
extern void inn_idempotency_key(const char *event_id, pg_uuid_t *out);

/* Room for the text of a UUID with its NUL, and writing it: lower case, with dashes. */
#define INN_UUID_TEXT_SIZE 37
extern void inn_uuid_format(const pg_uuid_t *uuid, char buf[INN_UUID_TEXT_SIZE]);

/* Read that form, in either case; false if it is none. */
extern bool inn_uuid_parse(const char *text, pg_uuid_t *out);

#endif /* INN_IDENT_H */
