/*-------------------------------------------------------------------------
 *
 * secrets.c
 *	  Reading inngest.secrets.
 *
 * IDENTIFICATION
 *	  src/store/secrets.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/secrets.h"

static InnPlan read_token = {"SELECT secret FROM inngest.secrets WHERE name = 'token'", 0, {0}};

char *
inn_secrets_token(void)
{
	if (inn_plan_run(&read_token, 0, NULL) == 0)
		elog(ERROR, "there is no secret for tokens");
	return inn_row_text(0, 1);
}
