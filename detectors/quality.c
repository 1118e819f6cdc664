#include "detectors/quality.h"

#include <math.h>

#include "detectors/special.h"

struct rate_change rate_change(uint64_t k, uint64_t n, uint64_t reference_k, uint64_t reference_n)
{
    struct rate_change change = {.difference = NAN, .interval = {NAN, NAN}, .test = {NAN, NAN}};
    if (n == 0 || reference_n == 0 || k > n || reference_k > reference_n)
        return change;
    double size = (double)n;
    double reference_size = (double)reference_n;
    change.difference = (double)k / size - (double)reference_k / reference_size;
    change.interval = interval_newcombe((double)k, size, (double)reference_k, reference_size, 0.05);
    change.test = two_proportion_z((double)k, size, (double)reference_k, reference_size);
    double pooled = ((double)k + (double)reference_k) / (size + reference_size);
    change.exact = fmin(size, reference_size) * fmin(pooled, 1 - pooled) < 5;
    if (change.exact)
        change.test.p = fisher_exact_p(k, n, reference_k, reference_n);
    return change;
}

/* log [C(n,k)/C(n+m,k)] = Σ_{i<k} log((n−i)/(n+m−i)) = Σ_{i<m} log((n−k+m−i)/(n+m−i)): the shorter sum, as
 * differences of lgamma of large numbers cancel. */
static double log_choose_ratio(double n, double m, double k)
{
    enum { TERMS_MAX = 100000 };
    double terms = fmin(k, m);
    double sum = 0;
    if (terms > TERMS_MAX)
        return log_gamma(n + 1) - log_gamma(n - k + 1) - log_gamma(n + m + 1) + log_gamma(n + m - k + 1);
    if (k <= m)
        for (double i = 0; i < k; i++)
            sum += log1p(-m / (n + m - i));
    else
        for (double i = 0; i < m; i++)
            sum += log1p(-k / (n + m - i));
    return sum;
}

double out_of_range_p(uint64_t k, uint64_t n, uint64_t reference_n)
{
    if (k > n || reference_n < 2)
        return NAN;
    if (k == 0)
        return 1;
    /* By exchangeability at least k new values lie outside exactly when, walking in from the ends, at most
     * one of the first k + 1 of all n + M values is a reference value:
     * [C(n,k+1) + M C(n,k)] / C(n+M,k+1). */
    double m = (double)reference_n;
    double all = (double)n;
    double outside = (double)k;
    /* C(n,k)/C(n+M,k) · [(n−k) + M(k+1)] / (n+M−k) */
    double log_p =
        log_choose_ratio(all, m, outside) + log((all - outside + m * (outside + 1)) / (all + m - outside));
    return fmin(1, exp(log_p));
}

double out_of_range_expected(uint64_t reference_n)
{
    return 2 / ((double)reference_n + 1);
}

double volume_z(double count, double mean, double phi)
{
    return mean > 0 && phi > 0 ? (count - mean) / sqrt(phi * mean) : NAN;
}

double duplicate_share(const uint64_t *multiplicities, size_t count)
{
    uint64_t all = 0;
    uint64_t repeats = 0;
    for (size_t i = 0; i < count; i++) {
        all += multiplicities[i];
        repeats += multiplicities[i] > 0 ? multiplicities[i] - 1 : 0;
    }
    return all > 0 ? (double)repeats / (double)all : NAN;
}

/* What the densities of one histogram are compared with; n is 0 when it is empty. */
struct heights {
    double n, floor, largest;
};

static double density_of(const double *edges, const uint64_t *counts, size_t bin, const struct heights *h)
{
    return fmax(h->floor, (double)counts[bin] / h->n / (edges[bin + 1] - edges[bin]));
}

static struct heights heights_of(const double *edges, const uint64_t *counts, size_t bins)
{
    struct heights h = {0, 0, 0};
    for (size_t b = 0; b < bins; b++)
        h.n += (double)counts[b];
    if (!(h.n > 0))
        return h;
    h.floor = 0.5 / (h.n + 1) / (edges[bins] - edges[0]);
    for (size_t b = 0; b < bins; b++)
        h.largest = fmax(h.largest, density_of(edges, counts, b, &h));
    return h;
}

void hbos_terms(const double *edges, const uint64_t *counts, size_t bins, double *out)
{
    struct heights h = heights_of(edges, counts, bins);
    for (size_t b = 0; b < bins; b++)
        out[b + 1] = h.n > 0 ? log2(h.largest / density_of(edges, counts, b, &h)) : NAN;
    out[0] = out[bins + 1] = h.n > 0 ? log2(h.largest / h.floor) : NAN;
}

double hbos_term(const double *edges, const uint64_t *counts, size_t bins, double x)
{
    struct heights h = heights_of(edges, counts, bins);
    if (!(h.n > 0) || isnan(x))
        return NAN;
    double here = h.floor;
    for (size_t b = 0; b < bins; b++)
        if ((x > edges[b] && x <= edges[b + 1]) || (b == 0 && x == edges[0]))
            here = density_of(edges, counts, b, &h);
    return log2(h.largest / here);
}

double hbos_missing_term(const uint64_t *counts, size_t bins, uint64_t missing)
{
    double n = (double)missing;
    double largest = 0;
    for (size_t b = 0; b < bins; b++) {
        n += (double)counts[b];
        largest = fmax(largest, (double)counts[b]);
    }
    if (!(largest > 0))
        return NAN;
    double mass = fmax((double)missing, 0.5 * n / (n + 1));
    return fmax(0, log2(largest / mass));
}

struct confidence confidence_of(const double *p, size_t classes)
{
    struct confidence c = {NAN, NAN, NAN, NAN, NAN};
    if (classes == 0)
        return c;
    double second = 0;
    double squares = 0;
    c.entropy = 0;
    c.maximum = 0;
    for (size_t k = 0; k < classes; k++) {
        squares += p[k] * p[k];
        if (p[k] > 0)
            c.entropy -= p[k] * log(p[k]);
        if (p[k] > c.maximum) {
            second = c.maximum;
            c.maximum = p[k];
        } else if (p[k] > second) {
            second = p[k];
        }
    }
    c.margin = c.maximum - second;
    c.gini = 1 - squares;
    if (classes > 1)
        c.entropy_normalised = c.entropy / log((double)classes);
    return c;
}
