/* portable_math.c against libm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "detectors/portable_math.h"

static void test_log(void **state)
{
    (void)state;
    assert_true(portable_log(1) == 0); /* NOLINT: exact */
    for (double x = 1e-300; x < 1e300; x *= 1.7)
        assert_true(fabs(portable_log(x) - log(x)) <= 1e-15 * (1 + fabs(log(x))));
    for (int i = 1; i < 2000; i++)
        assert_true(fabs(portable_log(i / 1000.0) - log(i / 1000.0)) <= 1e-15 * (1 + fabs(log(i / 1000.0))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_log)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
