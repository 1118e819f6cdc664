#ifndef DRIFTD_DETECTORS_OUTCOMES_ROWS_H
#define DRIFTD_DETECTORS_OUTCOMES_ROWS_H
/* How rows of outcomes are filled; private to outcomes*.c. */
#include <math.h>

#include "detectors/intervals.h"
#include "detectors/outcomes.h"

#define OUTCOME_ALPHA 0.05
#define OUTCOME_Z     1.959963984540054

static inline double outcome_ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

static inline void outcome_row_start(struct report_row *row, enum family family, double n,
                                     const struct outcome_options *options)
{
    *row = (struct report_row){.family = family, .n = (uint64_t)n};
    row->flags = row->n < options->n_min ? REPORT_INSUFFICIENT : 0;
    for (int i = 0; i < REPORT_SLOTS; i++)
        row->slots[i] = (double)NAN;
}

/* A value, and the interval in the two slots behind it. */
static inline void outcome_put(struct report_row *row, int slot, double value, struct interval interval)
{
    row->slots[slot] = value;
    row->slots[slot + 1] = interval.low;
    row->slots[slot + 2] = interval.high;
}

/* k of n, with Wilson's interval. */
static inline void outcome_put_rate(struct report_row *row, int slot, double k, double n)
{
    if (n > 0)
        outcome_put(row, slot, k / n, interval_wilson(k, n, OUTCOME_ALPHA));
}

/* A normal interval, cut to the range of the metric. */
static inline struct interval outcome_around(double value, double error, double low, double high)
{
    if (isnan(value) || isnan(error))
        return (struct interval){(double)NAN, (double)NAN};
    return (struct interval){fmax(value - OUTCOME_Z * error, low), fmin(value + OUTCOME_Z * error, high)};
}

/* Standard error of a mean from the mean of squares. */
static inline double outcome_mean_error(double mean, double mean_square, double n)
{
    return n > 1 ? sqrt(fmax(mean_square - mean * mean, 0) / (n - 1)) : (double)NAN;
}

#endif
