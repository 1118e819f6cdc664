/* centroid_null.c: the bootstrap against drawing with another generator, weights, reading off between and
 * beyond the sizes, degenerate references. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "detectors/centroid_null.h"

enum { ROWS = 1000, D = 12 };

/* Around one direction, to length 1. */
static double *make_rows(uint32_t count, uint32_t d, double spread, uint64_t seed)
{
    double *rows = malloc((size_t)count * d * sizeof(*rows));
    for (uint32_t r = 0; r < count; r++) {
        double *row = rows + (size_t)r * d, square = 0;
        for (uint32_t i = 0; i < d; i++) {
            row[i] = (i == 0) + spread * (random_unit(&seed) - 0.5);
            square += row[i] * row[i];
        }
        for (uint32_t i = 0; i < d; i++)
            row[i] /= sqrt(square);
    }
    return rows;
}

static double *ones(uint32_t count, double weight)
{
    double *weights = malloc(count * sizeof(*weights));
    for (uint32_t i = 0; i < count; i++)
        weights[i] = weight;
    return weights;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct centroid_distance brute(const double *rows, uint32_t size, uint32_t pairs)
{
    double *cosine = malloc(pairs * sizeof(*cosine)), *euclidean = malloc(pairs * sizeof(*euclidean));
    uint64_t seed = 99;
    for (uint32_t pair = 0; pair < pairs; pair++) {
        double mean[2][D] = {{0}};
        for (int k = 0; k < 2; k++)
            for (uint32_t j = 0; j < size; j++) {
                const double *row = rows + (size_t)(random_unit(&seed) * ROWS) * D;
                for (uint32_t i = 0; i < D; i++)
                    mean[k][i] += row[i] / size;
            }
        struct centroid_distance distance = centroid_distance(mean[0], mean[1], D);
        cosine[pair] = distance.cosine;
        euclidean[pair] = distance.euclidean;
    }
    qsort(cosine, pairs, sizeof(*cosine), compare);
    qsort(euclidean, pairs, sizeof(*euclidean), compare);
    struct centroid_distance out = {cosine[pairs * 999 / 1000], euclidean[pairs * 999 / 1000]};
    free(cosine);
    free(euclidean);
    return out;
}

static void test_against_drawing(void **state)
{
    (void)state;
    double *rows = make_rows(ROWS, D, 1.5, 3), *weight = ones(ROWS, 1);
    struct centroid_null null, again;
    assert_int_equal(centroid_null_build(&null, rows, weight, ROWS, D, 7), 0);
    assert_int_equal(centroid_null_build(&again, rows, weight, ROWS, D, 7), 0);
    assert_memory_equal(&null, &again, sizeof(null));
    assert_int_equal(null.count, CENTROID_BLOCKS);
    for (uint32_t i = 0; i < null.count; i++) {
        struct centroid_distance want = brute(rows, null.rows[i], 8000);
        assert_near(null.limits[i].euclidean, want.euclidean, 0.08 * want.euclidean);
        assert_near(null.limits[i].cosine, want.cosine, 0.16 * want.cosine);
    }
    double square = 0;
    for (uint32_t i = 0; i < D; i++) {
        double mean = 0;
        for (uint32_t r = 0; r < ROWS; r++)
            mean += rows[(size_t)r * D + i] / ROWS;
        square += mean * mean;
    }
    static const uint32_t others[] = {60, 300, 3000}; /* between, and beyond */
    for (size_t i = 0; i < 3; i++) {
        struct centroid_distance got = centroid_null_limit(&null, others[i], square);
        struct centroid_distance want = brute(rows, others[i], 4000);
        assert_near(got.euclidean, want.euclidean, 0.1 * want.euclidean);
        assert_near(got.cosine, want.cosine, 0.25 * want.cosine);
    }
    free(rows);
    free(weight);
}

/* A row of weight 3 is three rows. */
static void test_weights(void **state)
{
    (void)state;
    double *rows = make_rows(ROWS, D, 1, 5), *weight = ones(ROWS, 3);
    struct centroid_null null, light;
    assert_int_equal(centroid_null_build(&null, rows, weight, ROWS, D, 7), 0);
    for (uint32_t i = 0; i < ROWS; i++)
        weight[i] = 1;
    assert_int_equal(centroid_null_build(&light, rows, weight, ROWS, D, 7), 0);
    assert_near(null.limits[1].euclidean, light.limits[1].euclidean, 1e-12);
    for (uint32_t i = 0; i < ROWS; i++)
        weight[i] = i == 17 ? 1e9 : 1; /* nearly always the same row */
    assert_int_equal(centroid_null_build(&null, rows, weight, ROWS, D, 7), 0);
    assert_true(null.limits[1].euclidean < light.limits[1].euclidean / 10);
    free(rows);
    free(weight);
}

static void test_reading_off(void **state)
{
    (void)state;
    const struct centroid_null null = {.count = 2, .rows = {25, 100}, .limits = {{0.04, 0.4}, {0.01, 0.2}}};
    static const struct {
        double n, square, cosine, euclidean;
    } cases[] = {
        {25, 1, 0.04, 0.4},
        {100, 1, 0.01, 0.2},
        {44.44444444444444, 1, 0.025, 0.3}, /* 1/√n is halfway */
        {400, 1, 0.005, 0.1},               /* 0.1²/2 */
        {400, 0.01, 0.01, 0.1},             /* not above that of 100 */
        {400, 0, 0.01, 0.1},
        {6.25, 1, 0.16, 0.8},
        {0.01, 1, NAN, NAN},
        {1, 1, 1, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct centroid_distance got = centroid_null_limit(&null, cases[i].n, cases[i].square);
        if (isnan(cases[i].cosine)) {
            assert_nan(got.cosine);
            continue;
        }
        assert_near(got.cosine, cases[i].cosine, 1e-12);
        assert_near(got.euclidean, cases[i].euclidean, 1e-12);
    }
    const struct centroid_null unknown = {.count = 0};
    assert_nan(centroid_null_limit(&unknown, 100, 1).euclidean);
}

static void test_degenerate(void **state)
{
    (void)state;
    double *rows = make_rows(ROWS, D, 0, 5), *weight = ones(ROWS, 1); /* all the same */
    struct centroid_null null;
    assert_int_equal(centroid_null_build(&null, rows, weight, CENTROID_ROWS_MIN - 1, D, 7), 0);
    assert_int_equal(null.count, 0);
    assert_int_equal(centroid_null_build(&null, rows, weight, ROWS, D, 7), 0);
    assert_near(null.limits[0].euclidean, 0, 1e-12);
    assert_near(null.limits[0].cosine, 0, 1e-12);
    free(rows);
    rows = make_rows(40, 4096, 1, 5); /* wide: fewer sizes */
    assert_int_equal(centroid_null_build(&null, rows, weight, 40, 4096, 7), 0);
    assert_int_equal(null.count, 1);
    assert_true(null.limits[0].euclidean > 0 && null.limits[0].euclidean < 1);
    free(rows);
    free(weight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_drawing),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_reading_off),
        cmocka_unit_test(test_degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
