/*-------------------------------------------------------------------------
 *
 * testing.h
 *	  What test builds have beyond the library: a clock that can be set, and points where processes can be stopped.
 *
 * A test build defines INN_TESTING and links test/testing/testing.c, which holds all of it and whose SQL functions
 * are the way in; the library that is shipped contains nothing of it, as dev/check-exports proves.
 *
 * A wait-point is a line of ours that matters in a race.  A process that comes to one that a test has armed tells so
 * and stays there until it is released; interrupts are served.
 *
 * IDENTIFICATION
 *	  src/base/testing.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_TESTING_H
#define INN_TESTING_H

#ifdef INN_TESTING

/* How much later it is than the system's clock says, in microseconds. */
extern int64 inn_testing_clock_shift(void);

extern void inn_testing_wait_point(const char *name);

extern Size inn_testing_shmem_size(void);
extern void inn_testing_shmem_init(void);

#define INN_WAIT_POINT(name) inn_testing_wait_point(name)

#else

#define INN_WAIT_POINT(name) ((void) 0)

#endif

#endif /* INN_TESTING_H */
