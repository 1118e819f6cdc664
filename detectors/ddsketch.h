#ifndef DRIFTD_DETECTORS_DDSKETCH_H
#define DRIFTD_DETECTORS_DDSKETCH_H
/*
 * Quantiles with a bounded relative error from counters that add (METHODS §11): bucket k holds (γ^(k−1),
 * γ^k], γ = (1+α)/(1−α). The range of keys is fixed, so that a sketch is a plain vector of counters, merging
 * and subtracting are exact, and nothing grows. Finding a bucket uses a table of bounds and no libm: equal
 * values give equal buckets on every machine.
 *
 * Counters, in this order: zero, clipped (values moved into the outermost bucket), not-a-number, the positive
 * buckets from small to large, then (if asked for) the negative buckets by magnitude.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct ddsketch_layout;

/* Relative error `alpha` in (0, ½] for magnitudes from `smallest` to `largest` (both > 0); at most 65,536
 * buckets. NULL: arguments out of range or no memory. Latency in ms: 0.01, 0.001, 3.6e6, false. Immutable. */
struct ddsketch_layout *ddsketch_layout_new(double alpha, double smallest, double largest, bool negative);
void ddsketch_layout_free(struct ddsketch_layout *layout);
uint32_t ddsketch_counters(const struct ddsketch_layout *layout);
double ddsketch_gamma(const struct ddsketch_layout *layout);

/* ⌈log_γ x⌉ for a positive x, clipped to the range (then *out_clipped is true; may be NULL). O(log α⁻¹). */
int32_t ddsketch_key(const struct ddsketch_layout *layout, double x, bool *out_clipped);
/* What stands for a key: 2γ^key/(γ+1). */
double ddsketch_value(const struct ddsketch_layout *layout, int32_t key);
/* What stands for a counter; NaN for those that count no value of their own. */
double ddsketch_slot_value(const struct ddsketch_layout *layout, uint32_t slot);
/* The counter to increment for x; *out_clipped says that the clipped counter is to be incremented too. */
uint32_t ddsketch_slot(const struct ddsketch_layout *layout, double x, bool *out_clipped);

enum { DDSKETCH_ZERO, DDSKETCH_CLIPPED, DDSKETCH_NAN, DDSKETCH_FIRST };

/* On counters of a layout (any width sums to 64 bits before it gets here). */
void ddsketch_add(const struct ddsketch_layout *layout, uint64_t *counters, double x);
uint64_t ddsketch_count(const struct ddsketch_layout *layout, const uint64_t *counters);
/* Value at rank q·(n−1): the first bucket whose cumulative count exceeds it. NaN when empty. O(buckets). */
double ddsketch_quantile(const struct ddsketch_layout *layout, const uint64_t *counters, double q);
/* Value of the order statistic of that rank (from 0). */
double ddsketch_at_rank(const struct ddsketch_layout *layout, const uint64_t *counters, double rank);

#endif
