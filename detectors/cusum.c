/* CUSUM charts: tabular (mean and spread frozen after a warm-up) and MOA's (running mean, increases only). */
#include <math.h>

#include "detectors/sequential_kinds.h"

enum { MIN_INSTANCES, SLACK, THRESHOLD };

struct cusum {
    uint64_t n;
    double mean, m2; /* m2 stops growing when the warm-up ends */
    double high, low;
};

static size_t cusum_bytes(const double *values)
{
    (void)values;
    return sizeof(struct cusum);
}

static void cusum_start(void *state, const double *values)
{
    (void)state;
    (void)values;
}

static enum sequential_state cusum_update(void *state, const double *values, double x)
{
    struct cusum *s = state;
    s->n++;
    if ((double)s->n <= values[MIN_INSTANCES]) {
        double before = x - s->mean;
        s->mean += before / (double)s->n;
        s->m2 += before * (x - s->mean);
        if ((double)s->n < values[MIN_INSTANCES])
            return SEQUENTIAL_QUIET;
    }
    double sd = sqrt(s->m2 / (values[MIN_INSTANCES] - 1));
    s->high = fmax(0, s->high + (x - s->mean) - values[SLACK] * sd);
    s->low = fmax(0, s->low - (x - s->mean) - values[SLACK] * sd);
    bool drifted = s->high > values[THRESHOLD] * sd || s->low > values[THRESHOLD] * sd;
    return drifted ? SEQUENTIAL_DRIFT : SEQUENTIAL_QUIET;
}

static double cusum_statistic(const void *state, const double *values)
{
    const struct cusum *s = state;
    (void)values;
    return s->n ? fmax(s->high, s->low) : (double)NAN;
}

const struct sequential_kind_ops cusum_ops = {
    .description = {.name = "cusum",
                    .summary = "tabular CUSUM, both directions, slack and threshold in standard deviations",
                    .parameters = {{"min_instances", 30, 2, 1e9},
                                   {"slack", 0.5, 0, 1e6},
                                   {"threshold", 5, 0, 1e9},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = cusum_bytes,
    .start = cusum_start,
    .update = cusum_update,
    .statistic = cusum_statistic,
};

enum { MOA_MIN_INSTANCES, MOA_DELTA, MOA_THRESHOLD };

static enum sequential_state cusum_moa_update(void *state, const double *values, double x)
{
    struct cusum *s = state;
    s->n++;
    s->mean += (x - s->mean) / (double)s->n;
    s->high = fmax(0, s->high + x - s->mean - values[MOA_DELTA]);
    /* MOA's counter starts at 1 and is already increased when it is compared. */
    bool warm = (double)s->n + 1 >= values[MOA_MIN_INSTANCES];
    return warm && s->high > values[MOA_THRESHOLD] ? SEQUENTIAL_DRIFT : SEQUENTIAL_QUIET;
}

const struct sequential_kind_ops cusum_moa_ops = {
    .description = {.name = "cusum_moa",
                    .summary = "CUSUM against the running mean, increases only, as MOA does it",
                    .parameters = {{"min_instances", 30, 1, 1e9},
                                   {"delta", 0.005, 0, 1e9},
                                   {"threshold", 50, 0, 1e12},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = cusum_bytes,
    .start = cusum_start,
    .update = cusum_moa_update,
    .statistic = cusum_statistic,
};
