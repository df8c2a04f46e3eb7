/*-------------------------------------------------------------------------
 *
 * status.h
 *	  How the relay does, as it says itself; relay.h has the reading side.
 *
 * IDENTIFICATION
 *	  src/relay/status.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_STATUS_H
#define INN_STATUS_H

/* What is wrong, in a short sentence; NULL: nothing.  is_news: it was otherwise before. */
extern void inn_status_set(const char *error, bool is_news);

/* So many items more have been told. */
extern void inn_status_count(int nitems);

/* The relay is about to exit. */
extern void inn_status_leave(void);

#endif /* INN_STATUS_H */
