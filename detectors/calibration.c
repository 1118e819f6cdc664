#include "detectors/calibration.h"

#include <math.h>
#include <string.h>

#include "detectors/special.h"

void calibration_bin_add(struct calibration_bin *bin, double p, double y)
{
    bin->n += 1;
    bin->sum_p += p;
    bin->sum_y += y;
    bin->sum_p2 += p * p;
    bin->sum_py += p * y;
}

static struct calibration undefined_calibration(void)
{
    struct calibration c = {.n = 0};
    double *const fields[] = {&c.mean_p,
                              &c.mean_y,
                              &c.ece,
                              &c.mce,
                              &c.ace,
                              &c.ece_bias,
                              &c.rms,
                              &c.debiased_square,
                              &c.debiased_error,
                              &c.brier,
                              &c.reliability,
                              &c.resolution,
                              &c.uncertainty,
                              &c.reliability_corrected,
                              &c.resolution_corrected,
                              &c.uncertainty_corrected,
                              &c.within_variance,
                              &c.within_covariance,
                              &c.difference,
                              &c.observed_over_expected,
                              &c.z,
                              &c.p,
                              &c.hosmer_lemeshow,
                              &c.hosmer_lemeshow_df,
                              &c.hosmer_lemeshow_p};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *fields[i] = NAN;
    return c;
}

static struct calibration_bin total_of(const struct calibration_bin *bins, size_t count)
{
    struct calibration_bin t = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        t.n += bins[i].n;
        t.sum_p += bins[i].sum_p;
        t.sum_y += bins[i].sum_y;
        t.sum_p2 += bins[i].sum_p2;
        t.sum_py += bins[i].sum_py;
    }
    return t;
}

/* Everything that is a sum over bins; `noise` is Ferro & Fricker's K. */
static void add_bins(struct calibration *c, const struct calibration_bin *bins, size_t count, double *noise)
{
    double used = 0;
    double square = 0;
    *noise = 0;
    c->ece = c->mce = c->ace = c->ece_bias = c->debiased_square = c->resolution = 0;
    c->within_variance = c->within_covariance = 0;
    for (size_t i = 0; i < count; i++) {
        const struct calibration_bin *b = &bins[i];
        if (!(b->n > 0))
            continue;
        double w = b->n / c->n;
        double p = b->sum_p / b->n;
        double y = b->sum_y / b->n;
        double spread = y * (1 - y);
        used++;
        c->ece += w * fabs(p - y);
        c->mce = fmax(c->mce, fabs(p - y));
        c->ace += fabs(p - y);
        c->ece_bias += w * sqrt(2 * spread / (M_PI * b->n));
        square += w * (p - y) * (p - y);
        c->resolution += w * (y - c->mean_y) * (y - c->mean_y);
        if (b->n >= 2) {
            c->debiased_square += w * ((p - y) * (p - y) - spread / (b->n - 1));
            *noise += w * spread / (b->n - 1);
        }
        c->within_variance += (b->sum_p2 - b->sum_p * p) / c->n;
        c->within_covariance += 2 * (b->sum_py - b->sum_y * p) / c->n;
    }
    c->ace /= used;
    c->reliability = square;
    c->rms = sqrt(square);
    c->debiased_error = sqrt(fmax(0, c->debiased_square));
}

static void test_goodness_of_fit(struct calibration *c, const struct calibration_bin *bins, size_t count)
{
    c->hosmer_lemeshow = 0;
    c->hosmer_lemeshow_df = 0;
    for (size_t i = 0; i < count; i++) {
        const struct calibration_bin *b = &bins[i];
        double variance = b->n > 0 ? b->sum_p * (1 - b->sum_p / b->n) : 0;
        if (!(b->n > 0))
            continue;
        c->hosmer_lemeshow_df++;
        if (variance > 0)
            c->hosmer_lemeshow += (b->sum_y - b->sum_p) * (b->sum_y - b->sum_p) / variance;
        else if (b->sum_y != b->sum_p) /* a certain prediction was wrong */
            c->hosmer_lemeshow = INFINITY;
    }
    if (isinf(c->hosmer_lemeshow)) {
        c->hosmer_lemeshow = NAN;
        c->hosmer_lemeshow_p = 0;
    } else {
        c->hosmer_lemeshow_p = chi2_sf(c->hosmer_lemeshow, c->hosmer_lemeshow_df);
    }
}

struct calibration calibration_of(const struct calibration_bin *bins, size_t count)
{
    struct calibration c = undefined_calibration();
    struct calibration_bin t = total_of(bins, count);
    if (!(t.n > 0))
        return c;
    double noise;
    c.n = t.n;
    c.mean_p = t.sum_p / t.n;
    c.mean_y = t.sum_y / t.n;
    add_bins(&c, bins, count, &noise);
    c.brier = (t.sum_p2 - 2 * t.sum_py + t.sum_y) / t.n;
    c.uncertainty = c.mean_y * (1 - c.mean_y);
    c.reliability_corrected = c.reliability - noise;
    if (t.n > 1) {
        c.resolution_corrected = c.resolution - noise + c.uncertainty / (t.n - 1);
        c.uncertainty_corrected = c.uncertainty * t.n / (t.n - 1);
    }
    c.difference = c.mean_y - c.mean_p;
    if (t.sum_p > 0)
        c.observed_over_expected = t.sum_y / t.sum_p;
    double variance = t.sum_p - t.sum_p2; /* Σp(1−p) */
    if (variance > 0) {
        c.z = (t.sum_y - t.sum_p) / sqrt(variance);
        c.p = fmin(1, 2 * normal_sf(fabs(c.z)));
    }
    test_goodness_of_fit(&c, bins, count);
    return c;
}

void spiegelhalter_add(struct spiegelhalter *sums, double p, double y)
{
    double lever = 1 - 2 * p;
    sums->numerator += (y - p) * lever;
    sums->variance += lever * lever * p * (1 - p);
}

struct test_result spiegelhalter_test(const struct spiegelhalter *sums)
{
    if (!(sums->variance > 0))
        return (struct test_result){NAN, NAN};
    double z = sums->numerator / sqrt(sums->variance);
    return (struct test_result){z, fmin(1, 2 * normal_sf(fabs(z)))};
}

struct calibration_line calibration_line(const struct calibration_bin *bins, size_t count,
                                         struct logistic_point *points)
{
    struct calibration_line line = {NAN, NAN, NAN};
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(bins[i].n > 0))
            continue;
        double p = fmin(fmax(bins[i].sum_p / bins[i].n, 1e-6), 1 - 1e-6);
        points[used++] = (struct logistic_point){logit(p), bins[i].n, bins[i].sum_y};
    }
    struct logistic fit = logistic_fit(points, used, 0);
    if (fabs(fit.slope) <= 50) {
        line.intercept = fit.intercept;
        line.slope = fit.slope;
    }
    line.intercept_at_slope_1 = logistic_fit_offset(points, used);
    return line;
}

struct interval consistency_interval(double n, double mean_p, double level)
{
    if (!(n >= 1) || !(mean_p >= 0 && mean_p <= 1))
        return (struct interval){NAN, NAN};
    double tail = (1 - level) / 2;
    uint64_t events = (uint64_t)n;
    return (struct interval){(double)binomial_ppf(tail, events, mean_p) / n,
                             (double)binomial_ppf(1 - tail, events, mean_p) / n};
}

uint32_t calibration_bin_index(double p, uint32_t count)
{
    if (!(p >= 0 && p <= 1) || count == 0)
        return UINT32_MAX;
    uint32_t bin = (uint32_t)(p * count);
    return bin < count ? bin : count - 1;
}

size_t calibration_equal_mass(const struct calibration_bin *fine, size_t count, size_t groups,
                              struct calibration_bin *out)
{
    double left = total_of(fine, count).n;
    size_t group = 0;
    memset(out, 0, groups * sizeof *out);
    double target = groups > 0 ? left / (double)groups : 0;
    for (size_t i = 0; i < count && group < groups; i++) {
        if (!(fine[i].n > 0))
            continue;
        out[group].n += fine[i].n;
        out[group].sum_p += fine[i].sum_p;
        out[group].sum_y += fine[i].sum_y;
        out[group].sum_p2 += fine[i].sum_p2;
        out[group].sum_py += fine[i].sum_py;
        if (out[group].n >= target && group + 1 < groups) {
            left -= out[group].n;
            group++;
            target = left / (double)(groups - group);
        }
    }
    return group < groups && out[group].n > 0 ? group + 1 : group;
}
