#ifndef DRIFTD_DETECTORS_ROOT_CAUSE_H
#define DRIFTD_DETECTORS_ROOT_CAUSE_H
/*
 * Which segments a drift comes from (METHODS §14): the PSI of a feature, exactly split by the segments of one
 * key into what their shares did (mix) and what happened inside them (within). Pure functions of counts.
 */
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/report.h"

struct cause {
    double mix, within, part; /* part = mix + within; all parts add up to the PSI of these counts */
    double share;             /* part over that PSI; NaN when the PSI is 0 */
    double kl, kl_debiased;   /* the segment's term of the joint divergence, less sampling noise */
    double p;                 /* of the segment's own two-sample χ², Benjamini-Hochberg adjusted */
    uint64_t n, reference_n;
};

/*
 * Counts are segment by segment, `bins` each, of the reference and the window; the segments of one key, with
 * what belongs to none as the last. ½ is added to every cell. Returns 0 or ERR_NOMEM. O(segments · bins).
 */
int causes_of(const uint64_t *reference, const uint64_t *current, uint32_t segments, uint32_t bins,
              struct cause *out) MUST_USE;
/* The row of one segment; the subject's index is the caller's. */
void cause_row(const struct cause *cause, struct report_row *row);

#endif
