/* distinct_sketch.c: the lowest hashes with exact counts whatever the order and grouping, bytes, bounds,
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
#include "detectors/distinct_sketch.h"

enum { VALUES = 5000, EVENTS = 40000, PARTS = 7 };

static uint64_t value_of(uint32_t event) /* 0 and 2^64 − 1 are hashes like any other */
{
    uint64_t drawn = hash_mix(event * UINT64_C(0x9e3779b97f4a7c15)) % VALUES;
    return drawn == 0 ? 0 : drawn == 1 ? UINT64_MAX : hash_mix(drawn);
}

static void add(struct distinct_sketch *sketch, uint32_t event)
{
    assert_int_equal(distinct_sketch_add(sketch, text_of(event % 3 ? "merchant" : "city"),
                                         event % 3 ? value_of(event) : value_of(event) % 50, 1),
                     0);
}

static void encode(const struct distinct_sketch *sketch, struct strbuf *out)
{
    strbuf_init(out, 1 << 20);
    distinct_sketch_encode(sketch, out);
    assert_false(strbuf_failed(out));
}

static void assert_same(const struct distinct_sketch *a, const struct distinct_sketch *b)
{
    struct strbuf x, y;
    encode(a, &x);
    encode(b, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.bytes, y.bytes, x.len);
    strbuf_release(&x);
    strbuf_release(&y);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Against sorting everything. */
static void test_exact(void **state)
{
    (void)state;
    struct distinct_sketch *sketch = distinct_sketch_new();
    assert_true(distinct_sketch_is_empty(sketch));
    uint64_t *all = malloc(EVENTS * sizeof(*all));
    uint32_t n = 0;
    for (uint32_t event = 0; event < EVENTS; event++) {
        add(sketch, event);
        if (event % 3)
            all[n++] = value_of(event);
    }
    qsort(all, n, sizeof(*all), compare);
    static struct distinct_values values;
    assert_true(distinct_sketch_values(sketch, text_of("merchant"), &values));
    assert_int_equal(values.n, n);
    assert_int_equal(values.count, DISTINCT_K);
    for (uint32_t i = 0, at = 0; i < values.count; i++) {
        uint64_t times = 0;
        for (uint64_t hash = all[at]; at < n && all[at] == hash; at++)
            times++;
        assert_int_equal(values.entries[i].hash, all[at - 1]);
        assert_int_equal(values.entries[i].times, times);
    }
    assert_true(distinct_sketch_values(sketch, text_of("city"), &values));
    assert_int_equal(values.count, 50);
    assert_int_equal(values.n, EVENTS - n);
    assert_true(distinct_sketch_nth(sketch, 0, &values));
    assert_true(text_equal(values.feature, text_of("city")));
    assert_false(distinct_sketch_nth(sketch, 2, &values));
    assert_false(distinct_sketch_values(sketch, text_of("mer"), &values));
    assert_true(distinct_sketch_bytes(sketch) < 48 * 1024);
    free(all);
    distinct_sketch_free(sketch);
}

static void test_order_and_grouping(void **state)
{
    (void)state;
    struct distinct_sketch *whole = distinct_sketch_new(), *backwards = distinct_sketch_new(),
                           *merged = distinct_sketch_new(), *read = distinct_sketch_new(), *parts[PARTS];
    for (uint32_t i = 0; i < PARTS; i++)
        parts[i] = distinct_sketch_new();
    for (uint32_t event = 0; event < EVENTS; event++) {
        add(whole, event);
        add(backwards, EVENTS - 1 - event);
        add(parts[hash_mix(event + 99) % PARTS], event);
    }
    for (uint32_t i = 0; i < PARTS; i++) {
        struct strbuf bytes;
        assert_int_equal(distinct_sketch_merge(merged, parts[PARTS - 1 - i]), 0);
        encode(parts[i], &bytes);
        assert_int_equal(distinct_sketch_decode_merge(bytes.bytes, bytes.len, read), 0);
        strbuf_release(&bytes);
    }
    for (uint32_t i = 0; i < PARTS; i++)
        distinct_sketch_free(parts[i]);
    assert_same(whole, backwards);
    assert_same(whole, merged);
    assert_same(whole, read);
    distinct_sketch_free(whole);
    distinct_sketch_free(backwards);
    distinct_sketch_free(merged);
    distinct_sketch_free(read);
}

/* The first features by name, whatever comes first. */
static void test_bounds(void **state)
{
    (void)state;
    struct distinct_sketch *up = distinct_sketch_new(), *down = distinct_sketch_new();
    static char endless[2000];
    memset(endless, 'x', sizeof(endless));
    for (uint32_t i = 0; i < 100; i++) {
        char a[32], b[32];
        (void)snprintf(a, sizeof(a), "f%03u", (unsigned)i);
        (void)snprintf(b, sizeof(b), "f%03u", (unsigned)(99 - i));
        assert_int_equal(distinct_sketch_add(up, text_of(a), 7, 2), 0);
        assert_int_equal(distinct_sketch_add(down, text_of(b), 7, 2), 0);
    }
    static struct distinct_values values;
    assert_true(distinct_sketch_nth(up, DISTINCT_FEATURES - 1, &values));
    assert_true(text_equal(values.feature, text_of("f031")));
    assert_false(distinct_sketch_nth(up, DISTINCT_FEATURES, &values));
    assert_same(up, down);
    assert_int_equal(distinct_sketch_add(up, (struct text){endless, sizeof(endless)}, 1, 1), 0);
    assert_int_equal(distinct_sketch_add(up, text_of("a"), 1, 0), 0); /* no times: nothing */
    assert_same(up, down);
    distinct_sketch_free(up);
    distinct_sketch_free(down);
}

static void test_values_are_checked(void **state)
{
    (void)state;
    static const struct {
        struct distinct_values values;
        int code;
    } cases[] = {
        {{{"a", 1}, 3, 2, {{1, 1}, {2, 2}}}, 0},
        {{{"a", 1}, 3, 2, {{2, 1}, {1, 2}}}, ERR_INVALID}, /* order */
        {{{"a", 1}, 3, 2, {{1, 1}, {1, 2}}}, ERR_INVALID}, /* twice */
        {{{"a", 1}, 3, 2, {{1, 0}, {2, 3}}}, ERR_INVALID}, /* never */
        {{{"a", 1}, 3, 2, {{1, 2}, {2, 2}}}, ERR_INVALID}, /* more than there were */
        {{{"a", 1}, 4, 2, {{1, 1}, {2, 2}}}, ERR_INVALID}, /* fewer, and none can be missing */
        {{{"a", 1}, 0, 0, {{0, 0}}}, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct distinct_sketch *sketch = distinct_sketch_new();
        assert_int_equal(distinct_sketch_add_values(sketch, &cases[i].values), cases[i].code);
        distinct_sketch_free(sketch);
    }
}

/* Cut anywhere it is corrupt; changed anywhere it is corrupt or something else, and never worse. */
static void test_corruption(void **state)
{
    (void)state;
    struct distinct_sketch *sketch = distinct_sketch_new();
    for (uint32_t i = 0; i < 40; i++)
        add(sketch, i);
    struct strbuf bytes;
    encode(sketch, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        struct distinct_sketch *into = distinct_sketch_new();
        char *exact = malloc(len ? len : 1);
        memcpy(exact, bytes.bytes, len);
        assert_int_equal(distinct_sketch_decode_merge(exact, len, into), ERR_CORRUPT);
        free(exact);
        distinct_sketch_free(into);
    }
    for (size_t at = 0; at < bytes.len; at++) {
        struct distinct_sketch *into = distinct_sketch_new();
        bytes.bytes[at] ^= 0x55;
        (void)!distinct_sketch_decode_merge(bytes.bytes, bytes.len, into);
        bytes.bytes[at] ^= 0x55;
        distinct_sketch_free(into);
    }
    strbuf_release(&bytes);
    distinct_sketch_free(sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),      cmocka_unit_test(test_order_and_grouping),
        cmocka_unit_test(test_bounds),     cmocka_unit_test(test_values_are_checked),
        cmocka_unit_test(test_corruption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
