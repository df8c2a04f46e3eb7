/*-------------------------------------------------------------------------
 *
 * client.h
 *	  HTTP requests of ours, thousands at a time, behind one descriptor: requests go in, replies come out.
 *
 * The turn of a worker:
 *
 *		inn_client_run();
 *		while ((reply = inn_client_next()) != NULL)
 *			... inn_client_free(reply);
 *		for (n = inn_client_room(); n > 0 && there is something to ask; n--)
 *			inn_client_start(&request);
 *		inn_wait((InnWaitSocket){.fd = inn_client_fd()}, inn_client_deadline());
 *
 * Nothing here waits, raises an error, or allocates from a memory context: an ERROR of the caller
 * leaves nothing half done, and he may go on or inn_client_close().  Whatever becomes of a call, it
 * ends in a reply, unless it is abandoned; what went wrong is a kind (for programs) and a sentence
 * (for people).
 *
 * HTTP/1.1 over TCP or TLS; connections are kept and used again for a minute.  Redirects are
 * followed with method, body and headers as they were, and with the query unless the new address
 * has one of its own; headers that hold secrets are left out as soon as the host changes.  A call
 * on a kept connection that turns out to be closed is made again on another one, so a request may
 * arrive twice.  Proxies of the environment, cookies and .netrc are not looked at.
 *
 * IDENTIFICATION
 *	  src/execute/client.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CLIENT_H
#define INN_CLIENT_H

#include "datatype/timestamp.h"

/* How long a call may take unless it says otherwise; and of this until it is connected, at each redirect. */
#define INN_CLIENT_TIMEOUT_MS (2 * 60 * 60 * 1000)
#define INN_CLIENT_CONNECT_TIMEOUT_MS 10000

/* Most redirects that are followed. */
#define INN_CLIENT_MAX_REDIRECTS 60

/* Largest body of a reply, decompressed, unless the call says otherwise; and what headers there may be. */
#define INN_CLIENT_MAX_REPLY_BYTES (8 * 1024 * 1024)
#define INN_CLIENT_MAX_HEADERS 256
#define INN_CLIENT_MAX_HEADER_BYTES (64 * 1024)

/* Most memory for the requests of all calls together; and for those replies that are not small. */
#define INN_CLIENT_MAX_REQUESTS_BYTES (256 * 1024 * 1024)
#define INN_CLIENT_MAX_REPLIES_BYTES (256 * 1024 * 1024)
#define INN_CLIENT_SMALL_REPLY_BYTES (16 * 1024)

/* Names of hosts that are looked up at the same time; and how long a call waits for its turn. */
#define INN_CLIENT_MAX_LOOKUPS 16
#define INN_CLIENT_LOOKUP_PATIENCE_MS 10000

/* room for a sentence, with its NUL */
#define INN_CLIENT_SENTENCE_SIZE 320

typedef enum InnClientError
{
	INN_CLIENT_NONE,	  /* there is a reply */
	INN_CLIENT_INVALID,	  /* URL, scheme, method or header are none: never try again */
	INN_CLIENT_REFUSED,	  /* the address is not public, and the call is restricted */
	INN_CLIENT_RESOLVE,	  /* the host has no address, or the resolver does not answer */
	INN_CLIENT_CONNECT,	  /* no connection, or no TLS */
	INN_CLIENT_TIMEOUT,	  /* took too long as a whole */
	INN_CLIENT_CUT_OFF,	  /* the connection ended before the reply did, or before it began */
	INN_CLIENT_TOO_LARGE, /* body or headers are */
	INN_CLIENT_REDIRECTS, /* too many */
	INN_CLIENT_BUSY,	  /* no descriptor or memory for it just now: try again soon */
	INN_CLIENT_GARBLED /* what came was not HTTP, or an encoding that nobody knows; anything else */
} InnClientError;

/* What to ask.  Everything is copied, so it may go as soon as inn_client_start() has returned. */
typedef struct InnClientRequest
{
	const char *method;
	const char *url;			/* http or https */
	const char *const *headers; /* "Name: value" */
	int nheaders;
	const char *body; /* NULL: none */
	size_t body_size;
	int timeout_ms;			/* 0: INN_CLIENT_TIMEOUT_MS */
	size_t max_reply_bytes; /* 0: INN_CLIENT_MAX_REPLY_BYTES */
	bool is_restricted;		/* to public addresses, see address.h */
	bool stays;				/* a redirect is a reply, and not followed */
	bool keeps_query; /* a redirect without a query takes over that of the URL, whoever is there */
	void *cookie;	  /* the caller's */
} InnClientRequest;

/* A call that was started.  The pointer is good until its reply is freed, or it is abandoned. */
typedef struct InnClientCall InnClientCall;

/* What became of it; belongs to the caller until inn_client_free(). */
typedef struct InnClientReply
{
	void *cookie;
	InnClientError error;
	const char *sentence; /* printable ASCII; empty unless there is an error */
	int status;			  /* 0 if there is an error, and then there is no body */
	const char *body;	  /* any bytes, and a NUL behind them; never NULL */
	size_t size;
	int redirects; /* that were followed */
	int64 took_us; /* from inn_client_start() to the end */
} InnClientReply;

typedef struct InnClientHeader
{
	const char *name; /* as it was sent */
	const char *value;
} InnClientHeader;

/*
 * Make ready for so many calls at a time, or as many as descriptors allow.  False if that is not
 * possible now; errno says why.
 */
extern bool inn_client_open(int max_calls);

/* Abandon all calls and close all connections; replies that were not freed are freed.  Fine if not open. */
extern void inn_client_close(void);

/* What to wait for, and until when at the latest. */
extern int inn_client_fd(void);
extern TimestampTz inn_client_deadline(void);

/* Do what can be done now: connect, send, receive, give up. */
extern void inn_client_run(void);

/* How many more calls may be started now. */
extern int inn_client_room(void);

/*
 * Start a call; it leaves with the next inn_client_run().  Where there is no room, and where the request is
 * invalid, the reply says so.  NULL: out of memory, and there will be no reply.
 *
 * Headers about the transport (Connection, Content-Length, Expect, ...) are ours and left out.
 * There is no Content-Type unless it is among the headers.
 */
extern InnClientCall *inn_client_start(const InnClientRequest *request);

/* Give a call up, at any stage: its reply is not handed out any more, or freed. */
extern void inn_client_abandon(InnClientCall *call);

/* The next reply, or NULL. */
extern InnClientReply *inn_client_next(void);
extern void inn_client_free(InnClientReply *reply);

/* A header of the reply, the first of that name in any case; or NULL. */
extern const char *inn_client_header(const InnClientReply *reply, const char *name);

/*
 * All headers in the order in which they came, those of one name joined with commas.  They are gone
 * with the reply.  NULL: out of memory.
 */
extern const InnClientHeader *inn_client_headers(InnClientReply *reply, int *count);

#endif /* INN_CLIENT_H */
