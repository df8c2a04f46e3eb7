/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  Everything that needs a lock or a time.
 *
 * IDENTIFICATION
 *	  src/scheduler.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_SCHEDULER_H
#define INN_SCHEDULER_H

#include "datatype/timestamp.h"

/* Do what is due; returns when the next thing will be. */
extern TimestampTz inn_scheduler_tick(bool reloaded);

#endif /* INN_SCHEDULER_H */
