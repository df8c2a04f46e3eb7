/*-------------------------------------------------------------------------
 *
 * zone.h
 *	  Time zones by name.
 *
 * Names are those of the IANA time zone database that the server uses.  Both functions may add a zone to
 * the server's cache, so they must not be called where palloc() may not.
 *
 * IDENTIFICATION
 *	  src/base/zone.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BASE_ZONE_H
#define INN_BASE_ZONE_H

/* Is there a zone of this name, in upper or lower case? */
extern bool inn_zone_exists(const char *name, size_t len);

/*
 * How far the clocks of a zone are ahead of UTC at a time, in seconds; behind it is negative.
 *
 * The name counts in its exact case only: "UTC" and "Europe/Berlin", not "utc".  False if there is no such
 * zone.
 */
extern bool inn_zone_offset(const char *name, size_t len, int64 unix_sec, int32 *offset_sec);

/* The same of a name in upper or lower case. */
extern bool inn_zone_offset_any_case(const char *name, size_t len, int64 unix_sec,
									 int32 *offset_sec);

#endif /* INN_BASE_ZONE_H */
