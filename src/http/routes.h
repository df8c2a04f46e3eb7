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

typedef enum InnRouteKind
{
	INN_ROUTE_CALL,	  /* an API worker calls a function */
	INN_ROUTE_EVENTS, /* POST /api/v1/events */
	INN_ROUTE_INGEST, /* POST /e/{key} */
	INN_ROUTE_OPENAPI /* a constant */
} InnRouteKind;

typedef struct InnRoute
{
	const char *method; /* HEAD is served as GET */
	const char *path;	/* segments; {x} matches one non-empty segment */
	InnRouteKind kind;
	const char *function; /* of INN_ROUTE_CALL */
	bool is_quick;		  /* known to be so, whatever the parameters */
	bool has_body;		  /* takes a JSON body */
	bool may_wait;		  /* status 202 from the function: nothing yet, ask again (see calls.c) */
	const char *content_type; /* of the answer; NULL: application/json */
	const char *summary;	  /* for GET / */
} InnRoute;

/* What a request is for, or why it is for nothing. */
typedef struct InnTarget
{
	const InnRoute *route; /* NULL: no such route */
	int status;			   /* if route is NULL: 404, 405, or 204 for OPTIONS */
	char allow[64];		   /* methods of the path, for 405 and OPTIONS */
	char *segment;		   /* what {x} matched, palloc'ed; NULL if there is none */
} InnTarget;

extern InnTarget inn_route_find(const InnRequest *request);

/*
 * The arguments of an API function, appended to buf: {"query": [[name, value]…], "id": segment}, a NUL,
 * and the body as it came (inn_channel_post).
 */
extern void inn_route_argument(const InnTarget *target, const InnRequest *request, StringInfo buf);

#endif /* INN_ROUTES_H */
