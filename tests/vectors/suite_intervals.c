/* Suite intervals: uncertainty of rates and means, many tests at once. */
#include <math.h>

#include "detectors/intervals.h"
#include "tests/vectors/vectors.h"

static double in(struct vector_case *vc, const char *key)
{
    return case_number(vc, vc->input, key);
}

static void put_interval(struct vector_case *vc, const char *key, struct interval interval)
{
    double limits[2] = {interval.low, interval.high};
    case_put_numbers(vc, key, limits, 2);
}

static void put_flags(struct vector_case *vc, const char *key, const bool *flags, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, cJSON_CreateBool(flags[i]));
    case_put_item(vc, key, array);
}

static void run_proportion(struct vector_case *vc)
{
    double k = in(vc, "k"), n = in(vc, "n"), alpha = case_number_or(vc, vc->input, "alpha", 0.05);
    put_interval(vc, "wilson", interval_wilson(k, n, alpha));
    put_interval(vc, "clopper_pearson", interval_clopper_pearson(k, n, alpha));
    put_interval(vc, "jeffreys", interval_jeffreys(k, n, alpha));
}

static void run_two_proportions(struct vector_case *vc)
{
    double k1 = in(vc, "k1"), n1 = in(vc, "n1"), k2 = in(vc, "k2"), n2 = in(vc, "n2");
    double alpha = case_number_or(vc, vc->input, "alpha", 0.05);
    struct test_result z = two_proportion_z(k1, n1, k2, n2);
    put_interval(vc, "newcombe_diff95", interval_newcombe(k1, n1, k2, n2, alpha));
    case_put(vc, "z_pooled", z.statistic);
    case_put(vc, "p", z.p);
    case_put(vc, "ratio", k1 / n1 / (k2 / n2));
    put_interval(vc, "log_ratio_ci95", interval_ratio_plain(k1, n1, k2, n2, alpha));
    case_put(vc, "fisher_p",
             fisher_exact_p(case_count(vc, vc->input, "k1"), case_count(vc, vc->input, "n1"),
                            case_count(vc, vc->input, "k2"), case_count(vc, vc->input, "n2")));
    case_put(vc, "cohen_h", cohen_h(k1 / n1, k2 / n2));
}

static void run_asymptotic_cs(struct vector_case *vc)
{
    struct confidence_sequence cs =
        asymptotic_confidence_sequence(in(vc, "n"), in(vc, "sd"), in(vc, "alpha"), in(vc, "n_opt"));
    case_put(vc, "rho2", cs.rho2);
    case_put(vc, "half_width", cs.half_width);
}

static void run_multiple_testing(struct vector_case *vc)
{
    size_t count;
    const double *p = case_numbers(vc, vc->input, "p", &count);
    double alpha = in(vc, "alpha");
    double *adjusted = case_alloc(vc, count, sizeof *adjusted);
    bool *rejected = case_alloc(vc, count, sizeof *rejected);
    if (adjust_benjamini_hochberg(p, (uint32_t)count, adjusted))
        case_fail(vc, "out of memory");
    case_put_numbers(vc, "bh_adjusted", adjusted, count);
    if (reject_benjamini_hochberg(p, (uint32_t)count, alpha, rejected))
        case_fail(vc, "out of memory");
    put_flags(vc, "bh_reject", rejected, count);
    adjust_bonferroni(p, (uint32_t)count, adjusted);
    case_put_numbers(vc, "bonferroni_adjusted", adjusted, count);
    for (size_t i = 0; i < count; i++)
        rejected[i] = adjusted[i] <= alpha;
    put_flags(vc, "bonferroni_reject", rejected, count);
    if (adjust_holm(p, (uint32_t)count, adjusted))
        case_fail(vc, "out of memory");
    case_put_numbers(vc, "holm_adjusted", adjusted, count);
    for (size_t i = 0; i < count; i++)
        rejected[i] = adjusted[i] <= alpha;
    put_flags(vc, "holm_reject", rejected, count);
}

static void run_e_bh(struct vector_case *vc)
{
    size_t count;
    double *e = case_numbers(vc, vc->input, "e", &count);
    bool *rejected = case_alloc(vc, count, sizeof *rejected);
    for (size_t i = 0; i < count; i++)
        e[i] = log(e[i]);
    if (reject_e_benjamini_hochberg(e, (uint32_t)count, in(vc, "alpha"), rejected))
        case_fail(vc, "out of memory");
    double *indices = case_alloc(vc, count, sizeof *indices);
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (rejected[i])
            indices[used++] = (double)i;
    case_put_numbers(vc, "rejected", indices, used);
}

static void run_welch(struct vector_case *vc)
{
    struct welch w = welch_test(in(vc, "m1"), in(vc, "s1"), in(vc, "n1"), in(vc, "m2"), in(vc, "s2"),
                                in(vc, "n2"), case_number_or(vc, vc->input, "alpha", 0.05));
    case_put(vc, "t", w.t);
    case_put(vc, "df", w.df);
    case_put(vc, "p", w.p);
    case_put(vc, "difference", w.difference);
    put_interval(vc, "diff_ci95", w.interval);
}

const struct vector_handler intervals_handlers[] = {
    {"proportion_ci", run_proportion},
    {"two_proportions", run_two_proportions},
    {"asymptotic_cs", run_asymptotic_cs},
    {"multiple_testing", run_multiple_testing},
    {"e_bh", run_e_bh},
    {"welch", run_welch},
    {NULL, NULL},
};
