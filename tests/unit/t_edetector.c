/* edetector.c: exact expectations by enumeration, Ville's bound, run length, limits. */
#include "tests/unit/near.h"

#include "detectors/edetector.h"
#include "detectors/special.h"

struct totals {
    double mean;  /* E[exp ℓ] */
    double large; /* P(exp ℓ ≥ 20) */
};

/* Over all count vectors of n events in 3 bins. */
static struct totals enumerate(const struct e_reference *r, const double p[3], unsigned n, double rho,
                               double eta)
{
    struct totals t = {0, 0};
    for (unsigned i = 0; i <= n; i++)
        for (unsigned j = 0; i + j <= n; j++) {
            uint64_t counts[3] = {i, j, n - i - j};
            double mass =
                exp(log_gamma(n + 1.0) - log_gamma(i + 1.0) - log_gamma(j + 1.0) -
                    log_gamma(n - i - j + 1.0) + i * log(p[0]) + j * log(p[1]) + (n - i - j) * log(p[2]));
            double e = exp(e_value_of(r, counts, rho, eta).log_e);
            t.mean += mass * e;
            t.large += e >= 20 ? mass : 0;
        }
    return t;
}

static double kl(const uint64_t counts[3], const double p[3])
{
    double n = (double)(counts[0] + counts[1] + counts[2]), sum = 0;
    for (int j = 0; j < 3; j++)
        sum += counts[j] ? (double)counts[j] / n * log((double)counts[j] / n / p[j]) : 0;
    return sum;
}

static void expectation_is_one_at_the_reference(void **state)
{
    (void)state;
    static const uint64_t counts[3] = {50, 30, 20};
    static const double p[3] = {0.5, 0.3, 0.2};
    static const bool orders[2][3] = {{true, true, true}, {true, true, false}};
    for (unsigned n = 1; n <= 24; n += 4)
        for (int form = 0; form < 3; form++) {
            struct e_reference *r = e_reference_new(counts, form ? orders[form - 1] : NULL, 3);
            assert_near(enumerate(r, p, n, 0, 1).mean, 1, 1e-7);
            e_reference_free(r);
        }
}

/* Inside the ball the expectation is at most 1, also at its rim, also tempered; and Ville's bound holds. */
static void expectation_inside_the_ball(void **state)
{
    (void)state;
    static const uint64_t counts[3] = {400, 300, 300};
    static const bool ordered[3] = {true, true, true};
    struct e_reference *r = e_reference_new(counts, ordered, 3);
    double rho = 0.02;
    unsigned inside = 0;
    for (double a = 0.2; a < 0.6; a += 0.04)
        for (double b = 0.2; b < 0.4; b += 0.04) {
            double p[3] = {a, b, 1 - a - b};
            if (kl(counts, p) > rho)
                continue;
            inside++;
            struct totals t = enumerate(r, p, 30, rho, 1);
            assert_true(t.mean <= 1 + 1e-9);
            assert_true(t.large <= 0.05);
            assert_true(enumerate(r, p, 30, rho, 0.5).mean <= 1 + 1e-9);
        }
    assert_true(inside > 5);
    double far[3] = {0.1, 0.1, 0.8};
    assert_true(enumerate(r, far, 30, rho, 1).mean > 1e4);
    e_reference_free(r);
}

static void windows_without_surprise(void **state)
{
    (void)state;
    static const uint64_t counts[4] = {100, 0, 50, 50}, same[4] = {10, 0, 5, 5}, none[4] = {0},
                          unseen[4] = {0, 40, 0, 0};
    struct e_reference *r = e_reference_new(counts, NULL, 4);
    struct e_value e = e_value_of(r, same, 0.005, 1);
    assert_near(e.weight, 1, 0);
    assert_true(e.log_e <= 0);
    assert_near(e_value_of(r, none, 0.005, 1).log_e, 0, 0);
    e = e_value_of(r, unseen, 0.005, 1); /* a bin that the reference never saw */
    assert_true(isfinite(e.log_e) && e.log_e > 50);
    assert_near(e_value_of(r, unseen, 0.005, 0.25).log_e, e.log_e / 4, 1e-12);
    e_reference_free(r);
    assert_null(e_reference_new(none, NULL, 4));
    assert_null(e_reference_new(counts, NULL, 0));
}

/* The bound is above the value, wherever the window lies. */
static void the_bound_holds(void **state)
{
    (void)state;
    enum { BINS = 12 };
    static const bool ordered[BINS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0};
    static const uint64_t scales[] = {1, 20, 3000, 1000000};
    uint64_t seed = 3;
    unsigned close = 0;
    for (int round = 0; round < 4000; round++) {
        uint64_t reference[BINS], counts[BINS];
        double drift = random_unit(&seed) < 0.5 ? 0.05 : 1;
        for (int j = 0; j < BINS; j++) {
            reference[j] = j >= 9 && random_unit(&seed) < 0.5 ? 0 : 100 + random_bits(&seed) % 900;
            double share = (double)reference[j] / 1000 * (1 + drift * (random_unit(&seed) - 0.5));
            counts[j] = (uint64_t)(share * (double)scales[round % 4]) + (random_unit(&seed) < 0.1);
        }
        struct e_reference *r = e_reference_new(reference, ordered, BINS);
        double rho = round % 5 ? 0.005 : 0.1, bound = e_value_bound(r, counts, rho, 0.7);
        double value = e_value_of(r, counts, rho, 0.7).log_e;
        assert_true(bound >= value - 1e-9 * fabs(value) && bound >= 0);
        close += value > 5 && bound < 4 * value;
        e_reference_free(r);
    }
    assert_true(close > 200);
}

static void one_bin(void **state)
{
    (void)state;
    static const uint64_t counts[1] = {100};
    static const bool ordered[1] = {true};
    struct e_reference *r = e_reference_new(counts, ordered, 1);
    assert_near(e_value_of(r, counts, 0.005, 1).log_e, 0, 1e-9);
    assert_near(null_radius(100, 1, 0.01, 0.005), 0.005, 0);
    assert_near(null_radius_strict(100, 1, 0.01, 0.005), 0.005, 0);
    assert_near(null_radius(0, 10, 0.01, 0.005), 0.005, 0);
    e_reference_free(r);
}

static void strict_radius_solves_its_equation(void **state)
{
    (void)state;
    for (uint32_t bins = 2; bins < 60; bins += 7) {
        double y = null_radius_strict(1, bins, 0.01, 0), k = bins - 1.0;
        assert_true(y > k);
        assert_near(-y + k * log(exp(1) * y / k), log(0.01), 1e-9);
        assert_true(y > chi2_isf(0.01, k) / 2);
    }
}

/* Sums at the limit: E[exp ℓ] = 1 for 0/1 values of mean u, at most 1 for a smaller mean. */
static void bounded_expectations(void **state)
{
    (void)state;
    static const double limits[] = {0.01, 0.2, 0.5, 0.9};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (int side = E_UP; side <= E_BOTH; side++) {
            double u = limits[i], at = 0, better = 0;
            double p = side == E_DOWN ? fmin(1, u * 1.05) : u * 0.9;
            for (unsigned k = 0; k <= 60; k++) {
                double e = exp(log_e_bounded(60, k, u, (enum e_side)side, E_BOUNDED_ALTERNATIVES));
                at += exp(log_choose(60, k) + k * log(u) + (60 - k) * log1p(-u)) * e;
                better += exp(log_choose(60, k) + k * log(p) + (60 - k) * log1p(-p)) * e;
            }
            assert_near(at, 1, 1e-9);
            assert_true(side == E_BOTH || better < 1);
        }
    assert_nan(log_e_bounded(10, 3, 0, E_UP, 10));
    assert_nan(log_e_bounded(10, 3, 1, E_UP, 10));
    assert_nan(log_e_bounded(10, 11, 0.5, E_UP, 10));
    assert_near(log_e_bounded(0, 0, 0.5, E_BOTH, 10), 0, 1e-15);
}

static void upper_limits(void **state)
{
    (void)state;
    /* P(X ≤ k) at the limit is delta */
    double u = rate_upper_limit(3, 50, 0.01);
    assert_near(binomial_cdf(3, 50, u), 0.01, 1e-9);
    assert_near(rate_upper_limit(50, 50, 0.01), 1, 0);
    assert_nan(rate_upper_limit(0, 0, 0.01));
    assert_near(mean_upper_limit(0.2, 0, 101, 0.05), 0.2 + 7 * log(40) / 300, 1e-15);
    assert_nan(mean_upper_limit(0.2, 0.1, 1, 0.05));
}

static void sums_over_starts(void **state)
{
    (void)state;
    static const double log_e[4] = {NAN, 1, 1000, 999};
    struct e_sum sum = e_sum_of(log_e, 4);
    assert_near(sum.log_r, 1000 + log1p(exp(-1)), 1e-12);
    assert_int_equal(sum.best, 2);
    assert_true(isinf(e_sum_of(log_e, 1).log_r));
    assert_near(e_threshold(8640, 100, 24, 0.5), log(8640.0 * 100 * 24 / 0.5), 1e-14);
}

/* Known reference, ρ = 0, A = 50: the mean number of panes to a crossing is at least A. */
static void run_length_is_at_least_the_budget(void **state)
{
    (void)state;
    enum { BINS = 5, RUNS = 40, A = 50, AGES = 6, PANE = 20 };
    static const uint64_t counts[BINS] = {200000, 200000, 200000, 200000, 200000};
    static const unsigned ages[AGES] = {1, 2, 3, 4, 6, 8};
    struct e_reference *r = e_reference_new(counts, NULL, BINS);
    double h = e_threshold(A, 1, AGES, 1), panes = 0;
    uint64_t seed = 31;
    for (int run = 0; run < RUNS; run++) {
        uint64_t history[8][BINS] = {{0}};
        for (unsigned t = 0; t < 10 * A; t++) {
            double log_e[AGES];
            memmove(history[1], history[0], sizeof history - sizeof history[0]);
            memset(history[0], 0, sizeof history[0]);
            for (int i = 0; i < PANE; i++)
                history[0][(int)(BINS * random_unit(&seed))]++;
            for (int a = 0; a < AGES; a++) {
                uint64_t window[BINS] = {0};
                for (unsigned k = 0; k < ages[a]; k++)
                    for (int j = 0; j < BINS; j++)
                        window[j] += history[k][j];
                log_e[a] = ages[a] <= t + 1 ? e_value_of(r, window, 0, 1).log_e : NAN;
            }
            panes++;
            if (e_sum_of(log_e, AGES).log_r >= h)
                break;
        }
    }
    assert_true(panes / RUNS >= A);
    e_reference_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expectation_is_one_at_the_reference),
        cmocka_unit_test(expectation_inside_the_ball),
        cmocka_unit_test(windows_without_surprise),
        cmocka_unit_test(the_bound_holds),
        cmocka_unit_test(one_bin),
        cmocka_unit_test(strict_radius_solves_its_equation),
        cmocka_unit_test(bounded_expectations),
        cmocka_unit_test(upper_limits),
        cmocka_unit_test(sums_over_starts),
        cmocka_unit_test(run_length_is_at_least_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
