/* seasonal.c: mixtures, effective sizes and their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "detectors/seasonal.h"

static void test_mixture(void **state)
{
    static const uint64_t day[2] = {40, 60}, night[2] = {90, 10}, never[2] = {0, 0};
    const struct stratum strata[] = {{day, 300}, {night, 100}, {never, 0}};
    double mixture[2], rows;
    (void)state;
    assert_true(seasonal_mixture(strata, 3, 2, mixture, &rows));
    assert_true(fabs(mixture[0] - 0.525) < 1e-15 && fabs(mixture[1] - 0.475) < 1e-15 &&
                fabs(rows - 160) < 1e-10);
    assert_true(seasonal_mixture(strata, 1, 2, mixture, &rows)); /* one stratum is itself */
    assert_true(fabs(mixture[0] - 0.4) < 1e-15 && fabs(rows - 100) < 1e-10);
}

static void test_undefined(void **state)
{
    static const uint64_t day[2] = {40, 60}, never[2] = {0, 0};
    const struct stratum unknown[] = {{day, 300}, {never, 1}}, silent[] = {{day, 0}};
    double mixture[2], rows;
    (void)state;
    assert_false(seasonal_mixture(unknown, 2, 2, mixture, &rows));
    assert_true(isnan(mixture[0]) && isnan(mixture[1]) && isnan(rows));
    assert_false(seasonal_mixture(silent, 1, 2, mixture, &rows));
    assert_false(seasonal_mixture(silent, 0, 2, mixture, &rows));
    assert_true(isnan(mixture[0]) && isnan(rows));
}

static void test_outlying_weeks(void **state)
{
    static const uint64_t plain[] = {400, 600}, other[] = {410, 590}, third[] = {395, 605},
                          odd[] = {800, 200}, slightly[] = {450, 550}, none[] = {0, 0};
    const struct {
        const uint64_t *weeks[5];
        uint32_t count;
        int outlying; /* −1: none */
    } cases[] = {{{plain, other, odd, third}, 4, 2},
                 {{plain, odd}, 2, -1}, /* nobody can say which */
                 {{plain, none, odd}, 3, -1},
                 {{plain, other, third, slightly}, 4, -1}, /* clearly different, but not by much */
                 {{plain, plain, plain, plain}, 4, -1},
                 {{none, none, none}, 3, -1},
                 {{odd, plain, other, third, none}, 5, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool outlying[5] = {true, true, true, true, true};
        seasonal_outlying_weeks(cases[i].weeks, cases[i].count, 2, 0.10, outlying);
        for (uint32_t k = 0; k < cases[i].count; k++)
            assert_int_equal(outlying[k], (int)k == cases[i].outlying);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mixture), cmocka_unit_test(test_undefined),
                                       cmocka_unit_test(test_outlying_weeks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
