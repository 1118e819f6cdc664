#ifndef DRIFTD_DETECTORS_CENTROID_NULL_H
#define DRIFTD_DETECTORS_CENTROID_NULL_H
/*
 * How far apart the centroids of two random blocks of the reference's vectors are (METHODS §6): the 99.9 %
 * quantiles of the Euclidean and the cosine distance, for a few sizes of blocks, by bootstrap. Drawn when a
 * reference is built and part of it ever after. What a window of n is judged by is read off for n.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/multivariate.h"

enum { CENTROID_BLOCKS = 3, CENTROID_ROWS_MIN = 30 };

struct centroid_null {
    uint32_t count; /* of sizes; 0: not known */
    uint32_t rows[CENTROID_BLOCKS];
    struct centroid_distance limits[CENTROID_BLOCKS];
};

/* From n unit vectors of d numbers, `weight` how often each stands. Pairs of blocks are drawn with
 * replacement; of 32, 128 and 512 vectors, as far as 2^29 additions go for 2,000 pairs, and then as many
 * pairs as they go for, at most 10,000. Fewer than CENTROID_ROWS_MIN rows: not known. Deterministic, no libm
 * but sqrt. ERR_NOMEM. About 0.2 s. */
int centroid_null_build(struct centroid_null *null, const double *units, const double *weight, size_t n,
                        uint32_t d, uint64_t seed) MUST_USE;

/* For blocks of n, by a straight line in 1/√n between the sizes. Beyond the largest Euclidean distances go on
 * as 1/√n, and cosine distances are at most e²/(2|μ|²), e the Euclidean limit, `square` = |μ|² of the
 * reference's centroid. NaN: not known. */
struct centroid_distance centroid_null_limit(const struct centroid_null *null, double n, double square);

#endif
