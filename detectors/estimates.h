#ifndef DRIFTD_DETECTORS_ESTIMATES_H
#define DRIFTD_DETECTORS_ESTIMATES_H
/*
 * Rows of performance without labels (METHODS §7.4): what the scores of a window promise, by the calibrator
 * of the labelled reference, and how far that was off once labels came. It assumes that what a score means
 * has not changed. Pure functions of integers; undefined is NaN. O(score bins).
 */
#include <stdbool.h>

#include "detectors/families.h"
#include "detectors/labelled.h"

/* FAMILY_ESTIMATED from a tally of scores.h. False when no prediction has a score in [0, 1] or the reference
 * no label with one. */
bool estimates_report(const struct tally *scores, const struct labelled *labelled,
                      const struct model_options *options, struct report_row *row);
/* FAMILY_ESTIMATE_ERROR from a tally of outcomes: estimated less realised, of the labelled predictions. */
bool estimates_report_error(const struct tally *outcomes, const struct labelled *labelled, uint64_t n_min,
                            struct report_row *row);

#endif
