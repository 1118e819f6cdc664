/* performance.c: against pairwise and step-by-step definitions; brackets hold; standard errors by simulation.
 */
#include "tests/unit/near.h"

#include "detectors/performance.h"

enum { EVENTS = 300 };

struct sample {
    double score[EVENTS];
    int label[EVENTS];
};

static struct sample draw(uint64_t seed, double digits)
{
    struct sample s;
    for (int i = 0; i < EVENTS; i++) {
        s.label[i] = random_unit(&seed) < 0.3;
        double raw = 0.3 * random_unit(&seed) + 0.3 * random_unit(&seed) + (s.label[i] ? 0.3 : 0.1);
        s.score[i] = floor(raw * digits) / digits;
    }
    return s;
}

static void fill(const struct sample *s, unsigned bins, double *positives, double *negatives)
{
    memset(positives, 0, bins * sizeof *positives);
    memset(negatives, 0, bins * sizeof *negatives);
    for (int i = 0; i < EVENTS; i++) {
        unsigned b = (unsigned)(s->score[i] * bins);
        *(s->label[i] ? &positives[b] : &negatives[b]) += 1;
    }
}

static double pairwise_auc(const struct sample *s)
{
    double wins = 0;
    double pairs = 0;
    for (int i = 0; i < EVENTS; i++)
        for (int j = 0; j < EVENTS; j++)
            if (s->label[i] && !s->label[j]) {
                pairs++;
                wins += s->score[i] > s->score[j] ? 1 : s->score[i] == s->score[j] ? 0.5 : 0;
            }
    return wins / pairs;
}

static void auc_is_the_share_of_won_pairs(void **state)
{
    (void)state;
    double positives[SCORE_BINS], negatives[SCORE_BINS];
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct sample s = draw(seed * 77, 1000);
        fill(&s, SCORE_BINS, positives, negatives);
        struct score_histogram h = {positives, negatives, SCORE_BINS};
        double exact = pairwise_auc(&s);
        assert_near(score_auc(&h).value, exact, 1e-12);
        double precision = score_average_precision(&h).value;
        fill(&s, 20, positives, negatives);
        h.bins = 20;
        struct auc coarse = score_auc(&h);
        assert_true(fabs(coarse.value - exact) <= coarse.half_width + 1e-12);
        struct average_precision ap = score_average_precision(&h);
        assert_true(ap.lower <= precision + 1e-12 && precision <= ap.upper + 1e-12);
        assert_true(ap.lower <= ap.value && ap.value <= ap.upper);
    }
}

/* Whole bins of positives, summed one by one. */
static void brackets_by_summation(void **state)
{
    (void)state;
    static const double sizes[] = {1, 31, 32, 33, 500, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            double positives[2] = {sizes[i], 3}, negatives[2] = {sizes[j], 2};
            double upper = 0, lower = 0, n = sizes[i] + 3;
            for (double k = 1; k <= 3; k++) {
                upper += 1 / n;
                lower += k / (k + 2) / n;
            }
            for (double k = 1; k <= sizes[i]; k++) {
                upper += (3 + k) / (5 + k) / n;
                lower += (3 + k) / (5 + sizes[j] + k) / n;
            }
            struct average_precision ap =
                score_average_precision(&(struct score_histogram){positives, negatives, 2});
            assert_near(ap.upper, upper, 1e-12);
            assert_near(ap.lower, lower, 1e-12);
        }
}

static void interval_covers_the_value(void **state)
{
    (void)state;
    double positives[3] = {1, 4, 9}, negatives[3] = {20, 10, 3};
    struct auc auc = score_auc(&(struct score_histogram){positives, negatives, 3});
    struct interval ci = auc_interval(&auc, 0.05);
    assert_true(0 < ci.low && ci.low < auc.value && auc.value < ci.high && ci.high < 1);
    auc.value = 1;
    assert_nan(auc_interval(&auc, 0.05).low);
}

static void one_class_is_undefined(void **state)
{
    (void)state;
    double some[2] = {3, 4}, none[2] = {0, 0};
    struct score_histogram h = {some, none, 2};
    assert_nan(score_auc(&h).value);
    assert_nan(score_ks_separation(&h));
    h = (struct score_histogram){none, some, 2};
    assert_nan(score_auc(&h).value);
    assert_nan(score_average_precision(&h).value);
    assert_nan(average_precision_standard_error(&h));
    h.positives = h.negatives = none;
    assert_nan(score_lift(&h, 0.1).value);
    struct confusion empty = {0, 0, 0, 0};
    assert_nan(binary_metrics(&empty).accuracy);
    assert_nan(binary_metrics(&empty).mcc);
    assert_nan(f1_standard_error(&empty));
}

static void margins_without_events(void **state)
{
    (void)state;
    struct confusion all_negative = {0, 0, 5, 5};
    struct binary_metrics m = binary_metrics(&all_negative);
    assert_nan(m.precision);
    assert_near(m.mcc, 0, 0);
    assert_near(m.kappa, 0, 0);
    struct confusion one_cell = {0, 0, 0, 7};
    m = binary_metrics(&one_cell);
    assert_nan(m.kappa);
    assert_nan(m.recall);
    assert_nan(m.f1);
    /* products of margins of 10^9 events fit no 64 bits */
    struct confusion large = {1e9, 1e9, 1e9, 1e9};
    assert_near(binary_metrics(&large).mcc, 0, 0);
}

static void separation_and_lift(void **state)
{
    (void)state;
    double positives[4] = {0, 1, 1, 8}, negatives[4] = {60, 20, 8, 2};
    struct score_histogram h = {positives, negatives, 4};
    assert_near(score_ks_separation(&h), 80.0 / 90 - 1.0 / 10, 1e-15);
    struct lift lift = score_lift(&h, 0.1);
    assert_near(lift.k, 10, 0);
    assert_near(lift.value, 8, 1e-14);
    assert_near(lift.captured, 0.8, 1e-15);
    assert_near(score_lift(&h, 0.05).captured, 0.4, 1e-15); /* half of the top bin */
    static const uint8_t labels[5] = {1, 0, 1, 0, 0};
    assert_near(ranked_lift(labels, 5, 0.2).value, 2.5, 1e-15);
}

/* Spread of F1, MCC and AP over multinomial samples. */
static void standard_errors_by_simulation(void **state)
{
    (void)state;
    enum { RUNS = 4000, N = 500 };
    static const double share[4] = {0.2, 0.1, 0.08, 0.62};
    static const double bin_positive[5] = {0.02, 0.04, 0.06, 0.08, 0.1};
    static const double bin_negative[5] = {0.3, 0.2, 0.1, 0.07, 0.03};
    double sum[3] = {0}, square[3] = {0};
    uint64_t seed = 99;
    for (int run = 0; run < RUNS; run++) {
        double counts[4] = {0}, p[5] = {0}, q[5] = {0};
        for (int i = 0; i < N; i++) {
            double u = random_unit(&seed);
            counts[u < 0.2 ? 0 : u < 0.3 ? 1 : u < 0.38 ? 2 : 3]++;
            u = random_unit(&seed);
            for (int b = 0; b < 10; b++) {
                u -= b < 5 ? bin_positive[b] : bin_negative[b - 5];
                if (u < 0 || b == 9) {
                    *(b < 5 ? &p[b] : &q[b - 5]) += 1;
                    break;
                }
            }
        }
        struct confusion c = {counts[0], counts[1], counts[2], counts[3]};
        struct binary_metrics m = binary_metrics(&c);
        double values[3] = {m.f1, m.mcc, score_average_precision(&(struct score_histogram){p, q, 5}).value};
        for (int k = 0; k < 3; k++) {
            sum[k] += values[k] / RUNS;
            square[k] += values[k] * values[k] / RUNS;
        }
    }
    struct confusion c = {N * share[0], N * share[1], N * share[2], N * share[3]};
    double p[5], q[5];
    for (int b = 0; b < 5; b++) {
        p[b] = N * bin_positive[b];
        q[b] = N * bin_negative[b];
    }
    double want[3] = {f1_standard_error(&c), mcc_standard_error(&c),
                      average_precision_standard_error(&(struct score_histogram){p, q, 5})};
    for (int k = 0; k < 3; k++)
        assert_near(sqrt(square[k] - sum[k] * sum[k]) / want[k], 1, 0.05);
}

static void bins_of_scores(void **state)
{
    (void)state;
    assert_int_equal(score_bin(0), 0);
    assert_int_equal(score_bin(1), SCORE_BINS - 1);
    assert_int_equal(score_bin(0.5), 500);
    assert_int_equal(score_bin(-1e-9), UINT32_MAX);
    assert_int_equal(score_bin(1.0000001), UINT32_MAX);
    assert_int_equal(score_bin(NAN), UINT32_MAX);
}

static void losses(void **state)
{
    (void)state;
    assert_near(log_loss_term(0.25, 1, 1e-15), log(4), 1e-15);
    assert_near(log_loss_term(0.25, 0, 1e-15), -log(0.75), 1e-15);
    assert_true(isfinite(log_loss_term(0, 1, 1e-15)) && isfinite(log_loss_term(1, 0, 1e-15)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc_is_the_share_of_won_pairs),
        cmocka_unit_test(interval_covers_the_value),
        cmocka_unit_test(one_class_is_undefined),
        cmocka_unit_test(margins_without_events),
        cmocka_unit_test(separation_and_lift),
        cmocka_unit_test(standard_errors_by_simulation),
        cmocka_unit_test(brackets_by_summation),
        cmocka_unit_test(bins_of_scores),
        cmocka_unit_test(losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
