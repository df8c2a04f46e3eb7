/*-------------------------------------------------------------------------
 *
 * cancellations.c
 *	  Have a bulk cancellation carried on.
 *
 * IDENTIFICATION
 *	  src/store/cancellations.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/timer.h"
#include "store/cancellations.h"

static InnPlan next_due = {"SELECT due_at FROM inngest.cancellations WHERE due_at < 'infinity'"
						   " ORDER BY due_at LIMIT 1"};

static InnPlan carry_on = {"SELECT inngest.carry_on_cancellation()"};

TimestampTz
inn_cancellations_due(void)
{
	if (inn_plan_run(&next_due, 0, NULL) == 0)
		return INN_NEVER;
	return inn_from_real(inn_row_time(0, 1, INN_NEVER)); /* now() of SQL is real */
}

void
inn_cancellations_carry_on(void)
{
	(void) inn_plan_run(&carry_on, 0, NULL);
}
