/* class_scores.c: how far codes are off, that they ascend with scores, and that bins are not crossed. */
#include "detectors/class_scores.h"

#include "tests/unit/near.h"

static double round_trip(double score)
{
    return class_score_decode(class_score_encode(score));
}

static void test_what_is_valid(void **state)
{
    (void)state;
    const struct {
        double score;
        bool valid;
    } rows[] = {{0, true},      {-0.0, true}, {1, true},   {1.0000001, true}, {1.00001, false},
                {-1e-9, false}, {NAN, false}, {-1, false}, {INFINITY, false}, {5e-324, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(class_score_is_valid(rows[i].score), rows[i].valid);
    assert_near(round_trip(1.0000009), 1, 0);
    assert_int_equal(class_score_encode(-0.0), 0);
}

static void test_three_decimals_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i <= 1000; i++)
        assert_near(round_trip(i / 1000.0), i / 1000.0, 0);
}

static void test_error(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int i = 0; i < 200000; i++) {
        double score = i % 2 ? random_unit(&random) : exp2(-40 * random_unit(&random));
        double back = round_trip(score);
        double next_edge = ceil(score * 200) / 200;
        assert_true(fabs(back - score) <= (next_edge - score < 1e-5 ? 2e-5 : 1.0001e-5));
        if (score >= 0x1p-37 && score < 1.0 / 128)
            assert_true(fabs(back - score) <= 0.0013 * score);
        assert_true(back > 0);
        assert_true(floor(back * 10 + 1e-12) == fmin(floor(score * 10 + 1e-12), 10));
        assert_int_equal(class_score_encode(back), class_score_encode(score)); /* settled */
    }
    assert_near(round_trip(1e-300), 0x1p-37, 0); /* 0 is for 0 only */
}

static void test_codes_ascend(void **state)
{
    (void)state;
    double before = -1;
    for (int i = 0; i <= 4000000; i++) {
        double score = i / 4e6, back = round_trip(score);
        assert_true(back >= before);
        before = back;
    }
    before = 0;
    for (double score = 1e-13; score < 0.02; score *= 1.00003) {
        double back = round_trip(score);
        assert_true(back >= before);
        before = back;
    }
}

static void test_every_code(void **state)
{
    (void)state;
    uint32_t known = 0;
    for (uint32_t code = 0; code <= UINT16_MAX; code++) {
        double score = class_score_decode((uint16_t)code);
        assert_true(score >= 0 && score < 1.01); /* whatever a damaged store holds */
        known += class_score_encode(score) == code;
    }
    assert_true(known > 65000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_valid), cmocka_unit_test(test_three_decimals_are_exact),
        cmocka_unit_test(test_error), cmocka_unit_test(test_codes_ascend), cmocka_unit_test(test_every_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
