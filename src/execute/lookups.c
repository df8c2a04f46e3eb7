/*-------------------------------------------------------------------------
 *
 * lookups.c
 *	  Names that are being looked up.
 *
 * There are so few of them that a list is enough.
 *
 * IDENTIFICATION
 *	  src/execute/lookups.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "execute/client.h"
#include "execute/lookups.h"

static InnLookup lookups[INN_CLIENT_MAX_LOOKUPS];

bool
inn_lookup_begin(const char *host, InnLookup **lookup)
{
	InnLookup *unused = NULL;

	for (int i = 0; i < INN_CLIENT_MAX_LOOKUPS; i++)
	{
		*lookup = &lookups[i];
		if (!lookups[i].is_taken)
			unused = &lookups[i];
		else if (!lookups[i].is_over && pg_strcasecmp(lookups[i].host, host) == 0)
			return false;
	}
	*lookup = unused;
	if (unused == NULL)
		return false;
	unused->is_taken = true;
	unused->is_over = false;
	strlcpy(unused->host, host, INN_HOST_SIZE);
	return true;
}

void
inn_lookup_end(InnLookup *lookup)
{
	Assert(lookup == NULL || (lookup->is_taken && !lookup->is_over));

	if (lookup != NULL)
		lookup->is_over = true;
}

InnLookup *
inn_lookup_next_over(void)
{
	for (int i = 0; i < INN_CLIENT_MAX_LOOKUPS; i++)
	{
		if (lookups[i].is_taken && lookups[i].is_over)
			return &lookups[i];
	}
	return NULL;
}

void
inn_lookup_release(InnLookup *lookup)
{
	Assert(lookup->is_taken && lookup->is_over);
	Assert(dlist_is_empty(&lookup->followers));

	lookup->is_taken = false;
}

int
inn_lookup_room(void)
{
	int room = 0;

	for (int i = 0; i < INN_CLIENT_MAX_LOOKUPS; i++)
		room += lookups[i].is_taken ? 0 : 1;
	return room;
}

bool
inn_lookup_is_needed(const char *host)
{
	size_t length = strlen(host);
	struct in_addr address;

	if (host[0] == '[' || inet_pton(AF_INET, host, &address) == 1)
		return false;
	return pg_strcasecmp(host, "localhost") != 0 &&
		   (length < 10 || pg_strcasecmp(host + length - 10, ".localhost") != 0);
}
