/*-------------------------------------------------------------------------
 *
 * keys.h
 *	  Event keys and signing keys: made in SQL, checked without a query.
 *
 * IDENTIFICATION
 *	  src/store/keys.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_KEYS_H
#define INN_KEYS_H

#include "store/sql.h"

/* Most event keys: each request is compared with all of them. */
#define INN_MAX_EVENT_KEYS 1000

/* Longest name of an event key, in characters, and length of event keys in bytes. */
#define INN_KEY_NAME_MAX_CHARS 100
#define INN_EVENT_KEY_MIN_BYTES 8
#define INN_EVENT_KEY_MAX_BYTES 256

/* Hexadecimal digits of a signing key. */
#define INN_SIGNING_KEY_MIN_DIGITS 16
#define INN_SIGNING_KEY_MAX_DIGITS 256

/*
 * Changes, in the caller's transaction and between inn_sql_begin() and inn_sql_end(); other processes see
 * them when it commits.  What is wrong with a key is raised.
 *
 * The functions that create a key take one that exists already, or NULL for a new one, and return the key
 * as it is to be given to the SDKs, palloc'ed.
 */
extern char *inn_keys_create_event_key(const char *name, const char *key);
extern bool inn_keys_delete_event_key(const char *name);
extern char *inn_keys_create_signing_key(const char *key);
extern void inn_keys_rotate(void);
extern bool inn_keys_retire(void);
extern int inn_keys_delete_signing_keys(void);

/*
 * For workers, outside of a transaction: learn of what has been committed until now.  It costs a query only
 * after a change.  The functions below tell what was learnt then.
 */
extern void inn_keys_refresh(void);

extern bool inn_keys_have_event_key(void);
extern bool inn_keys_is_event_key(const char *key);

/* What to sign with: hexadecimal, without a prefix; valid until the next refresh.  NULL: there is none. */
extern const char *inn_keys_signing_key(void);

/* The signing key that is accepted only; NULL: there is none. */
extern const char *inn_keys_other_signing_key(void);

/*
 * Is this the signing key, or the other one, or the hash of one of them, with or without "signkey-…-"?  (The
 * SDKs send either.)
 */
extern bool inn_keys_is_signing_key(const char *token);

#endif /* INN_KEYS_H */
