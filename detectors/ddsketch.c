#include "detectors/ddsketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MAX = 65536, CELL_SHIFT = 46 /* leaves the exponent and 6 bits */ };

struct ddsketch_layout {
    double gamma;
    double lower_end; /* of the first bucket */
    int32_t first_key;
    uint32_t buckets; /* of one sign */
    bool negative;
    uint64_t first_cell; /* the cell of a positive double is its bits without the lowest CELL_SHIFT */
    uint32_t cells;
    uint32_t *starts; /* by cell, and one more: bounds below its smallest number */
    double bounds[];  /* γ^key of every bucket: its upper end; +inf behind them */
};

/* γ^key by squaring: products only, so the same on every machine. */
static double power(double gamma, int32_t key)
{
    double base = key < 0 ? 1 / gamma : gamma;
    double result = 1;
    for (uint32_t left = (uint32_t)(key < 0 ? -key : key); left > 0; left >>= 1) {
        if (left & 1)
            result *= base;
        base *= base;
    }
    return result;
}

/* ⌈log_γ x⌉; logarithms only guess, the bounds decide. */
static int32_t key_of(double gamma, double x)
{
    int32_t key = (int32_t)ceil(log(x) / log(gamma));
    while (power(gamma, key - 1) >= x)
        key--;
    while (power(gamma, key) < x)
        key++;
    return key;
}

static uint64_t cell_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> CELL_SHIFT;
}

/* A cell is at most 1/64 wide and seldom holds more than one bound: finding a bucket hardly has to search. */
static bool make_cells(struct ddsketch_layout *layout)
{
    layout->first_cell = cell_of(layout->bounds[0]);
    layout->cells = (uint32_t)(cell_of(layout->bounds[layout->buckets - 1]) - layout->first_cell) + 1;
    layout->starts = malloc(((size_t)layout->cells + 1) * sizeof *layout->starts);
    uint32_t bound = 0;
    for (uint32_t cell = 0; layout->starts && cell <= layout->cells; cell++) {
        uint64_t bits = (layout->first_cell + cell) << CELL_SHIFT;
        double smallest;
        memcpy(&smallest, &bits, sizeof smallest);
        while (bound < layout->buckets && layout->bounds[bound] < smallest)
            bound++;
        layout->starts[cell] = bound;
    }
    return layout->starts != NULL;
}

struct ddsketch_layout *ddsketch_layout_new(double alpha, double smallest, double largest, bool negative)
{
    if (!(alpha > 1e-6 && alpha <= 0.5) || !(smallest > 0) || !(largest >= smallest) || !isfinite(largest))
        return NULL;
    double gamma = (1 + alpha) / (1 - alpha);
    if (log(largest / smallest) / log(gamma) > BUCKETS_MAX - 2)
        return NULL;
    int32_t first = key_of(gamma, smallest);
    uint32_t buckets = (uint32_t)(key_of(gamma, largest) - first) + 1;
    struct ddsketch_layout *layout = malloc(sizeof *layout + (buckets + 1) * sizeof layout->bounds[0]);
    if (!layout)
        return NULL;
    *layout = (struct ddsketch_layout){
        .gamma = gamma, .first_key = first, .buckets = buckets, .negative = negative};
    for (uint32_t i = 0; i < buckets; i++)
        layout->bounds[i] = power(gamma, first + (int32_t)i);
    layout->bounds[buckets] = (double)INFINITY;
    layout->lower_end = layout->bounds[0] / gamma;
    if (!make_cells(layout)) {
        free(layout);
        return NULL;
    }
    return layout;
}

void ddsketch_layout_free(struct ddsketch_layout *layout)
{
    if (layout)
        free(layout->starts);
    free(layout);
}

uint32_t ddsketch_counters(const struct ddsketch_layout *layout)
{
    return DDSKETCH_FIRST + layout->buckets * (layout->negative ? 2 : 1);
}

double ddsketch_gamma(const struct ddsketch_layout *layout)
{
    return layout->gamma;
}

/* The bucket of a positive magnitude: the number of bounds below it. */
static uint32_t bucket_of(const struct ddsketch_layout *layout, double x, bool *out_clipped)
{
    uint64_t cell = cell_of(x);
    uint32_t low = 0;
    uint32_t length = 0;
    if (cell >= layout->first_cell + layout->cells) {
        low = layout->buckets;
    } else if (cell >= layout->first_cell) {
        low = layout->starts[cell - layout->first_cell];
        length = layout->starts[cell - layout->first_cell + 1] - low;
    }
    while (length > 1) {
        uint32_t half = length / 2;
        if (layout->bounds[low + half] < x) {
            low += half + 1;
            length -= half + 1;
        } else {
            length = half;
        }
    }
    low += layout->bounds[low] < x; /* without a branch: nobody could predict it */
    bool below = x <= layout->lower_end;
    bool above = low == layout->buckets;
    if (out_clipped)
        *out_clipped = below || above;
    return above ? layout->buckets - 1 : low;
}

int32_t ddsketch_key(const struct ddsketch_layout *layout, double x, bool *out_clipped)
{
    return layout->first_key + (int32_t)bucket_of(layout, x, out_clipped);
}

double ddsketch_value(const struct ddsketch_layout *layout, int32_t key)
{
    return 2 * power(layout->gamma, key) / (layout->gamma + 1);
}

uint32_t ddsketch_slot(const struct ddsketch_layout *layout, double x, bool *out_clipped)
{
    *out_clipped = false;
    if (isnan(x))
        return DDSKETCH_NAN;
    if (x == 0)
        return DDSKETCH_ZERO;
    if (x < 0 && !layout->negative) {
        *out_clipped = true;
        return DDSKETCH_ZERO;
    }
    uint32_t bucket = bucket_of(layout, fabs(x), out_clipped);
    return DDSKETCH_FIRST + (x < 0 ? layout->buckets : 0) + bucket;
}

void ddsketch_add(const struct ddsketch_layout *layout, uint64_t *counters, double x)
{
    bool clipped;
    counters[ddsketch_slot(layout, x, &clipped)]++;
    counters[DDSKETCH_CLIPPED] += clipped;
}

uint64_t ddsketch_count(const struct ddsketch_layout *layout, const uint64_t *counters)
{
    uint64_t n = counters[DDSKETCH_ZERO];
    for (uint32_t i = DDSKETCH_FIRST; i < ddsketch_counters(layout); i++)
        n += counters[i];
    return n;
}

double ddsketch_at_rank(const struct ddsketch_layout *layout, const uint64_t *counters, double rank)
{
    double cumulative = 0;
    double last = NAN;
    const uint64_t *positive = counters + DDSKETCH_FIRST;
    const uint64_t *negative = positive + layout->buckets;
    for (uint32_t i = layout->negative ? layout->buckets : 0; i-- > 0;) {
        if (negative[i] == 0)
            continue;
        cumulative += (double)negative[i];
        last = -ddsketch_value(layout, layout->first_key + (int32_t)i);
        if (cumulative > rank)
            return last;
    }
    if (counters[DDSKETCH_ZERO] > 0) {
        cumulative += (double)counters[DDSKETCH_ZERO];
        last = 0;
        if (cumulative > rank)
            return last;
    }
    for (uint32_t i = 0; i < layout->buckets; i++) {
        if (positive[i] == 0)
            continue;
        cumulative += (double)positive[i];
        last = ddsketch_value(layout, layout->first_key + (int32_t)i);
        if (cumulative > rank)
            return last;
    }
    return last;
}

double ddsketch_quantile(const struct ddsketch_layout *layout, const uint64_t *counters, double q)
{
    uint64_t n = ddsketch_count(layout, counters);
    if (n == 0 || !(q >= 0 && q <= 1))
        return NAN;
    return ddsketch_at_rank(layout, counters, q * (double)(n - 1));
}
