#ifndef DRIFTD_DETECTORS_CBPE_H
#define DRIFTD_DETECTORS_CBPE_H
/*
 * Performance without labels from calibrated probabilities (METHODS §7.4): a calibrator fitted on the
 * labelled reference, then the expected confusion matrix of the current scores. It assumes that what a score
 * means has not changed (no concept drift).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/intervals.h"
#include "detectors/logistic.h"
#include "detectors/performance.h"

struct score_count {
    double score, n, positives;
};

/*
 * Isotonic regression: knots of a non-decreasing curve, linear in between, constant beyond the ends. Owned by
 * the caller; immutable once fitted.
 */
struct isotonic {
    size_t count;
    double *x, *y;
};
/* Pools adjacent violators of `points` (any order; equal scores are averaged first; n ≤ 0 is left out).
 * O(n log n). ERR_INVALID when there is no point, ERR_NOMEM. */
int isotonic_fit(const struct score_count *points, size_t count, struct isotonic *out) MUST_USE;
void isotonic_clear(struct isotonic *fit);
double isotonic_value(const struct isotonic *fit, double x);

enum calibrator_kind { CALIBRATOR_NONE, CALIBRATOR_ISOTONIC, CALIBRATOR_PLATT };
struct calibrator {
    enum calibrator_kind kind; /* NONE: the score is the probability */
    struct isotonic isotonic;
    struct logistic platt;
};
/*
 * Fits on the reference's score histogram: isotonic with at least 1,000 labels and 50 of each class, else
 * Platt. A kind is used only if it lowers ECE of the held-out third; `held_out` marks nothing when NULL (then
 * the fit is used without the check). Both arrays have one entry per score. ERR_NOMEM.
 */
int calibrator_fit(const struct score_count *fit, size_t fit_count, const struct score_count *held_out,
                   size_t held_out_count, struct calibrator *out) MUST_USE;
void calibrator_clear(struct calibrator *calibrator);
double calibrator_probability(const struct calibrator *calibrator, double score);

/* Events of one score: how many were predicted positive and negative, and their probability of being
 * positive.
 */
struct cbpe_bin {
    double predicted_positive, predicted_negative;
    double probability;
};
struct cbpe {
    struct confusion expected;
    struct binary_metrics metrics; /* of the expected counts */
    double accuracy_sd;            /* √Σ n π(1−π) / n */
    double roc_auc;
};
/* Bins in ascending order of score, one score each; `scratch` has room for 2·count numbers. O(bins). */
struct cbpe cbpe_estimate(const struct cbpe_bin *bins, size_t count, double *scratch);

/* ±3 sampling errors of another metric: its spread over reference chunks of n_chunk events, scaled to n. */
struct interval cbpe_interval(double estimate, double reference_sd, double n_chunk, double n);

/* More than 5 % of the current mass lies where the reference has fewer than 20 labels. O(bins). */
bool cbpe_extrapolating(const double *current, const double *reference_labels, size_t bins);

#endif
