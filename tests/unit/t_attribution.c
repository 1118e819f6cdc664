/* attribution.c: the decompositions add up exactly; orderings. */
#include "tests/unit/near.h"

#include "detectors/attribution.h"

enum { SEGMENTS = 5, BINS = 7 };

static void fill(double *counts, uint64_t seed, double smooth)
{
    for (int i = 0; i < SEGMENTS * BINS; i++)
        counts[i] = floor(random_unit(&seed) * 200) + smooth;
}

static void parts_sum_to_psi_and_kl(void **state)
{
    (void)state;
    double reference[SEGMENTS * BINS], current[SEGMENTS * BINS], terms[BINS];
    struct segment_part parts[SEGMENTS];
    struct segment_sum sum;
    for (uint64_t seed = 1; seed < 50; seed++) {
        fill(reference, seed, 0.5);
        fill(current, seed * 1001, 0.5);
        assert_int_equal(psi_segments(reference, current, SEGMENTS, BINS, parts, terms, &sum), 0);
        double parts_sum = 0, term_sum = 0, chain = 0, m = 0, n = 0, joint = 0;
        for (int s = 0; s < SEGMENTS; s++) {
            parts_sum += parts[s].mix + parts[s].within;
            chain += parts[s].kl_chain;
            assert_true(parts[s].kl_debiased < parts[s].kl_chain + 1);
        }
        for (int b = 0; b < BINS; b++) {
            assert_true(terms[b] >= 0);
            term_sum += terms[b];
        }
        for (int i = 0; i < SEGMENTS * BINS; i++) {
            m += reference[i];
            n += current[i];
        }
        for (int i = 0; i < SEGMENTS * BINS; i++)
            joint += current[i] / n * log(current[i] / n / (reference[i] / m));
        assert_near(parts_sum, sum.psi, 1e-13);
        assert_near(term_sum, sum.psi, 1e-13);
        assert_near(chain, joint, 1e-13);
        assert_near(sum.kl_joint, joint, 1e-13);
    }
}

/* Only shares of segments change: nothing happens within. */
static void mix_alone(void **state)
{
    (void)state;
    static const double reference[6] = {30, 60, 10, 20, 20, 60}, current[6] = {3, 6, 1, 60, 60, 180};
    struct segment_part parts[2];
    struct segment_sum sum;
    assert_int_equal(psi_segments(reference, current, 2, 3, parts, NULL, &sum), 0);
    assert_near(parts[0].within, 0, 1e-15);
    assert_near(parts[1].within, 0, 1e-15);
    assert_near(parts[0].mix + parts[1].mix, sum.psi, 1e-15);
}

static void absent_segments_and_bins(void **state)
{
    (void)state;
    static const double reference[6] = {30, 60, 10, 0, 0, 0}, current[6] = {3, 6, 1, 5, 5, 5};
    struct segment_part parts[2];
    struct segment_sum sum;
    assert_int_equal(psi_segments(reference, current, 2, 3, parts, NULL, &sum), 0);
    assert_near(parts[0].total + parts[1].total, sum.psi, 1e-14);
    assert_nan(parts[1].kl_chain);
    static const double hole[6] = {30, 60, 0, 1, 2, 0};
    assert_int_equal(psi_segments(hole, current, 2, 3, parts, NULL, &sum), 0);
    assert_nan(sum.psi);
    static const double zero[6] = {0};
    assert_int_equal(psi_segments(reference, zero, 2, 3, parts, NULL, &sum), 0);
    assert_nan(sum.psi);
    assert_int_equal(psi_segments(zero, zero, 0, 3, parts, NULL, &sum), 0);
    assert_int_equal(psi_segments(zero, zero, 2, 0, parts, NULL, &sum), 0);
    assert_nan(sum.psi);
}

static void orders_of_features(void **state)
{
    (void)state;
    static const double baseline[4] = {0.4, 0.3, 0.2, 0.1}, reversed[4] = {0.1, 0.2, 0.3, 0.4},
                        tied[4] = {0.25, 0.25, 0.25, 0.25}, zero[4] = {0};
    struct attribution_drift d;
    assert_int_equal(attribution_drift(baseline, baseline, 4, &d), 0);
    assert_near(d.ndcg, 1, 1e-15);
    assert_near(d.spearman, 1, 1e-15);
    assert_near(d.share_js, 0, 0);
    assert_int_equal(attribution_drift(baseline, reversed, 4, &d), 0);
    assert_near(d.spearman, -1, 1e-15);
    double ideal = 0.4 + 0.3 / log2(3) + 0.2 / 2 + 0.1 / log2(5);
    double worst = 0.1 + 0.2 / log2(3) + 0.3 / 2 + 0.4 / log2(5);
    assert_near(d.ndcg, worst / ideal, 1e-15);
    assert_int_equal(attribution_drift(baseline, tied, 4, &d), 0);
    assert_near(d.ndcg, 1, 1e-15); /* ties keep the baseline's order */
    assert_nan(d.spearman);
    assert_int_equal(attribution_drift(baseline, zero, 4, &d), 0);
    assert_nan(d.ndcg);
    assert_int_equal(attribution_drift(baseline, zero, 0, &d), 0);
    assert_nan(d.share_l1);
}

static void terms(void **state)
{
    (void)state;
    assert_near(psi_term(0, 0), 0, 0);
    assert_nan(psi_term(0, 0.1));
    assert_near(js_term(0, 0), 0, 0);
    assert_near(js_term(0.5, 0), 0.25 * log(2), 1e-15);
    assert_near(js_term(1, 0) + js_term(0, 1), log(2), 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_sum_to_psi_and_kl),
        cmocka_unit_test(mix_alone),
        cmocka_unit_test(absent_segments_and_bins),
        cmocka_unit_test(orders_of_features),
        cmocka_unit_test(terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
