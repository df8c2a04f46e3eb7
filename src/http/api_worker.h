/*-------------------------------------------------------------------------
 *
 * api_worker.h
 *	  Carries out calls of the HTTP API.
 *
 * IDENTIFICATION
 *	  src/http/api_worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_API_WORKER_H
#define INN_API_WORKER_H

#include "datatype/timestamp.h"

/* The first API worker (index 0) takes quick calls only, so that these never wait behind slow ones. */
extern void inn_api_worker_init(int index);
extern TimestampTz inn_api_worker_tick(bool reloaded);
extern void inn_api_worker_recover(void);

#endif /* INN_API_WORKER_H */
