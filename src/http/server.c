/*-------------------------------------------------------------------------
 *
 * server.c
 *	  libmicrohttpd in our loop; the only file that knows it.
 *
 * The daemon has no thread.  We wait for its epoll descriptor together with our latch and call MHD_run()
 * when it is ready, or when libmicrohttpd says so.  After MHD_resume_connection() it must be called at
 * once, because a resumed connection is not ready in epoll's eyes.
 *
 * Everything that hangs on a connection is malloc'ed and freed by libmicrohttpd's notifications, so an
 * ERROR of ours leaks nothing: the request is still there and can be replied to.
 *
 * Slow clients: libmicrohttpd closes a connection that is silent for the timeout, but one that drips a
 * byte now and then would hold its place for ever.  So each connection that we wait for is in a list in
 * the order in which its phase (headers, or body) began; the phases have one length, so looking at
 * the head is enough.  Who is too slow is shut down and libmicrohttpd sees the end.
 *
 * IDENTIFICATION
 *	  src/http/server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "mb/pg_wchar.h"

#include "base/descriptors.h"
#include "base/guc.h"
#include "base/timer.h"
#include "http/counters.h"
#include "http/server.h"

#if MHD_VERSION >= 0x00097002
typedef enum MHD_Result CallbackResult;
#else
typedef int CallbackResult;
#endif

#define LISTEN_BACKLOG 1024

/* A TCP connection. */
typedef struct InnConnection
{
	dlist_node node; /* in `awaited` or `serving` if is_listed */
	bool is_listed;
	TimestampTz since; /* begin of the phase */
	int fd;
	struct MHD_Connection *mhd;
	InnRequest *request;		   /* suspended, waiting for its reply; or NULL */
	struct MHD_Response *response; /* the reply, until it is queued */
	int status;
} InnConnection;

static struct MHD_Daemon *daemon_;
static InnServerConfig config;
static dlist_head awaited = DLIST_STATIC_INIT(awaited);
static dlist_head serving = DLIST_STATIC_INIT(serving);
static InnRequest *ready_head;
static InnRequest *ready_tail;
static int nconnections;
static size_t bodies_bytes; /* memory in bodies now */
static bool is_due;			/* MHD_run() must be called, whatever epoll says */

static int listen_on(const InnServerConfig *wanted, char *error, size_t error_size);
static void notify_connection(void *cls, struct MHD_Connection *mhd, void **context,
							  enum MHD_ConnectionNotificationCode code);
static CallbackResult handle(void *cls, struct MHD_Connection *mhd, const char *url,
							 const char *method, const char *version, const char *data,
							 size_t *size, void **context);
static void notify_completed(void *cls, struct MHD_Connection *mhd, void **context,
							 enum MHD_RequestTerminationCode code);
static size_t decode_most(void *cls, struct MHD_Connection *mhd, char *text);
static size_t decode(char *text, bool rest);
static int escaped_byte(const char *text);
static CallbackResult note_parameter(void *cls, enum MHD_ValueKind kind, const char *key,
									 const char *value);
static InnRequest *new_request(InnConnection *connection, const char *url, const char *method);
static bool append_body(InnRequest *request, const char *data, size_t size);
static void drop_body(InnRequest *request, int status);
static void enqueue(InnRequest *request);
static void free_request(InnRequest *request);
static InnConnection *connection_of(struct MHD_Connection *mhd);
static void await(InnConnection *connection);
static void leave_list(InnConnection *connection);
static void close_slow_connections(void);
static void add_headers(struct MHD_Response *response, const char *head, const char *body);
static void respond(InnRequest *request, int status, struct MHD_Response *response);
static struct MHD_Response *make_response(const char *content_type, const char *allow,
										  const char *body, size_t size);
static void let_pages_in(struct MHD_Response *response, bool is_preflight);
static void copy_headers(struct MHD_Connection *mhd, InnRequest *request);

bool
inn_server_start(const InnServerConfig *wanted, char *error, size_t error_size)
{
	int fd = listen_on(wanted, error, error_size);
	int allowed;

	Assert(daemon_ == NULL);
	if (fd < 0)
		return false;

	config = *wanted;
	allowed = Min(config.max_connections, inn_descriptors_allow(config.max_connections));
	daemon_ = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0,
							   NULL, NULL, handle, NULL,
							   MHD_OPTION_LISTEN_SOCKET, fd,
							   MHD_OPTION_CONNECTION_LIMIT, (unsigned int) allowed,
							   MHD_OPTION_CONNECTION_MEMORY_LIMIT,
							   (size_t) INN_SERVER_CONNECTION_BYTES,
							   MHD_OPTION_CONNECTION_TIMEOUT,
							   (unsigned int) Max(config.timeout_ms / 1000, 1),
							   MHD_OPTION_UNESCAPE_CALLBACK, decode_most, NULL,
							   MHD_OPTION_NOTIFY_CONNECTION, notify_connection, NULL,
							   MHD_OPTION_NOTIFY_COMPLETED, notify_completed, NULL,
							   MHD_OPTION_END);
	if (daemon_ == NULL)
	{
		close(fd);
		snprintf(error, error_size, "libmicrohttpd does not start");
		return false;
	}
	return true;
}

static int
listen_on(const InnServerConfig *wanted, char *error, size_t error_size)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *address;
	char port[16];
	int on = 1;
	int fd;
	int result;

	snprintf(port, sizeof(port), "%d", wanted->port);
	result = getaddrinfo(wanted->address, port, &hints, &address);
	if (result != 0)
	{
		snprintf(error, error_size, "\"%s\" is not a numeric address", wanted->address);
		return -1;
	}

	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(wanted->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
		bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
	{
		snprintf(error, error_size, "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(address);
	return fd;
}

void
inn_server_stop(void)
{
	dlist_mutable_iter it;

	if (daemon_ == NULL)
		return;

	/* libmicrohttpd must not be stopped while connections are suspended. */
	dlist_foreach_modify(it, &serving)
	{
		InnConnection *connection = dlist_container(InnConnection, node, it.cur);
		static const char body[] =
			"{\"error\":\"the server is restarting\",\"code\":\"restarting\",\"status\":503}";

		if (connection->request != NULL)
			inn_server_reply(connection->request, MHD_HTTP_SERVICE_UNAVAILABLE, "application/json",
							 NULL, body, sizeof(body) - 1);
	}
	(void) MHD_run(daemon_);
	MHD_stop_daemon(daemon_);
	daemon_ = NULL;
	ready_head = ready_tail = NULL;
}

bool
inn_server_is_running(void)
{
	return daemon_ != NULL;
}

int
inn_server_connections(void)
{
	return nconnections;
}

int
inn_server_fd(void)
{
	return daemon_ == NULL ? -1 : MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

TimestampTz
inn_server_deadline(void)
{
	TimestampTz deadline = INN_NEVER;
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (daemon_ == NULL)
		return INN_NEVER;
	if (is_due || ready_head != NULL)
		return DT_NOBEGIN;
	if (MHD_get_timeout(daemon_, &timeout_ms) == MHD_YES)
		deadline = inn_now_real() + (int64) Min(timeout_ms, 3600000) * 1000;
	if (!dlist_is_empty(&awaited))
		deadline = inn_sooner(deadline, dlist_head_element(InnConnection, node, &awaited)->since +
											config.timeout_ms * INT64CONST(1000));
	return inn_from_real(deadline);
}

void
inn_server_run(void)
{
	if (daemon_ == NULL)
		return;
	is_due = false;
	close_slow_connections();
	(void) MHD_run(daemon_);
}

InnRequest *
inn_server_next(void)
{
	InnRequest *request = ready_head;

	if (request != NULL)
	{
		ready_head = request->next;
		if (ready_head == NULL)
			ready_tail = NULL;
		request->next = NULL;
	}
	return request;
}

bool
inn_server_is_gone(const InnRequest *request)
{
	char byte;
	ssize_t n = recv(request->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void
inn_server_reply(InnRequest *request, int status, const char *content_type, const char *allow,
				 const char *body, size_t size)
{
	char *utf8 = body == NULL ? NULL : pg_server_to_any(body, (int) size, PG_UTF8);

	respond(request, status,
			make_response(content_type, allow, utf8, utf8 == body ? size : strlen(utf8)));
	if (utf8 != body)
		pfree(utf8);
}

void
inn_server_reply_with(InnRequest *request, int status, const char *text, size_t size)
{
	char *head = pg_server_to_any(text, (int) size, PG_UTF8);
	size_t rest = head == text ? size : strlen(head);
	const char *body = head;
	struct MHD_Response *response;

	/* Either an empty line comes first, or one ends the headers. */
	while (rest > 0 && *body != '\n')
	{
		size_t line = strcspn(body, "\n") + 1;

		body += Min(line, rest);
		rest -= Min(line, rest);
	}
	if (rest > 0)
	{
		body++;
		rest--;
	}
	response = make_response(NULL, NULL, body, rest);
	if (response != NULL)
		add_headers(response, head, body);
	respond(request, status, response);
}

/* Lines "Name: value" up to the body; libmicrohttpd refuses what would be none. */
static void
add_headers(struct MHD_Response *response, const char *head, const char *body)
{
	while (head < body && *head != '\n')
	{
		size_t size = strcspn(head, "\n");
		char *line = pnstrdup(head, size);
		char *colon = strchr(line, ':');

		head += size + 1;
		if (colon == NULL)
			continue;
		*colon = '\0';
		(void) MHD_add_response_header(response, line, colon + 1 + strspn(colon + 1, " "));
	}
}

static void
respond(InnRequest *request, int status, struct MHD_Response *response)
{
	InnConnection *connection = request->connection;

	Assert(connection->request == request);
	Assert(connection->response == NULL);

	connection->response = response;
	connection->status = status;
	connection->request = NULL;
	leave_list(connection);
	drop_body(request, 0);
	inn_count(status < 400	 ? INN_COUNTER_REPLIES_2XX
			  : status < 500 ? INN_COUNTER_REPLIES_4XX
							 : INN_COUNTER_REPLIES_5XX,
			  1);
	MHD_resume_connection(connection->mhd);
	is_due = true;
}

/* NULL when there is no memory; the connection is closed then. */
static struct MHD_Response *
make_response(const char *content_type, const char *allow, const char *body, size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, unconstify(char *, body), MHD_RESPMEM_MUST_COPY);

	if (response == NULL)
		return NULL;
	if (content_type != NULL)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	if (allow != NULL)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	(void) MHD_add_response_header(response, "X-Inngest-Server-Kind",
								   inn_mode == INN_MODE_CLOUD ? "cloud" : "dev");
	if (inn_mode == INN_MODE_DEV)
		let_pages_in(response, allow != NULL);
	return response;
}

/* CORS: in dev mode pages of any origin may do what they like, as whoever can reach us may. */
static void
let_pages_in(struct MHD_Response *response, bool is_preflight)
{
	(void) MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, "*");
	(void) MHD_add_response_header(response, "Access-Control-Expose-Headers", "Link");
	if (!is_preflight)
		return;
	(void) MHD_add_response_header(response, "Access-Control-Allow-Methods",
								   "GET, POST, PUT, PATCH, DELETE, OPTIONS");
	/* all but that one, by the Fetch standard */
	(void) MHD_add_response_header(response, "Access-Control-Allow-Headers", "*, Authorization");
	(void) MHD_add_response_header(response, "Access-Control-Max-Age", "3600");
}

const char *
inn_header_name(InnHeader header)
{
	static const char *const names[] = {
#define INN_HEADER_NAME(name, text) text,
		INN_HEADER_TABLE(INN_HEADER_NAME)
#undef INN_HEADER_NAME
	};

	Assert(header < INN_HEADER_COUNT);
	return names[header];
}

void
inn_server_decode_rest(char *text)
{
	(void) decode(text, true);
}

/* ---- callbacks of libmicrohttpd: no palloc, no ereport below ---- */

static void
notify_connection(void *cls, struct MHD_Connection *mhd, void **context,
				  enum MHD_ConnectionNotificationCode code)
{
	InnConnection *connection;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		connection = calloc(1, sizeof(InnConnection));
		*context = connection;
		if (connection == NULL)
			return;
		connection->mhd = mhd;
		connection->fd =
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		await(connection);
		nconnections++;
		inn_count(INN_COUNTER_CONNECTIONS, 1);
		return;
	}

	connection = *context;
	if (connection == NULL)
		return;
	leave_list(connection);
	if (connection->response != NULL)
		MHD_destroy_response(connection->response);
	free(connection);
	*context = NULL;
	nconnections--;
	inn_count(INN_COUNTER_CONNECTIONS, -1);

	/* At its limit libmicrohttpd does not watch the listening socket; it looks again when run. */
	is_due = true;
}

/*
 * Called when the headers are there, for each piece of the body, when it is complete, and once more after
 * the connection was resumed.
 */
static CallbackResult
handle(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
	   const char *version, const char *data, size_t *size, void **context)
{
	InnConnection *connection = connection_of(mhd);
	InnRequest *request = *context;
	CallbackResult result;

	if (connection == NULL)
		return MHD_NO;

	if (request == NULL)
	{
		*context = new_request(connection, url, method);
		await(connection);
		return *context != NULL ? MHD_YES : MHD_NO;
	}

	if (*size > 0)
	{
		if (!append_body(request, data, *size))
			return MHD_NO;
		*size = 0;
		return MHD_YES;
	}

	if (connection->status == 0)
	{
		enqueue(request);
		MHD_suspend_connection(mhd);
		return MHD_YES;
	}

	if (connection->response == NULL)
		return MHD_NO;
	result = MHD_queue_response(mhd, connection->status, connection->response);
	MHD_destroy_response(connection->response);
	connection->response = NULL;
	return result;
}

static void
notify_completed(void *cls, struct MHD_Connection *mhd, void **context,
				 enum MHD_RequestTerminationCode code)
{
	InnConnection *connection = connection_of(mhd);

	if (*context != NULL)
		free_request(*context);
	*context = NULL;
	if (connection == NULL)
		return;
	connection->request = NULL;
	connection->status = 0;
	await(connection);
}

static InnRequest *
new_request(InnConnection *connection, const char *url, const char *method)
{
	struct MHD_Connection *mhd = connection->mhd;
	const char *length =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	InnRequest *request = calloc(1, sizeof(InnRequest));

	if (request == NULL)
		return NULL;
	request->connection = connection;
	request->method = strdup(method);
	request->path = strdup(url);
	copy_headers(mhd, request);
	if (request->method == NULL || request->path == NULL)
	{
		free_request(request);
		return NULL;
	}
	(void) MHD_get_connection_values(mhd, MHD_GET_ARGUMENT_KIND, note_parameter, request);
	if (length != NULL && strtoull(length, NULL, 10) > config.max_body_bytes)
		request->refused_status = MHD_HTTP_CONTENT_TOO_LARGE;
	return request;
}

static void
copy_headers(struct MHD_Connection *mhd, InnRequest *request)
{
	for (int i = 0; i < INN_HEADER_COUNT; i++)
	{
		const char *value = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, inn_header_name(i));

		request->headers[i] = value == NULL ? NULL : strdup(value);
	}
}

/* In place of libmicrohttpd's own function, for paths as for parameters. */
static size_t
decode_most(void *cls, struct MHD_Connection *mhd, char *text)
{
	return decode(text, false);
}

/* Percent codes to bytes, in place: those of '/' and '%', or the others; never one to NUL. */
static size_t
decode(char *text, bool rest)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; out++)
	{
		int byte = *in == '%' ? escaped_byte(in + 1) : -1;

		if (byte > 0 && (byte == '/' || byte == '%') == rest)
		{
			*out = (char) byte;
			in += 3;
		}
		else
			*out = *in++;
	}
	*out = '\0';
	return out - text;
}

/* What two hexadecimal digits say; -1 if they are none. */
static int
escaped_byte(const char *text)
{
	int byte = 0;

	for (int i = 0; i < 2; i++)
	{
		const char *digits = "0123456789abcdef";
		const char *digit = text[i] == '\0' ? NULL
											: strchr(digits, pg_tolower((unsigned char) text[i]));

		if (digit == NULL)
			return -1;
		byte = 16 * byte + (int) (digit - digits);
	}
	return byte;
}

static CallbackResult
note_parameter(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	InnRequest *request = cls;
	InnParameter *parameter;

	if (request->nparameters == INN_SERVER_MAX_PARAMETERS)
	{
		request->refused_status = MHD_HTTP_BAD_REQUEST;
		return MHD_NO;
	}
	parameter = &request->parameters[request->nparameters];
	parameter->name = strdup(key);
	parameter->value = strdup(value == NULL ? "" : value);
	request->nparameters++;
	if (parameter->name == NULL || parameter->value == NULL)
		return MHD_NO;
	(void) decode(parameter->name, true);
	(void) decode(parameter->value, true);
	return MHD_YES;
}

/* False if the client goes on sending much more than it may. */
static bool
append_body(InnRequest *request, const char *data, size_t size)
{
	char *grown;

	if (request->refused_status != 0)
	{
		/* Swallow the rest, so that the client reads our reply instead of a reset; but not for ever. */
		request->size += size;
		return request->size <= 4 * config.max_body_bytes;
	}
	if (request->size + size > config.max_body_bytes)
	{
		drop_body(request, MHD_HTTP_CONTENT_TOO_LARGE);
		return true;
	}
	if (bodies_bytes + size > INN_SERVER_MAX_BODIES_BYTES ||
		(grown = realloc(request->body, request->size + size)) == NULL)
	{
		drop_body(request, MHD_HTTP_SERVICE_UNAVAILABLE);
		return true;
	}
	memcpy(grown + request->size, data, size);
	request->body = grown;
	request->size += size;
	bodies_bytes += size;
	return true;
}

static void
drop_body(InnRequest *request, int status)
{
	if (request->body != NULL)
	{
		bodies_bytes -= request->size;
		free(request->body);
		request->body = NULL;
	}
	request->size = 0;
	request->refused_status = status;
}

static void
enqueue(InnRequest *request)
{
	request->received_at = inn_now_real();
	leave_list(request->connection);
	request->connection->request = request;
	request->connection->is_listed = true;
	dlist_push_tail(&serving, &request->connection->node);
	request->next = NULL;
	if (ready_tail != NULL)
		ready_tail->next = request;
	else
		ready_head = request;
	ready_tail = request;
}

static void
free_request(InnRequest *request)
{
	drop_body(request, 0);
	free(request->method);
	free(request->path);
	for (int i = 0; i < INN_HEADER_COUNT; i++)
		free(request->headers[i]);
	for (int i = 0; i < request->nparameters; i++)
	{
		free(request->parameters[i].name);
		free(request->parameters[i].value);
	}
	free(request);
}

static InnConnection *
connection_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* A phase begins in which the client has to send something. */
static void
await(InnConnection *connection)
{
	leave_list(connection);
	connection->since = inn_now_real();
	connection->is_listed = true;
	dlist_push_tail(&awaited, &connection->node);
}

static void
leave_list(InnConnection *connection)
{
	if (connection->is_listed)
		dlist_delete(&connection->node);
	connection->is_listed = false;
}

static void
close_slow_connections(void)
{
	TimestampTz limit = inn_now_real() - config.timeout_ms * INT64CONST(1000);

	while (!dlist_is_empty(&awaited))
	{
		InnConnection *connection = dlist_head_element(InnConnection, node, &awaited);

		if (connection->since > limit)
			break;
		(void) shutdown(connection->fd, SHUT_RDWR);
		leave_list(connection);
	}
}
