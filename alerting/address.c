#include "alerting/address.h"

#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "agent/base/compiler.h"

struct range4 {
    uint32_t first;
    unsigned bits;
};

static bool is_public4(uint32_t address)
{
    static const struct range4 closed[] = {
        {0x00000000, 8},  /* 0.0.0.0/8: this host */
        {0x0a000000, 8},  /* 10.0.0.0/8 */
        {0x64400000, 10}, /* 100.64.0.0/10: shared */
        {0x7f000000, 8},  /* 127.0.0.0/8 */
        {0xa9fe0000, 16}, /* 169.254.0.0/16 */
        {0xac100000, 12}, /* 172.16.0.0/12 */
        {0xc0000000, 24}, /* 192.0.0.0/24: protocol assignments */
        {0xc0a80000, 16}, /* 192.168.0.0/16 */
        {0xc6120000, 15}, /* 198.18.0.0/15: benchmarking */
        {0xe0000000, 3},  /* 224.0.0.0/3: multicast, reserved, broadcast */
    };
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        if ((address ^ closed[i].first) >> (32 - closed[i].bits) == 0)
            return false;
    return true;
}

static uint32_t embedded(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool is_public6(const unsigned char bytes[16])
{
    static const unsigned char zeros[16] = {0};
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(bytes, zeros, 10) == 0 && bytes[10] == 0xff && bytes[11] == 0xff)
        return is_public4(embedded(bytes + 12)); /* ::ffff:0:0/96 */
    if (memcmp(bytes, zeros, 8) == 0)
        return false; /* ::/64: unspecified, loopback, compatible and what else was tried there */
    if (memcmp(bytes, nat64, sizeof(nat64)) == 0)
        return is_public4(embedded(bytes + 12)); /* 64:ff9b::/96 */
    if (memcmp(bytes, nat64, 4) == 0)
        return false; /* 64:ff9b:1::/48 is for local use */
    if (bytes[0] == 0x20 && bytes[1] == 0x02)
        return is_public4(embedded(bytes + 2)); /* 2002::/16 */
    if ((bytes[0] & 0xfe) == 0xfc || bytes[0] == 0xff)
        return false;                                /* fc00::/7, ff00::/8 */
    return !(bytes[0] == 0xfe && (bytes[1] & 0x80)); /* fe80::/10, fec0::/10 */
}

bool address_is_public(const struct sockaddr *address)
{
    /* Copied: the caller's bytes need not be aligned for the narrower types. */
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return is_public4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return is_public6(in6.sin6_addr.s6_addr);
    }
    return false;
}
