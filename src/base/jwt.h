/*-------------------------------------------------------------------------
 *
 * jwt.h
 *	  JSON Web Tokens of ours (RFC 7519, HS256): claims that only we can have written.
 *
 * Other algorithms are not known, so nobody can choose a weaker one.  What the claims mean, and whether their time is over, is for the
 * caller to judge.
 *
 * IDENTIFICATION
 *	  src/base/jwt.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_JWT_H
#define INN_JWT_H

#include "utils/jsonb.h"

/* Longest token that is looked at. */
#define INN_JWT_MAX_BYTES 4096

/* Sign claims with a secret, which is a text; palloc'ed. */
extern char *inn_jwt_make(Jsonb *claims, const char *secret);

/* The claims of a token, palloc'ed; NULL if it is none, or not signed with the secret. */
extern Jsonb *inn_jwt_read(const char *token, const char *secret);

#endif /* INN_JWT_H */
