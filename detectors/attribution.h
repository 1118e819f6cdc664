#ifndef DRIFTD_DETECTORS_ATTRIBUTION_H
#define DRIFTD_DETECTORS_ATTRIBUTION_H
/*
 * Which features and segments a change comes from: drift of feature attributions (METHODS §11) and exact
 * decompositions of PSI, JS and KL (§14). Pure functions; undefined is NaN.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct attribution_drift {
    double ndcg;     /* gain: baseline mean |attribution|; order: live; 1 = same order. Alarm below 0.90 */
    double share_l1; /* Σ |share − baseline share| */
    double share_js; /* Jensen–Shannon distance of the shares, base 2 */
    double spearman; /* rank correlation, ties share ranks */
};
/* Mean |attribution| per feature, same order in both; ties of live values keep the baseline's order. All zero
 * on one side: NaN. O(n log n); ERR_NOMEM. */
int attribution_drift(const double *baseline, const double *live, uint32_t count,
                      struct attribution_drift *out) MUST_USE;

/* Terms of two frequency vectors, all ≥ 0; their sum is the divergence. 0·log 0 = 0; a PSI term with exactly
 * one zero is NaN (smooth first). */
double psi_term(double p, double q);
double js_term(double p, double q); /* nats */

/*
 * PSI between two count matrices by segment (rows) and bin (columns), split into what the shares of the
 * segments did (mix) and what happened inside (within): Σ (mix + within) = PSI exactly; parts may be
 * negative. kl_chain sums to KL(current‖reference) of the joint distribution. Counts may be fractional: add ½
 * to every cell beforehand, a marginal bin that is empty on one side only makes everything NaN.
 */
struct segment_part {
    double mix, within, total;
    double kl_chain;    /* w ln(w/v) + w KL(q_s‖p_s) */
    double kl_debiased; /* w KL(q_s‖p_s) − w (B−1)(1/n_s + 1/M_s)/2 */
};
struct segment_sum {
    double psi, kl_joint;
};
/* parts: `segments` entries; bin_terms: `bins` entries or NULL. O(segments·bins); ERR_NOMEM. */
int psi_segments(const double *reference, const double *current, uint32_t segments, uint32_t bins,
                 struct segment_part *parts, double *bin_terms, struct segment_sum *out) MUST_USE;

#endif
