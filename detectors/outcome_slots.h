#ifndef DRIFTD_DETECTORS_OUTCOME_SLOTS_H
#define DRIFTD_DETECTORS_OUTCOME_SLOTS_H
/* Numbers of the slots of rows about outcomes. Private to detectors/; part of stored rows: append, never
 * renumber. X_LOW and X_HIGH are the 95 % interval of X. */

#define WITH_INTERVAL(name) name, name##_LOW, name##_HIGH
/* Between groups: largest less smallest, smallest over largest. To the whole: largest distance, worst ratio.
 */
#define PARITY(name)                                                                                         \
    PAR_##name##_DIFFERENCE, PAR_##name##_RATIO, PAR_##name##_TO_WHOLE, PAR_##name##_RATIO_TO_WHOLE

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

enum rates_slot { /* of a binary model: what has no room in its first row */
                  WITH_INTERVAL(RATE_FPR),
                  WITH_INTERVAL(RATE_FNR),
                  WITH_INTERVAL(RATE_NPV),
                  WITH_INTERVAL(RATE_PREVALENCE),
                  WITH_INTERVAL(RATE_SELECTION),
                  WITH_INTERVAL(RATE_BALANCED),
                  WITH_INTERVAL(RATE_GINI),
                  WITH_INTERVAL(RATE_LOG_LOSS),
                  WITH_INTERVAL(RATE_BRIER),
                  RATE_FDR,
                  RATE_FOR,
                  RATE_KAPPA,
                  RATE_CAPTURED_10,
                  RATE_AP_LOWER,
                  RATE_AP_UPPER,
                  RATES_SLOT_COUNT
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
    CAL_DIFFERENCE_LOW,
    CAL_DIFFERENCE_HIGH,
    CAL_RELIABILITY_CORRECTED, /* Ferro and Fricker */
    CAL_RESOLUTION_CORRECTED,
    CAL_UNCERTAINTY_CORRECTED,
    CAL_WITHIN_VARIANCE,
    CAL_WITHIN_COVARIANCE,
    CAL_DEBIASED_SQUARE,
    CAL_INTERCEPT_AT_1,
    CAL_ECE_EQUAL_MASS,
    CAL_DEBIASED_EQUAL_MASS,
    CAL_BINS_OUTSIDE,
    CAL_POSITIVE_SHARE,
    CAL_SHIFT,
    CALIBRATION_SLOT_COUNT
};

enum reliability_slot { /* of one bin of scores */
                        RELIABILITY_SCORE,
                        RELIABILITY_OBSERVED,
                        RELIABILITY_LOW, /* where the share of positives of a calibrated bin lies in 95 % */
                        RELIABILITY_HIGH,
                        RELIABILITY_OUTSIDE,
                        RELIABILITY_SHARE,
                        RELIABILITY_SLOT_COUNT
};

enum multiclass_slot {
    WITH_INTERVAL(MULTI_ACCURACY),
    MULTI_MACRO_PRECISION,
    MULTI_MACRO_RECALL,
    MULTI_MACRO_F1,
    MULTI_MICRO_PRECISION,
    MULTI_MICRO_RECALL,
    MULTI_MICRO_F1,
    MULTI_WEIGHTED_PRECISION,
    MULTI_WEIGHTED_RECALL,
    MULTI_WEIGHTED_F1,
    MULTI_BALANCED_ACCURACY,
    MULTI_MCC,
    MULTI_KAPPA,
    MULTI_CLASSES,
    MULTI_COVERAGE,
    MULTI_ECE,
    MULTI_ECE_BIAS,
    MULTI_MCE,
    MULTI_DEBIASED,
    MULTI_DEBIASED_P,
    MULTI_TOP_BRIER,
    MULTI_CONFIDENCE,
    MULTI_DIFFERENCE,
    MULTI_DIFFERENCE_P,
    WITH_INTERVAL(MULTI_LOG_LOSS),
    WITH_INTERVAL(MULTI_BRIER), /* over all classes */
    MULTI_CLASS_ECE,            /* mean of the classes */
    MULTI_CLASS_ECE_BIAS,
    MULTI_CLASS_ECE_WORST,
    MULTI_AUC, /* mean of one class against the rest */
    MULTI_AUC_ERROR,
    MULTI_SCORED,
    MULTI_UNNORMALISED,
    MULTICLASS_SLOT_COUNT
};

enum class_slot { /* of one class */
                  WITH_INTERVAL(CLASS_PRECISION),
                  WITH_INTERVAL(CLASS_RECALL),
                  CLASS_F1,
                  CLASS_SUPPORT,
                  CLASS_PREDICTED,
                  CLASS_SHARE,
                  CLASS_ECE, /* one class against the rest */
                  CLASS_ECE_BIAS,
                  CLASS_MCE,
                  CLASS_DEBIASED,
                  CLASS_DEBIASED_P,
                  CLASS_BRIER,
                  WITH_INTERVAL(CLASS_AUC),
                  CLASS_AUC_ERROR,
                  CLASS_MEAN_SCORE,
                  CLASS_DIFFERENCE,
                  CLASS_DIFFERENCE_P,
                  CLASS_SLOT_COUNT
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
    WITH_INTERVAL(REG_RESIDUAL_P5),
    WITH_INTERVAL(REG_RESIDUAL_P50),
    WITH_INTERVAL(REG_RESIDUAL_P95),
    REG_EXPLAINED_VARIANCE,
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
                     FAIR_ENTROPY_WITHIN,
                     FAIR_THEIL,
                     FAIR_VARIATION,
                     WITH_INTERVAL(FAIR_FNR_DIFFERENCE),
                     FAIR_SMALLEST_P, /* of all groups against the rest, corrected */
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
                  GRP_TNR,
                  GRP_FDR,
                  GRP_FOR,
                  GRP_ECE,
                  GRP_TREATMENT,
                  GRP_PREVALENCE,
                  GRP_FPR_GAP,
                  GRP_FPR_GAP_P,
                  GRP_PPV_GAP,
                  GRP_PPV_GAP_P,
                  GRP_ACCURACY_GAP,
                  GRP_ACCURACY_GAP_P,
                  GRP_SELECTION_SHORTFALL,
                  GRP_TPR_SHORTFALL,
                  GRP_SHARE,
                  GROUP_SLOT_COUNT
};

enum parity_slot { /* of an attribute */
                   PARITY(SELECTION),
                   PARITY(TPR),
                   PARITY(FPR),
                   PARITY(FNR),
                   PARITY(TNR),
                   PARITY(PPV),
                   PARITY(FOR),
                   PARITY(ACCURACY),
                   PARITY(TREATMENT),
                   PAR_ODDS_TO_WHOLE,
                   PAR_ODDS_RATIO_TO_WHOLE,
                   PAR_ODDS_MEAN_DIFFERENCE,
                   PAR_ODDS_MEAN_RATIO,
                   PARITY_SLOT_COUNT
};

enum facet_slot { /* of one disadvantaged group against the advantaged, by the names of SageMaker Clarify */
                  WITH_INTERVAL(FACET_DPL),
                  WITH_INTERVAL(FACET_DPPL),
                  WITH_INTERVAL(FACET_DI),
                  WITH_INTERVAL(FACET_RD),
                  WITH_INTERVAL(FACET_SD),
                  WITH_INTERVAL(FACET_DAR),
                  WITH_INTERVAL(FACET_DRR),
                  WITH_INTERVAL(FACET_AD),
                  FACET_CI,
                  FACET_KL,
                  FACET_JS,
                  FACET_LP,
                  FACET_TVD,
                  FACET_KS,
                  FACET_CDDL,
                  FACET_CDDPL,
                  FACET_DCA,
                  FACET_DCR,
                  FACET_TE,
                  FACET_GE,
                  FACET_DPPL_P,
                  FACET_RD_P,
                  FACET_DI_SHORTFALL,
                  FACET_DI_EXCESS,
                  FACET_SLOT_COUNT
};

#undef PARITY
#undef WITH_INTERVAL

#endif
