#include "detectors/ddsketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Finding a bucket: a table of steps, one for each leading GUESS_BITS of a double (sign, exponent, some of
 * the mantissa), says how many bounds lie below the step's first number; the few bounds inside a step are
 * compared one by one. A binary search finds the same and costs ten mispredicted branches.
 */
enum { BUCKETS_MAX = 65536, GUESS_MANTISSA_BITS = 6, GUESS_SHIFT = 52 - GUESS_MANTISSA_BITS };

struct ddsketch_layout {
    double gamma;
    int32_t first_key;
    uint32_t buckets; /* of one sign */
    bool negative;
    uint64_t first_step;
    uint32_t steps;
    uint16_t *guesses;  /* by step; behind the bounds */
    double below_first; /* lower end of the first bucket */
    double bounds[];    /* γ^key of every bucket: its upper end; then +inf */
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

/* The leading bits of a number that is not negative: they order as the numbers do. */
static uint64_t step_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> GUESS_SHIFT;
}

static double first_of_step(uint64_t step)
{
    uint64_t bits = step << GUESS_SHIFT;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void fill_guesses(struct ddsketch_layout *layout)
{
    uint32_t below = 0;
    for (uint32_t i = 0; i < layout->steps; i++) {
        double first = first_of_step(layout->first_step + i);
        while (below < layout->buckets && layout->bounds[below] < first)
            below++;
        layout->guesses[i] = (uint16_t)below;
    }
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
    uint64_t first_step = step_of(power(gamma, first));
    uint32_t steps = (uint32_t)(step_of(power(gamma, first + (int32_t)buckets - 1)) - first_step) + 1;
    struct ddsketch_layout *layout =
        malloc(sizeof *layout + (buckets + 1) * sizeof layout->bounds[0] + steps * sizeof *layout->guesses);
    if (!layout)
        return NULL;
    *layout = (struct ddsketch_layout){.gamma = gamma,
                                       .first_key = first,
                                       .buckets = buckets,
                                       .negative = negative,
                                       .first_step = first_step,
                                       .steps = steps};
    for (uint32_t i = 0; i < buckets; i++)
        layout->bounds[i] = power(gamma, first + (int32_t)i);
    layout->bounds[buckets] = (double)INFINITY;
    layout->below_first = layout->bounds[0] / gamma;
    layout->guesses = (uint16_t *)(void *)(layout->bounds + buckets + 1);
    fill_guesses(layout);
    return layout;
}

void ddsketch_layout_free(struct ddsketch_layout *layout)
{
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
    uint64_t step = step_of(x);
    step = step > layout->first_step ? step - layout->first_step : 0;
    uint32_t low = layout->guesses[step < layout->steps ? step : layout->steps - 1];
    low += layout->bounds[low] < x; /* of 1 % error: all there is to a step inside the range */
    while (UNLIKELY(layout->bounds[low] < x))
        low++;
    bool above = low == layout->buckets;
    if (out_clipped)
        *out_clipped = x <= layout->below_first || above;
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

double ddsketch_slot_value(const struct ddsketch_layout *layout, uint32_t slot)
{
    if (slot < DDSKETCH_FIRST)
        return slot == DDSKETCH_ZERO ? 0 : (double)NAN;
    uint32_t bucket = (slot - DDSKETCH_FIRST) % layout->buckets;
    double value = ddsketch_value(layout, layout->first_key + (int32_t)bucket);
    return slot - DDSKETCH_FIRST < layout->buckets ? value : -value;
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
