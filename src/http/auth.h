/*-------------------------------------------------------------------------
 *
 * auth.h
 *	  Who may ask for what, and where we may listen.
 *
 * IDENTIFICATION
 *	  src/http/auth.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_AUTH_H
#define INN_AUTH_H

#include "http/routes.h"

/* May this request be served?  If not, it has been replied to. */
extern bool inn_auth_admit(InnRequest *request, const InnTarget *target);

/*
 * Why may we not listen on this (numeric) address?  NULL: we may; else *hint says what to do about it.  The
 * answer changes with the settings and with the keys.
 */
extern const char *inn_auth_address_fault(const char *address, const char **hint);

#endif /* INN_AUTH_H */
