#ifndef DRIFTD_DETECTORS_OUTCOMES_LAYOUT_H
#define DRIFTD_DETECTORS_OUTCOMES_LAYOUT_H
/* Where what is in the tallies of outcomes.h. Private to outcomes*.c; stored: append, never renumber. */
#include "detectors/class_scores.h"
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
    SUM_Y_STEPS, /* of y in whole steps of unit/2^20, so that the squares are exact */
    SUM_Y2_STEPS,
    SUM_LOG_LOSS2, /* squares of losses, for intervals of their means */
    SUM_BRIER2,
    OUT_SUMS
};

#define OUT_SCALE      0x1p40 /* of every sum but SUM_Y_STEPS and SUM_Y2_STEPS */
#define OUT_STEP_SCALE 0x1p20

/* rint is exact everywhere, unlike exp, log and their kin. */
void outcome_sum_add(struct tally *tally, uint32_t at, double value, int sign);
void outcome_count(struct tally *tally, uint32_t at, int sign);
double outcome_sum(const struct tally *tally, uint32_t at);

enum {
    GROUP_TP,
    GROUP_FP,
    GROUP_FN,
    GROUP_TN,
    GROUP_SEEN_POSITIVE, /* all predictions */
    GROUP_SEEN_NEGATIVE,
    GROUP_SCORED, /* labelled, with a score in [0, 1] */
    GROUP_COUNTERS
};
enum { GROUP_GAPS, GROUP_SUMS = GROUP_GAPS + OUTCOME_CALIBRATION_BINS }; /* Σ(y−p) per calibration bin */

enum { CLASS_SLOTS = OUTCOME_CLASS_SLOTS, CLASS_INNER_SLOTS = OUTCOME_CLASS_OTHER + 1 };
enum {
    CLASS_SEEN,                    /* predictions, labelled or not */
    CLASS_SCORED = CLASS_SEEN + 1, /* labelled, with a score in [0, 1], per calibration bin */
    CLASS_HITS = CLASS_SCORED + OUTCOME_CALIBRATION_BINS, /* of them those that were right */
    CLASS_CELLS = CLASS_HITS + OUTCOME_CALIBRATION_BINS,  /* [truth][predicted], of the first slots */
    /* Of a slot m beyond: truth m by predicted 0…m, then predicted m by truth 0…m−1. */
    CLASS_COUNTERS = CLASS_CELLS + CLASS_SLOTS * CLASS_SLOTS
};
static inline uint32_t class_cell(uint32_t truth, uint32_t predicted)
{
    uint32_t most = truth > predicted ? truth : predicted;
    if (most < CLASS_INNER_SLOTS)
        return CLASS_CELLS + truth * CLASS_INNER_SLOTS + predicted;
    return CLASS_CELLS + most * most + (truth == most ? predicted : most + 1 + truth);
}
enum {
    CLASS_SUM_P,
    CLASS_SUM_P2 = CLASS_SUM_P + OUTCOME_CALIBRATION_BINS,
    CLASS_SUM_PY = CLASS_SUM_P2 + OUTCOME_CALIBRATION_BINS,
    CLASS_SUMS = CLASS_SUM_PY + OUTCOME_CALIBRATION_BINS
}; /* per calibration bin; y: was it right? */

/* Scores of all classes: one class against the rest. Of a class that an event gives 0 and that is not true
 * nothing is counted: those events are CLASSES_N less the class's own. The first of 200 bins of equal width
 * is ten, by octaves, since most classes of most events have next to nothing. */
enum {
    CLASSES_LOW_BINS = 11,
    CLASSES_WIDE_BINS = 200,
    CLASSES_BINS = CLASSES_LOW_BINS + CLASSES_WIDE_BINS - 1
};
enum {
    CLASSES_N,            /* labelled, with scores */
    CLASSES_UNNORMALISED, /* of them those whose scores are not 1 together */
    CLASSES_COUNTS,       /* [class][is it true?][bin] */
    CLASSES_COUNTERS = CLASSES_COUNTS + CLASS_SCORES_MAX * 2 * CLASSES_BINS
};
enum {
    CLASSES_LOSS,
    CLASSES_LOSS2,
    CLASSES_BRIER,
    CLASSES_BRIER2,
    CLASSES_SUM_P2, /* of each class */
    CLASSES_SUM_PY = CLASSES_SUM_P2 + CLASS_SCORES_MAX,
    CLASSES_SUM_P = CLASSES_SUM_PY + CLASS_SCORES_MAX, /* of each class, per calibration bin */
    CLASSES_SUMS = CLASSES_SUM_P + CLASS_SCORES_MAX * OUTCOME_CALIBRATION_BINS
};

#endif
