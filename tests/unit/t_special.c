/* special.c against values computed with 40 digits (mpmath), and its identities and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>

#include "agent/base/compiler.h"
#include "detectors/special.h"

static void near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("got %.17g, want %.17g within %g", got, want, relative);
}

/* One function of up to three numbers. */
struct row {
    double a, b, c, want, tolerance;
};

static void test_chi2(void **state)
{
    static const struct row rows[] = {
        {0.001, 1, 0, 0.97477287936996039, 1e-14},      {3.84, 1, 0, 0.050043521248705103, 1e-13},
        {40, 9, 0, 7.598525229464276e-6, 1e-13},        {250, 199, 0, 0.0082301130447247595, 1e-13},
        {1500, 1000, 0, 1.0454640385979657e-22, 1e-12}, {0.001, 0.3, 0, 0.65729812232655797, 1e-13},
        {900, 2, 0, 3.6938830684872562e-196, 1e-13},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        near(chi2_sf(rows[i].a, rows[i].b), rows[i].want, rows[i].tolerance);
        near(chi2_isf(rows[i].want, rows[i].b), rows[i].a, 1e-11);
        near(gamma_lower(rows[i].b / 2, rows[i].a / 2) + gamma_upper(rows[i].b / 2, rows[i].a / 2), 1, 1e-14);
    }
    assert_true(chi2_sf(0, 3) == 1 && chi2_sf(-1, 3) == 1 && chi2_sf(INFINITY, 3) == 0);
    assert_true(isinf(chi2_isf(0, 3)) && chi2_isf(1, 3) == 0);
    assert_true(isnan(chi2_sf(NAN, 3)) && isnan(chi2_sf(1, 0)) && isnan(chi2_isf(1.1, 3)) &&
                isnan(chi2_isf(0.5, 0)));
    near(chi2_isf(1e-290, 4), 1348.5295637032762, 1e-12); /* far tail: bracketed */
}

static void test_beta(void **state)
{
    static const struct row rows[] = {
        {0.5, 0.5, 0.5, 0.5, 1e-14},
        {0.01, 10, 1000, 0.55395772915449037, 1e-13},
        {1e-9, 0.3, 7, 0.0039258843856324417, 1e-13},
        {0.999, 800, 1.5, 0.6590949506302515, 1e-12},
        {0.3, 200, 300, 1.0496985243292947e-6, 1e-12},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double x = rows[i].a, a = rows[i].b, b = rows[i].c;
        near(beta_cdf(x, a, b), rows[i].want, rows[i].tolerance);
        near(beta_ppf(rows[i].want, a, b), x, 1e-11);
        if (x >= 0.01) /* else 1 − x is not what beta_cdf's own complement is */
            near(beta_cdf(x, a, b) + beta_cdf(1 - x, b, a), 1, 1e-13);
    }
    assert_true(beta_cdf(0, 2, 3) == 0 && beta_cdf(1, 2, 3) == 1 && beta_cdf(-1, 2, 3) == 0);
    assert_true(isnan(beta_cdf(0.5, 0, 1)) && isnan(beta_ppf(-0.1, 1, 1)));
    near(beta_ppf(0.025, 1, 1e6), -expm1(log1p(-0.025) / 1e6), 1e-9);
    near(beta_ppf(0.025, 0.02, 3),
         exp(log(0.025 * beta_ppf(1, 1, 1)) / 0.02 + 0) *
             exp((lgamma(0.02) + lgamma(3) - lgamma(3.02) + log(0.02)) / 0.02),
         1e-9); /* x^a/(a·B) for tiny x */
}

static void test_t_and_f(void **state)
{
    static const struct row t_rows[] = {
        {2.1, 7.3, 0, 0.036123356712426683, 1e-13},  {0.4, 1, 0, 0.3788810584091566, 1e-13},
        {30, 2, 0, 0.00055463134097982946, 1e-13},   {1e-8, 5, 0, 0.4999999962039331, 1e-14},
        {1.96, 1e6, 0, 0.024998033792634895, 1e-12},
    };
    static const struct row f_rows[] = {
        {3.1, 2, 17, 0.071148862335527497, 1e-13},
        {0.2, 5, 9, 0.9544516850435978, 1e-13},
        {12, 40, 30, 2.2119927363963692e-10, 1e-12},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t_rows); i++) {
        const struct row *r = &t_rows[i];
        near(t_sf(r->a, r->b), r->want, r->tolerance);
        near(t_sf(-r->a, r->b), 1 - r->want, 1e-13);
        if (r->want < 0.49)
            near(t_ppf(1 - r->want, r->b), r->a, 1e-9);
    }
    for (size_t i = 0; i < ARRAY_LEN(f_rows); i++)
        near(f_sf(f_rows[i].a, f_rows[i].b, f_rows[i].c), f_rows[i].want, f_rows[i].tolerance);
    near(t_sf(1.5, INFINITY), normal_sf(1.5), 1e-15);
    assert_true(t_sf(INFINITY, 3) == 0 && t_sf(1e200, 3) == 0 && isnan(t_sf(1, 0)) && t_ppf(0.5, 4) == 0);
    assert_true(f_sf(0, 1, 1) == 1 && f_sf(INFINITY, 1, 1) == 0 && isnan(f_sf(1, 0, 1)));
}

static void test_binomial(void **state)
{
    static const struct {
        double k, p, cdf, sf;
        uint64_t n;
    } rows[] = {
        {3, 0.1, 0.8670466765656649, 0.1329533234343351, 20},
        {0, 0.02, 0.36416968008711706, 0.63583031991288294, 50},
        {480, 0.5, 0.10872414660207047, 0.89127585339792953, 1000},
        {19, 0.9, 0.87842334540943065, 0.12157665459056935, 20},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        near(binomial_cdf(rows[i].k, rows[i].n, rows[i].p), rows[i].cdf, 1e-12);
        near(binomial_sf(rows[i].k, rows[i].n, rows[i].p), rows[i].sf, 1e-12);
        assert_int_equal(binomial_ppf(rows[i].cdf - 1e-9, rows[i].n, rows[i].p), (uint64_t)rows[i].k);
        assert_int_equal(binomial_ppf(rows[i].cdf + 1e-9, rows[i].n, rows[i].p), (uint64_t)rows[i].k + 1);
    }
    assert_true(binomial_cdf(-1, 5, 0.5) == 0 && binomial_cdf(5, 5, 0.5) == 1 &&
                binomial_sf(-1, 5, 0.5) == 1);
    assert_true(binomial_cdf(2, 5, 0) == 1 && binomial_cdf(2, 5, 1) == 0 && isnan(binomial_cdf(2, 5, 1.5)));
    assert_int_equal(binomial_ppf(1, 7, 0.5), 7);
}

static void test_normal(void **state)
{
    static const struct row rows[] = {
        {1e-300, 0, 0, -37.047096299361199, 1e-15}, {1e-10, 0, 0, -6.3613409024040562, 1e-15},
        {0.025, 0, 0, -1.9599639845400542, 1e-15},  {0.3, 0, 0, -0.52440051270804082, 1e-15},
        {0.975, 0, 0, 1.9599639845400539, 1e-15},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        near(normal_ppf(rows[i].a), rows[i].want, 4 * rows[i].tolerance);
        near(normal_cdf(rows[i].want), rows[i].a, 1e-12);
    }
    for (double p = 0.001; p < 1; p += 0.001) {
        near(normal_cdf(normal_ppf(p)), p, 1e-14);
        near(normal_sf(-normal_ppf(p)), p, 1e-14);
    }
    assert_true(normal_ppf(0.5) == 0 && isinf(normal_ppf(0)) && isinf(normal_ppf(1)) && isnan(normal_ppf(2)));
}

static void test_kolmogorov(void **state)
{
    static const struct row rows[] = {
        {0.2, 0, 0, 0.99999999999949496, 1e-15},        {0.5, 0, 0, 0.96394524366487509, 1e-14},
        {0.59, 0, 0, 0.87724034125589471, 1e-14},       {0.61, 0, 0, 0.85077099515984991, 1e-14},
        {1.3580986, 0, 0, 0.050000010680280805, 1e-13}, {2.5, 0, 0, 7.4533063441573416e-6, 1e-13},
        {5, 0, 0, 3.8574996959278356e-22, 1e-13},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        near(kolmogorov_sf(rows[i].a), rows[i].want, rows[i].tolerance);
    near(kolmogorov_sf(0.6), kolmogorov_sf(nextafter(0.6, 0)), 1e-14); /* the two series meet */
    assert_true(kolmogorov_sf(0) == 1 && kolmogorov_sf(-1) == 1 && kolmogorov_sf(1e-3) == 1);
    assert_true(kolmogorov_sf(40) == 0 && kolmogorov_sf(INFINITY) == 0 && isnan(kolmogorov_sf(NAN)));
}

static void test_cvm_limit(void **state)
{
    static const struct row rows[] = {
        {0.05, 0, 0, 0.87628093104134899, 1e-12},       {0.3473, 0, 0, 0.10000308279019988, 1e-12},
        {0.46136, 0, 0, 0.050000383132651276, 1e-12},   {0.74346, 0, 0, 0.0099999619154553671, 1e-11},
        {1.16786, 0, 0, 0.00099999091487455654, 1e-10}, {3.0, 0, 0, 7.5677434593160199e-8, 1e-6},
    };
    double before = 1;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        near(cvm_limit_sf(rows[i].a), rows[i].want, rows[i].tolerance);
    for (double x = 0; x < 30; x += 0.01) {
        double p = cvm_limit_sf(x);
        assert_true(p >= 0 && p <= before + 2e-13);
        before = p;
    }
    assert_true(isnan(cvm_limit_sf(NAN)) && cvm_limit_sf(-1) == 1 && cvm_limit_sf(1e6) < 1e-13);
}

static void test_gamma_functions(void **state)
{
    (void)state;
    near(log_gamma(0.5), 0.5 * log(M_PI), 1e-15);
    near(log_gamma(171), 706.57306224578735, 1e-14);
    near(log_choose(52, 5), log(2598960), 1e-14);
    assert_true(log_choose(10, 0) == 0 && log_choose(10, 10) == 0 && isnan(log_choose(3, 4)));
    assert_true(isnan(gamma_lower(0, 1)) && isnan(gamma_upper(-1, 1)));
    near(gamma_lower(1e6, 1e6), 0.50013298076087259, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chi2),      cmocka_unit_test(test_beta),
        cmocka_unit_test(test_t_and_f),   cmocka_unit_test(test_binomial),
        cmocka_unit_test(test_normal),    cmocka_unit_test(test_kolmogorov),
        cmocka_unit_test(test_cvm_limit), cmocka_unit_test(test_gamma_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
