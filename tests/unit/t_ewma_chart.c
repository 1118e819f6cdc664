/* ewma_chart.c: EWMA and ECDD. */
#include "tests/unit/sequential_streams.h"

static void ewma_finds_a_shift(void **state)
{
    (void)state;
    int found = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int drift = first_drift(detector_with("ewma", "threshold", 6), STREAM_NORMAL_RISE, seed);
        found += drift >= CHANGE_AT && drift < CHANGE_AT + 30;
    }
    assert_true(found >= 15);
    assert_silent_on_constant(detector_of("ewma"), 2);
}

/* The first value beyond p̂ + L(p̂)σ_z is the drift. */
static void ecdd_follows_the_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        double z = 0, errors = 0;
        int want = -1;
        for (int i = 0; i < STREAM_END && want < 0; i++) {
            double x = stream_value(STREAM_RISE, i, &random), n = i + 1;
            errors += x;
            z = 0.8 * z + 0.2 * x;
            double p = errors / n;
            double limit = 3.97 - 6.56 * p + 48.73 * pow(p, 3) - 330.13 * pow(p, 5) + 848.18 * pow(p, 7);
            double sd = sqrt(p * (1 - p) * 0.2 / 1.8 * (1 - pow(0.8, 2 * n)));
            if (n >= 30 && z > p + limit * sd)
                want = i;
        }
        assert_int_equal(first_drift(detector_of("ecdd"), STREAM_RISE, seed), want);
    }
    assert_silent_on_constant(detector_of("ecdd"), 0);
    assert_silent_on_constant(detector_of("ecdd"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ewma_finds_a_shift),
        cmocka_unit_test(ecdd_follows_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
