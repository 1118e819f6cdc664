#ifndef DRIFTD_DETECTORS_QUALITY_REPORT_H
#define DRIFTD_DETECTORS_QUALITY_REPORT_H
/*
 * One row of data quality per feature and window (METHODS §10), from the counts that drift is computed from
 * and the family of types. Of the whole model in fine bins, of a segment in coarse ones. Pure function of
 * integers.
 *
 * A segment is compared with the same segment of the reference where that knows it, else with the whole
 * model's. Then rates and shares are differences from the whole, and facts (stuck, type_changed,
 * field_removed) are undefined: a field that is constant or absent in one segment is no fault of it.
 */
#include "detectors/features.h"
#include "detectors/report.h"

struct quality_input {
    const struct feature_layout *layout; /* of `current` and `segment`: coarse for a segment, else fine */
    const struct tally *current;
    const struct feature_layout *reference_layout; /* fine, of the same grid */
    const struct tally *reference;                 /* of the whole model */
    const struct tally *segment;                   /* the segment's own reference; NULL: none */
    const struct tally *types, *reference_types;   /* value_types.h, of whole models; NULL: not known */
    uint64_t n_min;
};
/* rows has an entry per feature of the grid. O(features · slots). */
void quality_report(const struct quality_input *input, struct report_row *rows);

/* Where the values of a window lie: the estimate, and the bin (low, high] that holds the exact quantile, the
 * value of rank ⌈q·n⌉. NaN beyond the reference's range. */
struct bin_quantile {
    double value, low, high;
};
/* `slots` in this resolution. Inside a coarse bin values are taken to lie as the reference's, whose fine
 * slots are `shape` (NULL: evenly). */
struct bin_quantile quality_quantile(const struct feature_grid *feature, enum grid_resolution resolution,
                                     const uint64_t *slots, const uint64_t *shape, unsigned percent);

/* The categories that values have most often, by slot: at most `max`, by count, ties by slot. `other` and
 * `unseen` are no categories. Returns how many. */
uint32_t quality_top(const struct feature_grid *feature, const uint64_t *slots, uint16_t *out, uint32_t max);

#endif
