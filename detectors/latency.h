#ifndef DRIFTD_DETECTORS_LATENCY_H
#define DRIFTD_DETECTORS_LATENCY_H
/* The family of latencies (METHODS §11): a DDSketch of `latency_ms`, its quantiles against the reference's.
 */
#include "detectors/families.h"

extern const struct family_ops latency_family;

/* A quantile and its limits by order statistics: ranks nq ± 3.29·√(nq(1−q)) of n > 0 values in a sketch. */
struct sketch_quantile {
    double value, low, high; /* high is NaN where the sample is too small to have one */
    double largest_high;     /* then its largest value */
};
struct sketch_quantile sketch_quantile(const struct ddsketch_layout *layout, const uint64_t *counters,
                                       double n, double q);

#endif
