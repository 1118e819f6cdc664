#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"

static void test_appends(void **state)
{
    (void)state;
    struct strbuf buf;
    strbuf_init(&buf, 1000);
    assert_string_equal(buf.bytes, "");
    strbuf_adds(&buf, "ab");
    strbuf_addc(&buf, 'c');
    strbuf_addf(&buf, "%d-%s", 7, "x");
    strbuf_add(&buf, NULL, 0);
    strbuf_add(&buf, "\0y", 2);
    assert_int_equal(buf.len, 8);
    assert_memory_equal(buf.bytes, "abc7-x\0y", 9);
    strbuf_reset(&buf);
    strbuf_addf(&buf, "%0400d", 5); /* longer than what formats on the stack */
    assert_int_equal(buf.len, 400);
    assert_int_equal(strlen(buf.bytes), 400);
    assert_int_equal(buf.bytes[399], '5');
    assert_false(strbuf_failed(&buf));
    strbuf_release(&buf);
    assert_string_equal(buf.bytes, "");
}

static void test_maximum_fails_for_good(void **state)
{
    (void)state;
    struct strbuf buf;
    strbuf_init(&buf, 4);
    strbuf_adds(&buf, "1234");
    assert_false(strbuf_failed(&buf));
    strbuf_addc(&buf, '5');
    assert_true(strbuf_failed(&buf));
    assert_string_equal(buf.bytes, "");
    strbuf_addc(&buf, 'x');
    assert_int_equal(buf.len, 0);
    assert_null(strbuf_detach(&buf, NULL));
    strbuf_reset(&buf);
    strbuf_adds(&buf, "ok");
    assert_string_equal(buf.bytes, "ok");
    strbuf_addf(&buf, "%s", "too long");
    assert_true(strbuf_failed(&buf));
    strbuf_release(&buf);
}

static void test_detach(void **state)
{
    (void)state;
    struct strbuf buf;
    size_t len = 99;
    strbuf_init(&buf, 100);
    char *nothing = strbuf_detach(&buf, &len);
    assert_non_null(nothing);
    assert_string_equal(nothing, "");
    assert_int_equal(len, 0);
    free(nothing);
    strbuf_adds(&buf, "abc");
    char *text = strbuf_detach(&buf, &len);
    assert_string_equal(text, "abc");
    assert_int_equal(len, 3);
    assert_int_equal(buf.len, 0);
    free(text);
    strbuf_release(&buf);
}

static void test_varints(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 127, 128, 300, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX};
    static const int64_t signed_values[] = {0, -1, 1, 63, -64, 64, INT64_MAX, INT64_MIN};
    struct strbuf buf;
    strbuf_init(&buf, 1000);
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        strbuf_add_varint(&buf, values[i]);
    for (size_t i = 0; i < ARRAY_LEN(signed_values); i++)
        strbuf_add_svarint(&buf, signed_values[i]);
    struct cursor cursor = {(const unsigned char *)buf.bytes, (const unsigned char *)buf.bytes + buf.len,
                            false};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        assert_true(cursor_varint(&cursor) == values[i]);
    for (size_t i = 0; i < ARRAY_LEN(signed_values); i++)
        assert_true(cursor_svarint(&cursor) == signed_values[i]);
    assert_false(cursor.failed);
    assert_ptr_equal(cursor.at, cursor.end);
    (void)cursor_varint(&cursor);
    assert_true(cursor.failed);
    strbuf_release(&buf);
}

static void test_cut_and_endless_varints(void **state)
{
    (void)state;
    static const unsigned char endless[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                              0x80, 0x80, 0x80, 0x80, 0x00};
    struct cursor cut = {endless, endless + 3, false};
    assert_int_equal(cursor_varint(&cut), 0);
    assert_true(cut.failed);
    struct cursor all = {endless, endless + 11, false};
    assert_int_equal(cursor_varint(&all), 0);
    assert_true(all.failed);
    struct cursor bytes = {endless, endless + 3, false};
    assert_ptr_equal(cursor_bytes(&bytes, 3), endless);
    assert_null(cursor_bytes(&bytes, 1));
    assert_true(bytes.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_maximum_fails_for_good),
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_cut_and_endless_varints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
