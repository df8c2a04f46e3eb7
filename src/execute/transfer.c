/*-------------------------------------------------------------------------
 *
 * transfer.c
 *	  libcurl in our loop; only this file and verdict.c know it.
 *
 * Its sockets are in an epoll descriptor of ours, its timers are a deadline.  Its callbacks only
 * record: they use malloc and never palloc, and raise no ERROR.
 *
 * Pools.  Connections are kept in libcurl's multi handles, and it looks for one to use again by
 * going through all that lead to the same host, those in use included.  So there are many handles
 * with few transfers each (POOL_TRANSFERS), and a new one goes to the first that has room: those
 * that hang fill pools, and the others meet in the next.  Restricted transfers have pools of their
 * own, because the address of a connection that is used again is not looked at again.  A pool
 * without transfers is closed after a minute, and its connections with it.
 *
 * Lookups.  There is no thread in this house but for one guest: libcurl, as Debian builds it, looks
 * up each name in a thread, which lives as long.  (Without one, the loop would stand still while a
 * resolver is silent; c-ares, which needs none, does not know the modules of nsswitch.conf.)  The
 * thread calls getaddrinfo() and nothing of ours.  No signal may be delivered to it, because the
 * server's handlers believe to be where the server is: it inherits our mask, and while libcurl runs
 * all signals are blocked.  Addresses and "localhost" need no thread, other names one a minute;
 * lookups.c says how many at a time.  libcurl asks before it makes one (note_lookup); a refusal
 * ends the transfer, which then begins anew when the answer is there, or its turn.  A thread that is
 * waited for in vain is left to itself (CURLOPT_QUICK_EXIT) and ends when the resolver gives up, so
 * for a while there may be a few times as many.
 *
 * IDENTIFICATION
 *	  src/execute/transfer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/timer.h"
#include "execute/transfer.h"
#include "execute/verdict.h"

#if LIBCURL_VERSION_NUM < 0x075800
#error "inngest needs libcurl 7.88 or later"
#endif

#define USER_AGENT "Inngest"

/* Transfers in one pool; and connections, of which the others are idle. */
#define POOL_TRANSFERS 256
#define POOL_CONNECTIONS (POOL_TRANSFERS + 64)
#define POOL_IDLE_S 60
#define POOL_IDLE_USEC (POOL_IDLE_S * USECS_PER_SEC)

/* Enough even if all transfers are of one kind, thinly spread, and as many of the other come. */
#define MAX_POOLS 128
#define MAX_TRANSFERS (MAX_POOLS / 2 * POOL_TRANSFERS)

/* Handles kept for the next transfers. */
#define MAX_SPARE 256

/* What one turn does before others get theirs. */
#define EVENTS_PER_ROUND 256
#define ROUNDS_PER_TURN 4

/* A peer that has vanished is noticed although nothing is to be said for hours. */
#define KEEPALIVE_IDLE_S 60L
#define KEEPALIVE_INTERVAL_S 15L

/* As libcurl itself reads a redirect. */
#define URL_FLAGS (CURLU_PATH_AS_IS | CURLU_URLENCODE | CURLU_ALLOW_SPACE)

#define ONLY_HTTP "its scheme is neither http nor https"

/* Header lines that are not the client's. */
#define OWN_LINES 2

StaticAssertDecl(INN_TRANSFER_DETAIL_SIZE >= CURL_ERROR_SIZE, "libcurl wants more room");

/* Transfers that share connections. */
typedef struct InnPool
{
	CURLM *multi; /* NULL: there is no such pool */
	bool is_restricted;
	int ntransfers;
	TimestampTz empty_since;  /* valid if ntransfers is 0 */
	TimestampTz timer_at;	  /* INN_NEVER: none */
	TimestampTz timer_set_at; /* the clock may have been put back since */
} InnPool;

static int epoll_fd = -1;
static int max_descriptor; /* sockets have lower numbers */
static InnPool pools[MAX_POOLS];
static CURLSH *share; /* of names that were looked up, and of TLS sessions */
static CURL *spare[MAX_SPARE];
static int nspare;
static bool is_starved; /* there was no descriptor for a socket */

static InnPool *choose_pool(bool is_restricted);
static InnPool *open_pool(InnPool *pool, bool is_restricted);
static void close_pool(InnPool *pool);
static void close_idle_pools(void);
static const char *read_target(InnTarget *target, CURLU *url);
static char *url_part(CURLU *url, CURLUPart part);
static CURL *take_handle(void);
static void give_back(CURL *easy);
static bool set_lasting_options(CURL *easy);
static bool set_options(InnTransfer *transfer);
static bool set_method(InnTransfer *transfer);
static struct curl_slist *link_lines(const InnOutgoing *outgoing);
static void serve_timers(void);
static void serve_sockets(void);
static void conclude(InnTransfer *transfer, CURLcode result);
static void detach(InnTransfer *transfer);
static int note_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known);
static int note_timer(CURLM *multi, long timeout_ms, void *userdata);
static int note_lookup(void *resolver, void *reserved, void *userdata);
static curl_socket_t open_socket(void *userdata, curlsocktype purpose,
								 struct curl_sockaddr *address);
static size_t note_line(char *data, size_t size, size_t count, void *userdata);
static size_t note_body(char *data, size_t size, size_t count, void *userdata);

int
inn_transfers_open(int wanted)
{
	Assert(epoll_fd < 0);
	Assert(wanted > 0);

	errno = ENOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (share = curl_share_init()) == NULL)
		return 0;
	(void) curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	(void) curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
	{
		int error = errno;

		(void) curl_share_cleanup(share);
		errno = error;
		return 0;
	}
	wanted = Min(wanted, MAX_TRANSFERS);
	max_descriptor = inn_descriptors_allow(wanted + POOL_CONNECTIONS);
	return Min(wanted, max_descriptor);
}

void
inn_transfers_close(void)
{
	for (int i = 0; i < MAX_POOLS; i++)
		close_pool(&pools[i]);
	while (nspare > 0)
		curl_easy_cleanup(spare[--nspare]);
	(void) curl_share_cleanup(share);
	inn_wait_forget_socket();
	close(epoll_fd);
	epoll_fd = -1;
}

int
inn_transfers_fd(void)
{
	return epoll_fd;
}

TimestampTz
inn_transfers_deadline(void)
{
	TimestampTz deadline = INN_NEVER;

	for (int i = 0; i < MAX_POOLS; i++)
	{
		if (pools[i].multi == NULL)
			continue;
		deadline = inn_sooner(deadline, pools[i].timer_at);
		if (pools[i].ntransfers == 0)
			deadline = inn_sooner(deadline, pools[i].empty_since + POOL_IDLE_USEC);
	}
	return inn_from_real(deadline);
}

/* The first that has room.  NULL: out of memory. */
static InnPool *
choose_pool(bool is_restricted)
{
	InnPool *unused = NULL;

	for (int i = 0; i < MAX_POOLS; i++)
	{
		InnPool *pool = &pools[i];

		if (pool->multi == NULL)
			unused = unused == NULL ? pool : unused;
		else if (pool->is_restricted == is_restricted && pool->ntransfers < POOL_TRANSFERS)
			return pool;
	}
	return unused == NULL ? NULL : open_pool(unused, is_restricted);
}

static InnPool *
open_pool(InnPool *pool, bool is_restricted)
{
	CURLM *multi = curl_multi_init();

	if (multi == NULL)
		return NULL;
	(void) curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, note_socket);
	(void) curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool);
	(void) curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer);
	(void) curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool);
	(void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) POOL_CONNECTIONS);
#if LIBCURL_VERSION_NUM >= 0x081400
	/* Its threads ask for each family apart; and who ends must not wait for a name server. */
	(void) curl_multi_setopt(multi, CURLMOPT_RESOLVE_THREADS_MAX, 2L * INN_CLIENT_MAX_LOOKUPS);
	(void) curl_multi_setopt(multi, CURLMOPT_QUICK_EXIT, 1L);
#endif
	*pool = (InnPool){
		.multi = multi,
		.is_restricted = is_restricted,
		.empty_since = inn_now_real(),
		.timer_at = INN_NEVER,
	};
	return pool;
}

static void
close_pool(InnPool *pool)
{
	Assert(pool->ntransfers == 0);

	if (pool->multi != NULL)
		(void) curl_multi_cleanup(pool->multi);
	pool->multi = NULL;
}

/* Those that are long without transfers; any without, if their connections take others' place. */
static void
close_idle_pools(void)
{
	TimestampTz limit = is_starved ? INN_NEVER : inn_now_real() - POOL_IDLE_USEC;

	is_starved = false;
	for (int i = 0; i < MAX_POOLS; i++)
	{
		if (pools[i].multi != NULL && pools[i].ntransfers == 0 && pools[i].empty_since <= limit)
			close_pool(&pools[i]);
	}
}

const char *
inn_transfer_set_url(InnTransfer *transfer, const char *text, bool keep_query)
{
	CURLU *url = transfer->url != NULL ? transfer->url : curl_url();
	char *query = url_part(url, CURLUPART_QUERY);
	char *new_query;
	CURLUcode code = curl_url_set(url, CURLUPART_URL, text, URL_FLAGS);

	new_query = url_part(url, CURLUPART_QUERY);
	if (code == CURLUE_OK && keep_query && query != NULL && new_query == NULL)
		code = curl_url_set(url, CURLUPART_QUERY, query, 0);
	curl_free(query);
	curl_free(new_query);
	transfer->url = url;
	if (code == CURLUE_UNSUPPORTED_SCHEME)
		return ONLY_HTTP;
	return code != CURLUE_OK ? curl_url_strerror(code) : read_target(&transfer->target, url);
}

static const char *
read_target(InnTarget *target, CURLU *url)
{
	char *scheme = url_part(url, CURLUPART_SCHEME);
	char *host = url_part(url, CURLUPART_HOST);
	char *port = url_part(url, CURLUPART_PORT);
	const char *fault = NULL;

	if (scheme == NULL || host == NULL || port == NULL ||
		(strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		fault = ONLY_HTTP;
	else if (strlcpy(target->host, host, INN_HOST_SIZE) >= INN_HOST_SIZE)
		fault = "the name of the host is too long";
	else
	{
		target->is_tls = scheme[4] == 's';
		target->port = atoi(port);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return fault;
}

/* curl_free() it; NULL: there is no such part. */
static char *
url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	(void) curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0);
	return text;
}

bool
inn_transfer_begin(InnTransfer *transfer)
{
	InnPool *pool = choose_pool(transfer->is_restricted);

	Assert(transfer->easy == NULL);
	Assert(transfer->error == INN_CLIENT_NONE);

	transfer->lines = link_lines(transfer->outgoing);
	transfer->easy = take_handle();
	if (pool == NULL || transfer->lines == NULL || transfer->easy == NULL ||
		!set_options(transfer) || curl_multi_add_handle(pool->multi, transfer->easy) != CURLM_OK)
	{
		give_back(transfer->easy);
		transfer->easy = NULL;
		return false;
	}
	transfer->pool = pool;
	pool->ntransfers++;
	return true;
}

/* A handle with the lasting options set, or NULL. */
static CURL *
take_handle(void)
{
	CURL *easy = nspare > 0 ? spare[--nspare] : curl_easy_init();

	if (easy != NULL && !set_lasting_options(easy))
	{
		curl_easy_cleanup(easy);
		return NULL;
	}
	return easy;
}

/* NULL is fine. */
static void
give_back(CURL *easy)
{
	if (easy == NULL)
		return;
	curl_easy_reset(easy);
	if (nspare < MAX_SPARE)
		spare[nspare++] = easy;
	else
		curl_easy_cleanup(easy);
}

/* What is the same for all. */
static bool
set_lasting_options(CURL *easy)
{
	char *bundle = NULL;
	int bad = 0;

	bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_SHARE, share);
	bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "");			/* whatever the environment says */
	bad |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); /* all that it knows */
	bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
	bad |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) INN_CLIENT_CONNECT_TIMEOUT_MS);
	bad |= curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long) POOL_IDLE_S);
	bad |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	bad |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	bad |= curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, note_lookup);
	bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, note_line);
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, note_body);

	/* With a directory beside it, the file of all authorities would be read for each connection: 10 ms. */
	if (curl_easy_getinfo(easy, CURLINFO_CAINFO, &bundle) == CURLE_OK && bundle != NULL)
		bad |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return bad == 0;
}

static bool
set_options(InnTransfer *transfer)
{
	CURL *easy = transfer->easy;
	int bad = set_method(transfer) ? 0 : 1;

	bad |= curl_easy_setopt(easy, CURLOPT_CURLU, transfer->url);
	bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->lines);
	bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) transfer->timeout_ms);
	bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	bad |= curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, transfer);
	bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	bad |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
	transfer->detail[0] = '\0';
	transfer->must_wait = false;
	transfer->trouble = INN_CLIENT_NONE;
	return bad == 0;
}

static bool
set_method(InnTransfer *transfer)
{
	const InnOutgoing *outgoing = transfer->outgoing;
	CURL *easy = transfer->easy;
	int bad = 0;

	bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, outgoing->method);
	if (strcmp(outgoing->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK && bad == 0;
	bad |= curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
							(curl_off_t) transfer->incoming.max_body_bytes);
	if (outgoing->body != NULL)
	{
		bad |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
		bad |=
			curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) outgoing->body_size);
		bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, outgoing->body);
	}
	return bad == 0;
}

/* The headers as libcurl's list, and what it would say by itself as not to be said; free() it. */
static struct curl_slist *
link_lines(const InnOutgoing *outgoing)
{
	struct curl_slist *lines = malloc((outgoing->nlines + OWN_LINES) * sizeof(struct curl_slist));
	int n = 0;

	if (lines == NULL)
		return NULL;
	for (; n < outgoing->nlines; n++)
		lines[n].data = unconstify(char *, outgoing->lines[n]);
	lines[n++].data = (char *) "Expect:";
	if (!outgoing->has_content_type)
		lines[n++].data = (char *) "Content-Type:";
	for (int i = 0; i < n; i++)
		lines[i].next = i + 1 < n ? &lines[i + 1] : NULL;
	return lines;
}

void
inn_transfers_run(void)
{
	sigset_t all;
	sigset_t before;

	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &before);
	serve_timers();
	serve_sockets();
	close_idle_pools();
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
serve_timers(void)
{
	TimestampTz now = inn_now_real();
	int nrunning;

	for (int i = 0; i < MAX_POOLS; i++)
	{
		InnPool *pool = &pools[i];

		if (pool->multi == NULL || (now < pool->timer_at && now >= pool->timer_set_at))
			continue;
		pool->timer_at = INN_NEVER;
		pool->timer_set_at = now;
		(void) curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &nrunning);
	}
}

static void
serve_sockets(void)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int n = EVENTS_PER_ROUND;
	int nrunning;

	for (int round = 0; round < ROUNDS_PER_TURN && n == EVENTS_PER_ROUND; round++)
	{
		n = epoll_wait(epoll_fd, events, EVENTS_PER_ROUND, 0);
		for (int i = 0; i < n; i++)
		{
			InnPool *pool = &pools[events[i].data.u64 >> 32];
			int mask = (events[i].events & ~EPOLLOUT ? CURL_CSELECT_IN : 0) |
					   (events[i].events & ~EPOLLIN ? CURL_CSELECT_OUT : 0);

			if (pool->multi != NULL)
				(void) curl_multi_socket_action(pool->multi, (curl_socket_t) events[i].data.u64,
												mask, &nrunning);
		}
	}
}

InnTransfer *
inn_transfer_next(void)
{
	for (int i = 0; i < MAX_POOLS; i++)
	{
		InnTransfer *transfer = NULL;
		CURLMsg *message;
		int nleft;

		if (pools[i].multi == NULL ||
			(message = curl_multi_info_read(pools[i].multi, &nleft)) == NULL)
			continue;
		Assert(message->msg == CURLMSG_DONE);
		(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
		conclude(transfer, message->data.result);
		return transfer;
	}
	return NULL;
}

static void
conclude(InnTransfer *transfer, CURLcode result)
{
	long status = 0;

	/* libcurl is content with headers that end in the middle. */
	if (result == CURLE_OK && transfer->incoming.is_in_headers)
		result = CURLE_PARTIAL_FILE;
	if (result != CURLE_OK && !transfer->must_wait)
		inn_transfer_judge(transfer, result);
	(void) curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->status = (int) status;
	detach(transfer);
}

void
inn_transfer_clear(InnTransfer *transfer)
{
	if (transfer->easy != NULL)
		detach(transfer);
	if (!transfer->must_wait)
		inn_lookup_end(transfer->lookup);
	transfer->lookup = NULL;
	curl_url_cleanup(transfer->url);
	transfer->url = NULL;
}

/* Take it away from libcurl. */
static void
detach(InnTransfer *transfer)
{
	InnPool *pool = transfer->pool;

	(void) curl_multi_remove_handle(pool->multi, transfer->easy);
	give_back(transfer->easy);
	free(transfer->lines);
	transfer->easy = NULL;
	transfer->lines = NULL;
	transfer->pool = NULL;
	if (--pool->ntransfers == 0)
		pool->empty_since = inn_now_real();
}

/* ---- callbacks of libcurl: no palloc, no ereport below ---- */

static int
note_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
	InnPool *pool = userdata;
	struct epoll_event event = {
		.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0),
		.data.u64 = (uint64) (pool - pools) << 32 | (uint32) fd,
	};

	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}

	/* The number may have been another socket's, which libcurl closed without a word. */
	if (epoll_ctl(epoll_fd, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
		(void) epoll_ctl(epoll_fd, errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
	if (known == NULL)
		(void) curl_multi_assign(pool->multi, fd, pool);
	return 0;
}

static int
note_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	InnPool *pool = userdata;

	pool->timer_set_at = inn_now_real();
	pool->timer_at = timeout_ms < 0 ? INN_NEVER
									: pool->timer_set_at + timeout_ms * INT64CONST(1000);
	return 0;
}

/* libcurl is about to look up a name that it does not know.  Anything but 0 ends the transfer. */
static int
note_lookup(void *resolver, void *reserved, void *userdata)
{
	InnTransfer *transfer = userdata;

	if (transfer->must_wait)
		return 1;
	if (transfer->lookup != NULL || !inn_lookup_is_needed(transfer->target.host))
		return 0;
	transfer->must_wait = !inn_lookup_begin(transfer->target.host, &transfer->lookup);
	return transfer->must_wait ? 1 : 0;
}

static curl_socket_t
open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
	InnTransfer *transfer = userdata;
	int fd;

	/* So the name is known. */
	inn_lookup_end(transfer->lookup);
	transfer->lookup = NULL;

	transfer->trouble = INN_CLIENT_NONE;
	if (transfer->is_restricted && !inn_address_is_public(&address->addr))
	{
		transfer->trouble = INN_CLIENT_REFUSED;
		inn_address_print(&address->addr, transfer->address, sizeof(transfer->address));
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
				address->protocol);
	if (fd >= max_descriptor)
	{
		close(fd);
		fd = -1;
		errno = EMFILE;
	}
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
	{
		transfer->trouble = INN_CLIENT_BUSY;
		is_starved = true;
	}
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static size_t
note_line(char *data, size_t size, size_t count, void *userdata)
{
	InnTransfer *transfer = userdata;

	transfer->trouble = inn_incoming_line(&transfer->incoming, data, size * count);
	return transfer->trouble == INN_CLIENT_NONE ? size * count : CURL_WRITEFUNC_ERROR;
}

static size_t
note_body(char *data, size_t size, size_t count, void *userdata)
{
	InnTransfer *transfer = userdata;

	transfer->trouble = inn_incoming_body(&transfer->incoming, data, size * count);
	return transfer->trouble == INN_CLIENT_NONE ? size * count : CURL_WRITEFUNC_ERROR;
}
