/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  Keys at the door.
 *
 * In dev mode nobody is asked for a key, also if there are keys: whoever reaches a loopback address may
 * do what he likes.  In cloud mode events need an event key, which is part of the path, and everything else
 * that is not open to all needs the signing key, as a bearer token.
 *
 * The forms of refusals are those that the SDKs know (protocol.md 2.4, 3.1).
 *
 * IDENTIFICATION
 *	  src/http/auth.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "base/guc.h"
#include "http/auth.h"
#include "http/reply.h"
#include "store/keys.h"

static bool is_loopback(const char *address);
static bool has_signing_key(const InnRequest *request);
static void refuse_event_key(InnRequest *request);

bool
inn_auth_admit(InnRequest *request, const InnTarget *target)
{
	static const char failed[] = "Authentication failed\n";

	if (inn_mode == INN_MODE_DEV || target->route->auth == INN_AUTH_NONE)
		return true;

	inn_keys_refresh();
	if (target->route->auth == INN_AUTH_EVENT_KEY)
	{
		if (inn_keys_is_event_key(target->variables[0].value))
			return true;
		refuse_event_key(request);
		return false;
	}
	if (has_signing_key(request))
		return true;
	inn_server_reply(request, 401, "text/plain; charset=utf-8", NULL, failed, sizeof(failed) - 1);
	return false;
}

static bool
has_signing_key(const InnRequest *request)
{
	const char *token = request->headers[INN_HEADER_AUTHORIZATION];

	if (token == NULL || pg_strncasecmp(token, "Bearer ", 7) != 0)
		return false;
	token += 7;
	return inn_keys_is_signing_key(token + strspn(token, " "));
}

static void
refuse_event_key(InnRequest *request)
{
	static const char unknown[] =
		"{\"status\":401,\"message\":\"\",\"error\":\"Event key not found\"}";
	static const char none[] =
		"{\"status\":503,\"message\":\"\",\"error\":\"Event keys are required to process events securely\"}";

	if (inn_keys_have_event_key())
		inn_reply(request, 401, unknown, sizeof(unknown) - 1);
	else
		inn_reply(request, 503, none, sizeof(none) - 1);
}

const char *
inn_auth_address_fault(const char *address, const char **hint)
{
	*hint = NULL;
	if (is_loopback(address))
		return NULL;
	if (inn_mode != INN_MODE_CLOUD)
	{
		*hint =
			"Set \"inngest.mode\" to \"cloud\", in which requests need keys, or listen on 127.0.0.1.";
		return "it is not a loopback address";
	}

	inn_keys_refresh();
	if (inn_keys_signing_key() != NULL && inn_keys_have_event_key())
		return NULL;
	*hint =
		"Make them with inngest.create_signing_key() and inngest.create_event_key(), or listen on 127.0.0.1.";
	return "it is not a loopback address, and keys of both kinds are needed for that";
}

static bool
is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, address, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
