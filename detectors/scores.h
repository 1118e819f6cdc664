#ifndef DRIFTD_DETECTORS_SCORES_H
#define DRIFTD_DETECTORS_SCORES_H
/*
 * The family of scores (METHODS §7.1, §7.4): of all predictions of a binary model, labelled or not, a
 * histogram of 1,000 equal-width, left-closed bins by predicted class, and Σp. It reports how often the model
 * says yes and its mean score, and, where the reference holds labels, the performance that these scores
 * promise (cbpe.h). O(1) per event; 2,004 counters, sparse on disk.
 */
#include "detectors/families.h"

/* Counters; stored: append, never renumber. */
enum {
    SCORES_CLASS_ONLY, /* 2: by predicted class, of predictions without a score in [0, 1] */
    SCORES_SCORED = SCORES_CLASS_ONLY + 2, /* predictions with a score, in [0, 1] or not */
    SCORES_CLIPPED,                        /* scores beyond ±2^31, which Σ holds as ±2^31 */
    SCORES_BINS,                           /* [predicted][bin] */
    SCORES_COUNTERS = SCORES_BINS + 2 * 1000
};
enum { SCORES_SUM, SCORES_SUM_INSIDE /* of the scores in [0, 1] */, SCORES_SUMS }; /* 2^-40 */

extern const struct family_ops scores_family;

#endif
