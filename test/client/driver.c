/*
 * The HTTP client without a server around it: commands come in, replies go out, a line each.
 *
 * A line is a word and fields "name=value", with tabs between; fields may repeat.  Answers are JSON.
 *
 *		call id= url= method= header= body= body_size= timeout= max= restricted= hold=
 *		abandon id=			free id=			what is on hold
 *		stats				room, descriptors, threads, memory, lookups, processor time
 *		clock ms=			put the wall clock forward or back
 *		release				let lookups of names with "slow." in them go on
 *		open n=  close		begin anew
 *		descriptors n=		limit of descriptors
 *		address text=		is it public?
 *		bench url= n= concurrency= body_size=
 *
 * Names of hosts are not asked of anybody: getaddrinfo() is here, and says what the tests need.  So is
 * connect(), which takes 8.8.8.8 for ourselves.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/timer.h"
#include "execute/address.h"
#include "execute/client.h"

#define MAX_IDS 20000
#define MAX_LINE (1024 * 1024)
#define MAX_FIELDS 600
#define SHOWN_BODY_BYTES 4096

typedef struct Command
{
	char *word;
	int nfields;
	char *names[MAX_FIELDS];
	char *values[MAX_FIELDS];
} Command;

/* A measurement that is under way. */
typedef struct Bench
{
	int left;
	int underway;
	int failed;
	InnClientRequest request;
	struct timespec begun;
	double cpu_us;
	int n;
} Bench;

static InnClientCall *calls[MAX_IDS];
static InnClientReply *held[MAX_IDS];
static bool hold[MAX_IDS];
static TimestampTz clock_shift;
static Bench bench;

static atomic_int nlookups, nlooking, max_looking, nunmasked, nreleased;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

/* ---- what the server gives the client ---- */

TimestampTz
inn_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((int64) now.tv_sec - 946684800) * 1000000 + now.tv_nsec / 1000 + clock_shift;
}

TimestampTz
inn_now_real(void)
{
	return inn_now();
}

TimestampTz
inn_from_real(TimestampTz when)
{
	return when;
}

void
inn_wait_forget_socket(void)
{
}

#if PG_VERSION_NUM >= 160000
void
ExceptionalCondition(const char *condition, const char *file, int line)
#else
void
ExceptionalCondition(const char *condition, const char *kind, const char *file, int line)
#endif
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, condition);
	abort();
}

/* ---- what the network gives the client ---- */

static struct addrinfo *
make_address(const char *text, const char *service, struct addrinfo *next)
{
	struct addrinfo *info = calloc(1, sizeof(struct addrinfo) + sizeof(struct sockaddr_in));
	struct sockaddr_in *address = (struct sockaddr_in *) (info + 1);

	address->sin_family = AF_INET;
	address->sin_port = htons(atoi(service));
	inet_pton(AF_INET, text, &address->sin_addr);
	info->ai_family = AF_INET;
	info->ai_socktype = SOCK_STREAM;
	info->ai_protocol = IPPROTO_TCP;
	info->ai_addrlen = sizeof(struct sockaddr_in);
	info->ai_addr = (struct sockaddr *) address;
	info->ai_next = next;
	return info;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static void
look_long(void)
{
	int seen = nreleased;

	pthread_mutex_lock(&mutex);
	while (seen == nreleased)
		pthread_cond_wait(&released, &mutex);
	pthread_mutex_unlock(&mutex);
}

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	sigset_t mask;
	int looking;

	/* Since 8.20 libcurl asks for both families apart; there are no addresses of the other one here. */
	if (hints != NULL && hints->ai_family == AF_INET6)
		return EAI_NONAME;
	looking = ++nlooking;
	nlookups++;
	if (looking > max_looking)
		max_looking = looking;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (int signal = 1; signal < 32; signal++)
	{
		if (signal != SIGKILL && signal != SIGSTOP && !sigismember(&mask, signal))
			nunmasked++;
	}
	if (strstr(host, "slow.") != NULL)
		look_long();
	nlooking--;
	if (ends_with(host, "nowhere.test"))
		return EAI_NONAME;
	if (strcmp(host, "private.test") == 0)
		*result = make_address("10.1.2.3", service, make_address("127.0.0.1", service, NULL));
	else if (strcmp(host, "public.test") == 0)
		*result = make_address("8.8.8.8", service, NULL);
	else if (strcmp(host, "both.test") == 0)
		*result = make_address("127.0.0.1", service, make_address("8.8.8.8", service, NULL));
	else
		*result = make_address("127.0.0.1", service, NULL);
	return 0;
}

int
connect(int fd, const struct sockaddr *address, socklen_t size)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);
	struct sockaddr_in changed;

	if (real == NULL)
		real = (int (*)(int, const struct sockaddr *, socklen_t)) dlsym(RTLD_NEXT, "connect");
	if (address->sa_family == AF_INET &&
		((const struct sockaddr_in *) address)->sin_addr.s_addr == inet_addr("8.8.8.8"))
	{
		memcpy(&changed, address, sizeof(changed));
		changed.sin_addr.s_addr = inet_addr("127.0.0.1");
		address = (const struct sockaddr *) &changed;
	}
	return real(fd, address, size);
}

/* ---- answers ---- */

static void
print_text(const char *text, size_t size)
{
	putchar('"');
	for (size_t i = 0; i < size; i++)
	{
		unsigned char c = text[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c > '~')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
print_reply(int id, InnClientReply *reply)
{
	static const char *const kinds[] = {"none",		 "invalid", "refused", "resolve",
										"connect",	 "timeout", "cut_off", "too_large",
										"redirects", "busy",	"garbled"};
	int nheaders = 0;
	const InnClientHeader *headers = inn_client_headers(reply, &nheaders);
	const char *sdk = inn_client_header(reply, "x-inngest-sdk");

	printf("{\"id\":%d,\"error\":\"%s\",\"sentence\":", id, kinds[reply->error]);
	print_text(reply->sentence, strlen(reply->sentence));
	printf(",\"status\":%d,\"size\":%zu,\"redirects\":%d,\"took_us\":%ld,\"body\":", reply->status,
		   reply->size, reply->redirects, (long) reply->took_us);
	print_text(reply->body, Min(reply->size, SHOWN_BODY_BYTES));
	printf(",\"terminated\":%s,\"sdk\":", reply->body[reply->size] == '\0' ? "true" : "false");
	if (sdk == NULL)
		printf("null");
	else
		print_text(sdk, strlen(sdk));
	printf(",\"headers\":[");
	for (int i = 0; i < nheaders; i++)
	{
		printf(i == 0 ? "[" : ",[");
		print_text(headers[i].name, strlen(headers[i].name));
		putchar(',');
		print_text(headers[i].value, strlen(headers[i].value));
		putchar(']');
	}
	printf("]}\n");
}

static int
count_entries(const char *directory)
{
	DIR *dir = opendir(directory);
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

static long
resident_kb(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long total = 0;
	long resident = 0;

	if (fscanf(file, "%ld %ld", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static double
cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec +
		   usage.ru_stime.tv_usec;
}

static void
print_stats(void)
{
	TimestampTz deadline = inn_client_deadline();
	TimestampTz now = inn_now();

	printf(
		"{\"room\":%d,\"descriptors\":%d,\"threads\":%d,\"resident_kb\":%ld,\"lookups\":%d,"
		"\"looking\":%d,\"max_looking\":%d,\"unmasked\":%d,\"cpu_us\":%.0f,\"deadline_ms\":%ld}\n",
		inn_client_room(), count_entries("/proc/self/fd") - 1, count_entries("/proc/self/task"),
		resident_kb(), nlookups, nlooking, max_looking, nunmasked, cpu_us(),
		deadline == INN_NEVER ? -1
		: deadline <= now	  ? 0
							  : (long) (deadline - now) / 1000);
}

/* ---- commands ---- */

static bool
read_command(char *line, Command *command)
{
	char *state;
	char *field;

	command->word = strtok_r(line, "\t", &state);
	command->nfields = 0;
	if (command->word == NULL)
		return false;
	while (command->nfields < MAX_FIELDS && (field = strtok_r(NULL, "\t", &state)) != NULL)
	{
		char *equals = strchr(field, '=');

		*equals = '\0';
		command->names[command->nfields] = field;
		command->values[command->nfields++] = equals + 1;
	}
	return true;
}

static const char *
text_of(const Command *command, const char *name)
{
	for (int i = 0; i < command->nfields; i++)
	{
		if (strcmp(command->names[i], name) == 0)
			return command->values[i];
	}
	return NULL;
}

static long
number_of(const Command *command, const char *name)
{
	const char *text = text_of(command, name);

	return text == NULL ? 0 : atol(text);
}

/* Fields are text without line ends; "\n" and "\r" stand for some. */
static void
unescape(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++)
	{
		if (text[0] == '\\' && (text[1] == 'n' || text[1] == 'r'))
			*out++ = *++text == 'n' ? '\n' : '\r';
		else
			*out++ = *text;
	}
	*out = '\0';
}

/* Everything in a request but its cookie; free() the body. */
static InnClientRequest
request_of(const Command *command, const char **headers)
{
	InnClientRequest request = {.method = text_of(command, "method"), .headers = headers};
	const char *body = text_of(command, "body");
	long body_size = number_of(command, "body_size");

	if (request.method == NULL)
		request.method = body != NULL || body_size > 0 ? "POST" : "GET";
	request.url = text_of(command, "url");
	for (int i = 0; i < command->nfields; i++)
	{
		if (strcmp(command->names[i], "header") == 0)
		{
			unescape(command->values[i]);
			headers[request.nheaders++] = command->values[i];
		}
	}
	request.body_size = body != NULL ? strlen(body) : (size_t) body_size;
	if (body != NULL)
		request.body = strdup(body);
	else if (body_size > 0)
	{
		request.body = malloc(body_size);
		memset(unconstify(char *, request.body), 'x', body_size);
	}
	request.timeout_ms = (int) number_of(command, "timeout");
	request.max_reply_bytes = number_of(command, "max");
	request.is_restricted = number_of(command, "restricted") != 0;
	request.keeps_query = number_of(command, "keep") != 0;
	return request;
}

static void
start_call(const Command *command)
{
	const char *headers[MAX_FIELDS];
	InnClientRequest request = request_of(command, headers);
	long id = number_of(command, "id");

	request.cookie = (void *) id;
	hold[id] = number_of(command, "hold") != 0;
	calls[id] = inn_client_start(&request);
	free(unconstify(char *, request.body));
}

static void
forget_bench(void)
{
	free(unconstify(char *, bench.request.url));
	free(unconstify(char *, bench.request.method));
	free(unconstify(char *, bench.request.body));
}

static void
start_bench(const Command *command)
{
	static const char *headers[MAX_FIELDS];

	forget_bench();
	bench = (Bench){
		.left = (int) number_of(command, "n"),
		.n = (int) number_of(command, "n"),
		.request = request_of(command, headers),
		.cpu_us = cpu_us(),
	};
	bench.request.url = strdup(bench.request.url);
	bench.request.method = strdup(bench.request.method);
	bench.request.cookie = &bench;
	clock_gettime(CLOCK_MONOTONIC, &bench.begun);
	for (long i = number_of(command, "concurrency"); i > 0; i--)
	{
		bench.left--;
		bench.underway++;
		(void) inn_client_start(&bench.request);
	}
}

static void
go_on_with_bench(InnClientReply *reply)
{
	struct timespec now;
	double us;

	bench.failed += reply->status != 200;
	bench.underway--;
	if (bench.left > 0)
	{
		bench.left--;
		bench.underway++;
		(void) inn_client_start(&bench.request);
	}
	if (bench.underway > 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - bench.begun.tv_sec) * 1e6 + (now.tv_nsec - bench.begun.tv_nsec) / 1e3;
	printf("{\"calls\":%d,\"failed\":%d,\"us_per_call\":%.1f,\"cpu_us_per_call\":%.1f}\n", bench.n,
		   bench.failed, us / bench.n, (cpu_us() - bench.cpu_us) / bench.n);
}

static void
open_client(int n)
{
	if (!inn_client_open(n))
	{
		perror("inn_client_open");
		exit(1);
	}
}

static void
tell_address(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool is_v4 = inet_pton(AF_INET, text, &v4.sin_addr) == 1;
	const struct sockaddr *address = is_v4 ? (const struct sockaddr *) &v4
										   : (const struct sockaddr *) &v6;
	char printed[INN_ADDRESS_SIZE];

	if (!is_v4 && inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
		v6.sin6_family = AF_UNIX;
	inn_address_print(address, printed, sizeof(printed));
	printf("{\"public\":%s,\"printed\":\"%s\"}\n",
		   inn_address_is_public(address) ? "true" : "false", printed);
}

static void
execute(const Command *command)
{
	long id = number_of(command, "id");

	if (strcmp(command->word, "call") == 0)
		start_call(command);
	else if (strcmp(command->word, "abandon") == 0)
		inn_client_abandon(calls[id]);
	else if (strcmp(command->word, "free") == 0)
		inn_client_free(held[id]);
	else if (strcmp(command->word, "stats") == 0)
		print_stats();
	else if (strcmp(command->word, "clock") == 0)
		clock_shift += number_of(command, "ms") * 1000;
	else if (strcmp(command->word, "release") == 0)
	{
		pthread_mutex_lock(&mutex);
		nreleased++;
		pthread_cond_broadcast(&released);
		pthread_mutex_unlock(&mutex);
	}
	else if (strcmp(command->word, "close") == 0)
		inn_client_close();
	else if (strcmp(command->word, "open") == 0)
		open_client((int) number_of(command, "n"));
	else if (strcmp(command->word, "descriptors") == 0)
	{
		rlim_t n = (rlim_t) number_of(command, "n");

		setrlimit(RLIMIT_NOFILE, &(struct rlimit){n, n});
	}
	else if (strcmp(command->word, "address") == 0)
		tell_address(text_of(command, "text"));
	else if (strcmp(command->word, "bench") == 0)
		start_bench(command);
	else
		fprintf(stderr, "unknown command \"%s\"\n", command->word);
}

/* Execute what has arrived.  False at the end of the input. */
static bool
serve_input(void)
{
	static char buffer[MAX_LINE];
	static size_t filled;
	ssize_t n = read(STDIN_FILENO, buffer + filled, sizeof(buffer) - filled);
	char *line = buffer;
	char *end;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	filled += n;
	while ((end = memchr(line, '\n', buffer + filled - line)) != NULL)
	{
		Command command;

		*end = '\0';
		if (read_command(line, &command))
			execute(&command);
		line = end + 1;
	}
	filled = buffer + filled - line;
	memmove(buffer, line, filled);
	return true;
}

static void
serve_replies(void)
{
	InnClientReply *reply;

	while ((reply = inn_client_next()) != NULL)
	{
		long id = (long) reply->cookie;

		if (reply->cookie == &bench)
			go_on_with_bench(reply);
		else
			print_reply((int) id, reply);
		if (reply->cookie != &bench && hold[id])
			held[id] = reply;
		else
			inn_client_free(reply);
	}
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	open_client(argc > 1 ? atoi(argv[1]) : 1000);
	for (;;)
	{
		struct pollfd ready[2] = {{STDIN_FILENO, POLLIN, 0}, {inn_client_fd(), POLLIN, 0}};
		TimestampTz deadline = inn_client_deadline();
		TimestampTz now = inn_now();

		fflush(stdout);
		(void) poll(ready, 2,
					deadline <= now ? 0 : (int) Min((deadline - now) / 1000 + 1, 3600000));
		if (ready[0].revents != 0 && !serve_input())
			break;
		inn_client_run();
		serve_replies();
	}
	inn_client_close();
	forget_bench();
	return 0;
}
