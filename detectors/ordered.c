#include "detectors/ordered.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "agent/base/compiler.h"
#include "detectors/special.h"

static bool undefined(const struct count_pair *pair)
{
    return pair->n == 0 || pair->M == 0;
}

/* As fmax and fmin without the call; `a` is not NaN. */
static inline double larger(double a, double b)
{
    return b > a ? b : a;
}

static inline double smaller(double a, double b)
{
    return b < a ? b : a;
}

static bool is_singleton(double lower, double upper)
{
    if (upper - lower > 1e-15 * fabs(upper) + DBL_MIN) /* nearly all bins: spares the call */
        return false;
    return nextafter(upper, -INFINITY) <= lower;
}

/* Walks the bins: F and G left and right of each. */
struct walk {
    const struct count_pair *pair;
    uint64_t reference_left, current_left; /* counts below the bin */
    double f_left, f, g_left, g;
};

static inline void walk_to(struct walk *w, uint32_t bin)
{
    w->f_left = w->f;
    w->g_left = w->g;
    w->reference_left += w->pair->reference[bin];
    w->current_left += w->pair->current[bin];
    w->f = (double)w->reference_left / (double)w->pair->M;
    w->g = (double)w->current_left / (double)w->pair->n;
}

/* ∫(F−G)² beyond an outer edge when the tails are exponentials with shares p, q and areas a, b. */
static double tail_square(double p, double a, double q, double b)
{
    double mixed = p * b + q * a;
    double cross = mixed > 0 ? 2 * p * q * a * b / mixed : 0;
    return larger(0, p * a / 2 + q * b / 2 - cross);
}

static void add_tails(const struct ordered_pair *pair, struct ordered_distances *out, double *squares)
{
    const struct count_pair *counts = &pair->counts;
    uint32_t last = counts->bins - 1;
    const double areas[2][2] = {{pair->reference_tails.below, pair->current_tails.below},
                                {pair->reference_tails.above, pair->current_tails.above}};
    const uint32_t bins[2] = {0, last};
    for (int side = 0; side < 2 && last > 0; side++) {
        double p = (double)counts->reference[bins[side]] / (double)counts->M;
        double q = (double)counts->current[bins[side]] / (double)counts->n;
        double a = areas[side][0], b = areas[side][1];
        out->w1 += fabs(a - b);
        out->w1_lower += fabs(a - b);
        out->w1_upper += a + b;
        *squares += tail_square(p, a, q, b);
    }
}

/* What the bin (lower, upper] adds to the integrals; all of a single value's mass is at its right edge. */
static void add_area(const struct walk *w, double width, bool single, struct ordered_distances *out,
                     double *squares)
{
    double left = w->f_left - w->g_left, right = single ? left : w->f - w->g;
    double f = single ? w->f_left : w->f, g = single ? w->g_left : w->g;
    out->w1 += width * (fabs(right) + fabs(left)) / 2;
    out->w1_lower += width * larger(0, larger(w->f_left - g, w->g_left - f));
    out->w1_upper += width * larger(f - w->g_left, g - w->f_left);
    *squares += width * (right * right + right * left + left * left) / 3;
}

struct ordered_distances ordered_distances(const struct ordered_pair *pair)
{
    struct ordered_distances out = {0};
    struct walk w = {.pair = &pair->counts};
    double squares = 0;
    if (undefined(&pair->counts))
        return (struct ordered_distances){NAN, NAN, NAN, NAN, NAN, NAN};
    for (uint32_t b = 0; b < pair->counts.bins; b++) {
        walk_to(&w, b);
        double right = fabs(w.f - w.g);
        bool inner = b > 0 && b + 1 < pair->counts.bins;
        bool single = inner && is_singleton(pair->edges[b - 1], pair->edges[b]);
        out.ks = larger(out.ks, right);
        out.ks_upper = larger(out.ks_upper, single ? right : larger(w.f - w.g_left, w.g - w.f_left));
        if (inner)
            add_area(&w, pair->edges[b] - pair->edges[b - 1], single, &out, &squares);
    }
    add_tails(pair, &out, &squares);
    out.energy = sqrt(2 * squares);
    return out;
}

void refine_counts(const uint64_t *merged, const uint8_t *map, const uint64_t *shape, uint32_t fine_bins,
                   uint64_t *out)
{
    for (uint32_t first = 0, end; first < fine_bins; first = end) {
        uint64_t total = 0, seen = 0, given = 0, count = merged[map[first]];
        for (end = first; end < fine_bins && map[end] == map[first]; end++)
            total += shape[end];
        for (uint32_t b = first; b < end; b++) {
            seen += total ? shape[b] : 1;
            uint64_t whole = total ? total : end - first;
            uint64_t up_to = (count | seen) >> 31 /* 128-bit divisions are slow */
                                 ? (uint64_t)(((uint128)count * seen + whole / 2) / whole)
                                 : (count * seen + whole / 2) / whole;
            out[b] = up_to - given;
            given = up_to;
        }
    }
}

/* ---- Kolmogorov–Smirnov ------------------------------------------------------------------------------- */

double ks_p(double d, uint64_t n, uint64_t M, bool stephens)
{
    double root = sqrt(1 / (1 / (double)n + 1 / (double)M));
    if (n == 0 || M == 0)
        return NAN;
    return kolmogorov_sf((stephens ? root + 0.12 + 0.11 / root : root) * d);
}

double ks_critical(double alpha, double v)
{
    return sqrt(-log(alpha / 2) * v / 2);
}

/*
 * reach[j] is the probability that a random path from (0,0) to (i,j) has met a point with |i/n − j/M| ≥ d.
 * The last step into (i,j) comes from (i−1,j) with probability i/(i+j). All terms are positive: nothing
 * cancels.
 */
double ks_p_exact(double d, uint64_t n, uint64_t M)
{
    if (isnan(d) || n == 0 || M == 0 || n > 10000000 / M)
        return NAN;
    double bound = floor(d * (double)n * (double)M + 0.5);
    if (bound <= 0)
        return 1;
    double *reach = calloc((size_t)M + 1, sizeof *reach);
    if (!reach)
        return NAN;
    for (uint64_t i = 0; i <= n; i++) {
        for (uint64_t j = 0; j <= M; j++) {
            double apart = fabs((double)i * (double)M - (double)j * (double)n), steps = (double)(i + j);
            if (apart >= bound)
                reach[j] = 1;
            else if (steps > 0)
                reach[j] = (i > 0 ? (double)i / steps * reach[j] : 0) +
                           (j > 0 ? (double)j / steps * reach[j - 1] : 0);
        }
    }
    double p = reach[M];
    free(reach);
    return fmin(p, 1);
}

/* ---- Wasserstein ----------------------------------------------------------------------------------------
 */

double normalised_distance(double distance, double scale)
{
    if (distance == 0)
        return 0;
    return scale > 0 ? distance / scale : NAN;
}

double w1_noise(const struct ordered_pair *pair)
{
    struct walk w = {.pair = &pair->counts};
    double area = 0, left = 0;
    if (undefined(&pair->counts))
        return NAN;
    for (uint32_t b = 0; b + 1 < pair->counts.bins; b++) {
        walk_to(&w, b);
        double right = sqrt(w.f * (1 - w.f));
        if (b > 0)
            area += (pair->edges[b] - pair->edges[b - 1]) * (right + left) / 2;
        left = right;
    }
    return sqrt(2 * count_pair_variance(&pair->counts) / M_PI) * area;
}

/* ---- Cramér–von Mises --------------------------------------------------------------------------------- */

/*
 * One sample's Σ(rank − own rank)² over the bins: inside a bin the rank is constant (the midrank) and the own
 * rank runs through c values, so with the middle m = (others below) + (others in the bin)/2 the bin gives
 * c·m² + c(c²−1)/12.
 */
static long double rank_squares(const uint64_t *own, const uint64_t *other, uint32_t bins)
{
    long double sum = 0, below = 0;
    for (uint32_t j = 0; j < bins; j++) {
        long double c = (long double)own[j], middle = below + (long double)other[j] / 2;
        sum += c * middle * middle + c * (c * c - 1) / 12;
        below += (long double)other[j];
    }
    return sum;
}

double cvm_midrank(const struct count_pair *pair)
{
    if (undefined(pair))
        return NAN;
    long double n = (long double)pair->n, M = (long double)pair->M;
    long double u = n * rank_squares(pair->current, pair->reference, pair->bins) +
                    M * rank_squares(pair->reference, pair->current, pair->bins);
    return (double)(u / (n * M * (n + M)) - (4 * n * M - 1) / (6 * (n + M)));
}

double cvm_binned(const struct ordered_pair *pair)
{
    const struct count_pair *counts = &pair->counts;
    struct walk w = {.pair = counts};
    double sum = 0, n = (double)counts->n, M = (double)counts->M;
    if (undefined(counts))
        return NAN;
    for (uint32_t b = 0; b < counts->bins; b++) {
        walk_to(&w, b);
        double right = w.f - w.g, left = w.f_left - w.g_left;
        double both = (double)counts->reference[b] + (double)counts->current[b];
        sum += both * (right * right + right * left + left * left) / 3;
    }
    return n * M / ((n + M) * (n + M)) * sum;
}

double cvm_p(double t, uint64_t n_count, uint64_t M_count)
{
    if (isnan(t) || n_count == 0 || M_count == 0)
        return NAN;
    double n = (double)n_count, M = (double)M_count, all = n + M, product = n * M;
    double mean = (1 + 1 / all) / 6;
    double variance = (all + 1) / (45 * all * all) *
                      ((4 * product * all - 3 * (n * n + M * M) - 2 * product) / (4 * product));
    if (!(variance > 0))
        return NAN;
    return cvm_limit_sf(1.0 / 6 + (t - mean) / sqrt(45 * variance));
}

/* ---- Anderson–Darling ---------------------------------------------------------------------------------- */

double anderson_darling(const struct count_pair *pair)
{
    if (undefined(pair))
        return NAN;
    long double n = (long double)pair->n, M = (long double)pair->M, all = n + M;
    long double current_below = 0, reference_below = 0, sum = 0;
    for (uint32_t j = 0; j < pair->bins; j++) {
        long double c = (long double)pair->current[j], r = (long double)pair->reference[j], both = c + r;
        long double middle = current_below + reference_below + both / 2;
        long double denominator = middle * (all - middle) - all * both / 4;
        long double current_part = all * (current_below + c / 2) - n * middle;
        /* The reference's part is the negative of the current one's: the two sum to zero in each bin. */
        if (both > 0 && denominator > 0)
            sum += both / all * current_part * current_part / denominator;
        current_below += c;
        reference_below += r;
    }
    return (double)((all - 1) / all * (1 / n + 1 / M) * sum);
}

double anderson_darling_standardised(double a2, uint64_t n, uint64_t M)
{
    double all = (double)n + (double)M, k = 2;
    if (n == 0 || M == 0 || all < 4)
        return NAN;
    double h = 0, g = 0, tail = 0, big_h = 1 / (double)n + 1 / (double)M;
    for (double i = all - 1; i >= 1; i--)
        h += 1 / i;
    for (double i = 1; i <= all - 2; i++) { /* g = Σ_{i<j} 1/((N−i) j) */
        tail += 1 / (all - i);              /* Σ_{l=1..i} 1/(N−l) pairs with j = i+1 */
        g += tail / (i + 1);
    }
    double a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * big_h;
    double b = (2 * g - 4) * k * k + 8 * h * k + (2 * g - 14 * h - 4) * big_h - 8 * h + 4 * g - 6;
    double c = (6 * h + 2 * g - 2) * k * k + (4 * h - 4 * g + 6) * k + (2 * h - 6) * big_h + 4 * h;
    double d = (2 * h + 6) * k * k - 4 * h * k;
    double variance = (((a * all + b) * all + c) * all + d) / ((all - 1) * (all - 2) * (all - 3));
    return (a2 - (k - 1)) / sqrt(variance);
}

/* ---- others ---------------------------------------------------------------------------------------------
 */

double superiority(const struct count_pair *pair)
{
    long double below = 0, sum = 0;
    if (undefined(pair))
        return NAN;
    for (uint32_t j = 0; j < pair->bins; j++) {
        long double r = (long double)pair->reference[j];
        sum += (long double)pair->current[j] * (below + r / 2);
        below += r;
    }
    return (double)(sum / (long double)pair->M / (long double)pair->n);
}

/* Bounds of a bin; the outer ones are points at their edge, a value's own bin is that value. */
static void bin_bounds(const double *edges, uint32_t bins, uint32_t b, double *lower, double *upper)
{
    *lower = edges[b == 0 ? 0 : b - 1];
    *upper = edges[b + 1 == bins ? b - 1 : b];
    if (is_singleton(*lower, *upper))
        *lower = *upper;
}

static double binned_quantile(const uint64_t *counts, const double *edges, uint32_t bins, double rank)
{
    double below = 0, lower, upper;
    uint32_t last = UINT32_MAX; /* that is not empty */
    for (uint32_t b = 0; b < bins; b++) {
        double count = (double)counts[b];
        if (count == 0)
            continue;
        last = b;
        if (below + count >= rank) {
            bin_bounds(edges, bins, b, &lower, &upper);
            return lower + (upper - lower) * smaller(1, larger(0, (rank - below) / count));
        }
        below += count;
    }
    if (last == UINT32_MAX)
        return edges[0];
    bin_bounds(edges, bins, last, &lower, &upper);
    return upper;
}

struct moments {
    double mass, first, second;
};

static void add_uniform(struct moments *m, double mass, double lower, double upper)
{
    double middle = lower + (upper - lower) / 2, width = upper - lower;
    if (!(mass > 0))
        return;
    m->mass += mass;
    m->first += mass * middle;
    m->second += mass * (middle * middle + width * width / 12);
}

/* A bin of evenly spread values, clipped to [low, high]. */
static void add_clipped(struct moments *m, double mass, double lower, double upper, double low, double high)
{
    double width = upper - lower;
    if (!(width > 0) || upper <= low || lower >= high) {
        double point = smaller(larger(lower, low), high);
        add_uniform(m, mass, point, point);
        return;
    }
    if (lower >= low && upper <= high) {
        add_uniform(m, mass, lower, upper);
        return;
    }
    double under = larger(0, (low - lower) / width), over = larger(0, (upper - high) / width);
    add_uniform(m, mass * under, low, low);
    add_uniform(m, mass * (1 - under - over), larger(lower, low), smaller(upper, high));
    add_uniform(m, mass * over, high, high);
}

double winsorised_sd(const uint64_t *counts, const double *edges, uint32_t bins, double share)
{
    double total = 0;
    struct moments m = {0, 0, 0};
    for (uint32_t b = 0; b < bins; b++)
        total += (double)counts[b];
    if (bins < 2 || total == 0)
        return NAN;
    double low = binned_quantile(counts, edges, bins, share * total);
    double high = binned_quantile(counts, edges, bins, (1 - share) * total);
    for (uint32_t b = 0; b < bins; b++) {
        double lower, upper;
        bin_bounds(edges, bins, b, &lower, &upper);
        add_clipped(&m, (double)counts[b], lower - low, upper - low, 0, high - low);
    }
    double mean = m.first / m.mass;
    return sqrt(larger(0, m.second / m.mass - mean * mean));
}
