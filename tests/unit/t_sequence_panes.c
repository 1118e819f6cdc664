/* sequence_panes.c: what is kept depends on the set of outcomes, not on their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sequence_panes.h"

enum { CAP = 8 };

static struct sequence_outcome outcome_of(uint64_t hash, int64_t ts_ms, double truth)
{
    return (struct sequence_outcome){.id_hash = hash, .ts_ms = ts_ms, .value = 0.5, .truth = truth};
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void the_lowest_hashes_in_the_order_of_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 50; seed++) {
        uint64_t random = seed, hashes[100];
        int order[100];
        for (int i = 0; i < 100; i++) {
            order[i] = i;
            hashes[i] = next(&random) << 20 | (uint64_t)i;
        }
        for (int i = 99; i > 0; i--) { /* the order of arrival */
            int k = (int)(next(&random) % (uint64_t)(i + 1)), swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        struct sequence_panes panes = {0};
        for (int i = 0; i < 100; i++) {
            struct sequence_outcome one = outcome_of(hashes[order[i]], 1000 - order[i], 0);
            assert_int_equal(sequence_panes_add(&panes, 0, &one, CAP), 0);
        }
        uint32_t count = 0;
        const struct sequence_outcome *got = sequence_panes_mature(&panes, 0, CAP, &count);
        assert_int_equal(count, CAP);
        qsort(hashes, 100, sizeof(hashes[0]), compare_hashes);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(got[i].id_hash <= hashes[CAP - 1]);
            assert_true(i == 0 || got[i - 1].ts_ms < got[i].ts_ms);
        }
        sequence_panes_release(&panes);
    }
}

/* Fewer than the cap are taken back, and others are replaced: as if those had never come. */
static void taking_back_leaves_no_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct sequence_panes churned = {0}, plain = {0};
        uint64_t random = seed;
        struct sequence_outcome gone[CAP - 1];
        for (int i = 0; i < CAP - 1; i++)
            gone[i] = outcome_of(next(&random) % 1000, i, 1);
        int left = 0;
        for (int i = 0; i < 200; i++) {
            struct sequence_outcome one = outcome_of(next(&random) | 1u << 20, i, 0), before = one;
            before.truth = 1;
            assert_int_equal(sequence_panes_add(&plain, 0, &one, CAP), 0);
            assert_int_equal(sequence_panes_add(&churned, 0, &before, CAP), 0);
            sequence_panes_take_back(&churned, 0, &before);
            assert_int_equal(sequence_panes_add(&churned, 0, &one, CAP), 0);
            if (i % 20 == 3 && left < CAP - 1)
                assert_int_equal(sequence_panes_add(&churned, 0, &gone[left++], CAP), 0);
        }
        for (int i = 0; i < left; i++)
            sequence_panes_take_back(&churned, 0, &gone[i]);
        uint32_t a = 0, b = 0;
        const struct sequence_outcome *x = sequence_panes_mature(&churned, 0, CAP, &a);
        const struct sequence_outcome *y = sequence_panes_mature(&plain, 0, CAP, &b);
        assert_int_equal(a, b);
        assert_memory_equal(x, y, a * sizeof(*x));
        sequence_panes_release(&churned);
        sequence_panes_release(&plain);
    }
}

static void panes_are_apart(void **state)
{
    (void)state;
    struct sequence_panes panes = {0};
    uint32_t count = 7;
    struct sequence_outcome one = outcome_of(1, 5, 0);
    assert_null(sequence_panes_mature(&panes, 0, CAP, &count));
    assert_int_equal(count, 0);
    sequence_panes_take_back(&panes, 0, &one);
    for (int64_t start = 90; start >= 0; start -= 10)
        assert_int_equal(sequence_panes_add(&panes, start, &one, CAP), 0);
    assert_int_equal(sequence_panes_add(&panes, 40, &one, CAP), 0); /* events without an id are all alike */
    assert_non_null(sequence_panes_mature(&panes, 40, CAP, &count));
    assert_int_equal(count, 2);
    sequence_panes_drop(&panes, 50);
    assert_int_equal(panes.count, 5);
    assert_null(sequence_panes_mature(&panes, 40, CAP, &count));
    assert_non_null(sequence_panes_mature(&panes, 50, CAP, &count));
    sequence_panes_release(&panes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_hashes_in_the_order_of_time),
        cmocka_unit_test(taking_back_leaves_no_trace),
        cmocka_unit_test(panes_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
