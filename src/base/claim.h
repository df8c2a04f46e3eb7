/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  Locks that are tried and never waited for, held until the transaction ends.
 *
 * For "somebody in an open transaction may be doing the same": whoever cannot have the claim leaves the
 * work to somebody who can wait.  Claims cost no entry in the lock table, so one transaction may hold
 * thousands.
 *
 * IDENTIFICATION
 *	  src/base/claim.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CLAIM_H
#define INN_CLAIM_H

/* Each has room of its own, so that who sends many events with ids cannot keep runs from being claimed. */
typedef enum InnClaimKind
{
	INN_CLAIM_RUN,
	INN_CLAIM_EVENT_ID,
} InnClaimKind;

#define INN_CLAIM_KINDS 2

extern Size inn_claim_shmem_size(void);
extern void inn_claim_shmem_init(void);

/*
 * Try to claim a key until the end of this transaction.  True if it is ours, also if it was before.
 * False if another transaction holds it, or the table is too full to tell.
 *
 * Without shared memory (the library was not preloaded) everything is granted: then only the unique
 * indexes protect, and a second sender waits for the first.
 */
extern bool inn_claim_try(InnClaimKind kind, uint64 key);

/*
 * Free what this transaction has claimed, which has ended.  That happens by itself, but whoever tells others that there is something to
 * do must see to it first: they would find it claimed.
 */
extern void inn_claims_free(void);

#endif /* INN_CLAIM_H */
