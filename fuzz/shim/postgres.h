/*
 * The few words of PostgreSQL's postgres.h that the parsers use, so that they can be built
 * without a server.  Only the fuzz targets see this file.
 */
#ifndef FUZZ_POSTGRES_H
#define FUZZ_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

typedef int8_t int8;
typedef int32_t int32;
typedef int64_t int64;
typedef uint8_t uint8;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef uintptr_t Datum;

#define INT64CONST(x) (x##L)
#define UINT64CONST(x) (x##UL)
#define UINT64_FORMAT "%lu"
#define PG_INT32_MAX INT32_MAX
#define PG_INT64_MAX INT64_MAX
#define PG_INT64_MIN INT64_MIN

#define Min(x, y) ((x) < (y) ? (x) : (y))
#define Max(x, y) ((x) > (y) ? (x) : (y))
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define StaticAssertDecl _Static_assert

#define DatumGetPointer(x) ((void *) (x))
#define PointerGetDatum(x) ((Datum) (x))

/* unlike the server's, this one is always on */
#define Assert(condition) \
	do \
	{ \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

#define ereport(level, ...) abort()

#define pg_strcasecmp strcasecmp
#define pg_strncasecmp strncasecmp
#define pg_strong_random(buf, len) (getrandom(buf, len, 0) == (ssize_t) (len))

#endif /* FUZZ_POSTGRES_H */
