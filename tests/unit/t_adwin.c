/* adwin.c. */
#include "tests/unit/sequential_streams.h"

static void finds_changes_both_ways(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        int rise = first_drift(detector_of("adwin"), STREAM_RISE, seed);
        int fall = first_drift(detector_of("adwin"), STREAM_FALL, seed);
        assert_true(rise >= CHANGE_AT && rise < CHANGE_AT + 100);
        assert_true(fall >= CHANGE_AT && fall < CHANGE_AT + 100);
        assert_int_equal((rise + 1) % 32, 0); /* looks at every 32nd value only */
    }
    int quiet = 0;
    for (uint64_t seed = 1; seed <= 50; seed++)
        quiet += first_drift(detector_of("adwin"), STREAM_QUIET, seed) < 0;
    assert_true(quiet >= 48);
}

static void clock_and_delta(void **state)
{
    (void)state;
    int every = first_drift(detector_with("adwin", "clock", 1), STREAM_RISE, 4);
    int usual = first_drift(detector_of("adwin"), STREAM_RISE, 4);
    int eager = first_drift(detector_with("adwin", "delta", 0.5), STREAM_RISE, 4);
    assert_true(every <= usual && usual < every + 32);
    assert_true(eager <= usual);
}

static void constant_streams(void **state)
{
    (void)state;
    assert_silent_on_constant(detector_of("adwin"), 0);
    assert_silent_on_constant(detector_of("adwin"), 0.1);
    assert_silent_on_constant(detector_of("adwin"), -1e9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_changes_both_ways),
        cmocka_unit_test(clock_and_delta),
        cmocka_unit_test(constant_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
