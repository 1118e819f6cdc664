#include "detectors/seasonal.h"

#include <math.h>
#include <stdbool.h>

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
