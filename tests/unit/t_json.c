#include <float.h>
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
#include "agent/base/json.h"

static void writes_a_document(void **state)
{
    (void)state;
    struct strbuf out;
    struct json json;
    strbuf_init(&out, 4096);
    json_init(&json, &out);
    json_object_begin(&json);
    json_key(&json, "a");
    json_array_begin(&json);
    json_integer(&json, INT64_MIN);
    json_unsigned(&json, UINT64_MAX);
    json_number(&json, 0.1);
    json_number(&json, NAN);
    json_number(&json, -INFINITY);
    json_bool(&json, true);
    json_null(&json);
    json_array_end(&json);
    json_key(&json, "b\n");
    json_object_begin(&json);
    json_object_end(&json);
    json_key(&json, "c");
    json_string(&json, NULL);
    json_key(&json, "d");
    json_raw(&json, "[1]", 3);
    json_key(&json, "e");
    json_text(&json, (struct text){"xyz", 2});
    json_object_end(&json);
    assert_false(strbuf_failed(&out));
    assert_string_equal(out.bytes,
                        "{\"a\":[-9223372036854775808,18446744073709551615,0.1,null,null,true,null],"
                        "\"b\\n\":{},\"c\":null,\"d\":[1],\"e\":\"xy\"}");
    strbuf_release(&out);
}

static void writes_members(void **state)
{
    (void)state;
    struct strbuf out;
    struct json json;
    strbuf_init(&out, 4096);
    json_init(&json, &out);
    json_object_begin(&json);
    json_member_string(&json, "a", "x");
    json_member_text(&json, "b", (struct text){"xyz", 2});
    json_member_integer(&json, "c", -1);
    json_member_unsigned(&json, "d", UINT64_MAX);
    json_member_number(&json, "e", 0.5);
    json_member_bool(&json, "f", false);
    json_member_string(&json, "g", NULL);
    json_object_end(&json);
    assert_string_equal(out.bytes, "{\"a\":\"x\",\"b\":\"xy\",\"c\":-1,\"d\":18446744073709551615,"
                                   "\"e\":0.5,\"f\":false,\"g\":null}");
    strbuf_release(&out);
}

static void writes_pretty(void **state)
{
    (void)state;
    struct strbuf out;
    struct json json;
    strbuf_init(&out, 4096);
    json_init(&json, &out);
    json.pretty = true;
    json_object_begin(&json);
    json_key(&json, "a");
    json_array_begin(&json);
    json_integer(&json, 1);
    json_integer(&json, 2);
    json_array_end(&json);
    json_key(&json, "b");
    json_object_begin(&json);
    json_object_end(&json);
    json_object_end(&json);
    assert_string_equal(out.bytes, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
    strbuf_release(&out);
}

struct string_case {
    const char *in, *out;
};

static const struct string_case strings[] = {
    {"", "\"\""},
    {"plain", "\"plain\""},
    {"\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
    {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
    {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
    {"\xff", "\"\xef\xbf\xbd\""},
    {"a\xc0\x80", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xc3", "\"\xef\xbf\xbd\""},
};

static void escapes_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        struct strbuf out;
        struct json json;
        strbuf_init(&out, 4096);
        json_init(&json, &out);
        json_string(&json, strings[i].in);
        assert_string_equal(out.bytes, strings[i].out);
        strbuf_release(&out);
    }
}

struct number_case {
    double value;
    const char *text;
};

static const struct number_case numbers[] = {
    {0.0, "0"},
    {-0.0, "-0"},
    {1.0, "1"},
    {-17.0, "-17"},
    {0.1, "0.1"},
    {0.3, "0.3"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1e21, "1e21"},
    {1e22, "1e22"},
    {1e-5, "1e-5"},
    {123456789.125, "123456789.125"},
    {9007199254740991.0, "9007199254740991"},
    {9007199254740992.0, "9007199254740992"},
    {DBL_MAX, "1.7976931348623157e308"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {5e-324, "5e-324"},
    {1.5e-323, "1.5e-323"},
    {0x1p-44, "5.684341886080802e-14"},
    {0x1p100, "1.2676506002282294e30"},
    {5200.0, "5200"},
    {0.83, "0.83"},
};

static void formats_numbers(void **state)
{
    (void)state;
    char text[32];
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_string_equal(double_format(numbers[i].value, text), numbers[i].text);
}

static void numbers_read_back(void **state)
{
    (void)state;
    char text[32];
    for (uint64_t i = 0; i < 300000; i++) {
        uint64_t bits = hash_mix(i + 1);
        double value, back;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        back = strtod(double_format(value, text), NULL);
        assert_memory_equal(&back, &value, sizeof(value));
        assert_true(strlen(text) < sizeof(text));
        /* A short decimal comes back as itself. */
        double decimal = (double)(int64_t)(bits % 2000000000) / 1000.0;
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "%.13g", decimal);
        assert_string_equal(double_format(decimal, text), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_document), cmocka_unit_test(writes_members),
        cmocka_unit_test(writes_pretty),     cmocka_unit_test(escapes_strings),
        cmocka_unit_test(formats_numbers),   cmocka_unit_test(numbers_read_back),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
