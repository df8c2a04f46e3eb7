/*-------------------------------------------------------------------------
 *
 * app.c
 *	  An app that is never what one waits for: it answers calls of functions as an SDK would, from one thread.
 *
 * What it answers depends on fnId and on how many steps have ended; nothing is remembered of a run but when it was
 * answered last.  The word after the last "-" of fnId says which function it is:
 *
 *		none		returns at once
 *		one			a step, then returns
 *		five		five steps, one after the other
 *		parallel	plans as many steps as data.n says, runs each, then returns
 *		sleep		sleeps for a day
 *		wait		waits for bench/go with its data.id
 *		mix			a step, a sleep of a second, the function "-none" of its app, a step
 *		big			nine steps of 3.5 MB, then returns
 *		hang		never answers
 *
 * GET /figures tells what was seen since it was asked last, as one line of key=value: calls and ended runs; count, p50 and p99
 * of "first", from data.sent_us (microseconds since 1970) of the event to the call that it causes, and of "between",
 * from an answer to the next call of the run.  Times are microseconds.
 *
 * Usage: app PORT
 *
 * IDENTIFICATION
 *	  bench/app.c
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096
#define EVENTS 256
#define MAX_SAMPLES (4 * 1024 * 1024)
#define MAX_OPS 1000
#define OP_BYTES 256
#define REMEMBERED (1 << 20) /* runs, a power of two; a newer one takes the place of an older */
#define RUN_ID_LEN 26
#define BIG_STEPS 9
#define BIG_BYTES (3500 * 1000)

#define OPS 206
#define RESULT 200

typedef struct Buffer
{
	char *data;
	size_t used;
	size_t size;
} Buffer;

typedef struct Connection
{
	int fd;
	Buffer in;
	Buffer out;
	size_t sent; /* of out */
	bool has_been_told_to_go_on;
	bool waits_to_send;
} Connection;

/* A request that has arrived whole; both texts end with NUL. */
typedef struct Request
{
	char *head;
	char *body;
} Request;

typedef struct Samples
{
	uint32_t *usec;
	size_t count;
} Samples;

static struct
{
	char id[RUN_ID_LEN];
	int64_t answered_at;
} * runs;
static Samples first;
static Samples between;
static long calls;
static long ended;

static int64_t
usec_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void *
allocate(void *old, size_t size)
{
	void *new = realloc(old, size);

	if (new == NULL)
		abort();
	return new;
}

static void
reserve(Buffer *buffer, size_t more)
{
	if (buffer->size - buffer->used >= more + 1)
		return;
	buffer->size = 2 * buffer->size + more + 1;
	buffer->data = allocate(buffer->data, buffer->size);
}

static void
append(Buffer *buffer, const char *data, size_t len)
{
	reserve(buffer, len);
	memcpy(buffer->data + buffer->used, data, len);
	buffer->used += len;
	buffer->data[buffer->used] = '\0';
}

/* ---- figures ---- */

static void
note(Samples *samples, int64_t usec)
{
	if (usec >= 0 && usec <= UINT32_MAX && samples->count < MAX_SAMPLES)
		samples->usec[samples->count++] = (uint32_t) usec;
}

static int
compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *) a;
	uint32_t right = *(const uint32_t *) b;

	return left < right ? -1 : left > right;
}

static int
tell_samples(char *text, size_t size, const char *name, Samples *samples)
{
	size_t n = samples->count;

	qsort(samples->usec, n, sizeof(uint32_t), compare);
	samples->count = 0;
	return snprintf(text, size, " %s=%zu %s_p50=%u %s_p99=%u", name, n, name,
					n == 0 ? 0 : samples->usec[n / 2], name,
					n == 0 ? 0 : samples->usec[n * 99 / 100]);
}

static int
tell_figures(char *text, size_t size)
{
	int len = snprintf(text, size, "calls=%ld ended=%ld", calls, ended);

	calls = ended = 0;
	len += tell_samples(text + len, size - len, "first", &first);
	len += tell_samples(text + len, size - len, "between", &between);
	return len;
}

/* ---- calls ---- */

static size_t
slot_of(const char *run_id)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < RUN_ID_LEN; i++)
		hash = (hash ^ (unsigned char) run_id[i]) * UINT64_C(0x100000001b3);
	return (hash ^ hash >> 32) & (REMEMBERED - 1);
}

/* The time of sending is in the event that has started the run, or in the one that it has waited for. */
static void
note_call(const char *body, const char *run_id, bool is_first)
{
	const char *sent = is_first ? strstr(body, "\"sent_us\":") : NULL;
	size_t slot = slot_of(run_id);

	if (sent != NULL)
		note(&first, usec_of(CLOCK_REALTIME) - atoll(sent + strlen("\"sent_us\":")));
	if (memcmp(runs[slot].id, run_id, RUN_ID_LEN) == 0)
		note(&between, usec_of(CLOCK_MONOTONIC) - runs[slot].answered_at);
}

/* Steps in the stack: "stack":["...","..."] */
static int
count_steps(const char *body)
{
	const char *p = strstr(body, "\"stack\":[");
	int quotes = 0;

	for (p = p == NULL ? "" : p; *p != '\0' && *p != ']'; p++)
		quotes += *p == '"';
	return quotes == 0 ? 0 : (quotes - 2) / 2;
}

/* The number behind a key, or what is given. */
static long
number_after(const char *body, const char *key, long otherwise)
{
	const char *p = strstr(body, key);

	return p == NULL ? otherwise : atol(p + strlen(key));
}

static void
append_op(Buffer *out, const char *op, int n, const char *more)
{
	char text[OP_BYTES];
	int len = snprintf(
		text, sizeof(text),
		"%s{\"op\":\"%s\",\"id\":\"%040x\",\"name\":\"step-%d\",\"displayName\":\"step-%d\"%s}",
		out->used == 0 ? "[" : ",", op, n + 1, n, n, more);

	append(out, text, len);
}

/* The next step of several, one after the other; or the end. */
static int
run_steps(Buffer *out, int nsteps, int total)
{
	if (nsteps >= total)
	{
		append(out, "\"done\"", 6);
		return RESULT;
	}
	append_op(out, "StepRun", nsteps, ",\"data\":{\"ok\":true}");
	append(out, "]", 1);
	return OPS;
}

static int
run_big_step(Buffer *out, int nsteps)
{
	if (nsteps >= BIG_STEPS)
		return run_steps(out, nsteps, BIG_STEPS);
	append_op(out, "StepRun", nsteps, ",\"data\":\"");
	out->used--;
	reserve(out, BIG_BYTES);
	memset(out->data + out->used, 'x', BIG_BYTES);
	out->used += BIG_BYTES;
	append(out, "\"}]", 3);
	return OPS;
}

static int
run_parallel(Buffer *out, const Request *request, int nsteps)
{
	const char *target = strstr(request->head, "stepId=");
	long total = number_after(request->body, "\"n\":", 3);

	if (target != NULL && strncmp(target, "stepId=0", 8) == 0)
		append_op(out, "StepRun", (int) strtol(target + 7 + 32, NULL, 16) - 1, ",\"data\":1");
	else if (nsteps > 0)
		return run_steps(out, nsteps, nsteps);
	for (int i = 0; out->used == 0 || (i > 0 && i < total && i < MAX_OPS); i++)
		append_op(out, "StepPlanned", i, "");
	append(out, "]", 1);
	return OPS;
}

static int
run_wait(Buffer *out, int nsteps)
{
	if (nsteps > 0)
		return run_steps(out, nsteps, nsteps);
	append_op(
		out, "WaitForEvent", 0,
		",\"opts\":{\"event\":\"bench/go\",\"timeout\":\"1d\",\"if\":\"event.data.id == async.data.id\"}");
	append(out, "]", 1);
	return OPS;
}

static int
run_sleep(Buffer *out, int nsteps)
{
	if (nsteps > 0)
		return run_steps(out, nsteps, nsteps);
	append_op(out, "Sleep", 0, ",\"opts\":{\"duration\":\"1d\"}");
	append(out, "]", 1);
	return OPS;
}

static int
run_mix(Buffer *out, const char *app, int app_len, int nsteps)
{
	char invocation[OP_BYTES / 2];

	snprintf(invocation, sizeof(invocation),
			 ",\"opts\":{\"function_id\":\"%.*s-none\",\"payload\":{}}", app_len, app);
	if (nsteps == 1)
		append_op(out, "Sleep", 1, ",\"opts\":{\"duration\":\"1s\"}");
	else if (nsteps == 2)
		append_op(out, "InvokeFunction", 2, invocation);
	else
		return run_steps(out, nsteps, 4);
	append(out, "]", 1);
	return OPS;
}

/* The status, with the body in *out; 0: no answer. */
static int
run_function(Buffer *out, const Request *request)
{
	static const char no_run[RUN_ID_LEN + 1] = "00000000000000000000000000";
	const char *name = strstr(request->head, "fnId=");
	size_t len = name == NULL ? 0 : strcspn(name, "& ");
	const char *dash = name == NULL ? NULL : memrchr(name, '-', len);
	const char *kind = dash == NULL ? "" : dash + 1;
	size_t kind_len = dash == NULL ? 0 : name + len - kind;
	const char *run_id = strstr(request->body, "\"run_id\":\"");
	int nsteps = count_steps(request->body);
	int status;

#define IS(word) (kind_len == strlen(word) && memcmp(kind, word, kind_len) == 0)
	calls++;
	if (IS("hang"))
		return 0;
	run_id = run_id == NULL || strlen(run_id) < 10 + RUN_ID_LEN ? no_run : run_id + 10;
	note_call(request->body, run_id, nsteps == 0 || IS("wait"));
	if (IS("one"))
		status = run_steps(out, nsteps, 1);
	else if (IS("five"))
		status = run_steps(out, nsteps, 5);
	else if (IS("parallel"))
		status = run_parallel(out, request, nsteps);
	else if (IS("sleep"))
		status = run_sleep(out, nsteps);
	else if (IS("wait"))
		status = run_wait(out, nsteps);
	else if (IS("mix"))
		status =
			run_mix(out, name + strlen("fnId="), (int) (dash - name - strlen("fnId=")), nsteps);
	else if (IS("big"))
		status = run_big_step(out, nsteps);
	else
		status = run_steps(out, 0, 0);
#undef IS
	ended += status == RESULT;
	memcpy(runs[slot_of(run_id)].id, run_id, RUN_ID_LEN);
	runs[slot_of(run_id)].answered_at = usec_of(CLOCK_MONOTONIC);
	return status;
}

/* ---- HTTP ---- */

static void
answer(Connection *connection, const Request *request)
{
	static Buffer body;
	char head[256];
	int status = 200;
	int len;

	body.used = 0;
	reserve(&body, 1024);
	if (strncmp(request->head, "GET /figures", strlen("GET /figures")) == 0)
		body.used = tell_figures(body.data, 1024);
	else if (strncmp(request->head, "POST ", 5) == 0)
		status = run_function(&body, request);
	else
		append(&body, "{}", 2);
	if (status == 0)
		return;
	len =
		snprintf(head, sizeof(head),
				 "HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nX-Inngest-SDK: js:v4.24.0\r\n"
				 "X-Inngest-Req-Version: 2\r\nContent-Length: %zu\r\n\r\n",
				 status, body.used);
	append(&connection->out, head, len);
	append(&connection->out, body.data, body.used);
}

static size_t
content_length(const char *head)
{
	const char *line = strcasestr(head, "\r\ncontent-length:");

	return line == NULL ? 0 : strtoul(line + strlen("\r\ncontent-length:"), NULL, 10);
}

/* Answer one request that has arrived whole.  False: there is none. */
static bool
answer_next(Connection *connection)
{
	Buffer *in = &connection->in;
	char *end = in->used == 0 ? NULL : memmem(in->data, in->used, "\r\n\r\n", 4);
	size_t head_size;
	size_t body_size;
	char saved;
	Request request;

	if (end == NULL)
		return false;
	*end = '\0';
	head_size = end + 4 - in->data;
	body_size = content_length(in->data);
	if (in->used < head_size + body_size)
	{
		if (!connection->has_been_told_to_go_on &&
			strcasestr(in->data, "\r\nexpect: 100-continue") != NULL)
			append(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		connection->has_been_told_to_go_on = true;
		*end = '\r';
		reserve(in, head_size + body_size - in->used);
		return false;
	}
	request = (Request){in->data, end + 4};
	saved = request.body[body_size];
	request.body[body_size] = '\0';
	answer(connection, &request);
	request.body[body_size] = saved;
	in->used -= head_size + body_size;
	memmove(in->data, in->data + head_size + body_size, in->used);
	connection->has_been_told_to_go_on = false;
	return true;
}

/* False: the connection is over. */
static bool
receive(Connection *connection)
{
	for (;;)
	{
		ssize_t got;

		reserve(&connection->in, 4096);
		got = read(connection->fd, connection->in.data + connection->in.used,
				   connection->in.size - connection->in.used - 1);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got < 0)
			return true;
		connection->in.used += got;
		while (answer_next(connection))
			;
		if (connection->in.size - connection->in.used > 1)
			return true;
	}
}

static bool
send_out(Connection *connection)
{
	while (connection->sent < connection->out.used)
	{
		ssize_t put = write(connection->fd, connection->out.data + connection->sent,
							connection->out.used - connection->sent);

		if (put < 0)
			return errno == EAGAIN;
		connection->sent += put;
	}
	connection->sent = connection->out.used = 0;
	return true;
}

static void
close_connection(Connection *connection)
{
	close(connection->fd);
	free(connection->in.data);
	free(connection->out.data);
	free(connection);
}

static void
serve(int epoll, Connection *connection, uint32_t ready)
{
	if ((ready & EPOLLIN && !receive(connection)) || ready & (EPOLLERR | EPOLLHUP) ||
		!send_out(connection))
	{
		close_connection(connection);
		return;
	}
	if (connection->waits_to_send == (connection->out.used > 0))
		return;
	connection->waits_to_send = connection->out.used > 0;
	(void) epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd,
					 &(struct epoll_event){.events = EPOLLIN |
													 (connection->waits_to_send ? EPOLLOUT : 0),
										   .data.ptr = connection});
}

static void
accept_all(int epoll, int listener)
{
	int fd;
	int on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
	{
		Connection *connection = allocate(NULL, sizeof(Connection));

		*connection = (Connection){.fd = fd};
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void) epoll_ctl(epoll, EPOLL_CTL_ADD, fd,
						 &(struct epoll_event){.events = EPOLLIN, .data.ptr = connection});
	}
}

static int
listen_on(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
	{
		perror("app");
		exit(1);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	int port = argc == 2 ? atoi(argv[1]) : 0;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct rlimit files;
	int listener;

	if (port <= 0)
	{
		fprintf(stderr, "usage: app PORT\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
	{
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	runs = calloc(REMEMBERED, sizeof(*runs));
	first.usec = allocate(NULL, MAX_SAMPLES * sizeof(uint32_t));
	between.usec = allocate(NULL, MAX_SAMPLES * sizeof(uint32_t));
	listener = listen_on(port);
	(void) epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
	for (;;)
	{
		struct epoll_event ready[EVENTS];
		int count = epoll_wait(epoll, ready, EVENTS, -1);

		for (int i = 0; i < count; i++)
		{
			if (ready[i].data.ptr == NULL)
				accept_all(epoll, listener);
			else
				serve(epoll, ready[i].data.ptr, ready[i].events);
		}
	}
}
