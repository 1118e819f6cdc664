/* page_hinkley.c: against a plain loop over the definition; directions. */
#include "tests/unit/sequential_streams.h"

static int by_definition(const double *x, int n, double alpha, double delta, double threshold)
{
    double sum = 0, up = 0, down = 0, low = INFINITY, high = -1;
    for (int i = 0; i < n; i++) {
        sum += x[i];
        double d = x[i] - sum / (i + 1);
        up = alpha * up + d - delta;
        down = alpha * down + d + delta;
        low = up < low ? up : low;
        high = down > high ? down : high;
        if (i + 1 >= 30 && (up - low > threshold || high - down > threshold))
            return i;
    }
    return -1;
}

static void follows_the_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++)
        for (int stream = STREAM_QUIET; stream <= STREAM_NORMAL_RISE; stream++) {
            double x[STREAM_END];
            uint64_t random = seed;
            for (int i = 0; i < STREAM_END; i++)
                x[i] = stream_value((enum stream)stream, i, &random);
            assert_int_equal(
                first_drift(detector_with("page_hinkley", "threshold", 30), (enum stream)stream, seed),
                by_definition(x, STREAM_END, 0.9999, 0.005, 30));
        }
}

static void directions(void **state)
{
    (void)state;
    assert_true(first_drift(detector_with("page_hinkley", "up", 0), STREAM_FALL, 2) >= CHANGE_AT);
    assert_int_equal(first_drift(detector_with("page_hinkley", "up", 0), STREAM_RISE, 2), -1);
    assert_true(first_drift(detector_with("page_hinkley", "down", 0), STREAM_RISE, 2) >= CHANGE_AT);
    assert_int_equal(first_drift(detector_with("page_hinkley", "down", 0), STREAM_FALL, 2), -1);
    assert_true(first_drift(detector_of("page_hinkley_moa"), STREAM_RISE, 2) >= CHANGE_AT);
    assert_int_equal(first_drift(detector_of("page_hinkley_moa"), STREAM_FALL, 2), -1);
}

static void constant_streams(void **state)
{
    (void)state;
    assert_silent_on_constant(detector_of("page_hinkley"), 3.7);
    assert_silent_on_constant(detector_of("page_hinkley_moa"), 3.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_definition),
        cmocka_unit_test(directions),
        cmocka_unit_test(constant_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
