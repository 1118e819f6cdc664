#ifndef DRIFTD_DETECTORS_FAIRNESS_H
#define DRIFTD_DETECTORS_FAIRNESS_H
/*
 * Fairness between groups (METHODS §9) from confusion counts per group. Pure functions; undefined is NaN,
 * except in clarify_metrics, which keeps that tool's division rule (0/0 = 0, x/0 = ∞).
 */
#include <stddef.h>
#include <stdint.h>

#include "detectors/intervals.h"
#include "detectors/performance.h"

enum group_metric {
    GROUP_SELECTION_RATE,
    GROUP_TPR,
    GROUP_FPR,
    GROUP_FNR,
    GROUP_TNR,
    GROUP_PPV,
    GROUP_FDR,
    GROUP_FOR,
    GROUP_ACCURACY,
    GROUP_FN_OVER_FP, /* treatment equality */
    GROUP_METRIC_COUNT
};
double group_metric(const struct confusion *group, enum group_metric metric);
/* Numerator and denominator; for GROUP_FN_OVER_FP they are FN and FP, which is no proportion. */
struct group_rate {
    double k, n;
};
struct group_rate group_rate(const struct confusion *group, enum group_metric metric);

struct group_limits {
    double events;      /* groups with fewer are left out of aggregates: 30 in driftd */
    double denominator; /* so are those with fewer in the metric's denominator: 10 */
};

/* Over groups, in the two senses of Fairlearn. Ratios are ≤ 1. */
struct group_aggregate {
    uint32_t groups; /* that took part */
    double minimum, maximum;
    double difference, ratio;                       /* max − min, min/max; max 0 → NaN */
    double overall;                                 /* the metric of all groups pooled */
    double difference_to_overall, ratio_to_overall; /* max |g − o|; min of min(g/o, o/g) */
};
struct group_aggregate group_aggregate(const struct confusion *groups, size_t count, enum group_metric metric,
                                       struct group_limits limits);

/* Equalized odds from the aggregates of TPR and FPR: the worse of the two, or their mean. */
struct equalized_odds {
    double difference, ratio, mean_difference, mean_ratio;
};
struct equalized_odds equalized_odds(const struct group_aggregate *tpr, const struct group_aggregate *fpr);

/* One group against all others: z and p, p already multiplied by the number of groups (Bonferroni). O(count)
 * per group. */
struct test_result group_against_rest(const struct confusion *groups, size_t count, size_t which,
                                      enum group_metric metric);

/* What max − min and min/max of `count` fair groups with these denominators look like on average (normal
 * approximation): extremes over many groups are wide without any unfairness. O(count) per point of a grid. */
struct null_extremes {
    double difference, ratio;
};
struct null_extremes fairness_null_extremes(const double *denominators, size_t count, double rate);

/* Inequality of the benefit b = ŷ − y + 1 ∈ {0, 1, 2}: how many have each. */
struct benefits {
    double n0, n1, n2;
};
struct benefits confusion_benefits(const struct confusion *c);
double generalized_entropy(const struct benefits *b,
                           double alpha); /* alpha 1: Theil; 0: mean log deviation */
double coefficient_of_variation(const struct benefits *b);
struct entropy_split {
    double within, between; /* of GE with alpha 2; the sum is the whole */
};
struct entropy_split generalized_entropy_split(const struct benefits *groups, size_t count);

/* The facet comparison of SageMaker Clarify: a the advantaged (or all other) facet, d the disadvantaged. */
struct clarify {
    double CI, DPL, KL, JS, LP, TVD, KS;
    double DPPL, DI, DCA, DCR, RD, SD, DAR, DRR, AD, TE;
    double GE2, theil, coefficient_of_variation;
};
struct clarify clarify_metrics(const struct confusion *a, const struct confusion *d);
/* The distances between two label distributions over `categories` classes; only KL, JS, LP, TVD, KS are set.
 */
void clarify_label_distances(const double *counts_a, const double *counts_d, size_t categories,
                             struct clarify *out);

/* Conditional demographic disparity: per stratum accepted and rejected, all and of facet d. */
struct stratum {
    double accepted, rejected, accepted_d, rejected_d;
};
double conditional_demographic_disparity(const struct stratum *strata, size_t count);

#endif
