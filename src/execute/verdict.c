/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  What went wrong with a transfer, in words for who reads the error of a run.
 *
 * IDENTIFICATION
 *	  src/execute/verdict.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "execute/verdict.h"

/* CURLE_TOO_LARGE since 8.6; before, it is out of memory */
#define TOO_LARGE ((CURLcode) 100)

static void judge_timeout(InnTransfer *transfer);
static void judge_trouble(InnTransfer *transfer);

void
inn_transfer_fail(InnTransfer *transfer, InnClientError error, const char *format, ...)
{
	va_list arguments;

	Assert(error != INN_CLIENT_NONE);
	Assert(transfer->error == INN_CLIENT_NONE);

	transfer->error = error;
	va_start(arguments, format);
	(void) vsnprintf(transfer->sentence, sizeof(transfer->sentence), format, arguments);
	va_end(arguments);
	for (char *c = transfer->sentence; *c != '\0'; c++)
	{
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

void
inn_transfer_judge(InnTransfer *transfer, int result)
{
	const char *host = transfer->target.host;
	int port = transfer->target.port;
	const char *detail = transfer->detail[0] != '\0' ? transfer->detail
													 : curl_easy_strerror((CURLcode) result);
	long os_error = 0;

	/* A line that is too large for libcurl. */
	if (transfer->incoming.is_in_headers && (result == CURLE_OUT_OF_MEMORY || result == TOO_LARGE))
		result = CURLE_FILESIZE_EXCEEDED;
	switch (result)
	{
		case CURLE_FILESIZE_EXCEEDED:
			transfer->trouble = INN_CLIENT_TOO_LARGE;
			judge_trouble(transfer);
			break;
		case CURLE_OUT_OF_MEMORY:
			transfer->trouble = INN_CLIENT_BUSY;
			judge_trouble(transfer);
			break;
		case CURLE_WRITE_ERROR:
		case CURLE_ABORTED_BY_CALLBACK:
			judge_trouble(transfer);
			break;
		case CURLE_COULDNT_RESOLVE_HOST:
			inn_transfer_fail(transfer, INN_CLIENT_RESOLVE, "the host \"%s\" has no address", host);
			break;
		case CURLE_COULDNT_CONNECT:
			(void) curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_error);
			if (transfer->trouble != INN_CLIENT_NONE)
				judge_trouble(transfer);
			else
				inn_transfer_fail(transfer, INN_CLIENT_CONNECT, "could not connect to %s:%d: %s",
								  host, port, os_error != 0 ? strerror((int) os_error) : detail);
			break;
		case CURLE_OPERATION_TIMEDOUT:
			judge_timeout(transfer);
			break;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
			inn_transfer_fail(transfer, INN_CLIENT_CONNECT, "could not connect to %s:%d: %s", host,
							  port, detail);
			break;
		case CURLE_GOT_NOTHING:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_PARTIAL_FILE:
			inn_transfer_fail(transfer, INN_CLIENT_CUT_OFF,
							  "%s:%d closed the connection before the reply was whole: %s", host,
							  port, detail);
			break;
		default:
			inn_transfer_fail(transfer, INN_CLIENT_GARBLED,
							  "the reply of %s:%d cannot be understood: %s", host, port, detail);
			break;
	}
}

/* One of two has passed: that for everything, or the shorter one for the connection. */
static void
judge_timeout(InnTransfer *transfer)
{
	const char *host = transfer->target.host;
	int port = transfer->target.port;
	curl_off_t connected_us = 0;

	(void) curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	if (connected_us > 0 || transfer->timeout_ms <= INN_CLIENT_CONNECT_TIMEOUT_MS)
		inn_transfer_fail(transfer, INN_CLIENT_TIMEOUT, "no whole reply from %s:%d within %d ms",
						  host, port, transfer->timeout_ms);
	else if (transfer->lookup != NULL)
		inn_transfer_fail(transfer, INN_CLIENT_RESOLVE,
						  "no address of the host \"%s\" within %d ms", host,
						  INN_CLIENT_CONNECT_TIMEOUT_MS);
	else
		inn_transfer_fail(transfer, INN_CLIENT_CONNECT, "no connection to %s:%d within %d ms", host,
						  port, INN_CLIENT_CONNECT_TIMEOUT_MS);
}

/* A callback has refused to go on. */
static void
judge_trouble(InnTransfer *transfer)
{
	const char *host = transfer->target.host;
	int port = transfer->target.port;

	switch (transfer->trouble)
	{
		case INN_CLIENT_REFUSED:
			inn_transfer_fail(transfer, INN_CLIENT_REFUSED,
							  "the address %s of the host \"%s\" is not public", transfer->address,
							  host);
			break;
		case INN_CLIENT_TOO_LARGE:
			inn_transfer_fail(transfer, INN_CLIENT_TOO_LARGE,
							  "the reply of %s:%d has more than %zu bytes, or %d bytes of headers",
							  host, port, transfer->incoming.max_body_bytes,
							  INN_CLIENT_MAX_HEADER_BYTES);
			break;
		default:
			inn_transfer_fail(transfer, INN_CLIENT_BUSY,
							  "no descriptor or no memory is left for the call of %s:%d", host,
							  port);
			break;
	}
}
