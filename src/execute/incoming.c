/*-------------------------------------------------------------------------
 *
 * incoming.c
 *	  Memory for replies.
 *
 * The first INN_CLIENT_SMALL_REPLY_BYTES of a body are always granted; what exceeds them comes out of one
 * purse for all, of INN_CLIENT_MAX_REPLIES_BYTES.  When it is empty, the reply that wants more fails
 * (INN_CLIENT_BUSY) and what it had is free for the others: a thousand replies of 8 MB each cannot exhaust
 * the memory, some of them always get through, and nobody who answers with little is kept by them.
 *
 * IDENTIFICATION
 *	  src/execute/incoming.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "execute/incoming.h"

#define FIRST_TEXT_BYTES 512
#define FIRST_BODY_BYTES 4096

static size_t purse_used; /* bytes in bodies that are not small */

static bool is_token(const char *text, size_t size);
static char *append_text(InnIncoming *incoming, const char *text, size_t size);
static InnClientError grow_body(InnIncoming *incoming, size_t needed);
static size_t charge(size_t capacity);
static bool next_header(const InnIncoming *incoming, size_t *at, InnClientHeader *header);
static bool is_earlier(const InnIncoming *incoming, const char *name);
static char *join_values(const InnIncoming *incoming, size_t at, const char *name, char *out);

InnClientError
inn_incoming_line(InnIncoming *incoming, const char *line, size_t size)
{
	const char *colon;
	const char *value;

	while (size > 0 && strchr("\r\n \t", line[size - 1]) != NULL)
		size--;
	if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		incoming->text_size = 0;
		incoming->nheaders = 0;
		incoming->is_in_headers = true;
		return INN_CLIENT_NONE;
	}
	if (size == 0)
		incoming->is_in_headers = false;
	colon = memchr(line, ':', size);
	if (!incoming->is_in_headers || colon == NULL || !is_token(line, colon - line))
		return INN_CLIENT_NONE;

	for (value = colon + 1; value < line + size && (*value == ' ' || *value == '\t');)
		value++;
	if (incoming->nheaders == INN_CLIENT_MAX_HEADERS ||
		incoming->text_size + size > INN_CLIENT_MAX_HEADER_BYTES)
		return INN_CLIENT_TOO_LARGE;
	if (append_text(incoming, line, colon - line) == NULL ||
		append_text(incoming, value, line + size - value) == NULL)
		return INN_CLIENT_BUSY;
	incoming->nheaders++;
	return INN_CLIENT_NONE;
}

/* What is no name of a header is left out: it may not even be text. */
static bool
is_token(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
	{
		if (strchr("!#$%&'*+-.^_`|~", text[i]) == NULL && !isalnum((unsigned char) text[i]))
			return false;
		if (text[i] == '\0' || (unsigned char) text[i] >= 0x80)
			return false;
	}
	return size > 0;
}

/* Append with a NUL; NULs within become spaces.  NULL: out of memory. */
static char *
append_text(InnIncoming *incoming, const char *text, size_t size)
{
	char *start;

	if (incoming->text_size + size + 1 > incoming->text_capacity)
	{
		size_t capacity =
			Max(Max(incoming->text_capacity * 2, FIRST_TEXT_BYTES), incoming->text_size + size + 1);
		char *grown = realloc(incoming->text, capacity);

		if (grown == NULL)
			return NULL;
		incoming->text = grown;
		incoming->text_capacity = capacity;
	}
	start = incoming->text + incoming->text_size;
	for (size_t i = 0; i < size; i++)
		start[i] = text[i] == '\0' ? ' ' : text[i];
	start[size] = '\0';
	incoming->text_size += size + 1;
	return start;
}

InnClientError
inn_incoming_body(InnIncoming *incoming, const char *data, size_t size)
{
	size_t needed = incoming->body_size + size;

	if (needed > incoming->max_body_bytes)
		return INN_CLIENT_TOO_LARGE;
	if (size == 0)
		return INN_CLIENT_NONE;
	if (needed >= incoming->body_capacity)
	{
		InnClientError error = grow_body(incoming, needed);

		if (error != INN_CLIENT_NONE)
			return error;
	}
	memcpy(incoming->body + incoming->body_size, data, size);
	incoming->body_size = needed;
	incoming->body[needed] = '\0';
	return INN_CLIENT_NONE;
}

/* Make room for so many bytes and a NUL. */
static InnClientError
grow_body(InnIncoming *incoming, size_t needed)
{
	size_t capacity = Max(Max(incoming->body_capacity * 2, FIRST_BODY_BYTES), needed + 1);
	size_t more;
	char *grown;

	capacity = Min(capacity, incoming->max_body_bytes + 1);
	Assert(capacity > needed);
	more = charge(capacity) - charge(incoming->body_capacity);
	if (purse_used + more > INN_CLIENT_MAX_REPLIES_BYTES)
		return INN_CLIENT_BUSY;
	grown = realloc(incoming->body, capacity);
	if (grown == NULL)
		return INN_CLIENT_BUSY;
	purse_used += more;
	incoming->body = grown;
	incoming->body_capacity = capacity;
	return INN_CLIENT_NONE;
}

/* What a body of this capacity takes out of the purse. */
static size_t
charge(size_t capacity)
{
	return capacity > INN_CLIENT_SMALL_REPLY_BYTES ? capacity : 0;
}

void
inn_incoming_clear(InnIncoming *incoming)
{
	Assert(purse_used >= charge(incoming->body_capacity));

	purse_used -= charge(incoming->body_capacity);
	free(incoming->body);
	free(incoming->text);
	free(incoming->joined);
	*incoming = (InnIncoming){.max_body_bytes = incoming->max_body_bytes};
}

const char *
inn_incoming_header(const InnIncoming *incoming, const char *name)
{
	InnClientHeader header;

	for (size_t at = 0; next_header(incoming, &at, &header);)
	{
		if (pg_strcasecmp(header.name, name) == 0)
			return header.value;
	}
	return NULL;
}

const InnClientHeader *
inn_incoming_headers(InnIncoming *incoming, int *count)
{
	InnClientHeader header;
	char *out;

	/* A comma takes the place of a NUL, so joining makes nothing longer. */
	if (incoming->joined == NULL)
	{
		incoming->joined =
			malloc(incoming->nheaders * sizeof(InnClientHeader) + incoming->text_size + 1);
		if (incoming->joined == NULL)
			return NULL;
		incoming->njoined = 0;
		out = (char *) (incoming->joined + incoming->nheaders);
		for (size_t at = 0; next_header(incoming, &at, &header);)
		{
			if (is_earlier(incoming, header.name))
				continue;
			incoming->joined[incoming->njoined].name = header.name;
			incoming->joined[incoming->njoined++].value = out;
			out = join_values(incoming, header.name - incoming->text, header.name, out);
		}
	}
	*count = incoming->njoined;
	return incoming->joined;
}

/* The header at this place of the text; the place moves on. */
static bool
next_header(const InnIncoming *incoming, size_t *at, InnClientHeader *header)
{
	if (*at >= incoming->text_size)
		return false;
	header->name = incoming->text + *at;
	header->value = header->name + strlen(header->name) + 1;
	*at = header->value + strlen(header->value) + 1 - incoming->text;
	return true;
}

/* Is the name among those that were joined already? */
static bool
is_earlier(const InnIncoming *incoming, const char *name)
{
	for (int i = 0; i < incoming->njoined; i++)
	{
		if (pg_strcasecmp(incoming->joined[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Write all values of the name from this place on; returns where the next text may begin. */
static char *
join_values(const InnIncoming *incoming, size_t at, const char *name, char *out)
{
	InnClientHeader header;

	while (next_header(incoming, &at, &header))
	{
		size_t size = strlen(header.value);

		if (pg_strcasecmp(header.name, name) != 0)
			continue;
		memcpy(out, header.value, size);
		out[size] = ',';
		out += size + 1;
	}
	out[-1] = '\0';
	return out;
}
