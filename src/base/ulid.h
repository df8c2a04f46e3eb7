/*-------------------------------------------------------------------------
 *
 * ulid.h
 *	  ULIDs: 16 bytes that name a thing and sort by the time it was made.
 *
 * The first 6 bytes are the milliseconds since 1970, big-endian; the other 10
 * are entropy.  Compared as bytes, as text and as the SQL type inngest.ulid
 * they have one order.
 *
 * Only inn_ulid_generate() may raise an error or have state; everything else
 * is pure and may be called where ereport() and palloc() may not.
 *
 * IDENTIFICATION
 *	  src/base/ulid.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BASE_ULID_H
#define INN_BASE_ULID_H

/* characters of the text form, without the closing NUL */
#define INN_ULID_TEXT_LEN 26

/* the latest millisecond that fits the 48 bits of time, in the year 10889 */
#define INN_ULID_MAX_UNIX_MS ((INT64CONST(1) << 48) - 1)

/* bytes of entropy, which follow the time */
#define INN_ULID_ENTROPY_LEN 10

typedef struct InnUlid
{
	uint8 bytes[16]; /* 6 of time, 10 of entropy; any value is valid */
} InnUlid;

StaticAssertDecl(sizeof(InnUlid) == 16, "inngest.ulid is declared with 16 bytes");

/*
 * Make a new ULID, greater than every one this process made before.
 *
 * In a new millisecond the entropy is fresh.  Within a millisecond, or when
 * the clock has stepped back, the result is the previous ULID plus one, so
 * neighbours can be guessed: a ULID is a name, not a secret.  There is no
 * order between processes beyond the millisecond.
 *
 * Raises an error if the system has no random bytes.
 */
extern void inn_ulid_generate(InnUlid *out);

/*
 * The lowest ULID of a millisecond: its entropy is zero.
 *
 * A time that 48 bits cannot hold becomes the nearest one that they can, so
 * the result is fit for a bound of a range of ULIDs.
 */
extern void inn_ulid_at(int64 unix_ms, InnUlid *out);

/*
 * Read the text form: exactly 26 characters of Crockford's base 32, in either
 * case, with I and L read as 1 and O as 0.  False, with *out untouched, if the
 * text is anything else or exceeds 128 bits (its first character is above 7).
 */
extern bool inn_ulid_parse(const char *text, size_t len, InnUlid *out);

/* Write the text form, upper case, and a NUL. */
extern void inn_ulid_format(const InnUlid *ulid, char out[INN_ULID_TEXT_LEN + 1]);

/* The time part: milliseconds since 1970, 0 .. INN_ULID_MAX_UNIX_MS. */
extern int64 inn_ulid_unix_ms(const InnUlid *ulid);

/* Less than, equal to or greater than zero, as memcmp(). */
extern int inn_ulid_compare(const InnUlid *a, const InnUlid *b);

/*
 * Read the header x-inngest-event-id-seed: "<unix ms>,<base64 of 10 bytes>".
 *
 * False, with the results untouched, if it is malformed or its time does not
 * fit 48 bits.  The sender of a malformed seed is not told: its events get
 * generated ids.
 */
extern bool inn_seed_parse(const char *header, int64 *unix_ms, uint8 entropy[INN_ULID_ENTROPY_LEN]);

/*
 * The ULID that a seed gives to the index-th event of a request: 1 is the
 * first one, 0 belongs to an invocation.  Equal arguments give equal ULIDs.
 *
 * The index is added to the last four bytes of entropy, wrapping.
 */
extern void inn_ulid_from_seed(int64 unix_ms, const uint8 entropy[INN_ULID_ENTROPY_LEN],
							   uint32 index, InnUlid *out);

/* inngest.ulid is passed by reference and never toasted */
static inline InnUlid *
DatumGetInnUlidP(Datum value)
{
	return (InnUlid *) DatumGetPointer(value);
}

static inline Datum
InnUlidPGetDatum(const InnUlid *ulid)
{
	return PointerGetDatum(ulid);
}

#define PG_GETARG_INN_ULID_P(n) DatumGetInnUlidP(PG_GETARG_DATUM(n))
#define PG_RETURN_INN_ULID_P(x) return InnUlidPGetDatum(x)

#endif /* INN_BASE_ULID_H */
