/*
 * ADWIN [Bifet07]: a window that shrinks when two parts of it have different means. Exponential histogram:
 * row i holds up to 5 buckets of 2^i values, oldest first.
 */
#include <math.h>
#include <string.h>

#include "detectors/sequential_kinds.h"

enum { ROWS = 48, BUCKETS = 5, GRACE = 10, SIDE_MIN = 5 };
enum { DELTA, CLOCK, SKIP_NEWEST };

struct adwin {
    uint64_t updates;
    uint64_t width;
    double total;
    double m2; /* Σ(x − mean)² of the window */
    uint64_t buckets[ROWS];
    double sum[ROWS][BUCKETS + 1];
    double bucket_m2[ROWS][BUCKETS + 1];
};

static size_t adwin_bytes(const double *values)
{
    (void)values;
    return sizeof(struct adwin);
}

static void adwin_start(void *state, const double *values)
{
    (void)state;
    (void)values;
}

static double row_size(unsigned row)
{
    return ldexp(1, (int)row);
}

static void drop_oldest(struct adwin *a, unsigned row, unsigned count)
{
    memmove(&a->sum[row][0], &a->sum[row][count], (a->buckets[row] - count) * sizeof a->sum[row][0]);
    memmove(&a->bucket_m2[row][0], &a->bucket_m2[row][count],
            (a->buckets[row] - count) * sizeof a->bucket_m2[row][0]);
    a->buckets[row] -= count;
    for (unsigned i = (unsigned)a->buckets[row]; i <= BUCKETS; i++)
        a->sum[row][i] = a->bucket_m2[row][i] = 0;
}

static void insert(struct adwin *a, double x)
{
    a->width++;
    double width = (double)a->width;
    if (a->width > 1) {
        double deviation = x - a->total / (width - 1);
        a->m2 += (width - 1) * deviation * deviation / width;
    }
    a->total += x;
    a->sum[0][a->buckets[0]] = x;
    a->bucket_m2[0][a->buckets[0]] = 0;
    a->buckets[0]++;
    for (unsigned row = 0; row + 1 < ROWS && a->buckets[row] > BUCKETS; row++) {
        double n = row_size(row);
        double difference = (a->sum[row][0] - a->sum[row][1]) / n;
        uint64_t at = a->buckets[row + 1]++;
        a->sum[row + 1][at] = a->sum[row][0] + a->sum[row][1];
        a->bucket_m2[row + 1][at] =
            a->bucket_m2[row][0] + a->bucket_m2[row][1] + n * difference * difference / 2;
        drop_oldest(a, row, 2);
    }
    if (a->buckets[ROWS - 1] > BUCKETS) /* 10^15 values: forget the oldest */
        drop_oldest(a, ROWS - 1, 1);
}

static void forget_oldest(struct adwin *a)
{
    unsigned row = ROWS - 1;
    while (row > 0 && a->buckets[row] == 0)
        row--;
    double n = row_size(row);
    double rest = (double)a->width - n;
    double sum = a->sum[row][0];
    a->total -= sum;
    a->width -= (uint64_t)n;
    if (rest > 0) {
        double difference = sum / n - a->total / rest;
        a->m2 -= a->bucket_m2[row][0] + n * rest * difference * difference / (n + rest);
    } else {
        a->m2 = 0;
    }
    drop_oldest(a, row, 1);
}

static bool means_differ(const struct adwin *a, double delta, double n0, double sum0)
{
    double width = (double)a->width;
    double n1 = width - n0;
    double log_term = log(2 * log(width) / delta);
    double m = 1 / (n0 - SIDE_MIN + 1) + 1 / (n1 - SIDE_MIN + 1);
    double variance = fmax(0, a->m2) / width;
    double bound = sqrt(2 * m * variance * log_term) + 2.0 / 3.0 * log_term * m;
    return fabs(sum0 / n0 - (a->total - sum0) / n1) > bound;
}

static bool has_cut(const struct adwin *a, const double *values)
{
    double n0 = 0;
    double sum0 = 0;
    for (unsigned row = ROWS; row-- > 0;) {
        uint64_t end = a->buckets[row];
        if (values[SKIP_NEWEST] > 0 && end > 0)
            end--; /* what older ports did; for comparison with them only */
        for (uint64_t i = 0; i < end; i++) {
            n0 += row_size(row);
            sum0 += a->sum[row][i];
            double n1 = (double)a->width - n0;
            if (n0 >= SIDE_MIN && n1 >= SIDE_MIN && means_differ(a, values[DELTA], n0, sum0))
                return true;
        }
    }
    return false;
}

static enum sequential_state adwin_update(void *state, const double *values, double x)
{
    struct adwin *a = state;
    enum sequential_state result = SEQUENTIAL_QUIET;
    insert(a, x);
    a->updates++;
    if (a->updates % (uint64_t)values[CLOCK] != 0)
        return result;
    while (a->width > GRACE && has_cut(a, values)) {
        forget_oldest(a);
        result = SEQUENTIAL_DRIFT;
    }
    return result;
}

static bool adwin_valid(const void *state, const double *values)
{
    const struct adwin *a = state;
    (void)values;
    uint64_t width = 0;
    for (unsigned row = 0; row < ROWS; row++) {
        if (a->buckets[row] > BUCKETS)
            return false;
        width += a->buckets[row] << row;
    }
    return width == a->width;
}

static double adwin_statistic(const void *state, const double *values)
{
    const struct adwin *s = state;
    (void)values;
    return s->width ? s->total / (double)s->width : (double)NAN;
}

const struct sequential_kind_ops adwin_ops = {
    .description = {.name = "adwin",
                    .summary = "mean of an adaptive window",
                    .parameters = {{"delta", 0.002, 1e-12, 0.999},
                                   {"clock", 32, 1, 1e6},
                                   {"skip_newest", 0, 0, 1},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = adwin_bytes,
    .start = adwin_start,
    .update = adwin_update,
    .valid = adwin_valid,
    .statistic = adwin_statistic,
};
