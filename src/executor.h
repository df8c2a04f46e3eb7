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

/* To the log: what could not be done, and why. */
extern void inn_executor_report(const char *what, const ErrorData *error);

#endif /* INN_EXECUTOR_H */
