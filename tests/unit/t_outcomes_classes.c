/* outcomes_classes.c: counting and taking back, rows against the pure functions, the same rows however slots
 * are numbered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "detectors/calibration.h"
#include "detectors/outcomes.h"
#include "detectors/performance_multiclass.h"
#include "tests/unit/near.h"

enum { N = 3000, K = 5 };
static const struct outcome_options options = {.n_min = 30, .unit = 1};
static const char *const names[K] = {"class=a", "class=b", "class=c", "class=d", "class=e"};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Class 4 is never predicted. */
static void make(struct outcome out[N])
{
    uint64_t seed = 11;
    for (int i = 0; i < N; i++) {
        uint32_t truth = (uint32_t)(next_random(&seed) % K);
        uint32_t predicted = next_random(&seed) % 3 && truth < 4 ? truth : (uint32_t)(next_random(&seed) % 4);
        out[i] = (struct outcome){.kind = OUTCOME_MULTICLASS,
                                  .labelled = true,
                                  .predicted = (uint8_t)predicted,
                                  .value = i % 7 ? (double)(next_random(&seed) % 1001) / 1000 : NAN,
                                  .truth = truth};
    }
}

static void add(struct tally *tally, const struct outcome *item, const uint8_t *slots, int sign)
{
    struct outcome outcome = *item;
    outcome.predicted = slots[item->predicted];
    outcome.truth = slots[(uint32_t)item->truth];
    outcome_classes_add(tally, &outcome, sign);
    outcome.labelled = false;
    outcome_classes_add(tally, &outcome, sign);
}

static double metric(const struct report_row *row, const char *name)
{
    const struct metric *m = metric_find(name);
    assert_non_null(m);
    assert_int_equal(m->family, row->family);
    return row->slots[m->slot];
}

static const uint8_t in_order[K] = {0, 1, 2, 3, 4}, turned[K] = {3, 0, 4, 2, 1};

static void test_rows(void **state)
{
    (void)state;
    struct outcome items[N];
    struct report_row rows[OUTCOME_CLASS_ROWS_MAX], others[OUTCOME_CLASS_ROWS_MAX];
    struct text out[OUTCOME_CLASS_ROWS_MAX], other_out[OUTCOME_CLASS_ROWS_MAX], texts[K], other_texts[K];
    struct tally *tally = tally_new(outcome_classes_size()), *other = tally_new(outcome_classes_size());
    uint64_t counts[K * K] = {0};
    struct calibration_bin bins[10] = {{0}};
    assert_true(tally && other);
    make(items);
    for (int i = 0; i < N; i++) {
        add(tally, &items[i], in_order, 1);
        add(other, &items[i], turned, 1);
        counts[(uint32_t)items[i].truth * K + items[i].predicted]++;
        if (!isnan(items[i].value))
            calibration_bin_add(&bins[calibration_bin_index(items[i].value, 10)], items[i].value,
                                (uint32_t)items[i].truth == items[i].predicted);
    }
    for (uint32_t k = 0; k < K; k++)
        texts[in_order[k]] = other_texts[turned[k]] = text_of(names[k]);
    uint32_t count = outcome_classes_report(tally, texts, K, &options, rows, out);
    assert_int_equal(count, 1 + K);
    struct multiclass_metrics m = multiclass_metrics(counts, K);
    struct calibration c = calibration_of(bins, 10);
    assert_near(metric(&rows[0], "multiclass_accuracy"), m.accuracy, 1e-15);
    assert_near(metric(&rows[0], "macro_f1"), m.macro.f1, 1e-15);
    assert_near(metric(&rows[0], "weighted_precision"), m.weighted.precision, 1e-15);
    assert_near(metric(&rows[0], "multiclass_mcc"), m.mcc, 1e-15);
    assert_near(metric(&rows[0], "class_coverage"), 1, 0);
    assert_near(metric(&rows[0], "top_label_ece"), c.ece, 1e-11);
    assert_near(metric(&rows[0], "top_label_brier"), c.brier, 1e-11);
    for (uint32_t k = 0; k < K; k++) {
        struct class_metrics one = class_metrics(counts, K, k);
        assert_true(text_equal(out[1 + k], text_of(names[k])));
        assert_near(metric(&rows[1 + k], "class_recall"), one.recall, 1e-15);
        assert_near(metric(&rows[1 + k], "class_support"), (double)one.truth, 0);
        assert_int_equal(rows[1 + k].n, one.truth);
    }
    assert_true(isnan(metric(&rows[K], "class_precision")));
    assert_int_equal(outcome_classes_report(other, other_texts, K, &options, others, other_out), count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(text_equal(out[i], other_out[i]));
        for (int slot = 0; slot < REPORT_SLOTS; slot++) /* every bit */
            assert_memory_equal(&rows[i].slots[slot], &others[i].slots[slot], sizeof(double));
    }
    for (int i = N; i-- > 0;)
        add(tally, &items[i], in_order, -1);
    assert_true(tally_is_zero(tally));
    assert_int_equal(outcome_classes_report(tally, texts, K, &options, rows, out), 0);
    tally_free(tally);
    tally_free(other);
}

static void test_other_and_one(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcome_classes_size());
    struct report_row rows[OUTCOME_CLASS_ROWS_MAX];
    struct text out[OUTCOME_CLASS_ROWS_MAX], name = text_of("class=a");
    struct outcome outcome = {.kind = OUTCOME_MULTICLASS, .labelled = true, .value = 1, .truth = 0};
    assert_non_null(tally);
    outcome_classes_add(tally, &outcome, 1);
    assert_int_equal(outcome_classes_report(tally, &name, 1, &options, rows, out), 2);
    assert_near(metric(&rows[0], "multiclass_mcc"), 0, 0); /* a margin with one class */
    assert_true(isnan(metric(&rows[0], "multiclass_kappa")) && rows[0].flags & REPORT_INSUFFICIENT);
    outcome.truth = outcome.predicted = OUTCOME_CLASS_OTHER;
    outcome_classes_add(tally, &outcome, 1);
    outcome.predicted = OUTCOME_CLASS_NONE; /* says nothing */
    outcome_classes_add(tally, &outcome, 1);
    assert_int_equal(outcome_classes_report(tally, &name, 1, &options, rows, out), 3);
    assert_true(text_equal(out[2], text_of("class=other")));
    assert_near(metric(&rows[0], "mean_confidence"), 1, 0);
    assert_int_equal(rows[0].n, 2);
    tally_free(tally);
}

/* More classes than rows, numbered in any way: the most frequent have rows, ties by name, the rest is other.
 */
static void test_wide(void **state)
{
    (void)state;
    enum { WIDE = 100 };
    struct report_row rows[2][OUTCOME_CLASS_ROWS_MAX];
    struct text out[2][OUTCOME_CLASS_ROWS_MAX];
    char wide_names[WIDE][16];
    for (int turn = 0; turn < 2; turn++) {
        struct tally *tally = tally_new(outcome_classes_size());
        struct text texts[OUTCOME_CLASS_SLOTS] = {{NULL, 0}};
        assert_non_null(tally);
        for (uint32_t k = 0; k < WIDE; k++) {
            uint32_t number = turn ? WIDE - 1 - k : k, slot = number + (number >= OUTCOME_CLASS_OTHER);
            (void)snprintf(wide_names[k], sizeof(wide_names[k]), "class=%03u", (unsigned)k);
            texts[slot] = text_of(wide_names[k]);
            struct outcome outcome = {.kind = OUTCOME_MULTICLASS,
                                      .labelled = true,
                                      .predicted = (uint8_t)slot,
                                      .value = 1,
                                      .truth = slot};
            for (uint32_t i = 0; i < (k < 50 ? 1 : 3); i++)
                outcome_classes_add(tally, &outcome, 1);
        }
        assert_int_equal(outcome_classes_report(tally, texts, WIDE + 1, &options, rows[turn], out[turn]), 66);
        assert_false(outcome_classes_have_other(tally));
        tally_free(tally);
    }
    for (uint32_t i = 0; i < 66; i++) {
        assert_true(text_equal(out[0][i], out[1][i]));
        assert_memory_equal(rows[0][i].slots, rows[1][i].slots, sizeof(rows[0][i].slots));
        assert_true(rows[0][i].flags & REPORT_CAPPED);
    }
    assert_true(text_equal(out[0][14], text_of("class=013")));
    assert_true(text_equal(out[0][15], text_of("class=050")));
    assert_near(metric(&rows[0][65], "class_support"), 36, 0);
    assert_int_equal(rows[0][0].n, 200);
}

/* Every pair has a cell of its own, and those of the first 65 slots are where they always were. */
static void test_cells(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcome_classes_size());
    assert_non_null(tally);
    for (uint32_t truth = 0; truth < OUTCOME_CLASS_SLOTS; truth++)
        for (uint32_t predicted = 0; predicted < OUTCOME_CLASS_SLOTS; predicted++) {
            struct outcome outcome = {.kind = OUTCOME_MULTICLASS,
                                      .labelled = true,
                                      .predicted = (uint8_t)predicted,
                                      .value = NAN,
                                      .truth = truth};
            outcome_classes_add(tally, &outcome, 1);
            if (truth < 65 && predicted < 65)
                assert_int_equal(tally->counters[21 + truth * 65 + predicted], 1);
        }
    for (uint32_t i = 21; i < tally->size.counters; i++)
        assert_int_equal(tally->counters[i], 1);
    assert_true(outcome_classes_have_other(tally));
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_other_and_one),
                                       cmocka_unit_test(test_wide), cmocka_unit_test(test_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
