/*-------------------------------------------------------------------------
 *
 * jcs.c
 *	  Canonical JSON (RFC 8785): one text for one value, which is what gets signed.
 *
 * Containers are read where they lie, entry by entry: each entry's offset is the sum of the lengths before it.
 * jsonb has sorted the keys already, but by length, so an object's members are noted and sorted again.
 *
 * IDENTIFICATION
 *	  src/base/jcs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/jcs.h"
#include "base/number.h"

/* numbers below it are written without an exponent: 10^21 has 22 digits */
#define PLAIN_DIGITS 21

/* integers that doubles hold exactly reach to it, either way */
#define EXACT_INTEGER (INT64CONST(1) << 53)

/* sign, 21 digits and what is around them: 0.000001 of 17 digits is longest */
#define NUMBER_TEXT_SIZE 32

/* members of an object that are sorted without an allocation */
#define FEW_MEMBERS 16

/*
 * Most bytes of text that a byte of jsonb can become.  A control character becomes six; every value and every key
 * has an entry of four bytes, which is more than the quotes, commas and colons around it; a number has at least
 * ten bytes with its entry and at most 25 characters; true, false and null have their entries.
 */
#define MAX_GROWTH 6

/* a one in each of eight bytes */
#define EACH_BYTE UINT64CONST(0x0101010101010101)

typedef struct Member
{
	const char *key; /* UTF-8 */
	int key_len;
	uint32 index;  /* of the value's entry */
	uint32 offset; /* of the value, from the start of the object's data */
} Member;

static InnJcsFault append_container(StringInfo buf, const JsonbContainer *container);
static InnJcsFault append_array(StringInfo buf, const JsonbContainer *array);
static InnJcsFault append_object(StringInfo buf, const JsonbContainer *object);
static InnJcsFault list_members(const JsonbContainer *object, Member *members);
static InnJcsFault append_members(StringInfo buf, const JsonbContainer *object,
								  const Member *members);
static InnJcsFault append_entry(StringInfo buf, const JsonbContainer *container, uint32 index,
								uint32 offset);
static int compare_members(const void *a, const void *b);
static InnJcsFault to_utf8(const char **text, int *len);
static InnJcsFault append_number(StringInfo buf, Numeric number);
static void append_escaped(StringInfo buf, const char *text, int len);
static int plain_run(const char *text, int len);
static inline bool has_less(uint64 word, uint64 n);
static void append_escape(StringInfo buf, unsigned char c);

InnJcsFault
inn_jcs_append(StringInfo buf, Jsonb *json)
{
	JsonbValue root = {.type = jbvBinary,
					   .val.binary = {.len = VARSIZE(json) - VARHDRSZ, .data = &json->root}};

	return inn_jcs_append_value(buf, &root);
}

InnJcsFault
inn_jcs_append_value(StringInfo buf, const JsonbValue *value)
{
	int start = buf->len;
	InnJcsFault fault = INN_JCS_GOOD;

	switch (value->type)
	{
		case jbvNull:
			appendBinaryStringInfo(buf, "null", 4);
			break;
		case jbvBool:
			appendStringInfoString(buf, value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			fault = append_number(buf, value->val.numeric);
			break;
		case jbvString:
			fault = inn_jcs_append_string(buf, value->val.string.val, value->val.string.len);
			break;
		case jbvBinary:
			fault = append_container(buf, value->val.binary.data);
			break;
		default:
			elog(ERROR, "unexpected jsonb value of type %d", (int) value->type);
	}

	if (fault != INN_JCS_GOOD)
	{
		buf->len = start;
		buf->data[start] = '\0';
	}
	return fault;
}

const char *
inn_jcs_sentence(InnJcsFault fault)
{
	switch (fault)
	{
		case INN_JCS_NUMBER_RANGE:
			return "A number is beyond the range of a double; send it as a string.";
		case INN_JCS_NOT_UTF8:
			return "A text is not valid UTF-8, which JSON is written in.";
		default:
			return "";
	}
}

InnJcsFault
inn_jcs_append_string(StringInfo buf, const char *text, int len)
{
	if (to_utf8(&text, &len) != INN_JCS_GOOD)
		return INN_JCS_NOT_UTF8;
	append_escaped(buf, text, len);
	return INN_JCS_GOOD;
}

bool
inn_jcs_is_within(const JsonbValue *value, size_t max_bytes)
{
	StringInfoData buf;
	bool is_within;

	if ((value->type == jbvBinary && value->val.binary.len <= max_bytes / MAX_GROWTH) ||
		(value->type == jbvString && value->val.string.len + 2 <= max_bytes / MAX_GROWTH))
		return true;
	initStringInfo(&buf);
	is_within = inn_jcs_append_value(&buf, value) == INN_JCS_GOOD && buf.len <= max_bytes;
	pfree(buf.data);
	return is_within;
}

/* ---- containers ---- */

static InnJcsFault
append_container(StringInfo buf, const JsonbContainer *container)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	if (JsonContainerIsScalar(container))
		return append_entry(buf, container, 0, 0);
	return JsonContainerIsObject(container) ? append_object(buf, container)
											: append_array(buf, container);
}

static InnJcsFault
append_array(StringInfo buf, const JsonbContainer *array)
{
	uint32 count = JsonContainerSize(array);
	uint32 offset = 0;

	appendStringInfoChar(buf, '[');
	for (uint32 i = 0; i < count; i++)
	{
		InnJcsFault fault;

		if (i > 0)
			appendStringInfoChar(buf, ',');
		fault = append_entry(buf, array, i, offset);
		if (fault != INN_JCS_GOOD)
			return fault;
		JBE_ADVANCE_OFFSET(offset, array->children[i]);
	}
	appendStringInfoChar(buf, ']');
	return INN_JCS_GOOD;
}

static InnJcsFault
append_object(StringInfo buf, const JsonbContainer *object)
{
	uint32 count = JsonContainerSize(object);
	Member few[FEW_MEMBERS];
	Member *members = few;
	InnJcsFault fault;

	if (count > FEW_MEMBERS)
		members = palloc(count * sizeof(Member));

	fault = list_members(object, members);
	if (fault == INN_JCS_GOOD)
	{
		qsort(members, count, sizeof(Member), compare_members);
		fault = append_members(buf, object, members);
	}

	if (members != few)
		pfree(members);
	return fault;
}

/* All keys come first, then all values in the same order. */
static InnJcsFault
list_members(const JsonbContainer *object, Member *members)
{
	uint32 count = JsonContainerSize(object);
	const char *data = (const char *) &object->children[count * 2];
	uint32 offset = 0;

	for (uint32 i = 0; i < count; i++)
	{
		Member *member = &members[i];
		uint32 start = offset;

		JBE_ADVANCE_OFFSET(offset, object->children[i]);
		member->key = data + start;
		member->key_len = (int) (offset - start);
		if (to_utf8(&member->key, &member->key_len) != INN_JCS_GOOD)
			return INN_JCS_NOT_UTF8;
	}
	for (uint32 i = 0; i < count; i++)
	{
		members[i].index = count + i;
		members[i].offset = offset;
		JBE_ADVANCE_OFFSET(offset, object->children[count + i]);
	}
	return INN_JCS_GOOD;
}

static InnJcsFault
append_members(StringInfo buf, const JsonbContainer *object, const Member *members)
{
	uint32 count = JsonContainerSize(object);

	appendStringInfoChar(buf, '{');
	for (uint32 i = 0; i < count; i++)
	{
		InnJcsFault fault;

		if (i > 0)
			appendStringInfoChar(buf, ',');
		append_escaped(buf, members[i].key, members[i].key_len);
		appendStringInfoChar(buf, ':');
		fault = append_entry(buf, object, members[i].index, members[i].offset);
		if (fault != INN_JCS_GOOD)
			return fault;
	}
	appendStringInfoChar(buf, '}');
	return INN_JCS_GOOD;
}

/* The offset is that of the entry's data from the start of all data; numbers and containers are aligned in it. */
static InnJcsFault
append_entry(StringInfo buf, const JsonbContainer *container, uint32 index, uint32 offset)
{
	JEntry entry = container->children[index];
	uint32 count = JsonContainerSize(container) * (JsonContainerIsObject(container) ? 2 : 1);
	const char *data = (const char *) &container->children[count];

	switch (entry & JENTRY_TYPEMASK)
	{
		case JENTRY_ISSTRING:
			return inn_jcs_append_string(buf, data + offset,
										 (int) getJsonbLength(container, (int) index));
		case JENTRY_ISNUMERIC:
			return append_number(buf, (Numeric) (data + INTALIGN(offset)));
		case JENTRY_ISBOOL_TRUE:
			appendBinaryStringInfo(buf, "true", 4);
			return INN_JCS_GOOD;
		case JENTRY_ISBOOL_FALSE:
			appendBinaryStringInfo(buf, "false", 5);
			return INN_JCS_GOOD;
		case JENTRY_ISCONTAINER:
			return append_container(buf, (const JsonbContainer *) (data + INTALIGN(offset)));
		default:
			appendBinaryStringInfo(buf, "null", 4);
			return INN_JCS_GOOD;
	}
}

static int
compare_members(const void *a, const void *b)
{
	const Member *left = a;
	const Member *right = b;

	return inn_jcs_compare_keys(left->key, left->key_len, right->key, right->key_len);
}

/*
 * By UTF-16 code units.  This is the order of UTF-8 but for one thing: what needs two units sorts with the first of
 * them, D800 to DBFF, so before U+E000 to U+FFFF, whose first byte is EE or EF.
 */
int
inn_jcs_compare_keys(const char *a, int a_len, const char *b, int b_len)
{
	int common = Min(a_len, b_len);

	for (int i = 0; i < common; i++)
	{
		unsigned char x = (unsigned char) a[i];
		unsigned char y = (unsigned char) b[i];

		if (x == y)
			continue;
		if (x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0))
			return x >= 0xF0 ? -1 : 1;
		return x < y ? -1 : 1;
	}
	return a_len - b_len;
}

/* ---- scalars ---- */

/* What is converted is allocated and left to the memory context: texts are short, and so is its life. */
static InnJcsFault
to_utf8(const char **text, int *len)
{
	char *converted;

	switch (GetDatabaseEncoding())
	{
		case PG_UTF8:
			return INN_JCS_GOOD;
		case PG_SQL_ASCII:
			return pg_verify_mbstr(PG_UTF8, *text, *len, true) ? INN_JCS_GOOD : INN_JCS_NOT_UTF8;
		default:
			converted = pg_server_to_any(*text, *len, PG_UTF8);
			if (converted != *text)
				*len = (int) strlen(converted);
			*text = converted;
			return INN_JCS_GOOD;
	}
}

/* As ECMAScript's Number::toString has it. */
static InnJcsFault
append_number(StringInfo buf, Numeric number)
{
	char text[NUMBER_TEXT_SIZE];
	char digits[INN_NUMBER_MAX_DIGITS];
	int ndigits;
	int exponent;
	int len = 0;
	int64 integer;
	double d;

	if (inn_number_to_int(number, &integer) && integer <= EXACT_INTEGER &&
		integer >= -EXACT_INTEGER)
	{
		appendBinaryStringInfo(buf, text, pg_lltoa(integer, text));
		return INN_JCS_GOOD;
	}
	d = inn_number_to_double(number);
	if (isnan(d) || isinf(d))
		return INN_JCS_NUMBER_RANGE;

	if (d < 0)
		text[len++] = '-';
	ndigits = inn_number_digits(fabs(d), digits, &exponent);
	if (exponent >= PLAIN_DIGITS || exponent < -6)
		len += inn_digits_with_exponent(digits, ndigits, exponent, 1, text + len);
	else
		len += inn_digits_without_exponent(digits, ndigits, exponent, text + len);
	Assert(len < NUMBER_TEXT_SIZE);
	appendBinaryStringInfo(buf, text, len);
	return INN_JCS_GOOD;
}

/* Runs of what needs no escape are copied as they are. */
static void
append_escaped(StringInfo buf, const char *text, int len)
{
	enlargeStringInfo(buf, len + 2);
	appendStringInfoCharMacro(buf, '"');
	while (len > 0)
	{
		int run = plain_run(text, len);

		appendBinaryStringInfo(buf, text, run);
		if (run < len)
			append_escape(buf, (unsigned char) text[run++]);
		text += run;
		len -= run;
	}
	appendStringInfoChar(buf, '"');
}

/* How many bytes there are before the first that needs an escape; eight are looked at together. */
static int
plain_run(const char *text, int len)
{
	int i = 0;

	for (; i + (int) sizeof(uint64) <= len; i += sizeof(uint64))
	{
		uint64 word;

		memcpy(&word, text + i, sizeof(word));
		if (has_less(word, ' ') || has_less(word ^ EACH_BYTE * '"', 1) ||
			has_less(word ^ EACH_BYTE * '\\', 1))
			break;
	}
	for (; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c < ' ' || c == '"' || c == '\\')
			break;
	}
	return i;
}

/* Is one of the bytes less than n, which is at most 128? */
static inline bool
has_less(uint64 word, uint64 n)
{
	return ((word - EACH_BYTE * n) & ~word & EACH_BYTE * 0x80) != 0;
}

static void
append_escape(StringInfo buf, unsigned char c)
{
	static const char named[] = "\"\"\\\\\bb\tt\nn\ff\rr";

	for (const char *pair = named; *pair != '\0'; pair += 2)
	{
		if ((unsigned char) pair[0] != c)
			continue;
		appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, pair[1]);
		return;
	}
	appendStringInfo(buf, "\\u%04x", c);
}
