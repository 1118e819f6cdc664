/* calibration.c: Murphy's identity, debiasing, equal mass, degenerate bins. */
#include "tests/unit/near.h"

#include "detectors/calibration.h"

enum { BINS = 10, EVENTS = 2000 };

/* Scores whose probability is p^power: calibrated with 1. */
static double draw(struct calibration_bin *bins, uint32_t count, double power, uint64_t seed)
{
    double brier = 0;
    memset(bins, 0, count * sizeof *bins);
    for (int i = 0; i < EVENTS; i++) {
        double p = random_unit(&seed);
        double y = random_unit(&seed) < pow(p, power);
        calibration_bin_add(&bins[calibration_bin_index(p, count)], p, y);
        brier += (p - y) * (p - y) / EVENTS;
    }
    return brier;
}

static void murphy_identity(void **state)
{
    (void)state;
    struct calibration_bin bins[37];
    for (uint32_t count = 1; count <= 37; count += 6) {
        double brier = draw(bins, count, 2, count);
        struct calibration c = calibration_of(bins, count);
        assert_near(c.brier, brier, 1e-12);
        assert_near(c.reliability - c.resolution + c.uncertainty + c.within_variance - c.within_covariance,
                    brier, 1e-12);
        assert_near(c.rms * c.rms, c.reliability, 1e-12);
    }
}

/* Over many calibrated samples ECE is as large as its bias says, and the debiased square is 0 on average. */
static void debiased_is_zero_on_average(void **state)
{
    (void)state;
    enum { RUNS = 300 };
    struct calibration_bin bins[BINS];
    double ece = 0, bias = 0, square = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        draw(bins, BINS, 1, 1000 + run);
        struct calibration c = calibration_of(bins, BINS);
        ece += c.ece / RUNS;
        bias += c.ece_bias / RUNS;
        square += c.debiased_square / RUNS;
    }
    assert_near(ece / bias, 1, 0.05);
    assert_near(square, 0, 5e-5);
    draw(bins, BINS, 2, 5);
    struct calibration skewed = calibration_of(bins, BINS);
    assert_true(skewed.debiased_error > 0.1 && skewed.hosmer_lemeshow_p < 1e-6 && skewed.p < 1e-6);
}

static void nothing_and_certainty(void **state)
{
    (void)state;
    struct calibration_bin bins[2] = {{0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}};
    struct calibration c = calibration_of(bins, 2);
    assert_nan(c.ece);
    assert_nan(c.brier);
    assert_nan(c.hosmer_lemeshow_p);
    calibration_bin_add(&bins[0], 0, 0);
    c = calibration_of(bins, 2);
    assert_near(c.ece, 0, 0);
    assert_nan(c.z);
    assert_nan(c.observed_over_expected);
    assert_nan(c.resolution_corrected);
    assert_near(c.hosmer_lemeshow_p, 1, 1e-15);
    calibration_bin_add(&bins[0], 0, 1); /* said to be impossible */
    c = calibration_of(bins, 2);
    assert_near(c.hosmer_lemeshow_p, 0, 0);
    struct spiegelhalter sums = {0, 0};
    spiegelhalter_add(&sums, 0.5, 1);
    assert_nan(spiegelhalter_test(&sums).p);
}

static void line_of_a_distorted_logit(void **state)
{
    (void)state;
    /* exact expectations: y has probability sigmoid(0.4 + 0.7·logit p) */
    struct calibration_bin bins[99];
    struct logistic_point scratch[99];
    for (int i = 0; i < 99; i++) {
        double p = (i + 1) / 100.0;
        double y = 1 / (1 + exp(-(0.4 + 0.7 * log(p / (1 - p)))));
        bins[i] = (struct calibration_bin){50, 50 * p, 50 * y, 50 * p * p, 50 * p * y};
    }
    struct calibration_line line = calibration_line(bins, 99, scratch);
    assert_near(line.intercept, 0.4, 1e-9);
    assert_near(line.slope, 0.7, 1e-9);
    for (int i = 0; i < 99; i++)
        bins[i].sum_y = i < 50 ? 0 : 50; /* separated */
    line = calibration_line(bins, 99, scratch);
    assert_nan(line.slope);
    assert_true(isfinite(line.intercept_at_slope_1));
}

static void equal_mass_groups(void **state)
{
    (void)state;
    struct calibration_bin fine[1000], groups[BINS];
    draw(fine, 1000, 1, 3);
    assert_int_equal(calibration_equal_mass(fine, 1000, BINS, groups), BINS);
    double n = 0;
    for (int g = 0; g < BINS; g++) {
        assert_true(groups[g].n >= 195 && groups[g].n <= 205);
        n += groups[g].n;
    }
    assert_near(n, EVENTS, 0);
    memset(fine, 0, sizeof fine);
    fine[7].n = 5;
    assert_int_equal(calibration_equal_mass(fine, 1000, BINS, groups), 1);
    fine[7].n = 0;
    assert_int_equal(calibration_equal_mass(fine, 1000, BINS, groups), 0);
}

static void consistency_bars(void **state)
{
    (void)state;
    struct interval bar = consistency_interval(50, 0.3, 0.95);
    assert_near(bar.low, 9.0 / 50, 1e-15);
    assert_near(bar.high, 22.0 / 50, 1e-15);
    assert_near(consistency_interval(10, 0, 0.95).high, 0, 0);
    assert_near(consistency_interval(10, 1, 0.95).low, 1, 0);
    assert_nan(consistency_interval(0, 0.3, 0.95).low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murphy_identity),       cmocka_unit_test(debiased_is_zero_on_average),
        cmocka_unit_test(nothing_and_certainty), cmocka_unit_test(line_of_a_distorted_logit),
        cmocka_unit_test(equal_mass_groups),     cmocka_unit_test(consistency_bars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
