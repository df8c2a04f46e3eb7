/*
 * Fuzz target: the text of ULIDs and the header that seeds them.
 *
 * The input is taken as a text, as the first bytes of a ULID, and as a header.
 */
#include <time.h>

#include "base/ulid.c"

extern int LLVMFuzzerInitialize(int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_seed(const char *header, uint32 index, const char *expected);
static void check_text(const char *text, size_t len);
static void check_bytes(const uint8_t *data, size_t size);
static void check_header(const uint8_t *data, size_t size);

/* ---- what base/timer.c does ---- */

TimestampTz
inn_now(void)
{
	return (TimestampTz) time(NULL) * 1000000;
}

int64
inn_unix_ms(TimestampTz when)
{
	return when / 1000;
}

/* What is known to be right. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *malformed[] = {
		"",
		",",
		"1700000000000",
		"1700000000000,",
		",AQIDBAUGBwgJCg==",
		"-1,AQIDBAUGBwgJCg==",
		"+1,AQIDBAUGBwgJCg==",
		" 1,AQIDBAUGBwgJCg==",
		"1, AQIDBAUGBwgJCg==",
		"1,AQIDBAUGBwgJCg",
		"1,AQIDBAUGBwgJCg=",
		"1,AQIDBAUGBwgJCg===",
		"1,AQIDBAUGBwgJCgs=",
		"1,AQIDBAUGBwgJCgsM",
		"1,AQIDBAUGBwgJ*g==",
		"1,AQIDBAUGBwgJ==",
		"281474976710656,AQIDBAUGBwgJCg==",
		"99999999999999999999999,AQIDBAUGBwgJCg==",
		"1x,AQIDBAUGBwgJCg==",
		"1,AQIDBAUGBwgJCg==x",
	};
	uint8 entropy[INN_ULID_ENTROPY_LEN];
	InnUlid before;
	InnUlid after;
	int64 ms;

	check_seed("1700000000000,AQIDBAUGBwgJCg==", 0, "01HF7YAT00041061050R3GG28A");
	check_seed("1700000000000,AQIDBAUGBwgJCg==", 1, "01HF7YAT00041061050R3GG28B");
	check_seed("1700000000000,AQIDBAUGBwgJCg==", 2, "01HF7YAT00041061050R3GG28C");
	check_seed("1700000000000,AAAAAAAA/////w==", 1, "01HF7YAT000000000000000000");
	check_seed("0,AAAAAAAAAAAAAA==", 0, "00000000000000000000000000");
	check_seed("281474976710655,//////////////", 0, NULL);
	check_seed("281474976710655,/////////////w==", 0, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
	for (size_t i = 0; i < lengthof(malformed); i++)
		Assert(!inn_seed_parse(malformed[i], &ms, entropy));

	inn_ulid_at(-1, &after);
	Assert(inn_ulid_unix_ms(&after) == 0);
	inn_ulid_at(PG_INT64_MAX, &after);
	Assert(inn_ulid_unix_ms(&after) == INN_ULID_MAX_UNIX_MS);

	/* the entropy overflows into the time */
	Assert(inn_ulid_parse("01HF7YAT00ZZZZZZZZZZZZZZZZ", INN_ULID_TEXT_LEN, &before));
	after = before;
	increment(&after);
	Assert(inn_ulid_unix_ms(&after) == inn_ulid_unix_ms(&before) + 1);
	Assert(inn_ulid_compare(&after, &before) > 0);

	inn_ulid_at(0, &before);
	for (int i = 0; i < 100000; i++, before = after)
	{
		inn_ulid_generate(&after);
		Assert(inn_ulid_compare(&after, &before) > 0);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_text((const char *) data, size);
	check_bytes(data, size);
	check_header(data, size);
	return 0;
}

static void
check_seed(const char *header, uint32 index, const char *expected)
{
	uint8 entropy[INN_ULID_ENTROPY_LEN];
	char text[INN_ULID_TEXT_LEN + 1];
	InnUlid ulid;
	int64 ms;

	Assert(inn_seed_parse(header, &ms, entropy) == (expected != NULL));
	if (expected == NULL)
		return;
	inn_ulid_from_seed(ms, entropy, index, &ulid);
	inn_ulid_format(&ulid, text);
	Assert(strcmp(text, expected) == 0);
}

/* What is read, written and read again is the same. */
static void
check_text(const char *text, size_t len)
{
	char written[INN_ULID_TEXT_LEN + 1];
	InnUlid first;
	InnUlid second;

	if (!inn_ulid_parse(text, len, &first))
		return;
	inn_ulid_format(&first, written);
	Assert(inn_ulid_parse(written, INN_ULID_TEXT_LEN, &second));
	Assert(inn_ulid_compare(&first, &second) == 0);
}

/* Every 16 bytes have a text, which is as great as they are. */
static void
check_bytes(const uint8_t *data, size_t size)
{
	InnUlid ulids[2] = {0};
	char texts[2][INN_ULID_TEXT_LEN + 1];
	int order;

	memcpy(ulids, data, Min(size, sizeof(ulids)));
	for (int i = 0; i < 2; i++)
	{
		InnUlid again;
		InnUlid lowest;

		inn_ulid_format(&ulids[i], texts[i]);
		Assert(strlen(texts[i]) == INN_ULID_TEXT_LEN);
		Assert(inn_ulid_parse(texts[i], INN_ULID_TEXT_LEN, &again));
		Assert(inn_ulid_compare(&ulids[i], &again) == 0);

		inn_ulid_at(inn_ulid_unix_ms(&ulids[i]), &lowest);
		Assert(inn_ulid_compare(&lowest, &ulids[i]) <= 0);
		Assert(memcmp(lowest.bytes, ulids[i].bytes, TIME_LEN) == 0);
	}
	order = inn_ulid_compare(&ulids[0], &ulids[1]);
	Assert((order < 0) == (strcmp(texts[0], texts[1]) < 0));
	Assert((order == 0) == (strcmp(texts[0], texts[1]) == 0));
}

static void
check_header(const uint8_t *data, size_t size)
{
	char *header = malloc(size + 1); /* of exact size, so that reading on is noticed */
	uint8 entropy[INN_ULID_ENTROPY_LEN];
	InnUlid ulid;
	int64 ms;

	memcpy(header, data, size);
	header[size] = '\0';
	if (inn_seed_parse(header, &ms, entropy))
	{
		Assert(ms >= 0);
		Assert(ms <= INN_ULID_MAX_UNIX_MS);
		inn_ulid_from_seed(ms, entropy, data[size / 2], &ulid);
		Assert(inn_ulid_unix_ms(&ulid) == ms);
		Assert(memcmp(ulid.bytes + TIME_LEN, entropy, 6) == 0);
	}
	free(header);
}
