/*-------------------------------------------------------------------------
 *
 * casemap.c
 *	  Letters of the other case, as Unicode's simple mapping has them.
 *
 * The server's own functions depend on the locale of the database, and an expression must mean the same
 * everywhere.  The ranges are written by dev/make-casemap.
 *
 * IDENTIFICATION
 *	  src/cel/casemap.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "cel/casemap.h"

/* Letters from first to last, every step-th, have the other case delta away. */
typedef struct CaseRange
{
	uint32 first;
	uint32 last;
	int32 delta;
	uint32 step;
} CaseRange;

#include "cel/casemap_ranges.h"

static uint32 map_letter(uint32 code, const CaseRange *ranges, int nranges);
static char map_ascii(char c, bool is_upper);

size_t
cel_casemap(const char *text, size_t len, bool is_upper, char *out)
{
	const CaseRange *ranges = is_upper ? to_upper : to_lower;
	int nranges = is_upper ? (int) lengthof(to_upper) : (int) lengthof(to_lower);
	bool is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	char *begin = out;

	for (size_t i = 0; i < len;)
	{
		const unsigned char *letter = (const unsigned char *) text + i;
		uint32 code;

		if (!is_utf8 || *letter < 0x80)
		{
			*out++ = map_ascii(text[i++], is_upper);
			continue;
		}
		code = map_letter(utf8_to_unicode(letter), ranges, nranges);
		i += pg_utf_mblen(letter);
		unicode_to_utf8(code, (unsigned char *) out);
		out += pg_utf_mblen((unsigned char *) out);
	}
	return out - begin;
}

static char
map_ascii(char c, bool is_upper)
{
	if (is_upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z')
		return (char) (c ^ 0x20);
	return c;
}

static uint32
map_letter(uint32 code, const CaseRange *ranges, int nranges)
{
	int low = 0;
	int high = nranges;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (code > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == nranges || code < ranges[low].first ||
		(code - ranges[low].first) % ranges[low].step != 0)
		return code;
	return code + ranges[low].delta;
}
