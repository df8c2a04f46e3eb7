/*-------------------------------------------------------------------------
 *
 * openapi.h
 *	  The description of the HTTP API, docs/openapi.json, as it was when this was compiled.
 *
 * IDENTIFICATION
 *	  src/http/openapi.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_OPENAPI_H
#define INN_OPENAPI_H

extern const char inn_openapi_json[];

#endif /* INN_OPENAPI_H */
