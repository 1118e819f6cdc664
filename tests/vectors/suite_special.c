/* Suite special: special functions and distribution tails. */
#include "detectors/special.h"
#include "tests/vectors/vectors.h"

static double in(struct vector_case *vc, const char *key)
{
    return case_number(vc, vc->input, key);
}

static void value(struct vector_case *vc, double x)
{
    case_put(vc, "value", x);
}

static void run_lgamma(struct vector_case *vc)
{
    value(vc, log_gamma(in(vc, "x")));
}

static void run_norm_cdf(struct vector_case *vc)
{
    value(vc, normal_cdf(in(vc, "x")));
    case_put(vc, "sf", normal_sf(in(vc, "x")));
}

static void run_norm_ppf(struct vector_case *vc)
{
    value(vc, normal_ppf(in(vc, "p")));
}

static void run_chi2_sf(struct vector_case *vc)
{
    value(vc, chi2_sf(in(vc, "x"), in(vc, "df")));
}

static void run_chi2_isf(struct vector_case *vc)
{
    value(vc, chi2_isf(in(vc, "alpha"), in(vc, "df")));
}

static void run_betainc(struct vector_case *vc)
{
    value(vc, beta_cdf(in(vc, "x"), in(vc, "a"), in(vc, "b")));
}

static void run_beta_ppf(struct vector_case *vc)
{
    value(vc, beta_ppf(in(vc, "p"), in(vc, "a"), in(vc, "b")));
}

static void run_t_sf(struct vector_case *vc)
{
    value(vc, t_sf(in(vc, "x"), in(vc, "df")));
}

static void run_t_ppf(struct vector_case *vc)
{
    value(vc, t_ppf(in(vc, "p"), in(vc, "df")));
}

static void run_f_sf(struct vector_case *vc)
{
    value(vc, f_sf(in(vc, "x"), in(vc, "d1"), in(vc, "d2")));
}

static void run_binom_cdf(struct vector_case *vc)
{
    double k = in(vc, "k"), p = in(vc, "p");
    uint64_t n = case_count(vc, vc->input, "n");
    value(vc, binomial_cdf(k, n, p));
    case_put(vc, "sf", binomial_sf(k, n, p));
}

static void run_binom_ppf(struct vector_case *vc)
{
    value(vc, (double)binomial_ppf(in(vc, "q"), case_count(vc, vc->input, "n"), in(vc, "p")));
}

static void run_gammainc(struct vector_case *vc)
{
    value(vc, gamma_lower(in(vc, "a"), in(vc, "x")));
    case_put(vc, "sf", gamma_upper(in(vc, "a"), in(vc, "x")));
}

static void run_kolmogorov_sf(struct vector_case *vc)
{
    value(vc, kolmogorov_sf(in(vc, "x")));
}

static void run_cvm_limit_sf(struct vector_case *vc)
{
    value(vc, cvm_limit_sf(in(vc, "x")));
}

const struct vector_handler special_handlers[] = {
    {"lgamma", run_lgamma},
    {"norm_cdf", run_norm_cdf},
    {"norm_ppf", run_norm_ppf},
    {"chi2_sf", run_chi2_sf},
    {"chi2_isf", run_chi2_isf},
    {"betainc", run_betainc},
    {"beta_ppf", run_beta_ppf},
    {"t_sf", run_t_sf},
    {"t_ppf", run_t_ppf},
    {"f_sf", run_f_sf},
    {"binom_cdf", run_binom_cdf},
    {"binom_ppf", run_binom_ppf},
    {"gammainc", run_gammainc},
    {"kolmogorov_sf", run_kolmogorov_sf},
    {"cvm_limit_sf", run_cvm_limit_sf},
    {NULL, NULL},
};
