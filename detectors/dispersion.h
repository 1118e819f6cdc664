#ifndef DRIFTD_DETECTORS_DISPERSION_H
#define DRIFTD_DETECTORS_DISPERSION_H
/*
 * How much more the counts of stretches of time vary than those of independent events would (METHODS §4.6): φ
 * of blocks of 1, 2, 4 … minutes of the reference's own events against all of them. 1 is what independent
 * events give.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

enum {
    DISPERSION_LEVELS = 16,      /* up to 22 days */
    DISPERSION_BLOCKS_LEAST = 20 /* of a length, or it is not measured */
};
#define DISPERSION_UNIT_MS 60000

/* Of one feature; both rise with the level. */
struct dispersion {
    uint32_t levels;                   /* that were measured; 0: nothing is known */
    double pearson[DISPERSION_LEVELS]; /* of counts: mean Pearson statistic / (B − 1) */
    double score[DISPERSION_LEVELS];   /* of Σs and Σ(s² − 1), the larger: mean of z² */
};

struct dispersion_at {
    double pearson, all; /* φ_X, and φ = max(1, φ_X, φ_s) */
};
/* Of stretches of that length: the next longer level; beyond the longest it grows as the length does. NULL or
 * nothing measured: 1. */
struct dispersion_at dispersion_at(const struct dispersion *dispersion, int64_t length_ms);
/* `into` becomes the larger of both at each level. */
void dispersion_join(struct dispersion *into, const struct dispersion *other);

#endif
