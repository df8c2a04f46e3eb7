/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  Starting and stopping the workers.
 *
 * IDENTIFICATION
 *	  src/launcher.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_LAUNCHER_H
#define INN_LAUNCHER_H

#include "datatype/timestamp.h"

extern Size inn_launcher_shmem_size(void);
extern void inn_launcher_shmem_init(void);

/* Register the launcher with the postmaster; at preload. */
extern void inn_launcher_register(void);

/* When this transaction commits: an extension was created or updated, see whether it is ours. */
extern void inn_launcher_probe_at_commit(void);

/* When this transaction commits: our extension was dropped; stop the workers, and see anew. */
extern void inn_launcher_restart_at_commit(void);

/*
 * Have no workers, because their database is about to be dropped or renamed: stops them and waits
 * until they are gone (a few seconds at most; then whoever asked will see why it cannot be done).
 * When the transaction ends they come back, if the database is still there.
 */
extern void inn_launcher_hold(void);

/* A dump is being replayed into the database: remember it, and when it was. */
extern void inn_launcher_note_restore(void);
extern TimestampTz inn_launcher_restore_noted(void);

/* What the scheduler found when it looked for the extension. */
extern void inn_launcher_report(bool is_installed);

#endif /* INN_LAUNCHER_H */
