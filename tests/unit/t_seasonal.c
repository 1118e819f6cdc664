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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mixture), cmocka_unit_test(test_undefined)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
