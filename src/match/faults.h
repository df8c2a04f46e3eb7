/*-------------------------------------------------------------------------
 *
 * faults.h
 *	  Expressions of triggers that failed: counted by senders, written down by the scheduler.
 *
 * IDENTIFICATION
 *	  src/match/faults.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_MATCH_FAULTS_H
#define INN_MATCH_FAULTS_H

#include "store/apps.h"

extern Size inn_trigger_faults_shmem_size(void);
extern void inn_trigger_faults_shmem_init(void);

/*
 * Count a failure of a trigger's expression, with the message.  It counts even if the sender rolls back: the
 * event was tried.  Writes no row and waits for nobody; wakes the scheduler.  When more triggers fail within a
 * second than there is room for, the others are only counted in the log.
 */
extern void inn_trigger_fault_note(const InnTrigger *trigger, const char *message);

/*
 * When what was counted is to be written down, about once a second: INN_NEVER if there is nothing.  For the
 * scheduler, who then does it, in a transaction of its own.
 */
extern TimestampTz inn_trigger_faults_due(void);
extern void inn_trigger_faults_store(void);

#endif /* INN_MATCH_FAULTS_H */
