/*-------------------------------------------------------------------------
 *
 * url.h
 *	  The address of a Redis server, as a setting spells it.
 *
 * Everything here is pure: no memory is allocated and no error is raised.
 *
 * IDENTIFICATION
 *	  src/base/url.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_BASE_URL_H
#define INN_BASE_URL_H

#define INN_REDIS_DEFAULT_PORT 6379

/* sizes of the decoded parts, each with its NUL */
#define INN_URL_HOST_SIZE 256
#define INN_URL_USER_SIZE 128
#define INN_URL_PASSWORD_SIZE 256

/* room for every text inn_redis_url_display() writes, with its NUL */
#define INN_URL_DISPLAY_SIZE 1280

/* A parsed URL; every text is percent-decoded and NUL-terminated. */
typedef struct InnRedisUrl
{
	bool is_unix;						  /* a socket in the file system */
	char host[INN_URL_HOST_SIZE];		  /* name or address without brackets; or the
											 * absolute path of the socket */
	int port;							  /* 1 .. 65535; 0 if is_unix */
	int database;						  /* 0 unless given */
	char user[INN_URL_USER_SIZE];		  /* empty unless given */
	char password[INN_URL_PASSWORD_SIZE]; /* may be empty even if given */
	bool has_password;
} InnRedisUrl;

/*
 * Read one of
 *
 *		redis://[user[:password]@]host[:port][/database]
 *		unix://[user[:password]@]/path/of/socket[?db=database]
 *
 * The scheme may be in either case.  An IPv6 address stands in brackets.
 * User, password and path may be percent-encoded, and a '@' in a password is
 * understood without; '/', '?' and '#' must be encoded there.
 *
 * On failure all of *out is zero and *error is a sentence for errdetail().  It
 * is a constant: it quotes nothing of the URL, so it cannot show a password.
 */
extern bool inn_redis_url_parse(const char *text, InnRedisUrl *out, const char **error);

/*
 * Write the URL for people and logs: the same form, with "***" in the place of
 * the password, and everything that is not plain printable ASCII encoded.
 * Like snprintf(), cuts the text off rather than overrun the buffer;
 * INN_URL_DISPLAY_SIZE bytes are always enough.
 */
extern void inn_redis_url_display(const InnRedisUrl *url, char *buf, size_t buflen);

#endif /* INN_BASE_URL_H */
