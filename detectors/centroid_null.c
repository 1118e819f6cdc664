#include "detectors/centroid_null.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"

enum {
    PAIRS_MIN = 2000,
    PAIRS_MAX = 10000,
    ADDITIONS = 1 << 29,
    DRAW_ADDITIONS = 32 /* what a draw costs */
};
static const uint32_t sizes[CENTROID_BLOCKS] = {32, 128, 512};

struct drawing {
    const double *units;
    double *until;   /* sums of weights: until[i] of the rows 0 … i */
    uint32_t *guide; /* the first row that a share of i/n of all weights can mean */
    size_t n;
    uint32_t d;
    uint64_t state;
};

static const double *draw(struct drawing *drawing)
{
    drawing->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    double share = (double)(hash_mix(drawing->state) >> 11) * 0x1p-53;
    double at = share * drawing->until[drawing->n - 1];
    size_t row = drawing->guide[(size_t)(share * (double)drawing->n)];
    while (row + 1 < drawing->n && drawing->until[row] <= at) /* once or twice */
        row++;
    return drawing->units + row * drawing->d;
}

static void prepare(struct drawing *drawing, const double *weight)
{
    double total = 0;
    for (size_t i = 0; i < drawing->n; i++)
        drawing->until[i] = total += weight[i];
    for (size_t i = 0, row = 0; i < drawing->n; i++) {
        double from = (double)i / (double)drawing->n * total * (1 - 0x1p-50); /* rather one too early */
        while (row + 1 < drawing->n && drawing->until[row] <= from)
            row++;
        drawing->guide[i] = (uint32_t)row;
    }
}

/* Coordinate by coordinate, so the same bits however many go at once. */
typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));
enum { LANES = 4 };

static void add_row(double *sum, const double *row, uint32_t d)
{
    uint32_t i = 0;
    for (; i + LANES <= d; i += LANES)
        *(lanes *)(void *)(sum + i) += *(const lanes *)(const void *)(row + i);
    for (; i < d; i++)
        sum[i] += row[i];
}

static void add_rows(struct drawing *drawing, double *sum, uint32_t count)
{
    while (count--)
        add_row(sum, draw(drawing), drawing->d);
}

/* Distances of the centroids of two blocks from their sums. */
static struct centroid_distance distance_of(const double *a, const double *b, uint32_t d, uint32_t rows)
{
    double aa = 0, bb = 0, ab = 0, square = 0;
    for (uint32_t i = 0; i < d; i++) {
        aa += a[i] * a[i];
        bb += b[i] * b[i];
        ab += a[i] * b[i];
        square += (a[i] - b[i]) * (a[i] - b[i]);
    }
    struct centroid_distance out = {.cosine = 2, .euclidean = sqrt(square) / rows};
    if (aa > 0 && bb > 0)
        out.cosine = 1 - ab / sqrt(aa) / sqrt(bb);
    return out;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double quantile(double *values, uint32_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[(uint64_t)count * 999 / 1000];
}

static uint32_t pairs_of(uint32_t size, uint32_t d)
{
    return (uint32_t)ADDITIONS / (2 * size * (d + DRAW_ADDITIONS));
}

/* A block of the next size is the one before and more: each pair gives a distance of every size. */
static void draw_pairs(struct drawing *drawing, const struct centroid_null *null, uint32_t pairs,
                       double *sums, double *euclidean, double *cosine)
{
    uint32_t d = drawing->d;
    for (uint32_t pair = 0; pair < pairs; pair++) {
        memset(sums, 0, 2 * (size_t)d * sizeof(*sums));
        for (uint32_t i = 0, before = 0; i < null->count; before = null->rows[i++]) {
            add_rows(drawing, sums, null->rows[i] - before);
            add_rows(drawing, sums + d, null->rows[i] - before);
            struct centroid_distance distance = distance_of(sums, sums + d, d, null->rows[i]);
            euclidean[(size_t)i * pairs + pair] = distance.euclidean;
            cosine[(size_t)i * pairs + pair] = fmax(distance.cosine, 0);
        }
    }
}

int centroid_null_build(struct centroid_null *null, const double *units, const double *weight, size_t n,
                        uint32_t d, uint64_t seed)
{
    *null = (struct centroid_null){.count = 0};
    if (n < CENTROID_ROWS_MIN || d == 0)
        return 0;
    null->count = 1;
    while (null->count < CENTROID_BLOCKS && pairs_of(sizes[null->count], d) >= PAIRS_MIN)
        null->count++;
    memcpy(null->rows, sizes, null->count * sizeof(sizes[0]));
    uint32_t pairs = pairs_of(sizes[null->count - 1], d);
    pairs = pairs > PAIRS_MAX ? PAIRS_MAX : pairs;
    struct drawing drawing = {.units = units,
                              .until = malloc(n * sizeof(double)),
                              .guide = malloc(n * sizeof(uint32_t)),
                              .n = n,
                              .d = d,
                              .state = seed};
    double *sums = malloc(2 * (size_t)d * sizeof(*sums));
    double *distances = malloc(2 * (size_t)CENTROID_BLOCKS * pairs * sizeof(*distances));
    int rc = drawing.until && drawing.guide && sums && distances ? 0 : ERR_NOMEM;
    if (rc == 0) {
        double *cosine = distances + (size_t)CENTROID_BLOCKS * pairs;
        prepare(&drawing, weight);
        draw_pairs(&drawing, null, pairs, sums, distances, cosine);
        for (uint32_t i = 0; i < null->count; i++)
            null->limits[i] =
                (struct centroid_distance){.cosine = quantile(cosine + (size_t)i * pairs, pairs),
                                           .euclidean = quantile(distances + (size_t)i * pairs, pairs)};
    }
    free(drawing.until);
    free(drawing.guide);
    free(sums);
    free(distances);
    return rc;
}

static double between(double x, double x0, double y0, double x1, double y1)
{
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

struct centroid_distance centroid_null_limit(const struct centroid_null *null, double n, double square)
{
    if (null->count == 0 || !(n >= 1))
        return (struct centroid_distance){.cosine = (double)NAN, .euclidean = (double)NAN};
    const struct centroid_distance *limits = null->limits;
    uint32_t last = null->count - 1, i = 0;
    if (n >= null->rows[last]) {
        double euclidean = limits[last].euclidean * sqrt(null->rows[last] / n);
        double bound = square > 0 ? euclidean * euclidean / (2 * square) : 2;
        return (struct centroid_distance){.cosine = fmin(bound, limits[last].cosine), .euclidean = euclidean};
    }
    if (n <= null->rows[0]) /* few: distances go on as far as they can */
        return (struct centroid_distance){.cosine = fmin(limits[0].cosine * null->rows[0] / n, 2),
                                          .euclidean =
                                              fmin(limits[0].euclidean * sqrt(null->rows[0] / n), 2)};
    while (null->rows[i + 1] < n)
        i++;
    double x = 1 / sqrt(n), x0 = 1 / sqrt(null->rows[i]), x1 = 1 / sqrt(null->rows[i + 1]);
    return (struct centroid_distance){.cosine = between(x, x0, limits[i].cosine, x1, limits[i + 1].cosine),
                                      .euclidean =
                                          between(x, x0, limits[i].euclidean, x1, limits[i + 1].euclidean)};
}
