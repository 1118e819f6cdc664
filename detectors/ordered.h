#ifndef DRIFTD_DETECTORS_ORDERED_H
#define DRIFTD_DETECTORS_ORDERED_H
/*
 * Distances and tests between two samples counted in ordered bins (METHODS §2–§3): bin 0 is (−∞, e_0], bin b
 * is (e_{b−1}, e_b], the last one is above all edges; so bins = edges + 1. F and G are the cumulative shares
 * of reference and current at right edges. Statistics that need the place of values inside a bin come with
 * brackets; a value that has a bin of its own (nextafter(u), u] is exact. Pure functions, O(bins), nothing is
 * allocated. An empty sample gives NaN.
 */
#include <stdbool.h>
#include <stdint.h>

#include "detectors/distance.h"

/*
 * What lies beyond the outer edges: ∫ F dx below e_0 and ∫ (1−F) dx above the last edge, that is (share of
 * the sample in that bin) × (mean distance of those values from the edge). Units of x.
 */
struct tails {
    double below, above;
};

struct ordered_pair {
    struct count_pair counts;
    const double *edges; /* counts.bins − 1, ascending; borrowed */
    struct tails reference_tails, current_tails;
};

struct ordered_distances {
    double ks, ks_upper; /* max|F−G| at edges; ks ≤ D ≤ ks_upper for the values themselves */
    double w1;           /* ∫|F−G| dx, trapezoid, units of x */
    double w1_lower, w1_upper;
    double energy; /* √(2∫(F−G)² dx), F−G linear inside bins, tails as exponentials of their means */
};
struct ordered_distances ordered_distances(const struct ordered_pair *pair);

/*
 * Counts of merged bins shared out over the finer bins that `map` (fine → merged, ascending) merges, in
 * proportion to `shape` (evenly where that is zero): whole numbers, sums kept. A sample known only in merged
 * bins is compared by value better this way: if it has not drifted, its shape inside a bin is the other's.
 */
void refine_counts(const uint64_t *merged, const uint8_t *map, const uint64_t *shape, uint32_t fine_bins,
                   uint64_t *out);

/* Asymptotic p of D: Q(√n_e·D); `stephens` uses (√n_e + 0.12 + 0.11/√n_e)·D, better for n_e < 100. Ties and
 * bins make both conservative. */
double ks_p(double d, uint64_t n, uint64_t M, bool stephens);
/* P(D ≥ d) over all interleavings of n and M distinct values (Hodges 1957), by recursion on lattice paths.
 * O(n·M) time, O(M) memory: for small samples; NaN when n·M > 10^7 or out of memory. */
double ks_p_exact(double d, uint64_t n, uint64_t M);
/* D that noise exceeds with probability alpha: √(−ln(α/2)/(2 n_e)). */
double ks_critical(double alpha, double v);

/* distance/scale, 0 when the distance is 0 whatever the scale, NaN for any other distance of a constant. */
double normalised_distance(double distance, double scale);

/* Mean of W1 without drift: √(2v/π)·∫√(F(1−F)) dx over the reference (1.6147 for N(0,1)). Units of x. */
double w1_noise(const struct ordered_pair *pair);

/*
 * Cramér–von Mises T. `cvm_midrank` is Anderson's (1962) rank form with midranks: right for values, but with
 * ties of unequal samples it is biased upwards by about (n−M)²(n+M)/(12 B² n M). `cvm_binned` is
 * nM/(n+M)² Σ_pooled (F−G)², the square averaged over each bin with F−G linear, exact for bins of one value
 * in the limit and free of that bias: use it on bins.
 */
double cvm_midrank(const struct count_pair *pair);
double cvm_binned(const struct ordered_pair *pair);
/* p of T: standardised by its exact mean and variance, then the limit law. */
double cvm_p(double t, uint64_t n, uint64_t M);

/* Anderson–Darling A²_aN (Scholz & Stephens 1987, eq. 7): midranks, ties allowed. Limit critical values:
 * 10 % 1.933, 5 % 2.492, 1 % 3.878, 0.1 % 5.969. */
double anderson_darling(const struct count_pair *pair);
/* (A² − 1)/σ_N as tables and SciPy use it. O(n+M); NaN below n+M = 4. */
double anderson_darling_standardised(double a2, uint64_t n, uint64_t M);

/* P(a current value > a reference value) + ½P(equal): Mann–Whitney's U/(nM). */
double superiority(const struct count_pair *pair);

/* Population standard deviation of the reference with values clipped to its `share` and 1−`share` quantiles;
 * values spread evenly inside bins; the outer bins count as their edge. */
double winsorised_sd(const uint64_t *counts, const double *edges, uint32_t bins, double share);

#endif
