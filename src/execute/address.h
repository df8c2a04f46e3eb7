/*-------------------------------------------------------------------------
 *
 * address.h
 *	  Which addresses strangers may send us to.
 *
 * A URL that comes from outside (the fetch of a function, a redirect) may name a host that only we can
 * reach: the metadata service of a cloud, a database behind a firewall, ourselves.  Names tell nothing;
 * the address that is about to be connected to does.
 *
 * IDENTIFICATION
 *	  src/execute/address.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ADDRESS_H
#define INN_ADDRESS_H

#include <sys/socket.h>

/* room for inn_address_print(), with its NUL */
#define INN_ADDRESS_SIZE 48

/*
 * Is it an address of the public Internet?  Not so are private, shared, loopback, link-local,
 * unique-local, multicast, documentation and reserved ranges, IPv6 addresses that stand for an IPv4
 * address that is not, and everything that is neither IPv4 nor IPv6.
 */
extern bool inn_address_is_public(const struct sockaddr *address);

/* Write the address without its port, for people. */
extern void inn_address_print(const struct sockaddr *address, char *buf, size_t size);

#endif /* INN_ADDRESS_H */
