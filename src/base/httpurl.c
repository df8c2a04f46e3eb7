/*-------------------------------------------------------------------------
 *
 * httpurl.c
 *	  The address of an app: checked, and brought into one form.
 *
 * One app is known by many spellings of its address, and two of them must not make two apps (protocol.md 5.3).
 * What is changed is only what means the same everywhere; the path stays as it is.
 *
 * IDENTIFICATION
 *	  src/base/httpurl.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/httpurl.h"

#define MAX_PORT 65535

/* A part of the text that is read. */
typedef struct Span
{
	const char *start;
	const char *end;
} Span;

typedef struct Pair
{
	char *key; /* decoded */
	char *value;
	int position;
} Pair;

static const struct
{
	const char *prefix;
	InnUrlKind kind;
	int port;
} schemes[] = {
	{"http://", INN_URL_HTTP, 80},
	{"https://", INN_URL_HTTP, 443},
	{"ws://", INN_URL_WEBSOCKET, 80},
	{"wss://", INN_URL_WEBSOCKET, 443},
};

static int find_scheme(const char *text);
static bool has_strange_bytes(const char *text);
static const char *append_authority(StringInfo buf, Span authority, int default_port);
static Span read_host(Span authority);
static bool read_port(Span text, int *port);
static bool is_any_of(Span text, const char *const *words);
static void append_query(StringInfo buf, Span query);
static int read_pairs(Span query, Pair *pairs);
static char *decode(Span text);
static int hex_digit(char c);
static int by_key(const void *a, const void *b);
static void append_encoded(StringInfo buf, const char *text);

char *
inn_http_url_normalize(const char *text, InnUrlKind *kind, const char **fault)
{
	int scheme = find_scheme(text);
	const char *rest, *path, *query, *end;
	StringInfoData buf;

	*fault = "Must be a URL that begins with http://, https://, ws:// or wss://.";
	if (scheme < 0)
		return NULL;
	*kind = schemes[scheme].kind;
	if (strlen(text) > INN_HTTP_URL_MAX_BYTES)
	{
		*fault = "Must not be longer than " CppAsString2(INN_HTTP_URL_MAX_BYTES) " bytes.";
		return NULL;
	}
	if (has_strange_bytes(text))
	{
		*fault = "Must not have spaces or control characters.";
		return NULL;
	}

	rest = text + strlen(schemes[scheme].prefix);
	path = rest + strcspn(rest, "/?#");
	query = path + strcspn(path, "?#");
	end = query + strcspn(query, "#");

	initStringInfo(&buf);
	appendStringInfoString(&buf, schemes[scheme].prefix);
	*fault = append_authority(&buf, (Span){rest, path}, schemes[scheme].port);
	if (*fault != NULL)
		return NULL;
	appendBinaryStringInfo(&buf, path, (int) (query - path));
	if (query < end)
		append_query(&buf, (Span){query + 1, end});
	return buf.data;
}

/* -1 if it is none of them */
static int
find_scheme(const char *text)
{
	for (int i = 0; i < (int) lengthof(schemes); i++)
	{
		if (pg_strncasecmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			return i;
	}
	return -1;
}

static bool
has_strange_bytes(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if ((unsigned char) *c <= ' ' || *c == 0x7f)
			return true;
	}
	return false;
}

/* [user[:password]@]host[:port]; returns what is wrong with it, or NULL */
static const char *
append_authority(StringInfo buf, Span authority, int default_port)
{
	static const char *const this_host[] = {"127.0.0.1", "0.0.0.0", NULL};
	Span host;
	int port;

	for (const char *c = authority.end; c > authority.start; c--)
	{
		if (c[-1] == '@')
		{
			appendBinaryStringInfo(buf, authority.start, (int) (c - authority.start));
			authority.start = c;
			break;
		}
	}

	host = read_host(authority);
	if (host.start == host.end || (host.end < authority.end && *host.end != ':'))
		return "Must be a URL that begins with http://, https://, ws:// or wss:// and a host.";
	if (!read_port((Span){host.end, authority.end}, &port))
		return "Must have a port from 1 to 65535, or none.";
	if (port == default_port)
		port = 0;

	if (port != 0 && is_any_of(host, this_host))
		appendStringInfoString(buf, "localhost");
	else
	{
		for (const char *c = host.start; c < host.end; c++)
			appendStringInfoChar(buf, (char) pg_ascii_tolower((unsigned char) *c));
	}
	if (port != 0)
		appendStringInfo(buf, ":%d", port);
	return NULL;
}

/* The part before the port; empty if it is no host.  An IPv6 address stands in brackets. */
static Span
read_host(Span authority)
{
	const char *end = authority.start;

	if (end < authority.end && *end == '[')
	{
		const char *bracket = memchr(end, ']', authority.end - end);

		end = bracket == NULL || bracket == end + 1 ? end : bracket + 1;
	}
	else
	{
		while (end < authority.end && strchr(":[]\"<>\\^`{|}", *end) == NULL)
			end++;
	}
	return (Span){authority.start, end};
}

/* ":8080"; 0 for nothing and for ":" */
static bool
read_port(Span text, int *port)
{
	*port = 0;
	if (text.start == text.end)
		return true;
	Assert(*text.start == ':');
	for (const char *c = text.start + 1; c < text.end; c++)
	{
		if (*c < '0' || *c > '9')
			return false;
		*port = *port * 10 + (*c - '0');
		if (*port > MAX_PORT)
			return false;
	}
	return *port > 0 || text.end - text.start == 1;
}

static bool
is_any_of(Span text, const char *const *words)
{
	size_t len = text.end - text.start;

	for (; *words != NULL; words++)
	{
		if (strlen(*words) == len && memcmp(text.start, *words, len) == 0)
			return true;
	}
	return false;
}

/* ---- the query ---- */

static void
append_query(StringInfo buf, Span query)
{
	/* a pair has at least the byte that separates it from the next */
	Pair *pairs = palloc((query.end - query.start + 1) * sizeof(Pair));
	int npairs = read_pairs(query, pairs);

	qsort(pairs, npairs, sizeof(Pair), by_key);
	for (int i = 0; i < npairs; i++)
	{
		appendStringInfoChar(buf, i == 0 ? '?' : '&');
		append_encoded(buf, pairs[i].key);
		appendStringInfoChar(buf, '=');
		append_encoded(buf, pairs[i].value);
	}
}

static int
read_pairs(Span query, Pair *pairs)
{
	static const char *const ignored[] = {"deployId", "probe", NULL};
	int count = 0;

	for (const char *start = query.start; start < query.end;)
	{
		const char *end = memchr(start, '&', query.end - start);
		const char *equals;
		Pair pair = {.position = count};

		if (end == NULL)
			end = query.end;
		equals = memchr(start, '=', end - start);
		pair.key = decode((Span){start, equals == NULL ? end : equals});
		pair.value = decode((Span){equals == NULL ? end : equals + 1, end});
		if (start < end && !is_any_of((Span){pair.key, pair.key + strlen(pair.key)}, ignored))
			pairs[count++] = pair;
		start = end + 1;
	}
	return count;
}

/* A percent sign that encodes nothing, or a NUL, stands for itself. */
static char *
decode(Span text)
{
	char *out = palloc(text.end - text.start + 1);
	char *o = out;

	for (const char *c = text.start; c < text.end; c++)
	{
		int high = *c == '%' && text.end - c > 2 ? hex_digit(c[1]) : -1;
		int low = high >= 0 ? hex_digit(c[2]) : -1;

		if (low >= 0 && high + low > 0)
		{
			*o++ = (char) (high * 16 + low);
			c += 2;
		}
		else
			*o++ = *c == '+' ? ' ' : *c;
	}
	*o = '\0';
	return out;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char) pg_ascii_tolower((unsigned char) c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Several values of one key stay in their order. */
static int
by_key(const void *a, const void *b)
{
	const Pair *left = a;
	const Pair *right = b;
	int order = strcmp(left->key, right->key);

	return order != 0 ? order : left->position - right->position;
}

static void
append_encoded(StringInfo buf, const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

	for (const char *c = text; *c != '\0'; c++)
	{
		if (strchr(plain, *c) != NULL)
			appendStringInfoChar(buf, *c);
		else if (*c == ' ')
			appendStringInfoChar(buf, '+');
		else
			appendStringInfo(buf, "%%%02X", (unsigned char) *c);
	}
}
