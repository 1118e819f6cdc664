/* gap_drift.c: which pair makes a gap, its error, what takes part, rows without anything to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/gap_drift.h"
#include "detectors/special.h"
#include "tests/unit/near.h"

static struct gap_group group(double k, double n, double before_k, double before_n)
{
    return (struct gap_group){{k, n}, {before_k, before_n}};
}

static double variance(double k, double n)
{
    double p = (k + 1) / (n + 2);
    return p * (1 - p) / (n + 2);
}

/* ProPublica's false positive rates (METHODS §9) as the reference; the gap falls to half. */
static void test_two_groups(void **state)
{
    (void)state;
    struct gap_group groups[2] = {group(300, 1000, 805, 1795), group(200, 1000, 349, 1488)};
    struct gap_change change = gap_change(groups, 2, 10);
    double error =
        sqrt(variance(300, 1000) + variance(200, 1000) + variance(805, 1795) + variance(349, 1488));
    double before = 805. / 1795 - 349. / 1488;
    assert_near(change.before, before, 1e-15);
    assert_near(before, 0.2139, 5e-5);
    assert_near(change.change, 0.1 - before, 1e-15);
    assert_near(change.error, error, 1e-15);
    assert_near(change.p, 2 * normal_sf((before - 0.1) / error), 1e-15);
    assert_near(change.change_interval.low, 0.1 - before - 1.959963984540054 * error, 1e-12);
    assert_near(change.change_interval.high, 0.1 - before + 1.959963984540054 * error, 1e-12);
    assert_near(change.pair, change.change, 1e-15);
    assert_near(change.pair_interval.low, change.change_interval.low, 1e-12);
}

/* The groups change places: the gap is what it was, the pair is not. */
static void test_turned_around(void **state)
{
    (void)state;
    struct gap_group groups[2] = {group(20, 100, 40, 100), group(40, 100, 20, 100)};
    struct gap_change change = gap_change(groups, 2, 10);
    assert_near(change.change, 0, 1e-15);
    assert_near(change.p, 1, 1e-15);
    assert_near(change.pair, -0.4, 1e-15);
    assert_true(change.pair_interval.high < -0.2);
}

/* One that grew has the error of the window's pair, one that shrank that of the reference's. */
static void test_which_pair(void **state)
{
    (void)state;
    struct gap_group grew[3] = {group(500, 1000, 500, 1000), group(25, 50, 20, 50),
                                group(100, 1000, 450, 1000)};
    struct gap_change change = gap_change(grew, 3, 10);
    assert_near(change.change, 0.4 - 0.1, 1e-15);
    assert_near(change.error, sqrt(2 * variance(500, 1000) + variance(100, 1000) + variance(450, 1000)),
                1e-15);
    assert_near(change.p, fmin(1, 3 * 2 * normal_sf(0.3 / change.error)), 1e-15);
    assert_near(change.pair, 0.5 - 0.5 - 0.1, 1e-15);
    for (int i = 0; i < 3; i++) {
        struct group_rate now = grew[i].now;
        grew[i].now = grew[i].before;
        grew[i].before = now;
    }
    struct gap_change back = gap_change(grew, 3, 10);
    assert_near(back.change, -change.change, 1e-15);
    assert_near(back.error, change.error, 1e-15);
    assert_near(back.p, change.p, 1e-15);
}

static void test_who_takes_part(void **state)
{
    (void)state;
    struct gap_group groups[4] = {group(50, 100, 50, 100), group(9, 9, 50, 100), group(50, 100, 0, 9),
                                  group(30, 100, 40, 100)};
    struct gap_change change = gap_change(groups, 4, 10);
    assert_int_equal(change.groups, 2);
    assert_near(change.now, 0.2, 1e-15);
    change = gap_change(groups, 3, 10);
    assert_int_equal(change.groups, 1);
    assert_true(isnan(change.change) && isnan(change.p) && isnan(change.pair) &&
                isnan(change.change_interval.low));
    assert_int_equal(gap_change(groups, 0, 10).groups, 0);
    struct gap_group none[2] = {group(0, 0, 0, 0), group(0, 0, 0, 0)};
    assert_int_equal(gap_change(none, 2, 0).groups, 0);
}

/* All alike, all zero or all one: an error, and no change. */
static void test_constant(void **state)
{
    (void)state;
    for (int k = 0; k <= 40; k += 20) {
        struct gap_group groups[3] = {group(k, 40, k, 40), group(k, 40, k, 40), group(k, 40, k, 40)};
        struct gap_change change = gap_change(groups, 3, 10);
        assert_near(change.change, 0, 1e-15);
        assert_near(change.p, 1, 1e-15);
        assert_true(change.error > 0 && change.change_interval.low < 0 && change.change_interval.high > 0);
    }
}

static void test_odds(void **state)
{
    (void)state;
    struct gap_group of_tpr[2] = {group(60, 100, 50, 100), group(50, 100, 45, 100)};
    struct gap_group of_fpr[2] = {group(70, 200, 40, 100), group(10, 200, 30, 100)};
    struct gap_change tpr = gap_change(of_tpr, 2, 10), fpr = gap_change(of_fpr, 2, 10);
    struct gap_change odds = gap_change_of_odds(&tpr, &fpr);
    assert_near(odds.change, 0.3 - 0.1, 1e-15);
    assert_near(odds.error, fpr.error, 1e-15);
    assert_near(odds.p, 2 * 2 * normal_sf(0.2 / fpr.error), 1e-15);
    struct gap_change nothing = gap_change(of_fpr, 1, 10);
    odds = gap_change_of_odds(&tpr, &nothing);
    assert_true(isnan(odds.change) && isnan(odds.p));
}

/* ---- rows ---- */

static void add_cells(struct tally *tally, uint32_t slot, const uint64_t cells[4]) /* TP, FP, FN, TN */
{
    for (int cell = 0; cell < 4; cell++)
        for (uint64_t i = 0; i < cells[cell]; i++) {
            struct outcome outcome = {
                .kind = OUTCOME_BINARY, .predicted = cell < 2, .value = NAN, .truth = cell % 2 == 0};
            outcome_groups_add(tally, slot, &outcome, 1);
            outcome.labelled = true;
            outcome_groups_add(tally, slot, &outcome, 1);
        }
}

static double metric(const struct report_row *row, const char *name)
{
    assert_non_null(metric_find(name));
    assert_int_equal(metric_find(name)->family, FAMILY_GAPS);
    return row->slots[metric_find(name)->slot];
}

static bool nothing_is_defined(const struct report_row *row)
{
    for (uint32_t i = 0; i < REPORT_SLOTS; i++)
        if (!isnan(row->slots[i]))
            return false;
    return true;
}

static const uint64_t F[4] = {30, 10, 20, 40}, M[4] = {40, 30, 10, 20}, FEW[4] = {5, 5, 5, 5};
static const struct text names[4] = {{"sex=M", 5}, {"age=1", 5}, {"sex=F", 5}, {"sex=X", 5}};

static void test_rows(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcome_groups_size());
    struct named_counts before = {0};
    const uint64_t cells[3][GROUP_CELLS] = {
        {30, 20, 20, 30, 50, 50}, {35, 20, 15, 30, 55, 45}, {9, 9, 9, 9, 18, 18}};
    assert_int_equal(named_counts_add(&before, text_of("sex=F"), cells[0], GROUP_CELLS), 0);
    assert_int_equal(named_counts_add(&before, text_of("sex=M"), cells[1], GROUP_CELLS), 0);
    assert_int_equal(named_counts_add(&before, text_of("sex=Y"), cells[2], GROUP_CELLS), 0);
    add_cells(tally, 0, M);
    add_cells(tally, 1, M);
    add_cells(tally, 2, F);
    add_cells(tally, 3, FEW);
    struct gap_reference reference = {&before, &before};
    struct report_row rows[4];
    struct text out[4];
    assert_int_equal(gap_drift_report(tally, names, 4, &reference, 30, rows, out), 2);
    assert_true(text_equal(out[0], text_of("sex")) && text_equal(out[1], text_of("age")));
    assert_near(metric(&rows[0], "selection_rate_gap_change"), 0.3 - 0.05, 1e-15);
    assert_near(metric(&rows[0], "selection_rate_gap_reference"), 0.05, 1e-15);
    assert_near(metric(&rows[0], "equal_opportunity_gap_change"), 0.2 - 0.1, 1e-15);
    assert_near(metric(&rows[0], "fpr_gap_change"), 0.4 - 0, 1e-15);
    assert_near(metric(&rows[0], "equalized_odds_gap_change"), 0.4 - 0.1, 1e-15);
    assert_near(metric(&rows[0], "accuracy_gap_change"), 0.1 - 0.05, 1e-15);
    assert_near(metric(&rows[0], "gap_groups_compared"), 2, 0);
    assert_near(metric(&rows[0], "gap_groups_new"), 1, 0);     /* X */
    assert_near(metric(&rows[0], "gap_groups_missing"), 1, 0); /* Y */
    assert_int_equal(rows[0].n, 220);
    assert_int_equal(rows[0].reference_n, 236);
    assert_int_equal(rows[0].flags, 0);
    assert_true(nothing_is_defined(&rows[1])); /* the reference has no ages */
    assert_true(rows[1].flags & REPORT_INSUFFICIENT);
    assert_int_equal(gap_drift_report(tally, names, 4, &reference, 101, rows, out), 2);
    assert_true(isnan(metric(&rows[0], "selection_rate_gap_change"))); /* groups of 100 are too small */
    reference.labels = NULL;
    assert_int_equal(gap_drift_report(tally, names, 4, &reference, 30, rows, out), 2);
    assert_near(metric(&rows[0], "selection_rate_gap_change"), 0.25, 1e-15);
    assert_true(isnan(metric(&rows[0], "fpr_gap_change")) &&
                isnan(metric(&rows[0], "equalized_odds_gap_change")));
    named_counts_release(&before);
    tally_free(tally);
}

static void test_nothing(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcome_groups_size());
    struct gap_reference none = {NULL, NULL};
    struct report_row rows[4];
    struct text out[4];
    assert_int_equal(gap_drift_report(tally, names, 4, &none, 30, rows, out), 0);
    assert_int_equal(gap_drift_report(tally, names, 0, &none, 30, rows, out), 0);
    add_cells(tally, 2, F);
    assert_int_equal(gap_drift_report(tally, names, 4, &none, 30, rows, out), 1);
    assert_true(nothing_is_defined(&rows[0]));
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_groups), cmocka_unit_test(test_turned_around),
        cmocka_unit_test(test_which_pair), cmocka_unit_test(test_who_takes_part),
        cmocka_unit_test(test_constant),   cmocka_unit_test(test_odds),
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
