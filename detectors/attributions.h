#ifndef DRIFTD_DETECTORS_ATTRIBUTIONS_H
#define DRIFTD_DETECTORS_ATTRIBUTIONS_H
/*
 * The family of attributions (METHODS §11): sums of |attribution| per feature of the reference's grid, and
 * how the importance of features moved against the reference (attribution.h). Counters: events with
 * attributions, attributions to names outside the grid, those that were clipped,
 * then per feature how many it had. Sums: Σ|a| per feature in 2^-40, |a| clipped to 2^31. O(attributions) per
 * event.
 */
#include "detectors/families.h"

extern const struct family_ops attributions_family;

#endif
