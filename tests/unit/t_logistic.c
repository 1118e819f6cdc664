/* logistic.c: known solutions, separation, hard starting points. */
#include "tests/unit/near.h"

#include "detectors/logistic.h"

static void two_points_have_a_closed_form(void **state)
{
    (void)state;
    /* shares 1/4 at 0 and 2/3 at 2 */
    struct logistic_point points[2] = {{0, 4, 1}, {2, 6, 4}};
    struct logistic fit = logistic_fit(points, 2, 0);
    assert_near(fit.intercept, logit(0.25), 1e-12);
    assert_near(fit.slope, (logit(2.0 / 3) - logit(0.25)) / 2, 1e-12);
    assert_near(logistic_probability(&fit, 2), 2.0 / 3, 1e-12);
    assert_near(fit.log_likelihood, log(0.25) + 3 * log(0.75) + 4 * log(2.0 / 3) + 2 * log(1.0 / 3), 1e-12);
}

static void far_from_the_origin(void **state)
{
    (void)state;
    struct logistic_point points[2] = {{100, 4, 1}, {102, 6, 4}};
    struct logistic fit = logistic_fit(points, 2, 0);
    assert_near(fit.slope, (logit(2.0 / 3) - logit(0.25)) / 2, 1e-8);
    struct logistic_point steep[4] = {{-13, 1000, 1}, {13, 1000, 999}, {-2, 10, 5}, {2, 10, 5}};
    assert_true(isfinite(logistic_fit(steep, 4, 0).slope));
}

static void no_maximum(void **state)
{
    (void)state;
    struct logistic_point one_class[2] = {{0, 4, 0}, {2, 6, 0}};
    assert_nan(logistic_fit(one_class, 2, 0).slope);
    assert_nan(logistic_fit_offset(one_class, 2));
    struct logistic_point one_place[2] = {{1, 4, 2}, {1, 6, 1}};
    assert_nan(logistic_fit(one_place, 2, 0).slope);
    assert_nan(logistic_fit(NULL, 0, 0).slope);
    struct logistic_point separated[2] = {{0, 4, 0}, {1, 4, 4}};
    double slope = logistic_fit(separated, 2, 0).slope;
    assert_true(isnan(slope) || fabs(slope) > 20);
    assert_true(isfinite(logistic_fit(separated, 2, 1e-3).slope)); /* the ridge holds it */
}

static void offset_alone(void **state)
{
    (void)state;
    struct logistic_point shifted[3];
    for (int i = 0; i < 3; i++) {
        double x = i - 1;
        shifted[i] = (struct logistic_point){x, 30, 30 / (1 + exp(-(x + 3.5)))};
    }
    assert_near(logistic_fit_offset(shifted, 3), 3.5, 1e-10);
    struct logistic_point extreme[1] = {{0, 1e9, 1}};
    assert_near(logistic_fit_offset(extreme, 1), logit(1e-9), 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_points_have_a_closed_form),
        cmocka_unit_test(far_from_the_origin),
        cmocka_unit_test(no_maximum),
        cmocka_unit_test(offset_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
