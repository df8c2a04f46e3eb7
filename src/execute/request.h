/*-------------------------------------------------------------------------
 *
 * request.h
 *	  The call of an app, as bytes (protocol.md 6.1, 6.2, 6.4).
 *
 * Pure: values in, URL, headers and body out.  All JSON texts given are canonical already (base/jcs.h), so the
 * body is put together from them and is canonical, too: it is what is signed.
 *
 * IDENTIFICATION
 *	  src/execute/request.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_REQUEST_H
#define INN_REQUEST_H

#include "lib/stringinfo.h"
#include "utils/uuid.h"

#include "base/ulid.h"

/* Beyond it a body has no steps, then no events, and says so (use_api, protocol.md 7). */
#define INN_REQUEST_MAX_BYTES (4 * 1024 * 1024)

typedef struct InnMemo
{
	const char *step_id;
	const char *json; /* canonical */
	size_t size;	  /* of json */
} InnMemo;

/* Everything that a call says. */
typedef struct InnRequestSubject
{
	const char *url;	 /* of the function, as registered */
	const char *step_id; /* of the one registered step, in most cases "step" */
	const char *target;	 /* the planned step that is asked for; NULL: discovery */
	pg_uuid_t function_id;
	InnUlid run_id;
	int64 job_id;
	InnUlid request_id;
	int generation;
	int attempt;
	int max_attempts;
	int request_version; /* -1 before the first reply */
	bool is_planning;	 /* ctx.disable_immediate_execution */
	bool always_inline; /* the SDK does not know use_api (Go): send everything, whatever its size */
	const char **events; /* canonical event maps; the first is `event` */
	int nevents;
	size_t unread_events; /* bytes of further events, too many to be read; the body has none then */
	InnMemo *stack;		  /* in the order of completion */
	int nstack;
	int current;			 /* ctx.stack.current */
	const char *input_id;	 /* a step whose input is overridden (protocol.md 8.10); NULL: none */
	const char *input;		 /* canonical array */
	const char *defers;		 /* canonical object: step id to {"abortable"}; NULL: none */
	const char *signing_key; /* NULL: unsigned */
	int64 now_s;			 /* of the signature, seconds since 1970 */
} InnRequestSubject;

/* Most headers of a call. */
#define INN_REQUEST_MAX_HEADERS 16

typedef struct InnRequestText
{
	char *url;
	char *headers[INN_REQUEST_MAX_HEADERS]; /* "Name: value" */
	int nheaders;
	StringInfoData body;
	bool uses_api;
} InnRequestText;

/* Put a call together, palloc'ed in the current context. */
extern void inn_request_build(const InnRequestSubject *subject, InnRequestText *text);

/* What a queue item is called on the wire: ctx.qi_id, and back; false if it is none of ours. */
extern char *inn_request_queue_ref(int64 job_id);
extern bool inn_request_parse_queue_ref(const char *text, int64 *job_id);

#endif /* INN_REQUEST_H */
