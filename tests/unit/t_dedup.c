#include "agent/dedup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

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

/* The value 0 marks a free place, so it stands in for 1: both are found again. */
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
    for (uint64_t i = 1; i <= 100000; i++) /* all in few home places: probing must not lose any */
        assert_int_equal(dedup_check(dedup, 0, i << 32, (int64_t)i), DEDUP_NEW);
    for (uint64_t i = 1; i <= 100000; i += 997)
        assert_int_equal(dedup_check(dedup, 0, i << 32, 0), DEDUP_DUPLICATE);
    assert_true(budget < 1 << 24);
    dedup_free(dedup);
    assert_int_equal(budget, 1 << 24);
}

/* Home places around the end of the table, whatever its size: what runs over it must be found after it has
 * grown, and nothing that was never there. */
static void test_ids_at_the_end(void **state)
{
    (void)state;
    enum { IDS = 3000, ROUNDS = 40 };
    uint64_t random = 42;
    for (int round = 0; round < ROUNDS; round++) {
        size_t budget = 1 << 24;
        struct dedup *dedup = dedup_new(&budget);
        uint64_t ids[IDS], spread = 1u << (round % 12);
        for (uint64_t i = 0; i < IDS; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            ids[i] = (i + 1) << 40 | (((random >> 33) % spread + 0xfffff - spread / 2) & 0xfffff);
            if (i % 3 == 0) /* others, anywhere */
                ids[i] = (i + 1) << 40 | random >> 44;
            assert_int_equal(dedup_check(dedup, 0, ids[i], 0), DEDUP_NEW);
            if (i % 64 == 63 || i % 224 == 0 || i % 448 == 0)
                for (uint64_t j = 0; j <= i; j++)
                    assert_int_equal(dedup_check(dedup, 0, ids[j], 0), DEDUP_DUPLICATE);
        }
        for (uint64_t j = 0; j < IDS; j++)
            assert_int_equal(dedup_check(dedup, 0, ids[j], 0), DEDUP_DUPLICATE);
        dedup_free(dedup);
        assert_int_equal(budget, 1 << 24);
    }
}

static void test_bound_closes_for_good(void **state)
{
    (void)state;
    size_t budget = 4096; /* 512 places: 448 ids */
    struct dedup *dedup = dedup_new(&budget);
    enum dedup_verdict verdict = DEDUP_NEW;
    uint64_t taken = 0;
    while (verdict == DEDUP_NEW && taken < 100000)
        verdict = dedup_check(dedup, 0, ++taken, 0);
    assert_int_equal(verdict, DEDUP_OFF);
    assert_in_range(taken, 224, 449);
    assert_int_equal(budget, 4096);                              /* given back */
    assert_int_equal(dedup_check(dedup, 0, 1, 0), DEDUP_OFF);    /* and not opened again */
    assert_int_equal(dedup_check(dedup, PANE, 1, 5), DEDUP_NEW); /* other panes go on */
    dedup_free(dedup);
    assert_int_equal(budget, 4096);
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
        cmocka_unit_test(test_ids_at_the_end),
        cmocka_unit_test(test_bound_closes_for_good),
        cmocka_unit_test(test_first_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
