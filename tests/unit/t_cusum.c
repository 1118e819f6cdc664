/* cusum.c. */
#include "tests/unit/sequential_streams.h"

static int by_definition(const double *x, int n)
{
    double mean = 0, square = 0, high = 0, low = 0;
    for (int i = 0; i < 30; i++)
        mean += x[i] / 30;
    for (int i = 0; i < 30; i++)
        square += (x[i] - mean) * (x[i] - mean) / 29;
    for (int i = 29; i < n; i++) {
        high = fmax(0, high + x[i] - mean - 0.5 * sqrt(square));
        low = fmax(0, low - x[i] + mean - 0.5 * sqrt(square));
        if (high > 5 * sqrt(square) || low > 5 * sqrt(square))
            return i;
    }
    return -1;
}

static void follows_the_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 30; seed++) {
        double x[STREAM_END];
        uint64_t random = seed;
        for (int i = 0; i < STREAM_END; i++)
            x[i] = stream_value(STREAM_NORMAL_RISE, i, &random);
        assert_int_equal(first_drift(detector_of("cusum"), STREAM_NORMAL_RISE, seed),
                         by_definition(x, STREAM_END));
    }
}

static void increases_only_in_moa_form(void **state)
{
    (void)state;
    int found = first_drift(detector_of("cusum_moa"), STREAM_NORMAL_RISE, 5);
    assert_true(found >= CHANGE_AT && found < CHANGE_AT + 100);
    assert_int_equal(first_drift(detector_of("cusum_moa"), STREAM_FALL, 5), -1);
}

static void constant_streams(void **state)
{
    (void)state;
    assert_silent_on_constant(detector_of("cusum"), 2);
    assert_silent_on_constant(detector_of("cusum_moa"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_definition),
        cmocka_unit_test(increases_only_in_moa_form),
        cmocka_unit_test(constant_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
