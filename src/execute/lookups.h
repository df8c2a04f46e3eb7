/*-------------------------------------------------------------------------
 *
 * lookups.h
 *	  Which names of hosts are being looked up: few at a time, and each by one call only.
 *
 * This is bookkeeping; libcurl does the work, and asks before.  Who may not begin waits, in a list of the
 * lookup that is about the same name, or until there is room.
 *
 * Everything here may run in a callback of libcurl.
 *
 * IDENTIFICATION
 *	  src/execute/lookups.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_LOOKUPS_H
#define INN_LOOKUPS_H

#include "lib/ilist.h"

/* room for the name of a host, with its NUL */
#define INN_HOST_SIZE 256

typedef struct InnLookup
{
	bool is_taken;
	bool is_over; /* valid if it is taken: there is an answer, or nobody wants it any more */
	char host[INN_HOST_SIZE];
	dlist_head followers; /* the caller's, who wait for the same name */
} InnLookup;

/*
 * May the name be looked up?  True: yes, by the one who asks, and *lookup is his until
 * inn_lookup_end().  False: *lookup is somebody else's for the same name, or NULL if there are too many.
 */
extern bool inn_lookup_begin(const char *host, InnLookup **lookup);

/* The answer is there, or not wanted any more; NULL is fine. */
extern void inn_lookup_end(InnLookup *lookup);

/* The next one that is over, or NULL; and make room for another in its place. */
extern InnLookup *inn_lookup_next_over(void);
extern void inn_lookup_release(InnLookup *lookup);

/* How many more may begin. */
extern int inn_lookup_room(void);

/* Does libcurl need a resolver for this?  It knows addresses and "localhost" by itself. */
extern bool inn_lookup_is_needed(const char *host);

#endif /* INN_LOOKUPS_H */
