#include "detectors/cbpe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/calibration.h"

static int by_score(const void *left, const void *right)
{
    const struct score_count *a = left;
    const struct score_count *b = right;
    return a->score < b->score ? -1 : a->score > b->score;
}

/* Sorted by score, equal scores added, without empty points. Returns how many are left. */
static size_t merge_ties(struct score_count *points, size_t count)
{
    size_t used = 0;
    qsort(points, count, sizeof *points, by_score);
    for (size_t i = 0; i < count; i++) {
        if (!(points[i].n > 0) || isnan(points[i].score))
            continue;
        if (used > 0 && points[used - 1].score == points[i].score) {
            points[used - 1].n += points[i].n;
            points[used - 1].positives += points[i].positives;
        } else {
            points[used++] = points[i];
        }
    }
    return used;
}

struct block {
    double n, positives;
    size_t end; /* one past its last point */
};

/* Pools adjacent violators; `blocks` has room for `count`. Returns how many blocks. */
static size_t pool(const struct score_count *points, size_t count, struct block *blocks)
{
    size_t top = 0;
    for (size_t i = 0; i < count; i++) {
        blocks[top++] = (struct block){points[i].n, points[i].positives, i + 1};
        while (top > 1 && blocks[top - 2].positives * blocks[top - 1].n >=
                              blocks[top - 1].positives * blocks[top - 2].n) {
            blocks[top - 2].n += blocks[top - 1].n;
            blocks[top - 2].positives += blocks[top - 1].positives;
            blocks[top - 2].end = blocks[top - 1].end;
            top--;
        }
    }
    return top;
}

/* A block is flat: its first and last point are enough as knots. */
static int knots_of(const struct score_count *points, const struct block *blocks, size_t block_count,
                    struct isotonic *out)
{
    out->x = malloc(4 * block_count * sizeof *out->x);
    if (!out->x)
        return ERR_NOMEM;
    out->y = out->x + 2 * block_count;
    out->count = 0;
    size_t first = 0;
    for (size_t b = 0; b < block_count; b++) {
        double level = blocks[b].positives / blocks[b].n;
        size_t last = blocks[b].end - 1;
        out->x[out->count] = points[first].score;
        out->y[out->count++] = level;
        if (last > first) {
            out->x[out->count] = points[last].score;
            out->y[out->count++] = level;
        }
        first = blocks[b].end;
    }
    return 0;
}

int isotonic_fit(const struct score_count *points, size_t count, struct isotonic *out)
{
    *out = (struct isotonic){0, NULL, NULL};
    if (count == 0)
        return ERR_INVALID;
    struct score_count *sorted = malloc(count * sizeof *sorted);
    struct block *blocks = malloc(count * sizeof *blocks);
    int rc = ERR_NOMEM;
    if (sorted && blocks) {
        memcpy(sorted, points, count * sizeof *sorted);
        size_t used = merge_ties(sorted, count);
        rc = used > 0 ? knots_of(sorted, blocks, pool(sorted, used, blocks), out) : ERR_INVALID;
    }
    free(sorted);
    free(blocks);
    return rc;
}

void isotonic_clear(struct isotonic *fit)
{
    free(fit->x);
    *fit = (struct isotonic){0, NULL, NULL};
}

double isotonic_value(const struct isotonic *fit, double x)
{
    if (fit->count == 0 || isnan(x))
        return NAN;
    if (x <= fit->x[0])
        return fit->y[0];
    if (x >= fit->x[fit->count - 1])
        return fit->y[fit->count - 1];
    size_t low = 0;
    size_t high = fit->count - 1;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (fit->x[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    double share = (x - fit->x[low]) / (fit->x[high] - fit->x[low]);
    return fit->y[low] + share * (fit->y[high] - fit->y[low]);
}

double calibrator_probability(const struct calibrator *calibrator, double score)
{
    if (calibrator->kind == CALIBRATOR_ISOTONIC)
        return isotonic_value(&calibrator->isotonic, score);
    if (calibrator->kind == CALIBRATOR_PLATT)
        return logistic_probability(&calibrator->platt, logit(fmin(fmax(score, 1e-6), 1 - 1e-6)));
    return score;
}

void calibrator_clear(struct calibrator *calibrator)
{
    isotonic_clear(&calibrator->isotonic);
    calibrator->kind = CALIBRATOR_NONE;
}

static int platt_fit(const struct score_count *points, size_t count, struct calibrator *out)
{
    if (count == 0)
        return 0;
    struct logistic_point *logits = malloc(count * sizeof *logits);
    if (!logits)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        logits[i] = (struct logistic_point){logit(fmin(fmax(points[i].score, 1e-6), 1 - 1e-6)), points[i].n,
                                            points[i].positives};
    out->platt = logistic_fit(logits, count, 1e-6);
    if (!isnan(out->platt.slope))
        out->kind = CALIBRATOR_PLATT;
    free(logits);
    return 0;
}

static double held_out_ece(const struct calibrator *calibrator, const struct score_count *points,
                           size_t count)
{
    enum { BINS = 10 };
    struct calibration_bin bins[BINS];
    memset(bins, 0, sizeof bins);
    for (size_t i = 0; i < count; i++) {
        double p = calibrator_probability(calibrator, points[i].score);
        uint32_t b = calibration_bin_index(p, BINS);
        if (b == UINT32_MAX)
            continue;
        bins[b].n += points[i].n;
        bins[b].sum_p += points[i].n * p;
        bins[b].sum_y += points[i].positives;
        bins[b].sum_p2 += points[i].n * p * p;
        bins[b].sum_py += points[i].positives * p;
    }
    return calibration_of(bins, BINS).ece;
}

int calibrator_fit(const struct score_count *fit, size_t fit_count, const struct score_count *held_out,
                   size_t held_out_count, struct calibrator *out)
{
    *out = (struct calibrator){.kind = CALIBRATOR_NONE};
    double n = 0;
    double positives = 0;
    for (size_t i = 0; i < fit_count; i++) {
        n += fit[i].n;
        positives += fit[i].positives;
    }
    int rc;
    if (n >= 1000 && positives >= 50 && n - positives >= 50) {
        rc = isotonic_fit(fit, fit_count, &out->isotonic);
        if (rc == 0)
            out->kind = CALIBRATOR_ISOTONIC;
    } else {
        rc = platt_fit(fit, fit_count, out);
    }
    if (rc || !held_out || out->kind == CALIBRATOR_NONE)
        return rc;
    struct calibrator plain = {.kind = CALIBRATOR_NONE};
    if (!(held_out_ece(out, held_out, held_out_count) < held_out_ece(&plain, held_out, held_out_count)))
        calibrator_clear(out);
    return 0;
}

struct cbpe cbpe_estimate(const struct cbpe_bin *bins, size_t count, double *scratch)
{
    struct cbpe result = {.expected = {0, 0, 0, 0}};
    double *positives = scratch;
    double *negatives = scratch + count;
    double variance = 0;
    for (size_t i = 0; i < count; i++) {
        double p = bins[i].probability;
        double n = bins[i].predicted_positive + bins[i].predicted_negative;
        positives[i] = negatives[i] = 0;
        if (!(n > 0))
            continue;
        positives[i] = n * p;
        negatives[i] = n * (1 - p);
        result.expected.tp += bins[i].predicted_positive * p;
        result.expected.fp += bins[i].predicted_positive * (1 - p);
        result.expected.fn += bins[i].predicted_negative * p;
        result.expected.tn += bins[i].predicted_negative * (1 - p);
        variance += n * p * (1 - p);
    }
    result.metrics = binary_metrics(&result.expected);
    result.accuracy_sd = result.metrics.n > 0 ? sqrt(variance) / result.metrics.n : NAN;
    result.roc_auc = score_auc(&(struct score_histogram){positives, negatives, count}).value;
    return result;
}

struct interval cbpe_interval(double estimate, double reference_sd, double n_chunk, double n)
{
    if (!(n > 0) || !(n_chunk > 0))
        return (struct interval){NAN, NAN};
    double half = 3 * reference_sd * sqrt(n_chunk / n);
    return (struct interval){estimate - half, estimate + half};
}

bool cbpe_extrapolating(const double *current, const double *reference_labels, size_t bins)
{
    double n = 0;
    double uncovered = 0;
    for (size_t b = 0; b < bins; b++) {
        n += current[b];
        if (reference_labels[b] < 20)
            uncovered += current[b];
    }
    return uncovered > 0.05 * n;
}
