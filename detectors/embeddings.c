#include "detectors/embeddings.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "detectors/features.h"
#include "detectors/multivariate_family.h"
#include "detectors/multivariate_slots.h"
#include "detectors/quality.h"
#include "detectors/reference.h"

/*
 * Counters: EMBEDDING_FATES per embedding. Sums per embedding: MEAN_FEATURES features, then the coordinates
 * of the unit vector (2^-40).
 */

struct embeddings *embeddings_new(void)
{
    return calloc(1, sizeof(struct embeddings));
}

void embeddings_free(struct embeddings *embeddings)
{
    for (uint32_t i = 0; embeddings && i < embeddings->count; i++) {
        free(embeddings->items[i].name);
        mean_embedding_release(&embeddings->items[i].mean);
    }
    free(embeddings);
}

enum embedding_fate embedding_unit(const struct value *value, uint32_t dimension, double *out)
{
    if (!value || value->type == VALUE_ABSENT || value->type == VALUE_NULL)
        return EMBEDDING_MISSING;
    if (value->type != VALUE_VECTOR || value->count != dimension || !value->vector)
        return EMBEDDING_INVALID;
    double square = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        if (!(fabs(value->vector[i]) <= (double)FLT_MAX))
            return EMBEDDING_INVALID;
        out[i] = (double)(float)value->vector[i];
        square += out[i] * out[i];
    }
    if (!(square > 0))
        return EMBEDDING_ZERO;
    double length = sqrt(square); /* exact by IEEE 754 */
    for (uint32_t i = 0; i < dimension; i++)
        out[i] /= length;
    return EMBEDDING_COUNTED;
}

const struct value *embedding_value(const struct event *ev, struct text name)
{
    for (uint32_t i = 0; i < ev->features.count; i++)
        if (text_equal(ev->features.items[i].name, name))
            return &ev->features.items[i].value;
    return NULL;
}

/* ---- counting ---- */

static uint32_t sum_count(const struct embedding *embedding)
{
    return MEAN_FEATURES + embedding->dimension;
}

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    const struct embeddings *embeddings = reference ? reference->embeddings : NULL;
    struct tally_size total = {0, 0};
    for (uint32_t i = 0; embeddings && i < embeddings->count; i++) {
        total.counters += EMBEDDING_FATES;
        total.sums += sum_count(&embeddings->items[i]);
    }
    return total;
}

static bool applies(const struct count_input *input)
{
    return input->reference && input->reference->embeddings && multivariate_selects(input);
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    const struct embeddings *embeddings = input->reference->embeddings;
    uint64_t *counters = tally->counters;
    int128 *sums = tally->sums;
    double unit[EMBEDDING_DIMENSION_MAX];
    for (uint32_t i = 0; i < embeddings->count; i++) {
        const struct embedding *embedding = &embeddings->items[i];
        const struct value *value = embedding_value(input->event, text_of(embedding->name));
        enum embedding_fate fate = embedding_unit(value, embedding->dimension, unit);
        counters[fate] += times;
        if (fate == EMBEDDING_COUNTED) {
            mean_embedding_add(&embedding->mean, unit, times, sums);
            fixed_add(sums + MEAN_FEATURES, unit, embedding->dimension, Z_UNIT, times);
        }
        counters += EMBEDDING_FATES;
        sums += sum_count(embedding);
    }
}

/* ---- reporting ---- */

/* Where one embedding's entries are. */
struct view {
    const uint64_t *counters; /* NULL: the reference says nothing */
    const int128 *sums;
};

static uint64_t total_of(const uint64_t *counters)
{
    uint64_t total = 0;
    for (int fate = 0; fate < EMBEDDING_FATES; fate++)
        total += counters[fate];
    return total;
}

/* The mean of the unit vectors. */
static void centroid_of(struct view view, uint32_t d, double *out)
{
    for (uint32_t i = 0; i < d; i++)
        out[i] = (double)view.sums[MEAN_FEATURES + i] / Z_UNIT / (double)view.counters[EMBEDDING_COUNTED];
}

static double square_of(const double *vector, uint32_t d)
{
    double square = 0;
    for (uint32_t i = 0; i < d; i++)
        square += vector[i] * vector[i];
    return square;
}

static void report_centroids(const struct embedding *embedding, struct view now, struct view before,
                             double *slots)
{
    uint32_t d = embedding->dimension;
    double here[EMBEDDING_DIMENSION_MAX] = {0}, there[EMBEDDING_DIMENSION_MAX] = {0};
    centroid_of(now, d, here);
    centroid_of(before, d, there);
    struct centroid_distance distance = centroid_distance(there, here, d);
    slots[EMBEDDING_COSINE] = distance.cosine;
    slots[EMBEDDING_EUCLIDEAN] = distance.euclidean;
    /* Blocks of n; of M where the reference is the smaller one, since then it is what varies most. */
    uint64_t n = now.counters[EMBEDDING_COUNTED], m = before.counters[EMBEDDING_COUNTED];
    struct centroid_distance limit =
        centroid_null_limit(&embedding->null, (double)(n < m ? n : m), square_of(there, d));
    slots[EMBEDDING_COSINE_LIMIT] = limit.cosine;
    slots[EMBEDDING_COSINE_EXCESS] = distance.cosine / limit.cosine;
    slots[EMBEDDING_EUCLIDEAN_LIMIT] = limit.euclidean;
    slots[EMBEDDING_EUCLIDEAN_EXCESS] = distance.euclidean / limit.euclidean;
    struct mmd mmd = mean_embedding_compare(&embedding->mean, now.sums, now.counters[EMBEDDING_COUNTED],
                                            before.sums, before.counters[EMBEDDING_COUNTED]);
    slots[EMBEDDING_MMD2] = mmd.unbiased;
    slots[EMBEDDING_MMD2_BIASED] = mmd.biased;
    slots[EMBEDDING_MMD_P] = mmd.p;
}

static void report_one(const struct embedding *embedding, struct view now, struct view before, uint64_t n_min,
                       struct report_row *row)
{
    uint64_t n = now.counters[EMBEDDING_COUNTED], total = total_of(now.counters);
    *row = (struct report_row){.family = FAMILY_EMBEDDINGS, .n = n};
    report_row_undefine(row);
    row->slots[EMBEDDING_MISSING_RATE] = (double)now.counters[EMBEDDING_MISSING] / (double)total;
    row->slots[EMBEDDING_INVALID_RATE] = (double)now.counters[EMBEDDING_INVALID] / (double)total;
    uint64_t vectors = n + now.counters[EMBEDDING_ZERO];
    if (vectors)
        row->slots[EMBEDDING_ZERO_RATE] = (double)now.counters[EMBEDDING_ZERO] / (double)vectors;
    row->reference_n = before.counters ? before.counters[EMBEDDING_COUNTED] : 0;
    if (before.counters && total_of(before.counters)) {
        struct rate_change change =
            rate_change(now.counters[EMBEDDING_INVALID], total, before.counters[EMBEDDING_INVALID],
                        total_of(before.counters));
        row->slots[EMBEDDING_INVALID_DELTA] = change.difference;
        row->slots[EMBEDDING_INVALID_P] = change.test.p;
    }
    if (n && row->reference_n)
        report_centroids(embedding, now, before, row->slots);
    if (n < n_min || row->reference_n < n_min)
        row->flags |= REPORT_INSUFFICIENT;
    for (int i = 0; i < REPORT_SLOTS; i++)
        if (!isfinite(row->slots[i]))
            row->slots[i] = (double)NAN;
}

static uint32_t rows_max(const struct reference *reference)
{
    return reference && reference->embeddings ? reference->embeddings->count : 0;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    const struct embeddings *embeddings = in->reference->embeddings;
    struct view now = {in->current->counters, in->current->sums}, before = {NULL, NULL};
    if (in->baseline)
        before = (struct view){in->baseline->counters, in->baseline->sums};
    uint32_t count = 0;
    for (uint32_t i = 0; embeddings && i < embeddings->count; i++) {
        const struct embedding *embedding = &embeddings->items[i];
        if (total_of(now.counters)) {
            report_one(embedding, now, before, in->options->n_min, &rows[count]);
            names[count++] = text_of(embedding->name);
        }
        now = (struct view){now.counters + EMBEDDING_FATES, now.sums + sum_count(embedding)};
        if (before.counters)
            before = (struct view){before.counters + EMBEDDING_FATES, before.sums + sum_count(embedding)};
    }
    return count;
}

const struct family_ops embeddings_family = {
    .name = "embeddings",
    .of_reference = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
