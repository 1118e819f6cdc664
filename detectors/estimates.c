#include "detectors/estimates.h"

#include <math.h>
#include <string.h>

#include "detectors/outcomes_layout.h"
#include "detectors/score_slots.h"
#include "detectors/scores.h"

#define SUM_SCALE 0x1p40

/* Predictions of a window by predicted class and score. */
struct score_table {
    double predicted[2][SCORE_BINS];
    double n, shift; /* shift: what the mean score is above the middles of its bins */
};

struct estimate {
    struct cbpe cbpe;
    double values[LABELLED_METRICS];
};

static void table_finish(struct score_table *table, double sum)
{
    double middles = 0;
    table->n = 0;
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        double n = table->predicted[0][bin] + table->predicted[1][bin];
        table->n += n;
        middles += n * (bin + 0.5) / SCORE_BINS;
    }
    table->shift = table->n > 0 ? (sum - middles) / table->n : 0;
}

static bool has_scores(const struct labelled *labelled)
{
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
        if (labelled->bin_labels[bin] > 0)
            return true;
    return false;
}

static struct estimate estimate_of(const struct score_table *table, const struct calibrator *calibrator)
{
    struct cbpe_bin bins[SCORE_BINS];
    double scratch[2 * SCORE_BINS];
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        double middle = (bin + 0.5) / SCORE_BINS;
        if (calibrator->kind == CALIBRATOR_NONE)
            middle = fmin(fmax(middle + table->shift, 0), 1);
        bins[bin] = (struct cbpe_bin){.predicted_positive = table->predicted[1][bin],
                                      .predicted_negative = table->predicted[0][bin],
                                      .probability = calibrator_probability(calibrator, middle)};
    }
    struct estimate out = {.cbpe = cbpe_estimate(bins, SCORE_BINS, scratch)};
    const struct binary_metrics *metrics = &out.cbpe.metrics;
    out.values[LABELLED_ACCURACY] = metrics->accuracy;
    out.values[LABELLED_PRECISION] = metrics->precision;
    out.values[LABELLED_RECALL] = metrics->recall;
    out.values[LABELLED_F1] = metrics->f1;
    out.values[LABELLED_AUC] = out.cbpe.roc_auc;
    return out;
}

static void start_row(struct report_row *row, enum family family, double n, const struct labelled *labelled,
                      uint64_t n_min)
{
    *row = (struct report_row){.family = family, .n = (uint64_t)n, .reference_n = labelled->labels};
    row->flags = row->n < n_min || labelled->labels < n_min ? REPORT_INSUFFICIENT : 0;
    report_row_undefine(row);
}

/* Chunks of the reference vary with their size: a smaller window may vary more, a larger one is held to the
 * chunks' sd, which is not sampling alone. */
static double usual_sd(const struct labelled *labelled, int metric, double n)
{
    return labelled->usual[metric].sd * sqrt(fmax(1, labelled->chunk_n / n));
}

static void put_metric(double *slots, double value, double error, struct usual usual)
{
    slots[0] = value;
    slots[1] = fmax(value - 3 * error, 0);
    slots[2] = fmin(value + 3 * error, 1);
    slots[3] = usual.sd > 0 ? fabs(value - usual.mean) / usual.sd : (double)NAN;
    slots[4] = fmax(usual.mean - 3 * usual.sd, 0);
    slots[5] = fmin(usual.mean + 3 * usual.sd, 1);
    for (int i = 1; i <= 2; i++)
        if (isnan(value) || isnan(error)) /* fmin and fmax pass over what is undefined */
            slots[i] = (double)NAN;
    for (int i = 4; i <= 5; i++)
        if (isnan(usual.sd))
            slots[i] = (double)NAN;
}

bool estimates_report(const struct tally *scores, const struct labelled *labelled,
                      const struct model_options *options, struct report_row *row)
{
    struct score_table table;
    for (uint32_t class = 0; class < 2; class ++)
        for (uint32_t bin = 0; bin < SCORE_BINS; bin++)
            table.predicted[class][bin] = (double)scores->counters[SCORES_BINS + class * SCORE_BINS + bin];
    table_finish(&table, (double)scores->sums[SCORES_SUM_INSIDE] / SUM_SCALE);
    if (!(table.n > 0) || !has_scores(labelled))
        return false;
    struct estimate estimate = estimate_of(&table, &labelled->calibrator);
    start_row(row, FAMILY_ESTIMATED, table.n, labelled, options->n_min);
    static const int first[LABELLED_METRICS] = {EST_ACCURACY, EST_PRECISION, EST_RECALL, EST_F1, EST_AUC};
    for (int metric = 0; metric < LABELLED_METRICS; metric++) {
        double error = metric == LABELLED_ACCURACY
                           ? estimate.cbpe.accuracy_sd
                           : labelled->usual[metric].sd * sqrt(labelled->chunk_n / table.n);
        struct usual usual = {labelled->usual[metric].mean, usual_sd(labelled, metric, table.n)};
        put_metric(row->slots + first[metric], estimate.values[metric], error, usual);
    }
    double current[SCORE_BINS], uncovered = 0;
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        current[bin] = table.predicted[0][bin] + table.predicted[1][bin];
        uncovered += labelled->bin_labels[bin] < 20 ? current[bin] : 0;
    }
    row->slots[EST_EXTRAPOLATING] = cbpe_extrapolating(current, labelled->bin_labels, SCORE_BINS);
    row->slots[EST_UNCOVERED] = uncovered / table.n;
    row->slots[EST_CALIBRATOR] = (double)labelled->calibrator.kind;
    return true;
}

bool estimates_report_error(const struct tally *outcomes, const struct labelled *labelled, uint64_t n_min,
                            struct report_row *row)
{
    struct labelled_scores scores;
    struct score_table table;
    double sum = 0, positives[SCORE_BINS], negatives[SCORE_BINS];
    labelled_scores_of(outcomes, &scores);
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        table.predicted[0][bin] = scores.cells[0][bin] + scores.cells[2][bin];
        table.predicted[1][bin] = scores.cells[1][bin] + scores.cells[3][bin];
        negatives[bin] = scores.cells[0][bin] + scores.cells[1][bin];
        positives[bin] = scores.cells[2][bin] + scores.cells[3][bin];
    }
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++)
        sum += (double)outcomes->sums[SUM_P + i] / OUT_SCALE;
    table_finish(&table, sum);
    if (!(table.n > 0) || !has_scores(labelled))
        return false;
    struct estimate estimate = estimate_of(&table, &labelled->calibrator);
    struct confusion confusion = labelled_confusion(&scores, false);
    struct binary_metrics realised = binary_metrics(&confusion);
    start_row(row, FAMILY_ESTIMATE_ERROR, table.n, labelled, n_min);
    row->slots[ERR_ACCURACY] = estimate.values[LABELLED_ACCURACY] - realised.accuracy;
    row->slots[ERR_PRECISION] = estimate.values[LABELLED_PRECISION] - realised.precision;
    row->slots[ERR_RECALL] = estimate.values[LABELLED_RECALL] - realised.recall;
    row->slots[ERR_F1] = estimate.values[LABELLED_F1] - realised.f1;
    row->slots[ERR_AUC] = estimate.values[LABELLED_AUC] -
                          score_auc(&(struct score_histogram){positives, negatives, SCORE_BINS}).value;
    return true;
}
