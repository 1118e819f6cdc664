/*
 * KSWIN [Raab20]: the last `stat` values against as many from the older part of a window, by
 * Kolmogorov–Smirnov. The older ones are picked at fixed places, so that runs replay.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/sequential_kinds.h"
#include "detectors/special.h"

enum { ALPHA, WINDOW, STAT };

struct kswin {
    uint64_t used;
    double distance; /* of the last comparison; NaN: none yet */
    double memory[]; /* window values, oldest first; then 2·stat of work space, zero between calls */
};

static size_t kswin_bytes(const double *values)
{
    return sizeof(struct kswin) + ((size_t)values[WINDOW] + 2 * (size_t)values[STAT]) * sizeof(double);
}

static void kswin_start(void *state, const double *values)
{
    (void)values;
    ((struct kswin *)state)->distance = (double)NAN;
}

static int ascending(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* sup|F − G| of two sorted samples of n values each. */
static double ks_statistic(const double *a, const double *b, size_t n)
{
    size_t i = 0;
    size_t j = 0;
    double largest = 0;
    while (i < n && j < n) {
        double x = fmin(a[i], b[j]);
        while (i < n && a[i] <= x)
            i++;
        while (j < n && b[j] <= x)
            j++;
        largest = fmax(largest, fabs((double)i - (double)j) / (double)n);
    }
    return largest;
}

static enum sequential_state kswin_update(void *state, const double *values, double x)
{
    struct kswin *s = state;
    size_t window = (size_t)values[WINDOW];
    size_t stat = (size_t)values[STAT];
    if (window < 2 * stat) /* the older part must be able to give as many */
        return SEQUENTIAL_QUIET;
    if (s->used == window)
        memmove(s->memory, s->memory + 1, --s->used * sizeof s->memory[0]);
    s->memory[s->used++] = x;
    if (s->used < window)
        return SEQUENTIAL_QUIET;
    size_t older = window - stat;
    double *sample = s->memory + window;
    double *recent = sample + stat;
    for (size_t j = 0; j < stat; j++)
        sample[j] = s->memory[j * older / stat];
    memcpy(recent, s->memory + older, stat * sizeof recent[0]);
    qsort(sample, stat, sizeof sample[0], ascending);
    qsort(recent, stat, sizeof recent[0], ascending);
    double d = ks_statistic(sample, recent, stat);
    memset(sample, 0, 2 * stat * sizeof sample[0]);
    s->distance = d;
    double p = kolmogorov_sf(sqrt((double)stat / 2) * d);
    return p <= values[ALPHA] && d > 0.1 ? SEQUENTIAL_DRIFT : SEQUENTIAL_QUIET;
}

static bool kswin_valid(const void *state, const double *values)
{
    return ((const struct kswin *)state)->used <= (uint64_t)values[WINDOW];
}

static double kswin_statistic(const void *state, const double *values)
{
    const struct kswin *s = state;
    (void)values;
    return s->distance;
}

const struct sequential_kind_ops kswin_ops = {
    .description = {.name = "kswin",
                    .summary = "Kolmogorov–Smirnov test of the newest values against older ones",
                    .parameters = {{"alpha", 0.005, 1e-12, 0.5},
                                   {"window", 100, 4, 100000},
                                   {"stat", 30, 2, 50000},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = kswin_bytes,
    .start = kswin_start,
    .update = kswin_update,
    .valid = kswin_valid,
    .statistic = kswin_statistic,
};
