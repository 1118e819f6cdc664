/* scores.c, estimates.c: counting scores, estimates and their errors, degenerate windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "detectors/estimates.h"
#include "detectors/score_slots.h"
#include "detectors/scores.h"

static struct model_options options = {.n_min = 200, .threshold = 0.5, .unit = 1};
static struct family_tools tools;

static struct tally *scores_new(void)
{
    return tally_new(scores_family.size(&tools, NULL));
}

static void count(struct tally *tally, struct value score, struct value prediction, uint64_t times)
{
    struct event event = {.kind = EVENT_PREDICTION, .score = score, .prediction = prediction};
    struct count_input input = {.event = &event, .options = &options, .tools = &tools};
    if (scores_family.applies(&input))
        scores_family.add(tally, &input, times);
}

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x, .text = text_of("")};
}

static const struct value nothing = {.type = VALUE_ABSENT};

/* Perfectly calibrated: of the labels at score k/100, k percent are positive. */
static struct labelled *calibrated(uint32_t per_score)
{
    struct labelled_row *rows = calloc(99u * per_score, sizeof(*rows));
    size_t n = 0;
    for (uint32_t k = 1; k < 100; k++)
        for (uint32_t i = 0; i < per_score; i++)
            rows[n++] = (struct labelled_row){.ts_ms = i,
                                              .hash = k,
                                              .times = 1,
                                              .outcome = {OUTCOME_BINARY, true, k >= 50, k / 100.0 + 0.001,
                                                          i * 37 % per_score * 100 < k * per_score}};
    struct labelled *labelled = NULL;
    assert_int_equal(labelled_from_rows(rows, n, 1, &labelled), 0);
    free(rows);
    return labelled;
}

static uint32_t report(const struct tally *tally, const struct labelled *labelled,
                       const struct tally *baseline, struct report_row rows[2])
{
    struct text names[2];
    struct family_report in = {
        .current = tally, .baseline = baseline, .labelled = labelled, .options = &options, .tools = &tools};
    return scores_family.report(&in, rows, names);
}

static void test_counts(void **state)
{
    (void)state;
    struct tally *tally = scores_new(), *before = scores_new();
    struct report_row rows[2];
    assert_int_equal(report(tally, NULL, NULL, rows), 0);
    count(tally, number(0.25), nothing, 3);
    count(tally, number(0.75), number(0), 1); /* the event's own class decides */
    count(tally, number(1), nothing, 1);
    count(tally, number(7), nothing, 1);
    count(tally, nothing, number(3.5), 5); /* regression: not ours */
    count(before, number(0.9), nothing, 10);
    assert_int_equal(report(tally, NULL, before, rows), 1);
    assert_int_equal(rows[0].n, 6);
    assert_true(rows[0].slots[PRED_RATE] == 2 / 6.0);
    assert_true(fabs(rows[0].slots[PRED_MEAN_SCORE] - (0.75 + 0.75 + 1 + 7) / 6) < 1e-12);
    assert_true(rows[0].slots[PRED_OUTSIDE] == 1 / 6.0 && rows[0].slots[PRED_SCORED] == 1);
    assert_true(rows[0].slots[PRED_RATE_DELTA] == 2 / 6.0 - 1 && rows[0].reference_n == 10);
    assert_true(rows[0].flags & REPORT_INSUFFICIENT);
    tally_free(tally);
    tally_free(before);
}

static void test_estimates(void **state)
{
    (void)state;
    struct labelled *labelled = calibrated(200);
    struct tally *tally = scores_new();
    struct report_row rows[2];
    for (uint32_t k = 1; k < 100; k++)
        count(tally, number(k / 100.0 + 0.001), nothing, 10);
    assert_int_equal(report(tally, labelled, NULL, rows), 2);
    const double *slots = rows[1].slots;
    assert_int_equal(rows[1].family, FAMILY_ESTIMATED);
    assert_int_equal(rows[1].n, 990);
    /* Σ max(p, 1 − p): right with the probability of the class that is predicted. */
    assert_true(fabs(slots[EST_ACCURACY] - 0.7475) < 0.01);
    assert_true(slots[EST_ACCURACY_LOW] < slots[EST_ACCURACY] &&
                slots[EST_ACCURACY] < slots[EST_ACCURACY_HIGH]);
    assert_true(slots[EST_EXTRAPOLATING] == 0 && slots[EST_UNCOVERED] == 0);
    count(tally, number(0.0055), nothing, 100); /* where the reference has no label */
    assert_int_equal(report(tally, labelled, NULL, rows), 2);
    assert_true(slots[EST_EXTRAPOLATING] == 1);
    tally_free(tally);
    labelled_free(labelled);
}

static void test_errors(void **state)
{
    (void)state;
    struct labelled *labelled = calibrated(200);
    struct tally *outcomes = tally_new(outcomes_size());
    struct report_row row;
    assert_false(estimates_report_error(outcomes, labelled, 200, &row));
    assert_true(estimates_report_error(labelled->total, labelled, 200, &row));
    assert_true(fabs(row.slots[ERR_ACCURACY]) < 0.002 && fabs(row.slots[ERR_AUC]) < 0.002);
    struct outcome wrong = {OUTCOME_BINARY, true, 1, 0.951, 0}; /* what a score means has changed */
    for (int i = 0; i < 300; i++)
        outcomes_add(outcomes, &wrong, 1, 1);
    assert_true(estimates_report_error(outcomes, labelled, 200, &row));
    assert_true(row.slots[ERR_ACCURACY] > 0.9);
    assert_true(isnan(row.slots[ERR_AUC]) && isnan(row.slots[ERR_RECALL])); /* no positive label */
    tally_free(outcomes);
    labelled_free(labelled);
}

static void test_degenerate(void **state)
{
    (void)state;
    struct labelled *empty = labelled_new(1), *labelled = calibrated(30);
    struct tally *tally = scores_new();
    struct report_row rows[2];
    assert_int_equal(labelled_finish(empty), 0);
    count(tally, number(0.9), nothing, 5);
    assert_int_equal(report(tally, empty, NULL, rows), 1); /* no label with a score: nothing is promised */
    assert_int_equal(report(tally, labelled, NULL, rows), 2);
    assert_true(isnan(rows[1].slots[EST_RECALL]) == 0); /* one class predicted, expected counts are not 0 */
    tally_reset(tally);
    count(tally, nothing, number(1), 5); /* regression by itself … */
    assert_int_equal(report(tally, labelled, NULL, rows), 0);
    options.task = TASK_BINARY; /* … a class when the user says so, but no score */
    count(tally, nothing, number(1), 5);
    assert_int_equal(report(tally, labelled, NULL, rows), 1);
    assert_true(rows[0].slots[PRED_RATE] == 1 && isnan(rows[0].slots[PRED_MEAN_SCORE]));
    options.task = TASK_AUTO;
    tally_free(tally);
    labelled_free(labelled);
    labelled_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_estimates),
                                       cmocka_unit_test(test_errors), cmocka_unit_test(test_degenerate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
