/*-------------------------------------------------------------------------
 *
 * secrets.h
 *	  What only this database knows: table inngest.secrets.
 *
 * IDENTIFICATION
 *	  src/store/secrets.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SECRETS_H
#define INN_SECRETS_H

#include "store/sql.h"

/* The secret that tokens are signed with, as a text; palloc'ed. */
extern char *inn_secrets_token(void);

#endif /* INN_SECRETS_H */
