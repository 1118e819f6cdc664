#include "detectors/report.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "detectors/feature_slots.h"
#include "detectors/outcome_slots.h"

static_assert((int)FEATURE_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for the family of features");
static_assert((int)PERFORMANCE_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for performance");
static_assert((int)CALIBRATION_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for calibration");
static_assert((int)REGRESSION_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for regression");
static_assert((int)FAIRNESS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for fairness");
static_assert((int)GROUP_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for groups");

#define BOTH (METRIC_NUMERIC | METRIC_CATEGORICAL)

/* Noise of X = Σ(q−p)²/p carries over with the curvature κ of the divergence: JS in bits κ = 1/(8 ln 2),
 * squared Hellinger κ = 1/8 (METHODS §3.2). */
#define JS_FLOOR_SCALE        0.42466090014400953 /* √(1/(8 ln 2)) */
#define HELLINGER_FLOOR_SCALE 0.35355339059327379 /* √(1/8) */
/* W1 stays below 4.2 times its mean under the null with probability 0.999 also for two-valued features. */
#define W1_FLOOR_SCALE 4.2

/* A metric without p, floor or bands. */
#define PLAIN(name_, kinds_, slot_, minimum_, summary_)                                                      \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = -1,        \
        .floor_slot = -1, .low_slot = -1, .high_slot = -1, .floor_scale = 1, .has_minimum_n = (minimum_),    \
        .warning = NAN, .critical = NAN, .summary = (summary_)                                               \
    }
#define TEST(name_, kinds_, slot_, p_, summary_)                                                             \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = (p_),      \
        .floor_slot = -1, .low_slot = -1, .high_slot = -1, .floor_scale = 1, .has_minimum_n = 0,             \
        .warning = NAN, .critical = NAN, .summary = (summary_)                                               \
    }
#define DISTANCE(name_, kinds_, slot_, p_, floor_, scale_, warning_, critical_, summary_)                    \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = (p_),      \
        .floor_slot = (floor_), .low_slot = -1, .high_slot = -1, .floor_scale = (scale_),                    \
        .has_minimum_n = 1, .warning = (warning_), .critical = (critical_), .summary = (summary_)            \
    }
#define DELTA(name_, kinds_, slot_, p_, summary_)                                                            \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = (p_),      \
        .floor_slot = -1, .low_slot = -1, .high_slot = -1, .floor_scale = 1, .has_minimum_n = 0,             \
        .warning = 0.01, .critical = 0.05, .summary = (summary_)                                             \
    }

/* Metrics of outcomes: both bits, since their rows have no type of feature. */
#define OUTCOME(family_, name_, slot_, p_, low_, high_, warning_, critical_, summary_)                       \
    {                                                                                                        \
        .name = (name_), .family = (family_), .kinds = BOTH, .slot = (slot_), .p_slot = (p_),                \
        .floor_slot = -1, .low_slot = (low_), .high_slot = (high_), .floor_scale = 1, .has_minimum_n = 1,    \
        .warning = (warning_), .critical = (critical_), .summary = (summary_)                                \
    }
#define VALUE(family_, name_, slot_, summary_) OUTCOME(family_, name_, slot_, -1, -1, -1, NAN, NAN, summary_)
#define RANGE(family_, name_, slot_, summary_)                                                               \
    OUTCOME(family_, name_, slot_, -1, slot_##_LOW, slot_##_HIGH, NAN, NAN, summary_)
#define JUDGED(family_, name_, slot_, p_, warning_, critical_, summary_)                                     \
    OUTCOME(family_, name_, slot_, p_, -1, -1, warning_, critical_, summary_)

/* Bands: METHODS §15. The second band of KL is half of PSI's, as the divergence is. */
const struct metric metric_table[] = {
    DISTANCE("psi", BOTH, SLOT_PSI, SLOT_PSI_P, SLOT_DIVERGENCE_FLOOR, 1, 0.10, 0.25,
             "population stability index on 10 reference deciles or the categories"),
    PLAIN("psi_debiased", BOTH, SLOT_PSI_DEBIASED, 1, "PSI less what sampling alone adds on average"),
    DISTANCE("kl", BOTH, SLOT_KL, -1, SLOT_DIVERGENCE_FLOOR, 0.5, 0.05, 0.125,
             "Kullback-Leibler divergence of the window from the reference, nats"),
    DISTANCE("js", BOTH, SLOT_JS, -1, SLOT_ROOT_FLOOR, JS_FLOOR_SCALE, 0.10, 0.20,
             "Jensen-Shannon distance (root of the divergence in bits), 0 to 1"),
    DISTANCE("hellinger", BOTH, SLOT_HELLINGER, -1, SLOT_ROOT_FLOOR, HELLINGER_FLOOR_SCALE, 0.10, 0.20,
             "Hellinger distance, 0 to 1"),
    DISTANCE("total_variation", BOTH, SLOT_TOTAL_VARIATION, -1, SLOT_TOTAL_VARIATION_FLOOR, 1, 0.10, 0.20,
             "share of events that would have to move to another bin"),
    DISTANCE("linf", BOTH, SLOT_LINF, -1, SLOT_LINF_FLOOR, 1, 0.10, 0.20,
             "largest change of one bin's share"),
    DISTANCE("ks", METRIC_NUMERIC, SLOT_KS, SLOT_KS_P, SLOT_KS_FLOOR, 1, 0.10, 0.20,
             "Kolmogorov-Smirnov distance, read at bin edges"),
    PLAIN("ks_upper", METRIC_NUMERIC, SLOT_KS_UPPER, 1,
          "what the Kolmogorov-Smirnov distance of the values can be at most"),
    PLAIN("w1", METRIC_NUMERIC, SLOT_W1, 1, "Wasserstein-1 distance in units of the feature"),
    DISTANCE("w1_normalized", METRIC_NUMERIC, SLOT_W1_NORMALIZED, -1, SLOT_W1_NOISE, W1_FLOOR_SCALE, 0.10,
             0.25, "Wasserstein-1 distance over the reference's standard deviation (clipped at 1 and 99 %)"),
    PLAIN("energy", METRIC_NUMERIC, SLOT_ENERGY, 1, "energy distance, root of units of the feature"),
    TEST("cvm", METRIC_NUMERIC, SLOT_CVM, SLOT_CVM_P, "Cramer-von Mises two-sample statistic"),
    TEST("anderson_darling", METRIC_NUMERIC, SLOT_ANDERSON_DARLING, -1,
         "Anderson-Darling two-sample statistic (without ties noise exceeds 3.88 in 1 %)"),
    TEST("chi2", BOTH, SLOT_CHI2, SLOT_CHI2_P, "Pearson's two-sample chi-square, small bins pooled"),
    TEST("g", BOTH, SLOT_G, -1, "likelihood-ratio statistic of the same table"),
    PLAIN("cramers_v", BOTH, SLOT_CRAMERS_V, 1, "effect size of the chi-square test, 0 to 1"),
    PLAIN("mean", METRIC_NUMERIC, SLOT_MEAN, 0, "mean of the window's values"),
    PLAIN("sd", METRIC_NUMERIC, SLOT_SD, 0, "population standard deviation of the window's values"),
    TEST("missing_rate", BOTH, SLOT_MISSING_RATE, SLOT_MISSING_P, "share of events without a value"),
    DELTA("missing_delta", BOTH, SLOT_MISSING_DELTA, SLOT_MISSING_P, "missing rate less the reference's"),
    TEST("invalid_rate", BOTH, SLOT_INVALID_RATE, SLOT_INVALID_P,
         "share of events whose value has the wrong type"),
    DELTA("invalid_delta", BOTH, SLOT_INVALID_DELTA, SLOT_INVALID_P, "invalid rate less the reference's"),
    TEST("out_of_range_rate", METRIC_NUMERIC, SLOT_OUTSIDE_RATE, SLOT_OUTSIDE_P,
         "share of values outside the range of the grid's reference"),
    DELTA("out_of_range_delta", METRIC_NUMERIC, SLOT_OUTSIDE_DELTA, SLOT_OUTSIDE_P,
          "out-of-range rate less the reference's"),
    TEST("unseen_rate", METRIC_CATEGORICAL, SLOT_OUTSIDE_RATE, SLOT_OUTSIDE_P,
         "share of values that the grid's reference does not have"),
    DELTA("unseen_delta", METRIC_CATEGORICAL, SLOT_OUTSIDE_DELTA, SLOT_OUTSIDE_P,
          "unseen rate less the reference's"),
    PLAIN("other_rate", METRIC_CATEGORICAL, SLOT_OTHER_RATE, 0,
          "share of values in known categories beyond the most frequent ones"),
    RANGE(FAMILY_PERFORMANCE, "accuracy", PERF_ACCURACY, "share of labelled predictions that were right"),
    RANGE(FAMILY_PERFORMANCE, "precision", PERF_PRECISION, "share of predicted positives that were positive"),
    RANGE(FAMILY_PERFORMANCE, "recall", PERF_RECALL, "share of positives that were predicted positive"),
    RANGE(FAMILY_PERFORMANCE, "specificity", PERF_SPECIFICITY,
          "share of negatives that were predicted negative"),
    RANGE(FAMILY_PERFORMANCE, "f1", PERF_F1, "harmonic mean of precision and recall"),
    RANGE(FAMILY_PERFORMANCE, "mcc", PERF_MCC, "Matthews correlation of prediction and label"),
    RANGE(FAMILY_PERFORMANCE, "auc", PERF_AUC, "area under the ROC curve, from scores in 1,000 bins"),
    VALUE(FAMILY_PERFORMANCE, "auc_error", PERF_AUC_ERROR,
          "how far the exact area can be from the binned one"),
    RANGE(FAMILY_PERFORMANCE, "average_precision", PERF_AP,
          "area under the precision-recall curve, step-wise"),
    VALUE(FAMILY_PERFORMANCE, "fpr", PERF_FPR, "share of negatives that were predicted positive"),
    VALUE(FAMILY_PERFORMANCE, "fnr", PERF_FNR, "share of positives that were predicted negative"),
    VALUE(FAMILY_PERFORMANCE, "npv", PERF_NPV, "share of predicted negatives that were negative"),
    VALUE(FAMILY_PERFORMANCE, "balanced_accuracy", PERF_BALANCED_ACCURACY, "mean of recall and specificity"),
    VALUE(FAMILY_PERFORMANCE, "kappa", PERF_KAPPA, "Cohen's kappa: agreement beyond chance"),
    VALUE(FAMILY_PERFORMANCE, "prevalence", PERF_PREVALENCE, "share of labels that are positive"),
    VALUE(FAMILY_PERFORMANCE, "selection_rate", PERF_SELECTION_RATE,
          "share of labelled predictions that are positive"),
    VALUE(FAMILY_PERFORMANCE, "log_loss", PERF_LOG_LOSS, "mean negative log likelihood of the labels, nats"),
    VALUE(FAMILY_PERFORMANCE, "brier", PERF_BRIER, "mean squared difference of score and label"),
    VALUE(FAMILY_PERFORMANCE, "ks_separation", PERF_KS, "largest gap between the scores of the two classes"),
    VALUE(FAMILY_PERFORMANCE, "lift_10", PERF_LIFT_10,
          "precision among the highest tenth of scores over prevalence"),
    VALUE(FAMILY_PERFORMANCE, "label_coverage", PERF_COVERAGE, "share of predictions that have a label"),
    OUTCOME(FAMILY_PERFORMANCE, "label_bias", PERF_LABEL_BIAS, PERF_LABEL_BIAS_P, -1, -1, NAN, NAN,
            "chi-square of the scores of labelled against unlabelled predictions"),
    RANGE(FAMILY_REGRESSION, "bias", REG_BIAS, "mean of prediction less target"),
    RANGE(FAMILY_REGRESSION, "mae", REG_MAE, "mean absolute error"),
    VALUE(FAMILY_REGRESSION, "mse", REG_MSE, "mean squared error"),
    VALUE(FAMILY_REGRESSION, "rmse", REG_RMSE, "root of the mean squared error"),
    VALUE(FAMILY_REGRESSION, "mape", REG_MAPE, "mean of absolute error over absolute target"),
    VALUE(FAMILY_REGRESSION, "smape", REG_SMAPE, "mean of absolute error over half the sum of magnitudes"),
    VALUE(FAMILY_REGRESSION, "wape", REG_WAPE, "sum of absolute errors over sum of absolute targets"),
    VALUE(FAMILY_REGRESSION, "r2", REG_R2, "share of the target's variance that predictions explain"),
    VALUE(FAMILY_REGRESSION, "residual_sd", REG_RESIDUAL_SD, "standard deviation of the errors"),
    VALUE(FAMILY_REGRESSION, "target_mean", REG_TARGET_MEAN, "mean of the targets"),
    VALUE(FAMILY_REGRESSION, "target_coverage", REG_COVERAGE, "share of predictions that have a target"),
    VALUE(FAMILY_REGRESSION, "clipped_rate", REG_CLIPPED, "share of outcomes beyond the range of the sums"),
    VALUE(FAMILY_CALIBRATION, "ece", CAL_ECE, "expected calibration error, 10 equal-width bins"),
    VALUE(FAMILY_CALIBRATION, "ece_bias", CAL_ECE_BIAS, "what sampling noise alone adds to that error"),
    VALUE(FAMILY_CALIBRATION, "mce", CAL_MCE, "largest calibration error of a bin"),
    VALUE(FAMILY_CALIBRATION, "ace", CAL_ACE, "mean calibration error, 10 equal-mass bins"),
    VALUE(FAMILY_CALIBRATION, "calibration_rms", CAL_RMS, "root mean squared calibration error"),
    JUDGED(FAMILY_CALIBRATION, "debiased_calibration_error", CAL_DEBIASED, CAL_HOSMER_LEMESHOW_P, 0.05, 0.10,
           "root mean squared calibration error less sampling noise"),
    VALUE(FAMILY_CALIBRATION, "reliability", CAL_RELIABILITY, "Murphy's reliability term of the Brier score"),
    VALUE(FAMILY_CALIBRATION, "resolution", CAL_RESOLUTION, "Murphy's resolution term of the Brier score"),
    VALUE(FAMILY_CALIBRATION, "uncertainty", CAL_UNCERTAINTY, "Murphy's uncertainty term of the Brier score"),
    OUTCOME(FAMILY_CALIBRATION, "calibration_in_the_large", CAL_DIFFERENCE, CAL_DIFFERENCE_P, -1, -1, NAN,
            NAN, "share of positives less mean score"),
    VALUE(FAMILY_CALIBRATION, "observed_over_expected", CAL_OVER_EXPECTED,
          "share of positives over mean score"),
    OUTCOME(FAMILY_CALIBRATION, "hosmer_lemeshow", CAL_HOSMER_LEMESHOW, CAL_HOSMER_LEMESHOW_P, -1, -1, NAN,
            NAN, "Hosmer-Lemeshow statistic on equal-mass bins"),
    OUTCOME(FAMILY_CALIBRATION, "spiegelhalter_z", CAL_SPIEGELHALTER, CAL_SPIEGELHALTER_P, -1, -1, NAN, NAN,
            "Spiegelhalter's test of the Brier score"),
    VALUE(FAMILY_CALIBRATION, "calibration_slope", CAL_SLOPE, "slope of the labels on the score's log odds"),
    VALUE(FAMILY_CALIBRATION, "calibration_intercept", CAL_INTERCEPT, "intercept of the same line"),
    VALUE(FAMILY_CALIBRATION, "mean_score", CAL_MEAN_SCORE, "mean score of labelled predictions"),
    RANGE(FAMILY_FAIRNESS, "selection_rate_difference", FAIR_SELECTION_DIFFERENCE,
          "largest less smallest share of positive predictions among groups"),
    RANGE(FAMILY_FAIRNESS, "disparate_impact", FAIR_DISPARATE_IMPACT,
          "smallest over largest share of positive predictions among groups"),
    RANGE(FAMILY_FAIRNESS, "equal_opportunity_difference", FAIR_OPPORTUNITY_DIFFERENCE,
          "largest less smallest true positive rate among groups"),
    RANGE(FAMILY_FAIRNESS, "fpr_difference", FAIR_FPR_DIFFERENCE,
          "largest less smallest false positive rate among groups"),
    RANGE(FAMILY_FAIRNESS, "predictive_parity_difference", FAIR_PARITY_DIFFERENCE,
          "largest less smallest precision among groups"),
    RANGE(FAMILY_FAIRNESS, "accuracy_difference", FAIR_ACCURACY_DIFFERENCE,
          "largest less smallest accuracy among groups"),
    VALUE(FAMILY_FAIRNESS, "equalized_odds_difference", FAIR_ODDS_DIFFERENCE,
          "the larger of the differences of true and false positive rates"),
    VALUE(FAMILY_FAIRNESS, "equalized_odds_ratio", FAIR_ODDS_RATIO,
          "the smaller of the ratios of true and false positive rates"),
    VALUE(FAMILY_FAIRNESS, "groups_compared", FAIR_GROUPS, "groups with enough events to take part"),
    VALUE(FAMILY_FAIRNESS, "null_selection_difference", FAIR_NULL_DIFFERENCE,
          "what the selection rate difference of fair groups is on average"),
    VALUE(FAMILY_FAIRNESS, "null_disparate_impact", FAIR_NULL_RATIO,
          "what the disparate impact of fair groups is on average"),
    VALUE(FAMILY_FAIRNESS, "generalized_entropy", FAIR_ENTROPY,
          "inequality of benefits over individuals, alpha 2"),
    VALUE(FAMILY_FAIRNESS, "generalized_entropy_between", FAIR_ENTROPY_BETWEEN,
          "the part of it that lies between groups"),
    RANGE(FAMILY_GROUPS, "group_selection_rate", GRP_SELECTION, "share of positive predictions of the group"),
    RANGE(FAMILY_GROUPS, "group_tpr", GRP_TPR, "true positive rate of the group"),
    RANGE(FAMILY_GROUPS, "group_fpr", GRP_FPR, "false positive rate of the group"),
    RANGE(FAMILY_GROUPS, "group_fnr", GRP_FNR, "false negative rate of the group"),
    RANGE(FAMILY_GROUPS, "group_ppv", GRP_PPV, "precision of the group"),
    RANGE(FAMILY_GROUPS, "group_accuracy", GRP_ACCURACY, "accuracy of the group"),
    OUTCOME(FAMILY_GROUPS, "group_selection_gap", GRP_SELECTION_GAP, GRP_SELECTION_GAP_P, -1, -1, NAN, NAN,
            "selection rate of the group less that of all others (p corrected for groups)"),
    OUTCOME(FAMILY_GROUPS, "group_tpr_gap", GRP_TPR_GAP, GRP_TPR_GAP_P, -1, -1, NAN, NAN,
            "true positive rate of the group less that of all others (p corrected for groups)"),
    VALUE(FAMILY_GROUPS, "group_calibration_gap", GRP_CALIBRATION_GAP,
          "mean label less mean score of the group"),
};

const uint32_t metric_count = sizeof metric_table / sizeof metric_table[0];

const struct metric *metric_find(const char *name)
{
    for (uint32_t i = 0; name && i < metric_count; i++)
        if (strcmp(metric_table[i].name, name) == 0)
            return &metric_table[i];
    return NULL;
}
