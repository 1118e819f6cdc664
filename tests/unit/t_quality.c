/* quality.c: the out-of-range tail against the beta-binomial sum, rates, HBOS, confidence. */
#include "tests/unit/near.h"

#include "detectors/quality.h"
#include "detectors/special.h"

static double beta_binomial_tail(double k, double n, double m)
{
    double sum = 0;
    for (double x = k; x <= n; x++)
        sum += exp(log_choose(n, x) + log_gamma(x + 2) + log_gamma(n - x + m - 1) - log_gamma(n + m + 1) +
                   log_gamma(m + 1) - log_gamma(2) - log_gamma(m - 1));
    return sum;
}

static void out_of_range_tail(void **state)
{
    (void)state;
    static const unsigned cases[][3] = {{1, 10, 100},  {3, 10, 100},    {10, 10, 100},    {5, 200, 30},
                                        {40, 200, 30}, {2, 1000, 1000}, {12, 1000, 1000}, {1, 1, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const unsigned *c = cases[i];
        double want = beta_binomial_tail(c[0], c[1], c[2]);
        assert_near(out_of_range_p(c[0], c[1], c[2]) / want, 1, 1e-9);
    }
    assert_near(out_of_range_p(0, 10, 100), 1, 0);
    assert_nan(out_of_range_p(11, 10, 100));
    assert_nan(out_of_range_p(1, 10, 1));
    /* both ways of summing and the logarithms of Γ agree where they meet */
    double p = out_of_range_p(100000, 1000000000, 100001), q = out_of_range_p(100001, 1000000000, 100001);
    assert_true(p > q && q / p > 0.9999);
    /* M·k/n = 60: both tails together are nearly Gamma(2) */
    assert_near(out_of_range_p(300000, 1000000000, 200000) / (61 * exp(-60)), 1, 0.02);
}

/* The mean of the tail probabilities is the mean count: n·2/(M + 1). */
static void out_of_range_mean(void **state)
{
    (void)state;
    double sum = 0;
    for (unsigned k = 1; k <= 50; k++)
        sum += out_of_range_p(k, 50, 20);
    assert_near(sum, 50 * out_of_range_expected(20), 1e-10);
}

static void rates(void **state)
{
    (void)state;
    struct rate_change c = rate_change(120, 10000, 1000, 100000);
    assert_false(c.exact);
    assert_near(c.difference, 0.002, 1e-15);
    assert_true(c.interval.low < 0.002 && c.interval.high > 0.002);
    c = rate_change(3, 100, 0, 100000);
    assert_true(c.exact);
    assert_near(c.test.p, fisher_exact_p(3, 100, 0, 100000), 0);
    assert_nan(rate_change(0, 0, 1, 2).test.p);
    assert_near(volume_z(120, 100, 4), 1, 1e-15);
    assert_nan(volume_z(1, 0, 1));
    static const uint64_t multiplicities[] = {1, 1, 3, 0};
    assert_near(duplicate_share(multiplicities, 4), 0.4, 1e-15);
    assert_nan(duplicate_share(multiplicities, 0));
}

static void outlier_score(void **state)
{
    (void)state;
    static const double edges[] = {0, 1, 2, 4};
    static const uint64_t counts[] = {50, 0, 50}, none[] = {0, 0, 0};
    double terms[5];
    hbos_terms(edges, counts, 3, terms);
    assert_near(hbos_term(edges, counts, 3, 0), 0, 0); /* the lowest edge belongs to the first bin */
    assert_near(hbos_term(edges, counts, 3, 1), terms[1], 0);
    assert_near(hbos_term(edges, counts, 3, 1.5), terms[2], 1e-15);
    assert_near(hbos_term(edges, counts, 3, 3), 1, 1e-15);
    assert_near(hbos_term(edges, counts, 3, 4.5), terms[4], 1e-15);
    assert_near(terms[0], log2(0.5 / (0.5 / 101 / 4)), 1e-12);
    assert_nan(hbos_term(edges, none, 3, 1));
    assert_nan(hbos_term(edges, counts, 3, NAN));
    assert_near(hbos_missing_term(counts, 3, 25), 1, 1e-15);
    assert_true(hbos_missing_term(counts, 3, 0) > 5);
    assert_near(hbos_missing_term(counts, 3, 500), 0, 0);
}

static void confidence_of_vectors(void **state)
{
    (void)state;
    static const double uniform[4] = {0.25, 0.25, 0.25, 0.25}, sure[3] = {0, 1, 0};
    struct confidence c = confidence_of(uniform, 4);
    assert_near(c.entropy_normalised, 1, 1e-15);
    assert_near(c.margin, 0, 0);
    assert_near(c.gini, 0.75, 1e-15);
    c = confidence_of(sure, 3);
    assert_near(c.entropy, 0, 0);
    assert_near(c.margin, 1, 0);
    assert_nan(confidence_of(sure, 0).entropy);
    assert_nan(confidence_of(sure + 1, 1).entropy_normalised);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_of_range_tail), cmocka_unit_test(out_of_range_mean),     cmocka_unit_test(rates),
        cmocka_unit_test(outlier_score),     cmocka_unit_test(confidence_of_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
