#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/base/compiler.h"
#include "alerting/address.h"

static bool is_public(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return address_is_public((const struct sockaddr *)&in);
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
        fail_msg("%s is no address", text);
    return address_is_public((const struct sockaddr *)&in6);
}

static void test_closed(void **state)
{
    (void)state;
    /* The first and the last of each range, and the embedded forms. */
    static const char *const closed[] = {"0.0.0.0",
                                         "0.255.255.255",
                                         "10.0.0.0",
                                         "10.255.255.255",
                                         "100.64.0.0",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "127.255.255.255",
                                         "169.254.0.0",
                                         "169.254.169.254",
                                         "169.254.255.255",
                                         "172.16.0.0",
                                         "172.31.255.255",
                                         "192.0.0.1",
                                         "192.168.0.0",
                                         "192.168.255.255",
                                         "198.18.0.0",
                                         "198.19.255.255",
                                         "224.0.0.1",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::2",
                                         "::127.0.0.1",
                                         "::8.8.8.8",
                                         "::ffff:127.0.0.1",
                                         "::ffff:10.1.2.3",
                                         "::ffff:169.254.169.254",
                                         "64:ff9b::7f00:1",
                                         "64:ff9b::a9fe:a9fe",
                                         "64:ff9b:1::1",
                                         "2002:7f00:1::",
                                         "2002:c0a8:101::1",
                                         "fc00::1",
                                         "fd12::1",
                                         "fdff:ffff::1",
                                         "fe80::1",
                                         "febf::1",
                                         "fec0::1",
                                         "ff02::1"};
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        if (is_public(closed[i]))
            fail_msg("%s is taken for public", closed[i]);
}

static void test_open(void **state)
{
    (void)state;
    static const char *const open[] = {"1.0.0.0",         "9.255.255.255",
                                       "11.0.0.0",        "100.63.255.255",
                                       "100.128.0.0",     "126.255.255.255",
                                       "128.0.0.0",       "169.253.255.255",
                                       "169.255.0.0",     "172.15.255.255",
                                       "172.32.0.0",      "192.0.1.0",
                                       "192.167.255.255", "192.169.0.0",
                                       "198.17.255.255",  "198.20.0.0",
                                       "223.255.255.255", "8.8.8.8",
                                       "::ffff:8.8.8.8",  "64:ff9b::808:808",
                                       "2002:808:808::1", "2001:4860:4860::8888",
                                       "2a00::1"};
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        if (!is_public(open[i]))
            fail_msg("%s is taken for private", open[i]);
}

static void test_not_ip(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    assert_false(address_is_public((const struct sockaddr *)&un));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_not_ip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
