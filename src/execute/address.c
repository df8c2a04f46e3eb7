/*-------------------------------------------------------------------------
 *
 * address.c
 *	  Ranges of addresses that are not public.
 *
 * After the special-purpose registries of IANA.  IPv6 has several ways to say an IPv4 address; those
 * whose packets end up there are judged by it, the others are refused.
 *
 * Everything here is pure, and may run in the callbacks of libcurl.
 *
 * IDENTIFICATION
 *	  src/execute/address.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "execute/address.h"

typedef struct Range4
{
	uint8 network[4];
	int bits;
} Range4;

typedef struct Range6
{
	uint8 network[16];
	int bits;
} Range6;

static const Range4 closed4[] = {
	{{0}, 8},			  /* this network */
	{{10}, 8},			  /* private */
	{{100, 64}, 10},	  /* shared by the customers of a provider */
	{{127}, 8},			  /* loopback */
	{{169, 254}, 16},	  /* link-local; metadata services */
	{{172, 16}, 12},	  /* private */
	{{192, 0, 0}, 24},	  /* protocol assignments */
	{{192, 0, 2}, 24},	  /* documentation */
	{{192, 88, 99}, 24},  /* relays to 6to4 */
	{{192, 168}, 16},	  /* private */
	{{198, 18}, 15},	  /* benchmarks */
	{{198, 51, 100}, 24}, /* documentation */
	{{203, 0, 113}, 24},  /* documentation */
	{{224}, 4},			  /* multicast */
	{{240}, 4},			  /* reserved, broadcast */
};

/* All of IPv6 that is handed out ... */
static const Range6 global6 = {{0x20}, 3};

/* ... but for these. */
static const Range6 closed6[] = {
	{{0x20, 0x01, 0x00}, 23},		/* protocol assignments, Teredo */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
	{{0x3f, 0xff, 0x00}, 20},		/* documentation */
};

/* Prefixes after which an IPv4 address follows. */
static const Range6 embedding[] = {
	{{0}, 96},												/* compatible; ::, ::1 */
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},		/* mapped */
	{{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00, 0x00}, 96}, /* translated */
	{{0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 96}, /* NAT64 */
	{{0x20, 0x02}, 16},										/* 6to4 */
};

static bool is_public4(const uint8 *address);
static bool is_public6(const uint8 *address);
static bool is_within(const uint8 *address, const uint8 *network, int bits);

bool
inn_address_is_public(const struct sockaddr *address)
{
	switch (address->sa_family)
	{
		case AF_INET:
			return is_public4((const uint8 *) &((const struct sockaddr_in *) address)->sin_addr);
		case AF_INET6:
			return is_public6((const uint8 *) &((const struct sockaddr_in6 *) address)->sin6_addr);
	}
	return false;
}

static bool
is_public4(const uint8 *address)
{
	for (size_t i = 0; i < lengthof(closed4); i++)
	{
		if (is_within(address, closed4[i].network, closed4[i].bits))
			return false;
	}
	return true;
}

static bool
is_public6(const uint8 *address)
{
	for (size_t i = 0; i < lengthof(embedding); i++)
	{
		if (is_within(address, embedding[i].network, embedding[i].bits))
			return is_public4(address + embedding[i].bits / 8);
	}
	if (!is_within(address, global6.network, global6.bits))
		return false;
	for (size_t i = 0; i < lengthof(closed6); i++)
	{
		if (is_within(address, closed6[i].network, closed6[i].bits))
			return false;
	}
	return true;
}

static bool
is_within(const uint8 *address, const uint8 *network, int bits)
{
	uint8 rest = (uint8) (0xff00 >> (bits % 8));

	return memcmp(address, network, bits / 8) == 0 &&
		   (bits % 8 == 0 || ((address[bits / 8] ^ network[bits / 8]) & rest) == 0);
}

void
inn_address_print(const struct sockaddr *address, char *buf, size_t size)
{
	const void *bytes = address->sa_family == AF_INET6
							? (const void *) &((const struct sockaddr_in6 *) address)->sin6_addr
							: (const void *) &((const struct sockaddr_in *) address)->sin_addr;

	if ((address->sa_family != AF_INET && address->sa_family != AF_INET6) ||
		inet_ntop(address->sa_family, bytes, buf, (socklen_t) size) == NULL)
		strlcpy(buf, "?", size);
}
