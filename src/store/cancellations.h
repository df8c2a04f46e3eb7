/*-------------------------------------------------------------------------
 *
 * cancellations.h
 *	  Bulk cancellations (sql/parts/58_cancellations.sql).
 *
 * IDENTIFICATION
 *	  src/store/cancellations.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CANCELLATIONS_H
#define INN_CANCELLATIONS_H

#include "store/sql.h"

/* When the next one goes on; INN_NEVER if there is none. */
extern TimestampTz inn_cancellations_due(void);

/* Carry one on that is due, by a bounded piece. */
extern void inn_cancellations_carry_on(void);

#endif /* INN_CANCELLATIONS_H */
