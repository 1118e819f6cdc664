#ifndef DRIFTD_DETECTORS_QUALITY_H
#define DRIFTD_DETECTORS_QUALITY_H
/*
 * Data quality, anomalous inputs and confidence of predictions (METHODS §10, §11). Pure functions of counts;
 * undefined is NaN.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detectors/intervals.h"

/* A rate of the window against the reference's: pooled z, or Fisher's exact test when an expected count is
 * below 5 (then `statistic` still is z). */
struct rate_change {
    double difference;        /* k/n − K/M */
    struct interval interval; /* Newcombe, 95 % */
    struct test_result test;
    bool exact;
};
struct rate_change rate_change(uint64_t k, uint64_t n, uint64_t reference_k, uint64_t reference_n);

/* P(at least k of n new values lie outside the range of M reference values), if nothing changed: the limits
 * are shared, so the count is beta-binomial(n, 2, M − 1), not binomial. M ≥ 2. O(min(k, M, 10^5)). */
double out_of_range_p(uint64_t k, uint64_t n, uint64_t reference_n);
/* Its mean share 2/(M + 1). */
double out_of_range_expected(uint64_t reference_n);

/* Events in a pane against the expected `mean` with overdispersion `phi` ≥ 1: z. */
double volume_z(double count, double mean, double phi);
/* Share of repeats Σ(m − 1)/Σm from multiplicities. */
double duplicate_share(const uint64_t *multiplicities, size_t count);

/*
 * Histogram outlier score (HBOS): per feature log2(largest density / density here), summed by the caller.
 * Bins are right-closed (e_{i−1}, e_i], the first also holds its lower edge. Densities of empty bins and of
 * values outside are floored at (½/(N+1))/range.
 */
double hbos_term(const double *edges, const uint64_t *counts, size_t bins, double x);
/* Missing values: their share relative to the share of the fullest bin. */
double hbos_missing_term(const uint64_t *counts, size_t bins, uint64_t missing);
/* All terms of one feature: out[0] below, out[1 … bins] the bins, out[bins + 1] above. */
void hbos_terms(const double *edges, const uint64_t *counts, size_t bins, double *out);

struct confidence {
    double entropy;            /* nats */
    double entropy_normalised; /* / ln K; NaN for one class */
    double maximum, margin;    /* largest, largest − second */
    double gini;               /* 1 − Σp² */
};
/* Of a probability vector. O(classes). */
struct confidence confidence_of(const double *p, size_t classes);

#endif
