/* multivariate.c: features of norm 1 against libm, kernel approximation, sizes of the tests, degenerate data.
 */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "agent/base/err.h"
#include "detectors/multivariate.h"

enum { D = 4, ROWS = 200 };

static double normal(uint64_t *seed)
{
    return sqrt(-2 * log(1 - random_unit(seed))) * cos(2 * M_PI * random_unit(seed));
}

static void fill(double *rows, size_t n, double shift, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        double common = normal(&seed);
        for (int k = 0; k < D; k++)
            rows[i * D + (size_t)k] = normal(&seed) + 0.5 * common + (k == 0 ? shift : 0);
    }
}

static void features_are_cosines_and_sines(void **state)
{
    (void)state;
    static const double omega[3 * 2] = {0.7, -1.3, 100, 3, 1e6, -2e5};
    struct rff *rff = rff_from_omega(omega, 2, 3);
    uint64_t seed = 2;
    for (int i = 0; i < 1000; i++) {
        double x[2] = {10 * random_unit(&seed) - 5, random_unit(&seed)}, out[6], norm = 0;
        rff_features(rff, x, out);
        for (int f = 0; f < 3; f++) {
            double angle = omega[2 * f] * x[0] + omega[2 * f + 1] * x[1];
            /* the two products cancel: their size counts, not that of the sum */
            double tolerance = 1e-15 + 1e-15 * (fabs(omega[2 * f] * x[0]) + fabs(omega[2 * f + 1] * x[1]));
            assert_near(out[f], cos(angle) / sqrt(3), tolerance);
            assert_near(out[3 + f], sin(angle) / sqrt(3), tolerance);
            norm += out[f] * out[f] + out[3 + f] * out[3 + f];
        }
        assert_near(norm, 1, 1e-14);
    }
    for (uint32_t d = 1; d < 40; d += 7)
        for (uint32_t frequencies = 1; frequencies < 70;
             frequencies += 11) { /* wide and narrow: the same bits */
            struct rff *other = rff_new(d, frequencies, 0.7, d);
            double x[40], wide[140], narrow[140];
            for (uint32_t i = 0; i < d; i++)
                x[i] = 40 * random_unit(&seed) - 20;
            x[0] = d == 8 ? (double)NAN : d == 15 ? 1e300 : x[0];
            rff_features(other, x, wide);
            rff_features_portable(other, x, narrow);
            assert_memory_equal(wide, narrow, 2 * frequencies * sizeof(double));
            rff_free(other);
        }
    double far[2] = {1e300, NAN}, out[6];
    rff_features(rff, far, out);
    assert_near(out[0], 0, 0);
    rff_free(rff);
    assert_null(rff_new(0, 8, 1, 1));
    assert_null(rff_new(2, 8, 0, 1));
}

/* φ(x)·φ(y) estimates exp(−|x−y|²/2σ²); the same seed gives the same frequencies. */
static void features_approximate_the_kernel(void **state)
{
    (void)state;
    enum { FREQUENCIES = 4096 };
    static double a[2 * FREQUENCIES], b[2 * FREQUENCIES];
    struct rff *rff = rff_new(D, FREQUENCIES, 1.7, 42), *again = rff_new(D, FREQUENCIES, 1.7, 42);
    assert_memory_equal(rff->turns, again->turns, sizeof(double) * D * FREQUENCIES);
    static const double x[D] = {0.3, -1, 2, 0.5}, y[D] = {0.1, 0.4, 1.5, 1.2};
    rff_features(rff, x, a);
    rff_features(rff, y, b);
    double dot = 0, square = 0;
    for (int i = 0; i < 2 * FREQUENCIES; i++)
        dot += a[i] * b[i];
    for (int k = 0; k < D; k++)
        square += (x[k] - y[k]) * (x[k] - y[k]);
    assert_near(dot, exp(-square / (2 * 1.7 * 1.7)), 0.03);
    rff_free(rff);
    rff_free(again);
}

static void moments_from_sums(void **state)
{
    (void)state;
    static double rows[ROWS * D];
    double sum[D] = {0}, cross[D * (D + 1) / 2] = {0}, m1[D], c1[D * D], m2[D], c2[D * D];
    fill(rows, ROWS, 0, 9);
    for (int i = 0; i < ROWS; i++) {
        int at = 0;
        for (int j = 0; j < D; j++) {
            sum[j] += rows[i * D + j];
            for (int k = 0; k <= j; k++)
                cross[at++] += rows[i * D + j] * rows[i * D + k];
        }
    }
    rows_moments(rows, ROWS, D, m1, c1);
    sums_moments(ROWS, sum, cross, D, m2, c2);
    for (int i = 0; i < D * D; i++)
        assert_near(c1[i], c2[i], 1e-12);
    assert_near(m1[2], m2[2], 1e-14);
    rows_moments(rows, 1, D, m1, c1);
    assert_nan(c1[0]);
}

/* p of MMD and Hotelling under no drift is small about as often as it says, and always under a clear shift.
 */
static void sizes_of_the_tests(void **state)
{
    (void)state;
    enum { RUNS = 120, N = 60, FREQUENCIES = 16, WIDTH = 2 * FREQUENCIES };
    static double rows[ROWS * D], features[ROWS * WIDTH], covariance[WIDTH * WIDTH];
    double mean[WIDTH], current[WIDTH], trace, trace2;
    struct rff *rff = rff_new(D, FREQUENCIES, 2, 7);
    int small_mmd = 0, small_t2 = 0, found = 0;
    for (int run = 0; run < RUNS; run++)
        for (int drifted = 0; drifted < 2; drifted++) {
            double c1[D * D], c2[D * D], m1[D], m2[D];
            struct hotelling t;
            fill(rows, ROWS, 0, 1000 + (uint64_t)run);
            rows_moments(rows, ROWS, D, m1, c1);
            for (int i = 0; i < ROWS; i++)
                rff_features(rff, rows + i * D, features + i * WIDTH);
            rows_moments(features, ROWS, WIDTH, mean, covariance);
            covariance_traces(covariance, WIDTH, &trace, &trace2);
            fill(rows, N, drifted ? 1.5 : 0, 500000 + (uint64_t)run);
            rows_moments(rows, N, D, m2, c2);
            for (int i = 0; i < N; i++)
                rff_features(rff, rows + i * D, features + i * WIDTH);
            rows_moments(features, N, WIDTH, current, covariance);
            struct mmd mmd = mmd_of(mean, ROWS, current, N, WIDTH, trace, trace2);
            assert_int_equal(hotelling_test(m1, c1, ROWS, m2, c2, N, D, &t), 0);
            if (drifted) {
                found += mmd.p < 0.001 && t.p < 0.001;
            } else {
                small_mmd += mmd.p < 0.05;
                small_t2 += t.p < 0.05;
            }
        }
    assert_true(small_mmd >= 1 && small_mmd <= 14);
    assert_true(small_t2 >= 1 && small_t2 <= 14);
    assert_true(found > 0.95 * RUNS);
    rff_free(rff);
    assert_nan(mmd_of(mean, 0, current, 1, WIDTH, trace, trace2).biased);
    assert_nan(mmd_of(mean, 10, current, 1, WIDTH, 0, 0).p);
}

static void components_rebuild_what_they_span(void **state)
{
    (void)state;
    static double rows[ROWS * D];
    double mean[D], covariance[D * D], scratch[2 * D];
    uint64_t seed = 6;
    for (int i = 0; i < ROWS; i++) { /* two directions, and a constant */
        double u = normal(&seed), v = normal(&seed);
        double row[D] = {u, 2 * u, v, 7};
        memcpy(rows + i * D, row, sizeof row);
    }
    rows_moments(rows, ROWS, D, mean, covariance);
    struct pca *pca = pca_new(mean, covariance, ROWS, D, 0.999);
    assert_non_null(pca);
    assert_int_equal(pca->components, 2);
    assert_near(pca->explained[0] + pca->explained[1], 1, 1e-12);
    for (int i = 0; i < ROWS; i++)
        assert_near(pca_error(pca, rows + i * D, scratch), 0, 1e-12);
    double other[D] = {1, -2, 0, 7};
    assert_true(pca_error(pca, other, scratch) > 1);
    pca_free(pca);
    memset(covariance, 0, sizeof covariance);
    assert_null(pca_new(mean, covariance, ROWS, D, 0.65));
    assert_null(pca_new(mean, covariance, 1, D, 0.65));
    pca_free(NULL);
}

/* D² by components is what the inverse of the correlations gives. */
static void distances_by_components(void **state)
{
    (void)state;
    static double rows[ROWS * D];
    double mean[D], covariance[D * D], scratch[2 * D];
    uint64_t seed = 8;
    for (int i = 0; i < ROWS; i++) {
        double u = normal(&seed), v = normal(&seed);
        double row[D] = {u, 2 * u + v, v - 3 * normal(&seed), 7 + normal(&seed)};
        memcpy(rows + i * D, row, sizeof row);
    }
    rows_moments(rows, ROWS, D, mean, covariance);
    struct pca *pca = pca_new(mean, covariance, ROWS, D, 0.65);
    assert_non_null(pca);
    assert_int_equal(covariance_factor(covariance, D), 0);
    for (int i = 0; i < ROWS; i += 7) {
        double want = mahalanobis_square(covariance, mean, rows + i * D, D, scratch) * ROWS / (ROWS - 1.);
        assert_near(pca_distance(pca, rows + i * D, scratch), want, 1e-4 * fmax(1, want));
    }
    pca_free(pca);
}

static void degenerate_covariances(void **state)
{
    (void)state;
    double singular[4] = {1, 1, 1, 1}, zero[4] = {0}, mean[2] = {0, 0}, x[2] = {1, 1}, scratch[4];
    assert_int_equal(covariance_factor(singular, 2), 0); /* by the ridge */
    assert_near(mahalanobis_square(singular, mean, x, 2, scratch), 1, 1e-5);
    assert_int_equal(covariance_factor(zero, 2), ERR_INVALID);
    struct hotelling t;
    double again[4] = {0};
    assert_int_equal(hotelling_test(mean, again, 10, x, again, 10, 2, &t), 0);
    assert_nan(t.p);
    double fine[4] = {1, 0, 0, 1};
    assert_int_equal(hotelling_test(mean, fine, 2, x, fine, 2, 2, &t), 0);
    assert_nan(t.t2); /* N ≤ d + 2 */
}

static void correlations(void **state)
{
    (void)state;
    double a[9] = {1, 0.5, 0, 0.5, 1, 0, 0, 0, 0}, b[9] = {4, -2, 0, -2, 4, 0, 0, 0, 0}, z[3];
    struct correlation_drift d = correlation_drift(a, 103, b, 53, 3, z);
    assert_near(d.max_difference, 1, 1e-15);
    assert_near(d.frobenius, sqrt(2), 1e-15);
    assert_near(z[0], 2 * atanh(0.5) / sqrt(1.0 / 100 + 1.0 / 50), 1e-12);
    assert_nan(z[1]);
    assert_true(d.p < 1e-6);
    d = correlation_drift(a, 3, b, 53, 3, NULL);
    assert_nan(d.p);
    double perfect[4] = {1, 1, 1, 1};
    assert_true(isfinite(correlation_drift(perfect, 100, perfect, 100, 2, NULL).p));
    assert_nan(correlation_drift(perfect, 100, perfect, 100, 1, NULL).max_difference);
}

static void distances_of_centroids_and_pairs(void **state)
{
    (void)state;
    static const double a[2] = {3, 0}, b[2] = {0, 4}, zero[2] = {0, 0}, line[4] = {0, 1, 3, 7};
    assert_near(centroid_distance(a, b, 2).cosine, 1, 1e-15);
    assert_near(centroid_distance(a, b, 2).euclidean, 5, 1e-15);
    assert_nan(centroid_distance(a, zero, 2).cosine);
    double median;
    assert_int_equal(median_distance(line, 4, 1, &median), 0);
    assert_near(median, 3.5, 1e-15); /* 1 2 3 4 6 7 */
    assert_int_equal(median_distance(line, 1, 1, &median), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_cosines_and_sines),
        cmocka_unit_test(features_approximate_the_kernel),
        cmocka_unit_test(moments_from_sums),
        cmocka_unit_test(sizes_of_the_tests),
        cmocka_unit_test(components_rebuild_what_they_span),
        cmocka_unit_test(distances_by_components),
        cmocka_unit_test(degenerate_covariances),
        cmocka_unit_test(correlations),
        cmocka_unit_test(distances_of_centroids_and_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
