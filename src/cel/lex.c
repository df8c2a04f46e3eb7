/*-------------------------------------------------------------------------
 *
 * lex.c
 *	  From the text of an expression to tokens, one at a time.
 *
 * The lexis of CEL (docs/expressions.md).  Texts of literals are unescaped here into the lexer's room, which is as large
 * as the text: unescaping makes nothing longer.  After a fault nobody asks for more.
 *
 * IDENTIFICATION
 *	  src/cel/lex.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "cel/internal.h"

/* longest text of a number that is read; digits beyond these change no double */
#define NUMBER_MAX_BYTES 800

typedef struct Quote
{
	char mark;
	bool is_triple;
	bool is_raw;
	bool is_bytes;
} Quote;

static void skip_blanks(CelLexer *lexer);
static char peek(const CelLexer *lexer, size_t ahead);
static bool is_digit(char c);
static bool is_name_start(char c);
static CelToken lex_name(CelLexer *lexer);
static bool starts_number(const CelLexer *lexer);
static CelToken lex_number(CelLexer *lexer);
static size_t skip_digits(const CelLexer *lexer, size_t at, bool is_hex);
static bool skip_fraction_and_exponent(CelLexer *lexer);
static CelToken whole_number(CelLexer *lexer, size_t start, bool is_hex);
static CelToken broken_number(CelLexer *lexer, size_t start);
static CelToken lex_symbol(CelLexer *lexer);
static CelToken unknown_symbol(CelLexer *lexer);
static bool starts_quote(const CelLexer *lexer, Quote *quote, size_t *prefix);
static CelToken lex_quoted(CelLexer *lexer, Quote quote, size_t prefix);
static bool at_end_of_quote(const CelLexer *lexer, Quote quote);
static bool lex_character(CelLexer *lexer, Quote quote, char **out);
static bool lex_escape(CelLexer *lexer, Quote quote, char **out);
static bool lex_code(CelLexer *lexer, Quote quote, char **out);
static bool put_code_point(CelLexer *lexer, size_t start, uint32 code, char **out);
static CelToken token(const CelLexer *lexer, CelTokenType type, size_t start);
static CelToken refuse(CelLexer *lexer, size_t start, const char *message);

CelToken
cel_lex(CelLexer *lexer)
{
	Quote quote;
	size_t prefix;

	skip_blanks(lexer);
	if (lexer->at >= lexer->len)
		return token(lexer, CEL_TOKEN_END, lexer->at);
	if (starts_quote(lexer, &quote, &prefix))
		return lex_quoted(lexer, quote, prefix);
	if (is_name_start(peek(lexer, 0)))
		return lex_name(lexer);
	if (starts_number(lexer))
		return lex_number(lexer);
	return lex_symbol(lexer);
}

/* Blanks and comments. */
static void
skip_blanks(CelLexer *lexer)
{
	for (;;)
	{
		char c = peek(lexer, 0);

		if (c == '/' && peek(lexer, 1) == '/')
		{
			while (lexer->at < lexer->len && peek(lexer, 0) != '\n')
				lexer->at++;
		}
		else if (c != '\0' && strchr(" \t\r\n\f", c) != NULL)
			lexer->at++;
		else
			return;
	}
}

/* NUL past the end; SQL texts contain none. */
static char
peek(const CelLexer *lexer, size_t ahead)
{
	return lexer->at + ahead < lexer->len ? lexer->text[lexer->at + ahead] : '\0';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* A name, or one of the words that are not: true false null in. */
static CelToken
lex_name(CelLexer *lexer)
{
	size_t start = lexer->at;
	const char *text = lexer->text + start;
	CelToken name;

	while (is_name_start(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
		lexer->at++;
	name = token(lexer, CEL_TOKEN_NAME, start);

	if (name.length == 2 && memcmp(text, "in", 2) == 0)
	{
		name.type = CEL_TOKEN_OPERATOR;
		name.op = CEL_OP_IN;
	}
	else if ((name.length == 4 && memcmp(text, "true", 4) == 0) ||
			 (name.length == 5 && memcmp(text, "false", 5) == 0))
	{
		name.type = CEL_TOKEN_LITERAL;
		name.literal = cel_bool(text[0] == 't');
	}
	else if (name.length == 4 && memcmp(text, "null", 4) == 0)
	{
		name.type = CEL_TOKEN_LITERAL;
		name.literal.kind = CEL_NULL;
	}
	return name;
}

static bool
starts_number(const CelLexer *lexer)
{
	return is_digit(peek(lexer, 0)) || (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1)));
}

/* "1." is not a number: 1.foo is a field of 1. */
static CelToken
lex_number(CelLexer *lexer)
{
	size_t start = lexer->at;
	bool is_hex = peek(lexer, 0) == '0' && peek(lexer, 1) == 'x';
	CelToken number;
	char digits[NUMBER_MAX_BYTES + 1];

	if (is_hex)
		lexer->at += 2;
	lexer->at += skip_digits(lexer, 0, is_hex);
	if (is_hex || !skip_fraction_and_exponent(lexer))
		return whole_number(lexer, start, is_hex);

	number = token(lexer, CEL_TOKEN_LITERAL, start);
	if (number.length > NUMBER_MAX_BYTES)
		return refuse(lexer, start, "number has too many digits");
	memcpy(digits, lexer->text + start, number.length);
	digits[number.length] = '\0';
	number.literal = cel_double(strtod(digits, NULL));
	if (isinf(number.literal.u.d))
		return refuse(lexer, start, "number is out of range of a double");
	if (is_name_start(peek(lexer, 0)))
		return broken_number(lexer, start);
	return number;
}

/* How many digits there are. */
static size_t
skip_digits(const CelLexer *lexer, size_t at, bool is_hex)
{
	size_t start = at;

	while (is_digit(peek(lexer, at)) ||
		   (is_hex && strchr("abcdefABCDEF", peek(lexer, at)) != NULL && peek(lexer, at) != '\0'))
		at++;
	return at - start;
}

/* False if there is neither. */
static bool
skip_fraction_and_exponent(CelLexer *lexer)
{
	size_t start = lexer->at;
	size_t sign;

	if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1)))
		lexer->at += 1 + skip_digits(lexer, 1, false);
	if (peek(lexer, 0) == 'e' || peek(lexer, 0) == 'E')
	{
		sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-' ? 1 : 0;
		if (is_digit(peek(lexer, 1 + sign)))
			lexer->at += 1 + sign + skip_digits(lexer, 1 + sign, false);
	}
	return lexer->at > start;
}

/* Digits have been passed.  Whether an int fits depends on the sign, which the parser sees. */
static CelToken
whole_number(CelLexer *lexer, size_t start, bool is_hex)
{
	uint64 value = 0;
	uint64 base = is_hex ? 16 : 10;
	CelToken number;

	if (is_hex && lexer->at == start + 2)
		return broken_number(lexer, start);
	for (size_t i = start + (is_hex ? 2 : 0); i < lexer->at; i++)
	{
		char c = lexer->text[i];
		unsigned digit = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;

		if (value > (PG_UINT64_MAX - digit) / base)
			return refuse(lexer, start, "whole number is out of range");
		value = value * base + digit;
	}

	number = token(lexer, CEL_TOKEN_MAGNITUDE, start);
	number.literal = (CelValue){.kind = CEL_UINT, .u.u = value};
	if (peek(lexer, 0) == 'u' || peek(lexer, 0) == 'U')
	{
		lexer->at++;
		number.type = CEL_TOKEN_LITERAL;
		number.length++;
	}
	if (is_name_start(peek(lexer, 0)))
		return broken_number(lexer, start);
	return number;
}

static CelToken
broken_number(CelLexer *lexer, size_t start)
{
	return refuse(lexer, start, "not a number");
}

static CelToken
lex_symbol(CelLexer *lexer)
{
	static const struct
	{
		char text[3];
		CelOperator op;
	} operators[] = {
		{"==", CEL_OP_EQ},	  {"!=", CEL_OP_NE},	  {"<=", CEL_OP_LE},	  {">=", CEL_OP_GE},
		{"&&", CEL_OP_AND},	  {"||", CEL_OP_OR},	  {"<", CEL_OP_LT},		  {">", CEL_OP_GT},
		{"+", CEL_OP_ADD},	  {"-", CEL_OP_SUBTRACT}, {"*", CEL_OP_MULTIPLY}, {"/", CEL_OP_DIVIDE},
		{"%", CEL_OP_MODULO},
	};
	CelToken symbol;

	for (int i = 0; i < (int) lengthof(operators); i++)
	{
		const char *text = operators[i].text;

		if (peek(lexer, 0) != text[0] || (text[1] != '\0' && peek(lexer, 1) != text[1]))
			continue;
		lexer->at += strlen(text);
		symbol = token(lexer, CEL_TOKEN_OPERATOR, lexer->at - strlen(text));
		symbol.op = operators[i].op;
		symbol.punctuation = text[0] == '-' ? '-' : '\0';
		return symbol;
	}

	if (peek(lexer, 0) == '\0' || strchr("()[]{}.,:?!", peek(lexer, 0)) == NULL)
		return unknown_symbol(lexer);
	lexer->at++;
	symbol = token(lexer, CEL_TOKEN_PUNCTUATION, lexer->at - 1);
	symbol.punctuation = lexer->text[lexer->at - 1];
	return symbol;
}

/* Say what may have been meant. */
static CelToken
unknown_symbol(CelLexer *lexer)
{
	char c = peek(lexer, 0);
	char message[64];
	int len = pg_mblen(lexer->text + lexer->at);

	if (c == '=')
		return refuse(lexer, lexer->at, "unexpected \"=\"; equality is written \"==\"");
	if (c == '&' || c == '|')
	{
		snprintf(message, sizeof(message), "unexpected \"%c\"; write \"%c%c\"", c, c, c);
		return refuse(lexer, lexer->at, message);
	}
	snprintf(message, sizeof(message), "unexpected character \"%.*s\"",
			 (int) Min((size_t) len, lexer->len - lexer->at), lexer->text + lexer->at);
	return refuse(lexer, lexer->at, message);
}

/* Do a quoted text and its prefix (r, b, br in any case) begin here? */
static bool
starts_quote(const CelLexer *lexer, Quote *quote, size_t *prefix)
{
	size_t at = 0;
	char mark;

	*quote = (Quote){0};
	if (peek(lexer, at) == 'b' || peek(lexer, at) == 'B')
	{
		quote->is_bytes = true;
		at++;
	}
	if (peek(lexer, at) == 'r' || peek(lexer, at) == 'R')
	{
		quote->is_raw = true;
		at++;
	}
	mark = peek(lexer, at);
	if (mark != '\'' && mark != '"')
		return false;
	quote->mark = mark;
	quote->is_triple = peek(lexer, at + 1) == mark && peek(lexer, at + 2) == mark;
	*prefix = at;
	return true;
}

static CelToken
lex_quoted(CelLexer *lexer, Quote quote, size_t prefix)
{
	size_t start = lexer->at;
	size_t marks = quote.is_triple ? 3 : 1;
	char *out = lexer->room;
	CelToken result;

	lexer->at += prefix + marks;
	while (!at_end_of_quote(lexer, quote))
	{
		if (lexer->at >= lexer->len)
			return refuse(lexer, start, "unterminated string");
		if (!lex_character(lexer, quote, &out))
			return token(lexer, CEL_TOKEN_FAULT, start);
	}
	lexer->at += marks;

	result = token(lexer, CEL_TOKEN_LITERAL, start);
	result.literal =
		cel_text(quote.is_bytes ? CEL_BYTES : CEL_STRING, lexer->room, out - lexer->room);
	lexer->room = out;
	return result;
}

static bool
at_end_of_quote(const CelLexer *lexer, Quote quote)
{
	return peek(lexer, 0) == quote.mark &&
		   (!quote.is_triple || (peek(lexer, 1) == quote.mark && peek(lexer, 2) == quote.mark));
}

/* One character of a quoted text, which may be written as an escape. */
static bool
lex_character(CelLexer *lexer, Quote quote, char **out)
{
	char c = peek(lexer, 0);

	if (c == '\\' && !quote.is_raw)
		return lex_escape(lexer, quote, out);
	if (c == '\n' || c == '\r')
	{
		if (!quote.is_triple)
		{
			(void) refuse(lexer, lexer->at,
						  "line break in a string; write \\n, or use triple quotes");
			return false;
		}
		/* every kind of line break counts as one */
		lexer->at += c == '\r' && peek(lexer, 1) == '\n' ? 2 : 1;
		*(*out)++ = '\n';
		return true;
	}
	lexer->at++;
	*(*out)++ = c;
	return true;
}

static bool
lex_escape(CelLexer *lexer, Quote quote, char **out)
{
	static const char letters[] = "abfnrtv\\'\"`?";
	static const char meanings[] = "\a\b\f\n\r\t\v\\'\"`?";
	char c = peek(lexer, 1);
	const char *letter = c == '\0' ? NULL : strchr(letters, c);

	if (letter == NULL)
		return lex_code(lexer, quote, out);
	lexer->at += 2;
	*(*out)++ = meanings[letter - letters];
	return true;
}

/* \xHH \uHHHH \UHHHHHHHH \ooo: a code point in strings, an octet in bytes. */
static bool
lex_code(CelLexer *lexer, Quote quote, char **out)
{
	size_t start = lexer->at;
	char c = peek(lexer, 1);
	bool is_octal = c >= '0' && c <= '3';
	int ndigits = is_octal ? 3 : c == 'u' ? 4 : c == 'U' ? 8 : 2;
	size_t digits = is_octal ? 1 : 2;
	uint32 code = 0;

	if (!is_octal && (c == '\0' || strchr("xXuU", c) == NULL))
	{
		(void) refuse(lexer, start, "unknown escape; write \\\\ for a backslash");
		return false;
	}
	if (quote.is_bytes && (c == 'u' || c == 'U'))
	{
		(void) refuse(lexer, start, "bytes have no \\u and \\U; write octets as \\xHH");
		return false;
	}
	for (int i = 0; i < ndigits; i++)
	{
		char digit = peek(lexer, digits + i);
		bool is_right = is_octal ? digit >= '0' && digit <= '7' : isxdigit((unsigned char) digit);

		if (!is_right)
		{
			(void) refuse(lexer, start,
						  is_octal ? "an octal escape has three digits of 0-7"
								   : "too few hexadecimal digits in an escape");
			return false;
		}
		code = code * (is_octal ? 8 : 16) +
			   (is_digit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	lexer->at += digits + ndigits;
	if (!quote.is_bytes)
		return put_code_point(lexer, start, code, out);
	*(*out)++ = (char) code;
	return true;
}

static bool
put_code_point(CelLexer *lexer, size_t start, uint32 code, char **out)
{
	unsigned char utf8[5] = {0};

	if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
	{
		(void) refuse(lexer, start, "escape is not a Unicode character");
		return false;
	}
	if (code > 0x7F && GetDatabaseEncoding() != PG_UTF8)
	{
		(void) refuse(lexer, start, "only a database in UTF-8 can hold this escape");
		return false;
	}
	unicode_to_utf8(code, utf8);
	memcpy(*out, utf8, pg_utf_mblen(utf8));
	*out += pg_utf_mblen(utf8);
	return true;
}

static CelToken
token(const CelLexer *lexer, CelTokenType type, size_t start)
{
	return (CelToken){
		.type = type,
		.position = (uint16) Min(start, PG_UINT16_MAX),
		.length = (uint16) (lexer->at - start),
	};
}

static CelToken
refuse(CelLexer *lexer, size_t start, const char *message)
{
	cel_fault(lexer->fault, ERRCODE_SYNTAX_ERROR, (int) start, "%s", message);
	return token(lexer, CEL_TOKEN_FAULT, start);
}
