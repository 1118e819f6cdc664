#ifndef DRIFTD_DETECTORS_DISTANCE_H
#define DRIFTD_DETECTORS_DISTANCE_H
/*
 * Distances and tests between two vectors of counts over the same bins, in any order (METHODS §3): reference
 * r_j with M = Σr_j, current c_j with n = Σc_j, frequencies p = r/M and q = c/n, v = 1/n + 1/M, smoothed
 * p̃ = (r+s)/(M+sB) with s = ½ (Jeffreys). Pure functions; nothing is allocated. Counts below 2^53.
 *
 * An empty sample or no bins: everything is NaN (undefined). Where a formula is infinite it stays so here;
 * drift.c decides what becomes of it. What needs the order of bins is in ordered.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JEFFREYS 0.5

enum { COUNT_BINS_MAX = 256 };

struct count_pair {
    const uint64_t *reference, *current; /* borrowed */
    uint32_t bins;
    uint64_t M, n;     /* totals */
    uint32_t nonempty; /* bins with r + c > 0 */
};

struct count_pair count_pair_of(const uint64_t *reference, const uint64_t *current, uint32_t bins);
/* v = 1/n + 1/M. */
double count_pair_variance(const struct count_pair *pair);

struct frequency_distances {
    double psi;           /* Σ (q̃−p̃) ln(q̃/p̃) */
    double kl;            /* Σ q̃ ln(q̃/p̃): current against reference */
    double kl_reverse;    /* Σ p̃ ln(p̃/q̃); psi = kl + kl_reverse */
    double kl_raw;        /* Σ q ln(q/p) without smoothing; may be infinite */
    double js_divergence; /* nats, in [0, ln 2] */
    double js_distance;   /* √(js_divergence/ln 2), in [0,1]: a metric (Endres & Schindelin 2003) */
    double hellinger;     /* √(1 − Σ√(pq)); below 1e-8 it is rounding and given as 0 */
    double total_variation;
    double linf;
    double cohen_w; /* √Σ (q̃−p̃)²/p̃ */
};
/* O(bins); one log per bin for PSI and KL together, up to three more for JS and the raw KL. */
struct frequency_distances frequency_distances(const struct count_pair *pair, double smoothing);
/* The summands of PSI, one per bin; out holds pair->bins. */
void psi_terms(const struct count_pair *pair, double smoothing, double *out);
/* Hellinger distance of two frequency vectors alone. */
double hellinger_distance(const struct count_pair *pair);

/*
 * Without drift PSI/v follows χ² with df = B−1 for quantile-like bins (Yurdakul 2018), and so, with their own
 * factor κ, do KL (½), JS in nats and squared Hellinger (1/8). df = non-empty bins − 1; df 0: all zero, p
 * = 1.
 */
struct psi_null {
    double mean, sd;
    double threshold; /* exceeded with probability alpha */
};
struct psi_null psi_null(double v, uint32_t df, double alpha);
double psi_p(double psi, double v, uint32_t df);
/* What noise alone exceeds with probability ≤ alpha: mean under the null + McDiarmid's deviation; and
 * Bonferroni over bins. */
double total_variation_floor(const struct count_pair *pair, double alpha);
double linf_floor(const struct count_pair *pair, double alpha);

struct count_tests {
    double chi2, chi2_p; /* Pearson's two-sample χ², no continuity correction */
    double g, g_p;       /* likelihood ratio */
    double cramers_v;    /* √(χ²/(n+M)) */
    uint32_t df;         /* non-empty bins − 1; 0 gives statistics 0 and p = 1 */
};
struct count_tests count_tests(const struct count_pair *pair);
/*
 * Pools bins, smallest first, until every column has an expected count of at least `expected_min` in the
 * smaller sample. Returns the number of columns written (non-empty ones only, order not kept).
 */
uint32_t count_pool(const struct count_pair *pair, double expected_min, uint64_t *out_reference,
                    uint64_t *out_current);
/*
 * The p-value of χ² by `draws` random divisions of the pooled sample into n and M, (1 + hits)/(1 + draws).
 * The draws are a function of the counts: equal counts give an equal p. O(draws·n·bins): for small n.
 */
double chi2_permutation_p(const struct count_pair *pair, uint32_t draws);
/* One-sample χ² that takes the reference for exact, as some tools do: rejects too often; for comparison only.
 */
double chi2_known_reference_p(const struct count_pair *pair);

/*
 * PSI and KL(reference‖current) with empty cells filled as Evidently does: 1e-4, or the smallest positive
 * share over 10^6 when that is ≤ 1e-4; KL renormalises. For comparison with its numbers only.
 */
struct filled_distances {
    double psi, kl_reverse;
};
struct filled_distances filled_distances(const double *reference, const double *current, size_t bins);

#endif
