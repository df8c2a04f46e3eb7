/*-------------------------------------------------------------------------
 *
 * descriptors.h
 *	  How many sockets a worker may have.
 *
 * IDENTIFICATION
 *	  src/base/descriptors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_DESCRIPTORS_H
#define INN_DESCRIPTORS_H

/* Descriptors that are left to the server for its files. */
#define INN_RESERVED_DESCRIPTORS 256

/*
 * Raise the soft limit, if need be and possible, so that so many descriptors fit beside the reserved ones;
 * returns how many do, which may be more.
 */
extern int inn_descriptors_allow(int wanted);

#endif /* INN_DESCRIPTORS_H */
