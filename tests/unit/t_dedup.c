#include "agent/dedup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/base/hash.h"

enum { PANE = 300000 };

static void test_same_pane_only(void **state)
{
    (void)state;
    size_t budget = 1 << 20;
    struct dedup *dedup = dedup_new(&budget);
    assert_int_equal(dedup_check(dedup, 0, 7, 10), DEDUP_NEW);
    assert_int_equal(dedup_check(dedup, 0, 7, 11), DEDUP_DUPLICATE);
    assert_int_equal(dedup_check(dedup, PANE, 7, 12), DEDUP_NEW);
    assert_int_equal(dedup_check(dedup, -PANE, 7, 13), DEDUP_NEW);
    assert_int_equal(dedup_check(dedup, -PANE, 7, 14), DEDUP_DUPLICATE);
    dedup_free(dedup);
    assert_int_equal(budget, 1 << 20);
}

/* 0 marks a free place, so it is kept as 1 and found again. */
static void test_hash_zero(void **state)
{
    (void)state;
    size_t budget = 1 << 20;
    struct dedup *dedup = dedup_new(&budget);
    assert_int_equal(dedup_check(dedup, 0, 0, 1), DEDUP_NEW);
    assert_int_equal(dedup_check(dedup, 0, 0, 2), DEDUP_DUPLICATE);
    dedup_free(dedup);
}

static void test_many_ids(void **state)
{
    (void)state;
    size_t budget = 1 << 24;
    struct dedup *dedup = dedup_new(&budget);
    for (uint64_t i = 1; i <= 100000; i++)
        assert_int_equal(dedup_check(dedup, 0, hash_mix(i), (int64_t)i), DEDUP_NEW);
    for (uint64_t i = 1; i <= 100000; i++)
        assert_int_equal(dedup_check(dedup, 0, hash_mix(i), 0), DEDUP_DUPLICATE);
    for (uint64_t i = 100001; i <= 200000; i++)
        assert_int_equal(dedup_check(dedup, 0, hash_mix(i), 0), DEDUP_NEW);
    /* What README.md and limits.dedup_bytes count on, at whatever moment of their growth. */
    assert_in_range((1 << 24) - budget, 200000 * 6 * 8 / 7, 200000 * 11);
    dedup_free(dedup);
    assert_int_equal(budget, 1 << 24);
}

/* All on one shelf with few home places, also around its end: probing must find what runs over it, when it
 * has grown too, and nothing that was never there. */
static void test_crowded_ids(void **state)
{
    (void)state;
    enum { IDS = 3000 };
    static const uint64_t first[] = {1, (UINT64_C(1) << 40) - IDS, UINT64_C(1) << 39};
    for (uint32_t round = 0; round < 12; round++) {
        size_t budget = 1 << 24;
        struct dedup *dedup = dedup_new(&budget);
        uint64_t ids[IDS], shelf = (uint64_t)round * 5 << 58;
        for (uint64_t i = 0; i < IDS; i++) {
            ids[i] = shelf | (first[round % 3] + i);
            if (i % 3 == round / 3) /* others, anywhere on it */
                ids[i] = shelf | (hash_mix(i) & ((UINT64_C(1) << 40) - 1));
            assert_int_equal(dedup_check(dedup, 0, ids[i], 0), DEDUP_NEW);
            if (i % 64 == 63)
                for (uint64_t j = 0; j <= i; j++)
                    assert_int_equal(dedup_check(dedup, 0, ids[j], 0), DEDUP_DUPLICATE);
        }
        dedup_free(dedup);
        assert_int_equal(budget, 1 << 24);
    }
}

static void test_bound_closes_for_good(void **state)
{
    (void)state;
    size_t budget = 16384;
    struct dedup *dedup = dedup_new(&budget);
    enum dedup_verdict verdict = DEDUP_NEW;
    uint64_t taken = 0;
    while (verdict == DEDUP_NEW && taken < 100000)
        verdict = dedup_check(dedup, 0, hash_mix(++taken), 0);
    assert_int_equal(verdict, DEDUP_OFF);
    assert_in_range(taken, 1000, 16384 / 5);
    assert_int_equal(budget, 16384);                             /* given back */
    assert_int_equal(dedup_check(dedup, 0, 1, 0), DEDUP_OFF);    /* and not opened again */
    assert_int_equal(dedup_check(dedup, PANE, 1, 5), DEDUP_NEW); /* other panes go on */
    dedup_free(dedup);
    assert_int_equal(budget, 16384);
}

static void test_first_offset(void **state)
{
    (void)state;
    size_t budget = 1 << 20;
    struct dedup *dedup = dedup_new(&budget);
    assert_int_equal(dedup_first_offset(dedup, 99), 99);
    (void)dedup_check(dedup, PANE, 1, 20);
    (void)dedup_check(dedup, 0, 1, 30);
    (void)dedup_check(dedup, 0, 2, 31);
    assert_int_equal(dedup_first_offset(dedup, 99), 20);
    dedup_close_before(dedup, PANE); /* drops the pane at 0 */
    assert_int_equal(dedup_first_offset(dedup, 99), 20);
    assert_int_equal(dedup_check(dedup, 0, 1, 40), DEDUP_NEW);
    dedup_close_before(dedup, 2 * PANE);
    assert_int_equal(dedup_first_offset(dedup, 99), 99);
    dedup_free(dedup);
    assert_int_equal(budget, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_pane_only),
        cmocka_unit_test(test_hash_zero),
        cmocka_unit_test(test_many_ids),
        cmocka_unit_test(test_crowded_ids),
        cmocka_unit_test(test_bound_closes_for_good),
        cmocka_unit_test(test_first_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
