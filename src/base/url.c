/*-------------------------------------------------------------------------
 *
 * url.c
 *	  The address of a Redis server, as a setting spells it.
 *
 * The text is cut into spans without copying: scheme, credentials, place and
 * the rest.  Each span is then judged and decoded into its field.  All faults
 * are constant sentences, because whatever is quoted may be the password or,
 * after a typing error, a part of it.
 *
 * IDENTIFICATION
 *	  src/base/url.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/url.h"

/* longest path of a socket that the system can connect to */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *) 0)->sun_path) - 1)

#define PORT_MAX 65535

/* A piece of the text that is being read: start <= end. */
typedef struct Span
{
	const char *start;
	const char *end;
} Span;

/* Text that is being written. */
typedef struct Output
{
	char *buf;
	size_t size;
	size_t used; /* < size, without the NUL */
} Output;

static const char *parse_url(const char *text, InnRedisUrl *out);
static const char *parse_tcp(Span rest, InnRedisUrl *out);
static const char *parse_unix(Span rest, InnRedisUrl *out);
static const char *parse_userinfo(Span *authority, InnRedisUrl *out);
static const char *parse_place(Span place, InnRedisUrl *out);
static const char *parse_bracketed(Span *place, InnRedisUrl *out);
static const char *parse_name(Span *place, InnRedisUrl *out);
static bool parse_number(Span digits, int max, int *number);
static bool decode(Span span, char *out, size_t size);
static int hex_value(char c);
static bool take_prefix(Span *span, const char *prefix);
static Span cut_at(Span *span, const char *stops);
static bool is_host_char(char c);
static void put_text(Output *output, const char *text);
static void put_encoded(Output *output, const char *text, const char *plain);
static void put_char(Output *output, char c);

bool
inn_redis_url_parse(const char *text, InnRedisUrl *out, const char **error)
{
	memset(out, 0, sizeof(*out));
	*error = parse_url(text, out);
	if (*error != NULL)
		memset(out, 0, sizeof(*out));

	return *error == NULL;
}

void
inn_redis_url_display(const InnRedisUrl *url, char *buf, size_t buflen)
{
	Output output = {buf, buflen, 0};
	char number[16];

	if (buflen == 0)
		return;
	buf[0] = '\0';

	put_text(&output, url->is_unix ? "unix://" : "redis://");
	put_encoded(&output, url->user, "-._~");
	if (url->has_password)
		put_text(&output, ":***");
	if (url->has_password || url->user[0] != '\0')
		put_char(&output, '@');

	if (url->is_unix)
	{
		put_encoded(&output, url->host, "-._~/");
		snprintf(number, sizeof(number), "?db=%d", url->database);
	}
	else
	{
		bool is_ipv6 = strchr(url->host, ':') != NULL;

		put_text(&output, is_ipv6 ? "[" : "");
		put_encoded(&output, url->host, "-._:");
		put_text(&output, is_ipv6 ? "]" : "");
		snprintf(number, sizeof(number), ":%d", url->port);
		put_text(&output, number);
		snprintf(number, sizeof(number), "/%d", url->database);
	}
	put_text(&output, number);
}

/* Returns the fault, or NULL; so do all parse_ functions that yield a text. */
static const char *
parse_url(const char *text, InnRedisUrl *out)
{
	Span rest = {text, text + strlen(text)};

	for (const char *p = rest.start; p < rest.end; p++)
	{
		if ((unsigned char) *p <= ' ' || *p == 0x7F)
			return "The URL contains a space or a control character; write it percent-encoded.";
		if (*p == '#')
			return "The URL contains a \"#\"; write it as %23.";
	}

	if (take_prefix(&rest, "redis://"))
		return parse_tcp(rest, out);
	if (take_prefix(&rest, "unix://"))
		return parse_unix(rest, out);
	if (take_prefix(&rest, "rediss://"))
		return "TLS to Redis is not supported; connect with redis:// to a local TLS proxy "
			   "such as stunnel.";
	return "The URL must begin with redis:// or unix://.";
}

/* redis://[userinfo@]host[:port][/database] */
static const char *
parse_tcp(Span rest, InnRedisUrl *out)
{
	Span place = cut_at(&rest, "/?");
	const char *error;

	error = parse_userinfo(&place, out);
	if (error == NULL)
		error = parse_place(place, out);
	if (error != NULL)
		return error;

	take_prefix(&rest, "/");
	if (rest.start < rest.end && !parse_number(rest, PG_INT32_MAX, &out->database))
		return "After the host only the number of a database may follow, such as /0.";
	return NULL;
}

/* unix://[userinfo@]/path[?db=database] */
static const char *
parse_unix(Span rest, InnRedisUrl *out)
{
	Span authority = cut_at(&rest, "/?");
	Span path = cut_at(&rest, "?");
	const char *error;

	error = parse_userinfo(&authority, out);
	if (error != NULL)
		return error;
	if (authority.start < authority.end || path.end - path.start < 2)
		return "A socket needs an absolute path, such as unix:///run/redis/redis.sock.";

	out->is_unix = true;
	if (!decode(path, out->host, sizeof(out->host)))
		return "The path of the socket is too long or wrongly percent-encoded.";
	if (strlen(out->host) > SOCKET_PATH_MAX)
		return "The path of the socket is longer than the system allows.";

	if (rest.start < rest.end &&
		!(take_prefix(&rest, "?db=") && parse_number(rest, PG_INT32_MAX, &out->database)))
		return "After the path only the number of a database may follow, such as ?db=0.";
	return NULL;
}

/*
 * userinfo: [user][:password]@
 *
 * The last '@' ends it, because no host contains one.  Takes it off the
 * authority.
 */
static const char *
parse_userinfo(Span *authority, InnRedisUrl *out)
{
	Span password = *authority;
	Span user;

	for (const char *p = authority->start; p < authority->end; p++)
	{
		if (*p == '@')
		{
			password.end = p;
			authority->start = p + 1;
		}
	}
	if (authority->start == password.start)
		return NULL;

	user = cut_at(&password, ":");
	if (!decode(user, out->user, sizeof(out->user)))
		return "The user name is too long or wrongly percent-encoded.";

	out->has_password = take_prefix(&password, ":");
	if (!decode(password, out->password, sizeof(out->password)))
		return "The password is too long or wrongly percent-encoded.";
	return NULL;
}

/* place: ( name / '[' IPv6 address ']' ) [ ':' port ] */
static const char *
parse_place(Span place, InnRedisUrl *out)
{
	const char *error;

	if (place.start < place.end && *place.start == '[')
		error = parse_bracketed(&place, out);
	else
		error = parse_name(&place, out);
	if (error != NULL)
		return error;

	out->port = INN_REDIS_DEFAULT_PORT;
	if (place.start == place.end)
		return NULL;
	if (!take_prefix(&place, ":") || !parse_number(place, PORT_MAX, &out->port) || out->port == 0)
		return "The port must be a number from 1 to 65535.";
	return NULL;
}

static const char *
parse_bracketed(Span *place, InnRedisUrl *out)
{
	Span address;
	struct in6_addr ignored;

	place->start++;
	address = cut_at(place, "]");
	if (!take_prefix(place, "]") || !decode(address, out->host, sizeof(out->host)) ||
		inet_pton(AF_INET6, out->host, &ignored) != 1)
		return "Brackets must hold an IPv6 address, such as [::1].";
	return NULL;
}

static const char *
parse_name(Span *place, InnRedisUrl *out)
{
	Span name = cut_at(place, ":");

	if (name.start == name.end)
		return "The host is missing.";
	for (const char *p = name.start; p < name.end; p++)
	{
		if (!is_host_char(*p))
			return "The host contains a character that host names do not have.";
	}
	if (!decode(name, out->host, sizeof(out->host)))
		return "The host is too long.";
	return NULL;
}

/* The whole span must be decimal digits that mean 0 .. max. */
static bool
parse_number(Span digits, int max, int *number)
{
	int64 value = 0;

	if (digits.start == digits.end)
		return false;
	for (const char *p = digits.start; p < digits.end; p++)
	{
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (*p - '0');
		if (value > max)
			return false;
	}
	*number = (int) value;
	return true;
}

/*
 * Percent-decode a span.  False if it does not fit or an escape is malformed;
 * an escaped NUL would end the text early, so it counts as malformed.
 */
static bool
decode(Span span, char *out, size_t size)
{
	size_t used = 0;

	for (const char *p = span.start; p < span.end; p++)
	{
		int c = (unsigned char) *p;

		if (c == '%')
		{
			int high = span.end - p > 2 ? hex_value(p[1]) : -1;
			int low = span.end - p > 2 ? hex_value(p[2]) : -1;

			if (high < 0 || low < 0 || high + low == 0)
				return false;
			c = high * 16 + low;
			p += 2;
		}
		if (used + 1 >= size)
			return false;
		out[used++] = (char) c;
	}
	out[used] = '\0';
	return true;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* If the span begins with the prefix, in any case, take it off. */
static bool
take_prefix(Span *span, const char *prefix)
{
	size_t len = strlen(prefix);

	if ((size_t) (span->end - span->start) < len || pg_strncasecmp(span->start, prefix, len) != 0)
		return false;
	span->start += len;
	return true;
}

/* Take off and return everything before the first of the stop characters. */
static Span
cut_at(Span *span, const char *stops)
{
	Span head = *span;

	while (span->start < span->end && strchr(stops, *span->start) == NULL)
		span->start++;
	head.end = span->start;
	return head;
}

static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		   c == '.' || c == '_';
}

static void
put_text(Output *output, const char *text)
{
	for (; *text != '\0'; text++)
		put_char(output, *text);
}

/* Letters, digits and the plain characters stay; the rest is percent-encoded. */
static void
put_encoded(Output *output, const char *text, const char *plain)
{
	for (; *text != '\0'; text++)
	{
		unsigned char c = *text;

		if (is_host_char(*text) || strchr(plain, c) != NULL)
			put_char(output, *text);
		else
		{
			put_char(output, '%');
			put_char(output, "0123456789ABCDEF"[c >> 4]);
			put_char(output, "0123456789ABCDEF"[c & 15]);
		}
	}
}

static void
put_char(Output *output, char c)
{
	if (output->used + 1 < output->size)
	{
		output->buf[output->used++] = c;
		output->buf[output->used] = '\0';
	}
}
