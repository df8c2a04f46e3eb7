/*-------------------------------------------------------------------------
 *
 * verdict.h
 *	  What libcurl's results mean.
 *
 * IDENTIFICATION
 *	  src/execute/verdict.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_VERDICT_H
#define INN_VERDICT_H

#include "execute/transfer.h"

/* Note the error of a transfer that has not ended with CURLE_OK but with this CURLcode, and has still its handle. */
extern void inn_transfer_judge(InnTransfer *transfer, int result);

#endif /* INN_VERDICT_H */
