/* From the tallies of outcomes to rows. Pure functions of integers. */
#include <math.h>

#include "detectors/calibration.h"
#include "detectors/outcome_slots.h"
#include "detectors/outcomes_layout.h"
#include "detectors/performance.h"
#include "detectors/performance_regression.h"
#include "detectors/special.h"

#define ALPHA 0.05
#define Z_95  1.959963984540054

static double sum_of(const struct tally *tally, uint32_t at)
{
    return (double)tally->sums[at] / OUT_SCALE;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static void start_row(struct report_row *row, enum family family, double n,
                      const struct outcome_options *options)
{
    *row = (struct report_row){.family = family, .n = (uint64_t)n};
    row->flags = row->n < options->n_min ? REPORT_INSUFFICIENT : 0;
    for (int i = 0; i < REPORT_SLOTS; i++)
        row->slots[i] = NAN;
}

/* A value, and the interval in the two slots behind it. */
static void put(struct report_row *row, int slot, double value, struct interval interval)
{
    row->slots[slot] = value;
    row->slots[slot + 1] = interval.low;
    row->slots[slot + 2] = interval.high;
}

static void put_rate(struct report_row *row, int slot, double k, double n)
{
    put(row, slot, ratio(k, n), n > 0 ? interval_wilson(k, n, ALPHA) : (struct interval){NAN, NAN});
}

static struct interval around(double value, double error, double low, double high)
{
    return (struct interval){fmax(value - Z_95 * error, low), fmin(value + Z_95 * error, high)};
}

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

static void put_ranking(struct report_row *row, const struct scores *scores)
{
    struct score_histogram histogram = {scores->positives, scores->negatives, SCORE_BINS};
    struct auc auc = score_auc(&histogram);
    put(row, PERF_AUC, auc.value, auc_interval(&auc, ALPHA));
    row->slots[PERF_AUC_ERROR] = auc.half_width;
    struct average_precision ap = score_average_precision(&histogram);
    put(row, PERF_AP, ap.value, around(ap.value, average_precision_standard_error(&histogram), 0, 1));
    row->slots[PERF_KS] = score_ks_separation(&histogram);
    row->slots[PERF_LIFT_10] = score_lift(&histogram, 0.1).value;
}

static void put_confusion(struct report_row *row, const struct confusion *c)
{
    struct binary_metrics m = binary_metrics(c);
    put_rate(row, PERF_ACCURACY, c->tp + c->tn, c->tp + c->fp + c->fn + c->tn);
    put_rate(row, PERF_PRECISION, c->tp, c->tp + c->fp);
    put_rate(row, PERF_RECALL, c->tp, c->tp + c->fn);
    put_rate(row, PERF_SPECIFICITY, c->tn, c->tn + c->fp);
    put(row, PERF_F1, m.f1, around(m.f1, f1_standard_error(c), 0, 1));
    put(row, PERF_MCC, m.mcc, around(m.mcc, mcc_standard_error(c), -1, 1));
    row->slots[PERF_FPR] = m.fpr;
    row->slots[PERF_FNR] = m.fnr;
    row->slots[PERF_NPV] = m.npv;
    row->slots[PERF_BALANCED_ACCURACY] = m.balanced_accuracy;
    row->slots[PERF_KAPPA] = m.kappa;
    row->slots[PERF_PREVALENCE] = m.prevalence;
    row->slots[PERF_SELECTION_RATE] = m.selection_rate;
}

static void report_performance(const struct tally *tally, const struct scores *scores,
                               const struct calibration *calibration, struct report_row *row)
{
    put_confusion(row, &scores->confusion);
    row->slots[PERF_COVERAGE] = ratio(scores->labelled, (double)tally->counters[OUT_BINARY_SEEN]);
    if (scores->scored <= 0)
        return;
    put_ranking(row, scores);
    row->slots[PERF_LOG_LOSS] = sum_of(tally, SUM_LOG_LOSS) / scores->scored;
    row->slots[PERF_BRIER] = calibration->brier;
    put_label_bias(row, tally, scores);
}

/* ---- calibration ---- */

static void read_wide_bins(const struct tally *tally, const struct scores *scores,
                           struct calibration_bin out[OUTCOME_CALIBRATION_BINS])
{
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++) {
        struct calibration_bin *bin = &out[i];
        *bin = (struct calibration_bin){.sum_p = sum_of(tally, SUM_P + i),
                                        .sum_p2 = sum_of(tally, SUM_P2 + i),
                                        .sum_py = sum_of(tally, SUM_PY + i)};
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
    struct spiegelhalter sums = {sum_of(tally, SUM_SPIEGELHALTER), sum_of(tally, SUM_SPIEGELHALTER_VARIANCE)};
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
}

/* ---- regression ---- */

static void report_regression(const struct tally *tally, const struct outcome_options *options,
                              struct report_row *row)
{
    struct regression_sums sums = {.n = tally->counters[OUT_REGRESSION_N],
                                   .error = sum_of(tally, SUM_ERROR),
                                   .error2 = sum_of(tally, SUM_ERROR2),
                                   .abs_error = sum_of(tally, SUM_ABS_ERROR),
                                   .abs_share = sum_of(tally, SUM_ABS_SHARE),
                                   .abs_symmetric = sum_of(tally, SUM_ABS_SYMMETRIC),
                                   .abs_y = sum_of(tally, SUM_ABS_Y),
                                   .y = sum_of(tally, SUM_Y),
                                   .y2 = sum_of(tally, SUM_Y2)};
    struct regression_metrics m = regression_metrics(&sums);
    double n = (double)sums.n, unit = options->unit, none = n > 1 ? 1 : NAN;
    double bias_error = none * sqrt(fmax(m.mse - m.bias * m.bias, 0) / (n - 1));
    double mae_error = none * sqrt(fmax(m.mse - m.mae * m.mae, 0) / (n - 1));
    struct interval bias = around(m.bias, bias_error, -INFINITY, INFINITY);
    struct interval mae = around(m.mae, mae_error, 0, INFINITY);
    put(row, REG_BIAS, m.bias * unit, (struct interval){bias.low * unit, bias.high * unit});
    put(row, REG_MAE, m.mae * unit, (struct interval){mae.low * unit, mae.high * unit});
    row->slots[REG_MSE] = m.mse * unit * unit;
    row->slots[REG_RMSE] = m.rmse * unit;
    row->slots[REG_MAPE] = m.mape;
    row->slots[REG_SMAPE] = m.smape;
    row->slots[REG_WAPE] = m.wape;
    row->slots[REG_R2] = m.r2;
    row->slots[REG_RESIDUAL_SD] = m.residual_sd * unit;
    row->slots[REG_TARGET_MEAN] = sums.y / n * unit;
    row->slots[REG_COVERAGE] = ratio(n, (double)tally->counters[OUT_REGRESSION_SEEN]);
    row->slots[REG_CLIPPED] = (double)tally->counters[OUT_CLIPPED] / n;
}

uint32_t outcomes_report(const struct tally *tally, const struct outcome_options *options,
                         struct report_row rows[OUTCOME_ROWS_MAX])
{
    uint32_t count = 0;
    struct scores scores;
    read_scores(tally, &scores);
    struct calibration_bin wide[OUTCOME_CALIBRATION_BINS];
    read_wide_bins(tally, &scores, wide);
    struct calibration calibration = calibration_of(wide, OUTCOME_CALIBRATION_BINS);
    if (scores.labelled > 0) {
        start_row(&rows[count], FAMILY_PERFORMANCE, scores.labelled, options);
        report_performance(tally, &scores, &calibration, &rows[count++]);
    }
    if (scores.scored > 0) {
        start_row(&rows[count], FAMILY_CALIBRATION, scores.scored, options);
        report_calibration(tally, &scores, wide, &calibration, &rows[count++]);
    }
    if (tally->counters[OUT_REGRESSION_N] > 0) {
        start_row(&rows[count], FAMILY_REGRESSION, (double)tally->counters[OUT_REGRESSION_N], options);
        report_regression(tally, options, &rows[count++]);
    }
    return count;
}
