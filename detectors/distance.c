#include "detectors/distance.h"

#include <math.h>

#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "detectors/special.h"

struct count_pair count_pair_of(const uint64_t *reference, const uint64_t *current, uint32_t bins)
{
    struct count_pair pair = {.reference = reference, .current = current, .bins = bins};
    for (uint32_t j = 0; j < bins; j++) {
        pair.M += reference[j];
        pair.n += current[j];
        pair.nonempty += reference[j] + current[j] > 0;
    }
    return pair;
}

static bool undefined(const struct count_pair *pair)
{
    return pair->n == 0 || pair->M == 0;
}

double count_pair_variance(const struct count_pair *pair)
{
    return 1 / (double)pair->n + 1 / (double)pair->M;
}

/* ---- distances -------------------------------------------------------------------------------------- */

/* (q−p)·ln(q/p); two empty cells differ by nothing. */
static double psi_term(double p, double q)
{
    return p == q ? 0 : (q - p) * log(q / p);
}

static double smoothed(uint64_t count, uint64_t total, uint32_t bins, double smoothing)
{
    return ((double)count + smoothing) / ((double)total + smoothing * bins);
}

void psi_terms(const struct count_pair *pair, double smoothing, double *out)
{
    for (uint32_t j = 0; j < pair->bins; j++) {
        double p = smoothed(pair->reference[j], pair->M, pair->bins, smoothing);
        double q = smoothed(pair->current[j], pair->n, pair->bins, smoothing);
        out[j] = undefined(pair) ? NAN : psi_term(p, q);
    }
}

static void smoothed_distances(const struct count_pair *pair, double smoothing,
                               struct frequency_distances *out)
{
    double squares = 0;
    for (uint32_t j = 0; j < pair->bins; j++) {
        double p = smoothed(pair->reference[j], pair->M, pair->bins, smoothing);
        double q = smoothed(pair->current[j], pair->n, pair->bins, smoothing);
        if (p == q)
            continue;
        double ratio = log(q / p);
        out->psi += (q - p) * ratio;
        out->kl += q > 0 ? q * ratio : 0;
        out->kl_reverse -= p > 0 ? p * ratio : 0;
        squares += (q - p) * (q - p) / p;
    }
    out->cohen_w = sqrt(squares);
}

/* x·ln(x/y) with 0·ln 0 = 0. */
static double entropy_term(double x, double y)
{
    return x > 0 ? x * log(x / y) : 0;
}

double hellinger_distance(const struct count_pair *pair)
{
    double overlap = 0;
    if (undefined(pair))
        return NAN;
    for (uint32_t j = 0; j < pair->bins; j++)
        overlap +=
            sqrt((double)pair->reference[j] / (double)pair->M * ((double)pair->current[j] / (double)pair->n));
    double squared = 1 - overlap;
    return squared > 1e-16 * (4 + pair->bins) ? sqrt(squared) : 0; /* else it is rounding of the sum */
}

static void raw_distances(const struct count_pair *pair, struct frequency_distances *out)
{
    double from_reference = 0, from_current = 0;
    for (uint32_t j = 0; j < pair->bins; j++) {
        double p = (double)pair->reference[j] / (double)pair->M;
        double q = (double)pair->current[j] / (double)pair->n;
        double difference = fabs(q - p), middle = (p + q) / 2;
        out->total_variation += difference / 2;
        out->linf = fmax(out->linf, difference);
        out->kl_raw += entropy_term(q, p);
        from_reference += entropy_term(p, middle);
        from_current += entropy_term(q, middle);
    }
    out->js_divergence = fmin(fmax(0, (from_reference + from_current) / 2), M_LN2);
    out->js_distance = sqrt(out->js_divergence / M_LN2);
    out->hellinger = hellinger_distance(pair);
}

struct frequency_distances frequency_distances(const struct count_pair *pair, double smoothing)
{
    struct frequency_distances out = {0};
    if (undefined(pair)) {
        out = (struct frequency_distances){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
        return out;
    }
    smoothed_distances(pair, smoothing, &out);
    raw_distances(pair, &out);
    return out;
}

/* ---- null distributions ------------------------------------------------------------------------------ */

struct psi_null psi_null(double v, uint32_t df, double alpha)
{
    struct psi_null null = {.mean = df * v, .sd = sqrt(2.0 * df) * v};
    if (df > 0)
        null.threshold = v * chi2_isf(alpha, df);
    return null;
}

double psi_p(double psi, double v, uint32_t df)
{
    if (isnan(psi) || isnan(v))
        return NAN;
    return df == 0 ? 1 : chi2_sf(psi / v, df);
}

static double share_spread(const struct count_pair *pair, uint32_t bin)
{
    double p = (double)pair->reference[bin] / (double)pair->M;
    return sqrt(p * (1 - p) * count_pair_variance(pair));
}

double total_variation_floor(const struct count_pair *pair, double alpha)
{
    double mean = 0;
    if (undefined(pair))
        return NAN;
    for (uint32_t j = 0; j < pair->bins; j++)
        mean += sqrt(2 / M_PI) * share_spread(pair, j) / 2;
    return mean + sqrt(count_pair_variance(pair) * log(1 / alpha) / 2);
}

double linf_floor(const struct count_pair *pair, double alpha)
{
    double widest = 0;
    if (undefined(pair))
        return NAN;
    for (uint32_t j = 0; j < pair->bins; j++)
        widest = fmax(widest, share_spread(pair, j));
    return -normal_ppf(alpha / (2.0 * pair->nonempty)) * widest;
}

/* ---- tests of homogeneity ---------------------------------------------------------------------------- */

/* Σ (c·M − r·n)² / (n·M·(r+c)), the difference in exact integers: it does not cancel. */
static double pearson(const struct count_pair *pair)
{
    long double sum = 0;
    for (uint32_t j = 0; j < pair->bins; j++) {
        uint64_t r = pair->reference[j], c = pair->current[j];
        if (r + c == 0)
            continue;
        uint128 left = (uint128)c * pair->M, right = (uint128)r * pair->n;
        long double difference = (long double)(left > right ? left - right : right - left);
        sum += difference * difference / (long double)(r + c);
    }
    return (double)(sum / (long double)pair->M / (long double)pair->n);
}

/* 2ΣΣ O ln(O/E) as written: with 10^9 events its rounding is 1e-6, nothing beside a χ² quantile. */
static double likelihood_ratio(const struct count_pair *pair)
{
    double M = (double)pair->M, n = (double)pair->n;
    long double sum = 0;
    for (uint32_t j = 0; j < pair->bins; j++) {
        double r = (double)pair->reference[j], c = (double)pair->current[j], both = r + c;
        sum += (long double)(2 * entropy_term(r, both * M / (M + n)));
        sum += (long double)(2 * entropy_term(c, both * n / (M + n)));
    }
    return sum > 0 ? (double)sum : 0;
}

struct count_tests count_tests(const struct count_pair *pair)
{
    if (undefined(pair))
        return (struct count_tests){NAN, NAN, NAN, NAN, NAN, 0};
    struct count_tests out = {.df = pair->nonempty - 1, .chi2_p = 1, .g_p = 1};
    if (out.df == 0)
        return out;
    out.chi2 = pearson(pair);
    out.chi2_p = chi2_sf(out.chi2, out.df);
    out.g = likelihood_ratio(pair);
    out.g_p = chi2_sf(out.g, out.df);
    out.cramers_v = sqrt(out.chi2 / ((double)pair->M + (double)pair->n));
    return out;
}

/* Indices of non-empty bins by ascending r + c. Insertion: vectors are short and often in order. */
static uint32_t ascending(const struct count_pair *pair, uint8_t *order)
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < pair->bins && j < COUNT_BINS_MAX; j++) {
        uint64_t total = pair->reference[j] + pair->current[j];
        if (total == 0)
            continue;
        uint32_t at = count++;
        for (; at > 0; at--) {
            uint32_t before = order[at - 1];
            if (pair->reference[before] + pair->current[before] <= total)
                break;
            order[at] = order[at - 1];
        }
        order[at] = (uint8_t)j;
    }
    return count;
}

uint32_t count_pool(const struct count_pair *pair, double expected_min, uint64_t *out_reference,
                    uint64_t *out_current)
{
    uint8_t order[COUNT_BINS_MAX];
    uint32_t count = ascending(pair, order), columns = 0, i = 0;
    uint64_t pool_reference = 0, pool_current = 0;
    double share = (double)(pair->n < pair->M ? pair->n : pair->M) / ((double)pair->n + (double)pair->M);
    for (; i < count; i++) {
        uint64_t r = pair->reference[order[i]], c = pair->current[order[i]];
        uint64_t pooled = pool_reference + pool_current;
        bool pool_done = pooled == 0 || share * (double)pooled >= expected_min;
        if (pool_done && share * (double)(r + c) >= expected_min)
            break;
        pool_reference += r;
        pool_current += c;
    }
    if (pool_reference + pool_current > 0) {
        out_reference[columns] = pool_reference;
        out_current[columns++] = pool_current;
    }
    for (; i < count; i++) {
        out_reference[columns] = pair->reference[order[i]];
        out_current[columns++] = pair->current[order[i]];
    }
    return columns;
}

/* One division of the pooled counts: n events without replacement go to `current`. */
static void divide(const struct count_pair *pair, uint64_t *counter, uint64_t *reference, uint64_t *current)
{
    uint64_t left = pair->n + pair->M;
    for (uint32_t j = 0; j < pair->bins; j++) {
        reference[j] = pair->reference[j] + pair->current[j];
        current[j] = 0;
    }
    for (uint64_t i = 0; i < pair->n; i++, left--) {
        uint64_t random = hash_mix(*counter += UINT64_C(0x9e3779b97f4a7c15));
        uint64_t pick = (uint64_t)((uint128)random * left >> 64);
        uint32_t j = 0;
        while (pick >= reference[j])
            pick -= reference[j++];
        reference[j]--;
        current[j]++;
    }
}

double chi2_permutation_p(const struct count_pair *pair, uint32_t draws)
{
    uint64_t reference[COUNT_BINS_MAX], current[COUNT_BINS_MAX], counter = 0;
    uint32_t hits = 0;
    if (undefined(pair) || pair->bins > COUNT_BINS_MAX)
        return NAN;
    for (uint32_t j = 0; j < pair->bins; j++)
        counter = hash_mix(hash_mix(counter ^ pair->reference[j]) + pair->current[j]);
    double observed = pearson(pair) * (1 - 1e-12); /* equal tables count as hits */
    for (uint32_t i = 0; i < draws; i++) {
        divide(pair, &counter, reference, current);
        struct count_pair drawn = count_pair_of(reference, current, pair->bins);
        hits += pearson(&drawn) >= observed;
    }
    return (1.0 + hits) / (1.0 + draws);
}

double chi2_known_reference_p(const struct count_pair *pair)
{
    double statistic = 0;
    if (undefined(pair))
        return NAN;
    if (pair->nonempty < 2)
        return 1;
    for (uint32_t j = 0; j < pair->bins; j++) {
        double expected = (double)pair->reference[j] * ((double)pair->n / (double)pair->M);
        double difference = (double)pair->current[j] - expected;
        if (pair->reference[j] + pair->current[j] > 0)
            statistic += difference * difference / expected;
    }
    return chi2_sf(statistic, pair->nonempty - 1);
}

/* ---- compatibility ------------------------------------------------------------------------------------ */

static double sum_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

/* What stands in for an empty cell of these shares. */
static double cell_fill(const double *values, size_t count, double total)
{
    double smallest = INFINITY;
    for (size_t i = 0; i < count; i++)
        if (values[i] > 0)
            smallest = fmin(smallest, values[i] / total);
    return smallest <= 1e-4 ? smallest / 1e6 : 1e-4;
}

struct filled_distances filled_distances(const double *reference, const double *current, size_t bins)
{
    double M = sum_of(reference, bins), n = sum_of(current, bins);
    struct filled_distances out = {0, 0};
    if (!(M > 0 && n > 0))
        return (struct filled_distances){NAN, NAN};
    double p_fill = cell_fill(reference, bins, M), q_fill = cell_fill(current, bins, n);
    double p_sum = 0, q_sum = 0, cross = 0;
    for (size_t j = 0; j < bins; j++) {
        double p = reference[j] > 0 ? reference[j] / M : p_fill;
        double q = current[j] > 0 ? current[j] / n : q_fill;
        out.psi += psi_term(p, q);
        cross += p * log(p / q);
        p_sum += p;
        q_sum += q;
    }
    /* KL of the renormalised vectors: Σ (p/P) ln((p/P)/(q/Q)). */
    out.kl_reverse = cross / p_sum + log(q_sum / p_sum);
    return out;
}
