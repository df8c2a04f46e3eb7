/*-------------------------------------------------------------------------
 *
 * http_worker.h
 *	  Accepts HTTP: events at once, everything else through API workers.
 *
 * IDENTIFICATION
 *	  src/http/http_worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_HTTP_WORKER_H
#define INN_HTTP_WORKER_H

#include "base/timer.h"

extern void inn_http_init(int index);
extern InnWaitSocket inn_http_socket(void);
extern TimestampTz inn_http_tick(bool reloaded);
extern void inn_http_recover(void);

/* Commits are of interest only while somebody waits for a run. */
extern bool inn_http_is_deaf(void);

#endif /* INN_HTTP_WORKER_H */
