/* outcomes.c, outcomes_report.c, outcomes_groups.c: tallies of outcomes and what they report, against the
 * same figures computed event by event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "detectors/calibration.h"
#include "detectors/ddsketch.h"
#include "detectors/outcomes.h"
#include "tests/unit/near.h"

enum { N = 2000 };
static const struct outcome_options options = {.n_min = 200, .unit = 1};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void make_binary(struct outcome out[N])
{
    uint64_t seed = 7;
    for (int i = 0; i < N; i++) {
        double score = (double)(next_random(&seed) % 101) / 100;
        bool label = (double)(next_random(&seed) % 1000) / 1000 < 0.1 + 0.7 * score;
        out[i] = (struct outcome){.kind = OUTCOME_BINARY,
                                  .labelled = true,
                                  .predicted = score >= 0.65,
                                  .value = score,
                                  .truth = label};
    }
}

static double metric(const struct report_row *rows, uint32_t count, const char *name)
{
    const struct metric *m = metric_find(name);
    assert_non_null(m);
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].family == m->family)
            return rows[i].slots[m->slot];
    return NAN;
}

static struct tally *tally_of(const struct outcome *items, int count)
{
    struct tally *tally = tally_new(outcomes_size());
    assert_non_null(tally);
    for (int i = 0; i < count; i++) {
        struct outcome seen = items[i];
        seen.labelled = false;
        outcomes_add(tally, &seen, 1, 1);
        outcomes_add(tally, &items[i], 1, 1);
    }
    return tally;
}

static void test_binary(void **state)
{
    (void)state;
    struct outcome items[N];
    make_binary(items);
    struct tally *tally = tally_of(items, N);
    struct report_row rows[OUTCOME_ROWS_MAX];
    struct text names[OUTCOME_ROWS_MAX];
    uint32_t count = outcomes_report(tally, &options, rows, names);
    assert_int_equal(count, 13); /* performance, rates, calibration, ten bins */
    double right = 0, loss = 0, brier = 0, pairs = 0, wins = 0, positives = 0, mean = 0;
    struct calibration_bin bins[10] = {{0}};
    for (int i = 0; i < N; i++) {
        double p = items[i].value, y = items[i].truth;
        right += (items[i].predicted != 0) == (y > 0);
        double sure = fmin(fmax(y > 0 ? p : 1 - p, 1e-15), 1 - 1e-15);
        loss -= log(sure) / N;
        brier += (p - y) * (p - y) / N;
        positives += y;
        mean += p / N;
        calibration_bin_add(&bins[calibration_bin_index(p, 10)], p, y);
        for (int j = 0; j < N && y > 0; j++)
            if (items[j].truth == 0) { /* NOLINT: exact by construction */
                pairs++;
                wins += p > items[j].value ? 1 : p == items[j].value ? 0.5 : 0;
            }
    }
    assert_near(metric(rows, count, "accuracy"), right / N, 1e-15);
    assert_near(metric(rows, count, "log_loss"), loss, 1e-11);
    assert_near(metric(rows, count, "brier"), brier, 1e-11);
    assert_near(metric(rows, count, "auc"), wins / pairs, 1e-12);
    assert_near(metric(rows, count, "prevalence"), positives / N, 1e-15);
    assert_near(metric(rows, count, "label_coverage"), 1, 0);
    struct calibration c = calibration_of(bins, 10);
    assert_near(metric(rows, count, "ece"), c.ece, 1e-11);
    assert_near(metric(rows, count, "debiased_calibration_error"), c.debiased_error, 1e-9);
    assert_near(metric(rows, count, "calibration_in_the_large"), positives / N - mean, 1e-11);
    assert_near(metric(rows, count, "mean_score"), mean, 1e-11);
    assert_int_equal(rows[0].n, N);
    const struct metric *accuracy = metric_find("accuracy");
    assert_true(rows[0].slots[accuracy->low_slot] < right / N &&
                right / N < rows[0].slots[accuracy->high_slot]);
    tally_free(tally);
}

static void test_taking_back_is_exact(void **state)
{
    (void)state;
    struct outcome items[N];
    make_binary(items);
    items[3].value = NAN;
    items[4].value = 1.5;
    items[5] =
        (struct outcome){.kind = OUTCOME_REGRESSION, .labelled = true, .value = 1e300, .truth = -123456.789};
    struct tally *half = tally_of(items + N / 2, N / 2), *all = tally_of(items, N);
    for (int i = 0; i < N / 2; i++) {
        struct outcome seen = items[i];
        seen.labelled = false;
        outcomes_add(all, &seen, 1, -1);
        outcomes_add(all, &items[i], 1, -1);
    }
    assert_memory_equal(all->counters, half->counters, half->size.counters * sizeof(uint64_t));
    assert_memory_equal(all->sums, half->sums, half->size.sums * sizeof(int128));
    tally_free(half);
    tally_free(all);
}

static void test_regression(void **state)
{
    (void)state;
    struct outcome items[N];
    uint64_t seed = 3;
    double abs_error = 0, square = 0, bias = 0, mean = 0, variance = 0;
    for (int i = 0; i < N; i++) {
        double y = (double)(next_random(&seed) % 100000) / 100 - 300,
               e = (double)(next_random(&seed) % 400) / 10 - 15;
        items[i] = (struct outcome){.kind = OUTCOME_REGRESSION, .labelled = true, .value = y + e, .truth = y};
        e = items[i].value - y;
        abs_error += fabs(e) / N;
        square += e * e / N;
        bias += e / N;
        mean += y / N;
    }
    for (int i = 0; i < N; i++)
        variance += (items[i].truth - mean) * (items[i].truth - mean) / N;
    struct tally *tally = tally_of(items, N);
    struct report_row rows[OUTCOME_ROWS_MAX];
    struct text names[OUTCOME_ROWS_MAX];
    uint32_t count = outcomes_report(tally, &options, rows, names);
    assert_int_equal(count, 1);
    assert_near(metric(rows, count, "mae"), abs_error, 1e-9);
    assert_near(metric(rows, count, "rmse"), sqrt(square), 1e-9);
    assert_near(metric(rows, count, "bias"), bias, 1e-9);
    assert_near(metric(rows, count, "r2"), 1 - square / variance, 1e-9);
    assert_near(metric(rows, count, "target_mean"), mean, 1e-9);
    tally_free(tally);
}

/* Far from zero the variance of the target does not cancel; the sketch keeps its error. */
static void test_far_targets(void **state)
{
    (void)state;
    struct ddsketch_layout *layout = outcome_residual_layout_new();
    struct tally *tally = tally_new(outcomes_size());
    struct tally *residuals = tally_new((struct tally_size){ddsketch_counters(layout), 0});
    struct outcome_options with = {.n_min = 30, .unit = 1, .residual_layout = layout, .residuals = residuals};
    uint64_t seed = 9;
    double errors = 0, squares = 0, sum = 0;
    assert_true(layout && tally && residuals);
    for (int i = 0; i < N; i++) {
        double y = (double)(next_random(&seed) % 4001) / 1000 - 2, e = (double)(i % 101) - 50;
        struct outcome outcome = {
            .kind = OUTCOME_REGRESSION, .labelled = true, .value = 1e9 + y + e / 100, .truth = 1e9 + y};
        outcomes_add(tally, &outcome, 1, 1);
        outcome_residuals_add(residuals, layout, &outcome, 1, 1);
        errors += (outcome.value - outcome.truth) * (outcome.value - outcome.truth);
        sum += y;
        squares += y * y;
    }
    struct report_row rows[OUTCOME_ROWS_MAX];
    struct text names[OUTCOME_ROWS_MAX];
    assert_int_equal(outcomes_report(tally, &with, rows, names), 1);
    assert_near(metric(rows, 1, "r2"), 1 - errors / (squares - sum * sum / N), 1e-6);
    assert_near(metric(rows, 1, "residual_p5"), -0.46, 0.011 * 0.46);
    assert_near(metric(rows, 1, "residual_p50"), 0, 0.0101);
    assert_near(metric(rows, 1, "residual_p95"), 0.45, 0.015);
    assert_near(metric(rows, 1, "target_mean"), 1e9 + sum / N, 1e-5);
    tally_free(tally);
    tally_free(residuals);
    ddsketch_layout_free(layout);
}

static void add_cells(struct tally *tally, uint32_t slot, const int cells[4])
{
    for (int cell = 0; cell < 4; cell++)
        for (int i = 0; i < cells[cell]; i++) {
            struct outcome outcome = {.kind = OUTCOME_BINARY,
                                      .predicted = cell == 1 || cell == 3,
                                      .value = 0.5,
                                      .truth = cell >= 2};
            outcome_groups_add(tally, slot, &outcome, 1);
            outcome.labelled = true;
            outcome_groups_add(tally, slot, &outcome, 1);
        }
}

/* ProPublica's two groups (METHODS §9): TN, FP, FN, TP. */
static void test_groups(void **state)
{
    (void)state;
    static const int black[4] = {990, 805, 532, 1369}, white[4] = {1139, 349, 461, 505};
    const struct text names[] = {text_of("race=black"), text_of("sex=f"), text_of("race=white")};
    struct tally *tally = tally_new(outcome_groups_size());
    assert_non_null(tally);
    add_cells(tally, 0, black);
    add_cells(tally, 2, white);
    struct report_row rows[12];
    struct text out[12];
    uint32_t count = outcome_groups_report(tally, names, 3, &options, rows, out);
    assert_int_equal(count, 4); /* nothing of sex */
    assert_true(text_equal(out[0], text_of("race")) && text_equal(out[1], text_of("race")) &&
                text_equal(out[2], names[0]) && text_equal(out[3], names[2]));
    assert_near(metric(rows, 1, "fpr_difference"), 805.0 / 1795 - 349.0 / 1488, 1e-15);
    assert_near(metric(rows, 1, "equal_opportunity_difference"), 1369.0 / 1901 - 505.0 / 966, 1e-15);
    assert_near(metric(rows, 1, "disparate_impact"), (854.0 / 2454) / (2174.0 / 3696), 1e-15);
    assert_near(metric(rows + 2, 1, "group_fnr"), 0.2799, 1e-4);
    assert_near(metric(rows + 3, 1, "group_fnr"), 0.4772, 1e-4);
    assert_near(metric(rows + 2, 1, "group_calibration_gap"), 1901.0 / 3696 - 0.5, 1e-9);
    assert_true(rows[2].slots[metric_find("group_tpr_gap")->p_slot] < 1e-10);
    tally_free(tally);
}

static void test_nothing(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcomes_size());
    struct outcome seen = {.kind = OUTCOME_BINARY, .value = 0.5};
    struct report_row rows[OUTCOME_ROWS_MAX];
    struct text names[OUTCOME_ROWS_MAX];
    assert_non_null(tally);
    outcomes_add(tally, &seen, 1, 1);
    assert_int_equal(outcomes_report(tally, &options, rows, names), 0); /* no label, no row */
    seen.labelled = true;
    outcomes_add(tally, &seen, 1, 1);
    uint32_t count = outcomes_report(tally, &options, rows, names);
    assert_int_equal(count, 4); /* performance, rates, calibration, one bin */
    assert_true(isnan(metric(rows, count, "auc")) && isnan(metric(rows, count, "recall")));
    assert_true(rows[0].flags & REPORT_INSUFFICIENT);
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary),     cmocka_unit_test(test_taking_back_is_exact),
        cmocka_unit_test(test_regression), cmocka_unit_test(test_far_targets),
        cmocka_unit_test(test_groups),     cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
