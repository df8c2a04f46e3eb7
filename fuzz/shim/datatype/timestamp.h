/* A stand-in for the server's. */
#ifndef FUZZ_TIMESTAMP_H
#define FUZZ_TIMESTAMP_H

typedef int64 TimestampTz;

#define DT_NOEND PG_INT64_MAX

#endif /* FUZZ_TIMESTAMP_H */
