#ifndef DRIFTD_DETECTORS_OUTLIERS_H
#define DRIFTD_DETECTORS_OUTLIERS_H
/*
 * The family of outlying events (METHODS §10): a histogram-based outlier score per event, HBOS [Goldstein12],
 *     score = Σ_features log2(largest density / density where the value lies),
 * from tables that are a pure function of the reference's counts. Densities are those of the 20 coarse bins
 * of a feature, not of its 240 fine ones: with M/240 reference events to a bin the noise of the densities of
 * 20 features would raise the score of every new event above those of the reference. Discrete features and
 * categories have their shares for densities. Predictions and scores are no inputs and take no part.
 *
 * An event is an outlier above the 99 % quantile of the reference's own scores.
 */
#include "detectors/families.h"

extern const struct family_ops outliers_family;

enum { OUTLIER_BINS = 1024, OUTLIER_STRIDE = 256, OUTLIER_UNITS_PER_BIT = 256 };

struct outlier_table {
    uint32_t feature_count;
    uint32_t shift;   /* score >> shift is the bin of the histogram, below OUTLIER_BINS */
    uint16_t terms[]; /* OUTLIER_STRIDE per feature, by fine slot, in 1/256 bits; SLOT_NONE: 0 */
};

/* `layout` is fine. NULL when out of memory. O(features · slots). The same on every machine: no libm. */
struct outlier_table *outlier_table_new(const struct feature_layout *layout, const struct tally *reference);
void outlier_table_free(struct outlier_table *table);
/* In 1/256 bits. O(features). */
uint32_t outlier_score(const struct outlier_table *table, const struct feature_row *row);

#endif
