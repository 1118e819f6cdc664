/* ddm.c: DDM and EDDM. */
#include "tests/unit/sequential_streams.h"

static void ddm_warns_before_it_drifts(void **state)
{
    (void)state;
    struct sequential *detector = detector_of("ddm");
    uint64_t seed = 6;
    int warning = -1, drift = -1;
    for (int i = 0; i < STREAM_END && drift < 0; i++) {
        enum sequential_state s = sequential_update(detector, stream_value(STREAM_RISE, i, &seed));
        if (s == SEQUENTIAL_WARNING && i >= CHANGE_AT && warning < 0)
            warning = i;
        if (s == SEQUENTIAL_DRIFT)
            drift = i;
    }
    assert_true(warning >= CHANGE_AT && warning < drift && drift < CHANGE_AT + 200);
    sequential_free(detector);
}

/* After 100 values with 10 errors only the limit p_min + 3·s_min decides. */
static void ddm_limit_by_hand(void **state)
{
    (void)state;
    struct sequential *detector = detector_of("ddm");
    for (int i = 0; i < 100; i++)
        assert_int_equal(sequential_update(detector, i % 10 == 0), SEQUENTIAL_QUIET);
    double n = 100, errors = 10, best = INFINITY, p_min = 0, s_min = 0;
    for (int i = 1; i <= 100; i++) { /* its best so far */
        double p = (double)((i + 9) / 10) / i, s = sqrt(p * (1 - p) / i);
        if (i > 30 && p + s <= best) {
            best = p + s;
            p_min = p;
            s_min = s;
        }
    }
    for (;;) {
        n++;
        errors++;
        double p = errors / n, level = p + sqrt(p * (1 - p) / n);
        enum sequential_state got = sequential_update(detector, 1);
        if (level > p_min + 3 * s_min) {
            assert_int_equal(got, SEQUENTIAL_DRIFT);
            break;
        }
        assert_int_equal(got, level > p_min + 2 * s_min ? SEQUENTIAL_WARNING : SEQUENTIAL_QUIET);
    }
    sequential_free(detector);
}

static void eddm_watches_distances(void **state)
{
    (void)state;
    struct sequential *detector = detector_of("eddm");
    int drift = -1;
    for (int i = 0; i < 2000 && drift < 0; i++) { /* every 10th an error, then every 3rd */
        bool error = i < 1000 ? i % 10 == 9 : i % 3 == 0;
        if (sequential_update(detector, error) == SEQUENTIAL_DRIFT)
            drift = i;
    }
    assert_true(drift > 1000);
    sequential_free(detector);
    assert_silent_on_constant(detector_with("eddm", "population_sd", 1), 0);
}

static void constant_streams(void **state)
{
    (void)state;
    assert_silent_on_constant(detector_of("ddm"), 0);
    assert_silent_on_constant(detector_of("ddm"), 1);
    assert_silent_on_constant(detector_of("eddm"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ddm_warns_before_it_drifts),
        cmocka_unit_test(ddm_limit_by_hand),
        cmocka_unit_test(eddm_watches_distances),
        cmocka_unit_test(constant_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
