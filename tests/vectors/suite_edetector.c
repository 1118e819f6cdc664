/* Suite edetector: null radius, e-values, their sum over starts. */
#include <math.h>
#include <string.h>

#include "detectors/edetector.h"
#include "tests/vectors/vectors.h"

static double in(struct vector_case *vc, const char *key)
{
    return case_number(vc, vc->input, key);
}

static void run_radius(struct vector_case *vc)
{
    double m = in(vc, "M"), delta = in(vc, "delta"), tolerance = in(vc, "eps");
    uint32_t bins = (uint32_t)case_count(vc, vc->input, "B");
    case_put(vc, "chi2", null_radius(m, bins, delta, tolerance));
    case_put(vc, "strict", null_radius_strict(m, bins, delta, tolerance));
}

static struct e_reference *read_reference(struct vector_case *vc)
{
    size_t bins, flags = 0;
    const uint64_t *counts = case_counts(vc, vc->input, "ref", &bins);
    bool *ordered = NULL;
    if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(vc->input, "ordered"))) {
        const double *values = case_numbers(vc, vc->input, "ordered", &flags);
        ordered = case_alloc(vc, bins, sizeof *ordered);
        for (size_t j = 0; j < bins && j < flags; j++)
            ordered[j] = values[j] != 0;
        if (flags != bins)
            case_fail(vc, "ordered and ref differ in length");
    }
    struct e_reference *reference = e_reference_new(counts, ordered, (uint32_t)bins);
    if (!reference)
        case_fail(vc, "an empty reference");
    return reference;
}

/* Given, or what the reference leaves open. */
static double read_rho(struct vector_case *vc, const uint64_t *reference, size_t bins)
{
    double n = 0;
    for (size_t j = 0; j < bins; j++)
        n += (double)reference[j];
    return case_has(vc->input, "rho") ? in(vc, "rho")
                                      : null_radius(n, (uint32_t)bins, in(vc, "delta"), in(vc, "eps"));
}

static void run_log_e(struct vector_case *vc)
{
    size_t bins;
    const uint64_t *counts = case_counts(vc, vc->input, "cur", &bins);
    struct e_reference *reference = read_reference(vc);
    if (!reference || bins != e_reference_bins(reference)) {
        case_fail(vc, "ref and cur differ in length");
        e_reference_free(reference);
        return;
    }
    size_t reference_bins;
    const uint64_t *reference_counts = case_counts(vc, vc->input, "ref", &reference_bins);
    double rho = read_rho(vc, reference_counts, reference_bins);
    struct e_value e = e_value_of(reference, counts, rho, case_number_or(vc, vc->input, "eta", 1));
    double *scores = case_alloc(vc, bins, sizeof *scores);
    for (size_t j = 0; j < bins; j++)
        scores[j] = e_reference_score(reference, (uint32_t)j);
    case_put(vc, "w", e.weight);
    case_put(vc, "log_numerator", e.log_numerator);
    case_put(vc, "log_denominator", e.log_denominator);
    case_put(vc, "log_e", e.log_e);
    case_put(vc, "rho", rho);
    case_put_numbers(vc, "scores", scores, bins);
    e_reference_free(reference);
}

/* 1, 2, 3, 4, 6, 8, 12, 16, 24 … */
static size_t ages_up_to(size_t max_age, size_t *ages, size_t room)
{
    size_t count = 0;
    for (size_t power = 1; power <= max_age && count + 2 <= room; power *= 2) {
        ages[count++] = power;
        if (power > 1 && power / 2 * 3 <= max_age)
            ages[count++] = power / 2 * 3;
    }
    return count;
}

static void run_sr_path(struct vector_case *vc)
{
    enum { AGES = 64 };
    size_t panes, bins, ages[AGES];
    const double *matrix = case_matrix(vc, vc->input, "panes", &panes, &bins);
    struct e_reference *reference = read_reference(vc);
    if (!reference || bins != e_reference_bins(reference)) {
        case_fail(vc, "ref and panes do not fit together");
        e_reference_free(reference);
        return;
    }
    size_t age_count = ages_up_to((size_t)case_count(vc, vc->input, "max_age"), ages, AGES);
    uint64_t *window = case_alloc(vc, bins, sizeof *window);
    double *path = case_alloc(vc, panes, sizeof *path), *onset = case_alloc(vc, panes, sizeof *onset);
    double threshold = e_threshold(in(vc, "A"), in(vc, "F"), 1, 1), first = NAN, rho = in(vc, "rho");
    for (size_t t = 0; t < panes; t++) {
        double log_e[AGES];
        size_t age = 0, used = 0;
        memset(window, 0, bins * sizeof *window);
        for (; used < age_count && ages[used] <= t + 1; used++) {
            for (; age < ages[used]; age++)
                for (size_t j = 0; j < bins; j++)
                    window[j] += (uint64_t)matrix[(t - age) * bins + j];
            log_e[used] = e_value_of(reference, window, rho, case_number_or(vc, vc->input, "eta", 1)).log_e;
        }
        struct e_sum sum = e_sum_of(log_e, (uint32_t)used);
        path[t] = sum.log_r;
        onset[t] = (double)ages[sum.best];
        if (isnan(first) && sum.log_r >= threshold)
            first = (double)t + 1;
    }
    case_put_numbers(vc, "log_R", path, panes);
    case_put_numbers(vc, "argmax_age", onset, panes);
    case_put(vc, "threshold", threshold);
    case_put_item(vc, "first_alarm_pane_1based", isnan(first) ? cJSON_CreateNull() : number_item(first));
    e_reference_free(reference);
}

/* Σ over all count vectors of n events: multinomial probability under p · exp ℓ. */
static double expectation(struct vector_case *vc, const struct e_reference *reference, const double *p,
                          uint64_t *counts, uint32_t bin, uint64_t left, double log_weight, double rho)
{
    uint32_t bins = e_reference_bins(reference);
    double sum = 0;
    if (bin + 1 == bins) {
        counts[bin] = left;
        if (left > 0 && p[bin] <= 0)
            return 0;
        log_weight += (left ? (double)left * log(p[bin]) : 0) - lgamma((double)left + 1);
        return exp(log_weight + e_value_of(reference, counts, rho, 1).log_e);
    }
    for (uint64_t k = 0; k <= left; k++) {
        if (k > 0 && p[bin] <= 0)
            break;
        counts[bin] = k;
        sum += expectation(vc, reference, p, counts, bin + 1, left - k,
                           log_weight + (k ? (double)k * log(p[bin]) : 0) - lgamma((double)k + 1), rho);
    }
    return sum;
}

static void run_expectation(struct vector_case *vc)
{
    size_t bins, reference_bins;
    const double *p = case_numbers(vc, vc->input, "p", &bins);
    const uint64_t *counts = case_counts(vc, vc->input, "ref", &reference_bins);
    uint64_t n = case_count(vc, vc->input, "n"), total = 0;
    struct e_reference *reference = read_reference(vc);
    if (!reference || bins != reference_bins) {
        case_fail(vc, "ref and p differ in length");
        e_reference_free(reference);
        return;
    }
    double divergence = 0;
    for (size_t j = 0; j < bins; j++)
        total += counts[j];
    for (size_t j = 0; j < bins; j++) {
        double share = (double)counts[j] / (double)total;
        divergence += share > 0 ? share * log(share / p[j]) : 0;
    }
    case_put(vc, "kl_ref_p", divergence);
    case_put(vc, "value",
             expectation(vc, reference, p, case_alloc(vc, bins, sizeof *counts), 0, n, lgamma((double)n + 1),
                         in(vc, "rho")));
    e_reference_free(reference);
}

static void run_bounded(struct vector_case *vc)
{
    const char *name = case_string(vc, vc->input, "side");
    enum e_side side = strcmp(name, "up") == 0 ? E_UP : strcmp(name, "down") == 0 ? E_DOWN : E_BOTH;
    case_put(vc, "log_e",
             log_e_bounded(in(vc, "n"), in(vc, "sum"), in(vc, "u"), side,
                           (uint32_t)case_number_or(vc, vc->input, "grid", E_BOUNDED_ALTERNATIVES)));
}

const struct vector_handler edetector_handlers[] = {
    {"null_radius", run_radius},    {"log_e", run_log_e},
    {"sr_path", run_sr_path},       {"exact_expectation", run_expectation},
    {"log_e_bounded", run_bounded}, {NULL, NULL},
};
