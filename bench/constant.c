/*-------------------------------------------------------------------------
 *
 * constant.c
 *	  What HTTP alone costs: the daemon of src/http/server.c, but every answer is the same.
 *
 * One thread, epoll, the same options and limits, the body is read and thrown away, the reply has
 * the headers and the size of one that accepts an event.  Usage: constant PORT
 *
 * IDENTIFICATION
 *	  bench/constant.c
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CONNECTION_BYTES (16 * 1024)
#define MAX_CONNECTIONS 1024
#define TIMEOUT_SECONDS 30
#define BACKLOG 1024

static const char reply[] =
	"{\"status\":200,\"ids\":[\"01JD7V3W0000000000000000000\"],\"runs\":[]}";

static enum MHD_Result
handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *data, size_t *size, void **context)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	(void) cls, (void) url, (void) method, (void) version, (void) data;
	if (*context == NULL)
	{
		*context = connection;
		return MHD_YES;
	}
	if (*size > 0)
	{
		*size = 0;
		return MHD_YES;
	}

	response =
		MHD_create_response_from_buffer(sizeof(reply) - 1, (void *) reply, MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	(void) MHD_add_response_header(response, "Content-Type", "application/json");
	(void) MHD_add_response_header(response, "X-Inngest-Server-Kind", "dev");
	(void) MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
	(void) MHD_add_response_header(response, "Access-Control-Expose-Headers", "Link");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
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
		perror("constant");
		exit(1);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	int port = argc == 2 ? atoi(argv[1]) : 0;
	struct MHD_Daemon *daemon;
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (port <= 0)
	{
		fprintf(stderr, "usage: constant PORT\n");
		return 2;
	}
	daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, NULL,
							  MHD_OPTION_LISTEN_SOCKET, listen_on(port),
							  MHD_OPTION_CONNECTION_LIMIT, (unsigned int) MAX_CONNECTIONS,
							  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_BYTES,
							  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) TIMEOUT_SECONDS,
							  MHD_OPTION_END);
	if (daemon == NULL ||
		epoll_ctl(epoll, EPOLL_CTL_ADD,
				  MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &event) < 0)
		return 1;
	for (;;)
	{
		MHD_UNSIGNED_LONG_LONG timeout_ms;
		struct epoll_event ready;

		(void) epoll_wait(epoll, &ready, 1,
						  MHD_get_timeout(daemon, &timeout_ms) == MHD_YES ? (int) timeout_ms : -1);
		(void) MHD_run(daemon);
	}
}
