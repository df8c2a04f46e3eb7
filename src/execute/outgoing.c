/*-------------------------------------------------------------------------
 *
 * outgoing.c
 *	  Copies of requests.
 *
 * libcurl sends header lines as they are, so what would make two lines of one, or two requests, is
 * refused here.
 *
 * IDENTIFICATION
 *	  src/execute/outgoing.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "execute/outgoing.h"

#define MAX_METHOD_LENGTH 32

/* About the transport, which is not the caller's. */
static const char *const transport_names[] = {
	"Connection", "Content-Length",	   "Expect",  "Keep-Alive", "Proxy-Connection",
	"TE",		  "Transfer-Encoding", "Trailer", "Upgrade",
};

/* Secrets, and what is about the first host. */
static const char *const secret_names[] = {
	"Authorization",	   "Api-Key",	"Cookie",		  "Host",
	"Proxy-Authorization", "X-Api-Key", "X-Goog-Api-Key",
};

/* They say how large their body is even if there is none. */
static const char *const body_methods[] = {"PATCH", "POST", "PUT"};

static bool is_token(const char *text, size_t length);
static bool is_one_line(const char *text);
static bool is_among(const char *const *names, size_t nnames, const char *line);
static size_t name_length(const char *line);
static char *copy_line(char **at, const char *line);
static char *copy_bytes(char **at, const char *bytes, size_t size);

const char *
inn_outgoing_fault(const InnClientRequest *request)
{
	size_t length = strlen(request->method);

	if (length > MAX_METHOD_LENGTH || !is_token(request->method, length))
		return "the method is not a name";
	if (!is_one_line(request->url))
		return "the URL has control characters";
	for (int i = 0; i < request->nheaders; i++)
	{
		const char *line = request->headers[i];

		length = name_length(line);
		if (line[length] != ':' || !is_token(line, length))
			return "a header has no proper name";
		if (!is_one_line(line))
			return "a header has control characters";
	}
	return NULL;
}

static bool
is_token(const char *text, size_t length)
{
	static const char allowed[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
								  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return length > 0 && strspn(text, allowed) >= length;
}

static bool
is_one_line(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (((unsigned char) *text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	}
	return true;
}

InnOutgoing *
inn_outgoing_copy(const InnClientRequest *request)
{
	size_t bytes = offsetof(InnOutgoing, lines) + request->nheaders * sizeof(char *) +
				   strlen(request->method) + 1 + strlen(request->url) + 1 + request->body_size + 1;
	InnOutgoing *outgoing;
	char *at;

	for (int i = 0; i < request->nheaders; i++)
		bytes += strlen(request->headers[i]) + 1;
	outgoing = malloc(bytes);
	if (outgoing == NULL)
		return NULL;

	*outgoing = (InnOutgoing){.bytes = bytes, .body_size = request->body_size};
	at = (char *) &outgoing->lines[request->nheaders];
	outgoing->method = copy_bytes(&at, request->method, strlen(request->method));
	outgoing->url = copy_bytes(&at, request->url, strlen(request->url));
	for (int i = 0; i < request->nheaders; i++)
	{
		const char *line = request->headers[i];

		if (is_among(transport_names, lengthof(transport_names), line))
			continue;
		outgoing->lines[outgoing->nlines++] = copy_line(&at, line);
		if (name_length(line) == 12 && pg_strncasecmp(line, "Content-Type", 12) == 0)
			outgoing->has_content_type = true;
	}
	if (request->body != NULL)
		outgoing->body = copy_bytes(&at, request->body, request->body_size);
	else if (is_among(body_methods, lengthof(body_methods), request->method))
		outgoing->body = "";
	Assert(at <= (char *) outgoing + bytes);
	return outgoing;
}

/* libcurl takes "Name:" for the wish to leave a header out; an empty one is "Name;". */
static char *
copy_line(char **at, const char *line)
{
	char *copy = copy_bytes(at, line, strlen(line));
	char *colon = copy + name_length(copy);

	if (colon[1 + strspn(colon + 1, " \t")] == '\0')
		strcpy(colon, ";");
	return copy;
}

/* With a NUL behind it. */
static char *
copy_bytes(char **at, const char *bytes, size_t size)
{
	char *copy = *at;

	memcpy(copy, bytes, size);
	copy[size] = '\0';
	*at += size + 1;
	return copy;
}

void
inn_outgoing_drop_secrets(InnOutgoing *outgoing)
{
	int kept = 0;

	for (int i = 0; i < outgoing->nlines; i++)
	{
		if (!is_among(secret_names, lengthof(secret_names), outgoing->lines[i]))
			outgoing->lines[kept++] = outgoing->lines[i];
	}
	outgoing->nlines = kept;
}

/* Is the header, or the word, one of these? */
static bool
is_among(const char *const *names, size_t nnames, const char *line)
{
	size_t length = name_length(line);

	for (size_t i = 0; i < nnames; i++)
	{
		if (strlen(names[i]) == length && pg_strncasecmp(names[i], line, length) == 0)
			return true;
	}
	return false;
}

/* Up to the colon, or what we have made of it. */
static size_t
name_length(const char *line)
{
	return strcspn(line, ":;");
}
