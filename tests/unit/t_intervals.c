/* intervals.c: coverage by enumeration, symmetries, limits. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "detectors/intervals.h"
#include "detectors/special.h"

/* Coverage of the exact interval is never below nominal; Wilson's is near it. By full enumeration. */
static void coverage_of_proportions(void **state)
{
    (void)state;
    enum { N = 40 };
    for (double p = 0.05; p < 1; p += 0.05) {
        double exact = 0;
        double wilson = 0;
        for (int k = 0; k <= N; k++) {
            double mass = exp(log_choose(N, k) + k * log(p) + (N - k) * log1p(-p));
            struct interval cp = interval_clopper_pearson(k, N, 0.05);
            struct interval w = interval_wilson(k, N, 0.05);
            exact += cp.low <= p && p <= cp.high ? mass : 0;
            wilson += w.low <= p && p <= w.high ? mass : 0;
            assert_true(w.low <= (double)k / N && w.high >= (double)k / N);
        }
        assert_true(exact >= 0.95 - 1e-12);
        assert_true(wilson > 0.90 && wilson < 0.995);
    }
}

static void proportions_mirror(void **state)
{
    (void)state;
    static const double cases[][2] = {{0, 20}, {3, 20}, {10, 20}, {1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double k = cases[i][0];
        double n = cases[i][1];
        struct interval a = interval_clopper_pearson(k, n, 0.1);
        struct interval b = interval_clopper_pearson(n - k, n, 0.1);
        assert_near(a.low, 1 - b.high, 1e-12);
        a = interval_wilson(k, n, 0.1);
        b = interval_wilson(n - k, n, 0.1);
        assert_near(a.low, 1 - b.high, 1e-12);
        a = interval_jeffreys(k, n, 0.1);
        b = interval_jeffreys(n - k, n, 0.1);
        assert_near(a.high, 1 - b.low, 1e-12);
    }
}

static void nothing_observed_is_undefined(void **state)
{
    (void)state;
    assert_nan(interval_wilson(0, 0, 0.05).low);
    assert_nan(interval_clopper_pearson(3, 2, 0.05).high);
    assert_nan(interval_newcombe(0, 0, 1, 2, 0.05).low);
    assert_nan(interval_ratio(1, 0, 1, 2, 0.05).low);
    assert_nan(interval_ratio_plain(0, 5, 1, 5, 0.05).low);
    assert_nan(two_proportion_z(0, 0, 1, 2).p);
    assert_nan(fisher_exact_p(0, 0, 1, 2));
    assert_nan(welch_test(1, 0, 10, 2, 0, 10, 0.05).t);
    assert_nan(welch_test(1, 1, 1, 2, 1, 10, 0.05).p);
    assert_nan(asymptotic_confidence_sequence(0, 1, 0.05, 10).half_width);
    /* a zero count gets ½ in each cell instead */
    assert_true(interval_ratio(0, 50, 5, 50, 0.05).low > 0);
}

static void equal_rates_are_no_difference(void **state)
{
    (void)state;
    assert_near(two_proportion_z(0, 10, 0, 90).statistic, 0, 0);
    assert_near(two_proportion_z(10, 10, 90, 90).p, 1, 0);
    assert_near(two_proportion_z(5, 10, 50, 100).p, 1, 1e-15);
    assert_near(fisher_exact_p(5, 10, 5, 10), 1, 1e-12);
    assert_near(mcnemar_p(7, 7), 1, 0);
}

/* Against the sum over all tables. */
static void fisher_by_enumeration(void **state)
{
    (void)state;
    static const unsigned cases[][4] = {
        {3, 10, 0, 12}, {5, 56, 0, 29}, {9, 11, 2, 30}, {0, 4, 4, 4}, {3, 4, 5, 79}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const unsigned *c = cases[i];
        unsigned hits = c[0] + c[2];
        double observed = 0;
        double sum = 0;
        for (int pass = 0; pass < 2; pass++)
            for (unsigned x = hits > c[3] ? hits - c[3] : 0; x <= hits && x <= c[1]; x++) {
                double mass = exp(log_choose(hits, x) + log_choose(c[1] + c[3] - hits, c[1] - x) -
                                  log_choose(c[1] + c[3], c[1]));
                if (pass == 0 && x == c[0])
                    observed = mass;
                if (pass == 1 && mass <= observed * (1 + 1e-7))
                    sum += mass;
            }
        assert_near(fisher_exact_p(c[0], c[1], c[2], c[3]), sum, 1e-12);
    }
}

static void fisher_of_large_tables_agrees_with_z(void **state)
{
    (void)state;
    double exact = fisher_exact_p(50500000, 100000000, 50000000, 100000000);
    assert_true(exact < 1e-300);
    exact = fisher_exact_p(50010000, 100000000, 50000000, 100000000);
    assert_near(exact, two_proportion_z(50010000, 1e8, 50000000, 1e8).p, 0.002);
}

static void mcnemar_by_hand(void **state)
{
    (void)state;
    /* 2·(1 + 5)/32 of Binomial(5, ½) */
    assert_near(mcnemar_p(1, 4), 0.375, 1e-14);
    assert_near(mcnemar_p(4, 1), 0.375, 1e-14);
    assert_near(mcnemar_p(0, 10), 2.0 / 1024, 1e-15);
}

static void welch_is_antisymmetric(void **state)
{
    (void)state;
    struct welch a = welch_test(10, 2, 40, 9, 3, 55, 0.05);
    struct welch b = welch_test(9, 3, 55, 10, 2, 40, 0.05);
    assert_near(a.t, -b.t, 1e-15);
    assert_near(a.df, b.df, 1e-10);
    assert_near(a.interval.low, -b.interval.high, 1e-12);
    /* tiny deviations do not underflow */
    assert_near(welch_test(10e-100, 2e-100, 40, 9e-100, 3e-100, 55, 0.05).df, a.df, 1e-10);
}

static void adjusted_p_values(void **state)
{
    (void)state;
    static const double p[] = {0.01, NAN, 0.04, 0.03, 0.005};
    double adjusted[5];
    bool rejected[5];
    assert_int_equal(adjust_benjamini_hochberg(p, 5, adjusted), 0);
    assert_near(adjusted[0], 0.02, 1e-15);
    assert_nan(adjusted[1]);
    assert_near(adjusted[2], 0.04, 1e-15);
    assert_near(adjusted[3], 0.04, 1e-15);
    assert_near(adjusted[4], 0.02, 1e-15);
    assert_int_equal(reject_benjamini_hochberg(p, 5, 0.03, rejected), 0);
    assert_true(rejected[0] && rejected[4] && !rejected[1] && !rejected[2] && !rejected[3]);
    assert_int_equal(adjust_holm(p, 5, adjusted), 0);
    assert_near(adjusted[4], 0.02, 1e-15);
    assert_near(adjusted[0], 0.03, 1e-15);
    assert_near(adjusted[3], 0.06, 1e-15);
    assert_near(adjusted[2], 0.06, 1e-15);
    adjust_bonferroni(p, 5, adjusted);
    assert_near(adjusted[2], 0.16, 1e-15);
    assert_int_equal(adjust_holm(p, 0, adjusted), 0);
}

static void e_values_at_the_bound_are_rejected(void **state)
{
    (void)state;
    /* F = 4, alpha 0.1: one needs 40, two need 20 each. */
    double log_e[4] = {log(20), log(20), 0, -INFINITY};
    bool rejected[4];
    assert_int_equal(reject_e_benjamini_hochberg(log_e, 4, 0.1, rejected), 0);
    assert_true(rejected[0] && rejected[1] && !rejected[2] && !rejected[3]);
    log_e[1] = log(19.9);
    assert_int_equal(reject_e_benjamini_hochberg(log_e, 4, 0.1, rejected), 0);
    assert_true(!rejected[0] && !rejected[1]);
    log_e[0] = 1000; /* e^1000 is no double */
    assert_int_equal(reject_e_benjamini_hochberg(log_e, 4, 0.1, rejected), 0);
    assert_true(rejected[0] && !rejected[2]);
}

static void order_ranks(void **state)
{
    (void)state;
    struct interval r = interval_order_ranks(1000, 0.99, 3.29);
    assert_near(r.low, floor(990 - 3.29 * sqrt(9.9)), 0);
    assert_near(r.high, 999, 0);
    assert_nan(interval_order_ranks(0, 0.5, 2).low);
    for (int n = 1; n < 60; n++) /* the estimate, order statistic q(n − 1), is never outside */
        for (int percent = 0; percent <= 100; percent++) {
            r = interval_order_ranks(n, percent / 100.0, 1.96);
            double estimate = floor(percent / 100.0 * (n - 1));
            assert_true(r.low >= 0 && r.low <= estimate && estimate <= r.high && r.high <= n - 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coverage_of_proportions),
        cmocka_unit_test(proportions_mirror),
        cmocka_unit_test(nothing_observed_is_undefined),
        cmocka_unit_test(equal_rates_are_no_difference),
        cmocka_unit_test(fisher_by_enumeration),
        cmocka_unit_test(fisher_of_large_tables_agrees_with_z),
        cmocka_unit_test(mcnemar_by_hand),
        cmocka_unit_test(welch_is_antisymmetric),
        cmocka_unit_test(adjusted_p_values),
        cmocka_unit_test(e_values_at_the_bound_are_rejected),
        cmocka_unit_test(order_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
