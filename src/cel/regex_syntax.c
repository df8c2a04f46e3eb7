/*-------------------------------------------------------------------------
 *
 * regex_syntax.c
 *	  From a pattern of RE2 to one of PCRE2.
 *
 * Most of a pattern means the same to both and is copied.  What PCRE2 reads otherwise is written otherwise: \s and
 * \S (PCRE2 counts the vertical tab), \v (a class to PCRE2), octal numbers, names of groups (which nobody asks
 * for), repeated assertions such as ^*, a hyphen after a class within a class.  What RE2 does not have is refused,
 * and what is left over, such as a missing bracket, PCRE2 finds.  docs/expressions.md lists what still differs.
 *
 * IDENTIFICATION
 *	  src/cel/regex_syntax.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cel/cel.h"
#include "cel/regex_syntax.h"

/* as RE2 has it, for one repetition and for nested ones together */
#define MAX_REPEAT 1000

/* groups in groups; PCRE2 allows 250, too */
#define MAX_GROUPS 200

typedef struct Scanner
{
	const char *pattern;
	size_t len;
	size_t at;
	char *out;
	size_t nout;
	int depth;
	int group_repeat[MAX_GROUPS + 1]; /* largest product of repetitions inside, per open group */
	int last_repeat;  /* of the atom that was read last, repetitions inside included */
	bool can_repeat;  /* there is an atom */
	bool is_repeated; /* and it has been repeated */
	char *message;
	size_t size;
} Scanner;

static bool scan_next(Scanner *scanner);
static bool scan_assertion(Scanner *scanner, size_t len);
static bool scan_escape(Scanner *scanner, bool is_class);
static void put_space(Scanner *scanner, char c, bool is_class);
static bool scan_octal(Scanner *scanner);
static bool scan_property(Scanner *scanner);
static bool scan_hex(Scanner *scanner);
static bool scan_quoted(Scanner *scanner);
static bool scan_group(Scanner *scanner);
static bool scan_group_name(Scanner *scanner);
static bool scan_flags(Scanner *scanner);
static bool end_group(Scanner *scanner);
static bool scan_class(Scanner *scanner);
static bool scan_class_item(Scanner *scanner, bool *is_set);
static bool is_set_at(const Scanner *scanner, size_t ahead);
static bool is_posix_class(const Scanner *scanner, size_t *len);
static bool scan_repeat(Scanner *scanner);
static bool is_repeat_at(const Scanner *scanner, size_t ahead);
static int read_count(const Scanner *scanner, size_t ahead, size_t *len);
static bool read_number(const Scanner *scanner, size_t *at, int *number);
static void atom(Scanner *scanner);
static void take(Scanner *scanner, size_t len);
static void put(Scanner *scanner, const char *text);
static char peek(const Scanner *scanner, size_t ahead);
static bool refuse(Scanner *scanner, const char *what);

bool
cel_regex_translate(const char *pattern, size_t len, char *out, size_t *nout, char *message,
					size_t size)
{
	Scanner scanner = {.pattern = pattern,
					   .len = len,
					   .out = out,
					   .message = message,
					   .size = size,
					   .group_repeat = {1}};

	if (len > INN_CEL_MAX_PATTERN_BYTES)
	{
		snprintf(message, size, "pattern is longer than %d bytes", INN_CEL_MAX_PATTERN_BYTES);
		return false;
	}
	while (scanner.at < len)
	{
		if (!scan_next(&scanner))
			return false;
	}
	*nout = scanner.nout;
	return true;
}

static bool
scan_next(Scanner *scanner)
{
	switch (peek(scanner, 0))
	{
		case '\0':
			return refuse(scanner, "unexpected NUL");
		case '\\':
			return scan_escape(scanner, false);
		case '(':
			return scan_group(scanner);
		case ')':
			return end_group(scanner);
		case '[':
			return scan_class(scanner);
		case '*':
		case '+':
		case '?':
		case '{':
			return scan_repeat(scanner);
		case '|':
			take(scanner, 1);
			scanner->can_repeat = false;
			return true;
		case '^':
		case '$':
			return scan_assertion(scanner, 1);
		default:
			take(scanner, 1);
			atom(scanner);
			return true;
	}
}

/* PCRE2 repeats only what is in a group. */
static bool
scan_assertion(Scanner *scanner, size_t len)
{
	bool is_group = is_repeat_at(scanner, len);

	put(scanner, is_group ? "(?:" : "");
	take(scanner, len);
	put(scanner, is_group ? ")" : "");
	atom(scanner);
	return true;
}

/* Something that can be repeated has been passed. */
static void
atom(Scanner *scanner)
{
	scanner->can_repeat = true;
	scanner->is_repeated = false;
	scanner->last_repeat = 1;
}

/* ---- escapes ---- */

static bool
scan_escape(Scanner *scanner, bool is_class)
{
	char c = peek(scanner, 1);

	if (c == 'Q')
		return is_class ? refuse(scanner, "\\Q in a class is not supported") : scan_quoted(scanner);
	if (c == 'p' || c == 'P')
		return scan_property(scanner);
	if (c == 'x')
		return scan_hex(scanner);
	if (c >= '0' && c <= '9')
		return scan_octal(scanner);
	if (!is_class && c != '\0' && strchr("bBAz", c) != NULL)
		return scan_assertion(scanner, 2);
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
	{
		if (strchr("afnrtvdDsSwW", c) == NULL)
			return refuse(scanner, "unknown escape");
	}
	else if (c == '\0' || (unsigned char) c >= 0x80)
		return refuse(scanner, c == '\0' ? "trailing backslash" : "unknown escape");

	if (c == 's' || c == 'S')
		put_space(scanner, c, is_class);
	else if (c == 'v')
	{
		put(scanner, "\\x0b");
		scanner->at += 2;
	}
	else
		take(scanner, 2);
	atom(scanner);
	return true;
}

/* \s or \S, without and with the vertical tab. */
static void
put_space(Scanner *scanner, char c, bool is_class)
{
	put(scanner, is_class ? "" : "[");
	put(scanner, c == 's' ? "\\t\\n\\f\\r " : "\\S\\x0b");
	put(scanner, is_class ? "" : "]");
	scanner->at += 2;
}

/* \0 to \777, three digits at most; a single one but 0 would be a back-reference */
static bool
scan_octal(Scanner *scanner)
{
	int code = 0;
	size_t ndigits = 0;
	char text[16];

	while (ndigits < 3 && peek(scanner, 1 + ndigits) >= '0' && peek(scanner, 1 + ndigits) <= '7')
		code = code * 8 + (peek(scanner, 1 + ndigits++) - '0');
	if (ndigits == 0 || (ndigits == 1 && code != 0))
		return refuse(scanner, "back-references are not supported");
	snprintf(text, sizeof(text), "\\x{%x}", code);
	put(scanner, text);
	scanner->at += 1 + ndigits;
	atom(scanner);
	return true;
}

/* \pL \p{Greek} \p{^Greek} */
static bool
scan_property(Scanner *scanner)
{
	size_t end = 3;

	if (peek(scanner, 2) == '{')
	{
		while (isalpha((unsigned char) peek(scanner, end)) || peek(scanner, end) == '_' ||
			   (end == 3 && peek(scanner, end) == '^'))
			end++;
		if (peek(scanner, end) != '}')
			return refuse(scanner, "malformed character property");
		end++;
	}
	else if (!isalpha((unsigned char) peek(scanner, 2)))
		return refuse(scanner, "malformed character property");
	take(scanner, end);
	atom(scanner);
	return true;
}

/* \x7F \x{10FFFF} */
static bool
scan_hex(Scanner *scanner)
{
	size_t end = 2;

	if (peek(scanner, 2) == '{')
	{
		for (end = 3; isxdigit((unsigned char) peek(scanner, end)); end++)
			;
		if (end == 3 || peek(scanner, end) != '}')
			return refuse(scanner, "malformed hexadecimal escape");
		end++;
	}
	else
	{
		for (; end < 4; end++)
		{
			if (!isxdigit((unsigned char) peek(scanner, end)))
				return refuse(scanner, "malformed hexadecimal escape");
		}
	}
	take(scanner, end);
	atom(scanner);
	return true;
}

/* \Q...\E, or to the end */
static bool
scan_quoted(Scanner *scanner)
{
	take(scanner, 2);
	while (scanner->at < scanner->len && !(peek(scanner, 0) == '\\' && peek(scanner, 1) == 'E'))
	{
		take(scanner, 1);
		atom(scanner);
	}
	take(scanner, Min(2, scanner->len - scanner->at));
	return true;
}

/* ---- groups ---- */

static bool
scan_group(Scanner *scanner)
{
	if (peek(scanner, 1) == '*')
		return refuse(scanner, "nothing to repeat");
	if (scanner->depth == MAX_GROUPS)
		return refuse(scanner, "groups are nested too deeply");

	scanner->at++;
	scanner->can_repeat = false;
	if (peek(scanner, 0) != '?')
	{
		put(scanner, "(?:"); /* nobody asks what it matched */
		scanner->group_repeat[++scanner->depth] = 1;
		return true;
	}
	if (peek(scanner, 1) == 'P' || peek(scanner, 1) == '<')
		return scan_group_name(scanner);
	return scan_flags(scanner);
}

/* ?P<name> or ?<name> */
static bool
scan_group_name(Scanner *scanner)
{
	size_t at = peek(scanner, 1) == 'P' ? 2 : 1;
	size_t start = at + 1;

	if (peek(scanner, at) != '<')
		return refuse(scanner, "not a group that RE2 has");
	for (at = start; isalnum((unsigned char) peek(scanner, at)) || peek(scanner, at) == '_'; at++)
		;
	if (at == start || peek(scanner, at) != '>')
		return refuse(scanner, "not a group that RE2 has");
	scanner->at += at + 1;
	put(scanner, "(?:");
	scanner->group_repeat[++scanner->depth] = 1;
	return true;
}

/* ?flags) or ?flags: with i m s U and, once, - before one of them */
static bool
scan_flags(Scanner *scanner)
{
	bool is_negated = false;
	size_t nflags = 0;

	put(scanner, "(");
	take(scanner, 1);
	for (;; take(scanner, 1))
	{
		char c = peek(scanner, 0);

		if (c != '\0' && strchr("imsU", c) != NULL)
			nflags++;
		else if (c == '-' && !is_negated)
		{
			is_negated = true;
			nflags = 0;
		}
		else
			break;
	}
	if ((is_negated && nflags == 0) || (peek(scanner, 0) != ':' && peek(scanner, 0) != ')'))
		return refuse(scanner, "not a group that RE2 has");
	if (peek(scanner, 0) == ')' && nflags == 0 && !is_negated)
		return refuse(scanner, "not a group that RE2 has");
	if (peek(scanner, 0) == ':')
		scanner->group_repeat[++scanner->depth] = 1;
	take(scanner, 1);
	return true;
}

static bool
end_group(Scanner *scanner)
{
	int inside;

	if (scanner->depth == 0)
		return refuse(scanner, "unexpected )");
	inside = scanner->group_repeat[scanner->depth--];
	take(scanner, 1);
	atom(scanner);
	scanner->last_repeat = inside;
	scanner->group_repeat[scanner->depth] = Max(scanner->group_repeat[scanner->depth], inside);
	return true;
}

/* ---- classes ---- */

static bool
scan_class(Scanner *scanner)
{
	bool is_set = false;

	take(scanner, 1);
	if (peek(scanner, 0) == '^')
		take(scanner, 1);
	if (peek(scanner, 0) == ']')
		take(scanner, 1);
	else if (peek(scanner, 0) != '\0' && strchr(":.=", peek(scanner, 0)) != NULL)
		put(scanner, "\\"); /* [:x:] is no class by itself */
	while (peek(scanner, 0) != ']')
	{
		if (scanner->at >= scanner->len)
			return refuse(scanner, "missing closing ]");
		/* after \d or [:digit:] there is no range that a hyphen could make */
		if (is_set && peek(scanner, 0) == '-')
			put(scanner, "\\");
		if (peek(scanner, 0) == '-' && !is_set && is_set_at(scanner, 1))
			return refuse(scanner, "invalid range in a class");
		if (!scan_class_item(scanner, &is_set))
			return false;
	}
	take(scanner, 1);
	atom(scanner);
	return true;
}

/* A character, or a set of them such as \d. */
static bool
scan_class_item(Scanner *scanner, bool *is_set)
{
	size_t len = 1;

	*is_set = is_set_at(scanner, 0);
	if (peek(scanner, 0) == '\\')
		return scan_escape(scanner, true);
	if (peek(scanner, 0) == '[' && !is_posix_class(scanner, &len))
		put(scanner, "\\");
	take(scanner, len);
	return true;
}

static bool
is_set_at(const Scanner *scanner, size_t ahead)
{
	Scanner there = *scanner;
	size_t len;

	there.at += ahead;
	if (peek(&there, 0) == '\\' && peek(&there, 1) != '\0')
		return strchr("dDsSwWpP", peek(&there, 1)) != NULL;
	return peek(&there, 0) == '[' && is_posix_class(&there, &len);
}

/* [:name:] or [:^name:] */
static bool
is_posix_class(const Scanner *scanner, size_t *len)
{
	size_t end = 2;

	if (peek(scanner, 0) != '[' || peek(scanner, 1) != ':')
		return false;
	if (peek(scanner, end) == '^')
		end++;
	while (isalpha((unsigned char) peek(scanner, end)))
		end++;
	if (peek(scanner, end) != ':' || peek(scanner, end + 1) != ']')
		return false;
	*len = end + 2;
	return true;
}

/* ---- repetitions ---- */

static bool
scan_repeat(Scanner *scanner)
{
	int count = 1;
	size_t len = 1;

	if (peek(scanner, 0) == '{')
	{
		count = read_count(scanner, 0, &len);
		if (count == 0) /* not a repetition: a brace */
		{
			take(scanner, 1);
			atom(scanner);
			return true;
		}
		if (count < 0)
			return refuse(scanner, "invalid repetition count");
	}
	if (!scanner->can_repeat)
		return refuse(scanner, "nothing to repeat");
	if (scanner->is_repeated)
		return refuse(scanner, "invalid nested repetition");
	if (scanner->last_repeat * count > MAX_REPEAT)
		return refuse(scanner, "repetition is too large");

	take(scanner, len);
	scanner->last_repeat *= count;
	scanner->is_repeated = true;
	scanner->group_repeat[scanner->depth] =
		Max(scanner->group_repeat[scanner->depth], scanner->last_repeat);
	if (peek(scanner, 0) == '?')
		take(scanner, 1);
	return true;
}

static bool
is_repeat_at(const Scanner *scanner, size_t ahead)
{
	char c = peek(scanner, ahead);
	size_t len;

	if (c == '{')
		return read_count(scanner, ahead, &len) != 0;
	return c != '\0' && strchr("*+?", c) != NULL;
}

/* {n} {n,} {n,m}: the larger number, at least 1, and its length; 0 if it is none of them, -1 if out of range. */
static int
read_count(const Scanner *scanner, size_t ahead, size_t *len)
{
	size_t at = ahead + 1;
	int min;
	int max;

	if (!read_number(scanner, &at, &min))
		return 0;
	max = min;
	if (peek(scanner, at) == ',')
	{
		at++;
		if (peek(scanner, at) != '}' && !read_number(scanner, &at, &max))
			return 0;
	}
	if (peek(scanner, at) != '}')
		return 0;
	*len = at + 1 - ahead;
	return min > MAX_REPEAT || max > MAX_REPEAT || max < min ? -1 : Max(max, 1);
}

/* Leading zeros are no numbers to RE2. */
static bool
read_number(const Scanner *scanner, size_t *at, int *number)
{
	size_t start = *at;

	*number = 0;
	for (; isdigit((unsigned char) peek(scanner, *at)); (*at)++)
		*number = Min(*number * 10 + (peek(scanner, *at) - '0'), MAX_REPEAT + 1);
	return *at > start && (*at == start + 1 || peek(scanner, start) != '0');
}

/* ---- */

/* Copy what comes next. */
static void
take(Scanner *scanner, size_t len)
{
	Assert(scanner->nout + len <= CEL_REGEX_MAX_TRANSLATED);
	memcpy(scanner->out + scanner->nout, scanner->pattern + scanner->at, len);
	scanner->nout += len;
	scanner->at += len;
}

static void
put(Scanner *scanner, const char *text)
{
	size_t len = strlen(text);

	Assert(scanner->nout + len <= CEL_REGEX_MAX_TRANSLATED);
	memcpy(scanner->out + scanner->nout, text, len);
	scanner->nout += len;
}

/* NUL past the end. */
static char
peek(const Scanner *scanner, size_t ahead)
{
	return scanner->at + ahead < scanner->len ? scanner->pattern[scanner->at + ahead] : '\0';
}

static bool
refuse(Scanner *scanner, const char *what)
{
	snprintf(scanner->message, scanner->size, "%s at byte %zu", what, scanner->at + 1);
	return false;
}
