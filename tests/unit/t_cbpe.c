/* cbpe.c: isotonic against the min–max formula, the estimate of known probabilities, choice of calibrator. */
#include "tests/unit/near.h"

#include "agent/base/err.h"
#include "detectors/cbpe.h"

enum { POINTS = 40 };

/* fit_i = max_{j ≤ i} min_{k ≥ i} mean(j … k) */
static double min_max(const struct score_count *p, int count, int i)
{
    double best = -INFINITY;
    for (int j = 0; j <= i; j++) {
        double n = 0, positives = 0, least = INFINITY;
        for (int k = j; k < count; k++) {
            n += p[k].n;
            positives += p[k].positives;
            if (k >= i)
                least = fmin(least, positives / n);
        }
        best = fmax(best, least);
    }
    return best;
}

static void isotonic_is_the_min_max_formula(void **state)
{
    (void)state;
    struct score_count points[POINTS];
    for (uint64_t seed = 1; seed < 20; seed++) {
        uint64_t random = seed;
        for (int i = 0; i < POINTS; i++) {
            double n = 1 + floor(9 * random_unit(&random));
            points[i] = (struct score_count){i / 10.0, n, floor(n * random_unit(&random) * i / 20)};
            points[i].positives = fmin(n, points[i].positives);
        }
        struct isotonic fit;
        assert_int_equal(isotonic_fit(points, POINTS, &fit), 0);
        for (int i = 0; i < POINTS; i++)
            assert_near(isotonic_value(&fit, points[i].score), min_max(points, POINTS, i), 1e-12);
        for (size_t k = 1; k < fit.count; k++)
            assert_true(fit.x[k - 1] < fit.x[k] && fit.y[k - 1] <= fit.y[k]);
        assert_near(isotonic_value(&fit, -5), min_max(points, POINTS, 0), 1e-12);
        assert_near(isotonic_value(&fit, 50), min_max(points, POINTS, POINTS - 1), 1e-12);
        assert_nan(isotonic_value(&fit, NAN));
        isotonic_clear(&fit);
    }
}

static void order_and_ties_do_not_matter(void **state)
{
    (void)state;
    static const struct score_count a[] = {{0.3, 2, 1}, {0.1, 1, 0}, {0.3, 1, 1}, {0.2, 0, 0}, {NAN, 3, 1}};
    static const struct score_count b[] = {{0.1, 1, 0}, {0.3, 3, 2}};
    struct isotonic left, right;
    assert_int_equal(isotonic_fit(a, 5, &left), 0);
    assert_int_equal(isotonic_fit(b, 2, &right), 0);
    for (double x = 0; x < 0.5; x += 0.05)
        assert_near(isotonic_value(&left, x), isotonic_value(&right, x), 1e-15);
    isotonic_clear(&left);
    isotonic_clear(&right);
    assert_int_equal(isotonic_fit(NULL, 0, &left), ERR_INVALID);
    assert_int_equal(isotonic_fit(a + 3, 2, &left), ERR_INVALID);
    assert_nan(isotonic_value(&left, 0.3));
}

static void calibrator_by_size_and_worth(void **state)
{
    (void)state;
    struct score_count reference[10], held_out[10];
    for (int i = 0; i < 10; i++) {
        double score = (i + 0.5) / 10;
        reference[i] = (struct score_count){score, 200, 200 * score * score};
        held_out[i] = (struct score_count){score, 100, 100 * score * score};
    }
    struct calibrator c;
    assert_int_equal(calibrator_fit(reference, 10, held_out, 10, &c), 0);
    assert_int_equal(c.kind, CALIBRATOR_ISOTONIC);
    assert_near(calibrator_probability(&c, 0.55), 0.55 * 0.55, 1e-12);
    calibrator_clear(&c);
    for (int i = 0; i < 10; i++) {
        reference[i].n /= 10;
        reference[i].positives /= 10;
    }
    assert_int_equal(calibrator_fit(reference, 10, held_out, 10, &c), 0);
    assert_int_equal(c.kind, CALIBRATOR_PLATT);
    assert_near(calibrator_probability(&c, 0.5), 0.25, 0.03);
    calibrator_clear(&c);
    for (int i = 0; i < 10; i++)
        held_out[i].positives = 100 * held_out[i].score; /* the score was right as it is */
    assert_int_equal(calibrator_fit(reference, 10, held_out, 10, &c), 0);
    assert_int_equal(c.kind, CALIBRATOR_NONE);
    assert_near(calibrator_probability(&c, 0.42), 0.42, 0);
    assert_int_equal(calibrator_fit(NULL, 0, NULL, 0, &c), 0);
    assert_int_equal(c.kind, CALIBRATOR_NONE);
}

static void estimate_of_known_probabilities(void **state)
{
    (void)state;
    static const struct cbpe_bin bins[] = {{0, 10, 0.1}, {0, 0, 0.5}, {20, 0, 0.9}};
    double scratch[6];
    struct cbpe e = cbpe_estimate(bins, 3, scratch);
    assert_near(e.expected.tp, 18, 1e-14);
    assert_near(e.expected.fn, 1, 1e-14);
    assert_near(e.metrics.accuracy, 0.9, 1e-15);
    assert_near(e.accuracy_sd, sqrt(30 * 0.09) / 30, 1e-15);
    /* pairs: P(pos bin 2, neg bin 0) + ties/2 over all */
    assert_near(e.roc_auc, (18 * 9 + 0.5 * (1 * 9 + 18 * 2)) / (19.0 * 11), 1e-14);
    e = cbpe_estimate(bins + 1, 1, scratch);
    assert_nan(e.metrics.accuracy);
    assert_nan(e.accuracy_sd);
    assert_nan(e.roc_auc);
    assert_near(cbpe_interval(0.9, 0.01, 500, 2000).low, 0.9 - 0.015, 1e-15);
}

static void extrapolation(void **state)
{
    (void)state;
    static const double current[3] = {90, 4, 6}, labels[3] = {100, 20, 19};
    assert_true(cbpe_extrapolating(current, labels, 3));
    static const double fine[3] = {95, 4, 5};
    assert_false(cbpe_extrapolating(fine, labels, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isotonic_is_the_min_max_formula),
        cmocka_unit_test(order_and_ties_do_not_matter),
        cmocka_unit_test(calibrator_by_size_and_worth),
        cmocka_unit_test(estimate_of_known_probabilities),
        cmocka_unit_test(extrapolation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
