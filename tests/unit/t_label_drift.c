/* label_drift.c: shares and means of labels, a changed meaning of scores, degenerate samples. */
#include "tests/unit/near.h"

#include "detectors/label_drift.h"
#include "detectors/score_slots.h"

static void add(struct tally *tally, double score, uint32_t positives, uint32_t negatives)
{
    struct outcome yes = {OUTCOME_BINARY, true, score >= 0.5, score, 1}, no = yes;
    no.truth = 0;
    for (uint32_t i = 0; i < positives; i++)
        outcomes_add(tally, &yes, 1, 1);
    for (uint32_t i = 0; i < negatives; i++)
        outcomes_add(tally, &no, 1, 1);
}

static struct labelled *reference_of(const struct tally *tally, double unit)
{
    struct labelled *labelled = labelled_new(unit);
    assert_int_equal(labelled_add(labelled, tally), 0);
    assert_int_equal(labelled_finish(labelled), 0);
    return labelled;
}

/* Twenty scores, `n` labels each, as many positives as the score says; `flip`: the one where they do not. */
static void calibrated(struct tally *tally, uint32_t n, int flip)
{
    tally_reset(tally);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t positives = n * (2 * i + 1) / 40;
        if ((int)i == flip)
            positives = n - positives;
        add(tally, (i + 0.5) / 20, positives, n - positives);
    }
}

static void test_concept(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct report_row row;
    calibrated(tally, 200, -1);
    struct labelled *labelled = reference_of(tally, 1);
    calibrated(tally, 80, -1);
    assert_true(label_drift_report(tally, labelled, 1, 200, &row));
    assert_true(row.family == FAMILY_LABEL_DRIFT && row.n == 1600 && row.reference_n == 4000);
    assert_near(row.slots[LABEL_RATE_DELTA], 0, 1e-12);
    assert_near(row.slots[CONCEPT_TESTED], 20, 0);
    assert_near(row.slots[CONCEPT_P], 1, 0);
    assert_near(row.slots[CONCEPT_BINS], 0, 0);
    assert_near(row.slots[CONCEPT_HINT], 0, 0);
    calibrated(tally, 80, 3); /* scores of 0.175 mean 0.825 now */
    assert_true(label_drift_report(tally, labelled, 1, 200, &row));
    assert_near(row.slots[CONCEPT_BINS], 1, 0);
    assert_near(row.slots[CONCEPT_HINT], 1, 0);
    assert_true(row.slots[CONCEPT_P] < 1e-10);
    assert_true(row.slots[CONCEPT_SCORE_LOW] <= 0.175 && row.slots[CONCEPT_SCORE_HIGH] > 0.175);
    assert_near(row.slots[CONCEPT_DELTA], 66.0 / 80 - 35.0 / 200, 1e-12);
    assert_true(row.slots[CONCEPT_DELTA_LOW] > 0.5);
    assert_near(row.slots[CONCEPT_SCORE_PSI], 0, 1e-3);
    add(tally, 0.175, 3000, 900); /* the scores moved too: no hint of a concept alone */
    assert_true(label_drift_report(tally, labelled, 1, 200, &row));
    assert_true(row.slots[CONCEPT_P] < 1e-10 && row.slots[CONCEPT_SCORE_PSI] > 0.1);
    assert_near(row.slots[CONCEPT_HINT], 0, 0);
    labelled_free(labelled);
    tally_free(tally);
}

/* Counts whose tests are known: [[30, 70], [60, 40]] has chi-square 200/11. */
static void test_labels(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct report_row row;
    add(tally, 0.5, 60, 40);
    struct labelled *labelled = reference_of(tally, 1);
    tally_reset(tally);
    add(tally, 0.5, 30, 70);
    assert_true(label_drift_report(tally, labelled, 1, 200, &row));
    assert_true(row.flags & REPORT_INSUFFICIENT);
    assert_near(row.slots[LABEL_RATE_DELTA], -0.3, 1e-12);
    assert_near(row.slots[LABEL_CHI2], 200.0 / 11, 1e-12);
    assert_near(row.slots[LABEL_RATE_P], row.slots[LABEL_CHI2_P], 1e-12);
    assert_true(row.slots[LABEL_RATE_DELTA_HIGH] < 0 && row.slots[LABEL_JS] > 0.1);
    assert_near(row.slots[CONCEPT_TESTED], 1, 0); /* one score: one bin, and all labels are in it */
    assert_near(row.slots[CONCEPT_P], row.slots[LABEL_RATE_P], 1e-12);
    assert_nan(row.slots[LABEL_MEAN_DELTA]);
    labelled_free(labelled);
    tally_free(tally);
}

static void add_targets(struct tally *tally, double base, uint32_t n, double unit)
{
    for (uint32_t i = 0; i < n; i++) {
        struct outcome outcome = {OUTCOME_REGRESSION, true, 0, 1, base + i % 2};
        outcomes_add(tally, &outcome, unit, 1);
    }
}

static void test_targets(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct report_row row;
    add_targets(tally, 1e6, 400, 1);
    struct labelled *labelled = reference_of(tally, 1);
    tally_reset(tally);
    add_targets(tally, 1e6 + 1, 400, 0.5); /* another unit */
    assert_true(label_drift_report(tally, labelled, 0.5, 200, &row));
    assert_near(row.slots[LABEL_MEAN_DELTA], 1, 1e-9);
    assert_near(row.slots[LABEL_MEAN_SHIFT], 1 / sqrt(100.0 / 399), 1e-9);
    assert_true(row.slots[LABEL_MEAN_P] < 1e-10 && row.slots[LABEL_MEAN_DELTA_LOW] > 0.9);
    assert_nan(row.slots[LABEL_RATE_DELTA]);
    labelled_free(labelled);
    tally_free(tally);
}

/* Nothing, one class, no scores, one event, constant targets. */
static void test_degenerate(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct report_row row;
    struct labelled *nothing = reference_of(tally, 1);
    add(tally, 0.5, 1, 0);
    assert_false(label_drift_report(tally, nothing, 1, 200, &row));
    struct labelled *one = reference_of(tally, 1);
    assert_true(label_drift_report(tally, one, 1, 200, &row));
    assert_near(row.slots[LABEL_RATE_DELTA], 0, 0);
    assert_near(row.slots[LABEL_JS], 0, 0);
    assert_near(row.slots[CONCEPT_TESTED], 0, 0);
    assert_nan(row.slots[CONCEPT_P]);
    assert_nan(row.slots[CONCEPT_HINT]);
    tally_reset(tally);
    assert_false(label_drift_report(tally, one, 1, 200, &row));
    add(tally, (double)NAN, 10, 20); /* no scores */
    assert_true(label_drift_report(tally, one, 1, 200, &row));
    assert_nan(row.slots[CONCEPT_TESTED]);
    for (int i = 0; i < REPORT_SLOTS; i++)
        assert_true(!isinf(row.slots[i]));
    tally_reset(tally);
    add_targets(tally, 2, 1, 1);
    struct labelled *target = reference_of(tally, 1);
    assert_true(label_drift_report(tally, target, 1, 200, &row));
    assert_near(row.slots[LABEL_MEAN_DELTA], 0, 0);
    assert_nan(row.slots[LABEL_MEAN_P]);
    assert_nan(row.slots[LABEL_MEAN_SHIFT]);
    labelled_free(target);
    labelled_free(one);
    labelled_free(nothing);
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_concept), cmocka_unit_test(test_labels),
                                       cmocka_unit_test(test_targets), cmocka_unit_test(test_degenerate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
