/* Page–Hinkley test [Page54]: cumulated deviations from the running mean, with forgetting. */
#include <math.h>

#include "detectors/sequential_kinds.h"

struct page_hinkley {
    uint64_t n;
    double mean;
    double up, down;
    double min_up, max_down;
};

static size_t page_hinkley_bytes(const double *values)
{
    (void)values;
    return sizeof(struct page_hinkley);
}

static void page_hinkley_start(void *state, const double *values)
{
    struct page_hinkley *s = state;
    (void)values;
    s->min_up = INFINITY;
    s->max_down = -1;
}

/* The deviation from the mean that includes x. */
static double deviation(struct page_hinkley *s, double x)
{
    s->n++;
    s->mean += (x - s->mean) / (double)s->n;
    return x - s->mean;
}

enum { MIN_INSTANCES, DELTA, THRESHOLD, ALPHA, UP, DOWN };

static enum sequential_state page_hinkley_update(void *state, const double *values, double x)
{
    struct page_hinkley *s = state;
    double d = deviation(s, x);
    s->up = values[ALPHA] * s->up + d - values[DELTA];
    s->down = values[ALPHA] * s->down + d + values[DELTA];
    s->min_up = fmin(s->min_up, s->up);
    s->max_down = fmax(s->max_down, s->down);
    if ((double)s->n < values[MIN_INSTANCES])
        return SEQUENTIAL_QUIET;
    bool rose = values[UP] > 0 && s->up - s->min_up > values[THRESHOLD];
    bool fell = values[DOWN] > 0 && s->max_down - s->down > values[THRESHOLD];
    return rose || fell ? SEQUENTIAL_DRIFT : SEQUENTIAL_QUIET;
}

static double page_hinkley_statistic(const void *state, const double *values)
{
    const struct page_hinkley *s = state;
    (void)values;
    return s->n ? fmax(s->up - s->min_up, s->max_down - s->down) : (double)NAN;
}

const struct sequential_kind_ops page_hinkley_ops = {
    .description = {.name = "page_hinkley",
                    .summary = "cumulated deviations from the mean, both directions",
                    .parameters = {{"min_instances", 30, 1, 1e9},
                                   {"delta", 0.005, 0, 1e9},
                                   {"threshold", 50, 0, 1e12},
                                   {"alpha", 0.9999, 0, 1},
                                   {"up", 1, 0, 1},
                                   {"down", 1, 0, 1},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = page_hinkley_bytes,
    .start = page_hinkley_start,
    .update = page_hinkley_update,
    .statistic = page_hinkley_statistic,
};

enum { MOA_DELTA, MOA_THRESHOLD, MOA_ALPHA };

static enum sequential_state page_hinkley_moa_update(void *state, const double *values, double x)
{
    struct page_hinkley *s = state;
    double d = deviation(s, x);
    s->up = values[MOA_ALPHA] * s->up + d - values[MOA_DELTA];
    return s->up > values[MOA_THRESHOLD] ? SEQUENTIAL_DRIFT : SEQUENTIAL_QUIET;
}

static double page_hinkley_moa_statistic(const void *state, const double *values)
{
    const struct page_hinkley *s = state;
    (void)values;
    return s->n ? s->up : (double)NAN;
}

const struct sequential_kind_ops page_hinkley_moa_ops = {
    .description = {.name = "page_hinkley_moa",
                    .summary = "cumulated deviations from the mean, increases only, as MOA does it",
                    .parameters = {{"delta", 0.005, 0, 1e9},
                                   {"threshold", 50, 0, 1e12},
                                   {"alpha", 0.9999, 0, 1},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = page_hinkley_bytes,
    .start = page_hinkley_start,
    .update = page_hinkley_moa_update,
    .statistic = page_hinkley_moa_statistic,
};
