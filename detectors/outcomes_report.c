/* From the tallies of outcomes to rows. Pure functions of integers. */
#include "detectors/calibration.h"
#include "detectors/ddsketch.h"
#include "detectors/outcome_slots.h"
#include "detectors/outcomes_layout.h"
#include "detectors/outcomes_rows.h"
#include "detectors/performance.h"
#include "detectors/performance_regression.h"
#include "detectors/special.h"

/* ---- what a tally holds ---- */

struct scores {
    double positives[SCORE_BINS], negatives[SCORE_BINS];
    double scored, labelled;
    struct confusion confusion;
};

static void read_scores(const struct tally *tally, struct scores *out)
{
    double cells[4];
    for (uint32_t cell = 0; cell < 4; cell++)
        cells[cell] = (double)tally->counters[OUT_CLASS_ONLY + cell];
    out->scored = 0;
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        double n[4];
        for (uint32_t cell = 0; cell < 4; cell++) {
            n[cell] = (double)tally->counters[OUT_SCORES + cell * SCORE_BINS + bin];
            cells[cell] += n[cell];
        }
        out->negatives[bin] = n[0] + n[1];
        out->positives[bin] = n[2] + n[3];
        out->scored += n[0] + n[1] + n[2] + n[3];
    }
    out->confusion = (struct confusion){.tn = cells[0], .fp = cells[1], .fn = cells[2], .tp = cells[3]};
    out->labelled = cells[0] + cells[1] + cells[2] + cells[3];
}

/* Are the labelled predictions a biased sample? Pearson's two-sample chi-square of their scores against those
 * of the unlabelled, over bins that both together fill well. */
static void put_label_bias(struct report_row *row, const struct tally *tally, const struct scores *scores)
{
    double labelled[OUTCOME_BIAS_BINS] = {0}, others[OUTCOME_BIAS_BINS], n1 = 0, n2 = 0, statistic = 0;
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
        labelled[bin / (SCORE_BINS / OUTCOME_BIAS_BINS)] += scores->positives[bin] + scores->negatives[bin];
    for (uint32_t i = 0; i < OUTCOME_BIAS_BINS; i++) {
        others[i] = fmax((double)tally->counters[OUT_SEEN_BINS + i] - labelled[i], 0);
        n1 += labelled[i];
        n2 += others[i];
    }
    if (n1 < 50 || n2 < 50)
        return;
    /* Bins too empty for the approximation go with the next, the last of them with the one before. */
    uint32_t used = 0;
    double a = 0, b = 0, share = fmin(n1, n2) / (n1 + n2);
    for (uint32_t i = 0; i < OUTCOME_BIAS_BINS; i++) {
        a += labelled[i];
        b += others[i];
        if ((a + b) * share < 5)
            continue;
        labelled[used] = a;
        others[used++] = b;
        a = b = 0;
    }
    if (used < 2)
        return;
    labelled[used - 1] += a;
    others[used - 1] += b;
    for (uint32_t i = 0; i < used; i++) {
        double all = labelled[i] + others[i], expected1 = all * n1 / (n1 + n2),
               expected2 = all * n2 / (n1 + n2);
        statistic += (labelled[i] - expected1) * (labelled[i] - expected1) / expected1 +
                     (others[i] - expected2) * (others[i] - expected2) / expected2;
    }
    row->slots[PERF_LABEL_BIAS] = statistic;
    row->slots[PERF_LABEL_BIAS_P] = chi2_sf(statistic, used - 1);
}

/* ---- performance ---- */

static void put_ranking(struct report_row *row, struct report_row *rates, const struct scores *scores)
{
    struct score_histogram histogram = {scores->positives, scores->negatives, SCORE_BINS};
    struct auc auc = score_auc(&histogram);
    struct interval range = auc_interval(&auc, OUTCOME_ALPHA);
    outcome_put(row, PERF_AUC, auc.value, range);
    row->slots[PERF_AUC_ERROR] = auc.half_width;
    outcome_put(rates, RATE_GINI, 2 * auc.value - 1,
                (struct interval){2 * range.low - 1, 2 * range.high - 1});
    struct average_precision ap = score_average_precision(&histogram);
    double error = average_precision_standard_error(&histogram);
    outcome_put(row, PERF_AP, ap.value, outcome_around(ap.value, error, 0, 1));
    rates->slots[RATE_AP_LOWER] = ap.lower;
    rates->slots[RATE_AP_UPPER] = ap.upper;
    struct lift lift = score_lift(&histogram, 0.1);
    row->slots[PERF_KS] = score_ks_separation(&histogram);
    row->slots[PERF_LIFT_10] = lift.value;
    rates->slots[RATE_CAPTURED_10] = lift.captured;
}

static void put_confusion(struct report_row *row, const struct confusion *c)
{
    struct binary_metrics m = binary_metrics(c);
    outcome_put_rate(row, PERF_ACCURACY, c->tp + c->tn, c->tp + c->fp + c->fn + c->tn);
    outcome_put_rate(row, PERF_PRECISION, c->tp, c->tp + c->fp);
    outcome_put_rate(row, PERF_RECALL, c->tp, c->tp + c->fn);
    outcome_put_rate(row, PERF_SPECIFICITY, c->tn, c->tn + c->fp);
    outcome_put(row, PERF_F1, m.f1, outcome_around(m.f1, f1_standard_error(c), 0, 1));
    outcome_put(row, PERF_MCC, m.mcc, outcome_around(m.mcc, mcc_standard_error(c), -1, 1));
}

/* Recall and specificity rest on different events: their variances add. */
static double balanced_error(const struct binary_metrics *m, const struct confusion *c)
{
    double recall = m->recall * (1 - m->recall) / (c->tp + c->fn);
    double specificity = m->specificity * (1 - m->specificity) / (c->tn + c->fp);
    return sqrt(recall + specificity) / 2;
}

static void put_rates(struct report_row *row, const struct confusion *c)
{
    struct binary_metrics m = binary_metrics(c);
    double n = c->tp + c->fp + c->fn + c->tn;
    outcome_put_rate(row, RATE_FPR, c->fp, c->fp + c->tn);
    outcome_put_rate(row, RATE_FNR, c->fn, c->fn + c->tp);
    outcome_put_rate(row, RATE_NPV, c->tn, c->tn + c->fn);
    outcome_put_rate(row, RATE_PREVALENCE, c->tp + c->fn, n);
    outcome_put_rate(row, RATE_SELECTION, c->tp + c->fp, n);
    outcome_put(row, RATE_BALANCED, m.balanced_accuracy,
                outcome_around(m.balanced_accuracy, balanced_error(&m, c), 0, 1));
    row->slots[RATE_FDR] = m.fdr;
    row->slots[RATE_FOR] = m.for_rate;
    row->slots[RATE_KAPPA] = m.kappa;
}

static void put_losses(struct report_row *row, const struct tally *tally, double brier, double n)
{
    double loss = outcome_sum(tally, SUM_LOG_LOSS) / n;
    double loss_error = outcome_mean_error(loss, outcome_sum(tally, SUM_LOG_LOSS2) / n, n);
    double brier_error = outcome_mean_error(brier, outcome_sum(tally, SUM_BRIER2) / n, n);
    outcome_put(row, RATE_LOG_LOSS, loss, outcome_around(loss, loss_error, 0, INFINITY));
    outcome_put(row, RATE_BRIER, brier, outcome_around(brier, brier_error, 0, 1));
}

static void report_performance(const struct tally *tally, const struct scores *scores,
                               const struct calibration *calibration, struct report_row *row,
                               struct report_row *rates)
{
    put_confusion(row, &scores->confusion);
    put_rates(rates, &scores->confusion);
    row->slots[PERF_COVERAGE] = outcome_ratio(scores->labelled, (double)tally->counters[OUT_BINARY_SEEN]);
    if (scores->scored <= 0)
        return;
    put_ranking(row, rates, scores);
    put_losses(rates, tally, calibration->brier, scores->scored);
    put_label_bias(row, tally, scores);
}

/* ---- calibration ---- */

static void read_wide_bins(const struct tally *tally, const struct scores *scores,
                           struct calibration_bin out[OUTCOME_CALIBRATION_BINS])
{
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++) {
        struct calibration_bin *bin = &out[i];
        *bin = (struct calibration_bin){.sum_p = outcome_sum(tally, SUM_P + i),
                                        .sum_p2 = outcome_sum(tally, SUM_P2 + i),
                                        .sum_py = outcome_sum(tally, SUM_PY + i)};
        for (uint32_t j = 0; j < SCORE_BINS / OUTCOME_CALIBRATION_BINS; j++) {
            uint32_t at = i * (SCORE_BINS / OUTCOME_CALIBRATION_BINS) + j;
            bin->n += scores->positives[at] + scores->negatives[at];
            bin->sum_y += scores->positives[at];
        }
    }
}

/* Narrow bins know only their counts: they stand at their middle, all of a wide bin moved by the same amount
 * so that its Σp is met. */
static void make_narrow_bins(const struct calibration_bin *wide, const struct scores *scores,
                             struct calibration_bin out[SCORE_BINS])
{
    enum { RATIO = SCORE_BINS / OUTCOME_CALIBRATION_BINS };
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++) {
        double middles = 0;
        for (uint32_t at = i * RATIO; at < (i + 1) * RATIO; at++)
            middles += (scores->positives[at] + scores->negatives[at]) * (at + 0.5) / SCORE_BINS;
        double shift = wide[i].n > 0 ? (wide[i].sum_p - middles) / wide[i].n : 0;
        for (uint32_t at = i * RATIO; at < (i + 1) * RATIO; at++) {
            double n = scores->positives[at] + scores->negatives[at];
            double p = fmin(fmax((at + 0.5) / SCORE_BINS + shift, 0), 1);
            out[at] = (struct calibration_bin){.n = n,
                                               .sum_p = n * p,
                                               .sum_y = scores->positives[at],
                                               .sum_p2 = n * p * p,
                                               .sum_py = scores->positives[at] * p};
        }
    }
}

/* Murphy's terms without what sampling adds, what bins hide, and equal mass beside equal width. The interval
 * of the difference is that of a mean of y − p, whose mean square is the Brier score. */
static void put_corrections(struct report_row *row, const struct calibration *c,
                            const struct calibration *mass)
{
    double *slots = row->slots;
    slots[CAL_RELIABILITY_CORRECTED] = c->reliability_corrected;
    slots[CAL_RESOLUTION_CORRECTED] = c->resolution_corrected;
    slots[CAL_UNCERTAINTY_CORRECTED] = c->uncertainty_corrected;
    slots[CAL_WITHIN_VARIANCE] = c->within_variance;
    slots[CAL_WITHIN_COVARIANCE] = c->within_covariance;
    slots[CAL_DEBIASED_SQUARE] = c->debiased_square;
    slots[CAL_ECE_EQUAL_MASS] = mass->ece;
    slots[CAL_DEBIASED_EQUAL_MASS] = mass->debiased_error;
    double error = outcome_mean_error(c->difference, c->brier, c->n);
    struct interval around = outcome_around(c->difference, error, -1, 1);
    slots[CAL_DIFFERENCE_LOW] = around.low;
    slots[CAL_DIFFERENCE_HIGH] = around.high;
}

static void report_calibration(const struct tally *tally, const struct scores *scores,
                               const struct calibration_bin *wide, const struct calibration *c,
                               struct report_row *row)
{
    struct calibration_bin narrow[SCORE_BINS], equal[OUTCOME_CALIBRATION_BINS];
    struct logistic_point scratch[SCORE_BINS];
    make_narrow_bins(wide, scores, narrow);
    size_t groups = calibration_equal_mass(narrow, SCORE_BINS, OUTCOME_CALIBRATION_BINS, equal);
    struct calibration mass = calibration_of(equal, groups);
    struct calibration_line line = calibration_line(narrow, SCORE_BINS, scratch);
    struct spiegelhalter sums = {outcome_sum(tally, SUM_SPIEGELHALTER),
                                 outcome_sum(tally, SUM_SPIEGELHALTER_VARIANCE)};
    struct test_result spiegelhalter = spiegelhalter_test(&sums);
    double *slots = row->slots;
    slots[CAL_ECE] = c->ece;
    slots[CAL_ECE_BIAS] = c->ece_bias;
    slots[CAL_MCE] = c->mce;
    slots[CAL_ACE] = mass.ace;
    slots[CAL_RMS] = c->rms;
    slots[CAL_DEBIASED] = c->debiased_error;
    slots[CAL_RELIABILITY] = c->reliability;
    slots[CAL_RESOLUTION] = c->resolution;
    slots[CAL_UNCERTAINTY] = c->uncertainty;
    slots[CAL_DIFFERENCE] = c->difference;
    slots[CAL_DIFFERENCE_P] = c->p;
    slots[CAL_OVER_EXPECTED] = c->observed_over_expected;
    slots[CAL_HOSMER_LEMESHOW] = mass.hosmer_lemeshow;
    slots[CAL_HOSMER_LEMESHOW_P] = mass.hosmer_lemeshow_p;
    slots[CAL_SPIEGELHALTER] = spiegelhalter.statistic;
    slots[CAL_SPIEGELHALTER_P] = spiegelhalter.p;
    slots[CAL_SLOPE] = line.slope;
    slots[CAL_INTERCEPT] = line.intercept;
    slots[CAL_MEAN_SCORE] = c->mean_p;
    slots[CAL_POSITIVE_SHARE] = c->mean_y;
    slots[CAL_SHIFT] = fabs(c->difference);
    put_corrections(row, c, &mass);
    slots[CAL_INTERCEPT_AT_1] = line.intercept_at_slope_1;
}

/* ---- the reliability diagram ---- */

static uint32_t report_reliability(const struct calibration_bin *bins, const struct outcome_options *options,
                                   struct report_row *rows, struct text *names, double *out_outside)
{
    static const char *const bin_names[OUTCOME_CALIBRATION_BINS] = {
        "bin=0.0", "bin=0.1", "bin=0.2", "bin=0.3", "bin=0.4",
        "bin=0.5", "bin=0.6", "bin=0.7", "bin=0.8", "bin=0.9"};
    uint32_t count = 0;
    double n = 0;
    *out_outside = 0;
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++)
        n += bins[i].n;
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++) {
        if (bins[i].n <= 0)
            continue;
        struct report_row *row = &rows[count];
        names[count++] = text_of(bin_names[i]);
        outcome_row_start(row, FAMILY_RELIABILITY, bins[i].n, options);
        double score = bins[i].sum_p / bins[i].n, observed = bins[i].sum_y / bins[i].n;
        struct interval bar = consistency_interval(bins[i].n, score, 1 - OUTCOME_ALPHA);
        row->slots[RELIABILITY_SCORE] = score;
        row->slots[RELIABILITY_OBSERVED] = observed;
        row->slots[RELIABILITY_LOW] = bar.low;
        row->slots[RELIABILITY_HIGH] = bar.high;
        row->slots[RELIABILITY_OUTSIDE] = observed < bar.low || observed > bar.high;
        row->slots[RELIABILITY_SHARE] = bins[i].n / n;
        *out_outside += row->slots[RELIABILITY_OUTSIDE];
    }
    return count;
}

/* ---- regression ---- */

/* Targets less a whole number of steps near their mean. Modulo 2^128 the products may wrap: what is left is
 * small and exact. */
static void read_targets(const struct tally *tally, struct regression_sums *sums)
{
    int128 total = tally->sums[SUM_Y_STEPS], n = (int128)sums->n, shift = total / n;
    uint128 squares = (uint128)tally->sums[SUM_Y2_STEPS] - 2 * (uint128)shift * (uint128)total +
                      (uint128)n * (uint128)shift * (uint128)shift;
    sums->y = (double)(total - n * shift) / OUT_STEP_SCALE;
    sums->y2 = (double)(int128)squares / (OUT_STEP_SCALE * OUT_STEP_SCALE);
}

/* With the order statistics between which the true quantile lies in 95 %. */
static void put_quantile(struct report_row *row, int slot, const struct outcome_options *options, double n,
                         double q)
{
    const struct ddsketch_layout *layout = options->residual_layout;
    const uint64_t *counters = options->residuals->counters;
    struct interval ranks = interval_order_ranks(n, q, OUTCOME_Z);
    outcome_put(row, slot, ddsketch_quantile(layout, counters, q) * options->unit,
                (struct interval){ddsketch_at_rank(layout, counters, ranks.low) * options->unit,
                                  ddsketch_at_rank(layout, counters, ranks.high) * options->unit});
}

static void put_residuals(struct report_row *row, const struct outcome_options *options)
{
    if (!options->residuals || !options->residual_layout)
        return;
    double n = (double)ddsketch_count(options->residual_layout, options->residuals->counters);
    if (n <= 0)
        return;
    put_quantile(row, REG_RESIDUAL_P5, options, n, 0.05);
    put_quantile(row, REG_RESIDUAL_P50, options, n, 0.50);
    put_quantile(row, REG_RESIDUAL_P95, options, n, 0.95);
}

static void report_regression(const struct tally *tally, const struct outcome_options *options,
                              struct report_row *row)
{
    struct regression_sums sums = {.n = tally->counters[OUT_REGRESSION_N],
                                   .error = outcome_sum(tally, SUM_ERROR),
                                   .error2 = outcome_sum(tally, SUM_ERROR2),
                                   .abs_error = outcome_sum(tally, SUM_ABS_ERROR),
                                   .abs_share = outcome_sum(tally, SUM_ABS_SHARE),
                                   .abs_symmetric = outcome_sum(tally, SUM_ABS_SYMMETRIC),
                                   .abs_y = outcome_sum(tally, SUM_ABS_Y)};
    read_targets(tally, &sums);
    struct regression_metrics m = regression_metrics(&sums);
    double n = (double)sums.n, unit = options->unit;
    struct interval bias = outcome_around(m.bias, outcome_mean_error(m.bias, m.mse, n), -INFINITY, INFINITY);
    struct interval mae = outcome_around(m.mae, outcome_mean_error(m.mae, m.mse, n), 0, INFINITY);
    outcome_put(row, REG_BIAS, m.bias * unit, (struct interval){bias.low * unit, bias.high * unit});
    outcome_put(row, REG_MAE, m.mae * unit, (struct interval){mae.low * unit, mae.high * unit});
    row->slots[REG_MSE] = m.mse * unit * unit;
    row->slots[REG_RMSE] = m.rmse * unit;
    row->slots[REG_MAPE] = m.mape;
    row->slots[REG_SMAPE] = m.smape;
    row->slots[REG_WAPE] = m.wape;
    row->slots[REG_R2] = m.r2;
    row->slots[REG_EXPLAINED_VARIANCE] = m.explained_variance;
    row->slots[REG_RESIDUAL_SD] = m.residual_sd * unit;
    row->slots[REG_TARGET_MEAN] = outcome_sum(tally, SUM_Y) / n * unit;
    row->slots[REG_COVERAGE] = outcome_ratio(n, (double)tally->counters[OUT_REGRESSION_SEEN]);
    row->slots[REG_CLIPPED] = (double)tally->counters[OUT_CLIPPED] / n;
    put_residuals(row, options);
}

/* ---- all of it ---- */

static uint32_t report_binary(const struct tally *tally, const struct scores *scores,
                              const struct outcome_options *options, struct report_row *rows,
                              struct text *names)
{
    struct calibration_bin wide[OUTCOME_CALIBRATION_BINS];
    read_wide_bins(tally, scores, wide);
    struct calibration calibration = calibration_of(wide, OUTCOME_CALIBRATION_BINS);
    outcome_row_start(&rows[0], FAMILY_PERFORMANCE, scores->labelled, options);
    outcome_row_start(&rows[1], FAMILY_RATES, scores->labelled, options);
    report_performance(tally, scores, &calibration, &rows[0], &rows[1]);
    names[0] = names[1] = text_of("@model");
    if (scores->scored <= 0)
        return 2;
    outcome_row_start(&rows[2], FAMILY_CALIBRATION, scores->scored, options);
    report_calibration(tally, scores, wide, &calibration, &rows[2]);
    names[2] = text_of("@score");
    return 3 + report_reliability(wide, options, rows + 3, names + 3, &rows[2].slots[CAL_BINS_OUTSIDE]);
}

uint32_t outcomes_report(const struct tally *tally, const struct outcome_options *options,
                         struct report_row rows[OUTCOME_ROWS_MAX], struct text names[OUTCOME_ROWS_MAX])
{
    uint32_t count = 0;
    struct scores scores;
    read_scores(tally, &scores);
    if (scores.labelled > 0)
        count = report_binary(tally, &scores, options, rows, names);
    if (tally->counters[OUT_REGRESSION_N] > 0) {
        outcome_row_start(&rows[count], FAMILY_REGRESSION, (double)tally->counters[OUT_REGRESSION_N],
                          options);
        names[count] = text_of("@model");
        report_regression(tally, options, &rows[count++]);
    }
    return count;
}
