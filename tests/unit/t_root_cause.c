/* root_cause.c: exact splits, small and empty segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "detectors/root_cause.h"
#include "detectors/root_cause_slots.h"

enum { SEGMENTS = 3, BINS = 4 };

static const uint64_t even[SEGMENTS * BINS] = {100, 100, 100, 100, 50, 50, 50, 50, 25, 25, 25, 25};

static double psi_of(const uint64_t *reference, const uint64_t *current)
{
    double p[BINS] = {0}, q[BINS] = {0}, m = 0, n = 0, psi = 0;
    for (int i = 0; i < SEGMENTS * BINS; i++) {
        p[i % BINS] += (double)reference[i] + 0.5;
        q[i % BINS] += (double)current[i] + 0.5;
        m += (double)reference[i] + 0.5;
        n += (double)current[i] + 0.5;
    }
    for (int b = 0; b < BINS; b++)
        psi += (q[b] / n - p[b] / m) * log((q[b] / n) / (p[b] / m));
    return psi;
}

static void test_parts_add_up(void **state)
{
    (void)state;
    static const uint64_t currents[][SEGMENTS * BINS] = {
        {100, 100, 100, 300, 50, 50, 50, 50, 25, 25, 25, 25},
        {10, 20, 30, 40, 500, 400, 300, 200, 1, 1, 1, 1},
        {0, 0, 0, 0, 50, 60, 70, 80, 0, 0, 0, 9},
    };
    for (size_t c = 0; c < sizeof(currents) / sizeof(currents[0]); c++) {
        struct cause causes[SEGMENTS];
        assert_int_equal(causes_of(even, currents[c], SEGMENTS, BINS, causes), 0);
        double parts = 0, shares = 0, psi = psi_of(even, currents[c]);
        for (int s = 0; s < SEGMENTS; s++) {
            assert_true(fabs((causes[s].mix + causes[s].within) - (causes[s].part)) <= 1e-12);
            parts += causes[s].part;
            shares += causes[s].share;
        }
        assert_true(fabs(parts - psi) < 1e-9 * psi);
        assert_true(fabs(shares - 1) < 1e-9);
    }
}

static void test_only_the_segment_that_moved_is_significant(void **state)
{
    (void)state;
    static const uint64_t current[SEGMENTS * BINS] = {100, 100, 100, 300, 50, 50, 50, 50, 25, 25, 25, 25};
    struct cause causes[SEGMENTS];
    assert_int_equal(causes_of(even, current, SEGMENTS, BINS, causes), 0);
    assert_true(causes[0].p < 1e-6);
    assert_true(causes[1].p > 0.9 && causes[2].p > 0.9);
    assert_true(causes[0].within > 0 && causes[0].n == 600 && causes[0].reference_n == 400);
    assert_true(causes[0].kl_debiased > 0 && causes[1].kl_debiased < 0.01);
}

static void test_nothing_to_compare(void **state)
{
    (void)state;
    static const uint64_t nothing[SEGMENTS * BINS] = {0};
    struct cause causes[SEGMENTS];
    assert_int_equal(causes_of(even, nothing, SEGMENTS, BINS, causes), 0);
    for (int s = 0; s < SEGMENTS; s++) {
        assert_true(isnan(causes[s].p));
        assert_true(causes[s].n == 0 && isfinite(causes[s].part));
    }
    assert_int_equal(causes_of(even, even, SEGMENTS, BINS, causes), 0);
    for (int s = 0; s < SEGMENTS; s++) {
        assert_true(isnan(causes[s].share)); /* no drift: no share of it */
        assert_true(fabs((causes[s].part) - (0)) <= 1e-15);
    }
    assert_int_equal(causes_of(even, even, 0, BINS, causes), 0);
}

static void test_a_row(void **state)
{
    (void)state;
    struct cause cause = {
        .mix = 0.1, .within = 0.2, .part = 0.3, .share = NAN, .p = 0.5, .n = 7, .reference_n = 9};
    struct report_row row;
    cause_row(&cause, &row);
    assert_int_equal(row.family, FAMILY_CAUSE);
    assert_true(row.n == 7 && row.reference_n == 9);
    assert_true(fabs((row.slots[CAUSE_PART]) - (0.3)) <= 0);
    assert_true(isnan(row.slots[CAUSE_SHARE]) && isnan(row.slots[CAUSE_SLOT_COUNT]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_only_the_segment_that_moved_is_significant),
        cmocka_unit_test(test_nothing_to_compare),
        cmocka_unit_test(test_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
