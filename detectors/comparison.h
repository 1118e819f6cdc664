#ifndef DRIFTD_DETECTORS_COMPARISON_H
#define DRIFTD_DETECTORS_COMPARISON_H
/*
 * Two samples of outcomes side by side (METHODS §7.3): a window against the labelled reference, one version
 * of a model against another. Differences with 95 % intervals: Newcombe for proportions, DeLong for the area
 * under the ROC curve, the delta method for F1, Welch for means of losses. The samples are taken as
 * independent. Pure functions of integers; undefined is NaN. O(score bins).
 */
#include <stdbool.h>

#include "detectors/labelled.h"

/* FAMILY_COMPARISON and FAMILY_REGRESSION_COMPARISON, each where both sides have labels: window less
 * reference. `unit`: of the window's regression sums. Returns how many. */
enum { COMPARISON_ROWS_MAX = 2 };
uint32_t comparison_report(const struct tally *outcomes, const struct labelled *labelled, double unit,
                           uint64_t n_min, struct report_row rows[COMPARISON_ROWS_MAX]);

/* Predictions of two versions for the same ids, by whether they were right. */
struct paired_counts {
    uint64_t both_right, only_first, only_second, both_wrong;
};

/* FAMILY_VERSIONS: first less second. With pairs also McNemar's test. False when a side has no label. */
bool comparison_report_versions(const struct tally *first, const struct tally *second,
                                const struct paired_counts *pairs, double unit, uint64_t n_min,
                                struct report_row *row);

#endif
