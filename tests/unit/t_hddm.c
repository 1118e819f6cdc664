/* hddm.c: A and W. */
#include "tests/unit/sequential_streams.h"

static const char *const both[] = {"hddm_a", "hddm_w"};

/* A confidence at which chance alone does not drift in so many values. */
static struct sequential *strict(const char *name, double two_sided)
{
    struct sequential_options options = sequential_options(sequential_find(name));
    assert_int_equal(sequential_set(&options, "drift_confidence", 1e-7), 0);
    assert_int_equal(sequential_set(&options, "two_sided", two_sided), 0);
    return sequential_new(&options);
}

static void sides(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            int rise = first_drift(strict(both[i], 0), STREAM_RISE, seed);
            assert_true(rise >= CHANGE_AT && rise < CHANGE_AT + 200);
            int fall = first_drift(strict(both[i], 1), STREAM_FALL, seed);
            assert_true(fall >= CHANGE_AT && fall < CHANGE_AT + 200);
            assert_int_equal(first_drift(strict(both[i], 0), STREAM_FALL, seed), -1);
        }
}

/* Two-sided, a mirrored stream drifts at the same value. */
static void mirror(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sequential *a = detector_with(both[i], "two_sided", 1);
        struct sequential *b = detector_with(both[i], "two_sided", 1);
        uint64_t seed = 9;
        for (int k = 0; k < STREAM_END; k++) {
            double x = stream_value(STREAM_RISE, k, &seed);
            assert_int_equal(sequential_update(a, x), sequential_update(b, 1 - x));
        }
        sequential_free(a);
        sequential_free(b);
    }
}

static void a_smaller_confidence_is_slower(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_true(first_drift(detector_with(both[i], "drift_confidence", 1e-9), STREAM_RISE, 3) >
                    first_drift(detector_with(both[i], "drift_confidence", 0.05), STREAM_RISE, 3));
}

static void constant_streams(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_silent_on_constant(detector_with(both[i], "two_sided", 1), 0);
        assert_silent_on_constant(detector_with(both[i], "two_sided", 1), 0.3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides),
        cmocka_unit_test(mirror),
        cmocka_unit_test(a_smaller_confidence_is_slower),
        cmocka_unit_test(constant_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
