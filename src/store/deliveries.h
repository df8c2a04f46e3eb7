/*-------------------------------------------------------------------------
 *
 * deliveries.h
 *	  Events that waiting runs have still to be shown: table inngest.deliveries.
 *
 * IDENTIFICATION
 *	  src/store/deliveries.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_DELIVERIES_H
#define INN_DELIVERIES_H

#include "store/events.h"

/* The events of one transaction, or a part of them. */
typedef struct InnDelivery
{
	int64 position;
	uint64 xact;
	char **names; /* the different ones */
	int nnames;
	InnUlid *event_ids;
	int nevents;
} InnDelivery;

/*
 * Have these events shown to waiting runs after the commit.  Wakes the scheduler at once if somebody may be waiting, else when it
 * has nothing better to do.
 */
extern void inn_deliveries_put(const InnEvent *events, int nevents);

/* Read up to max deliveries beyond a position, in order; palloc'ed, *count is set. */
extern InnDelivery *inn_deliveries_read(int64 after, int max, int *count);

extern void inn_deliveries_remove(const InnDelivery *deliveries, int ndeliveries);

#endif /* INN_DELIVERIES_H */
