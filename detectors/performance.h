#ifndef DRIFTD_DETECTORS_PERFORMANCE_H
#define DRIFTD_DETECTORS_PERFORMANCE_H
/*
 * Performance of binary models (METHODS §7.1, §7.3): from the four counts of a confusion matrix, and from a
 * score histogram split by label. Pure functions; counts may be fractional (expected counts of CBPE).
 * Undefined is NaN.
 */
#include <stddef.h>
#include <stdint.h>

#include "detectors/intervals.h"

enum { SCORE_BINS = 1000 }; /* equal-width, left-closed, on [0, 1]; a score of 1 is in the last */

struct confusion {
    double tp, fp, fn, tn;
};

struct binary_metrics {
    double n, accuracy, precision, recall, specificity;
    double fpr, fnr, npv, fdr, for_rate; /* for_rate: false omission rate FN/(FN+TN) */
    double f1, mcc, balanced_accuracy, kappa, prevalence, selection_rate;
};
/* 0/0 is NaN; mcc with an empty margin is 0; kappa is NaN when chance agreement is 1. */
struct binary_metrics binary_metrics(const struct confusion *c);

/* Standard errors of F1 and MCC by the multinomial delta method; NaN where the metric has no gradient. */
double f1_standard_error(const struct confusion *c);
double mcc_standard_error(const struct confusion *c);

/* The histogram bin of a score; UINT32_MAX when it is not in [0, 1] or not a number. */
uint32_t score_bin(double score);

/*
 * Score histogram: `positives` and `negatives` hold `bins` weights each, in ascending order of score. Any
 * strictly ordered grouping of scores will do: distinct scores give exact values. O(bins).
 */
struct score_histogram {
    const double *positives, *negatives;
    size_t bins;
};

struct auc {
    double value;      /* ties within a bin count one half */
    double half_width; /* |exact − value| ≤ this, whatever the order within the bins */
    double variance;   /* DeLong, exact for the binned scores; NaN with < 2 of a class */
};
struct auc score_auc(const struct score_histogram *h);
/* On the logit scale; NaN at 0 and 1. */
struct interval auc_interval(const struct auc *auc, double alpha);
double auc_variance_hanley_mcneil(double auc, double positives, double negatives);

struct average_precision {
    double value;        /* step-wise, a bin is one threshold */
    double upper, lower; /* within each bin positives first / negatives first */
};
struct average_precision score_average_precision(const struct score_histogram *h);
/* Multinomial delta method on the binned value. O(bins). */
double average_precision_standard_error(const struct score_histogram *h);

/* max |F1 − F0| of the two cumulative distributions. */
double score_ks_separation(const struct score_histogram *h);

struct lift {
    double k;        /* ⌈fraction·n⌉ highest scores */
    double value;    /* precision at k over prevalence */
    double captured; /* share of the positives among them */
};
/* A bin that k cuts gives its positives in proportion (the expectation under random order of ties). */
struct lift score_lift(const struct score_histogram *h, double fraction);
/* Labels (0/1) already in descending order of score. */
struct lift ranked_lift(const uint8_t *labels, size_t n, double fraction);

/* Loss of one event; p is clipped to [clip, 1 − clip] (1e-15 in driftd). */
double log_loss_term(double p, double label, double clip);

#endif
