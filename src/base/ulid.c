/*-------------------------------------------------------------------------
 *
 * ulid.c
 *	  ULIDs: making, reading and writing them.
 *
 * The 16 bytes are one big-endian number of 128 bits.  Reading and writing
 * text shift it five bits at a time through two words; making the next one
 * within a millisecond adds one to it.
 *
 * The only state is the last ULID this process made.  The postmaster must not
 * make any, or all its children would go on from the same one.  A crash
 * forgets it, which is harmless: the next process starts with fresh entropy.
 *
 * IDENTIFICATION
 *	  src/base/ulid.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/timer.h"
#include "base/ulid.h"

#define TIME_LEN 6 /* bytes before the entropy */

/* text of a seed's entropy: 14 characters of base64 carry 10 bytes */
#define SEED_BASE64 14
#define SEED_PADDING "=="

/* ULIDs whose entropy is drawn at once */
#define ENTROPY_STOCK 32

static void take_entropy(uint8 *out);
static void increment(InnUlid *ulid);
static uint64 load_word(const uint8 *bytes);
static void store_word(uint64 word, uint8 *bytes);
static int base64_value(char c);
static bool entropy_decode(const char *text, uint8 entropy[INN_ULID_ENTROPY_LEN]);

static const char base32_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* value of each ASCII character as a digit of base 32; -1 if it is none */
static const int8 base32_values[128] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0x00 */
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0x10 */
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* 0x20 */
	0,	1,	2,	3,	4,	5,	6,	7,	8,	9,	-1, -1, -1, -1, -1, -1, /* 0-9 */
	-1, 10, 11, 12, 13, 14, 15, 16, 17, 1,	18, 19, 1,	20, 21, 0,	/* A-O */
	22, 23, 24, 25, 26, -1, 27, 28, 29, 30, 31, -1, -1, -1, -1, -1, /* P-Z */
	-1, 10, 11, 12, 13, 14, 15, 16, 17, 1,	18, 19, 1,	20, 21, 0,	/* a-o */
	22, 23, 24, 25, 26, -1, 27, 28, 29, 30, 31, -1, -1, -1, -1, -1, /* p-z */
};

void
inn_ulid_generate(InnUlid *out)
{
	static InnUlid last; /* zero before the first one: earlier than any clock */
	InnUlid next;

	Assert(IsUnderPostmaster || !IsPostmasterEnvironment);

	inn_ulid_at(inn_unix_ms(inn_now()), &next);
	if (memcmp(next.bytes, last.bytes, TIME_LEN) > 0)
	{
		take_entropy(next.bytes + TIME_LEN);
	}
	else
	{
		next = last;
		increment(&next);
	}

	Assert(inn_ulid_compare(&next, &last) > 0);
	last = next;
	*out = next;
}

/* Random bytes for one ULID.  Asking for them costs more than handing them out, so a stock is kept. */
static void
take_entropy(uint8 *out)
{
	static uint8 stock[ENTROPY_STOCK][INN_ULID_ENTROPY_LEN];
	static int nleft = 0;

	if (nleft == 0)
	{
		if (!pg_strong_random(stock, sizeof(stock)))
			ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
					errmsg("could not generate random values"));
		nleft = ENTROPY_STOCK;
	}
	memcpy(out, stock[--nleft], INN_ULID_ENTROPY_LEN);
}

void
inn_ulid_at(int64 unix_ms, InnUlid *out)
{
	uint64 ms = Min(Max(unix_ms, 0), INN_ULID_MAX_UNIX_MS);

	store_word(ms << 16, out->bytes);
	store_word(0, out->bytes + 8);
}

bool
inn_ulid_parse(const char *text, size_t len, InnUlid *out)
{
	uint64 high = 0;
	uint64 low = 0;

	if (len != INN_ULID_TEXT_LEN)
		return false;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = text[i];
		int value = c < lengthof(base32_values) ? base32_values[c] : -1;

		if (value < 0 || (i == 0 && value > 7))
			return false;
		high = (high << 5) | (low >> 59);
		low = (low << 5) | value;
	}

	store_word(high, out->bytes);
	store_word(low, out->bytes + 8);
	return true;
}

void
inn_ulid_format(const InnUlid *ulid, char out[INN_ULID_TEXT_LEN + 1])
{
	uint64 high = load_word(ulid->bytes);
	uint64 low = load_word(ulid->bytes + 8);

	out[INN_ULID_TEXT_LEN] = '\0';
	for (int i = INN_ULID_TEXT_LEN - 1; i >= 0; i--)
	{
		out[i] = base32_digits[low & 31];
		low = (low >> 5) | (high << 59);
		high >>= 5;
	}
}

int64
inn_ulid_unix_ms(const InnUlid *ulid)
{
	return load_word(ulid->bytes) >> 16;
}

int
inn_ulid_compare(const InnUlid *a, const InnUlid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool
inn_seed_parse(const char *header, int64 *unix_ms, uint8 entropy[INN_ULID_ENTROPY_LEN])
{
	const char *p = header;
	int64 ms = 0;

	for (; *p >= '0' && *p <= '9'; p++)
	{
		ms = ms * 10 + (*p - '0');
		if (ms > INN_ULID_MAX_UNIX_MS)
			return false;
	}
	if (p == header || *p != ',')
		return false;
	if (!entropy_decode(p + 1, entropy))
		return false;

	*unix_ms = ms;
	return true;
}

void
inn_ulid_from_seed(int64 unix_ms, const uint8 entropy[INN_ULID_ENTROPY_LEN], uint32 index,
				   InnUlid *out)
{
	uint32 tail = 0;

	inn_ulid_at(unix_ms, out);
	memcpy(out->bytes + TIME_LEN, entropy, INN_ULID_ENTROPY_LEN);

	for (int i = 12; i < 16; i++)
		tail = (tail << 8) | out->bytes[i];
	tail += index;
	for (int i = 15; i >= 12; i--, tail >>= 8)
		out->bytes[i] = tail & 0xFF;
}

/* Add one; when the entropy overflows, the time moves on by a millisecond. */
static void
increment(InnUlid *ulid)
{
	for (int i = sizeof(ulid->bytes) - 1; i >= 0; i--)
	{
		if (++ulid->bytes[i] != 0)
			return;
	}
}

static uint64
load_word(const uint8 *bytes)
{
	uint64 word = 0;

	for (int i = 0; i < 8; i++)
		word = (word << 8) | bytes[i];
	return word;
}

static void
store_word(uint64 word, uint8 *bytes)
{
	for (int i = 7; i >= 0; i--, word >>= 8)
		bytes[i] = word & 0xFF;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

/*
 * Decode the base64 of exactly 10 bytes.  The four bits that the last
 * character has to spare are ignored, as lenient decoders do.
 */
static bool
entropy_decode(const char *text, uint8 entropy[INN_ULID_ENTROPY_LEN])
{
	uint8 decoded[INN_ULID_ENTROPY_LEN];
	uint32 bits = 0;
	int nbits = 0;
	int nbytes = 0;

	for (int i = 0; i < SEED_BASE64; i++)
	{
		int value = base64_value(text[i]);

		if (value < 0)
			return false; /* the closing NUL as well */
		bits = (bits << 6) | value;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			decoded[nbytes++] = (bits >> nbits) & 0xFF;
		}
	}
	if (strcmp(text + SEED_BASE64, SEED_PADDING) != 0)
		return false;

	Assert(nbytes == INN_ULID_ENTROPY_LEN);
	memcpy(entropy, decoded, sizeof(decoded));
	return true;
}
