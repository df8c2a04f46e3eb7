/*-------------------------------------------------------------------------
 *
 * maintenance.h
 *	  Partitions and retention (sql/parts/70_partitions.sql).
 *
 * IDENTIFICATION
 *	  src/store/maintenance.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_MAINTENANCE_H
#define INN_MAINTENANCE_H

#include "store/sql.h"

/* Make the first partitions: only in the transaction that has made the tables. */
extern void inn_maintenance_begin(void);

/* Do one piece of what is due; returns when to be called again. */
extern TimestampTz inn_maintenance_run(void);

/* Is a pg_restore connected to this database? */
extern bool inn_maintenance_sees_restore(void);

#endif /* INN_MAINTENANCE_H */
