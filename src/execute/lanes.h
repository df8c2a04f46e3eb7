/*-------------------------------------------------------------------------
 *
 * lanes.h
 *	  The jobs that this executor knows: those that it executes, and those that are next.
 *
 * Each app has a lane of its own, so that one that is slow, or away, fills only that.  A lane holds a bounded number of jobs; the others
 * stay in the table until there is room.  Of the jobs in a lane those of the oldest runs come first: runs are finished before
 * new ones begin.  A run with a priority counts as older, or younger, by so many seconds.
 *
 * IDENTIFICATION
 *	  src/execute/lanes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_LANES_H
#define INN_LANES_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "execute/client.h"
#include "store/controls.h"
#include "store/jobs.h"
#include "store/steps.h"

/* Jobs in a lane, waiting or executed. */
#define INN_LANE_CAPACITY 2000

/* Calls that an app may always have, however many the others have. */
#define INN_LANE_RESERVED_CALLS 16

typedef enum InnFlightState
{
	INN_FLIGHT_WAITING,	 /* in a lane */
	INN_FLIGHT_CALLING,	 /* the app is being called */
	INN_FLIGHT_GATEWAYS, /* it has answered, and wants requests made */
	INN_FLIGHT_ANSWERED	 /* the answer has still to be settled */
} InnFlightState;

/* Whoever is behind a call of the client says so first (InnClientRequest.cookie). */
typedef enum InnCookieKind
{
	INN_COOKIE_FLIGHT,
	INN_COOKIE_GATEWAY,
	INN_COOKIE_SYNC
} InnCookieKind;

typedef struct InnLane InnLane;

/* A job from when it is read until it is settled. */
typedef struct InnFlight
{
	InnCookieKind cookie; /* INN_COOKIE_FLIGHT */
	InnJob job;			  /* its texts are in the same chunk of memory */
	InnControls controls; /* of its run; as if it had none */
	InnFlightState state;
	InnLane *lane;
	int64 rank; /* the least is executed first: when its run was queued, in ms, less its priority */
	pairingheap_node waiting;	 /* in lane->waiting */
	dlist_node answered;		 /* of those that have still to be settled, or in lane->aside */
	InnClientReply *reply;		 /* ANSWERED, GATEWAYS */
	struct InnGateway *gateways; /* as many as there are ops; NULL: none */
	int ngateways;
	int gateways_open;		 /* that have not been answered */
	TimestampTz settle_at;	 /* if settling was put off */
	int64 settle_delay_usec; /* for how long, the last time; 0: never */
	TimestampTz started_at;
	InnUlid request_id;
	InnUlid event_id;
	int request_version;
	bool is_endpoint; /* of its function */
	InnStateSize state_size;
	size_t event_bytes; /* of the events of its run, which are told again when it ends */
	size_t large_bytes; /* of the body, about; 0: it is small, or not being called */
	bool was_aside;
} InnFlight;

struct InnLane
{
	pg_uuid_t app_id;
	int64 after;		  /* jobs up to this position have been read */
	int64 left;			  /* the first of those that were read and left; PG_INT64_MAX: none */
	bool has_more;		  /* there may be jobs beyond it */
	pairingheap *waiting; /* InnFlight, the oldest run on top */
	dlist_head aside;	  /* InnFlight, large ones for which there was no room */
	int nwaiting;		  /* these, too */
	int ncalls;
	size_t large_bytes; /* of calls under way */
};

extern void inn_lanes_init(void);

/* Have a lane for each of these apps, whatever others there are. */
extern void inn_lanes_set_apps(const pg_uuid_t *app_ids, int napps);

/* There may be apps without a lane: until inn_lanes_set_apps(), and at first. */
extern void inn_lanes_note_apps_unknown(void);
extern bool inn_lanes_are_apps_unknown(void);

/* Read all lanes anew from a position on; PG_INT64_MIN: from the beginning. */
extern void inn_lanes_rewind(int64 position);

/* What is to be read: lanes with room that may have more; palloc'ed, *count is set. */
extern InnJobLane *inn_lanes_to_read(int *count);

/* These were read for those lanes. */
extern void inn_lanes_were_read(const InnJobLane *lanes, int nlanes, const InnJob *jobs, int njobs);

/* Keep a job that was read in its lane, unless it is known.  controls are those of its run; NULL: none. */
extern void inn_lanes_add(const InnJob *job, const InnControls *controls);

/* The next job that may be executed, max_calls at a time in all and max_calls_per_app of one app; or NULL.  It counts as executed. */
extern InnFlight *inn_lanes_take(int max_calls, int max_calls_per_app);
extern bool inn_lanes_can_take(int max_calls, int max_calls_per_app);

/* May one that was taken be called with so many bytes?  False: not now; it was set aside, and comes again when others have ended. */
extern bool inn_lanes_admit(InnFlight *flight, size_t bytes);

/*
 * One that was taken, and is not executed: back into the lane; forget it, because its job is done; or leave its job where it is,
 * until inn_lanes_reread().
 */
extern void inn_lanes_put_back(InnFlight *flight);
extern void inn_lanes_forget(InnFlight *flight);
extern void inn_lanes_leave(InnFlight *flight);

/* Read again from the first job on that was left. */
extern void inn_lanes_reread(void);

extern int inn_lanes_calls(void);
extern int inn_lanes_waiting(void);

/* Forget everything, and read from the beginning. */
extern void inn_lanes_reset(void);

#endif /* INN_LANES_H */
