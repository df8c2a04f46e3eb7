/*-------------------------------------------------------------------------
 *
 * executor.h
 *	  Calls apps, and settles what they answer.
 *
 * IDENTIFICATION
 *	  src/executor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_EXECUTOR_H
#define INN_EXECUTOR_H

#include "base/timer.h"

extern void inn_executor_init(int index);
extern InnWaitSocket inn_executor_socket(void);
extern TimestampTz inn_executor_tick(bool reloaded);
extern void inn_executor_recover(void);

#endif /* INN_EXECUTOR_H */
