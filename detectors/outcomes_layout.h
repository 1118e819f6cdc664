#ifndef DRIFTD_DETECTORS_OUTCOMES_LAYOUT_H
#define DRIFTD_DETECTORS_OUTCOMES_LAYOUT_H
/* Where what is in the tallies of outcomes.h. Private to outcomes*.c; stored: append, never renumber. */
#include "detectors/outcomes.h"
#include "detectors/performance.h"

enum {
    OUT_BINARY_SEEN,                    /* binary predictions, labelled or not */
    OUT_REGRESSION_SEEN,                /* the same of regression */
    OUT_REGRESSION_N,                   /* labelled */
    OUT_CLIPPED,                        /* regression values beyond the range of sums */
    OUT_CLASS_ONLY,                     /* 4: label · 2 + predicted, of outcomes without a score in [0, 1] */
    OUT_SEEN_BINS = OUT_CLASS_ONLY + 4, /* scores of all predictions */
    OUT_SCORES = OUT_SEEN_BINS + OUTCOME_BIAS_BINS, /* [label · 2 + predicted][bin] */
    OUT_COUNTERS = OUT_SCORES + 4 * SCORE_BINS
};

enum {
    SUM_P, /* per calibration bin */
    SUM_P2 = SUM_P + OUTCOME_CALIBRATION_BINS,
    SUM_PY = SUM_P2 + OUTCOME_CALIBRATION_BINS,
    SUM_LOG_LOSS = SUM_PY + OUTCOME_CALIBRATION_BINS,
    SUM_SPIEGELHALTER, /* Σ(y−p)(1−2p) */
    SUM_SPIEGELHALTER_VARIANCE,
    SUM_ERROR, /* regression, in units */
    SUM_ERROR2,
    SUM_ABS_ERROR,
    SUM_ABS_SHARE, /* without unit */
    SUM_ABS_SYMMETRIC,
    SUM_ABS_Y,
    SUM_Y,
    SUM_Y2,
    OUT_SUMS
};

#define OUT_SCALE 0x1p40 /* of every sum */

enum { GROUP_TP, GROUP_FP, GROUP_FN, GROUP_TN, GROUP_SEEN_POSITIVE, GROUP_SEEN_NEGATIVE, GROUP_COUNTERS };
enum { GROUP_SUM_P, GROUP_SCORED_N, GROUP_SUMS }; /* sums: of labelled scores, and how many there are */

#endif
