/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  What is said when something is wrong with an expression.
 *
 * An error that arises in evaluation is a code, a position and a word or two (internal.h); the sentence is
 * made here, when somebody will read it, because most errors are absorbed by a comparison or by ||.
 *
 * IDENTIFICATION
 *	  src/cel/fault.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "cel/internal.h"

/* A caret line shows so many bytes before and after the fault. */
#define EXCERPT_BYTES 60

typedef struct ErrorText
{
	int sqlerrcode;
	const char *message;
} ErrorText;

#define ERROR_TEXT(name, sqlstate, message) {sqlstate, message},
static const ErrorText error_texts[] = {CEL_ERROR_TABLE(ERROR_TEXT)};
#undef ERROR_TEXT

static int append_word(CelValue error, char directive, char *buf, size_t size);
static int append_operands(CelValue error, char *buf, size_t size);
static char *caret_lines(const char *text, size_t len, int position);

void
cel_fault(InnCelFault *fault, int sqlerrcode, int position, const char *format, ...)
{
	va_list args;

	fault->sqlerrcode = sqlerrcode;
	fault->position = position;
	va_start(args, format);
	vsnprintf(fault->message, sizeof(fault->message), format, args);
	va_end(args);
}

void
cel_fault_from_error(InnCelFault *fault, CelValue error)
{
	fault->sqlerrcode = error_texts[error.error].sqlerrcode;
	fault->position = error.position;
	(void) cel_error_message(error, fault->message, sizeof(fault->message));
}

/* %s, %i and %o of the table, and nothing else of printf(). */
int
cel_error_message(CelValue error, char *buf, size_t size)
{
	const char *format = error_texts[error.error].message;
	size_t at = 0;

	for (; *format != '\0' && at < size - 1; format++)
	{
		if (*format != '%')
			buf[at++] = *format;
		else
			at += append_word(error, *++format, buf + at, size - at);
	}
	buf[at] = '\0';
	return (int) at;
}

/* Never cuts a character in two, and never appends more than there is room for. */
static int
append_word(CelValue error, char directive, char *buf, size_t size)
{
	int len;

	switch (directive)
	{
		case 'i':
			len = snprintf(buf, size, INT64_FORMAT, error.u.i);
			return Min(len, (int) size - 1);
		case 'o':
			return append_operands(error, buf, size);
		default:
			len = pg_mbcliplen(error.u.text, error.length, Min(error.length, size - 1));
			memcpy(buf, error.u.text, len);
			return len;
	}
}

/* "string < double" of an operator, "size(int)" of a function, "'string' to 'int'" of a conversion */
static int
append_operands(CelValue error, char *buf, size_t size)
{
	const char *name = error.u.text;
	const char *a = cel_type_name(error.length & 0xFF);
	const char *b = cel_type_name((error.length >> 8) & 0xFF);
	bool is_binary = (error.length >> 16) == CEL_SHAPE_BINARY;
	int len;

	switch (error.length >> 16)
	{
		case CEL_SHAPE_CONVERSION:
			len = snprintf(buf, size, "'%s' to '%s'", a, name);
			break;
		case CEL_SHAPE_TYPE:
			len = snprintf(buf, size, "%s", a);
			break;
		case CEL_SHAPE_NAME:
			len = snprintf(buf, size, "%s()", name);
			break;
		case CEL_SHAPE_UNARY:
			len = snprintf(buf, size, "%s(%s)", name, a);
			break;
		default:
			len = snprintf(buf, size, is_binary ? "%s %s %s" : "%2$s(%1$s, %3$s)", a, name, b);
			break;
	}
	return Min(len, (int) size - 1);
}

void
inn_cel_throw(const char *text, size_t len, const InnCelFault *fault)
{
	bool has_place = fault->position >= 0 && (size_t) fault->position <= len;

	ereport(ERROR,
			errcode(fault->sqlerrcode),
			errmsg_internal("%s", fault->message),
			has_place ? errdetail_internal("%s", caret_lines(text, len, fault->position)) : 0);
}

/*
 * The line of the fault and a caret under it, of a long line an excerpt:
 *
 *   at character 12
 *   event.data. == 5
 *              ^
 */
static char *
caret_lines(const char *text, size_t len, int position)
{
	const char *at = text + position;
	const char *begin = at;
	const char *end = at;
	int column;

	while (begin > text && begin[-1] != '\n' && at - begin < EXCERPT_BYTES)
		begin--;
	while (begin < at && pg_database_encoding_max_length() > 1 && (*begin & 0xC0) == 0x80)
		begin++;
	while (end < text + len && *end != '\n' && *end != '\r' && end - at < EXCERPT_BYTES)
		end++;
	end = begin + pg_mbcliplen(begin, text + len - begin, end - begin);
	column = pg_mbstrlen_with_len(begin, at - begin);

	return psprintf("At character %d:\n%.*s\n%*s^", pg_mbstrlen_with_len(text, position) + 1,
					(int) (end - begin), begin, column, "");
}
