#ifndef DRIFTD_DETECTORS_SCORE_SLOTS_H
#define DRIFTD_DETECTORS_SCORE_SLOTS_H
/* Numbers of the slots of rows about predictions without labels, and of comparisons with labelled ones.
 * Private to detectors/; part of stored rows: append, never renumber. X_LOW and X_HIGH are an interval of X.
 */

#define WITH_INTERVAL(name) name, name##_LOW, name##_HIGH

enum predictions_slot {
    WITH_INTERVAL(PRED_RATE),
    WITH_INTERVAL(PRED_RATE_DELTA),
    PRED_RATE_DELTA_P,
    PRED_MEAN_SCORE,
    PRED_MEAN_DELTA,
    PRED_SCORED,
    PRED_OUTSIDE,
    PREDICTIONS_SLOT_COUNT
};

/* Of an estimated metric: ±3 sampling errors, the distance from the reference in sd of its chunks, and what
 * the reference's chunks say is usual. */
#define ESTIMATED(name) WITH_INTERVAL(name), name##_SHIFT, name##_LOWER, name##_UPPER
enum estimated_slot {
    ESTIMATED(EST_ACCURACY),
    ESTIMATED(EST_PRECISION),
    ESTIMATED(EST_RECALL),
    ESTIMATED(EST_F1),
    ESTIMATED(EST_AUC),
    EST_EXTRAPOLATING,
    EST_UNCOVERED,
    EST_CALIBRATOR,
    ESTIMATED_SLOT_COUNT
};

enum estimate_error_slot {
    ERR_ACCURACY,
    ERR_PRECISION,
    ERR_RECALL,
    ERR_F1,
    ERR_AUC,
    ESTIMATE_ERROR_SLOT_COUNT
};

/* Of a comparison with the labelled reference: what changed, and by how much it got worse; a fall below FLOOR
 * is one that the 95 % interval does not exclude. */
#define COMPARED(name) WITH_INTERVAL(name##_DELTA), name##_P, name##_DROP, name##_FLOOR
enum comparison_slot {
    COMPARED(CMP_ACCURACY),
    COMPARED(CMP_PRECISION),
    COMPARED(CMP_RECALL),
    COMPARED(CMP_SPECIFICITY),
    COMPARED(CMP_F1),
    COMPARED(CMP_AUC),
    WITH_INTERVAL(CMP_BRIER_DELTA),
    CMP_BRIER_P,
    COMPARISON_SLOT_COUNT
};

enum regression_comparison_slot {
    WITH_INTERVAL(CMP_MAE_DELTA),
    CMP_MAE_P,
    CMP_MAE_INCREASE,
    CMP_MAE_FLOOR,
    WITH_INTERVAL(CMP_RMSE_DELTA),
    CMP_RMSE_P,
    CMP_RMSE_INCREASE,
    CMP_RMSE_FLOOR,
    CMP_BIAS_DELTA,
    REGRESSION_COMPARISON_SLOT_COUNT
};

/* Of two versions, first less second, on the same window. */
enum versions_slot {
    WITH_INTERVAL(VS_ACCURACY),
    VS_ACCURACY_P,
    WITH_INTERVAL(VS_AUC),
    VS_AUC_P,
    WITH_INTERVAL(VS_BRIER),
    VS_BRIER_P,
    WITH_INTERVAL(VS_F1),
    VS_F1_P,
    WITH_INTERVAL(VS_MAE),
    VS_MAE_P,
    VS_PAIRED,
    VS_BOTH_RIGHT,
    VS_ONLY_FIRST,
    VS_ONLY_SECOND,
    VS_BOTH_WRONG,
    VS_MCNEMAR_P,
    VERSIONS_SLOT_COUNT
};

/* Of labels against the labelled reference (LABEL_), and of labels given the score (CONCEPT_). */
enum label_drift_slot {
    WITH_INTERVAL(LABEL_RATE_DELTA),
    LABEL_RATE_P,
    LABEL_JS,
    LABEL_ROOT_FLOOR,
    LABEL_CHI2,
    LABEL_CHI2_P,
    WITH_INTERVAL(LABEL_MEAN_DELTA),
    LABEL_MEAN_P,
    LABEL_MEAN_SHIFT,
    CONCEPT_P,
    CONCEPT_BINS,
    CONCEPT_BINS_P, /* CONCEPT_P again: no value is the p of another */
    CONCEPT_TESTED,
    WITH_INTERVAL(CONCEPT_DELTA),
    CONCEPT_SCORE_LOW,
    CONCEPT_SCORE_HIGH,
    CONCEPT_SCORE_PSI,
    CONCEPT_SCORE_FLOOR,
    CONCEPT_HINT,
    LABEL_DRIFT_SLOT_COUNT
};

#undef WITH_INTERVAL
#undef ESTIMATED
#undef COMPARED

#endif
