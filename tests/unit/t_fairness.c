/* fairness.c: aggregates, limits, additive inequality, null extremes by simulation, division rules. */
#include "tests/unit/near.h"

#include "detectors/fairness.h"

static const struct confusion groups[] = {{40, 10, 20, 130}, {30, 30, 10, 130}, {5, 0, 0, 5}, {0, 0, 0, 0}};
enum { GROUPS = sizeof groups / sizeof *groups };

static void aggregates_by_hand(void **state)
{
    (void)state;
    struct group_aggregate a =
        group_aggregate(groups, GROUPS, GROUP_SELECTION_RATE, (struct group_limits){0, 0});
    assert_int_equal(a.groups, 3);
    assert_near(a.minimum, 0.25, 1e-15);
    assert_near(a.maximum, 0.5, 1e-15);
    assert_near(a.difference, 0.25, 1e-15);
    assert_near(a.ratio, 0.5, 1e-15);
    assert_near(a.overall, 115.0 / 410, 1e-15);
    assert_near(a.difference_to_overall, 0.5 - 115.0 / 410, 1e-15);
    assert_near(a.ratio_to_overall, 115.0 / 410 / 0.5, 1e-15);
    a = group_aggregate(groups, GROUPS, GROUP_SELECTION_RATE, (struct group_limits){30, 10});
    assert_int_equal(a.groups, 2);
    assert_near(a.difference, 0.05, 1e-15);
    a = group_aggregate(groups + 3, 1, GROUP_TPR, (struct group_limits){0, 0});
    assert_int_equal(a.groups, 0);
    assert_nan(a.difference);
    assert_nan(a.ratio);
    assert_nan(group_aggregate(groups, 0, GROUP_TPR, (struct group_limits){0, 0}).overall);
}

static void zero_rates(void **state)
{
    (void)state;
    static const struct confusion none[] = {{0, 0, 5, 95}, {0, 0, 1, 99}};
    struct group_aggregate a = group_aggregate(none, 2, GROUP_SELECTION_RATE, (struct group_limits){0, 0});
    assert_near(a.difference, 0, 0);
    assert_nan(a.ratio);
    assert_nan(a.ratio_to_overall);
    assert_nan(group_metric(&none[0], GROUP_FN_OVER_FP));
    assert_nan(group_metric(&none[0], GROUP_PPV));
    assert_nan(group_against_rest(none, 2, 0, GROUP_FN_OVER_FP).p);
    assert_near(group_against_rest(none, 2, 0, GROUP_SELECTION_RATE).p, 1, 0);
}

static void odds_are_the_worse_of_two(void **state)
{
    (void)state;
    struct group_limits all = {0, 0};
    struct group_aggregate tpr = group_aggregate(groups, 2, GROUP_TPR, all);
    struct group_aggregate fpr = group_aggregate(groups, 2, GROUP_FPR, all);
    struct equalized_odds odds = equalized_odds(&tpr, &fpr);
    assert_near(odds.difference, fmax(tpr.difference, fpr.difference), 0);
    assert_near(odds.ratio, fmin(tpr.ratio, fpr.ratio), 0);
    assert_near(odds.mean_difference, (tpr.difference + fpr.difference) / 2, 0);
    tpr.difference = NAN;
    assert_nan(equalized_odds(&tpr, &fpr).difference);
}

static void one_group_against_the_rest(void **state)
{
    (void)state;
    struct test_result got = group_against_rest(groups, 2, 0, GROUP_FPR);
    struct test_result want = two_proportion_z(10, 140, 30, 160);
    assert_near(got.statistic, want.statistic, 1e-15);
    assert_near(got.p, fmin(1, 2 * want.p), 1e-15);
}

static void inequality_splits_into_within_and_between(void **state)
{
    (void)state;
    struct benefits parts[GROUPS], whole = {0, 0, 0};
    for (int i = 0; i < GROUPS; i++) {
        parts[i] = confusion_benefits(&groups[i]);
        whole.n0 += parts[i].n0;
        whole.n1 += parts[i].n1;
        whole.n2 += parts[i].n2;
    }
    struct entropy_split split = generalized_entropy_split(parts, GROUPS);
    assert_near(split.within + split.between, generalized_entropy(&whole, 2), 1e-14);
    assert_true(split.within > 0 && split.between > 0);
    assert_near(coefficient_of_variation(&whole), sqrt(2 * generalized_entropy(&whole, 2)), 0);
    /* Theil is the limit of alpha → 1 */
    assert_near(generalized_entropy(&whole, 1), generalized_entropy(&whole, 1 + 1e-6), 1e-6);
    struct benefits same = {0, 9, 0}, nothing = {5, 0, 0}, none = {0, 0, 0};
    assert_near(generalized_entropy(&same, 2), 0, 0);
    assert_nan(generalized_entropy(&nothing, 2));
    assert_nan(generalized_entropy(&none, 2));
    assert_nan(generalized_entropy(&whole, 0)); /* somebody has no benefit */
}

static void extremes_of_fair_groups(void **state)
{
    (void)state;
    enum { RUNS = 2000, COUNT = 20, SIZE = 100 };
    double sizes[COUNT], difference = 0, ratio = 0;
    uint64_t seed = 4;
    for (int i = 0; i < COUNT; i++)
        sizes[i] = SIZE;
    for (int run = 0; run < RUNS; run++) {
        double low = 1, high = 0;
        for (int i = 0; i < COUNT; i++) {
            double k = 0;
            for (int e = 0; e < SIZE; e++)
                k += random_unit(&seed) < 0.3;
            low = fmin(low, k / SIZE);
            high = fmax(high, k / SIZE);
        }
        difference += (high - low) / RUNS;
        ratio += low / high / RUNS;
    }
    struct null_extremes null = fairness_null_extremes(sizes, COUNT, 0.3);
    assert_near(null.difference, difference, 0.01);
    assert_near(null.ratio, ratio, 0.02);
    assert_near(null.ratio, 0.56, 0.01);
    assert_nan(fairness_null_extremes(sizes, 1, 0.3).ratio);
    assert_near(fairness_null_extremes(sizes, 2, 0).difference, 0, 0);
}

static void the_tool_divides_by_zero(void **state)
{
    (void)state;
    struct confusion a = {0, 0, 2, 3}, d = {4, 1, 0, 0};
    struct clarify m = clarify_metrics(&a, &d);
    assert_true(isinf(m.DI) && m.DI > 0);
    assert_true(isinf(m.DCA));
    assert_near(m.CI, 0, 0);
    struct confusion none = {0, 0, 0, 0};
    m = clarify_metrics(&none, &none);
    assert_near(m.DI, 0, 0);
    assert_near(m.KL, 0, 0);
    assert_nan(m.GE2);
}

static void disparity_within_strata(void **state)
{
    (void)state;
    static const struct stratum strata[] = {{10, 10, 4, 6}, {0, 5, 0, 5}, {0, 0, 0, 0}};
    assert_near(conditional_demographic_disparity(strata, 3), (20 * 0.2 + 5 * 1) / 25, 1e-15);
    assert_nan(conditional_demographic_disparity(strata + 2, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregates_by_hand),
        cmocka_unit_test(zero_rates),
        cmocka_unit_test(odds_are_the_worse_of_two),
        cmocka_unit_test(one_group_against_the_rest),
        cmocka_unit_test(inequality_splits_into_within_and_between),
        cmocka_unit_test(extremes_of_fair_groups),
        cmocka_unit_test(the_tool_divides_by_zero),
        cmocka_unit_test(disparity_within_strata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
