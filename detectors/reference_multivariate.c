#include "detectors/reference_multivariate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/features_private.h"

/*
 * The model of all features together: which features, how a row becomes standardised numbers, the kernel, the
 * principal components and how much chunks of the reference differ. Computed from at most ROWS_MAX different
 * rows of the sample, taken in the order of their hashes; then all rows are counted, as a stream would be.
 */
enum { ROWS_MAX = 20000, CHUNKS_LEAST = 10, CHUNK_ROWS_LEAST = 10 };
#define EXPLAINED 0.65

struct rows {
    double *x;      /* n × d */
    double *weight; /* events that a row stands for */
    double *error;  /* PCA */
    int64_t *ts_ms;
    uint32_t *by_time;
    uint32_t n, d;
    double total; /* Σ weight */
};

static void rows_release(struct rows *rows)
{
    free(rows->x);
    free(rows->weight);
    free(rows->error);
    free(rows->ts_ms);
    free(rows->by_time);
}

static int rows_init(struct rows *rows, uint32_t most, uint32_t d)
{
    *rows = (struct rows){.d = d};
    rows->x = malloc((size_t)most * d * sizeof *rows->x);
    rows->weight = malloc(most * sizeof *rows->weight);
    rows->error = malloc(most * sizeof *rows->error);
    rows->ts_ms = malloc(most * sizeof *rows->ts_ms);
    rows->by_time = malloc(most * sizeof *rows->by_time);
    return rows->x && rows->weight && rows->error && rows->ts_ms && rows->by_time ? 0 : ERR_NOMEM;
}

/* ---- which features ---- */

static bool is_wanted(const struct reference_options *options, const struct feature_grid *feature)
{
    if (feature_name_is_reserved(text_of(feature->name)))
        return false;
    if (feature->type == FEATURE_NUMERIC && feature->edge_count == 0)
        return false;
    char *const *globs = options->options ? options->options->multivariate_features : NULL;
    if (!globs)
        return true;
    for (; *globs; globs++)
        if (text_glob(*globs, text_of(feature->name)))
            return true;
    return false;
}

static void choose_features(struct multivariate *multivariate, const struct grid *grid,
                            const struct reference_options *options)
{
    for (uint32_t f = 0; f < grid->feature_count && multivariate->d < MULTIVARIATE_FEATURES_MAX; f++)
        if (is_wanted(options, &grid->features[f]))
            multivariate->feature[multivariate->d++] = f;
}

/* ---- rows ---- */

/* A walk over the sample's rows on the reference's grid. */
struct walk {
    const struct sample *sample;
    const struct reference *reference;
    struct sample_reader reader;
    struct feature_binding *binding;
    struct feature_row *row;
    uint32_t *order;
    struct event ev;
    uint64_t times;
};

static void walk_release(struct walk *walk)
{
    sample_reader_release(&walk->reader);
    feature_binding_free(walk->binding);
    feature_row_free(walk->row);
    free(walk->order);
}

static int walk_init(struct walk *walk, const struct reference *reference, const struct sample *sample)
{
    *walk = (struct walk){.sample = sample, .reference = reference};
    walk->binding = feature_binding_new(reference->grid);
    walk->row = feature_row_new(reference->grid->feature_count);
    walk->order = malloc(((size_t)sample_row_count(sample) + 1) * sizeof *walk->order);
    if (sample_reader_init(&walk->reader) != 0 || !walk->binding || !walk->row || !walk->order)
        return ERR_NOMEM;
    sample_row_order(sample, walk->order);
    return 0;
}

static int walk_read(struct walk *walk, uint32_t i)
{
    int rc = sample_row_read(walk->sample, walk->order[i], &walk->reader, &walk->ev, &walk->times);
    return rc ? rc : feature_row_resolve(walk->row, walk->binding, &walk->ev);
}

static int collect(struct walk *walk, const struct multivariate *multivariate, struct rows *rows)
{
    uint32_t count = sample_row_count(walk->sample);
    int rc = rows_init(rows, (count < ROWS_MAX ? count : ROWS_MAX) + 1, multivariate->d);
    for (uint32_t i = 0; rc == 0 && i < count && rows->n < ROWS_MAX; i++) {
        rc = walk_read(walk, i);
        if (rc != 0 || walk->ev.features.count == 0 ||
            !multivariate_numbers(multivariate, walk->reference->grid, walk->row,
                                  rows->x + (size_t)rows->n * rows->d))
            continue;
        rows->weight[rows->n] = (double)walk->times;
        rows->total += (double)walk->times;
        rows->ts_ms[rows->n++] = walk->ev.ts_ms;
    }
    return rc;
}

/* Means of what is there; sd with what is missing at the mean, so that it is 0 when standardised. */
static void standardise(struct multivariate *multivariate, struct rows *rows)
{
    for (uint32_t i = 0; i < rows->d; i++) {
        double sum = 0, present = 0, squares = 0;
        for (uint32_t r = 0; r < rows->n; r++) {
            double x = rows->x[(size_t)r * rows->d + i];
            if (isnan(x))
                continue;
            sum += rows->weight[r] * x;
            present += rows->weight[r];
        }
        double mean = present > 0 ? sum / present : 0;
        for (uint32_t r = 0; r < rows->n; r++) {
            double x = rows->x[(size_t)r * rows->d + i];
            squares += isnan(x) ? 0 : rows->weight[r] * (x - mean) * (x - mean);
        }
        double sd = sqrt(squares / rows->total);
        multivariate->mean[i] = mean;
        multivariate->scale[i] = sd > 1e-9 * (1 + fabs(mean)) ? sd : 1;
    }
    for (uint32_t r = 0; r < rows->n; r++)
        (void)multivariate_standardise(multivariate, rows->x + (size_t)r * rows->d);
}

/* ---- principal components ---- */

static int build_pca(struct multivariate *multivariate, const struct rows *rows)
{
    uint32_t d = rows->d;
    double mean[MULTIVARIATE_FEATURES_MAX] = {0};
    double *covariance = calloc((size_t)d * d, sizeof *covariance);
    if (!covariance)
        return ERR_NOMEM;
    bool varies = false;
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double sum = 0;
            for (uint32_t r = 0; r < rows->n; r++)
                sum += rows->weight[r] * rows->x[(size_t)r * d + i] * rows->x[(size_t)r * d + j];
            if (fabs(sum) / rows->total < 1e-15)
                sum = 0;
            covariance[(size_t)i * d + j] = covariance[(size_t)j * d + i] = sum / (rows->total - 1);
            varies |= i == j && sum > 0;
        }
    if (varies && rows->total >= 2) {
        multivariate->pca = pca_new(mean, covariance, rows->total, d, EXPLAINED);
        if (!multivariate->pca) {
            free(covariance);
            return ERR_NOMEM;
        }
        for (uint32_t i = 0; i < d; i++)
            multivariate->pca->scale[i] = 1; /* rows are standardised */
    }
    free(covariance);
    return 0;
}

struct weighted_error {
    double error, weight;
};

static int compare_errors(const void *a, const void *b)
{
    double x = ((const struct weighted_error *)a)->error, y = ((const struct weighted_error *)b)->error;
    return (x > y) - (x < y);
}

/* Smallest errors that so many shares of the events do not exceed: 5 %, 10 % … 95 %, 99 %. */
static int set_error_edges(struct multivariate *multivariate, const struct rows *rows)
{
    struct weighted_error *sorted = malloc(((size_t)rows->n + 1) * sizeof *sorted);
    if (!sorted)
        return ERR_NOMEM;
    for (uint32_t r = 0; r < rows->n; r++)
        sorted[r] = (struct weighted_error){rows->error[r], rows->weight[r]};
    qsort(sorted, rows->n, sizeof *sorted, compare_errors);
    double below = 0;
    uint32_t r = 0;
    for (uint32_t bin = 0; bin < MULTIVARIATE_BINS - 1; bin++) {
        double share = bin < MULTIVARIATE_BINS - 2 ? (bin + 1) / 20.0 : 0.99;
        while (r + 1 < rows->n && below + sorted[r].weight < share * rows->total)
            below += sorted[r++].weight;
        multivariate->error_edges[bin] = sorted[r].error;
    }
    free(sorted);
    return 0;
}

static int compare_times(const void *a, const void *b, void *context)
{
    const struct rows *rows = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (rows->ts_ms[x] != rows->ts_ms[y])
        return rows->ts_ms[x] < rows->ts_ms[y] ? -1 : 1;
    return (x > y) - (x < y); /* in the order of hashes */
}

/* sd of the mean errors of `count` stretches of time with the same number of events; NaN: one is empty. */
static double chunk_sd(const struct rows *rows, uint32_t count)
{
    double sum = 0, weight = 0, before = 0, means = 0, squares = 0;
    uint32_t chunk = 0;
    for (uint32_t i = 0; i <= rows->n; i++) {
        uint32_t r = i < rows->n ? rows->by_time[i] : 0;
        double middle = i < rows->n ? before + rows->weight[r] / 2 : rows->total;
        uint32_t here = i < rows->n ? (uint32_t)fmin(count - 1, floor(middle * count / rows->total)) : count;
        if (here != chunk) {
            if (here != chunk + 1 || weight <= 0)
                return (double)NAN;
            double mean = sum / weight, step = mean - means;
            means += step / (chunk + 1);
            squares += step * (mean - means);
            sum = weight = 0;
            chunk = here;
        }
        if (i < rows->n) {
            sum += rows->weight[r] * rows->error[r];
            weight += rows->weight[r];
            before += rows->weight[r];
        }
    }
    return sqrt(squares / (count - 1));
}

static void set_chunks(struct multivariate *multivariate, struct rows *rows)
{
    for (uint32_t r = 0; r < rows->n; r++)
        rows->by_time[r] = r;
    if (rows->n)
        qsort_r(rows->by_time, rows->n, sizeof *rows->by_time, compare_times, rows);
    uint32_t count = CHUNKS_LEAST;
    for (uint32_t level = 0; level < MULTIVARIATE_LEVELS && rows->n / count >= CHUNK_ROWS_LEAST; level++) {
        double sd = chunk_sd(rows, count);
        if (!(sd > 0))
            return;
        multivariate->levels[level] = (struct multivariate_chunks){rows->total / count, sd};
        multivariate->level_count = level + 1;
        count *= 2;
    }
}

static int build_errors(struct multivariate *multivariate, struct rows *rows)
{
    double scratch[2 * MULTIVARIATE_FEATURES_MAX];
    int rc = build_pca(multivariate, rows);
    if (rc != 0 || !multivariate->pca)
        return rc;
    for (uint32_t r = 0; r < rows->n; r++)
        rows->error[r] = pca_error(multivariate->pca, rows->x + (size_t)r * rows->d, scratch);
    set_chunks(multivariate, rows);
    return set_error_edges(multivariate, rows);
}

/* ---- the whole ---- */

static int build_model(struct walk *walk, const struct reference_options *options, struct multivariate **out)
{
    struct multivariate *multivariate = calloc(1, sizeof *multivariate);
    if (!multivariate)
        return ERR_NOMEM;
    struct rows rows = {0};
    choose_features(multivariate, walk->reference->grid, options);
    int rc = multivariate->d ? multivariate_encode(multivariate, walk->reference) : 0;
    if (rc == 0 && multivariate->d)
        rc = collect(walk, multivariate, &rows);
    if (rc == 0 && rows.n > 0) {
        standardise(multivariate, &rows);
        rc = mean_embedding_build(&multivariate->embedding, rows.x, rows.weight, rows.n, rows.d);
        if (rc == 0)
            rc = build_errors(multivariate, &rows);
    }
    bool useful = rc == 0 && rows.n > 0;
    rows_release(&rows);
    if (!useful) {
        multivariate_free(multivariate);
        return rc;
    }
    *out = multivariate;
    return 0;
}

static int count_all(struct walk *walk, struct tally **tally)
{
    const struct family_ops *ops = &multivariate_family;
    struct count_input input = {.reference = walk->reference, .row = walk->row, .event = &walk->ev};
    *tally = tally_new(ops->size(NULL, walk->reference));
    int rc = *tally ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < sample_row_count(walk->sample); i++) {
        rc = walk_read(walk, i);
        if (rc == 0 && walk->ev.features.count > 0)
            ops->add(*tally, &input, walk->times);
    }
    return rc;
}

int reference_build_multivariate(struct reference *reference, const struct sample *sample,
                                 const struct reference_options *options)
{
    struct walk walk;
    int rc = walk_init(&walk, reference, sample);
    if (rc == 0)
        rc = build_model(&walk, options, &reference->multivariate);
    if (rc == 0 && reference->multivariate)
        rc = count_all(&walk, &reference->counts[COUNT_MULTIVARIATE]);
    walk_release(&walk);
    return rc;
}
