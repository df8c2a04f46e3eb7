/*-------------------------------------------------------------------------
 *
 * descriptors.c
 *	  The limit of descriptors of this process.
 *
 * The server opens files by itself and closes some when it has too many (fd.c), but it dies where it may
 * not open one at all.  So whoever holds thousands of sockets leaves a reserve.
 *
 * IDENTIFICATION
 *	  src/base/descriptors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/resource.h>

#include "base/descriptors.h"

int
inn_descriptors_allow(int wanted)
{
	rlim_t needed = (rlim_t) wanted + INN_RESERVED_DESCRIPTORS;
	struct rlimit limit;
	struct rlimit raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return wanted;
	if (limit.rlim_cur < needed)
	{
		raised = limit;
		raised.rlim_cur = Min(needed, limit.rlim_max);
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	return Max((int) Min(limit.rlim_cur, PG_INT32_MAX) - INN_RESERVED_DESCRIPTORS, 16);
}
