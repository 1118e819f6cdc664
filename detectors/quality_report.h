#ifndef DRIFTD_DETECTORS_QUALITY_REPORT_H
#define DRIFTD_DETECTORS_QUALITY_REPORT_H
/*
 * One row of data quality per feature and window (METHODS §10), from the counts that drift is computed from
 * and the family of types. Of the whole model only: it needs fine bins. Pure function of integers.
 */
#include "detectors/features.h"
#include "detectors/report.h"

struct quality_input {
    const struct feature_layout *layout; /* fine, of both tallies */
    const struct tally *current, *reference;
    const struct tally *types, *reference_types; /* value_types.h; NULL: not known */
    uint64_t n_min;
};
/* rows has an entry per feature of the grid. O(features · slots). */
void quality_report(const struct quality_input *input, struct report_row *rows);

/* Where the values of a window lie: the estimate, and the bin (low, high] that holds the exact quantile, the
 * value of rank ⌈q·n⌉. NaN beyond the reference's range. */
struct bin_quantile {
    double value, low, high;
};
struct bin_quantile quality_quantile(const struct feature_grid *feature, const uint64_t *slots,
                                     unsigned percent);

/* The categories that values have most often, by slot: at most `max`, by count, ties by slot. `other` and
 * `unseen` are no categories. Returns how many. */
uint32_t quality_top(const struct feature_grid *feature, const uint64_t *slots, uint16_t *out, uint32_t max);

#endif
