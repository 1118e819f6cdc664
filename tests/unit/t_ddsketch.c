/* ddsketch.c: relative error, merging, signs, clipping. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "detectors/ddsketch.h"

static int ascending(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void relative_error_is_bounded(void **state)
{
    (void)state;
    enum { N = 5000 };
    static const double alphas[] = {0.001, 0.01, 0.05, 0.5};
    static double values[N];
    for (size_t a = 0; a < sizeof alphas / sizeof *alphas; a++) {
        struct ddsketch_layout *layout = ddsketch_layout_new(alphas[a], 1e-6, 1e6, true);
        assert_non_null(layout);
        uint64_t *counters = calloc(ddsketch_counters(layout), sizeof *counters);
        uint64_t seed = 8;
        for (int i = 0; i < N; i++) {
            double size = exp(20 * random_unit(&seed) - 10);
            values[i] = i % 3 == 0 ? -size : i % 50 == 0 ? 0 : size;
            ddsketch_add(layout, counters, values[i]);
        }
        qsort(values, N, sizeof *values, ascending);
        for (int rank = 0; rank < N; rank += 7) {
            double got = ddsketch_at_rank(layout, counters, rank);
            assert_near(got, values[rank], alphas[a] * fabs(values[rank]) * (1 + 1e-9));
        }
        assert_near(ddsketch_quantile(layout, counters, 0), values[0],
                    alphas[a] * fabs(values[0]) * (1 + 1e-9));
        assert_int_equal(ddsketch_count(layout, counters), N);
        assert_int_equal(counters[DDSKETCH_CLIPPED], 0);
        free(counters);
        ddsketch_layout_free(layout);
    }
}

/* The table of cells finds what counting the bounds below finds: at the bounds, beside them, anywhere. */
static void buckets_are_found(void **state)
{
    (void)state;
    static const struct {
        double alpha, smallest, largest;
    } cases[] = {{0.01, 0.001, 3.6e6}, {0.5, 1e-150, 1e150}, {0.0005, 0.5, 2}, {0.01, 1, 1}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct ddsketch_layout *layout =
            ddsketch_layout_new(cases[c].alpha, cases[c].smallest, cases[c].largest, false);
        assert_non_null(layout);
        double gamma = ddsketch_gamma(layout);
        int32_t first = ddsketch_key(layout, 1e-308, NULL), last = ddsketch_key(layout, 1e308, NULL);
        uint64_t seed = 11;
        for (int i = 0; i < 20000; i++) {
            double x =
                exp(log(cases[c].smallest) + random_unit(&seed) * log(cases[c].largest / cases[c].smallest));
            bool clipped;
            int32_t key = ddsketch_key(layout, x, &clipped);
            assert_true(key >= first && key <= last && !clipped);
            double at = log(x) / log(gamma); /* within rounding of γ^(key−1) < x ≤ γ^key */
            assert_true(key >= at - 1e-9 * (1 + fabs(at)) && key - 1 <= at + 1e-9 * (1 + fabs(at)));
            int32_t after = ddsketch_key(layout, nextafter(x, INFINITY), NULL);
            assert_true(after == key || after == key + 1);
        }
        bool clipped;
        assert_int_equal(ddsketch_key(layout, INFINITY, &clipped), last);
        assert_true(clipped);
        assert_int_equal(ddsketch_key(layout, 5e-324, &clipped), first);
        assert_true(clipped);
        ddsketch_layout_free(layout);
    }
    ddsketch_layout_free(NULL);
}

static void merging_is_adding(void **state)
{
    (void)state;
    struct ddsketch_layout *layout = ddsketch_layout_new(0.01, 0.001, 3.6e6, false);
    uint32_t size = ddsketch_counters(layout);
    assert_true(size > 1000 && size < 1200);
    uint64_t *counters = calloc(3 * (size_t)size, sizeof *counters);
    uint64_t seed = 5;
    for (int i = 0; i < 1000; i++) {
        double x = exp(30 * random_unit(&seed) - 12);
        ddsketch_add(layout, counters, x);
        ddsketch_add(layout, counters + size * (size_t)(1 + i % 2), x);
    }
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(counters[i], counters[size + i] + counters[2 * size + i]);
    assert_true(counters[DDSKETCH_CLIPPED] > 0);
    free(counters);
    ddsketch_layout_free(layout);
}

static void bounds_belong_to_the_lower_bucket(void **state)
{
    (void)state;
    struct ddsketch_layout *layout = ddsketch_layout_new(0.01, 0.001, 1000, false);
    double gamma = ddsketch_gamma(layout);
    bool clipped;
    assert_int_equal(ddsketch_key(layout, 1, &clipped), 0);
    assert_int_equal(ddsketch_key(layout, nextafter(1, 2), NULL), 1);
    assert_int_equal(ddsketch_key(layout, gamma, NULL), 1);
    assert_int_equal(ddsketch_key(layout, nextafter(gamma, 2), NULL), 2);
    assert_false(clipped);
    int32_t lowest = ddsketch_key(layout, 1e-300, &clipped);
    assert_true(clipped);
    assert_int_equal(ddsketch_key(layout, 0.001, &clipped), lowest);
    assert_false(clipped);
    int32_t highest = ddsketch_key(layout, INFINITY, &clipped);
    assert_true(clipped);
    assert_int_equal(ddsketch_key(layout, 1000, &clipped), highest);
    assert_false(clipped);
    ddsketch_layout_free(layout);
}

static void special_values(void **state)
{
    (void)state;
    struct ddsketch_layout *layout = ddsketch_layout_new(0.01, 0.001, 1000, false);
    uint64_t *counters = calloc(ddsketch_counters(layout), sizeof *counters);
    assert_nan(ddsketch_quantile(layout, counters, 0.5));
    ddsketch_add(layout, counters, NAN);
    assert_nan(ddsketch_quantile(layout, counters, 0.5));
    assert_int_equal(counters[DDSKETCH_NAN], 1);
    ddsketch_add(layout, counters, -3); /* no negative store: 0, and said so */
    assert_near(ddsketch_quantile(layout, counters, 1), 0, 0);
    assert_int_equal(counters[DDSKETCH_CLIPPED], 1);
    assert_nan(ddsketch_quantile(layout, counters, 1.1));
    assert_nan(ddsketch_quantile(layout, counters, NAN));
    free(counters);
    ddsketch_layout_free(layout);
    assert_null(ddsketch_layout_new(0, 1, 2, false));
    assert_null(ddsketch_layout_new(0.01, 0, 2, false));
    assert_null(ddsketch_layout_new(0.01, 2, 1, false));
    assert_null(ddsketch_layout_new(1e-5, 1e-300, 1e300, false)); /* too many buckets */
    assert_null(ddsketch_layout_new(0.01, 1, INFINITY, false));
}

/* The table of guesses finds what counting the bounds below finds, at every bound and beside it. */
static void buckets_are_those_of_the_bounds(void **state)
{
    (void)state;
    static const struct {
        double alpha, smallest, largest;
    } layouts[] = {{0.01, 0.001, 3.6e6}, {0.001, 1e-6, 1e6}, {0.5, 1e-3, 1e3}, {0.01, 5, 5}, {1e-5, 1, 1.5}};
    for (size_t l = 0; l < sizeof layouts / sizeof *layouts; l++) {
        struct ddsketch_layout *layout =
            ddsketch_layout_new(layouts[l].alpha, layouts[l].smallest, layouts[l].largest, false);
        assert_non_null(layout);
        bool clipped;
        int32_t first = ddsketch_key(layout, 1e-300, &clipped),
                last = ddsketch_key(layout, INFINITY, &clipped);
        assert_int_equal(last - first + 1, ddsketch_counters(layout) - DDSKETCH_FIRST);
        for (int32_t key = first; key <= last; key++) {
            double bound = ddsketch_value(layout, key) * (ddsketch_gamma(layout) + 1) / 2;
            assert_int_equal(ddsketch_key(layout, bound * (1 - 1e-13), &clipped), key);
            assert_false(clipped);
            assert_int_equal(ddsketch_key(layout, bound * (1 + 1e-13), &clipped),
                             key == last ? last : key + 1);
            assert_int_equal(clipped, key == last);
            assert_int_equal(ddsketch_key(layout, ddsketch_value(layout, key), NULL), key);
        }
        assert_int_equal(ddsketch_key(layout, 1e300, &clipped), last);
        assert_true(clipped);
        assert_int_equal(ddsketch_key(layout, 5e-324, &clipped), first);
        assert_true(clipped);
        ddsketch_layout_free(layout);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relative_error_is_bounded),
        cmocka_unit_test(buckets_are_found),
        cmocka_unit_test(merging_is_adding),
        cmocka_unit_test(buckets_are_those_of_the_bounds),
        cmocka_unit_test(bounds_belong_to_the_lower_bucket),
        cmocka_unit_test(special_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
