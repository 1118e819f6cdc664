#ifndef DRIFTD_ALERTING_ADDRESS_H
#define DRIFTD_ALERTING_ADDRESS_H
/*
 * Is an address on the public internet? Asked with the address that is about to be connected to, so a name
 * that resolves to something else the second time gains nothing. Not public: loopback, private (RFC 1918, RFC
 * 4193), link-local with the metadata services of clouds, shared (RFC 6598), benchmarking, multicast,
 * reserved and unspecified addresses, each also inside an IPv6 address that embeds IPv4 (mapped, compatible,
 * NAT64, 6to4), and everything that is not IP.
 */
#include <stdbool.h>

struct sockaddr;

bool address_is_public(const struct sockaddr *address);

#endif
