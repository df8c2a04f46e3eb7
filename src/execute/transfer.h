/*-------------------------------------------------------------------------
 *
 * transfer.h
 *	  One HTTP exchange: a request and its reply.  libcurl is behind it, and nobody else knows.
 *
 * The floor that client.c stands on: it decides when transfers begin, and what comes after them.
 *
 * IDENTIFICATION
 *	  src/execute/transfer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TRANSFER_H
#define INN_TRANSFER_H

#include "execute/address.h"
#include "execute/client.h"
#include "execute/incoming.h"
#include "execute/lookups.h"
#include "execute/outgoing.h"

/* Room for what libcurl says. */
#define INN_TRANSFER_DETAIL_SIZE 256

/* Where a URL leads. */
typedef struct InnTarget
{
	char host[INN_HOST_SIZE];
	int port;
	bool is_tls;
} InnTarget;

typedef struct InnTransfer
{
	/* the client's */
	InnOutgoing *outgoing;
	InnIncoming incoming;
	bool is_restricted;
	int timeout_ms;

	/* inn_transfer_set_url() */
	void *url;
	InnTarget target;

	/* how it ended; see inn_transfer_next() */
	InnClientError error;
	char sentence[INN_CLIENT_SENTENCE_SIZE];
	int status;
	bool must_wait;
	InnLookup *lookup; /* ours, until the name is known; if we must wait, another's or NULL */

	/* while it is under way */
	struct InnPool *pool;
	void *easy;
	void *lines;			/* headers */
	InnClientError trouble; /* why a callback refused to go on */
	char address[INN_ADDRESS_SIZE];
	char detail[INN_TRANSFER_DETAIL_SIZE];
} InnTransfer;

/*
 * Make ready for so many transfers at a time; returns how many there may be, or 0 and errno.  And close all
 * connections, when there is no transfer.
 */
extern int inn_transfers_open(int wanted);
extern void inn_transfers_close(void);

extern int inn_transfers_fd(void);
extern TimestampTz inn_transfers_deadline(void);

/* Send and receive what is possible now. */
extern void inn_transfers_run(void);

/*
 * Where to go: a URL, or, if there was one, what a redirect says, which may be relative to it, and
 * takes over its query if it is to be kept and has none of its own.  What is wrong with it, or NULL.
 */
extern const char *inn_transfer_set_url(InnTransfer *transfer, const char *text, bool keep_query);

/* Begin.  False: out of memory. */
extern bool inn_transfer_begin(InnTransfer *transfer);

/* The next one that has ended, one way or another, or NULL.  If must_wait is set, it did not begin at all. */
extern InnTransfer *inn_transfer_next(void);

/* Give it up if it is under way, and free what hangs on it, but for outgoing and incoming. */
extern void inn_transfer_clear(InnTransfer *transfer);

/* Note what went wrong. */
extern void inn_transfer_fail(InnTransfer *transfer, InnClientError error, const char *format, ...)
	pg_attribute_printf(3, 4);

#endif /* INN_TRANSFER_H */
