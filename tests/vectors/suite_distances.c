/* Suite distances: distances, tests and null distributions of count vectors. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "detectors/distance.h"
#include "tests/vectors/vectors.h"

/* Reads ref and cur, which must be of one length. */
static struct count_pair read_pair(struct vector_case *vc)
{
    size_t reference_bins, current_bins;
    const uint64_t *reference = case_counts(vc, vc->input, "ref", &reference_bins);
    const uint64_t *current = case_counts(vc, vc->input, "cur", &current_bins);
    if (reference_bins != current_bins)
        case_fail(vc, "ref and cur differ in length");
    return count_pair_of(reference, current,
                         (uint32_t)(reference_bins < current_bins ? reference_bins : current_bins));
}

static void run_count_distances(struct vector_case *vc)
{
    struct count_pair pair = read_pair(vc);
    double smoothing = case_number_or(vc, vc->input, "smoothing", JEFFREYS);
    struct frequency_distances d = frequency_distances(&pair, smoothing);
    double *terms = case_alloc(vc, pair.bins, sizeof *terms);
    psi_terms(&pair, smoothing, terms);
    case_put(vc, "psi_jeffreys", d.psi);
    case_put(vc, "kl_cur_ref_jeffreys", d.kl);
    case_put(vc, "kl_ref_cur_jeffreys", d.kl_reverse);
    case_put(vc, "kl_cur_ref_raw", d.kl_raw);
    case_put(vc, "js_div_nats", d.js_divergence);
    case_put(vc, "js_div_bits", d.js_distance * d.js_distance);
    case_put(vc, "js_dist_base2", d.js_distance);
    case_put(vc, "js_dist_nats", sqrt(d.js_divergence));
    case_put(vc, "hellinger", d.hellinger);
    case_put(vc, "tv", d.total_variation);
    case_put(vc, "linf", d.linf);
    case_put_numbers(vc, "psi_terms", terms, pair.bins);
    case_put(vc, "cohen_w", d.cohen_w);
}

static void run_count_tests(struct vector_case *vc)
{
    struct count_pair pair = read_pair(vc);
    struct count_tests t = count_tests(&pair);
    case_put(vc, "chi2", t.chi2);
    case_put(vc, "df", t.df);
    case_put(vc, "p", t.chi2_p);
    case_put(vc, "g", t.g);
    case_put(vc, "g_p", t.g_p);
    case_put(vc, "cramers_v", t.cramers_v);
}

static void run_psi_fill_zero(struct vector_case *vc)
{
    size_t bins, current_bins;
    const double *reference = case_numbers(vc, vc->input, "ref", &bins);
    const double *current = case_numbers(vc, vc->input, "cur", &current_bins);
    if (bins != current_bins) {
        case_fail(vc, "ref and cur differ in length");
        return;
    }
    struct filled_distances d = filled_distances(reference, current, bins);
    case_put(vc, "psi", d.psi);
    case_put(vc, "kl_ref_cur", d.kl_reverse);
}

/* "published" is the figure that another project's tests assert for the same input: five digits, some
 * rounded, some cut off, so it agrees within one of the last. */
static void put_published(struct vector_case *vc, double value)
{
    case_put_bracket(vc, "published", value - 1e-5, value + 1e-5);
}

static void run_chi2_gof(struct vector_case *vc)
{
    struct count_pair pair = read_pair(vc);
    case_put(vc, "p", chi2_known_reference_p(&pair));
    put_published(vc, chi2_known_reference_p(&pair));
}

static void run_hellinger(struct vector_case *vc)
{
    struct count_pair pair = read_pair(vc);
    case_put(vc, "value", hellinger_distance(&pair));
    put_published(vc, hellinger_distance(&pair));
}

static void run_psi_null(struct vector_case *vc)
{
    static const char *const levels[] = {"0.05", "0.1", "0.2", "0.25", "0.5"};
    double bins = case_number(vc, vc->input, "B"), alpha = case_number(vc, vc->input, "alpha");
    double v = 1 / case_number(vc, vc->input, "n") + 1 / case_number(vc, vc->input, "M");
    if (!(bins >= 1)) {
        case_fail(vc, "B is below 1");
        return;
    }
    uint32_t df = (uint32_t)bins - 1;
    struct psi_null null = psi_null(v, df, alpha);
    case_put(vc, "mean", null.mean);
    case_put(vc, "sd", null.sd);
    case_put(vc, "threshold", null.threshold);
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        char key[32];
        snprintf(key, sizeof key, "p_at_%s", levels[i]);
        case_put(vc, key, psi_p(strtod(levels[i], NULL), v, df));
    }
}

static void run_psi_debiased(struct vector_case *vc)
{
    struct count_pair pair = read_pair(vc);
    double v = count_pair_variance(&pair), psi = frequency_distances(&pair, JEFFREYS).psi;
    uint32_t df = pair.nonempty ? pair.nonempty - 1 : 0;
    case_put(vc, "psi", psi);
    case_put(vc, "psi_debiased", psi - psi_null(v, df, 0.05).mean);
    case_put(vc, "p", psi_p(psi, v, df));
}

const struct vector_handler distances_handlers[] = {
    {"count_distances", run_count_distances},
    {"count_tests", run_count_tests},
    {"psi_fill_zero", run_psi_fill_zero},
    {"chi2_gof", run_chi2_gof},
    {"hellinger", run_hellinger},
    {"psi_null", run_psi_null},
    {"psi_debiased", run_psi_debiased},
    {NULL, NULL},
};
