/* engine_outcomes_provisional.c: which windows a sweep writes. */
#include "agent/engine_outcomes.h"

#include "tests/unit/near.h"

enum { AGES = 1000, NEW = 16 };

static void test_new_ones(void **state)
{
    (void)state;
    for (uint64_t step = 0; step <= NEW; step++)
        for (uint64_t age = 0; age < step; age++)
            assert_true(engine_provisional_is_due(age, step));
    assert_false(engine_provisional_is_due(0, 0)); /* nothing has ended since */
    assert_false(engine_provisional_is_due(7, 0));
}

/* However far time goes between sweeps, a window is written once for each power of two that its age passes.
 */
static void test_ages(void **state)
{
    (void)state;
    for (uint64_t step = 1; step < NEW; step++)
        for (uint64_t first = 0; first < step; first++) {
            uint32_t written = 0;
            uint64_t last_age = 0, due_by = 1;
            for (uint64_t age = first; age < AGES; age += step) {
                if (!engine_provisional_is_due(age, step)) {
                    assert_true(age == 0 || age < due_by * 2);
                    continue;
                }
                written++;
                last_age = age;
                while (age >= due_by * 2)
                    due_by *= 2;
            }
            assert_true(written >= 2 && written <= 12);
            assert_true(last_age >= AGES / 4);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_new_ones), cmocka_unit_test(test_ages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
