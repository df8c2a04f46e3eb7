/*-------------------------------------------------------------------------
 *
 * outgoing.h
 *	  What is sent: a copy of a request, in one piece of malloc'ed memory.
 *
 * The other part of client.c that does not know libcurl.
 *
 * IDENTIFICATION
 *	  src/execute/outgoing.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_OUTGOING_H
#define INN_OUTGOING_H

#include "execute/client.h"

typedef struct InnOutgoing
{
	size_t bytes; /* all of this piece */
	const char *method;
	const char *url;
	const char *body; /* NULL: none */
	size_t body_size;
	bool has_content_type;
	int nlines;
	const char *lines[FLEXIBLE_ARRAY_MEMBER]; /* headers, as libcurl wants them */
} InnOutgoing;

/*
 * What is wrong with the request, as a constant sentence, or NULL.  That concerns method and headers; of URLs
 * libcurl knows more.
 */
extern const char *inn_outgoing_fault(const InnClientRequest *request);

/*
 * Copy a request that has no fault, without the headers that are libcurl's; free() it.  NULL: out of memory.
 */
extern InnOutgoing *inn_outgoing_copy(const InnClientRequest *request);

/* Drop the headers that are meant for the first host only. */
extern void inn_outgoing_drop_secrets(InnOutgoing *outgoing);

#endif /* INN_OUTGOING_H */
