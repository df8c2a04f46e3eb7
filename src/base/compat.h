/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  PostgreSQL 15 to 18: the only place that asks for the version.
 *
 * IDENTIFICATION
 *	  src/base/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_COMPAT_H
#define INN_COMPAT_H

#include "catalog/pg_database.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM < 150000
#error "inngest needs PostgreSQL 15 or later"
#endif

/* 16 moved VARDATA_ANY() and its like out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 has a word for it that stands before the declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* 18 takes bytes in base64 as uint8, where there was char. */
#if PG_VERSION_NUM >= 180000
typedef uint8 InnBase64Byte;
#else
typedef char InnBase64Byte;
#endif

/* 16 folded the per-catalog ownership checks into one function. */
#if PG_VERSION_NUM >= 160000
#define inn_owns_database(dboid, roleid) object_ownercheck(DatabaseRelationId, dboid, roleid)
#else
#define inn_owns_database(dboid, roleid) pg_database_ownercheck(dboid, roleid)
#endif

/* 17 dropped the memory context argument in favour of a resource owner. */
#if PG_VERSION_NUM >= 170000
#define inn_create_wait_event_set(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define inn_create_wait_event_set(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/* 16 wants what belongs to a setting to come from its own allocator. */
#if PG_VERSION_NUM >= 160000
#define inn_guc_malloc(size) guc_malloc(LOG, size)
#else
#define inn_guc_malloc(size) malloc(size)
#endif

#endif /* INN_COMPAT_H */
