/* The reference is strtod of the C library (correctly rounded in glibc), in the C locale. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/hash.h"
#include "agent/base/number.h"

/* NUMBER_TEST_COUNT=20000000 in the environment for a long run. */
static uint64_t test_count(void)
{
    const char *text = getenv("NUMBER_TEST_COUNT");
    return text ? strtoull(text, NULL, 10) : 300000;
}

static void check_equal(const char *text, double expected, double value)
{
    if (memcmp(&expected, &value, sizeof(value)) != 0)
        fail_msg("`%s`: %a, not %a", text, value, expected);
}

/* Every entry agrees with strtod, in value and in being finite. */
static void check_text(const char *text)
{
    double expected = strtod(text, NULL), value = 77;
    enum number_result result = number_parse_json(text_of(text), &value);
    if (result == NUMBER_SYNTAX)
        fail_msg("`%s`: refused", text);
    assert_int_equal(result, isfinite(expected) ? NUMBER_OK : NUMBER_RANGE);
    if (result == NUMBER_OK)
        check_equal(text, expected, value);
    assert_int_equal(number_parse_plain(text_of(text), &value), result);
    if (result == NUMBER_OK)
        check_equal(text, expected, value);

    /* With little room ahead, with much, and misleading bytes on both sides. */
    static const char ahead[] = "1.9e9-0.9999999999999999999999999\"", behind[] = ",9999999.99e99999";
    char padded[4096];
    size_t len = strlen(text);
    assert_true(sizeof(ahead) + len + sizeof(behind) < sizeof(padded));
    for (size_t room = 0; room < sizeof(ahead); room += 11) {
        char *at = padded + room;
        memcpy(padded, ahead + sizeof(ahead) - 1 - room, room);
        memcpy(at, text, len);
        memcpy(at + len, behind, sizeof(behind));
        value = 77;
        const char *end = number_scan(padded + NUMBER_ROOM, at, &value);
        if (result == NUMBER_RANGE) {
            assert_null(end);
        } else {
            assert_ptr_equal(end, at + len);
            check_equal(text, expected, value);
        }
    }
}

static const char *const hard[] = {
    "0",
    "-0",
    "0.0",
    "-0.0e5",
    "0e999999999999999999",
    "0.0000000000000000000000000000000000e400",
    "1",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "9007199254740994",
    "9007199254740995",
    "9007199254740993.0",
    "9007199254740993.00000000000000000000000000000001",
    "9007199254740992.99999999999999999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551617",
    "9999999999999999999",
    "99999999999999999999",
    "10000000000000000000",
    "123456789012345678901234567890",
    "0.1",
    "0.3",
    "0.30000000000000004",
    "1e22",
    "1e23",
    "-1e23",
    "8.5e22",
    "4.35e-300",
    "2.2250738585072011e-308",
    "2.2250738585072012e-308",
    "2.2250738585072014e-308",
    "4.9e-324",
    "5e-324",
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "2.5e-324",
    "1e-323",
    "1e-324",
    "1e-400",
    "1e-99999",
    "123e-1000000000000",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "1.7976931348623159e308",
    "1.8e308",
    "1e309",
    "1e1000000000",
    "-1e309",
    "6.631236846766476e-316",
    "3.2378839133029012895883524125015321748630094510e-319",
    "7.2057594037927933e16",
    "5e-20",
    "6.0e23",
    "1e+22",
    "1E5",
    "1e-5",
    "0.000001",
    "100000000000000000000e-20",
    "0.00000000000000000000000000000000000000000000000000000000000000000000000001e74",
    "1090544144181609348835077142190",
    "1090544144181609419040633126912",
    "8.442911973260991e-309",
};

static void hard_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hard); i++)
        check_text(hard[i]);
    char text[3000];
    memset(text, '9', sizeof(text));
    for (size_t len = 1; len < 400; len++) {
        char saved = text[len];
        text[len] = '\0';
        check_text(text);
        text[len] = saved;
    }
    /* A very long fraction, whose last digit alone breaks the tie of 2^53 + 1. */
    memset(text, '0', sizeof(text));
    memcpy(text, "9007199254740993.", 17);
    text[sizeof(text) - 2] = '1';
    text[sizeof(text) - 1] = '\0';
    check_text(text);
    text[sizeof(text) - 2] = '0';
    check_text(text);
}

/* The decimal expansion of the exact midpoint between a double and the next, and its neighbours. */
static void midpoints(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits = hash_mix(i * 3 + 1);
        /* Exponents −250 … 100 of two: what fits a long double mantissa exactly with one bit more. */
        bits = (bits & ~(UINT64_C(0x7ff) << 52)) | (UINT64_C(1023) - 250 + i % 350) << 52;
        double value;
        memcpy(&value, &bits, sizeof(value));
        long double middle = ((long double)value + (long double)nextafter(value, INFINITY)) / 2;
        char text[1200];
        (void)snprintf(text, sizeof(text), "%.*Le", i % 4 == 0 ? 400 : 16 + (int)(i % 60), middle);
        check_text(text);
    }
}

static void random_doubles(void **state)
{
    (void)state;
    for (uint64_t i = 0, count = test_count(); i < count; i++) {
        uint64_t bits = hash_mix(i + 1), more = hash_mix(bits);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        char text[64];
        (void)snprintf(text, sizeof(text), "%.*e", (int)(more % 25), value);
        check_text(text);
        (void)snprintf(text, sizeof(text), "%.17g", (double)(int64_t)bits / 1e15);
        check_text(text);
        (void)snprintf(text, sizeof(text), "%.*f", (int)(more % 12), (double)(int32_t)bits / 1000.0);
        check_text(text);
    }
}

static void random_texts(void **state)
{
    (void)state;
    for (uint64_t i = 0, count = test_count(); i < count; i++) {
        uint64_t random = hash_mix(i + (UINT64_C(1) << 40));
        char text[96];
        size_t len = 0;
        unsigned integer = 1 + (unsigned)(random % 22), fraction = (unsigned)(random >> 8) % 24;
        if (random & 128)
            text[len++] = '-';
        uint64_t stream = random;
        text[len++] = (char)('1' + (stream >> 16) % 9);
        for (unsigned k = 1; k < integer; k++) {
            stream = stream * UINT64_C(6364136223846793005) + 1442695040888963407U;
            text[len++] = (char)('0' + (stream >> 33) % 10);
        }
        if (fraction)
            text[len++] = '.';
        for (unsigned k = 0; k < fraction; k++) {
            stream = stream * UINT64_C(6364136223846793005) + 1442695040888963407U;
            text[len++] = (char)('0' + (stream >> 33) % 10);
        }
        text[len] = '\0';
        if (random >> 63)
            (void)snprintf(text + len, sizeof(text) - len, "e%d", (int)((random >> 20) % 700) - 350);
        check_text(text);
    }
}

static const char *const not_json[] = {
    "",    "-",   "+1",  ".5",   "1.", "01", "-01",   "00",  "1e",  "1e+", "1.e5",  "1.5.5", "0x10", "1a",
    "NaN", "nan", "inf", "-inf", "1 ", " 1", "1_000", "1,5", "--1", "-.5", "1e5.5", "e5",    "-e5",  "1ee5",
};

/* Wherever the point is: the boundaries of 8, 16 and 19 digits, of 16 and 32 bytes. */
static void every_length(void **state)
{
    (void)state;
    for (unsigned integer = 1; integer <= 36; integer++) {
        for (unsigned fraction = 0; fraction <= 36; fraction++) {
            for (unsigned i = 0; i < 8; i++) {
                char text[96];
                size_t len = 0;
                uint64_t random = hash_mix(integer * 1000 + fraction * 10 + i + 1);
                if (i & 1)
                    text[len++] = '-';
                for (unsigned k = 0; k < integer + fraction; k++, random = hash_mix(random)) {
                    if (k == integer)
                        text[len++] = '.';
                    char digit = (char)('0' + random % 10);
                    /* No leading zeros; runs of nines and zeros now and then. */
                    text[len++] = k == 0           ? (char)('1' + random % 9)
                                  : i & 4 && k % 7 ? (i & 2 ? '9' : '0')
                                                   : digit;
                }
                text[len] = '\0';
                if (integer == 1 && (i & 2))
                    text[i & 1] = '0';
                check_text(text);
            }
        }
    }
}

static void refuses_what_is_no_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(not_json); i++) {
        double value = 77;
        if (number_parse_json(text_of(not_json[i]), &value) != NUMBER_SYNTAX || value != 77)
            fail_msg("`%s` accepted", not_json[i]);
    }
}

struct plain_case {
    const char *text;
    enum number_result result;
    double value;
};

static const struct plain_case plain[] = {
    {"1.", NUMBER_OK, 1},        {".5", NUMBER_OK, 0.5},
    {"+1", NUMBER_OK, 1},        {"-.5e1", NUMBER_OK, -5},
    {"007", NUMBER_OK, 7},       {"1.e2", NUMBER_OK, 100},
    {"+0", NUMBER_OK, 0},        {".", NUMBER_SYNTAX, 0},
    {"+", NUMBER_SYNTAX, 0},     {"", NUMBER_SYNTAX, 0},
    {"0x1p3", NUMBER_SYNTAX, 0}, {"inf", NUMBER_SYNTAX, 0},
    {"nan", NUMBER_SYNTAX, 0},   {"1e400", NUMBER_RANGE, 0},
    {"1 2", NUMBER_SYNTAX, 0},   {"+-1", NUMBER_SYNTAX, 0},
    {"1e", NUMBER_SYNTAX, 0},    {"000000000000000000000000000012.50", NUMBER_OK, 12.5},
};

static void plain_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        double value = 77;
        assert_int_equal(number_parse_plain(text_of(plain[i].text), &value), plain[i].result);
        check_equal(plain[i].text, plain[i].result == NUMBER_OK ? plain[i].value : 77, value);
    }
}

static void scan_stops_at_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"01,",
                                      "-,",
                                      ".5,",
                                      "1.,",
                                      "1e,",
                                      "1e+,",
                                      "-01,",
                                      "x,",
                                      "1e400,",
                                      "-.5,",
                                      "--1,",
                                      "-x,",
                                      "00,",
                                      "1.e5,",
                                      "1234567890123456.,",
                                      "01234567890123456,",
                                      "-01.23456789012345678,"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char padded[96] = "12345678901234567890123456789012";
        memcpy(padded + 32, bad[i], strlen(bad[i]));
        double value;
        assert_null(number_scan(padded + 32 + NUMBER_ROOM, padded + 32, &value));
        assert_null(number_scan(padded + NUMBER_ROOM, padded + 32, &value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hard_cases),     cmocka_unit_test(midpoints),
        cmocka_unit_test(random_doubles), cmocka_unit_test(random_texts),
        cmocka_unit_test(every_length),   cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(plain_grammar),  cmocka_unit_test(scan_stops_at_errors),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
