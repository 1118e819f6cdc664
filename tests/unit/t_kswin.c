/* kswin.c. */
#include "tests/unit/sequential_streams.h"

static void finds_a_shift(void **state)
{
    (void)state;
    int found = 0, early = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int drift = first_drift(detector_with("kswin", "alpha", 1e-4), STREAM_NORMAL_RISE, seed);
        found += drift >= CHANGE_AT && drift < CHANGE_AT + 30;
        early += drift >= 0 && drift < CHANGE_AT;
    }
    assert_true(found >= 15);
    assert_true(early <= 4); /* it looks at every value: alpha is no rate of false alarms */
}

/* No value before the window is full can drift. */
static void waits_for_its_window(void **state)
{
    (void)state;
    struct sequential *detector = detector_of("kswin");
    for (int i = 0; i < 99; i++)
        assert_int_equal(sequential_update(detector, i < 70 ? 0 : 1), SEQUENTIAL_QUIET);
    assert_int_equal(sequential_update(detector, 1), SEQUENTIAL_DRIFT);
    sequential_free(detector);
}

static void a_window_too_short_is_silent(void **state)
{
    (void)state;
    struct sequential_options options = sequential_options(SEQUENTIAL_KSWIN);
    assert_int_equal(sequential_set(&options, "window", 50), 0);
    assert_int_equal(sequential_set(&options, "stat", 30), 0);
    struct sequential *detector = sequential_new(&options);
    for (int i = 0; i < 500; i++)
        assert_int_equal(sequential_update(detector, i >= 250), SEQUENTIAL_QUIET);
    sequential_free(detector);
    assert_silent_on_constant(detector_of("kswin"), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_shift),
        cmocka_unit_test(waits_for_its_window),
        cmocka_unit_test(a_window_too_short_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
