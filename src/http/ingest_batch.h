/*-------------------------------------------------------------------------
 *
 * ingest_batch.h
 *	  Requests with events that arrived together, stored together.
 *
 * IDENTIFICATION
 *	  src/http/ingest_batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_INGEST_BATCH_H
#define INN_INGEST_BATCH_H

#include "http/routes.h"

/* Most requests, and bytes of their bodies, in one transaction. */
#define INN_BATCH_MAX_REQUESTS 256
#define INN_BATCH_MAX_BYTES (8 * 1024 * 1024)

/*
 * Take a request into the batch, or reply to it if it is refused at once.  The batch lives in the
 * current memory context, until it is flushed.
 */
extern void inn_batch_add(InnRequest *request, const InnTarget *target);
extern bool inn_batch_is_full(void);

/*
 * Store the events of all requests in one transaction and reply; if that fails, in one transaction each,
 * so that only those that cannot be stored are told so.
 */
extern void inn_batch_flush(void);

/* After an ERROR outside of flushing: the requests are somebody else's care now. */
extern void inn_batch_forget(void);

#endif /* INN_INGEST_BATCH_H */
