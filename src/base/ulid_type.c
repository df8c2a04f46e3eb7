/*-------------------------------------------------------------------------
 *
 * ulid_type.c
 *	  The SQL type inngest.ulid: input and output, order, hash, time.
 *
 * A value is the 16 bytes of an InnUlid, fixed length and unaligned, which is
 * also what uuid is.  So the two types are binary coercible, and hash alike.
 *
 * IDENTIFICATION
 *	  src/base/ulid_type.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/sortsupport.h"
#include "utils/timestamp.h"

#include "base/ulid.h"

/* from 1970, where ULIDs count from, to 2000, where timestamps do */
#define EPOCH_OFFSET_USEC ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

static int compare_args(FunctionCallInfo fcinfo);
static int compare_datums(Datum x, Datum y, SortSupport ssup);
static void abbreviate(SortSupport ssup);

PG_FUNCTION_INFO_V1(inngest_ulid_in);
PG_FUNCTION_INFO_V1(inngest_ulid_out);
PG_FUNCTION_INFO_V1(inngest_ulid_recv);
PG_FUNCTION_INFO_V1(inngest_ulid_send);
PG_FUNCTION_INFO_V1(inngest_ulid_eq);
PG_FUNCTION_INFO_V1(inngest_ulid_ne);
PG_FUNCTION_INFO_V1(inngest_ulid_lt);
PG_FUNCTION_INFO_V1(inngest_ulid_le);
PG_FUNCTION_INFO_V1(inngest_ulid_gt);
PG_FUNCTION_INFO_V1(inngest_ulid_ge);
PG_FUNCTION_INFO_V1(inngest_ulid_cmp);
PG_FUNCTION_INFO_V1(inngest_ulid_sortsupport);
PG_FUNCTION_INFO_V1(inngest_ulid_hash);
PG_FUNCTION_INFO_V1(inngest_ulid_hash_extended);
PG_FUNCTION_INFO_V1(inngest_ulid_smaller);
PG_FUNCTION_INFO_V1(inngest_ulid_larger);
PG_FUNCTION_INFO_V1(inngest_ulid_timestamp);
PG_FUNCTION_INFO_V1(inngest_ulid_at);
PG_FUNCTION_INFO_V1(inngest_generate_ulid);

Datum
inngest_ulid_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	InnUlid *ulid = palloc(sizeof(InnUlid));

	if (!inn_ulid_parse(text, strlen(text), ulid))
		ereport(ERROR, errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				errmsg("invalid input syntax for type %s: \"%s\"", "inngest.ulid", text));

	PG_RETURN_INN_ULID_P(ulid);
}

Datum
inngest_ulid_out(PG_FUNCTION_ARGS)
{
	char *text = palloc(INN_ULID_TEXT_LEN + 1);

	inn_ulid_format(PG_GETARG_INN_ULID_P(0), text);
	PG_RETURN_CSTRING(text);
}

Datum
inngest_ulid_recv(PG_FUNCTION_ARGS)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	InnUlid *ulid = palloc(sizeof(InnUlid));

	pq_copymsgbytes(buf, (char *) ulid->bytes, sizeof(ulid->bytes));
	PG_RETURN_INN_ULID_P(ulid);
}

Datum
inngest_ulid_send(PG_FUNCTION_ARGS)
{
	InnUlid *ulid = PG_GETARG_INN_ULID_P(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (char *) ulid->bytes, sizeof(ulid->bytes));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
inngest_ulid_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) == 0);
}

Datum
inngest_ulid_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) != 0);
}

Datum
inngest_ulid_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) < 0);
}

Datum
inngest_ulid_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) <= 0);
}

Datum
inngest_ulid_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) > 0);
}

Datum
inngest_ulid_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) >= 0);
}

Datum
inngest_ulid_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_args(fcinfo));
}

Datum
inngest_ulid_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = compare_datums;
	if (ssup->abbreviate)
		abbreviate(ssup);
	PG_RETURN_VOID();
}

Datum
inngest_ulid_hash(PG_FUNCTION_ARGS)
{
	InnUlid *ulid = PG_GETARG_INN_ULID_P(0);

	return hash_any(ulid->bytes, sizeof(ulid->bytes));
}

Datum
inngest_ulid_hash_extended(PG_FUNCTION_ARGS)
{
	InnUlid *ulid = PG_GETARG_INN_ULID_P(0);

	return hash_any_extended(ulid->bytes, sizeof(ulid->bytes), PG_GETARG_INT64(1));
}

Datum
inngest_ulid_smaller(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(compare_args(fcinfo) <= 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1));
}

Datum
inngest_ulid_larger(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(compare_args(fcinfo) >= 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1));
}

Datum
inngest_ulid_timestamp(PG_FUNCTION_ARGS)
{
	int64 unix_ms = inn_ulid_unix_ms(PG_GETARG_INN_ULID_P(0));

	/* 48 bits of milliseconds end long before timestamps do */
	PG_RETURN_TIMESTAMPTZ(unix_ms * 1000 - EPOCH_OFFSET_USEC);
}

/*
 * Unlike inn_ulid_at() this refuses what does not fit: a cast must not change
 * a time without a word.
 */
Datum
inngest_ulid_at(PG_FUNCTION_ARGS)
{
	TimestampTz moment = PG_GETARG_TIMESTAMPTZ(0);
	InnUlid *ulid;

	if (moment < -EPOCH_OFFSET_USEC ||
		moment >= (INN_ULID_MAX_UNIX_MS + 1) * 1000 - EPOCH_OFFSET_USEC)
		ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("timestamp out of range for type %s", "inngest.ulid"),
				errdetail("A ULID holds times from 1970 to the year 10889."));

	ulid = palloc(sizeof(InnUlid));
	inn_ulid_at((moment + EPOCH_OFFSET_USEC) / 1000, ulid);
	PG_RETURN_INN_ULID_P(ulid);
}

Datum
inngest_generate_ulid(PG_FUNCTION_ARGS)
{
	InnUlid *ulid = palloc(sizeof(InnUlid));

	inn_ulid_generate(ulid);
	PG_RETURN_INN_ULID_P(ulid);
}

static int
compare_args(FunctionCallInfo fcinfo)
{
	return inn_ulid_compare(PG_GETARG_INN_ULID_P(0), PG_GETARG_INN_ULID_P(1));
}

static int
compare_datums(Datum x, Datum y, SortSupport ssup)
{
	return inn_ulid_compare(DatumGetInnUlidP(x), DatumGetInnUlidP(y));
}

#if SIZEOF_DATUM == 8

/* The abbreviated key: 6 bytes of time and 2 of entropy. */
static Datum
abbreviate_one(Datum original, SortSupport ssup)
{
	const uint8 *bytes = DatumGetInnUlidP(original)->bytes;
	Datum key = 0;

	for (size_t i = 0; i < sizeof(Datum); i++)
		key = (key << 8) | bytes[i];
	return key;
}

/* Keys nearly always differ, so there is no point in giving up on them. */
static bool
abbreviation_is_useless(int nrows, SortSupport ssup)
{
	return false;
}

static void
abbreviate(SortSupport ssup)
{
	ssup->abbrev_full_comparator = ssup->comparator;
	ssup->comparator = ssup_datum_unsigned_cmp;
	ssup->abbrev_converter = abbreviate_one;
	ssup->abbrev_abort = abbreviation_is_useless;
}

#else

/* Four bytes would be the time to the minute: not worth having. */
static void
abbreviate(SortSupport ssup)
{
}

#endif
