#include "detectors/multivariate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/matrix.h"
#include "detectors/special.h"

#define DISTANCE_RIDGE 1e-6

void rows_moments(const double *rows, size_t n, uint32_t d, double *mean, double *covariance)
{
    for (uint32_t i = 0; i < d; i++) {
        double sum = 0;
        for (size_t r = 0; r < n; r++)
            sum += rows[r * d + i];
        mean[i] = sum / (double)n;
    }
    memset(covariance, 0, (size_t)d * d * sizeof *covariance);
    for (size_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < d; i++) {
            double deviation = rows[r * d + i] - mean[i];
            for (uint32_t j = 0; j <= i; j++)
                covariance[(size_t)i * d + j] += deviation * (rows[r * d + j] - mean[j]);
        }
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double value = n < 2 ? NAN : covariance[(size_t)i * d + j] / (double)(n - 1);
            covariance[(size_t)i * d + j] = covariance[(size_t)j * d + i] = value;
        }
}

void sums_moments(double n, const double *sum, const double *cross, uint32_t d, double *mean,
                  double *covariance)
{
    size_t at = 0;
    for (uint32_t i = 0; i < d; i++)
        mean[i] = n > 0 ? sum[i] / n : NAN;
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double value = n < 2 ? NAN : (cross[at] - sum[i] * mean[j]) / (n - 1);
            covariance[(size_t)i * d + j] = covariance[(size_t)j * d + i] = i == j ? fmax(0, value) : value;
            at++;
        }
}

static int ascending(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return *a < *b ? -1 : *a > *b;
}

int median_distance(const double *rows, size_t n, uint32_t d, double *out)
{
    if (n < 2 || n > 20000)
        return ERR_INVALID;
    size_t pairs = n * (n - 1) / 2;
    double *distances = malloc(pairs * sizeof *distances);
    if (!distances)
        return ERR_NOMEM;
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            double square = 0;
            for (uint32_t k = 0; k < d; k++) {
                double difference = rows[i * d + k] - rows[j * d + k];
                square += difference * difference;
            }
            distances[at++] = sqrt(square);
        }
    qsort(distances, pairs, sizeof *distances, ascending);
    *out = (distances[(pairs - 1) / 2] + distances[pairs / 2]) / 2;
    free(distances);
    return 0;
}

void covariance_traces(const double *covariance, uint32_t d, double *trace, double *trace2)
{
    *trace = *trace2 = 0;
    for (uint32_t i = 0; i < d; i++) {
        *trace += covariance[(size_t)i * d + i];
        for (uint32_t j = 0; j < d; j++)
            *trace2 += covariance[(size_t)i * d + j] * covariance[(size_t)i * d + j];
    }
}

struct mmd mmd_of(const double *reference_mean, double reference_n, const double *mean, double n,
                  uint32_t features, double trace, double trace2)
{
    struct mmd mmd = {NAN, NAN, NAN};
    if (!(n > 0) || !(reference_n > 0))
        return mmd;
    double rr = 0;
    double cc = 0;
    double rc = 0;
    mmd.biased = 0;
    for (uint32_t i = 0; i < features; i++) {
        double difference = reference_mean[i] - mean[i];
        mmd.biased += difference * difference;
        rr += reference_mean[i] * reference_mean[i];
        cc += mean[i] * mean[i];
        rc += reference_mean[i] * mean[i];
    }
    if (n > 1 && reference_n > 1)
        mmd.unbiased = (reference_n * rr - 1) / (reference_n - 1) + (n * cc - 1) / (n - 1) - 2 * rc;
    if (trace > 0 && trace2 > 0) {
        double t = mmd.biased / (1 / n + 1 / reference_n);
        mmd.p = chi2_sf(t * trace / trace2, trace * trace / trace2);
    }
    return mmd;
}

struct pca *pca_alloc(uint32_t d)
{
    struct pca *pca = calloc(1, sizeof *pca);
    if (!pca)
        return NULL;
    pca->d = d;
    pca->mean = calloc((size_t)d * (d + 3), sizeof *pca->mean);
    if (!pca->mean) {
        free(pca);
        return NULL;
    }
    pca->scale = pca->mean + d;
    pca->explained = pca->scale + d;
    pca->vectors = pca->explained + d;
    return pca;
}

void pca_free(struct pca *pca)
{
    if (!pca)
        return;
    free(pca->mean);
    free(pca);
}

/* Correlation matrix with 0 on the diagonal of constant features. */
static double *standardised(const struct pca *pca, const double *covariance, double n)
{
    uint32_t d = pca->d;
    double *matrix = calloc((size_t)d * d, sizeof *matrix);
    for (uint32_t i = 0; matrix && i < d; i++)
        for (uint32_t j = 0; j < d; j++)
            matrix[(size_t)i * d + j] =
                covariance[(size_t)i * d + j] * (n - 1) / n / (pca->scale[i] * pca->scale[j]);
    return matrix;
}

struct pca *pca_new(const double *mean, const double *covariance, double n, uint32_t d, double kept)
{
    struct pca *pca = d > 0 && n >= 2 ? pca_alloc(d) : NULL;
    if (!pca)
        return NULL;
    double total = 0;
    for (uint32_t i = 0; i < d; i++) {
        double sd = sqrt(fmax(0, covariance[(size_t)i * d + i] * (n - 1) / n));
        pca->mean[i] = mean[i];
        pca->scale[i] = sd > 0 ? sd : 1;
        total += sd > 0;
    }
    double *matrix = total > 0 ? standardised(pca, covariance, n) : NULL;
    if (!matrix) {
        pca_free(pca);
        return NULL;
    }
    matrix_eigen(matrix, d, pca->explained, pca->vectors);
    free(matrix);
    double cumulative = 0;
    bool enough = false;
    for (uint32_t i = 0; i < d; i++) {
        pca->explained[i] = fmax(0, pca->explained[i]) / total;
        cumulative += pca->explained[i];
        if (!enough)
            pca->components++;
        enough = enough || cumulative >= kept - 1e-12;
    }
    return pca;
}

double pca_error(const struct pca *pca, const double *x, double *scratch)
{
    uint32_t d = pca->d;
    for (uint32_t i = 0; i < d; i++)
        scratch[i] = (x[i] - pca->mean[i]) / pca->scale[i];
    /* The discarded components are orthogonal: what they hold is what the kept ones cannot rebuild. */
    double *projection = scratch + d, square = 0;
    memset(projection, 0, d * sizeof *projection);
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t k = pca->components; k < d; k++)
            projection[k] += scratch[i] * pca->vectors[(size_t)i * d + k];
    for (uint32_t k = pca->components; k < d; k++)
        square += projection[k] * projection[k];
    return sqrt(square);
}

double pca_distance(const struct pca *pca, const double *x, double *scratch)
{
    uint32_t d = pca->d;
    double *projection = scratch + d, square = 0;
    for (uint32_t i = 0; i < d; i++)
        scratch[i] = (x[i] - pca->mean[i]) / pca->scale[i];
    memset(projection, 0, d * sizeof *projection);
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t k = 0; k < d; k++)
            projection[k] += scratch[i] * pca->vectors[(size_t)i * d + k];
    for (uint32_t k = 0; k < d; k++)
        square += projection[k] * projection[k] / (d * pca->explained[k] + DISTANCE_RIDGE);
    return square;
}

static bool well_conditioned(const double *factor, const double *diagonal, uint32_t d)
{
    for (uint32_t i = 0; i < d; i++) {
        double pivot = factor[(size_t)i * d + i];
        if (!(pivot * pivot > 1e-12 * diagonal[i]))
            return false;
    }
    return true;
}

int covariance_factor(double *covariance, uint32_t d)
{
    size_t size = (size_t)d * d;
    double *copy = malloc((size + d) * sizeof *copy);
    if (!copy)
        return ERR_NOMEM;
    double *diagonal = copy + size;
    double trace = 0;
    memcpy(copy, covariance, size * sizeof *copy);
    for (uint32_t i = 0; i < d; i++) {
        diagonal[i] = covariance[(size_t)i * d + i];
        trace += diagonal[i];
    }
    bool good = matrix_cholesky(covariance, d) && well_conditioned(covariance, diagonal, d);
    if (!good) {
        memcpy(covariance, copy, size * sizeof *copy);
        for (uint32_t i = 0; i < d; i++)
            covariance[(size_t)i * d + i] += 1e-6 * trace / d;
        good = matrix_cholesky(covariance, d);
    }
    free(copy);
    return good ? 0 : ERR_INVALID;
}

double mahalanobis_square(const double *factor, const double *mean, const double *x, uint32_t d,
                          double *scratch)
{
    for (uint32_t i = 0; i < d; i++)
        scratch[i] = x[i] - mean[i];
    return matrix_inverse_form(factor, d, scratch, scratch + d);
}

int hotelling_test(const double *mean1, const double *covariance1, double n1, const double *mean2,
                   const double *covariance2, double n2, uint32_t d, struct hotelling *out)
{
    *out = (struct hotelling){NAN, NAN, NAN, NAN, NAN};
    double n = n1 + n2;
    if (d == 0 || !(n1 >= 2) || !(n2 >= 2) || n <= d + 2.0)
        return 0;
    size_t size = (size_t)d * d;
    double *pooled = malloc((size + 2 * (size_t)d) * sizeof *pooled);
    if (!pooled)
        return ERR_NOMEM;
    for (size_t i = 0; i < size; i++)
        pooled[i] = ((n1 - 1) * covariance1[i] + (n2 - 1) * covariance2[i]) / (n - 2);
    int rc = covariance_factor(pooled, d);
    if (rc == 0) {
        double form = mahalanobis_square(pooled, mean1, mean2, d, pooled + size);
        out->t2 = n1 * n2 / n * form;
        out->df1 = d;
        out->df2 = n - d - 1;
        out->f = out->t2 * out->df2 / (out->df1 * (n - 2));
        out->p = f_sf(out->f, out->df1, out->df2);
    }
    free(pooled);
    return rc == ERR_NOMEM ? rc : 0;
}

static double correlation(const double *covariance, uint32_t d, uint32_t i, uint32_t j)
{
    double vi = covariance[(size_t)i * d + i];
    double vj = covariance[(size_t)j * d + j];
    if (!(vi > 0) || !(vj > 0))
        return NAN;
    return covariance[(size_t)i * d + j] / sqrt(vi) / sqrt(vj);
}

static double fisher(double r)
{
    double limit = 1 - 1e-12;
    return atanh(fmin(limit, fmax(-limit, r)));
}

struct correlation_drift correlation_drift(const double *covariance1, double n1, const double *covariance2,
                                           double n2, uint32_t d, double *z)
{
    struct correlation_drift drift = {NAN, NAN, NAN};
    double squares = 0;
    double smallest_p = NAN;
    size_t pair = 0;
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = i + 1; j < d; j++, pair++) {
            double r1 = correlation(covariance1, d, i, j);
            double r2 = correlation(covariance2, d, i, j);
            double difference = r1 - r2;
            double statistic = NAN;
            if (!isnan(difference)) {
                squares += 2 * difference * difference;
                drift.max_difference = fmax(drift.max_difference, fabs(difference));
                if (n1 > 3 && n2 > 3) {
                    statistic = (fisher(r1) - fisher(r2)) / sqrt(1 / (n1 - 3) + 1 / (n2 - 3));
                    smallest_p = fmin(smallest_p, 2 * normal_sf(fabs(statistic)));
                }
            }
            if (z)
                z[pair] = statistic;
        }
    if (!isnan(drift.max_difference))
        drift.frobenius = sqrt(squares);
    if (!isnan(smallest_p))
        drift.p = fmin(1, smallest_p * (double)pair);
    return drift;
}

struct centroid_distance centroid_distance(const double *a, const double *b, uint32_t d)
{
    double aa = 0;
    double bb = 0;
    double ab = 0;
    double square = 0;
    for (uint32_t i = 0; i < d; i++) {
        aa += a[i] * a[i];
        bb += b[i] * b[i];
        ab += a[i] * b[i];
        square += (a[i] - b[i]) * (a[i] - b[i]);
    }
    double cosine = aa > 0 && bb > 0 ? 1 - ab / sqrt(aa) / sqrt(bb) : NAN;
    return (struct centroid_distance){cosine, sqrt(square)};
}
