#include "detectors/comparison.h"

#include <math.h>

#include "detectors/outcomes_layout.h"
#include "detectors/score_slots.h"
#include "detectors/special.h"

#define ALPHA 0.05
#define Z_95  1.959963984540054

/* A mean of losses: its sample standard deviation and size. */
struct mean {
    double value, sd, n;
};

struct side {
    double labels; /* binary */
    struct confusion confusion;
    struct binary_metrics metrics;
    struct auc auc;
    double f1_error;
    struct mean brier;
    double regressions;
    struct mean abs_error, squared_error;
    double bias;
};

struct difference {
    double value, low, high, p;
};

static double sum_of(const struct tally *tally, uint32_t at)
{
    return (double)tally->sums[at] / OUT_SCALE;
}

/* ---- one side ---- */

/* The mean is exact; the spread of the losses is that of the middles of score bins. */
static struct mean brier_of(const struct tally *tally, const double *positives, const double *negatives)
{
    double n = 0, p2 = 0, py = 0, y = 0, loss = 0, loss2 = 0;
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++) {
        p2 += sum_of(tally, SUM_P2 + i);
        py += sum_of(tally, SUM_PY + i);
    }
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        double p = (bin + 0.5) / SCORE_BINS, one = (1 - p) * (1 - p), zero = p * p;
        n += positives[bin] + negatives[bin];
        y += positives[bin];
        loss += positives[bin] * one + negatives[bin] * zero;
        loss2 += positives[bin] * one * one + negatives[bin] * zero * zero;
    }
    double spread = n > 1 ? sqrt(fmax(loss2 - loss * loss / n, 0) / (n - 1)) : (double)NAN;
    return (struct mean){n > 0 ? (p2 - 2 * py + y) / n : (double)NAN, spread, n};
}

/* Of squared errors the spread of normal errors: Var e² = 2v² + 4b²v. */
static void read_regression(const struct tally *tally, double unit, struct side *out)
{
    double n = out->regressions = (double)tally->counters[OUT_REGRESSION_N];
    if (!(n > 0))
        return;
    double mean2 = sum_of(tally, SUM_ERROR2) / n, mae = sum_of(tally, SUM_ABS_ERROR) / n;
    double bias = sum_of(tally, SUM_ERROR) / n, variance = fmax(mean2 - bias * bias, 0);
    double scale = n > 1 ? n / (n - 1) : (double)NAN;
    out->bias = bias * unit;
    out->abs_error = (struct mean){mae * unit, sqrt(fmax(mean2 - mae * mae, 0) * scale) * unit, n};
    out->squared_error =
        (struct mean){mean2 * unit * unit,
                      sqrt((2 * variance * variance + 4 * bias * bias * variance) * scale) * unit * unit, n};
}

static void read_side(const struct tally *tally, double unit, struct side *out)
{
    struct labelled_scores scores;
    double positives[SCORE_BINS], negatives[SCORE_BINS];
    labelled_scores_of(tally, &scores);
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        negatives[bin] = scores.cells[0][bin] + scores.cells[1][bin];
        positives[bin] = scores.cells[2][bin] + scores.cells[3][bin];
    }
    *out = (struct side){.confusion = labelled_confusion(&scores, true)};
    out->metrics = binary_metrics(&out->confusion);
    out->labels = out->metrics.n;
    out->auc = score_auc(&(struct score_histogram){positives, negatives, SCORE_BINS});
    out->f1_error = f1_standard_error(&out->confusion);
    out->brier = brier_of(tally, positives, negatives);
    read_regression(tally, unit, out);
}

/* ---- differences ---- */

static struct difference of_proportions(double k1, double n1, double k2, double n2)
{
    if (!(n1 > 0) || !(n2 > 0))
        return (struct difference){(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    struct interval interval = interval_newcombe(k1, n1, k2, n2, ALPHA);
    return (struct difference){k1 / n1 - k2 / n2, interval.low, interval.high,
                               two_proportion_z(k1, n1, k2, n2).p};
}

/* Of two values with standard errors; no interval when neither varies. */
static struct difference of_estimates(double a, double a_error, double b, double b_error)
{
    double value = a - b, error = sqrt(a_error * a_error + b_error * b_error);
    if (!(error > 0))
        return (struct difference){value, (double)NAN, (double)NAN, (double)NAN};
    return (struct difference){value, value - Z_95 * error, value + Z_95 * error,
                               fmin(1, 2 * normal_sf(fabs(value) / error))};
}

static struct difference of_means(const struct mean *a, const struct mean *b)
{
    struct welch welch = welch_test(a->value, a->sd, a->n, b->value, b->sd, b->n, ALPHA);
    return (struct difference){welch.difference, welch.interval.low, welch.interval.high, welch.p};
}

static struct difference of_roots(const struct mean *a, const struct mean *b)
{
    double root_a = sqrt(a->value), root_b = sqrt(b->value);
    struct difference out =
        of_estimates(root_a, a->sd / sqrt(a->n) / (2 * root_a), root_b, b->sd / sqrt(b->n) / (2 * root_b));
    out.p = of_means(a, b).p;
    return out;
}

struct differences {
    struct difference accuracy, precision, recall, specificity, f1, auc, brier, mae, rmse;
};

static void compare(const struct side *a, const struct side *b, struct differences *out)
{
    const struct confusion *x = &a->confusion, *y = &b->confusion;
    out->accuracy = of_proportions(x->tp + x->tn, a->labels, y->tp + y->tn, b->labels);
    out->precision = of_proportions(x->tp, x->tp + x->fp, y->tp, y->tp + y->fp);
    out->recall = of_proportions(x->tp, x->tp + x->fn, y->tp, y->tp + y->fn);
    out->specificity = of_proportions(x->tn, x->tn + x->fp, y->tn, y->tn + y->fp);
    out->f1 = of_estimates(a->metrics.f1, a->f1_error, b->metrics.f1, b->f1_error);
    out->auc = of_estimates(a->auc.value, sqrt(a->auc.variance), b->auc.value, sqrt(b->auc.variance));
    out->brier = of_means(&a->brier, &b->brier);
    out->mae = of_means(&a->abs_error, &b->abs_error);
    out->rmse = of_roots(&a->squared_error, &b->squared_error);
}

/* ---- rows ---- */

static void start_row(struct report_row *row, enum family family, double n, double reference_n,
                      uint64_t n_min)
{
    *row = (struct report_row){.family = family, .n = (uint64_t)n, .reference_n = (uint64_t)reference_n};
    row->flags = row->n < n_min || row->reference_n < n_min ? REPORT_INSUFFICIENT : 0;
    report_row_undefine(row);
}

static void put(double *slots, const struct difference *difference)
{
    slots[0] = difference->value;
    slots[1] = difference->low;
    slots[2] = difference->high;
    slots[3] = difference->p;
}

/* And by how much it got worse; a fall counts from where the interval begins to exclude none. Without an
 * interval there is no fall to judge. */
static void put_drop(double *slots, const struct difference *difference)
{
    put(slots, difference);
    if (isnan(difference->high))
        return;
    slots[4] = -difference->value;
    slots[5] = difference->high - difference->value;
}

static void put_increase(double *slots, const struct difference *difference, double before)
{
    put(slots, difference);
    if (isnan(difference->low) || !(before > 0))
        return;
    slots[4] = difference->value / before;
    slots[5] = (difference->value - difference->low) / before;
}

uint32_t comparison_report(const struct tally *outcomes, const struct labelled *labelled, double unit,
                           uint64_t n_min, struct report_row rows[COMPARISON_ROWS_MAX])
{
    struct side now, before;
    struct differences d;
    uint32_t count = 0;
    read_side(outcomes, unit, &now);
    read_side(labelled->total, labelled->unit, &before);
    compare(&now, &before, &d);
    if (now.labels > 0 && before.labels > 0) {
        double *slots = rows[count].slots;
        start_row(&rows[count++], FAMILY_COMPARISON, now.labels, before.labels, n_min);
        put_drop(slots + CMP_ACCURACY_DELTA, &d.accuracy);
        put_drop(slots + CMP_PRECISION_DELTA, &d.precision);
        put_drop(slots + CMP_RECALL_DELTA, &d.recall);
        put_drop(slots + CMP_SPECIFICITY_DELTA, &d.specificity);
        put_drop(slots + CMP_F1_DELTA, &d.f1);
        put_drop(slots + CMP_AUC_DELTA, &d.auc);
        put(slots + CMP_BRIER_DELTA, &d.brier);
    }
    if (now.regressions > 0 && before.regressions > 0) {
        double *slots = rows[count].slots;
        start_row(&rows[count++], FAMILY_REGRESSION_COMPARISON, now.regressions, before.regressions, n_min);
        put_increase(slots + CMP_MAE_DELTA, &d.mae, before.abs_error.value);
        put_increase(slots + CMP_RMSE_DELTA, &d.rmse, sqrt(before.squared_error.value));
        slots[CMP_BIAS_DELTA] = now.bias - before.bias;
    }
    return count;
}

bool comparison_report_versions(const struct tally *first, const struct tally *second,
                                const struct paired_counts *pairs, double unit, uint64_t n_min,
                                struct report_row *row)
{
    struct side a, b;
    struct differences d;
    read_side(first, unit, &a);
    read_side(second, unit, &b);
    double n = fmax(a.labels, 0) + a.regressions, m = fmax(b.labels, 0) + b.regressions;
    if (!(n > 0) || !(m > 0))
        return false;
    compare(&a, &b, &d);
    start_row(row, FAMILY_VERSIONS, n, m, n_min);
    put(row->slots + VS_ACCURACY, &d.accuracy);
    put(row->slots + VS_AUC, &d.auc);
    put(row->slots + VS_BRIER, &d.brier);
    put(row->slots + VS_F1, &d.f1);
    if (a.regressions > 0 && b.regressions > 0)
        put(row->slots + VS_MAE, &d.mae);
    double both =
        pairs ? (double)(pairs->both_right + pairs->only_first + pairs->only_second + pairs->both_wrong) : 0;
    row->slots[VS_PAIRED] = both;
    if (both > 0) {
        row->slots[VS_BOTH_RIGHT] = (double)pairs->both_right;
        row->slots[VS_ONLY_FIRST] = (double)pairs->only_first;
        row->slots[VS_ONLY_SECOND] = (double)pairs->only_second;
        row->slots[VS_BOTH_WRONG] = (double)pairs->both_wrong;
        row->slots[VS_MCNEMAR_P] = mcnemar_p(pairs->only_first, pairs->only_second);
    }
    return true;
}
