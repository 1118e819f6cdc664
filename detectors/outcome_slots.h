#ifndef DRIFTD_DETECTORS_OUTCOME_SLOTS_H
#define DRIFTD_DETECTORS_OUTCOME_SLOTS_H
/* Numbers of the slots of rows about outcomes. Private to detectors/; part of stored rows: append, never
 * renumber. X_LOW and X_HIGH are the 95 % interval of X. */

#define WITH_INTERVAL(name) name, name##_LOW, name##_HIGH

enum performance_slot {
    WITH_INTERVAL(PERF_ACCURACY),
    WITH_INTERVAL(PERF_PRECISION),
    WITH_INTERVAL(PERF_RECALL),
    WITH_INTERVAL(PERF_SPECIFICITY),
    WITH_INTERVAL(PERF_F1),
    WITH_INTERVAL(PERF_MCC),
    WITH_INTERVAL(PERF_AUC),
    WITH_INTERVAL(PERF_AP),
    PERF_AUC_ERROR,
    PERF_FPR,
    PERF_FNR,
    PERF_NPV,
    PERF_BALANCED_ACCURACY,
    PERF_KAPPA,
    PERF_PREVALENCE,
    PERF_SELECTION_RATE,
    PERF_LOG_LOSS,
    PERF_BRIER,
    PERF_KS,
    PERF_LIFT_10,
    PERF_COVERAGE,
    PERF_LABEL_BIAS,
    PERF_LABEL_BIAS_P,
    PERFORMANCE_SLOT_COUNT
};

enum calibration_slot {
    CAL_ECE,
    CAL_ECE_BIAS,
    CAL_MCE,
    CAL_ACE,
    CAL_RMS,
    CAL_DEBIASED,
    CAL_RELIABILITY,
    CAL_RESOLUTION,
    CAL_UNCERTAINTY,
    CAL_DIFFERENCE,
    CAL_DIFFERENCE_P,
    CAL_OVER_EXPECTED,
    CAL_HOSMER_LEMESHOW,
    CAL_HOSMER_LEMESHOW_P,
    CAL_SPIEGELHALTER,
    CAL_SPIEGELHALTER_P,
    CAL_SLOPE,
    CAL_INTERCEPT,
    CAL_MEAN_SCORE,
    CALIBRATION_SLOT_COUNT
};

enum regression_slot {
    WITH_INTERVAL(REG_BIAS),
    WITH_INTERVAL(REG_MAE),
    REG_MSE,
    REG_RMSE,
    REG_MAPE,
    REG_SMAPE,
    REG_WAPE,
    REG_R2,
    REG_RESIDUAL_SD,
    REG_TARGET_MEAN,
    REG_COVERAGE,
    REG_CLIPPED,
    REGRESSION_SLOT_COUNT
};

enum fairness_slot { /* of an attribute */
                     WITH_INTERVAL(FAIR_SELECTION_DIFFERENCE),
                     WITH_INTERVAL(FAIR_DISPARATE_IMPACT),
                     WITH_INTERVAL(FAIR_OPPORTUNITY_DIFFERENCE),
                     WITH_INTERVAL(FAIR_FPR_DIFFERENCE),
                     WITH_INTERVAL(FAIR_PARITY_DIFFERENCE),
                     WITH_INTERVAL(FAIR_ACCURACY_DIFFERENCE),
                     FAIR_ODDS_DIFFERENCE,
                     FAIR_ODDS_RATIO,
                     FAIR_GROUPS,
                     FAIR_NULL_DIFFERENCE,
                     FAIR_NULL_RATIO,
                     FAIR_ENTROPY,
                     FAIR_ENTROPY_BETWEEN,
                     FAIRNESS_SLOT_COUNT
};

enum group_slot { /* of one value of an attribute */
                  WITH_INTERVAL(GRP_SELECTION),
                  WITH_INTERVAL(GRP_TPR),
                  WITH_INTERVAL(GRP_FPR),
                  WITH_INTERVAL(GRP_FNR),
                  WITH_INTERVAL(GRP_PPV),
                  WITH_INTERVAL(GRP_ACCURACY),
                  GRP_SELECTION_GAP,
                  GRP_SELECTION_GAP_P,
                  GRP_TPR_GAP,
                  GRP_TPR_GAP_P,
                  GRP_CALIBRATION_GAP,
                  GROUP_SLOT_COUNT
};

#undef WITH_INTERVAL

#endif
