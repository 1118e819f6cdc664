#include "detectors/multivariate_family.h"

#include <math.h>
#include <stdlib.h>

#include "agent/base/hash.h"
#include "detectors/intervals.h"
#include "detectors/multivariate_slots.h"
#include "detectors/quality.h"
#include "detectors/reference.h"

/* Counters: */
enum {
    COUNTED,
    EMPTY,  /* no value in any of the features */
    FILLED, /* values that were missing */
    ERRORS, /* events with a reconstruction error */
    ERROR_BINS,
    DISTANCE_BINS = ERROR_BINS + MULTIVARIATE_BINS /* when the reference has edges */
};
/* Sums: MEAN_FEATURES features, Σe (2^-40), Σe² (2^-32), Σz (d, 2^-40), lower triangle of Σzzᵀ (2^-32). */
enum { ERROR_SUM = MEAN_FEATURES, ERROR_SQUARES, Z_SUMS };

#define ERROR_CLIP        4096.0
#define CONSTANT_VARIANCE 1e-8 /* of the reference's: what fixed-point sums of a constant may leave */

static const uint64_t SEED_SAMPLED = UINT64_C(0x1d8f3b6e70a92c45);
enum {
    SAMPLED_MASK = 15,
    SLOTS = 256,
    PAIRS_MAX = MULTIVARIATE_FEATURES_MAX * (MULTIVARIATE_FEATURES_MAX + 1) / 2
};

void multivariate_free(struct multivariate *multivariate)
{
    if (!multivariate)
        return;
    mean_embedding_release(&multivariate->embedding);
    pca_free(multivariate->pca);
    free(multivariate->encoding);
    free(multivariate);
}

/* ---- rows ---- */

int multivariate_encode(struct multivariate *multivariate, const struct reference *reference)
{
    multivariate->encoding = malloc((size_t)multivariate->d * SLOTS * sizeof *multivariate->encoding);
    if (!multivariate->encoding)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < multivariate->d; i++) {
        double *shares = multivariate->encoding + (size_t)i * SLOTS;
        uint32_t f = multivariate->feature[i];
        const struct feature_grid *feature = &reference->grid->features[f];
        const uint64_t *counts = reference->features->counters + reference->layout->slot_at[f];
        for (unsigned slot = 0; slot < SLOTS; slot++)
            shares[slot] = (double)NAN;
        if (feature->type != FEATURE_CATEGORICAL)
            continue;
        uint64_t total = 0;
        for (unsigned slot = 0; slot < feature_slot_missing(feature, GRID_FINE); slot++)
            total += counts[slot];
        for (unsigned slot = 0; total && slot < feature->category_count; slot++)
            shares[slot] = (double)counts[slot] / (double)total;
        uint32_t others = feature->known_count ? feature->known_count : 1; /* each its part of them */
        shares[feature_slot_other(feature)] =
            total ? (double)counts[feature_slot_other(feature)] / others / (double)total : 0;
        shares[feature_slot_unseen(feature)] = 0;
    }
    return 0;
}

bool multivariate_numbers(const struct multivariate *multivariate, const struct grid *grid,
                          const struct feature_row *row, double *out)
{
    bool any = false;
    for (uint32_t i = 0; i < multivariate->d; i++) {
        uint32_t f = multivariate->feature[i];
        const struct feature_grid *feature = &grid->features[f];
        uint8_t slot = row->slot[f];
        if (feature->type == FEATURE_CATEGORICAL)
            out[i] = slot == SLOT_NONE ? (double)NAN : multivariate->encoding[(size_t)i * SLOTS + slot];
        else
            out[i] =
                slot <= feature->edge_count && slot != SLOT_NONE ? (double)row->z[f] / Z_UNIT : (double)NAN;
        any |= !isnan(out[i]);
    }
    return any;
}

uint32_t multivariate_standardise(const struct multivariate *multivariate, double *x)
{
    uint32_t filled = 0;
    for (uint32_t i = 0; i < multivariate->d; i++) {
        double z = (x[i] - multivariate->mean[i]) / multivariate->scale[i];
        bool missing = isnan(x[i]);
        x[i] = missing ? 0 : z > Z_CLIP ? Z_CLIP : z < -Z_CLIP ? -Z_CLIP : z;
        filled += missing;
    }
    return filled;
}

/* ---- counting ---- */

static uint32_t pair_count(uint32_t d)
{
    return d * (d + 1) / 2;
}

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    const struct multivariate *multivariate = reference ? reference->multivariate : NULL;
    if (!multivariate)
        return (struct tally_size){0, 0};
    return (struct tally_size){DISTANCE_BINS + (multivariate->has_distance ? MULTIVARIATE_BINS : 0),
                               Z_SUMS + multivariate->d + pair_count(multivariate->d)};
}

/* Without an id what the event says decides. */
bool multivariate_selects(const struct count_input *input)
{
    const struct event *ev = input->event;
    if (input->options->multivariate == MULTIVARIATE_OFF || ev->features.count == 0)
        return false;
    if (input->options->multivariate == MULTIVARIATE_ALL)
        return true;
    uint64_t hash = SEED_SAMPLED ^ (uint64_t)ev->ts_ms;
    if (ev->id.ptr)
        hash = hash_text(ev->id, SEED_SAMPLED);
    else
        hash = hash64(input->row->slot, input->row->count,
                      hash64(input->row->z, input->row->count * sizeof(*input->row->z), hash));
    return (hash & SAMPLED_MASK) == 0;
}

static bool applies(const struct count_input *input)
{
    return input->reference && input->reference->multivariate && multivariate_selects(input);
}

static uint32_t bin_of(const double *edges, double value)
{
    uint32_t bin = 0;
    while (bin < MULTIVARIATE_BINS - 1 && edges[bin] < value)
        bin++;
    return bin;
}

const char *const multivariate_score_names[MULTIVARIATE_SCORES] = {"@reconstruction", "@mahalanobis"};

const uint64_t *multivariate_score_counts(const struct tally *tally, uint32_t score)
{
    uint32_t at = score ? DISTANCE_BINS : ERROR_BINS;
    return tally->size.counters >= at + MULTIVARIATE_BINS ? tally->counters + at : NULL;
}

static void add_error(struct tally *tally, const struct multivariate *multivariate, const double *x,
                      uint64_t times)
{
    double scratch[2 * MULTIVARIATE_FEATURES_MAX];
    double error = pca_error(multivariate->pca, x, scratch);
    error = error < ERROR_CLIP ? error : ERROR_CLIP;
    double square = error * error;
    fixed_add(&tally->sums[ERROR_SUM], &error, 1, Z_UNIT, times);
    fixed_add(&tally->sums[ERROR_SQUARES], &square, 1, Z2_UNIT, times);
    tally->counters[ERRORS] += times;
    tally->counters[ERROR_BINS + bin_of(multivariate->error_edges, error)] += times;
    if (multivariate->has_distance) {
        double distance = pca_distance(multivariate->pca, x, scratch);
        tally->counters[DISTANCE_BINS + bin_of(multivariate->distance_edges, distance)] += times;
    }
}

void multivariate_count(struct tally *tally, const struct count_input *input, uint64_t times, bool with_error)
{
    const struct multivariate *multivariate = input->reference->multivariate;
    double x[MULTIVARIATE_FEATURES_MAX], products[PAIRS_MAX];
    uint32_t d = multivariate->d, at = 0;
    if (!multivariate_numbers(multivariate, input->reference->grid, input->row, x)) {
        tally->counters[EMPTY] += times;
        return;
    }
    tally->counters[COUNTED] += times;
    tally->counters[FILLED] += multivariate_standardise(multivariate, x) * times;
    mean_embedding_add(&multivariate->embedding, x, times, tally->sums);
    if (multivariate->pca && with_error)
        add_error(tally, multivariate, x, times);
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j <= i; j++)
            products[at++] = x[i] * x[j];
    fixed_add(&tally->sums[Z_SUMS], x, d, Z_UNIT, times);
    fixed_add(&tally->sums[Z_SUMS + d], products, at, Z2_UNIT, times);
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    multivariate_count(tally, input, times, true);
}

/* ---- reporting ---- */

static double or_undefined(double value)
{
    return isfinite(value) ? value : (double)NAN;
}

static void report_mmd(const struct family_report *in, double *slots)
{
    struct mmd mmd = mean_embedding_compare(&in->reference->multivariate->embedding, in->current->sums,
                                            in->current->counters[COUNTED], in->baseline->sums,
                                            in->baseline->counters[COUNTED]);
    slots[MULTIVARIATE_MMD2] = or_undefined(mmd.unbiased);
    slots[MULTIVARIATE_MMD2_BIASED] = or_undefined(mmd.biased);
    slots[MULTIVARIATE_MMD_P] = or_undefined(mmd.p);
}

struct errors {
    double n, mean, sd;
};

static struct errors errors_of(const struct tally *tally)
{
    double n = (double)tally->counters[ERRORS];
    double mean = (double)tally->sums[ERROR_SUM] / Z_UNIT / n;
    double square = (double)tally->sums[ERROR_SQUARES] / Z2_UNIT / n;
    double variance = n > 1 ? fmax(0, square - mean * mean) * n / (n - 1) : (double)NAN;
    return (struct errors){n, mean, sqrt(variance)};
}

/* The sd of mean errors of chunks of the reference as large as the window: that of the nearest size there is;
 * NaN when the reference has no ten of them. */
static double chunk_sd(const struct multivariate *multivariate, double n)
{
    const struct multivariate_chunks *nearest = NULL;
    for (uint32_t i = 0; i < multivariate->level_count; i++) {
        const struct multivariate_chunks *chunks = &multivariate->levels[i];
        if (!nearest || fabs(log(chunks->size / n)) < fabs(log(nearest->size / n)))
            nearest = chunks;
    }
    if (!nearest || n > multivariate->levels[0].size)
        return (double)NAN;
    return nearest->sd * sqrt(nearest->size / n);
}

static void report_errors(const struct family_report *in, double *slots)
{
    const struct multivariate *multivariate = in->reference->multivariate;
    if (!multivariate->pca || in->current->counters[ERRORS] == 0 || in->baseline->counters[ERRORS] == 0)
        return;
    struct errors now = errors_of(in->current), before = errors_of(in->baseline);
    struct welch welch = welch_test(now.mean, now.sd, now.n, before.mean, before.sd, before.n, 0.05);
    slots[MULTIVARIATE_PCA_ERROR] = or_undefined(now.mean);
    slots[MULTIVARIATE_PCA_REFERENCE] = or_undefined(before.mean);
    slots[MULTIVARIATE_PCA_P] = or_undefined(welch.p);
    double sd = chunk_sd(multivariate, now.n);
    if (sd > 0) {
        slots[MULTIVARIATE_PCA_LOW] = or_undefined(fmax(0, before.mean - 3 * sd));
        slots[MULTIVARIATE_PCA_HIGH] = or_undefined(before.mean + 3 * sd);
        slots[MULTIVARIATE_PCA_DEVIATION] = or_undefined(fabs(now.mean - before.mean) / sd);
    } else {
        slots[MULTIVARIATE_PCA_DEVIATION] = or_undefined(fabs(welch.t));
    }
    uint32_t last = ERROR_BINS + MULTIVARIATE_BINS - 1;
    struct rate_change tail = rate_change(in->current->counters[last], in->current->counters[ERRORS],
                                          in->baseline->counters[last], in->baseline->counters[ERRORS]);
    slots[MULTIVARIATE_TAIL_RATE] = (double)in->current->counters[last] / now.n;
    slots[MULTIVARIATE_TAIL_DELTA] = or_undefined(tail.difference);
    slots[MULTIVARIATE_TAIL_P] = or_undefined(tail.test.p);
}

/* A column that never moves has variance 0, not what rounding makes of it. */
static void moments_of(const struct tally *tally, uint32_t d, double *mean, double *covariance)
{
    double sum[MULTIVARIATE_FEATURES_MAX] = {0}, cross[PAIRS_MAX] = {0};
    const int128 *sums = tally->sums + Z_SUMS;
    for (uint32_t i = 0; i < d; i++)
        sum[i] = (double)sums[i] / Z_UNIT;
    for (uint32_t i = 0; i < pair_count(d); i++)
        cross[i] = (double)sums[d + i] / Z2_UNIT;
    sums_moments((double)tally->counters[COUNTED], sum, cross, d, mean, covariance);
    for (uint32_t i = 0; i < d; i++)
        if (covariance[(size_t)i * d + i] < CONSTANT_VARIANCE)
            for (uint32_t j = 0; j < d; j++)
                covariance[(size_t)i * d + j] = covariance[(size_t)j * d + i] = 0;
}

static void report_moments(const struct family_report *in, double *slots)
{
    uint32_t d = in->reference->multivariate->d;
    double mean[MULTIVARIATE_FEATURES_MAX], reference_mean[MULTIVARIATE_FEATURES_MAX];
    double n = (double)in->current->counters[COUNTED];
    double reference_n = (double)in->baseline->counters[COUNTED];
    size_t cells = (size_t)d * d;
    double *covariance = malloc(2 * cells * sizeof *covariance);
    if (!covariance)
        return; /* undefined for want of 64 KiB */
    double *reference_covariance = covariance + cells;
    moments_of(in->current, d, mean, covariance);
    moments_of(in->baseline, d, reference_mean, reference_covariance);
    struct hotelling hotelling;
    if (hotelling_test(reference_mean, reference_covariance, reference_n, mean, covariance, n, d,
                       &hotelling) == 0) {
        slots[MULTIVARIATE_T2] = or_undefined(hotelling.t2);
        slots[MULTIVARIATE_F] = or_undefined(hotelling.f);
        slots[MULTIVARIATE_HOTELLING_P] = or_undefined(hotelling.p);
    }
    struct correlation_drift drift =
        correlation_drift(reference_covariance, reference_n, covariance, n, d, NULL);
    slots[MULTIVARIATE_CORRELATION] = or_undefined(drift.max_difference);
    slots[MULTIVARIATE_FROBENIUS] = or_undefined(drift.frobenius);
    slots[MULTIVARIATE_CORRELATION_P] = or_undefined(drift.p);
    free(covariance);
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 1;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    const struct multivariate *multivariate = in->reference->multivariate;
    uint64_t n = in->current->counters[COUNTED], empty = in->current->counters[EMPTY];
    if (!multivariate || n + empty == 0)
        return 0;
    struct report_row *row = &rows[0];
    *row = (struct report_row){.family = FAMILY_MULTIVARIATE, .n = n};
    report_row_undefine(row);
    row->slots[MULTIVARIATE_EMPTY_RATE] = (double)empty / (double)(n + empty);
    if (n)
        row->slots[MULTIVARIATE_FILLED_RATE] =
            (double)in->current->counters[FILLED] / ((double)n * multivariate->d);
    row->reference_n = in->baseline ? in->baseline->counters[COUNTED] : 0;
    if (n && row->reference_n) {
        report_mmd(in, row->slots);
        report_errors(in, row->slots);
        report_moments(in, row->slots);
    }
    if (n < in->options->n_min || row->reference_n < in->options->n_min)
        row->flags |= REPORT_INSUFFICIENT;
    names[0] = text_of("@features");
    return 1;
}

const struct family_ops multivariate_family = {
    .name = "multivariate",
    .of_reference = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
