/*-------------------------------------------------------------------------
 *
 * routes.h
 *	  Which request goes where.
 *
 * IDENTIFICATION
 *	  src/http/routes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ROUTES_H
#define INN_ROUTES_H

#include "lib/stringinfo.h"

#include "http/server.h"

/* Most {x} in a path. */
#define INN_ROUTE_MAX_VARIABLES 3

typedef enum InnRouteKind
{
	INN_ROUTE_CALL,	   /* an API worker calls a function */
	INN_ROUTE_EVENTS,  /* POST /api/v1/events */
	INN_ROUTE_INGEST,  /* POST /e/{key} */
	INN_ROUTE_OPENAPI, /* a constant */
	INN_ROUTE_NOTHING, /* 200 with a constant, and nothing is done */
	INN_ROUTE_CONNECT, /* the same, but only for an empty body: we have no Connect */
	INN_ROUTE_MISSING  /* 501 */
} InnRouteKind;

/* What is asked for in cloud mode. */
typedef enum InnAuth
{
	INN_AUTH_SIGNING_KEY, /* as a bearer token */
	INN_AUTH_EVENT_KEY,	  /* as the first {x} of the path */
	INN_AUTH_NONE
} InnAuth;

typedef struct InnRoute
{
	const char *method; /* HEAD is served as GET */
	const char *path;	/* segments; {x} matches one non-empty segment */
	InnRouteKind kind;
	InnAuth auth;
	const char *function;  /* of INN_ROUTE_CALL */
	const char *content;   /* of INN_ROUTE_NOTHING; NULL: nothing */
	bool is_quick;		   /* known to be so, whatever the parameters */
	bool has_body;		   /* takes a JSON body; else what comes is not looked at */
	bool may_wait;		   /* status 202 from the function: nothing yet, ask again (see calls.c) */
	bool may_end_in_slash; /* the path with a slash behind it is the same */
	bool is_dev_only;	   /* in cloud mode there is no such route */
	bool has_head;		   /* the answer begins with headers (inn_server_reply_with) */
	const char *content_type; /* of the answer; NULL: application/json */
	const char *summary;	  /* for GET / */
} InnRoute;

/* What {x} has matched. */
typedef struct InnVariable
{
	const char *name; /* name_size bytes of the route's path */
	int name_size;
	char *value; /* decoded, palloc'ed */
} InnVariable;

/* What a request is for, or why it is for nothing. */
typedef struct InnTarget
{
	const InnRoute *route; /* NULL: no such route */
	int status;			   /* if route is NULL: 404, 405, or 204 for OPTIONS */
	char allow[64];		   /* methods of the path, for 405 and OPTIONS */
	int nvariables;
	InnVariable variables[INN_ROUTE_MAX_VARIABLES];
} InnTarget;

extern InnTarget inn_route_find(const InnRequest *request);

/*
 * The arguments of an API function, appended to buf: {"query": [[name, value]…], "path": {name: value…},
 * "headers": {name in lower case: value…}}, a NUL, and the body as it came (inn_channel_post).
 */
extern void inn_route_argument(const InnTarget *target, const InnRequest *request, StringInfo buf);

#endif /* INN_ROUTES_H */
