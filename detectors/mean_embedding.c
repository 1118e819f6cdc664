#include "detectors/mean_embedding.h"

#include <math.h>
#include <stdlib.h>

#include "agent/base/err.h"
#include "detectors/features.h"

enum { SEED = 20260301, ROW_NUMBERS_MAX = 1 << 22 /* of rows whose features are looked at */ };
#define BANDWIDTH_MIN 1e-9
#define BANDWIDTH_MAX 1e9

void fixed_add(int128 *sums, const double *values, uint32_t count, double unit, uint64_t times)
{
    if (times == 1) {
        for (uint32_t i = 0; i < count; i++)
            sums[i] += fixed_of(values[i] * unit);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        sums[i] += (int128)fixed_of(values[i] * unit) * (int128)times;
}

int mean_embedding_prepare(struct mean_embedding *embedding, uint32_t d)
{
    if (!(embedding->bandwidth >= BANDWIDTH_MIN && embedding->bandwidth <= BANDWIDTH_MAX))
        return ERR_INVALID;
    embedding->rff = rff_new(d, MEAN_FREQUENCIES, embedding->bandwidth, embedding->seed);
    return embedding->rff ? 0 : ERR_NOMEM;
}

void mean_embedding_release(struct mean_embedding *embedding)
{
    rff_free(embedding->rff);
    embedding->rff = NULL;
}

/* Root of the mean of all pairs' squared distances: twice the total variance. */
static double root_mean_square_distance(const double *rows, size_t n, uint32_t d)
{
    double total = 0;
    for (uint32_t i = 0; i < d; i++) {
        double sum = 0, squares = 0;
        for (size_t r = 0; r < n; r++)
            sum += rows[r * d + i];
        for (size_t r = 0; r < n; r++) {
            double deviation = rows[r * d + i] - sum / (double)n;
            squares += deviation * deviation;
        }
        total += 2 * squares / (double)n;
    }
    return sqrt(total);
}

static int set_bandwidth(struct mean_embedding *embedding, const double *rows, size_t n, uint32_t d)
{
    size_t most = MEAN_BANDWIDTH_ROWS;
    while (most * most / 2 * d > UINT64_C(1) << 28) /* operations: rows are long */
        most = most * 3 / 4;
    most = n < most ? n : most;
    double bandwidth = 0;
    int rc = n < 2 ? 0 : median_distance(rows, most, d, &bandwidth);
    if (bandwidth < BANDWIDTH_MIN && n > 0)
        bandwidth = root_mean_square_distance(rows, n, d);
    embedding->bandwidth = bandwidth < BANDWIDTH_MIN ? 1 : fmin(bandwidth, BANDWIDTH_MAX);
    return rc;
}

/* Traces of the weighted covariance: in two passes over features that are kept meanwhile. */
static void set_traces(struct mean_embedding *embedding, double *features, const double *weight, size_t n,
                       double *covariance)
{
    double mean[MEAN_FEATURES] = {0}, total = 0;
    for (size_t r = 0; r < n; r++) {
        double w = weight ? weight[r] : 1;
        total += w;
        for (uint32_t i = 0; i < MEAN_FEATURES; i++)
            mean[i] += w * features[r * MEAN_FEATURES + i];
    }
    if (total < 2)
        return;
    for (uint32_t i = 0; i < MEAN_FEATURES; i++)
        mean[i] /= total;
    for (size_t r = 0; r < n; r++) {
        double *row = features + r * MEAN_FEATURES, w = (weight ? weight[r] : 1) / (total - 1);
        for (uint32_t i = 0; i < MEAN_FEATURES; i++)
            row[i] -= mean[i];
        for (uint32_t i = 0; i < MEAN_FEATURES; i++) {
            double scaled = w * row[i];
            for (uint32_t j = 0; j <= i; j++)
                covariance[i * MEAN_FEATURES + j] += scaled * row[j];
        }
    }
    for (uint32_t i = 0; i < MEAN_FEATURES; i++)
        for (uint32_t j = 0; j < i; j++)
            covariance[j * MEAN_FEATURES + i] = covariance[i * MEAN_FEATURES + j];
    covariance_traces(covariance, MEAN_FEATURES, &embedding->trace, &embedding->trace2);
    if (embedding->trace < 1e-12) /* of a norm of 1: rounding */
        embedding->trace = embedding->trace2 = 0;
}

int mean_embedding_build(struct mean_embedding *embedding, const double *rows, const double *weight, size_t n,
                         uint32_t d)
{
    *embedding = (struct mean_embedding){.seed = SEED};
    size_t looked_at = ROW_NUMBERS_MAX / d;
    looked_at = looked_at < MEAN_ROWS ? looked_at : MEAN_ROWS;
    looked_at = n < looked_at ? n : looked_at;
    int rc = set_bandwidth(embedding, rows, looked_at, d);
    if (rc == 0)
        rc = mean_embedding_prepare(embedding, d);
    double *features = malloc((looked_at + 1) * MEAN_FEATURES * sizeof *features);
    double *covariance = calloc((size_t)MEAN_FEATURES * MEAN_FEATURES, sizeof *covariance);
    if (rc == 0 && (!features || !covariance))
        rc = ERR_NOMEM;
    if (rc == 0) {
        for (size_t r = 0; r < looked_at; r++)
            rff_features(embedding->rff, rows + r * d, features + r * MEAN_FEATURES);
        set_traces(embedding, features, weight, looked_at, covariance);
    }
    free(features);
    free(covariance);
    return rc;
}

void mean_embedding_add(const struct mean_embedding *embedding, const double *x, uint64_t times, int128 *sums)
{
    double features[MEAN_FEATURES];
    rff_features(embedding->rff, x, features);
    fixed_add(sums, features, MEAN_FEATURES, Z_UNIT, times);
}

struct mmd mean_embedding_compare(const struct mean_embedding *embedding, const int128 *sums, uint64_t n,
                                  const int128 *reference_sums, uint64_t reference_n)
{
    double mean[MEAN_FEATURES], reference_mean[MEAN_FEATURES];
    for (uint32_t i = 0; i < MEAN_FEATURES; i++) {
        mean[i] = (double)sums[i] / Z_UNIT / (double)n;
        reference_mean[i] = (double)reference_sums[i] / Z_UNIT / (double)reference_n;
    }
    return mmd_of(reference_mean, (double)reference_n, mean, (double)n, MEAN_FEATURES, embedding->trace,
                  embedding->trace2);
}
