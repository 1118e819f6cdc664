/* tally.c: algebra, encoding, hostile bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "detectors/tally.h"

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(*state);
}

/* `fill` of 8: how many entries in eight are not zero; magnitudes of all sizes. */
static struct tally *random_tally(struct tally_size size, unsigned fill, uint64_t *state)
{
    struct tally *tally = tally_new(size);
    assert_non_null(tally);
    for (uint32_t i = 0; i < size.counters; i++)
        if (random_next(state) % 8 < fill)
            tally->counters[i] = random_next(state) >> (random_next(state) % 64);
    for (uint32_t i = 0; i < size.sums; i++)
        if (random_next(state) % 8 < fill) {
            uint128 wide = (uint128)random_next(state) << 64 | random_next(state);
            tally->sums[i] = (int128)(wide >> 1) >> (random_next(state) % 127);
            if (random_next(state) & 1)
                tally->sums[i] = -tally->sums[i];
        }
    return tally;
}

static bool equal(const struct tally *a, const struct tally *b)
{
    return memcmp(a->counters, b->counters, a->size.counters * sizeof(*a->counters)) == 0 &&
           memcmp(a->sums, b->sums, a->size.sums * sizeof(*a->sums)) == 0;
}

static void test_algebra(void **unused)
{
    (void)unused;
    uint64_t state = 1;
    for (unsigned round = 0; round < 50; round++) {
        struct tally_size size = {round * 7 % 40, round * 3 % 11};
        struct tally *a = random_tally(size, 5, &state), *b = random_tally(size, 3, &state),
                     *c = random_tally(size, 8, &state), *left = tally_new(size), *right = tally_new(size);
        assert_true(tally_is_zero(left));
        /* (a + b) + c = c + (b + a) */
        tally_add(left, a);
        tally_add(left, b);
        tally_add(left, c);
        tally_copy(right, c);
        tally_add(right, b);
        tally_add(right, a);
        assert_true(equal(left, right));
        tally_subtract(left, c);
        tally_subtract(left, a);
        assert_true(equal(left, b));
        tally_subtract(left, b);
        assert_true(tally_is_zero(left));
        assert_true(size.counters + size.sums < 9 || !tally_is_zero(right));
        tally_reset(right);
        assert_true(tally_is_zero(right));
        struct tally *all[] = {a, b, c, left, right};
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            tally_free(all[i]);
    }
    tally_free(NULL);
}

static void test_zero_sees_each_entry(void **unused)
{
    (void)unused;
    struct tally *tally = tally_new((struct tally_size){3, 2});
    for (unsigned i = 0; i < 3; i++) {
        tally->counters[i] = 1;
        assert_false(tally_is_zero(tally));
        tally->counters[i] = 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        tally->sums[i] = (int128)1 << 100;
        assert_false(tally_is_zero(tally));
        tally->sums[i] = 0;
    }
    assert_true(tally_is_zero(tally));
    tally_free(tally);
}

static void test_round_trip(void **unused)
{
    (void)unused;
    uint64_t state = 2;
    struct strbuf out, again;
    strbuf_init(&out, 1 << 20);
    strbuf_init(&again, 1 << 20);
    for (unsigned round = 0; round < 300; round++) {
        struct tally_size size = {round % 7 * 61, round % 5 * 3}, announced;
        struct tally *a = random_tally(size, round % 9, &state), *b = random_tally(size, 4, &state),
                     *sum = tally_new(size);
        strbuf_reset(&out);
        tally_encode(a, &out);
        assert_false(strbuf_failed(&out));
        assert_int_equal(tally_decode_size(out.bytes, out.len, &announced), 0);
        assert_int_equal(announced.counters, size.counters);
        assert_int_equal(announced.sums, size.sums);
        tally_copy(sum, b);
        assert_int_equal(tally_decode_add(out.bytes, out.len, sum), 0);
        tally_subtract(sum, b);
        assert_true(equal(sum, a));
        strbuf_reset(&again);
        tally_encode(sum, &again);
        assert_int_equal(again.len, out.len);
        assert_memory_equal(again.bytes, out.bytes, out.len);
        assert_int_equal(tally_decode_subtract(out.bytes, out.len, sum), 0);
        assert_true(tally_is_zero(sum));
        tally_free(a);
        tally_free(b);
        tally_free(sum);
    }
    strbuf_release(&out);
    strbuf_release(&again);
}

static void test_extremes(void **unused)
{
    (void)unused;
    struct tally *tally = tally_new((struct tally_size){2, 5}), *back = tally_new(tally->size);
    tally->counters[1] = UINT64_MAX;
    tally->sums[0] = (int128)(((uint128)1 << 127) - 1);
    tally->sums[1] = -tally->sums[0] - 1;
    tally->sums[2] = -1;
    tally->sums[4] = 1;
    struct strbuf out;
    strbuf_init(&out, 4096);
    tally_encode(tally, &out);
    assert_int_equal(tally_decode_add(out.bytes, out.len, back), 0);
    assert_true(equal(tally, back));
    strbuf_release(&out);
    tally_free(tally);
    tally_free(back);
}

static void test_compact(void **unused)
{
    (void)unused;
    /* An empty pane of 50 features costs a few bytes, one event in it a few more per feature. */
    struct tally *tally = tally_new((struct tally_size){50 * 245, 200});
    struct strbuf out;
    strbuf_init(&out, 1 << 20);
    tally_encode(tally, &out);
    assert_true(out.len <= 12);
    strbuf_reset(&out);
    for (unsigned f = 0; f < 50; f++)
        tally->counters[f * 245 + f] = 1;
    tally_encode(tally, &out);
    assert_true(out.len <= 12 + 50 * 4);
    strbuf_release(&out);
    tally_free(tally);
}

static void test_truncation_and_trailing(void **unused)
{
    (void)unused;
    uint64_t state = 3;
    struct tally *tally = random_tally((struct tally_size){300, 20}, 5, &state);
    struct strbuf out;
    strbuf_init(&out, 1 << 20);
    tally_encode(tally, &out);
    for (size_t len = 0; len < out.len; len++) {
        /* A copy of its own, so that the sanitizer sees one byte too many. */
        char *bytes = malloc(len ? len : 1);
        memcpy(bytes, out.bytes, len);
        tally_reset(tally);
        assert_int_equal(tally_decode_add(bytes, len, tally), ERR_CORRUPT);
        assert_int_equal(tally_decode_subtract(bytes, len, tally), ERR_CORRUPT);
        free(bytes);
    }
    strbuf_addc(&out, 1);
    assert_int_equal(tally_decode_add(out.bytes, out.len, tally), ERR_CORRUPT);
    strbuf_release(&out);
    tally_free(tally);
}

static void test_malformed(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes;
        size_t len;
        int want;
    } cases[] = {
        {"\x01\x04\x00\x01\x00\x01\x05", 7, 0},                                      /* 1 0 0 5 */
        {"\x02\x04\x00\x01\x00\x01\x05", 7, ERR_CORRUPT},                            /* format */
        {"\x01\x05\x00\x01\x00\x02\x05", 7, ERR_CORRUPT},                            /* another size */
        {"\x01\x04\x01\x01\x00\x01\x05\x02", 8, ERR_CORRUPT},                        /* another size */
        {"\x01\x04\x00\x01\x00\x03\x05", 7, ERR_CORRUPT},                            /* run beyond the end */
        {"\x01\x04\x00\x00\x00\x00\x00\x01\x05", 9, ERR_CORRUPT},                    /* run behind a run */
        {"\x01\x04\x00\x81\x00\x00\x01\x05", 8, ERR_CORRUPT},                        /* 1 in two bytes */
        {"\x01\x04\x00\x80\x00\x00\x01\x05", 8, ERR_CORRUPT},                        /* 0 in two bytes */
        {"\x01\x84\x00\x00\x01\x00\x01\x05", 8, ERR_CORRUPT},                        /* size in two bytes */
        {"\x01\xff\xff\xff\xff\x1f\x00\x00", 8, ERR_CORRUPT},                        /* size beyond 32 bits */
        {"\x01\x04\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01", 16, 0}, /* 2^64−1 */
        {"\x01\x04\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00\x01", 16, ERR_CORRUPT},
        {"\x01\x04\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00\x00\x01", 17, ERR_CORRUPT},
    };
    struct tally *tally = tally_new((struct tally_size){4, 0});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(tally_decode_add(cases[i].bytes, cases[i].len, tally), cases[i].want);
    tally_free(tally);

    /* Sums: 128 bits and no more. */
    char bytes[32] = "\x01\x00\x01";
    memset(bytes + 3, 0xff, 18);
    tally = tally_new((struct tally_size){0, 1});
    bytes[21] = 3;
    assert_int_equal(tally_decode_add(bytes, 22, tally), 0);
    assert_true(tally->sums[0] == (int128)((uint128)1 << 127));
    bytes[21] = 4;
    assert_int_equal(tally_decode_add(bytes, 22, tally), ERR_CORRUPT);
    tally_free(tally);
}

static void test_noise(void **unused)
{
    (void)unused;
    uint64_t state = 4;
    struct tally *tally = random_tally((struct tally_size){60, 6}, 4, &state);
    struct strbuf out;
    strbuf_init(&out, 1 << 16);
    tally_encode(tally, &out);
    for (unsigned round = 0; round < 20000; round++) {
        char *bytes = malloc(out.len);
        memcpy(bytes, out.bytes, out.len);
        for (unsigned flips = 0; flips < 1 + round % 3; flips++)
            bytes[random_next(&state) % out.len] ^= (char)(1u << random_next(&state) % 8);
        tally_reset(tally);
        if (tally_decode_add(bytes, out.len, tally) == 0) {
            /* What is accepted is the one form of what was read. */
            struct strbuf again;
            strbuf_init(&again, 1 << 16);
            tally_encode(tally, &again);
            assert_int_equal(again.len, out.len);
            assert_memory_equal(again.bytes, bytes, out.len);
            strbuf_release(&again);
        }
        free(bytes);
    }
    strbuf_release(&out);
    tally_free(tally);
}

/* What was written before counters were appended adds to the first ones; nothing else that differs does. */
static void test_grown(void **state)
{
    (void)state;
    struct tally *before = tally_new((struct tally_size){3, 2}), *now = tally_new((struct tally_size){5, 2});
    struct tally *sums = tally_new((struct tally_size){5, 3});
    struct strbuf bytes;
    assert_true(before && now && sums);
    strbuf_init(&bytes, 1 << 16);
    before->counters[2] = 7;
    before->sums[1] = -9;
    tally_encode(before, &bytes);
    assert_int_equal(tally_decode_add(bytes.bytes, bytes.len, now), ERR_CORRUPT);
    assert_int_equal(tally_decode_grown(bytes.bytes, bytes.len, sums), ERR_CORRUPT);
    assert_int_equal(tally_decode_grown(bytes.bytes, bytes.len, now), 0);
    assert_int_equal(tally_decode_grown(bytes.bytes, bytes.len, before), 0);
    assert_true(now->counters[2] == 7 && now->counters[4] == 0 && now->sums[1] == -9);
    assert_true(before->counters[2] == 14);
    strbuf_reset(&bytes);
    tally_encode(now, &bytes);
    assert_int_equal(tally_decode_grown(bytes.bytes, bytes.len, before), ERR_CORRUPT);
    strbuf_release(&bytes);
    tally_free(before);
    tally_free(now);
    tally_free(sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grown),
        cmocka_unit_test(test_algebra),
        cmocka_unit_test(test_zero_sees_each_entry),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_compact),
        cmocka_unit_test(test_truncation_and_trailing),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
