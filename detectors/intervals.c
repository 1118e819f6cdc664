#include "detectors/intervals.h"

#include <math.h>
#include <stdlib.h>

#include "agent/base/err.h"
#include "detectors/special.h"

static const struct interval undefined_interval = {NAN, NAN};

static double critical_z(double alpha)
{
    return -normal_ppf(alpha / 2);
}

static bool is_proportion(double k, double n)
{
    return n > 0 && k >= 0 && k <= n;
}

struct interval interval_wilson(double k, double n, double alpha)
{
    if (!is_proportion(k, n))
        return undefined_interval;
    double z = critical_z(alpha);
    double z2 = z * z;
    double p = k / n;
    double centre = (k + z2 / 2) / (n + z2);
    double half = z / (n + z2) * sqrt(n * p * (1 - p) + z2 / 4);
    /* At the ends the exact limits are 0 and 1; the formula only rounds to them. */
    return (struct interval){.low = k <= 0 ? 0 : fmax(0, centre - half),
                             .high = k >= n ? 1 : fmin(1, centre + half)};
}

struct interval interval_clopper_pearson(double k, double n, double alpha)
{
    if (!is_proportion(k, n))
        return undefined_interval;
    return (struct interval){.low = k <= 0 ? 0 : beta_ppf(alpha / 2, k, n - k + 1),
                             .high = k >= n ? 1 : beta_ppf(1 - alpha / 2, k + 1, n - k)};
}

struct interval interval_jeffreys(double k, double n, double alpha)
{
    if (!is_proportion(k, n))
        return undefined_interval;
    return (struct interval){.low = beta_ppf(alpha / 2, k + 0.5, n - k + 0.5),
                             .high = beta_ppf(1 - alpha / 2, k + 0.5, n - k + 0.5)};
}

struct interval interval_newcombe(double k1, double n1, double k2, double n2, double alpha)
{
    if (!is_proportion(k1, n1) || !is_proportion(k2, n2))
        return undefined_interval;
    struct interval a = interval_wilson(k1, n1, alpha);
    struct interval b = interval_wilson(k2, n2, alpha);
    double p1 = k1 / n1;
    double p2 = k2 / n2;
    return (struct interval){.low = p1 - p2 - hypot(p1 - a.low, b.high - p2),
                             .high = p1 - p2 + hypot(a.high - p1, p2 - b.low)};
}

struct interval interval_ratio_plain(double k1, double n1, double k2, double n2, double alpha)
{
    if (!is_proportion(k1, n1) || !is_proportion(k2, n2) || k1 <= 0 || k2 <= 0)
        return undefined_interval;
    double log_ratio = log(k1 / n1) - log(k2 / n2);
    double half = critical_z(alpha) * sqrt(fmax(0, 1 / k1 - 1 / n1 + 1 / k2 - 1 / n2));
    return (struct interval){.low = exp(log_ratio - half), .high = exp(log_ratio + half)};
}

struct interval interval_ratio(double k1, double n1, double k2, double n2, double alpha)
{
    if (!is_proportion(k1, n1) || !is_proportion(k2, n2))
        return undefined_interval;
    if (k1 <= 0 || k2 <= 0) /* ½ in each cell: hits and misses, so the trials grow by one */
        return interval_ratio_plain(k1 + 0.5, n1 + 1, k2 + 0.5, n2 + 1, alpha);
    return interval_ratio_plain(k1, n1, k2, n2, alpha);
}

struct interval interval_order_ranks(double n, double q, double z)
{
    if (!(n >= 1) || !(q >= 0 && q <= 1))
        return undefined_interval;
    double half = z * sqrt(n * q * (1 - q)), estimate = floor(q * (n - 1));
    return (struct interval){.low = fmin(estimate, fmax(0, floor(n * q - half))),
                             .high = fmin(n - 1, ceil(n * q + half))};
}

struct test_result two_proportion_z(double k1, double n1, double k2, double n2)
{
    if (!is_proportion(k1, n1) || !is_proportion(k2, n2))
        return (struct test_result){NAN, NAN};
    double pooled = (k1 + k2) / (n1 + n2);
    double variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2);
    if (k1 + k2 <= 0 || k1 + k2 >= n1 + n2 || variance <= 0)
        return (struct test_result){0, 1};
    double z = (k1 / n1 - k2 / n2) / sqrt(variance);
    return (struct test_result){z, fmin(1, 2 * normal_sf(fabs(z)))};
}

/* Hypergeometric: `hits` of `hits + misses` in all, `drawn` drawn. */
struct hypergeometric {
    double hits, misses, drawn;
    double low, high; /* support */
};

static double hypergeometric_log(const struct hypergeometric *h, double x)
{
    return log_choose(h->hits, x) + log_choose(h->misses, h->drawn - x) -
           log_choose(h->hits + h->misses, h->drawn);
}

/* Σ over x, x+step, … to the end of the support; stops when what is left cannot matter. Only used on the side
 * of x where the mass decreases. */
static double hypergeometric_tail(const struct hypergeometric *h, double x, double step)
{
    double term = exp(hypergeometric_log(h, x));
    double sum = 0;
    while (x >= h->low && x <= h->high && term > sum * 1e-18) {
        sum += term;
        if (step > 0)
            term *= (h->hits - x) / (x + 1) * ((h->drawn - x) / (h->misses - h->drawn + x + 1));
        else
            term *= x / (h->hits - x + 1) * ((h->misses - h->drawn + x) / (h->drawn - x + 1));
        x += step;
    }
    return sum;
}

/* The first x from `mode` outwards with log mass ≤ limit; beyond the support when there is none. */
static double first_no_larger(const struct hypergeometric *h, double mode, double step, double limit)
{
    double end = step > 0 ? h->high : h->low;
    if (hypergeometric_log(h, end) > limit)
        return end + step;
    double inside = 0;
    double outside = fabs(end - mode);
    while (outside - inside > 1) {
        double middle = floor((inside + outside) / 2);
        if (hypergeometric_log(h, mode + step * middle) > limit)
            inside = middle;
        else
            outside = middle;
    }
    return mode + step * outside;
}

double fisher_exact_p(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    if (n1 == 0 || n2 == 0 || k1 > n1 || k2 > n2)
        return NAN;
    struct hypergeometric h = {
        .hits = (double)(k1 + k2), .misses = (double)(n1 - k1 + n2 - k2), .drawn = (double)n1};
    h.low = fmax(0, h.drawn - h.misses);
    h.high = fmin(h.hits, h.drawn);
    double observed = (double)k1;
    double mode = floor((h.drawn + 1) * (h.hits + 1) / (h.hits + h.misses + 2));
    mode = fmin(fmax(mode, h.low), h.high);
    if (observed == mode)
        return 1;
    /* As probable as the observed table up to rounding counts as «at most as probable». */
    double limit = hypergeometric_log(&h, observed) + 1e-7;
    if (limit >= hypergeometric_log(&h, mode))
        return 1;
    double lower = observed < mode ? observed : first_no_larger(&h, mode, -1, limit);
    double upper = observed > mode ? observed : first_no_larger(&h, mode, 1, limit);
    double p = 0;
    if (lower >= h.low)
        p += hypergeometric_tail(&h, lower, -1);
    if (upper <= h.high)
        p += hypergeometric_tail(&h, upper, 1);
    return fmin(1, p);
}

double mcnemar_p(uint64_t only_first, uint64_t only_second)
{
    uint64_t fewer = only_first < only_second ? only_first : only_second;
    if (only_first == only_second)
        return 1;
    return fmin(1, 2 * binomial_cdf((double)fewer, only_first + only_second, 0.5));
}

double cohen_h(double p1, double p2)
{
    return 2 * asin(sqrt(p1)) - 2 * asin(sqrt(p2));
}

struct welch welch_test(double mean1, double sd1, double n1, double mean2, double sd2, double n2,
                        double alpha)
{
    struct welch result = {NAN, NAN, NAN, NAN, {NAN, NAN}};
    if (n1 >= 1 && n2 >= 1)
        result.difference = mean1 - mean2;
    if (!(n1 >= 2) || !(n2 >= 2))
        return result;
    double v1 = sd1 * sd1 / n1;
    double v2 = sd2 * sd2 / n2;
    double se2 = v1 + v2;
    if (!(se2 > 0) || !isfinite(se2))
        return result;
    /* Shares, not squares of variances: those underflow for tiny deviations. */
    double share = v1 / se2;
    result.df = 1 / (share * share / (n1 - 1) + (1 - share) * (1 - share) / (n2 - 1));
    result.t = result.difference / sqrt(se2);
    result.p = fmin(1, 2 * t_sf(fabs(result.t), result.df));
    double half = -t_ppf(alpha / 2, result.df) * sqrt(se2);
    result.interval = (struct interval){result.difference - half, result.difference + half};
    return result;
}

struct confidence_sequence asymptotic_confidence_sequence(double n, double sd, double alpha, double n_opt)
{
    if (!(n > 0) || !(n_opt > 0) || !(alpha > 0 && alpha < 1) || !(sd >= 0))
        return (struct confidence_sequence){NAN, NAN};
    double log_inverse = -2 * log(alpha);
    double rho2 = (log_inverse + log(1 + log_inverse)) / n_opt;
    double scale = n * rho2 + 1;
    double half = sd * sqrt(2 * scale / (n * n * rho2) * log(sqrt(scale) / alpha));
    return (struct confidence_sequence){rho2, half};
}

struct ranked {
    double value;
    uint32_t index;
};

static int ranked_ascending(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The values that are numbers, ascending; *out is owned by the caller (NULL when there are none). */
static int rank_values(const double *values, uint32_t count, struct ranked **out, uint32_t *out_count)
{
    *out = NULL;
    *out_count = 0;
    if (count == 0)
        return 0;
    struct ranked *ranked = malloc(count * sizeof *ranked);
    if (!ranked)
        return ERR_NOMEM;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            ranked[used++] = (struct ranked){values[i], i};
    qsort(ranked, used, sizeof *ranked, ranked_ascending);
    *out = ranked;
    *out_count = used;
    return 0;
}

/* The same for p-values whose adjusted values go to `adjusted`: what is no number has none. */
static int rank_to_adjust(const double *p, uint32_t count, double *adjusted, struct ranked **out,
                          uint32_t *out_count)
{
    for (uint32_t i = 0; i < count; i++)
        adjusted[i] = NAN;
    return rank_values(p, count, out, out_count);
}

int adjust_benjamini_hochberg(const double *p, uint32_t count, double *adjusted)
{
    struct ranked *ranked;
    uint32_t used;
    int rc = rank_to_adjust(p, count, adjusted, &ranked, &used);
    if (rc)
        return rc;
    double smallest = 1;
    for (uint32_t k = used; k > 0; k--) {
        smallest = fmin(smallest, ranked[k - 1].value * used / k);
        adjusted[ranked[k - 1].index] = smallest;
    }
    free(ranked);
    return 0;
}

int adjust_holm(const double *p, uint32_t count, double *adjusted)
{
    struct ranked *ranked;
    uint32_t used;
    int rc = rank_to_adjust(p, count, adjusted, &ranked, &used);
    if (rc)
        return rc;
    double largest = 0;
    for (uint32_t k = 0; k < used; k++) {
        largest = fmin(1, fmax(largest, ranked[k].value * (used - k)));
        adjusted[ranked[k].index] = largest;
    }
    free(ranked);
    return 0;
}

void adjust_bonferroni(const double *p, uint32_t count, double *adjusted)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!isnan(p[i]))
            used++;
    for (uint32_t i = 0; i < count; i++)
        adjusted[i] = isnan(p[i]) ? NAN : fmin(1, p[i] * used);
}

int reject_benjamini_hochberg(const double *p, uint32_t count, double alpha, bool *rejected)
{
    struct ranked *ranked;
    uint32_t used;
    int rc = rank_values(p, count, &ranked, &used);
    if (rc)
        return rc;
    uint32_t last = 0;
    for (uint32_t k = used; k > 0 && last == 0; k--)
        if (ranked[k - 1].value <= k * alpha / used)
            last = k;
    for (uint32_t i = 0; i < count; i++)
        rejected[i] = false;
    for (uint32_t k = 0; k < last; k++)
        rejected[ranked[k].index] = true;
    free(ranked);
    return 0;
}

int reject_e_benjamini_hochberg(const double *log_e, uint32_t count, double alpha, bool *rejected)
{
    struct ranked *ranked;
    uint32_t used;
    int rc = rank_values(log_e, count, &ranked, &used);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < count; i++)
        rejected[i] = false;
    uint32_t best = 0;
    /* A relative 1e-12 on the e-value: a bound met exactly must not be lost to the logarithm. */
    for (uint32_t k = 1; k <= used; k++)
        if (ranked[used - k].value >= log(used / (alpha * k)) - 1e-12)
            best = k;
    for (uint32_t k = 1; k <= best; k++)
        rejected[ranked[used - k].index] = true;
    free(ranked);
    return 0;
}
