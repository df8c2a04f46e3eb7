/*-------------------------------------------------------------------------
 *
 * server.h
 *	  HTTP/1.1 behind one file descriptor: whole requests come out, replies go in.
 *
 * libmicrohttpd runs inside our loop.  Its callbacks only record: they use malloc and never palloc, and
 * raise no ERROR.  A request that has arrived whole is put into a queue and its connection suspended
 * until inn_server_reply().
 *
 * IDENTIFICATION
 *	  src/http/server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SERVER_H
#define INN_SERVER_H

#include "datatype/timestamp.h"

/* Memory of one connection: headers must fit, and it is what an idle one costs. */
#define INN_SERVER_CONNECTION_BYTES (16 * 1024)

/* Most query parameters of a request. */
#define INN_SERVER_MAX_PARAMETERS 64

/* Most memory for bodies of all requests together; beyond it requests are refused with 503. */
#define INN_SERVER_MAX_BODIES_BYTES (256 * 1024 * 1024)

/* Headers that anybody asks for: X(name in C, name in lower case) */
#define INN_HEADER_TABLE(X) \
	X(CONTENT_TYPE, "content-type") \
	X(AUTHORIZATION, "authorization") \
	X(EVENT_ID_SEED, "x-inngest-event-id-seed") \
	X(SDK, "x-inngest-sdk") \
	X(FRAMEWORK, "x-inngest-framework") \
	X(PLATFORM, "x-inngest-platform") \
	X(ENV, "x-inngest-env") \
	X(SYNC_KIND, "x-inngest-sync-kind") \
	X(EXPECTED_SERVER_KIND, "x-inngest-expected-server-kind")

typedef enum InnHeader
{
#define INN_HEADER_DECLARE(name, text) INN_HEADER_##name,
	INN_HEADER_TABLE(INN_HEADER_DECLARE)
#undef INN_HEADER_DECLARE
	INN_HEADER_COUNT
} InnHeader;

typedef struct InnParameter
{
	char *name;
	char *value; /* decoded */
} InnParameter;

typedef struct InnRequest InnRequest;

/* A request that waits for its reply; read-only for everybody but server.c. */
struct InnRequest
{
	char *method;
	char *path;						 /* decoded, but see inn_server_decode_rest() */
	char *headers[INN_HEADER_COUNT]; /* NULL: not given */
	char *body;						 /* size bytes, not terminated; NULL if empty */
	size_t size;
	int nparameters;
	InnParameter parameters[INN_SERVER_MAX_PARAMETERS];
	int refused_status;		 /* 0, or why the body is missing: 413, 503, 400 */
	TimestampTz received_at; /* real */
	struct InnConnection *connection;
	struct InnRequest *next;
};

typedef struct InnServerConfig
{
	const char *address; /* numeric */
	int port;
	bool reuse_port; /* several workers share the port */
	int max_connections;
	int timeout_ms; /* for headers, for the body, and of idle connections */
	size_t max_body_bytes;
} InnServerConfig;

/* Listen.  On failure false and a sentence. */
extern bool inn_server_start(const InnServerConfig *config, char *error, size_t error_size);

/* Close everything; requests that wait get 503.  Pointers to requests become invalid. */
extern void inn_server_stop(void);
extern bool inn_server_is_running(void);

/* How many clients are connected. */
extern int inn_server_connections(void);

/* What to wait for, and until when at the latest. */
extern int inn_server_fd(void);
extern TimestampTz inn_server_deadline(void);

/* Read and write what is possible now. */
extern void inn_server_run(void);

/* The next request that has arrived whole, or NULL.  It stays valid until it is replied to. */
extern InnRequest *inn_server_next(void);

/* Has the client hung up?  Then a reply would be lost. */
extern bool inn_server_is_gone(const InnRequest *request);

/*
 * Reply, and forget the request.  The body is copied.  allow is the value of an Allow header, or NULL.
 * Call inn_server_run() afterwards.
 */
extern void inn_server_reply(InnRequest *request, int status, const char *content_type,
							 const char *allow, const char *body, size_t size);

/*
 * The same with headers of the caller's: lines "Name: value", an empty one, and then the body.  What is no such line is left
 * out.
 */
extern void inn_server_reply_with(InnRequest *request, int status, const char *text, size_t size);

/*
 * In paths %2F and %25 are left as they are, so that a slash that belongs to a name parts no segments.
 * Decode them in place, in what has been cut out of a path.
 */
extern void inn_server_decode_rest(char *text);

extern const char *inn_header_name(InnHeader header);

#endif /* INN_SERVER_H */
