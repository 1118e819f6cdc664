/* comparison.c: differences of two samples, what counts as a fall, degenerate samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "detectors/comparison.h"
#include "detectors/score_slots.h"

static void fill(struct tally *tally, uint32_t tp, uint32_t fp, uint32_t fn, uint32_t tn)
{
    const struct {
        uint32_t n;
        struct outcome outcome;
    } cells[] = {{tp, {OUTCOME_BINARY, true, 1, 0.8, 1}},
                 {fp, {OUTCOME_BINARY, true, 1, 0.7, 0}},
                 {fn, {OUTCOME_BINARY, true, 0, 0.3, 1}},
                 {tn, {OUTCOME_BINARY, true, 0, 0.1, 0}}};
    tally_reset(tally);
    for (size_t i = 0; i < 4; i++)
        for (uint32_t k = 0; k < cells[i].n; k++)
            outcomes_add(tally, &cells[i].outcome, 1, 1);
}

static struct labelled *reference_of(const struct tally *tally)
{
    struct labelled *labelled = labelled_new(1);
    assert_int_equal(labelled_add(labelled, tally), 0);
    assert_int_equal(labelled_finish(labelled), 0);
    return labelled;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

static void test_falls(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct report_row rows[COMPARISON_ROWS_MAX];
    fill(tally, 450, 50, 50, 450);
    struct labelled *labelled = reference_of(tally);
    assert_int_equal(comparison_report(tally, labelled, 1, 200, rows), 1);
    assert_true(near(rows[0].slots[CMP_ACCURACY_DELTA], 0) && near(rows[0].slots[CMP_AUC_DELTA], 0));
    assert_true(rows[0].slots[CMP_ACCURACY_DROP] < rows[0].slots[CMP_ACCURACY_FLOOR]);
    fill(tally, 400, 60, 100, 440); /* clearly worse: the fall is beyond what the interval leaves open */
    assert_int_equal(comparison_report(tally, labelled, 1, 200, rows), 1);
    const double *slots = rows[0].slots;
    assert_true(near(slots[CMP_ACCURACY_DELTA], -0.06) && near(slots[CMP_ACCURACY_DROP], 0.06));
    assert_true(near(slots[CMP_RECALL_DELTA], -0.1));
    assert_true(slots[CMP_ACCURACY_DROP] >= slots[CMP_ACCURACY_FLOOR] && slots[CMP_ACCURACY_DELTA_HIGH] < 0);
    assert_true(near(slots[CMP_ACCURACY_FLOOR], slots[CMP_ACCURACY_DELTA_HIGH] - slots[CMP_ACCURACY_DELTA]));
    assert_true(slots[CMP_ACCURACY_P] < 0.001 && slots[CMP_AUC_DROP] > 0 && slots[CMP_BRIER_DELTA] > 0);
    fill(tally, 8, 1, 2, 9); /* the same fall of few: not beyond it */
    assert_int_equal(comparison_report(tally, labelled, 1, 200, rows), 1);
    assert_true(slots[CMP_RECALL_DROP] >= 0.05 && slots[CMP_RECALL_DROP] < slots[CMP_RECALL_FLOOR]);
    assert_true(rows[0].flags & REPORT_INSUFFICIENT);
    labelled_free(labelled);
    tally_free(tally);
}

static void test_regression(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct report_row rows[COMPARISON_ROWS_MAX];
    for (int i = 0; i < 400; i++) {
        struct outcome outcome = {OUTCOME_REGRESSION, true, 0, (i % 2 ? 8.0 : 12.0) + i % 3, 10};
        outcomes_add(tally, &outcome, 2, 1);
    }
    struct labelled *labelled = labelled_new(2);
    assert_int_equal(labelled_add(labelled, tally), 0);
    assert_int_equal(labelled_finish(labelled), 0);
    tally_reset(tally);
    for (int i = 0; i < 400; i++) { /* another unit, twice the errors */
        struct outcome outcome = {OUTCOME_REGRESSION, true, 0, 10 + 2 * ((i % 2 ? -2.0 : 2.0) + i % 3), 10};
        outcomes_add(tally, &outcome, 0.5, 1);
    }
    assert_int_equal(comparison_report(tally, labelled, 0.5, 200, rows), 1);
    assert_int_equal(rows[0].family, FAMILY_REGRESSION_COMPARISON);
    assert_true(near(rows[0].slots[CMP_MAE_INCREASE], 1) && near(rows[0].slots[CMP_RMSE_INCREASE], 1));
    assert_true(rows[0].slots[CMP_MAE_INCREASE] > rows[0].slots[CMP_MAE_FLOOR]);
    assert_true(rows[0].slots[CMP_MAE_P] < 1e-6);
    labelled_free(labelled);
    tally_free(tally);
}

static void test_versions(void **state)
{
    (void)state;
    struct tally *a = tally_new(outcomes_size()), *b = tally_new(outcomes_size());
    struct report_row row;
    fill(a, 450, 50, 50, 450);
    assert_false(comparison_report_versions(a, b, NULL, 1, 200, &row));
    fill(b, 400, 60, 100, 440);
    assert_true(comparison_report_versions(a, b, NULL, 1, 200, &row));
    assert_true(near(row.slots[VS_ACCURACY], 0.06) && row.slots[VS_ACCURACY_LOW] > 0);
    assert_true(row.slots[VS_PAIRED] == 0 && isnan(row.slots[VS_MCNEMAR_P]) && isnan(row.slots[VS_MAE]));
    struct paired_counts pairs = {800, 60, 20, 120};
    assert_true(comparison_report_versions(a, b, &pairs, 1, 200, &row));
    assert_true(row.slots[VS_PAIRED] == 1000 && row.slots[VS_MCNEMAR_P] < 1e-4);
    tally_free(a);
    tally_free(b);
}

/* One class, no scores, one event: what is undefined is NaN and falls are not judged. */
static void test_degenerate(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct report_row rows[COMPARISON_ROWS_MAX];
    struct labelled *nothing = labelled_new(1);
    assert_int_equal(labelled_finish(nothing), 0);
    fill(tally, 1, 0, 0, 0);
    assert_int_equal(comparison_report(tally, nothing, 1, 200, rows), 0);
    struct labelled *one = reference_of(tally);
    assert_int_equal(comparison_report(tally, one, 1, 200, rows), 1);
    assert_true(near(rows[0].slots[CMP_ACCURACY_DELTA], 0));
    assert_true(isnan(rows[0].slots[CMP_AUC_DROP]) && isnan(rows[0].slots[CMP_SPECIFICITY_DELTA]));
    for (int i = 0; i < REPORT_SLOTS; i++)
        assert_true(!isinf(rows[0].slots[i]));
    tally_reset(tally);
    assert_int_equal(comparison_report(tally, one, 1, 200, rows), 0);
    labelled_free(one);
    labelled_free(nothing);
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_falls), cmocka_unit_test(test_regression),
                                       cmocka_unit_test(test_versions), cmocka_unit_test(test_degenerate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
