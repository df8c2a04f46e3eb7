/*-------------------------------------------------------------------------
 *
 * restore.h
 *	  Keeping the workers away while a dump is being restored.
 *
 * IDENTIFICATION
 *	  src/restore.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_RESTORE_H
#define INN_RESTORE_H

/* Is a session restoring this database just now?  Opens a transaction of its own. */
extern bool inn_restore_is_running(void);

#endif /* INN_RESTORE_H */
