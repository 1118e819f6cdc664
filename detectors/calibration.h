#ifndef DRIFTD_DETECTORS_CALIBRATION_H
#define DRIFTD_DETECTORS_CALIBRATION_H
/*
 * Calibration of probabilities (METHODS §8) from per-bin sums: which bins (equal width, equal mass, one per
 * distinct score) is the caller's business. Pure functions; empty bins are skipped; no events or 0/0 is NaN.
 * O(bins).
 */
#include <stddef.h>
#include <stdint.h>

#include "detectors/intervals.h"
#include "detectors/logistic.h"

struct calibration_bin {
    double n, sum_p, sum_y; /* events, Σp, Σy; y is 0 or 1 */
    double sum_p2, sum_py;  /* Σp², Σpy */
};
void calibration_bin_add(struct calibration_bin *bin, double p, double y);

struct calibration {
    double n, mean_p, mean_y;
    double ece, mce, ace;   /* weighted mean, largest, unweighted mean of |p̄_b − ȳ_b| */
    double ece_bias;        /* what noise alone adds to ece: Σ w √(2ȳ(1−ȳ)/(π n_b)) */
    double rms;             /* √Σ w (p̄_b − ȳ_b)² */
    double debiased_square; /* over bins with n_b ≥ 2; may be negative */
    double debiased_error;  /* its root, 0 when negative: what alarms use */
    double brier, reliability, resolution, uncertainty;                        /* Murphy's terms */
    double reliability_corrected, resolution_corrected, uncertainty_corrected; /* Ferro & Fricker */
    double within_variance, within_covariance; /* brier = REL − RES + UNC + WBV − WBC */
    double difference;                         /* ȳ − p̄ */
    double observed_over_expected;
    double z, p;            /* calibration in the large: Σ(y−p)/√Σp(1−p) */
    double hosmer_lemeshow; /* with df = non-empty bins (external data) */
    double hosmer_lemeshow_df, hosmer_lemeshow_p;
};
struct calibration calibration_of(const struct calibration_bin *bins, size_t count);

/* Spiegelhalter's Z needs two sums of its own. */
struct spiegelhalter {
    double numerator, variance; /* Σ(y−p)(1−2p), Σ(1−2p)²p(1−p) */
};
void spiegelhalter_add(struct spiegelhalter *sums, double p, double y);
struct test_result spiegelhalter_test(const struct spiegelhalter *sums);

struct calibration_line {
    double intercept, slope;     /* logistic y ~ a + b·logit p; NaN: separated (|b| > 50) or one class */
    double intercept_at_slope_1; /* y ~ a + logit p */
};
/* Cox's recalibration line on the bins' mean probabilities, clipped to [1e-6, 1 − 1e-6]. `scratch` has room
 * for `count` points. */
struct calibration_line calibration_line(const struct calibration_bin *bins, size_t count,
                                         struct logistic_point *scratch);

/* Shares of positives that a calibrated bin of n events with mean probability p stays within, with
 * probability `level`: binomial quantiles / n. */
struct interval consistency_interval(double n, double mean_p, double level);

/* Equal-width bin ⌊count·p⌋ (p = 1 in the last); UINT32_MAX for p outside [0, 1]. */
uint32_t calibration_bin_index(double p, uint32_t count);
/* Equal-mass bins from finer ones in ascending order of p: a group closes when it holds (mass left)/(groups
 * left). Returns how many of `groups` were filled. */
size_t calibration_equal_mass(const struct calibration_bin *fine, size_t count, size_t groups,
                              struct calibration_bin *out);

#endif
