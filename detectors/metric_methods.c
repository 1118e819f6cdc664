/* By which method a metric's interval and p-value come about: what v1_results shows beside them (METHODS). */
#include "agent/base/text.h"
#include "agent/base/compiler.h"
#include "detectors/report.h"

struct metric_methods {
    const char *metric; /* glob; the first that fits */
    const char *method;
};

static const struct metric_methods methods[] = {
    {"psi", "chi-square null of PSI"},
    {"*_psi", "chi-square null of PSI"},
    {"ks", "Kolmogorov limit"},
    {"*_ks", "Kolmogorov limit"},
    {"cvm", "Cramer-von Mises limit"},
    {"chi2", "two-sample chi-square"},
    {"out_of_range_*", "Newcombe; beta-binomial"},
    {"missing_*", "Newcombe; two-proportion z or Fisher"},
    {"*_missing_delta", "two-proportion z or Fisher"},
    {"invalid_*", "Newcombe; two-proportion z or Fisher"},
    {"unseen_*", "Newcombe; two-proportion z or Fisher"},
    {"outlier_rate_delta", "Newcombe; two-proportion z or Fisher"},
    {"embedding_invalid_rate_change", "Newcombe; two-proportion z or Fisher"},
    {"outlier_rate", "Wilson; two-proportion z or Fisher"},
    {"p05", "bracket of the bins"},
    {"p50", "bracket of the bins"},
    {"p95", "bracket of the bins"},
    {"unknown_field_rate", "Wilson"},
    {"prediction_rate_delta", "Newcombe; two-proportion z"},
    {"prediction_rate", "Wilson"},
    {"duplicate_rate", "Wilson"},
    {"duplicate_rate_change", "Newcombe; two-proportion z or Fisher"},
    {"distinct_values", "bottom-k, normal"},
    {"distinct_share", "bottom-k, normal"},
    {"distinct_*", "rarefaction, log ratio"},
    /* with labels */
    {"f1", "delta"},
    {"mcc", "delta"},
    {"average_precision", "delta"},
    {"balanced_accuracy", "delta of two proportions"},
    {"auc", "DeLong on the logit"},
    {"gini", "DeLong on the logit"},
    {"log_loss", "normal mean"},
    {"brier", "normal mean"},
    {"multiclass_log_loss", "normal mean"},
    {"multiclass_brier", "normal mean"},
    {"class_auc", "DeLong on the logit"},
    {"class_debiased_error", "Hosmer-Lemeshow"},
    {"class_calibration_gap", "normal sum"},
    {"bias", "normal mean"},
    {"mae", "normal mean"},
    {"residual_p*", "order statistics of the sketch"},
    {"ndcg*", "normal mean over queries"},
    {"label_bias", "two-sample chi-square on 20 score bins"},
    {"label_drift*", "Newcombe; chi-square"},
    {"concept_drift*", "chi-square per score bin, Bonferroni"},
    {"debiased_calibration_error", "Hosmer-Lemeshow"},
    {"top_label_debiased_error", "Hosmer-Lemeshow"},
    {"hosmer_lemeshow", "chi-square"},
    {"calibration_in_the_large", "normal sum"},
    {"calibration_shift", "normal sum"},
    {"confidence_gap", "normal sum"},
    {"spiegelhalter_z", "normal"},
    {"reliability_observed", "binomial consistency bar"},
    {"*_gap_change", "normal with the errors of both sides, Bonferroni over pairs of groups"},
    {"*_gap_pair_change", "normal with the errors of both sides"},
    {"group_*_gap", "two-proportion z against the others, Bonferroni"},
    {"group_*_shortfall", "two-proportion z against the others, Bonferroni"},
    {"group_*", "Wilson"},
    {"disparate_impact*", "log ratio"},
    {"clarify_di", "log ratio"},
    {"clarify_*", "Newcombe; two-proportion z"},
    {"*_difference_shortfall", "Newcombe"},
    {"kpi_difference", "Welch"},
    {"kpi_winsorised_difference", "Welch"},
    {"kpi_running_mean", "asymptotic confidence sequence"},
    {"equal_opportunity_difference", "Newcombe"},
    {"predictive_parity_difference", "Newcombe"},
    {"*_difference", "Newcombe"},
    /* without labels, against references, between versions */
    {"estimated_*", "three sampling errors"},
    {"auc_delta", "DeLong"},
    {"versions_auc_delta", "DeLong"},
    {"*f1_delta", "delta"},
    {"*brier_delta", "Welch"},
    {"*mae_delta", "Welch"},
    {"rmse_delta", "delta, normal errors"},
    {"versions_accuracy_delta", "Newcombe; two-proportion z"},
    {"versions_only_second_right", "McNemar"},
    {"*_delta", "Newcombe; two-proportion z"},
    {"lag_p*", "order statistics of the sketch"},
    {"latency_p99*", "order statistics of the sketch"},
    {"cause_part", "two-sample chi-square, Benjamini-Hochberg"},
    {"mmd2", "Satterthwaite chi-square"},
    {"embedding_mmd2", "Satterthwaite chi-square"},
    {"pca_error*", "Welch"},
    {"pca_tail_rate_change", "two-proportion z"},
    {"hotelling_t2", "F"},
    {"correlation_change", "Fisher z, Bonferroni"},
    {"accuracy", "Wilson"},
    {"precision", "Wilson"},
    {"recall", "Wilson"},
    {"specificity", "Wilson"},
    {"fpr", "Wilson"},
    {"fnr", "Wilson"},
    {"npv", "Wilson"},
    {"prevalence", "Wilson"},
    {"selection_rate", "Wilson"},
    {"multiclass_accuracy", "Wilson"},
    {"class_precision", "Wilson"},
    {"class_recall", "Wilson"},
};

const char *metric_method(const struct metric *metric)
{
    if (metric->p_slot < 0 && metric->low_slot < 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (text_glob(methods[i].metric, text_of(metric->name)))
            return methods[i].method;
    return NULL;
}
