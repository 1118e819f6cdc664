/* mean_embedding.c: rounding, sums that add up, bandwidth and traces of weighted rows, degenerate rows. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "agent/base/err.h"
#include "detectors/features.h"
#include "detectors/mean_embedding.h"

static void rounds_to_even(void **state)
{
    (void)state;
    static const struct {
        double value;
        int64_t want;
    } cases[] = {{0, 0},
                 {0.5, 0},
                 {1.5, 2},
                 {2.5, 2},
                 {-0.5, 0},
                 {-1.5, -2},
                 {0.49999, 0},
                 {1e15 + 0.5, 1000000000000000},
                 {-3.7, -4},
                 {0x1p55, 1L << 55},
                 {-0x1p60, -(1L << 60)},
                 {4503599627370495.5, 4503599627370496}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(fixed_of(cases[i].value) == cases[i].want);
    double values[3] = {0.25, -1, 3e-13};
    int128 once[3] = {0}, often[3] = {0};
    for (int i = 0; i < 1000; i++)
        fixed_add(once, values, 3, Z_UNIT, 1);
    fixed_add(often, values, 3, Z_UNIT, 1000);
    assert_memory_equal(once, often, sizeof(once));
}

static void weights_are_repeated_rows(void **state)
{
    (void)state;
    enum { N = 60, D = 3 };
    double rows[N * D], twice[2 * N * D], weight[N];
    uint64_t seed = 9;
    for (int i = 0; i < N * D; i++)
        rows[i] = random_unit(&seed) * 4;
    for (int i = 0; i < N; i++) {
        weight[i] = 2;
        memcpy(twice + 2 * i * D, rows + i * D, D * sizeof(double));
        memcpy(twice + (2 * i + 1) * D, rows + i * D, D * sizeof(double));
    }
    struct mean_embedding weighted, repeated;
    assert_int_equal(mean_embedding_build(&weighted, rows, weight, N, D), 0);
    assert_int_equal(mean_embedding_build(&repeated, twice, NULL, (size_t)2 * N, D), 0);
    double median;
    assert_int_equal(median_distance(rows, N, D, &median), 0);
    assert_near(weighted.bandwidth, median, 0);
    assert_true(weighted.trace > 0.1 && weighted.trace < 1 && weighted.trace2 < weighted.trace);
    mean_embedding_release(&repeated);
    repeated.bandwidth = weighted.bandwidth; /* zero distances of pairs make the median smaller */
    assert_int_equal(mean_embedding_prepare(&repeated, D), 0);
    int128 a[MEAN_FEATURES] = {0}, b[MEAN_FEATURES] = {0};
    for (int i = 0; i < N; i++)
        mean_embedding_add(&weighted, rows + i * D, 2, a);
    for (int i = 0; i < 2 * N; i++)
        mean_embedding_add(&repeated, twice + i * D, 1, b);
    assert_memory_equal(a, b, sizeof(a));
    struct mmd none = mean_embedding_compare(&weighted, a, 2 * N, b, 2 * N);
    assert_near(none.biased, 0, 1e-20);
    assert_near(none.p, 1, 1e-9);
    mean_embedding_release(&weighted);
    mean_embedding_release(&repeated);
}

static void degenerate_rows(void **state)
{
    (void)state;
    double same[40] = {0}, mostly[40] = {0};
    mostly[39] = 3; /* the median distance is 0, the mean is not */
    struct mean_embedding embedding;
    assert_int_equal(mean_embedding_build(&embedding, same, NULL, 20, 2), 0);
    assert_true(embedding.bandwidth == 1 && embedding.trace == 0);
    mean_embedding_release(&embedding);
    assert_int_equal(mean_embedding_build(&embedding, mostly, NULL, 20, 2), 0);
    assert_true(embedding.bandwidth > 0.5 && embedding.bandwidth < 1 && embedding.trace > 0);
    mean_embedding_release(&embedding);
    assert_int_equal(mean_embedding_build(&embedding, same, NULL, 0, 2), 0);
    int128 sums[MEAN_FEATURES] = {0};
    struct mmd mmd = mean_embedding_compare(&embedding, sums, 1, sums, 1);
    assert_nan(mmd.p);
    mean_embedding_release(&embedding);
    static const double wrong[] = {0, -1, 1e-10, 1e10, (double)NAN};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        embedding = (struct mean_embedding){.bandwidth = wrong[i]};
        assert_int_equal(mean_embedding_prepare(&embedding, 2), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_to_even),
        cmocka_unit_test(weights_are_repeated_rows),
        cmocka_unit_test(degenerate_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
