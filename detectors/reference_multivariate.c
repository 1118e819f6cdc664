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
enum { ROWS_MAX = 20000, CHUNKS_LEAST = 10, CHUNK_ROWS_LEAST = 10, SPLIT_ROWS_LEAST = 40 };
#define EXPLAINED 0.65

struct rows {
    double *x;                /* n × d */
    double *weight;           /* events that a row stands for */
    bool *held_out;           /* of the components' fit; all or none: both are of all rows */
    double *error, *distance; /* of rows that are held out: PCA, squared Mahalanobis */
    int64_t *ts_ms;
    uint32_t *by_time;
    uint32_t n, d;
    double total;        /* Σ weight */
    uint32_t held_count; /* rows that are held out */
    double held, fitted; /* Σ weight of both sides */
};

static void rows_release(struct rows *rows)
{
    free(rows->x);
    free(rows->weight);
    free(rows->held_out);
    free(rows->error);
    free(rows->distance);
    free(rows->ts_ms);
    free(rows->by_time);
}

static int rows_init(struct rows *rows, uint32_t most, uint32_t d)
{
    *rows = (struct rows){.d = d};
    rows->x = malloc((size_t)most * d * sizeof *rows->x);
    rows->weight = malloc(most * sizeof *rows->weight);
    rows->held_out = malloc(most * sizeof *rows->held_out);
    rows->error = malloc(most * sizeof *rows->error);
    rows->distance = malloc(most * sizeof *rows->distance);
    rows->ts_ms = malloc(most * sizeof *rows->ts_ms);
    rows->by_time = malloc(most * sizeof *rows->by_time);
    return rows->x && rows->weight && rows->held_out && rows->error && rows->distance && rows->ts_ms &&
                   rows->by_time
               ? 0
               : ERR_NOMEM;
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

/* Every other row in the order of hashes. */
static bool is_held_out(uint32_t place)
{
    return place % 2 == 1;
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
        rows->held_out[rows->n] = is_held_out(i);
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

/* Components are fitted to one half of the rows, the errors to expect are those of the other. Where contents
 * repeat or are few, halves would differ by chance more than fitted rows from new ones: then both are of all
 * rows. */
static void split(struct rows *rows)
{
    uint32_t odd = 0;
    for (uint32_t r = 0; r < rows->n; r++)
        odd += rows->held_out[r];
    bool halves = rows->n >= SPLIT_ROWS_LEAST && odd >= rows->n / 4 && odd <= rows->n - rows->n / 4 &&
                  rows->total < 2.0 * rows->n;
    for (uint32_t r = 0; r < rows->n; r++) {
        bool held = !halves || rows->held_out[r];
        rows->fitted += !halves || !held ? rows->weight[r] : 0;
        rows->held += held ? rows->weight[r] : 0;
        rows->held_out[r] = held;
        rows->held_count += held;
    }
}

/* Is the row one that components are fitted to? */
static bool is_fitted(const struct rows *rows, uint32_t r)
{
    return !rows->held_out[r] || rows->held_count == rows->n;
}

static double fitted_mean(const struct rows *rows, uint32_t i)
{
    double sum = 0;
    for (uint32_t r = 0; r < rows->n; r++)
        sum += is_fitted(rows, r) ? rows->weight[r] * rows->x[(size_t)r * rows->d + i] : 0;
    return sum / rows->fitted;
}

static double fitted_covariance(const struct rows *rows, const double *mean, uint32_t i, uint32_t j)
{
    double sum = 0;
    for (uint32_t r = 0; r < rows->n; r++) {
        const double *x = rows->x + (size_t)r * rows->d;
        sum += is_fitted(rows, r) ? rows->weight[r] * (x[i] - mean[i]) * (x[j] - mean[j]) : 0;
    }
    return fabs(sum) / rows->fitted < 1e-15 ? 0 : sum / (rows->fitted - 1);
}

static int build_pca(struct multivariate *multivariate, const struct rows *rows)
{
    uint32_t d = rows->d;
    double mean[MULTIVARIATE_FEATURES_MAX] = {0};
    double *covariance = calloc((size_t)d * d, sizeof *covariance);
    if (!covariance)
        return ERR_NOMEM;
    bool varies = false;
    for (uint32_t i = 0; i < d; i++)
        mean[i] = fitted_mean(rows, i);
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double value = fitted_covariance(rows, mean, i, j);
            covariance[(size_t)i * d + j] = covariance[(size_t)j * d + i] = value;
            varies |= i == j && value > 0;
        }
    if (varies && rows->fitted >= 2) {
        multivariate->pca = pca_new(mean, covariance, rows->fitted, d, EXPLAINED);
        for (uint32_t i = 0; multivariate->pca && i < d; i++) { /* rows are standardised */
            multivariate->pca->mean[i] = 0;
            multivariate->pca->scale[i] = 1;
        }
    }
    free(covariance);
    return varies && rows->fitted >= 2 && !multivariate->pca ? ERR_NOMEM : 0;
}

struct weighted_value {
    double value, weight;
};

static int compare_values(const void *a, const void *b)
{
    double x = ((const struct weighted_value *)a)->value, y = ((const struct weighted_value *)b)->value;
    return (x > y) - (x < y);
}

/* Smallest values that so many shares of the events do not exceed: 5 %, 10 % … 95 %, 99 %. */
static int set_edges(const struct rows *rows, const double *values, double *edges)
{
    struct weighted_value *sorted = malloc(((size_t)rows->n + 1) * sizeof *sorted);
    if (!sorted)
        return ERR_NOMEM;
    uint32_t count = 0, r = 0;
    for (uint32_t i = 0; i < rows->n; i++)
        if (rows->held_out[i])
            sorted[count++] = (struct weighted_value){values[i], rows->weight[i]};
    qsort(sorted, count, sizeof *sorted, compare_values);
    double below = 0;
    for (uint32_t bin = 0; bin < MULTIVARIATE_BINS - 1; bin++) {
        double share = bin < MULTIVARIATE_BINS - 2 ? (bin + 1) / 20.0 : 0.99;
        while (r + 1 < count && below + sorted[r].weight < share * rows->held)
            below += sorted[r++].weight;
        edges[bin] = sorted[r].value;
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
    for (uint32_t i = 0; i <= rows->held_count; i++) {
        bool is_end = i == rows->held_count;
        uint32_t r = is_end ? 0 : rows->by_time[i], here = count;
        if (!is_end)
            here = (uint32_t)fmin(count - 1, floor((before + rows->weight[r] / 2) * count / rows->held));
        if (here != chunk) {
            if (here != chunk + 1 || weight <= 0)
                return (double)NAN;
            double mean = sum / weight, step = mean - means;
            means += step / (chunk + 1);
            squares += step * (mean - means);
            sum = weight = 0;
            chunk = here;
        }
        if (!is_end) {
            sum += rows->weight[r] * rows->error[r];
            weight += rows->weight[r];
            before += rows->weight[r];
        }
    }
    return sqrt(squares / (count - 1));
}

static void set_chunks(struct multivariate *multivariate, struct rows *rows)
{
    uint32_t held = 0, count = CHUNKS_LEAST;
    for (uint32_t r = 0; r < rows->n; r++)
        if (rows->held_out[r])
            rows->by_time[held++] = r;
    if (held)
        qsort_r(rows->by_time, held, sizeof *rows->by_time, compare_times, rows);
    for (uint32_t level = 0; level < MULTIVARIATE_LEVELS && held / count >= CHUNK_ROWS_LEAST; level++) {
        double sd = chunk_sd(rows, count);
        if (!(sd > 0))
            return;
        multivariate->levels[level] = (struct multivariate_chunks){rows->held / count, sd};
        multivariate->level_count = level + 1;
        count *= 2;
    }
}

static int build_errors(struct multivariate *multivariate, struct rows *rows)
{
    double scratch[2 * MULTIVARIATE_FEATURES_MAX];
    split(rows);
    int rc = build_pca(multivariate, rows);
    if (rc != 0 || !multivariate->pca)
        return rc;
    for (uint32_t r = 0; r < rows->n; r++) { /* used where they are held out */
        rows->error[r] = pca_error(multivariate->pca, rows->x + (size_t)r * rows->d, scratch);
        rows->distance[r] = pca_distance(multivariate->pca, rows->x + (size_t)r * rows->d, scratch);
    }
    set_chunks(multivariate, rows);
    multivariate->has_distance = true;
    rc = set_edges(rows, rows->error, multivariate->error_edges);
    return rc ? rc : set_edges(rows, rows->distance, multivariate->distance_edges);
}

/* ---- the whole ---- */

/* `*halves`: errors are those of rows that are held out. */
static int build_model(struct walk *walk, const struct reference_options *options, struct multivariate **out,
                       bool *halves)
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
    *halves = rows.held_count < rows.n;
    rows_release(&rows);
    if (!useful) {
        multivariate_free(multivariate);
        return rc;
    }
    *out = multivariate;
    return 0;
}

static int count_all(struct walk *walk, bool halves, struct tally **tally)
{
    struct count_input input = {.reference = walk->reference, .row = walk->row, .event = &walk->ev};
    *tally = tally_new(multivariate_family.size(NULL, walk->reference));
    int rc = *tally ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < sample_row_count(walk->sample); i++) {
        rc = walk_read(walk, i);
        if (rc == 0 && walk->ev.features.count > 0)
            multivariate_count(*tally, &input, walk->times, !halves || is_held_out(i));
    }
    return rc;
}

int reference_build_multivariate(struct reference *reference, const struct sample *sample,
                                 const struct reference_options *options)
{
    struct walk walk;
    bool halves = false;
    int rc = walk_init(&walk, reference, sample);
    if (rc == 0)
        rc = build_model(&walk, options, &reference->multivariate, &halves);
    if (rc == 0 && reference->multivariate)
        rc = count_all(&walk, halves, &reference->counts[COUNT_MULTIVARIATE]);
    walk_release(&walk);
    return rc;
}
