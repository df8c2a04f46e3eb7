/*-------------------------------------------------------------------------
 *
 * httpurl.h
 *	  The address of an app: checked, and brought into one form.
 *
 * IDENTIFICATION
 *	  src/base/httpurl.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BASE_HTTPURL_H
#define INN_BASE_HTTPURL_H

/* longest URL that is read */
#define INN_HTTP_URL_MAX_BYTES 2048

typedef enum InnUrlKind
{
	INN_URL_HTTP,	  /* http or https */
	INN_URL_WEBSOCKET /* ws or wss */
} InnUrlKind;

/*
 * Bring a URL into the form by which it is compared and called: scheme and host in lower case, without the port
 * that the scheme implies; with another port, localhost for 127.0.0.1 and 0.0.0.0; the query in the order of its keys
 * and encoded anew, without deployId and probe; no fragment.  palloc'ed.
 *
 * NULL if it is no URL of one of the kinds, with a sentence in *fault that is a constant.
 */
extern char *inn_http_url_normalize(const char *text, InnUrlKind *kind, const char **fault);

#endif /* INN_BASE_HTTPURL_H */
