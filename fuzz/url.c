/*
 * Fuzz target: the address of the Redis server.
 */
#include "base/url.c"

extern int LLVMFuzzerInitialize(int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_good(const char *text, const char *display, const char *password);
static void check_bad(const char *text);
static void check_display(const InnRedisUrl *url);

/* What is known to be right. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *bad[] = {
		"",
		"redis:",
		"redis:/",
		"redis://",
		"redis:///0",
		"localhost",
		"http://h",
		"valkey://h",
		"rediss://h",
		"redis://:6379",
		"redis://h:",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:x",
		"redis://h:-1",
		"redis://h:6379x",
		"redis://h/x",
		"redis://h/-1",
		"redis://h/0/",
		"redis://h/2147483648",
		"redis://h?db=1",
		"redis://h/?db=1",
		"redis://h/0?db=1",
		"redis://h#",
		"redis://h i",
		" redis://h",
		"redis://h\n",
		"redis://[::1",
		"redis://[]",
		"redis://[1.2.3.4]",
		"redis://[::1]x",
		"redis://[::1]:",
		"redis://::1",
		"redis://[::%31]x",
		"redis://h%41",
		"redis://h,i",
		"redis://u:p%@h",
		"redis://u:p%4@h",
		"redis://u:p%zz@h",
		"redis://u:p%00@h",
		"redis://u%00@h",
		"redis://a:b/c@h",
		"redis://h\xC3\xA9",
		"unix://",
		"unix:///",
		"unix://h/s",
		"unix://u:p@",
		"unix://s",
		"unix:///s?",
		"unix:///s?db=",
		"unix:///s?db=x",
		"unix:///s?db=1&db=2",
		"unix:///s?x=1",
		"unix:///s%",
		"unix:///s%00",
	};

	InnRedisUrl url;
	const char *error;
	char long_path[sizeof("unix://") + SOCKET_PATH_MAX + 1] = "unix:///";

	check_good("redis://h", "redis://h:6379/0", NULL);
	check_good("REDIS://H/", "redis://H:6379/0", NULL);
	check_good("redis://127.0.0.1:63799/15", "redis://127.0.0.1:63799/15", NULL);
	check_good("redis://[::1]/1", "redis://[::1]:6379/1", NULL);
	check_good("redis://u:p@[2001:db8::1]:1", "redis://u:***@[2001:db8::1]:1/0", "p");
	check_good("redis://:p@h", "redis://:***@h:6379/0", "p");
	check_good("redis://u:p@h", "redis://u:***@h:6379/0", "p");
	check_good("redis://u@h", "redis://u@h:6379/0", NULL);
	check_good("redis://u:@h", "redis://u:***@h:6379/0", "");
	check_good("redis://@h", "redis://h:6379/0", NULL);
	check_good("redis://:a@b:c@h", "redis://:***@h:6379/0", "a@b:c");
	check_good("redis://u%3a:%2F%40%23%20@h", "redis://u%3A:***@h:6379/0", "/@# ");
	check_good("redis://%0Au:p@h", "redis://%0Au:***@h:6379/0", "p");
	check_good("unix:///run/redis.sock", "unix:///run/redis.sock?db=0", NULL);
	check_good("unix:///run/a%20b?db=7", "unix:///run/a%20b?db=7", NULL);
	check_good("unix://u:p@/s", "unix://u:***@/s?db=0", "p");
	for (size_t i = 0; i < lengthof(bad); i++)
		check_bad(bad[i]);

	/* one character more than a socket address holds */
	memset(long_path + strlen(long_path), 'x', sizeof(long_path) - strlen(long_path) - 1);
	check_bad(long_path);
	long_path[sizeof(long_path) - 2] = '\0';
	Assert(inn_redis_url_parse(long_path, &url, &error));
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* of exact size, so that reading on is noticed */
	const char *error;
	InnRedisUrl url;

	memcpy(text, data, size);
	text[size] = '\0';
	if (inn_redis_url_parse(text, &url, &error))
		check_display(&url);
	else
		check_bad(text);
	free(text);
	return 0;
}

static void
check_good(const char *text, const char *display, const char *password)
{
	char shown[INN_URL_DISPLAY_SIZE];
	const char *error;
	InnRedisUrl url;

	Assert(inn_redis_url_parse(text, &url, &error));
	Assert(error == NULL);
	Assert(url.has_password == (password != NULL));
	Assert(strcmp(url.password, password != NULL ? password : "") == 0);
	inn_redis_url_display(&url, shown, sizeof(shown));
	Assert(strcmp(shown, display) == 0);
	check_display(&url);
}

/* A failure leaves a sentence, and nothing of what was read. */
static void
check_bad(const char *text)
{
	static const InnRedisUrl empty;
	const char *error = NULL;
	InnRedisUrl url;

	Assert(!inn_redis_url_parse(text, &url, &error));
	Assert(error[strlen(error) - 1] == '.');
	Assert(memcmp(&url, &empty, sizeof(url)) == 0);
}

/*
 * The display is printable, tells everything but the password, is the same for
 * any password, and is cut off where the buffer ends.
 */
static void
check_display(const InnRedisUrl *url)
{
	char shown[INN_URL_DISPLAY_SIZE];
	char other[INN_URL_DISPLAY_SIZE];
	char small[16];
	const char *error;
	InnRedisUrl again;

	inn_redis_url_display(url, shown, sizeof(shown));
	Assert(strlen(shown) < sizeof(shown) - 1);
	for (const char *p = shown; *p != '\0'; p++)
		Assert(*p > ' ' && *p < 0x7F);

	Assert(inn_redis_url_parse(shown, &again, &error));
	Assert(strcmp(again.password, url->has_password ? "***" : "") == 0);
	inn_redis_url_display(&again, other, sizeof(other));
	Assert(strcmp(shown, other) == 0);
	Assert(strcmp(again.user, url->user) == 0);
	Assert(strcmp(again.host, url->host) == 0);
	Assert(again.is_unix == url->is_unix);
	Assert(again.port == url->port);
	Assert(again.database == url->database);
	Assert(again.has_password == url->has_password);

	inn_redis_url_display(url, small, sizeof(small));
	Assert(strlen(small) < sizeof(small));
	Assert(strncmp(small, shown, strlen(small)) == 0);
	inn_redis_url_display(url, NULL, 0);
}
