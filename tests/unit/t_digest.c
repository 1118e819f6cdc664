#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/compiler.h"
#include "agent/base/digest.h"

static void hex_of_sha256(const char *bytes, size_t len, char *out)
{
    unsigned char digest[SHA256_BYTES];
    assert_int_equal(sha256(bytes, len, digest), 0);
    hex_encode(digest, sizeof(digest), out);
}

/* FIPS 180-4 examples. */
static void test_sha256(void **state)
{
    (void)state;
    char hex[2 * SHA256_BYTES + 1];
    hex_of_sha256("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hex_of_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    unsigned char digest[SHA256_BYTES];
    assert_int_equal(sha256(NULL, 0, digest), 0);
}

/* RFC 4231. */
static void test_hmac(void **state)
{
    (void)state;
    unsigned char key[131], data[64], digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    memset(key, 0x0b, 20);
    assert_int_equal(hmac_sha256(key, 20, "Hi There", 8, digest), 0);
    assert_string_equal(hex_encode(digest, 32, hex),
                        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_int_equal(hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest), 0);
    assert_string_equal(hex_encode(digest, 32, hex),
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 131);
    memcpy(data, "Test Using Larger Than Block-Size Key - Hash Key First", 54);
    assert_int_equal(hmac_sha256(key, 131, data, 54, digest), 0);
    assert_string_equal(hex_encode(digest, 32, hex),
                        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_hmac_of_nothing(void **state)
{
    (void)state;
    unsigned char digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    assert_int_equal(hmac_sha256(NULL, 0, NULL, 0, digest), 0);
    assert_string_equal(hex_encode(digest, 32, hex),
                        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 4648 §10. */
static void test_base64_round_trip(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xef\xbe", "/+++"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[32];
        unsigned char bytes[32];
        size_t plain_len = strlen(cases[i][0]);
        assert_int_equal(base64_encode(cases[i][0], plain_len, text), strlen(cases[i][1]));
        assert_string_equal(text, cases[i][1]);
        assert_int_equal(base64_decode(text, strlen(text), bytes), plain_len);
        assert_memory_equal(bytes, cases[i][0], plain_len);
    }
}

static void test_base64_is_strict(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Z",    "Zg",       "Zg=",  "Zh==", "Zm9=", "Zm9v\n",  "Zm9v Zm9v",  "====",
        "Z===", "Zg==Zg==", "Zm-_", "=Zm9", "Zm=v", "Zm9vYg=", "\xc3\xa4zz",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        unsigned char bytes[32];
        if (base64_decode(wrong[i], strlen(wrong[i]), bytes) != -1)
            fail_msg("accepted \"%s\"", wrong[i]);
    }
}

static void test_constant_time_equal(void **state)
{
    (void)state;
    assert_true(bytes_equal_constant_time("abc", "abc", 3));
    assert_false(bytes_equal_constant_time("abc", "abd", 3));
    assert_false(bytes_equal_constant_time("xbc", "abc", 3));
    assert_true(bytes_equal_constant_time("abc", "abd", 2));
    assert_true(bytes_equal_constant_time(NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),           cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_hmac_of_nothing),  cmocka_unit_test(test_base64_round_trip),
        cmocka_unit_test(test_base64_is_strict), cmocka_unit_test(test_constant_time_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
