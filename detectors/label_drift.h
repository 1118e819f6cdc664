#ifndef DRIFTD_DETECTORS_LABEL_DRIFT_H
#define DRIFTD_DETECTORS_LABEL_DRIFT_H
/*
 * Labels of a window against the labelled reference (METHODS §11): is the target distributed as it was, and
 * does a score still mean what it meant? The second is asked per bin of scores and is a hint of concept drift
 * when the scores themselves stay where they were. Pure functions of integers; undefined is NaN.
 */
#include "detectors/labelled.h"
#include "detectors/report.h"

enum {
    CONCEPT_BINS_MAX = 20,  /* equal shares of the reference's labels; 10 when it has fewer than 2,000 */
    CONCEPT_BIN_LABELS = 20 /* labels on either side below which a bin is not tested */
};

/* FAMILY_LABEL_DRIFT of the whole model: binary labels, or targets of regression. `unit`: of the window's
 * regression sums. False when a side has none. O(score bins), and Fisher's test where few are expected. */
bool label_drift_report(const struct tally *outcomes, const struct labelled *labelled, double unit,
                        uint64_t n_min, struct report_row *row);
/* The same of several classes, by name: distance and test of their shares. */
bool label_drift_report_classes(const struct label_classes *now, const struct label_classes *before,
                                uint64_t n_min, struct report_row *row);

#endif
