#include "detectors/seasonal.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "detectors/distance.h"

enum { WEEKS_MAX = 64 };
#define MAD_LIMIT       (3 * 1.4826)
#define JS_PER_PSI_BITS 0.18033688011112042 /* 1/(8 ln 2): JS in bits where PSI is small */

static uint64_t total(const uint64_t *counts, uint32_t bins)
{
    uint64_t sum = 0;
    for (uint32_t j = 0; j < bins; j++)
        sum += counts[j];
    return sum;
}

bool seasonal_mixture(const struct stratum *strata, uint32_t stratum_count, uint32_t bins,
                      double *out_mixture, double *out_effective_rows)
{
    double traffic = 0, spread = 0;
    bool good = true;
    for (uint32_t j = 0; j < bins; j++)
        out_mixture[j] = 0;
    for (uint32_t h = 0; h < stratum_count; h++)
        traffic += (double)strata[h].current_n;
    for (uint32_t h = 0; h < stratum_count; h++) {
        if (strata[h].current_n == 0)
            continue;
        double weight = (double)strata[h].current_n / traffic;
        double rows = (double)total(strata[h].reference, bins);
        good = good && rows > 0;
        spread += weight * weight / rows;
        for (uint32_t j = 0; j < bins; j++)
            out_mixture[j] += weight * ((double)strata[h].reference[j] / rows);
    }
    good = good && traffic > 0;
    for (uint32_t j = 0; j < bins && !good; j++)
        out_mixture[j] = NAN;
    *out_effective_rows = good ? 1 / spread : NAN;
    return good;
}

/* Distances of one week to the sum of the others: as it is, and less what sampling adds on average. */
struct week_distance {
    double plain, debiased; /* NaN: one side is empty */
};

static struct week_distance distance_to_others(const uint64_t *const *weeks, uint32_t week_count,
                                               uint32_t bins, uint32_t week)
{
    uint64_t others[COUNT_BINS_MAX] = {0};
    for (uint32_t k = 0; k < week_count; k++)
        for (uint32_t j = 0; j < bins && k != week; j++)
            others[j] += weeks[k][j];
    struct count_pair pair = count_pair_of(others, weeks[week], bins);
    if (pair.n == 0 || pair.M == 0)
        return (struct week_distance){(double)NAN, (double)NAN};
    double js = frequency_distances(&pair, JEFFREYS).js_distance;
    double noise = JS_PER_PSI_BITS * count_pair_variance(&pair) * (double)(pair.nonempty - 1);
    return (struct week_distance){js, sqrt(fmax(0, js * js - noise))};
}

static int ascending(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Sorts. */
static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof(*values), ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void seasonal_outlying_weeks(const uint64_t *const *weeks, uint32_t week_count, uint32_t bins, double warning,
                             bool *out_outlying)
{
    struct week_distance distances[WEEKS_MAX];
    double values[WEEKS_MAX];
    uint32_t count = 0;
    for (uint32_t k = 0; k < week_count; k++)
        out_outlying[k] = false;
    for (uint32_t k = 0; k < week_count && k < WEEKS_MAX; k++) {
        distances[k] = distance_to_others(weeks, week_count, bins, k);
        if (!isnan(distances[k].plain))
            values[count++] = distances[k].plain;
    }
    if (count < 3)
        return;
    double middle = median(values, count);
    for (uint32_t i = 0; i < count; i++)
        values[i] = fabs(values[i] - middle);
    double limit = middle + MAD_LIMIT * median(values, count);
    for (uint32_t k = 0; k < week_count && k < WEEKS_MAX; k++)
        out_outlying[k] = distances[k].plain > limit && distances[k].debiased > warning;
}
