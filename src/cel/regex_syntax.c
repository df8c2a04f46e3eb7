/*-------------------------------------------------------------------------
 *
 * regex_syntax.c
 *	  Is a pattern one of RE2?
 *
 * A pattern that passes means the same to RE2 and to PCRE2, but for what docs/expressions.md lists.  The
 * scanner knows just enough of the syntax for that: escapes, groups, repetitions and classes.
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
	int depth;
	int group_repeat[MAX_GROUPS + 1]; /* largest product of repetitions inside, per open group */
	int last_repeat;  /* of the atom that was read last, repetitions inside included */
	bool can_repeat;  /* there is an atom */
	bool is_repeated; /* and it has been repeated */
	char *message;
	size_t size;
} Scanner;

static bool scan_next(Scanner *scanner);
static bool scan_escape(Scanner *scanner, bool is_class);
static bool scan_property(Scanner *scanner);
static bool scan_hex(Scanner *scanner);
static bool scan_quoted(Scanner *scanner);
static bool scan_group(Scanner *scanner);
static bool scan_group_name(Scanner *scanner);
static bool scan_flags(Scanner *scanner);
static bool end_group(Scanner *scanner);
static bool scan_class(Scanner *scanner);
static bool scan_posix_class(Scanner *scanner);
static bool scan_repeat(Scanner *scanner);
static int scan_counted(Scanner *scanner);
static bool scan_number(Scanner *scanner, size_t *at, int *number);
static void atom(Scanner *scanner);
static char peek(const Scanner *scanner, size_t ahead);
static bool refuse(Scanner *scanner, const char *what);

bool
cel_regex_check(const char *pattern, size_t len, char *message, size_t size)
{
	Scanner scanner = {.pattern = pattern,
					   .len = len,
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
			scanner->at++;
			scanner->can_repeat = false;
			return true;
		default:
			scanner->at++;
			atom(scanner);
			return true;
	}
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
	if (c == '0' && peek(scanner, 2) >= '0' && peek(scanner, 2) <= '7')
	{
		/* RE2 reads up to three octal digits after \0, PCRE2 two */
		scanner->at += 3;
		if (peek(scanner, 0) >= '0' && peek(scanner, 0) <= '7')
			scanner->at++;
		atom(scanner);
		return true;
	}
	if (c >= '0' && c <= '9')
		return refuse(scanner, "back-references are not supported");
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
	{
		if (strchr(is_class ? "afnrtvdDsSwW" : "afnrtvdDsSwWbBAz", c) == NULL)
			return refuse(scanner, "unknown escape");
	}
	else if (c == '\0' || c == '_' || (unsigned char) c >= 0x80)
		return refuse(scanner, c == '\0' ? "trailing backslash" : "unknown escape");
	scanner->at += 2;
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
	scanner->at += end;
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
	scanner->at += end;
	atom(scanner);
	return true;
}

/* \Q...\E, or to the end */
static bool
scan_quoted(Scanner *scanner)
{
	scanner->at += 2;
	while (scanner->at < scanner->len && !(peek(scanner, 0) == '\\' && peek(scanner, 1) == 'E'))
	{
		scanner->at++;
		atom(scanner);
	}
	scanner->at = Min(scanner->at + 2, scanner->len);
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

	if (peek(scanner, at) != '<' || isdigit((unsigned char) peek(scanner, start)))
		return refuse(scanner, "not a group that RE2 has");
	for (at = start; isalnum((unsigned char) peek(scanner, at)) || peek(scanner, at) == '_'; at++)
		;
	if (at == start || peek(scanner, at) != '>')
		return refuse(scanner, "not a group that RE2 has");
	scanner->at += at + 1;
	scanner->group_repeat[++scanner->depth] = 1;
	return true;
}

/* ?flags) or ?flags: with i m s U and, once, - before one of them */
static bool
scan_flags(Scanner *scanner)
{
	bool is_negated = false;
	size_t nflags = 0;

	scanner->at++;
	for (;; scanner->at++)
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
	scanner->at++;
	return true;
}

static bool
end_group(Scanner *scanner)
{
	int inside;

	if (scanner->depth == 0)
		return refuse(scanner, "unexpected )");
	inside = scanner->group_repeat[scanner->depth--];
	scanner->at++;
	atom(scanner);
	scanner->last_repeat = inside;
	scanner->group_repeat[scanner->depth] = Max(scanner->group_repeat[scanner->depth], inside);
	return true;
}

/* ---- classes ---- */

static bool
scan_class(Scanner *scanner)
{
	scanner->at++;
	if (peek(scanner, 0) == '^')
		scanner->at++;
	if (peek(scanner, 0) == ']')
		scanner->at++;
	while (peek(scanner, 0) != ']')
	{
		if (scanner->at >= scanner->len)
			return refuse(scanner, "missing closing ]");
		if (peek(scanner, 0) == '\\')
		{
			if (!scan_escape(scanner, true))
				return false;
		}
		else if (peek(scanner, 0) == '[' && strchr(":.=", peek(scanner, 1)) != NULL &&
				 peek(scanner, 1) != '\0')
		{
			if (!scan_posix_class(scanner))
				return false;
		}
		else
			scanner->at++;
	}
	scanner->at++;
	atom(scanner);
	return true;
}

/* [:name:] or [:^name:] */
static bool
scan_posix_class(Scanner *scanner)
{
	size_t end = 2;

	if (peek(scanner, 1) != ':')
		return refuse(scanner, "not a class that RE2 has");
	if (peek(scanner, end) == '^')
		end++;
	while (islower((unsigned char) peek(scanner, end)))
		end++;
	if (peek(scanner, end) != ':' || peek(scanner, end + 1) != ']')
		return refuse(scanner, "not a class that RE2 has");
	scanner->at += end + 2;
	return true;
}

/* ---- repetitions ---- */

static bool
scan_repeat(Scanner *scanner)
{
	int count = 1;

	if (peek(scanner, 0) == '{')
	{
		count = scan_counted(scanner);
		if (count < 0)
			return false;
		if (count == 0) /* not a repetition: a brace */
		{
			scanner->at++;
			atom(scanner);
			return true;
		}
	}
	else
		scanner->at++;

	if (!scanner->can_repeat)
		return refuse(scanner, "nothing to repeat");
	if (scanner->is_repeated)
		return refuse(scanner, "invalid nested repetition");
	if (scanner->last_repeat * count > MAX_REPEAT)
		return refuse(scanner, "repetition is too large");
	scanner->last_repeat *= count;
	scanner->is_repeated = true;
	scanner->group_repeat[scanner->depth] =
		Max(scanner->group_repeat[scanner->depth], scanner->last_repeat);
	if (peek(scanner, 0) == '?')
		scanner->at++;
	return true;
}

/* {n} {n,} {n,m}: the larger number, at least 1, and it is passed; 0 if it is none of them; -1 if refused. */
static int
scan_counted(Scanner *scanner)
{
	size_t at = 1;
	int min;
	int max;

	if (!scan_number(scanner, &at, &min))
		return 0;
	max = min;
	if (peek(scanner, at) == ',')
	{
		at++;
		if (peek(scanner, at) != '}' && !scan_number(scanner, &at, &max))
			return 0;
	}
	if (peek(scanner, at) != '}')
		return 0;
	if (min > MAX_REPEAT || max > MAX_REPEAT || max < min)
	{
		(void) refuse(scanner, "invalid repetition count");
		return -1;
	}
	scanner->at += at + 1;
	return Max(max, 1);
}

/* Leading zeros are no numbers to RE2. */
static bool
scan_number(Scanner *scanner, size_t *at, int *number)
{
	size_t start = *at;

	*number = 0;
	for (; isdigit((unsigned char) peek(scanner, *at)); (*at)++)
		*number = Min(*number * 10 + (peek(scanner, *at) - '0'), MAX_REPEAT + 1);
	return *at > start && (*at == start + 1 || peek(scanner, start) != '0');
}

/* ---- */

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
