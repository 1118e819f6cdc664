/* name_sketch.c: exact counts of the lowest hashes whatever the order and grouping, bytes, bounds,
 * corruption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "detectors/name_sketch.h"

enum { NAMES = 200, EVENTS = 3000, PARTS = 5 };

static struct text name_of(uint32_t i, char buffer[32])
{
    return (struct text){buffer, (uint32_t)snprintf(buffer, 32, "name-%u", (unsigned)i)};
}

static uint32_t drawn(uint32_t event)
{
    return (uint32_t)(hash_mix(event * UINT64_C(0x9e3779b97f4a7c15)) % NAMES);
}

static void add(struct name_sketch *sketch, uint32_t event)
{
    char buffer[32];
    assert_int_equal(
        name_sketch_add(sketch, text_of(event % 3 ? "k" : "@fields"), name_of(drawn(event), buffer), 1), 0);
}

static void encode(const struct name_sketch *sketch, struct strbuf *out)
{
    strbuf_init(out, 1 << 20);
    name_sketch_encode(sketch, out);
    assert_false(strbuf_failed(out));
}

static void assert_same(const struct name_sketch *a, const struct name_sketch *b)
{
    struct strbuf x, y;
    encode(a, &x);
    encode(b, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.bytes, y.bytes, x.len);
    strbuf_release(&x);
    strbuf_release(&y);
}

/* Against counting everything: the 32 lowest hashes with exact counts. */
static void test_exact(void **state)
{
    (void)state;
    struct name_sketch *sketch = name_sketch_new();
    uint64_t counts[NAMES] = {0};
    for (uint32_t event = 0; event < EVENTS; event++) {
        add(sketch, event);
        counts[drawn(event)] += event % 3 != 0;
    }
    struct sketched_name names[NAME_SKETCH_NAMES];
    assert_int_equal(name_sketch_names(sketch, text_of("k"), names), NAME_SKETCH_NAMES);
    for (uint32_t i = 0; i < NAME_SKETCH_NAMES; i++) {
        char buffer[32];
        uint32_t lower = 0, found = NAMES;
        for (uint32_t n = 0; n < NAMES; n++)
            if (text_equal(name_of(n, buffer), names[i].name))
                found = n;
        assert_true(found < NAMES && counts[found] == names[i].count);
        uint64_t hash = hash_text(names[i].name, 0);
        for (uint32_t n = 0; n < NAMES; n++)
            lower += counts[n] > 0 && hash_text(name_of(n, buffer), 0) < hash;
        assert_true(lower < NAME_SKETCH_NAMES);
        assert_true(i == 0 || names[i - 1].count >= names[i].count);
    }
    assert_int_equal(name_sketch_names(sketch, text_of("nobody"), names), 0);
    name_sketch_free(sketch);
}

static void test_order_and_grouping(void **state)
{
    (void)state;
    struct name_sketch *whole = name_sketch_new(), *merged = name_sketch_new(), *parts[PARTS];
    for (int i = 0; i < PARTS; i++)
        parts[i] = name_sketch_new();
    for (uint32_t event = 0; event < EVENTS; event++)
        add(whole, event);
    for (uint32_t event = EVENTS; event-- > 0;)
        add(parts[hash_mix(event) % PARTS], event);
    for (int i = PARTS; i-- > 0;)
        assert_int_equal(name_sketch_merge(merged, parts[i]), 0);
    assert_same(whole, merged);
    struct name_sketch *read = name_sketch_new();
    for (int i = 0; i < PARTS; i++) {
        struct strbuf bytes;
        encode(parts[i], &bytes);
        assert_int_equal(name_sketch_decode_merge(bytes.bytes, bytes.len, read), 0);
        strbuf_release(&bytes);
        name_sketch_free(parts[i]);
    }
    assert_same(whole, read);
    name_sketch_free(read);
    name_sketch_free(whole);
    name_sketch_free(merged);
}

static void test_many_subjects(void **state)
{
    (void)state;
    struct name_sketch *up = name_sketch_new(), *down = name_sketch_new();
    for (uint32_t i = 0; i < 1000; i++) {
        char a[32], b[32];
        assert_int_equal(name_sketch_add(up, name_of(i, a), text_of("x"), 2), 0);
        assert_int_equal(name_sketch_add(down, name_of(999 - i, b), text_of("x"), 2), 0);
    }
    assert_same(up, down);
    assert_true(name_sketch_bytes(up) < 1000 * 1000);
    name_sketch_reset(up);
    assert_true(name_sketch_is_empty(up));
    name_sketch_free(up);
    name_sketch_free(down);
}

/* Different names stay apart although they are cut alike, and no character is cut in two. */
static void test_long_names(void **state)
{
    (void)state;
    char first[200], second[200];
    memset(first, 'a', sizeof(first));
    for (int i = 0; i < 120; i += 2)
        memcpy(first + 63 + i, "\xc3\xa9", 2);
    memcpy(second, first, sizeof(second));
    second[199] = 'b';
    struct name_sketch *sketch = name_sketch_new();
    assert_int_equal(name_sketch_add(sketch, text_of("k"), (struct text){first, 200}, 1), 0);
    assert_int_equal(name_sketch_add(sketch, text_of("k"), (struct text){second, 200}, 3), 0);
    assert_int_equal(name_sketch_add(sketch, text_of("k"), (struct text){NULL, 0}, 7), 0);
    struct sketched_name names[NAME_SKETCH_NAMES];
    assert_int_equal(name_sketch_names(sketch, text_of("k"), names), 3);
    assert_int_equal(names[0].name.len, 0);
    assert_int_equal(names[1].count, 3);
    assert_int_equal(names[1].name.len, 63);
    name_sketch_free(sketch);
}

static void test_corrupt(void **state)
{
    (void)state;
    struct name_sketch *sketch = name_sketch_new();
    for (uint32_t event = 0; event < 100; event++)
        add(sketch, event);
    struct strbuf bytes;
    encode(sketch, &bytes);
    for (size_t len = 0; len < bytes.len; len++) { /* every proper prefix */
        struct name_sketch *into = name_sketch_new();
        char *exact = malloc(len ? len : 1);
        memcpy(exact, bytes.bytes, len);
        assert_int_equal(name_sketch_decode_merge(exact, len, into), ERR_CORRUPT);
        free(exact);
        name_sketch_free(into);
    }
    for (size_t at = 0; at < bytes.len; at++) { /* any byte: an error or a sketch, never a crash */
        struct name_sketch *into = name_sketch_new();
        bytes.bytes[at] = (char)(bytes.bytes[at] ^ 0xff);
        (void)!name_sketch_decode_merge(bytes.bytes, bytes.len, into);
        bytes.bytes[at] = (char)(bytes.bytes[at] ^ 0xff);
        name_sketch_free(into);
    }
    strbuf_release(&bytes);
    name_sketch_free(sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),         cmocka_unit_test(test_order_and_grouping),
        cmocka_unit_test(test_many_subjects), cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
