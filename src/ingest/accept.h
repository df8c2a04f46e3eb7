/*-------------------------------------------------------------------------
 *
 * accept.h
 *	  Events come in: judged, stored, matched, turned into runs.
 *
 * Accepting has two halves.  Judging (inn_submission_from_*) needs no transaction and refuses by value.
 * Storing (inn_accept) takes any number of submissions in one transaction, so that senders who arrive
 * together share one flush.
 *
 * IDENTIFICATION
 *	  src/ingest/accept.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ACCEPT_H
#define INN_ACCEPT_H

#include "ingest/event.h"
#include "run/lifecycle.h"

/* What one sender sent.  Pointers live in the memory context it was judged in. */
typedef struct InnSubmission
{
	InnEvent *events; /* those that may be stored */
	int nevents;
	bool is_refused;
	int refused_index; /* position of the refused event; -1: the whole body */
	InnRefusal refusal;

	/* set by inn_accept(), in the memory context that it is called in */
	InnRun *runs; /* created for these events, in their order */
	int nruns;
} InnSubmission;

typedef enum InnAcceptRule
{
	INN_ACCEPT_ALL,	  /* one bad event refuses the whole submission */
	INN_ACCEPT_PREFIX /* the events before the first bad one are accepted (protocol.md 3.4) */
} InnAcceptRule;

/* Where the ids of a repeated request come from (protocol.md 3.5). */
typedef struct InnSeed
{
	int64 unix_ms;
	uint8 entropy[INN_ULID_ENTROPY_LEN];
} InnSeed;

/*
 * Judge the body of a request: one JSON object or an array of them.  An empty body holds no events.
 * seed may be NULL.
 */
extern void inn_submission_from_body(const char *body, size_t size, const InnSeed *seed,
									 InnAcceptRule rule, InnSubmission *submission);

/* The same for JSON that is parsed already. */
extern void inn_submission_from_json(Jsonb *json, InnSubmission *submission);

/* An event that invokes a function: an object as others, but without a name; target is the function's id or UUID. */
extern void inn_submission_from_invocation(const char *target, Jsonb *json,
										   InnSubmission *submission);

/*
 * Store the events of all submissions and create the runs they cause.  Between inn_sql_begin() and
 * inn_sql_end(); all take effect when the transaction commits, or none.
 */
extern void inn_accept(InnSubmission *const *submissions, int nsubmissions);

#endif /* INN_ACCEPT_H */
