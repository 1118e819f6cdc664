/* drift.c: whole rows against statistics of the raw values, both resolutions, degenerate samples, bins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "detectors/distance.h"
#include "detectors/drift.h"
#include "detectors/grid_build.h"
#include "detectors/ordered.h"
#include "detectors/special.h"

enum { REFERENCE_ROWS = 5000, FEATURE_X = 0, FEATURE_CITY = 1, FEATURE_STEPS = 2 };

static const struct drift_options options = {.n_min = 200, .alpha = 0.001};

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, want %.17g within %g", got, want, tolerance);
}

static double random_unit(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    return ((double)(hash_mix(*seed) >> 11) + 0.5) * 0x1p-53;
}

static double random_normal(uint64_t *seed)
{
    return normal_ppf(random_unit(seed));
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct world {
    struct grid *grid;
    struct feature_layout *layout[GRID_RESOLUTION_COUNT];
    double x[REFERENCE_ROWS]; /* reference values of FEATURE_X, ascending */
    struct tally *reference[GRID_RESOLUTION_COUNT];
};

static void add_number(const struct feature_layout *layout, struct tally *tally, uint32_t feature,
                       double value)
{
    const struct feature_grid *f = &layout->grid->features[feature];
    unsigned slot = grid_lower_bound(f->edges, f->edge_count, value);
    double z = fmin(fmax((value - f->location) / f->scale, -Z_CLIP), Z_CLIP);
    int128 *sums = tally->sums + layout->sums_at[feature];
    tally->counters[layout->slot_at[feature] +
                    (layout->resolution == GRID_FINE ? slot : f->coarse_slot[slot])]++;
    sums[0] += llrint(z * Z_UNIT);
    sums[1] += llrint(z * z * Z2_UNIT);
    if (slot == 0)
        sums[2] += llrint(z * Z_UNIT);
    if (slot == f->edge_count)
        sums[3] += llrint(z * Z_UNIT);
}

static void add_slot(const struct feature_layout *layout, struct tally *tally, uint32_t feature,
                     unsigned slot, uint64_t count)
{
    tally->counters[layout->slot_at[feature] + slot] += count;
}

static unsigned special_slot(const struct feature_layout *layout, uint32_t feature, bool invalid)
{
    const struct feature_grid *f = &layout->grid->features[feature];
    return invalid ? feature_slot_invalid(f, layout->resolution)
                   : feature_slot_missing(f, layout->resolution);
}

/* x ~ N(10, 2), steps uniform on 0…4, city: north 3, south 2, east 1. */
static void fill_reference(struct world *w, const double *steps)
{
    for (int r = 0; r < GRID_RESOLUTION_COUNT; r++) {
        const struct feature_layout *layout = w->layout[r];
        struct tally *tally = w->reference[r] = tally_new(layout->size);
        assert_non_null(tally);
        for (size_t i = 0; i < REFERENCE_ROWS; i++) {
            add_number(layout, tally, FEATURE_X, w->x[i]);
            add_number(layout, tally, FEATURE_STEPS, steps[i]);
        }
        for (unsigned c = 0; c < 3; c++)
            add_slot(layout, tally, FEATURE_CITY, c, 900 * (3 - c));
        add_slot(layout, tally, FEATURE_CITY, 3, 60); /* other */
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    static double steps[REFERENCE_ROWS];
    const struct text cities[] = {text_of("north"), text_of("south"), text_of("east")};
    const uint64_t known[] = {hash_text(text_of("west"), 0)};
    uint64_t seed = 20;
    assert_non_null(w);
    for (size_t i = 0; i < REFERENCE_ROWS; i++) {
        w->x[i] = 10 + 2 * random_normal(&seed);
        steps[i] = floor(5 * random_unit(&seed));
    }
    qsort(w->x, REFERENCE_ROWS, sizeof *w->x, ascending);
    qsort(steps, REFERENCE_ROWS, sizeof *steps, ascending);
    w->grid = grid_new(3);
    assert_non_null(w->grid);
    struct feature_grid *f = w->grid->features;
    f[0].name = strdup("a_x");
    f[1].name = strdup("b_city");
    f[2].name = strdup("c_steps");
    assert_int_equal(feature_grid_from_sorted(&f[0], w->x, NULL, REFERENCE_ROWS), 0);
    assert_int_equal(feature_grid_set_categories(&f[1], cities, 3, known, 1), 0);
    assert_int_equal(feature_grid_from_sorted(&f[2], steps, NULL, REFERENCE_ROWS), 0);
    assert_int_equal(grid_finish(w->grid), 0);
    w->layout[GRID_FINE] = feature_layout_new(w->grid, GRID_FINE);
    w->layout[GRID_COARSE] = feature_layout_new(w->grid, GRID_COARSE);
    assert_true(w->layout[GRID_FINE] && w->layout[GRID_COARSE]);
    fill_reference(w, steps);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (int r = 0; r < GRID_RESOLUTION_COUNT; r++) {
        tally_free(w->reference[r]);
        feature_layout_free(w->layout[r]);
    }
    grid_free(w->grid);
    free(w);
    return 0;
}

static double slot_value(const struct report_row *row, const char *name)
{
    const struct metric *metric = metric_find(name);
    assert_non_null(metric);
    return row->slots[metric->slot];
}

static double p_value(const struct report_row *row, const char *name)
{
    return row->slots[metric_find(name)->p_slot];
}

static double floor_value(const struct report_row *row, const char *name)
{
    const struct metric *metric = metric_find(name);
    return row->slots[metric->floor_slot] * metric->floor_scale;
}

/* A window of `count` draws x ~ N(mean, sd), cities and steps as in the reference. */
static struct tally *window(struct world *w, enum grid_resolution resolution, size_t count, double mean,
                            double sd, double *out_values)
{
    const struct feature_layout *layout = w->layout[resolution];
    struct tally *tally = tally_new(layout->size);
    uint64_t seed = 77;
    assert_non_null(tally);
    for (size_t i = 0; i < count; i++) {
        out_values[i] = mean + sd * random_normal(&seed);
        add_number(layout, tally, FEATURE_X, out_values[i]);
        add_number(layout, tally, FEATURE_STEPS, floor(5 * random_unit(&seed)));
        add_slot(layout, tally, FEATURE_CITY,
                 random_unit(&seed) < 0.5   ? 0
                 : random_unit(&seed) < 0.6 ? 1
                                            : 2,
                 1);
    }
    qsort(out_values, count, sizeof *out_values, ascending);
    return tally;
}

struct truth {
    double ks, w1, energy, mean, sd;
};

static struct truth truth_of(const double *r, size_t M, const double *c, size_t n)
{
    struct truth t = {0};
    double before = 0, gap = 0, squares = 0;
    for (size_t i = 0, j = 0; i < M || j < n;) {
        double x = i < M && (j >= n || r[i] <= c[j]) ? r[i] : c[j];
        t.w1 += i + j ? fabs(gap) * (x - before) : 0;
        squares += i + j ? gap * gap * (x - before) : 0;
        for (; i < M && r[i] == x; i++)
            ;
        for (; j < n && c[j] == x; j++)
            ;
        gap = (double)i / (double)M - (double)j / (double)n;
        t.ks = fmax(t.ks, fabs(gap));
        before = x;
    }
    t.energy = sqrt(2 * squares);
    for (size_t j = 0; j < n; j++)
        t.mean += c[j] / (double)n;
    for (size_t j = 0; j < n; j++)
        t.sd += (c[j] - t.mean) * (c[j] - t.mean) / (double)n;
    t.sd = sqrt(t.sd);
    return t;
}

static void test_against_values(void **state)
{
    struct world *w = *state;
    static const struct {
        double mean, sd;
        size_t count;
    } cases[] = {{10, 2, 3000}, {10.6, 2, 3000}, {12, 1, 800}, {10, 4, 2000}, {30, 2, 500}, {10, 2, 60}};
    static double values[3000];
    for (size_t k = 0; k < 2 * ARRAY_LEN(cases); k++) {
        enum grid_resolution resolution = k % 2 ? GRID_COARSE : GRID_FINE;
        size_t count = cases[k / 2].count;
        struct tally *current = window(w, resolution, count, cases[k / 2].mean, cases[k / 2].sd, values);
        struct report_row rows[3];
        drift_report(w->layout[resolution], current, w->layout[GRID_FINE], w->reference[GRID_FINE], &options,
                     rows);
        struct truth t = truth_of(w->x, REFERENCE_ROWS, values, count);
        const struct report_row *row = &rows[FEATURE_X];
        double loose = resolution == GRID_FINE ? 1 : 12;
        assert_true(row->family == FAMILY_FEATURES && row->subject == FEATURE_X && row->n == count &&
                    row->reference_n == REFERENCE_ROWS);
        assert_int_equal(row->flags, count < 200 ? REPORT_INSUFFICIENT : 0);
        near(slot_value(row, "ks"), t.ks, 0.0045 * loose);
        assert_true(slot_value(row, "ks") <= t.ks + 1e-12 && t.ks <= slot_value(row, "ks_upper") + 1e-12);
        near(slot_value(row, "w1"), t.w1, (0.003 + 0.04 * t.w1) * loose);
        near(slot_value(row, "w1_normalized") / slot_value(row, "w1"), 1 / 1.93, 0.01);
        near(slot_value(row, "energy"), t.energy, 0.25 * t.energy + 0.002);
        near(slot_value(row, "mean"), t.mean, 1e-9);
        near(slot_value(row, "sd"), t.sd, 1e-8);
        near(p_value(row, "ks"), ks_p(slot_value(row, "ks"), count, REFERENCE_ROWS, false), 1e-12);
        for (int s = 0; s < REPORT_SLOTS; s++)
            assert_true(!isinf(row->slots[s]));
        tally_free(current);
    }
}

/* PSI bins are unions of coarse bins, so frequencies agree in all resolutions. */
static void test_resolutions_agree(void **state)
{
    struct world *w = *state;
    static const char *const same[] = {"psi",  "kl",           "js",          "hellinger", "total_variation",
                                       "linf", "chi2",         "g",           "cramers_v", "mean",
                                       "sd",   "missing_rate", "invalid_rate"};
    static double values[1000];
    struct tally *fine = window(w, GRID_FINE, 1000, 10.5, 2, values);
    struct tally *coarse = window(w, GRID_COARSE, 1000, 10.5, 2, values);
    struct report_row a[3], b[3], c[3];
    drift_report(w->layout[GRID_FINE], fine, w->layout[GRID_FINE], w->reference[GRID_FINE], &options, a);
    drift_report(w->layout[GRID_COARSE], coarse, w->layout[GRID_COARSE], w->reference[GRID_COARSE], &options,
                 b);
    drift_report(w->layout[GRID_FINE], fine, w->layout[GRID_COARSE], w->reference[GRID_COARSE], &options, c);
    for (uint32_t f = 0; f < 3; f++)
        for (size_t i = 0; i < ARRAY_LEN(same); i++) {
            const struct metric *metric = metric_find(same[i]);
            if (f == FEATURE_CITY && !(metric->kinds & METRIC_CATEGORICAL))
                continue;
            near(b[f].slots[metric->slot], a[f].slots[metric->slot], 1e-12);
            near(c[f].slots[metric->slot], a[f].slots[metric->slot], 1e-12);
        }
    static const char *const ordered[] = {"ks", "ks_upper", "cvm", "anderson_darling"};
    for (size_t i = 0; i < ARRAY_LEN(ordered); i++)
        near(slot_value(&c[FEATURE_X], ordered[i]), slot_value(&b[FEATURE_X], ordered[i]), 1e-12);
    /* A feature whose values all have coarse bins of their own loses nothing. */
    drift_report(w->layout[GRID_COARSE], coarse, w->layout[GRID_FINE], w->reference[GRID_FINE], &options, b);
    near(slot_value(&b[FEATURE_STEPS], "w1"), slot_value(&a[FEATURE_STEPS], "w1"), 1e-12);
    near(slot_value(&b[FEATURE_STEPS], "energy"), slot_value(&a[FEATURE_STEPS], "energy"), 1e-12);
    near(slot_value(&c[FEATURE_STEPS], "w1"), slot_value(&a[FEATURE_STEPS], "w1"), 1e-12);
    near(slot_value(&b[FEATURE_X], "w1"), slot_value(&a[FEATURE_X], "w1"),
         0.05 * slot_value(&a[FEATURE_X], "w1"));
    tally_free(fine);
    tally_free(coarse);
}

/* The frequencies of a row are the functions of distance.h on the bins that drift_bins shows. */
static void test_bins_and_rows(void **state)
{
    struct world *w = *state;
    static double values[1000];
    struct tally *current = window(w, GRID_FINE, 1000, 10.8, 2.5, values);
    const struct feature_layout *layout = w->layout[GRID_FINE];
    struct report_row rows[3];
    struct drift_bin bins[80];
    add_slot(layout, current, FEATURE_CITY, 4, 30); /* unseen */
    for (uint32_t f = 0; f < 3; f++) {
        add_slot(layout, current, f, special_slot(layout, f, false), 100);
        add_slot(layout, current, f, special_slot(layout, f, true), 7);
    }
    drift_report(layout, current, layout, w->reference[GRID_FINE], &options, rows);
    for (uint32_t f = 0; f < 3; f++) {
        uint32_t count = drift_bins(layout, current, layout, w->reference[GRID_FINE], f, bins, 80);
        uint64_t r[80], c[80];
        double share = 0, reference_share = 0, psi = 0;
        assert_int_equal(count, f == FEATURE_X ? 12 : 7);
        for (uint32_t b = 0; b < count; b++) {
            r[b] = bins[b].reference_count;
            c[b] = bins[b].count;
            share += bins[b].share;
            reference_share += bins[b].reference_share;
            psi += b < count - 2 ? bins[b].psi_term : 0;
            assert_true(isnan(bins[b].psi_term) == (b >= count - 2));
        }
        near(share, 1, 1e-12);
        near(reference_share, 1, 1e-12);
        struct count_pair pair = count_pair_of(r, c, count - 2);
        struct frequency_distances d = frequency_distances(&pair, JEFFREYS);
        near(slot_value(&rows[f], "psi"), psi, 1e-12);
        near(slot_value(&rows[f], "psi"), d.psi, 1e-12);
        near(slot_value(&rows[f], "js"), d.js_distance, 1e-12);
        double v = count_pair_variance(&pair), x = v * chi2_isf(0.001, pair.nonempty - 1);
        near(floor_value(&rows[f], "psi"), x, 1e-12);
        near(floor_value(&rows[f], "kl"), x / 2, 1e-12);
        near(floor_value(&rows[f], "js"), sqrt(x / 8 / M_LN2), 1e-12);
        near(floor_value(&rows[f], "hellinger"), sqrt(x / 8), 1e-12);
        assert_string_equal(bins[count - 2].label, "missing");
        assert_string_equal(bins[count - 1].label, "invalid");
        assert_true(bins[count - 2].count == 100 && bins[count - 1].count == 7);
        double all = (double)(rows[f].n + 107);
        near(slot_value(&rows[f], "missing_rate"), 100 / all, 1e-15);
        near(slot_value(&rows[f], "missing_delta"), 100 / all, 1e-15);
        assert_true(p_value(&rows[f], "missing_delta") < 1e-30 && p_value(&rows[f], "invalid_rate") < 1e-4);
    }
    near(slot_value(&rows[FEATURE_CITY], "unseen_rate"), 30 / 1030.0, 1e-15);
    assert_true(p_value(&rows[FEATURE_CITY], "unseen_rate") < 1e-10);
    near(slot_value(&rows[FEATURE_CITY], "other_rate"), 0, 0);
    assert_true(rows[FEATURE_CITY].flags == REPORT_CATEGORICAL);
    tally_free(current);
}

static void test_labels(void **state)
{
    struct world *w = *state;
    struct drift_bin bins[12];
    const struct feature_layout *fine = w->layout[GRID_FINE], *coarse = w->layout[GRID_COARSE];
    const struct tally *rf = w->reference[GRID_FINE], *rc = w->reference[GRID_COARSE];
    for (int r = 0; r < 2; r++) {
        assert_int_equal(drift_bins(r ? coarse : fine, r ? rc : rf, fine, rf, FEATURE_X, bins, 12), 12);
        assert_true(isinf(bins[0].lower) && isinf(bins[9].upper));
        for (int b = 0; b < 10; b++) {
            near(bins[b].reference_share, 0.1, 0.01);
            if (b < 9)
                near(bins[b].upper, 10 + 2 * normal_ppf((b + 1) / 10.0), 0.15);
            if (b > 0)
                assert_true(bins[b].lower == bins[b - 1].upper);
        }
        assert_true(strncmp(bins[0].label, "(-inf, ", 7) == 0 && strchr(bins[0].label, ']'));
        assert_true(strstr(bins[9].label, ", inf)") != NULL);
    }
    assert_int_equal(drift_bins(fine, rf, fine, rf, FEATURE_CITY, bins, 12), 7);
    assert_string_equal(bins[0].label, "north");
    assert_string_equal(bins[3].label, "other");
    assert_string_equal(bins[4].label, "unseen");
    assert_true(isnan(bins[0].lower) && isnan(bins[0].upper));
    assert_int_equal(drift_bins(fine, rf, fine, rf, FEATURE_STEPS, bins, 12), 7);
    assert_int_equal(drift_bins(fine, rf, fine, rf, FEATURE_STEPS, bins, 4), 4);
    assert_int_equal(drift_bins(fine, rf, fine, rf, 3, bins, 12), 0);
}

/* Out of range: everything beyond the edges has the exact tail term, ±inf is clipped and finite. */
static void test_out_of_range(void **state)
{
    struct world *w = *state;
    const struct feature_layout *layout = w->layout[GRID_FINE];
    struct tally *current = tally_new(layout->size);
    struct report_row rows[3];
    double expected = 0;
    for (size_t i = 0; i < REFERENCE_ROWS; i++) {
        add_number(layout, current, FEATURE_X, w->x[i] + (i % 10u == 0 ? 100 : 0));
        expected += i % 10u == 0 ? 100 : 0;
    }
    drift_report(layout, current, layout, w->reference[GRID_FINE], &options, rows);
    near(slot_value(&rows[0], "w1"), expected / REFERENCE_ROWS, 0.02);
    near(slot_value(&rows[0], "out_of_range_rate"), 0.1, 1e-15);
    near(slot_value(&rows[0], "out_of_range_delta"), 0.1, 1e-15);
    assert_true(p_value(&rows[0], "out_of_range_rate") < 1e-100);
    for (int i = 0; i < 100; i++) {
        add_number(layout, current, FEATURE_X, INFINITY);
        add_number(layout, current, FEATURE_X, -INFINITY);
    }
    drift_report(layout, current, layout, w->reference[GRID_FINE], &options, rows);
    for (int s = 0; s < REPORT_SLOTS; s++)
        assert_true(!isinf(rows[0].slots[s]));
    assert_true(isfinite(slot_value(&rows[0], "mean")) && isfinite(slot_value(&rows[0], "w1")));
    tally_free(current);
}

static void test_empty_and_equal(void **state)
{
    struct world *w = *state;
    static const char *const zeros[] = {"psi",
                                        "kl",
                                        "js",
                                        "hellinger",
                                        "total_variation",
                                        "linf",
                                        "ks",
                                        "w1",
                                        "w1_normalized",
                                        "energy",
                                        "cvm",
                                        "anderson_darling",
                                        "chi2",
                                        "g",
                                        "missing_delta",
                                        "out_of_range_rate"};
    const struct feature_layout *layout = w->layout[GRID_FINE];
    struct tally *nothing = tally_new(layout->size);
    struct report_row rows[3];
    drift_report(layout, nothing, layout, w->reference[GRID_FINE], &options, rows);
    for (uint32_t f = 0; f < 3; f++) {
        assert_true(rows[f].flags & REPORT_INSUFFICIENT);
        for (int s = 0; s < REPORT_SLOTS; s++)
            assert_true(isnan(rows[f].slots[s]));
    }
    drift_report(layout, w->reference[GRID_FINE], layout, nothing, &options, rows);
    assert_true(isnan(slot_value(&rows[0], "psi")) && isfinite(slot_value(&rows[0], "mean")));
    assert_true(isnan(slot_value(&rows[0], "missing_delta")) && slot_value(&rows[0], "missing_rate") == 0);
    drift_report(layout, w->reference[GRID_FINE], layout, w->reference[GRID_FINE], &options, rows);
    for (size_t i = 0; i < ARRAY_LEN(zeros); i++) {
        near(slot_value(&rows[0], zeros[i]), 0, 1e-12);
        near(slot_value(&rows[2], zeros[i]), 0, 1e-12);
    }
    near(p_value(&rows[0], "psi"), 1, 1e-12);
    near(p_value(&rows[0], "ks"), 1, 1e-12);
    near(p_value(&rows[0], "out_of_range_rate"), 1, 1e-12);
    tally_free(nothing);
}

/* A constant feature: no distance to itself whatever the sizes; another constant is far, with undefined
 * scale. */
static void test_constant_feature(void **state)
{
    double sevens[40];
    struct report_row row;
    struct drift_bin bins[4];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sevens); i++)
        sevens[i] = 7;
    struct grid *grid = grid_new(1);
    assert_non_null(grid);
    grid->features[0].name = strdup("c");
    assert_int_equal(feature_grid_from_sorted(&grid->features[0], sevens, NULL, 40), 0);
    assert_int_equal(grid_finish(grid), 0);
    struct feature_layout *layout = feature_layout_new(grid, GRID_FINE);
    struct tally *reference = tally_new(layout->size), *current = tally_new(layout->size);
    for (int i = 0; i < 40; i++)
        add_number(layout, reference, 0, 7);
    for (int i = 0; i < 3000; i++)
        add_number(layout, current, 0, 7);
    drift_report(layout, current, layout, reference, &options, &row);
    assert_true(slot_value(&row, "psi") == 0 && slot_value(&row, "js") == 0 && slot_value(&row, "w1") == 0 &&
                slot_value(&row, "w1_normalized") == 0 && slot_value(&row, "ks") == 0 &&
                slot_value(&row, "chi2") == 0 && slot_value(&row, "sd") == 0);
    assert_true(p_value(&row, "psi") == 1 && p_value(&row, "chi2") == 1 && slot_value(&row, "mean") == 7);
    assert_int_equal(drift_bins(layout, current, layout, reference, 0, bins, 4), 3);
    assert_string_equal(bins[0].label, "any value");
    assert_true(bins[0].psi_term == 0);
    tally_reset(current);
    for (int i = 0; i < 3000; i++)
        add_number(layout, current, 0, 9);
    drift_report(layout, current, layout, reference, &options, &row);
    near(slot_value(&row, "w1"), 2, 1e-9);
    near(slot_value(&row, "ks"), 1, 1e-12);
    assert_true(isnan(slot_value(&row, "w1_normalized")) && slot_value(&row, "out_of_range_rate") == 1);
    assert_true(slot_value(&row, "sd") == 0 && slot_value(&row, "mean") == 9);
    tally_free(reference);
    tally_free(current);
    feature_layout_free(layout);
    grid_free(grid);
}

static void test_other_grid(void **state)
{
    struct world *w = *state;
    double values[3] = {1, 2, 3};
    struct report_row row;
    struct drift_bin bin;
    struct grid *grid = grid_new(1);
    grid->features[0].name = strdup("c");
    assert_int_equal(feature_grid_from_sorted(&grid->features[0], values, NULL, 3), 0);
    assert_int_equal(grid_finish(grid), 0);
    struct feature_layout *layout = feature_layout_new(grid, GRID_FINE);
    struct tally *tally = tally_new(layout->size);
    drift_report(layout, tally, w->layout[GRID_FINE], w->reference[GRID_FINE], &options, &row);
    assert_int_equal(row.flags, REPORT_GRID_MISMATCH);
    assert_true(isnan(slot_value(&row, "psi")));
    assert_int_equal(drift_bins(layout, tally, w->layout[GRID_FINE], w->reference[GRID_FINE], 0, &bin, 1), 0);
    tally_free(tally);
    feature_layout_free(layout);
    grid_free(grid);
}

/* Without drift the floors hold: of 200 windows of 400 events at level 0.001 none or one exceeds each. */
static void test_floors(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"psi",  "kl", "js",           "hellinger", "total_variation",
                                        "linf", "ks", "w1_normalized"};
    const struct feature_layout *layout = w->layout[GRID_FINE];
    struct tally *current = tally_new(layout->size);
    uint64_t seed = 5;
    int exceeded[ARRAY_LEN(names)] = {0};
    for (int round = 0; round < 200; round++) {
        struct report_row rows[3];
        tally_reset(current);
        for (int i = 0; i < 400; i++)
            add_number(layout, current, FEATURE_X, 10 + 2 * random_normal(&seed));
        drift_report(layout, current, layout, w->reference[GRID_FINE], &options, rows);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            exceeded[i] += slot_value(&rows[0], names[i]) > floor_value(&rows[0], names[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_in_range(exceeded[i], 0, 2);
    tally_free(current);
}

/* Fewer than 50 events: the χ² p comes from permutations and repeats itself. */
static void test_small_window(void **state)
{
    struct world *w = *state;
    const struct feature_layout *layout = w->layout[GRID_FINE];
    struct tally *current = tally_new(layout->size);
    struct report_row a[3], b[3];
    add_slot(layout, current, FEATURE_CITY, 2, 20);
    add_slot(layout, current, FEATURE_CITY, 0, 15);
    drift_report(layout, current, layout, w->reference[GRID_FINE], &options, a);
    drift_report(layout, current, layout, w->reference[GRID_FINE], &options, b);
    near(p_value(&a[1], "chi2"), 1 / 1001.0, 2e-3);
    assert_memory_equal(a, b, sizeof a);
    tally_reset(current);
    add_slot(layout, current, FEATURE_CITY, 0, 3); /* too few for two columns */
    drift_report(layout, current, layout, w->reference[GRID_FINE], &options, a);
    assert_true(isnan(slot_value(&a[1], "chi2")) && isnan(p_value(&a[1], "chi2")) &&
                isfinite(slot_value(&a[1], "psi")));
    tally_free(current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_values),   cmocka_unit_test(test_resolutions_agree),
        cmocka_unit_test(test_bins_and_rows),    cmocka_unit_test(test_labels),
        cmocka_unit_test(test_out_of_range),     cmocka_unit_test(test_empty_and_equal),
        cmocka_unit_test(test_constant_feature), cmocka_unit_test(test_other_grid),
        cmocka_unit_test(test_floors),           cmocka_unit_test(test_small_window),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
