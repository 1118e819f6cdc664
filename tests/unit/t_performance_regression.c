/* performance_regression.c: invariance under shifts, undefined cases. */
#include "tests/unit/near.h"

#include "detectors/performance_regression.h"

static const double truth[] = {3, -1, 4, 1, 5, 9, 2.5};
static const double predicted[] = {2.5, 0, 4, 1.5, 6, 7, 3};
enum { N = sizeof truth / sizeof *truth };

static struct regression_metrics metrics_of(double offset, double shift)
{
    struct regression_sums sums = {.n = 0};
    for (int i = 0; i < N; i++)
        regression_add(&sums, truth[i] + offset, predicted[i] + offset, shift);
    return regression_metrics(&sums);
}

static void by_definition(void **state)
{
    (void)state;
    struct regression_metrics m = metrics_of(0, 0);
    double mean = 0, spread = 0, squares = 0, absolute = 0, bias = 0;
    for (int i = 0; i < N; i++)
        mean += truth[i] / N;
    for (int i = 0; i < N; i++) {
        double e = predicted[i] - truth[i];
        spread += (truth[i] - mean) * (truth[i] - mean);
        squares += e * e;
        absolute += fabs(e) / N;
        bias += e / N;
    }
    assert_near(m.mae, absolute, 1e-15);
    assert_near(m.rmse, sqrt(squares / N), 1e-15);
    assert_near(m.bias, bias, 1e-15);
    assert_near(m.r2, 1 - squares / spread, 1e-14);
}

static void a_shift_keeps_far_targets_exact(void **state)
{
    (void)state;
    struct regression_metrics near_zero = metrics_of(0, 0);
    struct regression_metrics far = metrics_of(1e9, 1e9);
    assert_near(far.r2, near_zero.r2, 1e-12);
    assert_near(far.explained_variance, near_zero.explained_variance, 1e-12);
    assert_near(far.residual_sd, near_zero.residual_sd, 1e-12);
}

static void undefined_cases(void **state)
{
    (void)state;
    struct regression_sums sums = {.n = 0};
    assert_nan(regression_metrics(&sums).mae);
    regression_add(&sums, 0, 0, 0);
    struct regression_metrics m = regression_metrics(&sums);
    assert_nan(m.r2);
    assert_nan(m.wape);
    assert_nan(m.residual_sd);
    assert_near(m.smape, 0, 0);
    regression_add(&sums, 0.1, 0.2, 0);
    regression_add(&sums, 0.1, 0.2, 0);
    assert_true(isfinite(regression_metrics(&sums).r2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_definition),
        cmocka_unit_test(a_shift_keeps_far_targets_exact),
        cmocka_unit_test(undefined_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
