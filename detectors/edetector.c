#include "detectors/edetector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/special.h"

double null_radius(double reference_n, uint32_t bins, double delta, double tolerance)
{
    if (!(reference_n > 0) || bins < 2)
        return tolerance;
    return fmax(tolerance, chi2_isf(delta, bins - 1) / (2 * reference_n));
}

double null_radius_strict(double reference_n, uint32_t bins, double delta, double tolerance)
{
    if (!(reference_n > 0) || bins < 2 || !(delta > 0 && delta < 1))
        return tolerance;
    /* log of e^{−y}(e·y/k)^k falls from 0 at y = k. */
    double k = bins - 1;
    double low = k;
    double high = 2 * k + 1;
    double log_delta = log(delta);
    while (-high + k + k * log(high / k) > log_delta)
        high *= 2;
    for (unsigned i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double middle = (low + high) / 2;
        if (-middle + k + k * log(middle / k) > log_delta)
            low = middle;
        else
            high = middle;
    }
    return fmax(tolerance, high / reference_n);
}

enum { DIRICHLETS = 4, TILTS = 12 };

struct e_reference {
    uint32_t bins;
    bool ordered;
    double *share;                       /* p̂ */
    double *log_share;                   /* ln p̂ where p̂ > 0 */
    double *base, *log_base;             /* π */
    double *score;                       /* s */
    double *square;                      /* s² − 1; 0 where there is no order */
    double *log_gamma_prior[DIRICHLETS]; /* of κ·a_j */
    double log_tilt_sum[TILTS];          /* ln Σ π_j e^{…} */
    double memory[];
};

/* Strengths κ; the first is B/2, with a uniform. */
static const double strength[DIRICHLETS] = {0, 30, 300, 3000};
/* θ: of s, then of s² − 1. */
static const double tilt[TILTS] = {0.1, -0.1, 0.2, -0.2, 0.4, -0.4, 0.8, -0.8, 0.1, -0.1, 0.3, -0.3};
enum { LINEAR_TILTS = 8, ARRAYS = 6 + DIRICHLETS };

static struct e_reference *reference_alloc(uint32_t bins)
{
    struct e_reference *r = calloc(1, sizeof *r + (size_t)ARRAYS * bins * sizeof r->memory[0]);
    if (!r)
        return NULL;
    double *at = r->memory;
    r->bins = bins;
    r->share = at;
    r->log_share = at += bins;
    r->base = at += bins;
    r->log_base = at += bins;
    r->score = at += bins;
    r->square = at += bins;
    for (unsigned m = 0; m < DIRICHLETS; m++)
        r->log_gamma_prior[m] = at += bins;
    return r;
}

static void set_scores(struct e_reference *r, const bool *ordered)
{
    double all = 0;
    double below = 0;
    for (uint32_t j = 0; j < r->bins; j++)
        all += ordered[j] ? r->base[j] : 0;
    for (uint32_t j = 0; j < r->bins; j++) {
        if (!ordered[j])
            continue;
        r->score[j] = normal_ppf((below + r->base[j] / 2) / all);
        r->square[j] = r->score[j] * r->score[j] - 1;
        below += r->base[j];
    }
}

static void set_tilts(struct e_reference *r)
{
    for (unsigned m = 0; m < TILTS; m++) {
        const double *direction = m < LINEAR_TILTS ? r->score : r->square;
        double sum = r->base[0] * exp(tilt[m] * direction[0]);
        for (uint32_t j = 1; j < r->bins; j++)
            sum += r->base[j] * exp(tilt[m] * direction[j]);
        r->log_tilt_sum[m] = log(sum);
    }
}

static double prior_of(const struct e_reference *r, unsigned m, uint32_t bin)
{
    return m == 0 ? 0.5 : strength[m] * r->base[bin];
}

static void set_priors(struct e_reference *r)
{
    for (unsigned m = 0; m < DIRICHLETS; m++)
        for (uint32_t j = 0; j < r->bins; j++)
            r->log_gamma_prior[m][j] = log_gamma(prior_of(r, m, j));
}

struct e_reference *e_reference_new(const uint64_t *counts, const bool *ordered, uint32_t bins)
{
    double n = 0;
    bool any_ordered = false;
    for (uint32_t j = 0; j < bins; j++) {
        n += (double)counts[j];
        any_ordered = any_ordered || (ordered && ordered[j]);
    }
    struct e_reference *r = n > 0 ? reference_alloc(bins) : NULL;
    if (!r)
        return NULL;
    for (uint32_t j = 0; j < bins; j++) {
        r->share[j] = (double)counts[j] / n;
        r->log_share[j] = counts[j] ? log(r->share[j]) : 0;
        r->base[j] = ((double)counts[j] + 0.5) / (n + bins / 2.0);
        r->log_base[j] = log(r->base[j]);
    }
    set_priors(r);
    r->ordered = any_ordered;
    if (any_ordered) {
        set_scores(r, ordered);
        set_tilts(r);
    }
    return r;
}

void e_reference_free(struct e_reference *reference)
{
    free(reference);
}

size_t e_reference_bytes(const struct e_reference *reference)
{
    return sizeof *reference + (size_t)ARRAYS * reference->bins * sizeof reference->memory[0];
}

uint32_t e_reference_bins(const struct e_reference *reference)
{
    return reference->bins;
}

double e_reference_score(const struct e_reference *reference, uint32_t bin)
{
    return bin < reference->bins ? reference->score[bin] : NAN;
}

/* NaN terms take no part. */
static double log_sum_exp(const double *values, uint32_t count)
{
    double largest = -INFINITY;
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++)
        if (values[i] > largest) {
            largest = values[i];
            best = i;
        }
    if (isinf(largest))
        return largest;
    double others = 0;
    for (uint32_t i = 0; i < count; i++)
        if (i != best && !isnan(values[i]))
            others += exp(values[i] - largest);
    return largest + log1p(others);
}

/* ln L of the tilts: θ and what the counts say are all that differs between them. */
static void tilt_logs(const struct e_reference *r, const uint64_t *counts, double n, double *out)
{
    double base = 0, linear = 0, square = 0;
    for (uint32_t j = 0; j < r->bins; j++) {
        if (counts[j] == 0)
            continue;
        base += (double)counts[j] * r->log_base[j];
        linear += (double)counts[j] * r->score[j];
        square += (double)counts[j] * r->square[j];
    }
    for (unsigned m = 0; m < TILTS; m++)
        out[m] = base + tilt[m] * (m < LINEAR_TILTS ? linear : square) - n * r->log_tilt_sum[m];
}

/* Log probability of the observed sequence under the mixture. */
static double mixture_log(const struct e_reference *r, const uint64_t *counts, double n)
{
    double terms[DIRICHLETS + TILTS];
    unsigned used = DIRICHLETS + (r->ordered ? TILTS : 0);
    double dirichlet_weight = log((r->ordered ? 0.5 : 1.0) / DIRICHLETS);
    for (unsigned m = 0; m < DIRICHLETS; m++) {
        double total = m == 0 ? r->bins / 2.0 : strength[m];
        double sum = log_gamma(total) - log_gamma(total + n);
        for (uint32_t j = 0; j < r->bins; j++)
            if (counts[j] > 0)
                sum += log_gamma(prior_of(r, m, j) + (double)counts[j]) - r->log_gamma_prior[m][j];
        terms[m] = dirichlet_weight + sum;
    }
    if (r->ordered)
        tilt_logs(r, counts, n, terms + DIRICHLETS);
    for (unsigned m = DIRICHLETS; m < used; m++)
        terms[m] += log(0.5 / TILTS);
    return log_sum_exp(terms, used);
}

/* KL(p̂ ‖ (1−w)p̂ + w·q). */
static double divergence(const struct e_reference *r, const uint64_t *counts, double n, double w)
{
    double sum = 0;
    for (uint32_t j = 0; j < r->bins; j++) {
        double p = r->share[j];
        if (p <= 0)
            continue;
        double mixed = (1 - w) * p + w * ((double)counts[j] / n);
        if (mixed <= 0)
            return INFINITY;
        sum -= p * log(mixed / p);
    }
    return sum;
}

/* The weight of the current frequencies in the point of the ball that explains them best, from above: a
 * larger denominator keeps the e-value valid. */
static double favourable_weight(const struct e_reference *r, const uint64_t *counts, double n, double rho)
{
    enum { BISECTIONS = 40 };
    if (divergence(r, counts, n, 1) <= rho)
        return 1;
    double low = 0;
    double high = 1;
    for (unsigned i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2;
        if (divergence(r, counts, n, middle) > rho)
            high = middle;
        else
            low = middle;
    }
    return high;
}

struct e_value e_value_of(const struct e_reference *r, const uint64_t *counts, double rho, double eta)
{
    double n = 0;
    for (uint32_t j = 0; j < r->bins; j++)
        n += (double)counts[j];
    if (!(n > 0))
        return (struct e_value){0, 0, 0, 1};
    struct e_value value = {.weight = favourable_weight(r, counts, n, rho)};
    for (uint32_t j = 0; j < r->bins; j++) {
        if (counts[j] == 0)
            continue;
        double q = (double)counts[j] / n;
        value.log_denominator += (double)counts[j] * log((1 - value.weight) * r->share[j] + value.weight * q);
    }
    value.log_numerator = mixture_log(r, counts, n);
    value.log_e = eta * (value.log_numerator - value.log_denominator);
    return value;
}

double e_value_bound(const struct e_reference *r, const uint64_t *counts, double rho, double eta)
{
    double n = 0, outside = 0;
    for (uint32_t j = 0; j < r->bins; j++) {
        n += (double)counts[j];
        outside += r->share[j] > 0 ? 0 : (double)counts[j];
    }
    if (!(n > 0))
        return 0;
    /* A point of the ball: p̂, and what it may give away to bins that the reference does not have. */
    double given = fmin(outside / n, -expm1(-rho));
    double gain = 0, kl = 0;
    for (uint32_t j = 0; j < r->bins; j++) {
        if (!(r->share[j] > 0))
            continue;
        double log_q = counts[j] ? log((double)counts[j] / n) : -INFINITY;
        kl += r->share[j] * (r->log_share[j] - log_q);
        if (counts[j])
            gain += (double)counts[j] * (log_q - r->log_share[j]);
    }
    if (kl <= rho)
        return 0; /* inside the ball */
    if (outside > 0)
        gain += outside * log(outside / n / given) - (n - outside) * log1p(-given);
    return eta * fmax(gain, 0);
}

double log_e_bounded(double n, double sum, double u, enum e_side side, uint32_t alternatives)
{
    enum { MAX = 64 };
    if (!(u > 0 && u < 1) || !(n >= 0) || !(sum >= 0 && sum <= n) || alternatives == 0 || alternatives > MAX)
        return NAN;
    if (side == E_BOTH) {
        double both[2] = {log_e_bounded(n, sum, u, E_UP, alternatives),
                          log_e_bounded(n, sum, u, E_DOWN, alternatives)};
        return log_sum_exp(both, 2) - M_LN2;
    }
    double s = side == E_UP ? sum : n - sum;
    double limit = side == E_UP ? u : 1 - u;
    double terms[MAX];
    for (uint32_t i = 0; i < alternatives; i++) {
        double step = ldexp(1, -(int)(i + 1));
        double q = limit + (1 - limit) * step;
        terms[i] = s * log(q / limit) + (n - s) * log1p(-step);
    }
    return log_sum_exp(terms, alternatives) - log(alternatives);
}

double rate_upper_limit(double k, double n, double delta)
{
    if (!(n > 0) || !(k >= 0 && k <= n))
        return NAN;
    return k >= n ? 1 : beta_ppf(1 - delta, k + 1, n - k);
}

double mean_upper_limit(double mean, double variance, double n, double delta)
{
    if (!(n >= 2) || !(variance >= 0))
        return NAN;
    double log_term = log(2 / delta);
    return mean + sqrt(2 * variance * log_term / n) + 7 * log_term / (3 * (n - 1));
}

struct e_sum e_sum_of(const double *log_e, uint32_t count)
{
    struct e_sum sum = {.log_r = log_sum_exp(log_e, count), .best = 0};
    double largest = -INFINITY;
    for (uint32_t i = 0; i < count; i++)
        if (log_e[i] > largest) {
            largest = log_e[i];
            sum.best = i;
        }
    return sum;
}

double e_threshold(double panes, double series, double starts, double share)
{
    return log(panes * series * starts / share);
}
