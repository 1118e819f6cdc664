/* outcomes_class_scores.c: sums against the definitions on the raw scores, taking back, slots in another
 * order, degenerate inputs. */
#include <math.h>

#include "detectors/calibration.h"
#include "detectors/class_scores.h"
#include "detectors/outcomes.h"
#include "detectors/performance.h"
#include "tests/unit/near.h"

enum { N = 2000, K = 4 };
static const struct outcome_options options = {.n_min = 30, .unit = 1};
static const char *const names[K] = {"class=a", "class=b", "class=c", "class=d"};

struct sample {
    double p[K];
    uint32_t truth; /* K: a class beyond those with scores */
};

/* Three decimals: codes are exact. Class d is never given anything. */
static void make(struct sample out[N])
{
    uint64_t random = 5;
    for (int i = 0; i < N; i++) {
        uint32_t a = (uint32_t)(random_bits(&random) % 1001),
                 b = (uint32_t)(random_bits(&random) % (1001 - a));
        out[i] = (struct sample){{a / 1000.0, b / 1000.0, (1000 - a - b) / 1000.0, 0},
                                 (uint32_t)(random_bits(&random) % 40)};
        out[i].truth = out[i].truth < 38 ? out[i].truth % 3 : out[i].truth == 38 ? 3 : 40;
    }
}

static void add(struct tally *classes, struct tally *tally, const struct sample *item, const uint8_t slots[K],
                int sign)
{
    struct class_scores scores = {.count = 0};
    for (uint32_t k = 0; k < K; k++) {
        scores.codes[slots[k]] = class_score_encode(item->p[k]);
        if (slots[k] >= scores.count && item->p[k] > 0)
            scores.count = slots[k] + 1u;
    }
    uint32_t truth = item->truth < K ? slots[item->truth] : OUTCOME_CLASS_OTHER;
    struct outcome outcome = {.kind = OUTCOME_MULTICLASS,
                              .labelled = true,
                              .predicted = slots[0],
                              .value = item->p[0],
                              .truth = truth};
    outcome_classes_add(classes, &outcome, sign);
    outcome_class_scores_add(tally, &scores, truth, sign);
}

static double metric(const struct report_row *row, const char *name)
{
    const struct metric *m = metric_find(name);
    assert_non_null(m);
    assert_int_equal(m->family, row->family);
    return row->slots[m->slot];
}

struct fixture {
    struct tally *classes, *tally;
    struct report_row rows[OUTCOME_CLASS_ROWS_MAX];
    struct text out[OUTCOME_CLASS_ROWS_MAX];
    uint32_t count;
};

static void setup(struct fixture *fixture)
{
    fixture->classes = tally_new(outcome_classes_size());
    fixture->tally = tally_new(outcome_class_scores_size());
    assert_true(fixture->classes && fixture->tally);
}

static void teardown(struct fixture *fixture)
{
    tally_free(fixture->classes);
    tally_free(fixture->tally);
}

static void report(struct fixture *fixture, const uint8_t slots[K])
{
    struct text texts[K];
    for (uint32_t k = 0; k < K; k++)
        texts[slots[k]] = text_of(names[k]);
    struct outcome_options with = options;
    with.class_scores = fixture->tally;
    fixture->count = outcome_classes_report(fixture->classes, texts, K, &with, fixture->rows, fixture->out);
}

/* A class of the raw sample: bins of its own, and AUC over all distinct scores. */
static void check_class(const struct sample items[N], uint32_t k, const struct report_row *row, double *ece,
                        double *auc)
{
    struct calibration_bin bins[10] = {{0}};
    static double positives[1001], negatives[1001];
    memset(positives, 0, sizeof(positives));
    memset(negatives, 0, sizeof(negatives));
    for (int i = 0; i < N; i++) {
        double p = items[i].p[k], y = items[i].truth == k;
        calibration_bin_add(&bins[calibration_bin_index(p, 10)], p, y);
        (y > 0 ? positives : negatives)[(int)rint(p * 1000)]++;
    }
    struct calibration c = calibration_of(bins, 10);
    struct score_histogram histogram = {positives, negatives, 1001};
    struct auc exact = score_auc(&histogram);
    assert_near(metric(row, "class_ece"), c.ece, 1e-11);
    assert_near(metric(row, "class_ece_bias"), c.ece_bias, 1e-11);
    assert_near(metric(row, "class_mce"), c.mce, 1e-11);
    assert_near(metric(row, "class_debiased_error"), c.debiased_error, 1e-11);
    assert_near(metric(row, "class_brier"), c.brier, 1e-11);
    assert_near(metric(row, "class_mean_score"), c.mean_p, 1e-11);
    assert_near(metric(row, "class_calibration_gap"), c.difference, 1e-11);
    assert_near(metric(row, "class_auc"), exact.value, metric(row, "class_auc_error") + 1e-12);
    assert_true(metric(row, "class_auc_error") < 0.01);
    *ece = metric(row, "class_ece");
    *auc = metric(row, "class_auc");
}

static void test_rows(void **state)
{
    (void)state;
    static const uint8_t in_order[K] = {0, 1, 2, 3}, turned[K] = {2, 0, 3, 1};
    static struct sample items[N];
    static struct fixture one, other;
    setup(&one);
    setup(&other);
    make(items);
    double loss = 0, brier = 0, eces = 0, worst = 0, aucs = 0;
    for (int i = 0; i < N; i++) {
        add(one.classes, one.tally, &items[i], in_order, 1);
        add(other.classes, other.tally, &items[N - 1 - i], turned, 1);
        double p = items[i].truth < K ? items[i].p[items[i].truth] : 0;
        loss -= log(p > 1e-15 ? fmin(p, 1 - 1e-15) : 1e-15) / N;
        for (uint32_t k = 0; k < K; k++)
            brier += (items[i].p[k] - (items[i].truth == k)) * (items[i].p[k] - (items[i].truth == k)) / N;
        brier += items[i].truth >= K ? 1.0 / N : 0;
    }
    report(&one, in_order);
    assert_int_equal(one.count, 1 + K + 1); /* and the others */
    for (uint32_t k = 0; k < K; k++) {
        double ece, auc;
        assert_true(text_equal(one.out[1 + k], text_of(names[k])));
        check_class(items, k, &one.rows[1 + k], &ece, &auc);
        eces += ece / K;
        aucs += auc / K;
        worst = fmax(worst, ece);
    }
    assert_nan(metric(&one.rows[1 + K], "class_ece"));
    assert_near(metric(&one.rows[0], "multiclass_log_loss"), loss, 1e-10);
    assert_near(metric(&one.rows[0], "multiclass_brier"), brier, 1e-10);
    assert_near(metric(&one.rows[0], "classwise_ece"), eces, 1e-14);
    assert_near(metric(&one.rows[0], "classwise_ece_worst"), worst, 0);
    assert_near(metric(&one.rows[0], "macro_auc"), aucs, 1e-14);
    assert_near(metric(&one.rows[0], "class_scores_coverage"), 1, 0);
    assert_near(metric(&one.rows[0], "class_scores_unnormalised"), 0, 0);

    report(&other, turned); /* every bit */
    assert_int_equal(other.count, one.count);
    for (uint32_t i = 0; i < one.count; i++) {
        assert_true(text_equal(one.out[i], other.out[i]));
        for (int slot = 0; slot < REPORT_SLOTS; slot++)
            assert_memory_equal(&one.rows[i].slots[slot], &other.rows[i].slots[slot], sizeof(double));
    }
    for (int i = N; i-- > 0;)
        add(one.classes, one.tally, &items[i], in_order, -1);
    assert_true(tally_is_zero(one.tally));
    teardown(&one);
    teardown(&other);
}

static void test_degenerate(void **state)
{
    (void)state;
    static const uint8_t slots[K] = {0, 1, 2, 3};
    static struct fixture fixture;
    setup(&fixture);
    report(&fixture, slots);
    assert_int_equal(fixture.count, 0);
    struct sample sure = {{1, 0, 0, 0}, 0};
    add(fixture.classes, fixture.tally, &sure, slots, 1);
    report(&fixture, slots);
    assert_int_equal(fixture.count, 2);
    assert_near(metric(&fixture.rows[0], "multiclass_log_loss"), 0, 1e-12);
    assert_near(metric(&fixture.rows[0], "multiclass_brier"), 0, 0);
    assert_nan(fixture.rows[0].slots[metric_find("multiclass_brier")->low_slot]); /* of one event */
    assert_nan(metric(&fixture.rows[0], "macro_auc"));                            /* no rest */
    assert_nan(metric(&fixture.rows[0], "macro_auc_error"));
    struct sample wrong = {{1, 0, 0, 0}, 1};
    add(fixture.classes, fixture.tally, &wrong, slots, 1);
    report(&fixture, slots);
    assert_near(metric(&fixture.rows[0], "multiclass_log_loss"), -log(1e-15) / 2, 1e-6);
    assert_near(metric(&fixture.rows[0], "multiclass_brier"), 1, 1e-12);
    assert_near(metric(&fixture.rows[0], "macro_auc"), 0.5, 0);
    assert_near(metric(&fixture.rows[0], "macro_auc_error"), 0.25, 0); /* of a; b has ties at 0 alone */
    struct sample low = {{0.2, 0.1, 0, 0}, 0};
    add(fixture.classes, fixture.tally, &low, slots, 1);
    report(&fixture, slots);
    assert_near(metric(&fixture.rows[0], "class_scores_unnormalised"), 1.0 / 3, 1e-15);
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_degenerate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
