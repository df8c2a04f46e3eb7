/*-------------------------------------------------------------------------
 *
 * incoming.h
 *	  What has arrived of a reply: its headers and its body, in malloc'ed memory with limits.
 *
 * The part of client.c that does not know libcurl.  Everything here may run in its callbacks.
 *
 * IDENTIFICATION
 *	  src/execute/incoming.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_INCOMING_H
#define INN_INCOMING_H

#include "execute/client.h"

/* Begins as zeroes, but for the limit. */
typedef struct InnIncoming
{
	size_t max_body_bytes;
	char *text; /* of the headers: name, NUL, value, NUL, ... */
	size_t text_size;
	size_t text_capacity;
	int nheaders;
	bool is_in_headers;		 /* between the status line and the empty line */
	InnClientHeader *joined; /* inn_incoming_headers() */
	int njoined;
	char *body; /* NUL-terminated; NULL if empty */
	size_t body_size;
	size_t body_capacity;
} InnIncoming;

/*
 * Note a line of the headers, or a piece of the body.  A status line begins anew; lines after the
 * end of the headers (trailers) are dropped.  INN_CLIENT_NONE, or which limit is in the way:
 * TOO_LARGE, BUSY.
 */
extern InnClientError inn_incoming_line(InnIncoming *incoming, const char *line, size_t size);
extern InnClientError inn_incoming_body(InnIncoming *incoming, const char *data, size_t size);

/* Forget what has arrived and free its memory; the limit stays. */
extern void inn_incoming_clear(InnIncoming *incoming);

/* See inn_client_header() and inn_client_headers(). */
extern const char *inn_incoming_header(const InnIncoming *incoming, const char *name);
extern const InnClientHeader *inn_incoming_headers(InnIncoming *incoming, int *count);

#endif /* INN_INCOMING_H */
