#ifndef DRIFTD_DETECTORS_GAP_DRIFT_H
#define DRIFTD_DETECTORS_GAP_DRIFT_H
/*
 * Drift of a gap (METHODS §9): is the largest difference of a rate between groups what it was in the
 * reference? Only groups that both sides have enough of are looked at, so that a gap does not change because
 * a group came or went. Pure functions of integers; undefined is NaN.
 *
 * Error of a change. Let D(g, h) be how much the difference of two groups changed; its variance is the sum of
 * four binomial variances, each with a success and a failure more, so that 0 of n is not without error.
 * The gap of a window less that of the reference is at most D of the pair that makes the window's gap, and at
 * least D of the pair that made the reference's. So a gap that grew is measured with the error of the former
 * pair, one that shrank with that of the latter, and p is multiplied by the number of pairs (Bonferroni):
 * under no change of any difference it is too large at worst, however many groups there are.
 */
#include <stddef.h>

#include "detectors/fairness.h"
#include "detectors/group_counts.h"
#include "detectors/report.h"

/* A group on both sides. */
struct gap_group {
    struct group_rate now, before;
};

struct gap_change {
    uint32_t groups;                 /* that took part */
    double pairs;                    /* of them */
    double now, before;              /* max − min; NaN with fewer than two groups */
    double change;                   /* now − before */
    double error, p;                 /* of the change; p corrected for pairs */
    struct interval change_interval; /* 95 % after the same correction: excludes 0 when p < 0.05 */
    double pair; /* change of the difference between the groups that made the reference's gap */
    struct interval pair_interval;
};
/* Groups with fewer than `denominator_min` on either side do not take part. O(count). */
struct gap_change gap_change(const struct gap_group *groups, size_t count, double denominator_min);
/* Of equalized odds, the larger of the gaps of true and false positive rates: the error is that of the rate
 * that makes the larger gap (of the window when it grew, of the reference when it shrank). No pair. */
struct gap_change gap_change_of_odds(const struct gap_change *tpr, const struct gap_change *fpr);

/* What the groups of a window are compared with. */
struct gap_reference {
    const struct named_counts *labels;      /* for rates of labelled outcomes; NULL: none */
    const struct named_counts *predictions; /* for selection rates; NULL: none */
};
/* FAMILY_GAPS: a row per attribute of the window's groups, undefined where the reference has no groups.
 * `tally` and `names` as for outcome_groups_report; at most name_count rows. O(groups²). */
uint32_t gap_drift_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                          const struct gap_reference *reference, uint64_t n_min, struct report_row *rows,
                          struct text *out_names);

#endif
