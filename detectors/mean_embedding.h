#ifndef DRIFTD_DETECTORS_MEAN_EMBEDDING_H
#define DRIFTD_DETECTORS_MEAN_EMBEDDING_H
/*
 * What a reference knows to compare a mean of random Fourier features with (METHODS §6): the kernel, and how
 * much such means vary. Shared by the family of all features and that of embeddings.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/multivariate.h"
#include "detectors/tally.h"

enum {
    MEAN_FREQUENCIES = 128,
    MEAN_FEATURES = 2 * MEAN_FREQUENCIES,
    MEAN_BANDWIDTH_ROWS = 1000, /* rows whose pairs give the bandwidth */
    MEAN_ROWS = 5000            /* rows whose features give the traces */
};

struct mean_embedding {
    double bandwidth; /* σ > 0: median distance of the reference's rows */
    uint32_t seed;
    double trace, trace2; /* tr Σ and tr Σ² of the features of the reference's rows; 0 when nothing varies */
    struct rff *rff;      /* owned; follows from the above */
};

/* From `n` rows of d numbers in an order that is random; `weight` NULL: 1 each. At most MEAN_ROWS are looked
 * at. A bandwidth that would be 0 becomes the root mean square distance, and if that is 0 too, 1. ERR_NOMEM.
 */
int mean_embedding_build(struct mean_embedding *embedding, const double *rows, const double *weight, size_t n,
                         uint32_t d) MUST_USE;
/* `rff` from bandwidth and seed. ERR_INVALID for a bandwidth that is not within 10⁻⁹ … 10⁹, ERR_NOMEM. */
int mean_embedding_prepare(struct mean_embedding *embedding, uint32_t d) MUST_USE;
void mean_embedding_release(struct mean_embedding *embedding);

/* Adds the features of a row, `times` times, to MEAN_FEATURES sums in units of 2⁻⁴⁰. O(128·d). */
void mean_embedding_add(const struct mean_embedding *embedding, const double *x, uint64_t times,
                        int128 *sums);
/* A window's sums against the reference's. */
struct mmd mean_embedding_compare(const struct mean_embedding *embedding, const int128 *sums, uint64_t n,
                                  const int128 *reference_sums, uint64_t reference_n);

/* ---- fixed point ---- */

/* rne(v) for |v| < 2^62: exact, so the same everywhere. */
static inline int64_t fixed_of(double v)
{
    const double magic = 6755399441055744.0; /* 1.5·2^52: above it there are no fractions */
    const double limit = 2251799813685248.0; /* 2^51 */
    return fabs(v) < limit ? (int64_t)((v + magic) - magic) : (int64_t)rint(v);
}

/* sums[i] += times · rne(values[i]·unit). */
void fixed_add(int128 *sums, const double *values, uint32_t count, double unit, uint64_t times);

#endif
