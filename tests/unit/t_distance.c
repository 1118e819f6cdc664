/* distance.c: identities, degenerate inputs, null distributions by simulation, pooling. The values themselves
 * are checked by the distances suite and tests/checks/compare_scipy.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "detectors/distance.h"
#include "detectors/special.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, want %.17g within %g", got, want, tolerance);
}

static uint64_t random_below(uint64_t *state, uint64_t bound)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return (uint64_t)((uint128)hash_mix(*state) * bound >> 64);
}

static void test_identities(void **state)
{
    uint64_t seed = 1, r[40], c[40];
    double terms[40];
    (void)state;
    for (int round = 0; round < 300; round++) {
        uint32_t bins = 1 + (uint32_t)random_below(&seed, 40);
        uint64_t scale = UINT64_C(1) << random_below(&seed, 40);
        for (uint32_t j = 0; j < bins; j++) {
            r[j] = random_below(&seed, 3) ? random_below(&seed, scale) : 0;
            c[j] = random_below(&seed, 3) ? random_below(&seed, scale) : 0;
        }
        r[0]++;
        c[bins - 1]++;
        struct count_pair pair = count_pair_of(r, c, bins), swapped = count_pair_of(c, r, bins);
        struct frequency_distances d = frequency_distances(&pair, JEFFREYS);
        struct frequency_distances back = frequency_distances(&swapped, JEFFREYS);
        double sum = 0;
        psi_terms(&pair, JEFFREYS, terms);
        for (uint32_t j = 0; j < bins; j++) {
            assert_true(terms[j] >= 0);
            sum += terms[j];
        }
        near(d.psi, sum, 1e-12 * (1 + sum));
        near(d.psi, d.kl + d.kl_reverse, 1e-12 * (1 + sum));
        near(d.kl, back.kl_reverse, 1e-12 * (1 + sum));
        near(d.js_distance, back.js_distance, 1e-12);
        near(d.js_distance * d.js_distance * M_LN2, d.js_divergence, 1e-14);
        /* Known inequalities: H² ≤ TV ≤ √2·H, L∞ ≤ TV, JS in bits ≤ TV. */
        assert_true(d.hellinger * d.hellinger <= d.total_variation + 1e-12);
        assert_true(d.total_variation <= M_SQRT2 * d.hellinger + 1e-7);
        assert_true(d.linf <= d.total_variation + 1e-12 && d.total_variation <= 1 + 1e-12);
        assert_true(d.js_distance * d.js_distance <= d.total_variation + 1e-12);
        assert_true(d.kl_raw >= -1e-12 && d.hellinger <= 1 && d.js_distance <= 1);
    }
}

static void test_degenerate(void **state)
{
    static const uint64_t none[3] = {0, 0, 0}, some[3] = {5, 0, 7}, other[3] = {0, 9, 0},
                          same[3] = {50, 0, 70};
    (void)state;
    struct count_pair empty = count_pair_of(some, none, 3), disjoint = count_pair_of(some, other, 3);
    struct count_pair equal = count_pair_of(some, same, 3), one = count_pair_of(some, same, 1);
    struct frequency_distances d = frequency_distances(&empty, JEFFREYS);
    assert_true(isnan(d.psi) && isnan(d.js_distance) && isnan(d.hellinger) &&
                isnan(count_tests(&empty).chi2_p));
    assert_true(isnan(hellinger_distance(&empty)) && isnan(linf_floor(&empty, 0.001)));
    assert_true(isnan(chi2_permutation_p(&empty, 10)) && isnan(chi2_known_reference_p(&empty)));
    d = frequency_distances(&disjoint, JEFFREYS);
    near(d.js_distance, 1, 1e-15);
    near(d.hellinger, 1, 1e-15);
    near(d.total_variation, 1, 1e-15);
    assert_true(isinf(d.kl_raw) && isfinite(d.psi));
    d = frequency_distances(&equal, JEFFREYS);
    near(d.js_distance, 0, 1e-15);
    near(d.hellinger, 0, 0);
    near(d.total_variation, 0, 1e-15);
    near(count_tests(&equal).chi2, 0, 0);
    near(count_tests(&equal).chi2_p, 1, 0);
    struct count_tests tests = count_tests(&one);
    assert_true(tests.df == 0 && tests.chi2 == 0 && tests.g == 0 && tests.chi2_p == 1 && tests.g_p == 1);
    d = frequency_distances(&one, JEFFREYS);
    assert_true(d.psi == 0 && d.kl == 0 && d.js_distance == 0 && d.total_variation == 0);
}

/* (cM − rn)² would not fit 64 bits, and cancels in double. */
static void test_large_counts(void **state)
{
    const uint64_t big = UINT64_C(1) << 50;
    const uint64_t r[2] = {big, big}, c[2] = {big + 1, big - 1};
    (void)state;
    struct count_pair pair = count_pair_of(r, c, 2);
    /* Every cell is ½ off its expectation of 2^50: χ² = 4·¼/2^50. */
    near(count_tests(&pair).chi2 * (double)big, 1, 1e-9);
}

struct null_case {
    uint64_t M, n;
    uint32_t bins;
};

/* Size of the PSI and χ² tests: reference and window drawn from one distribution, the reference being the
 * source of neither. Tolerance: 4 binomial standard deviations of 2000 draws around METHODS §3.2's simulated
 * sizes. */
static void test_null_sizes(void **state)
{
    static const struct null_case cases[] = {{5000, 500, 10}, {1000, 1000, 20}, {100000, 200, 10}};
    enum { DRAWS = 2000 };
    uint64_t seed = 99;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct null_case *nc = &cases[i];
        int psi_hits = 0, chi2_hits = 0, tv_hits = 0, linf_hits = 0;
        double psi_sum = 0, v = 1 / (double)nc->n + 1 / (double)nc->M;
        struct psi_null null = psi_null(v, nc->bins - 1, 0.05);
        for (int draw = 0; draw < DRAWS; draw++) {
            uint64_t r[20] = {0}, c[20] = {0};
            for (uint64_t k = 0; k < (nc->M > 5000 ? 0 : nc->M); k++)
                r[random_below(&seed, nc->bins)]++;
            for (uint32_t j = 0; nc->M > 5000 && j < nc->bins; j++)
                r[j] = nc->M / nc->bins;
            for (uint64_t k = 0; k < nc->n; k++)
                c[random_below(&seed, nc->bins)]++;
            struct count_pair pair = count_pair_of(r, c, nc->bins);
            struct frequency_distances d = frequency_distances(&pair, JEFFREYS);
            psi_sum += d.psi;
            assert_int_equal(d.psi > null.threshold, psi_p(d.psi, v, nc->bins - 1) < 0.05);
            psi_hits += d.psi > null.threshold;
            chi2_hits += count_tests(&pair).chi2_p < 0.05;
            tv_hits += d.total_variation > total_variation_floor(&pair, 0.05);
            linf_hits += d.linf > linf_floor(&pair, 0.05);
        }
        assert_in_range(psi_hits, 60, 140);
        assert_in_range(chi2_hits, 60, 140);
        assert_in_range(tv_hits, 0, 100);    /* a bound, not a quantile */
        assert_in_range(linf_hits, 20, 170); /* normal tails for a skewed binomial */
        near(psi_sum / DRAWS, null.mean, 0.08 * null.mean);
    }
    assert_true(psi_null(0.1, 0, 0.05).threshold == 0 && psi_p(0.3, 0.1, 0) == 1 &&
                isnan(psi_p(NAN, 0.1, 3)));
}

static void test_pooling(void **state)
{
    static const uint64_t r[6] = {1000, 3, 0, 40, 900, 2}, c[6] = {100, 1, 0, 4, 90, 0};
    uint64_t pooled_r[6], pooled_c[6], sum_r = 0, sum_c = 0;
    (void)state;
    struct count_pair pair = count_pair_of(r, c, 6);
    uint32_t columns = count_pool(&pair, 5, pooled_r, pooled_c);
    /* Expected in the window: 2 → 0.18, 4 → 0.36, 44 → 4.0: below 5 together, so 990 joins them. */
    assert_int_equal(columns, 2);
    assert_int_equal(pooled_r[0], 945);
    assert_int_equal(pooled_c[0], 95);
    for (uint32_t j = 0; j < columns; j++) {
        sum_r += pooled_r[j];
        sum_c += pooled_c[j];
    }
    assert_true(sum_r == pair.M && sum_c == pair.n);
    assert_int_equal(count_pool(&pair, 0, pooled_r, pooled_c), 5); /* only the empty one goes */
    assert_int_equal(count_pool(&pair, 1e9, pooled_r, pooled_c), 1);
    struct count_pair none = count_pair_of(r, c, 0);
    assert_int_equal(count_pool(&none, 5, pooled_r, pooled_c), 0);
}

static void test_permutation(void **state)
{
    static const uint64_t r[2] = {400, 600}, near_c[2] = {17, 23}, far_c[2] = {35, 5};
    (void)state;
    struct count_pair close = count_pair_of(r, near_c, 2), far = count_pair_of(r, far_c, 2);
    double p = chi2_permutation_p(&close, 20000);
    assert_true(p == chi2_permutation_p(&close, 20000)); /* the same counts, the same draws */
    /* Exact: P(|k − 16.04| ≥ 0.96) of the hypergeometric, both sides. */
    double exact = 0;
    for (int k = 0; k <= 40; k++)
        if (fabs(k - 40 * 417 / 1040.0) >= fabs(17 - 40 * 417 / 1040.0) - 1e-9)
            exact += exp(log_choose(417, k) + log_choose(623, 40 - k) - log_choose(1040, 40));
    near(p, exact, 4 * sqrt(exact * (1 - exact) / 20000));
    near(chi2_permutation_p(&far, 1000), 1 / 1001.0, 1e-3);
}

static void test_compatibility_forms(void **state)
{
    static const double r[3] = {40, 40, 20}, c[3] = {55, 45, 0}, none[3] = {0, 0, 0};
    static const double tiny_r[2] = {999999, 1}, tiny_c[2] = {1000, 0};
    (void)state;
    struct filled_distances d = filled_distances(r, c, 3);
    near(d.psi, 1.5730776131130617, 1e-12);
    near(d.kl_reverse, 1.3457857801987827, 1e-12);
    assert_true(isnan(filled_distances(r, none, 3).psi));
    /* The reference's smallest share is 1e-6, the window's only one is 1: its fill is 1e-4. */
    d = filled_distances(tiny_r, tiny_c, 2);
    near(d.psi, (1 - 0.999999) * log(1 / 0.999999) + (1e-4 - 1e-6) * log(1e-4 / 1e-6), 1e-12);
    const uint64_t known[2] = {10, 0}, surprise[2] = {5, 5};
    struct count_pair pair = count_pair_of(known, surprise, 2);
    near(chi2_known_reference_p(&pair), 0, 0); /* impossible under an exact reference */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_large_counts),
        cmocka_unit_test(test_null_sizes),
        cmocka_unit_test(test_pooling),
        cmocka_unit_test(test_permutation),
        cmocka_unit_test(test_compatibility_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
