/* Suite calibration. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/calibration.h"
#include "detectors/special.h"
#include "tests/vectors/vectors.h"

enum { BINS = 10 };

struct events {
    double *p, *y;
    size_t count;
};

static struct events read_events(struct vector_case *vc)
{
    size_t labels;
    struct events e;
    e.p = case_numbers(vc, vc->input, "p", &e.count);
    e.y = case_numbers(vc, vc->input, "y", &labels);
    if (labels != e.count) {
        case_fail(vc, "p and y differ in length");
        e.count = 0;
    }
    return e;
}

static void equal_width(struct vector_case *vc, const struct events *e, struct calibration_bin *bins,
                        uint32_t count)
{
    memset(bins, 0, count * sizeof *bins);
    for (size_t i = 0; i < e->count; i++) {
        uint32_t b = calibration_bin_index(e->p[i], count);
        if (b == UINT32_MAX)
            case_fail(vc, "%g is no probability", e->p[i]);
        else
            calibration_bin_add(&bins[b], e->p[i], e->y[i]);
    }
}

struct ranked {
    double p, y;
    size_t index;
};

static int by_p(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->p != b->p)
        return a->p < b->p ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static void equal_mass(struct vector_case *vc, const struct events *e, struct calibration_bin *bins)
{
    struct ranked *ranked = case_alloc(vc, e->count, sizeof *ranked);
    for (size_t i = 0; i < e->count; i++)
        ranked[i] = (struct ranked){e->p[i], e->y[i], i};
    qsort(ranked, e->count, sizeof *ranked, by_p);
    memset(bins, 0, BINS * sizeof *bins);
    for (size_t i = 0; i < e->count; i++)
        calibration_bin_add(&bins[i * BINS / e->count], ranked[i].p, ranked[i].y);
}

static cJSON *object_of(const struct calibration *c)
{
    cJSON *o = cJSON_CreateObject();
    put_number(o, "ece", c->ece);
    put_number(o, "mce", c->mce);
    put_number(o, "reliability", c->reliability);
    put_number(o, "resolution", c->resolution);
    put_number(o, "uncertainty", c->uncertainty);
    put_number(o, "ece2_rms", c->rms);
    put_number(o, "ece2_debiased_sq", c->debiased_square);
    put_number(o, "reliability_ferro", c->reliability_corrected);
    put_number(o, "resolution_ferro", c->resolution_corrected);
    put_number(o, "uncertainty_ferro", c->uncertainty_corrected);
    return o;
}

static void put_bins(cJSON *object, const struct calibration_bin *bins)
{
    cJSON *n = cJSON_AddArrayToObject(object, "bins_n");
    cJSON *p = cJSON_AddArrayToObject(object, "bins_p");
    cJSON *y = cJSON_AddArrayToObject(object, "bins_y");
    for (unsigned b = 0; b < BINS; b++) {
        if (!(bins[b].n > 0))
            continue;
        cJSON_AddItemToArray(n, number_item(bins[b].n));
        cJSON_AddItemToArray(p, number_item(bins[b].sum_p / bins[b].n));
        cJSON_AddItemToArray(y, number_item(bins[b].sum_y / bins[b].n));
    }
}

static void put_line(struct vector_case *vc, const struct events *e)
{
    struct calibration_bin *single = case_alloc(vc, e->count, sizeof *single);
    struct logistic_point *scratch = case_alloc(vc, e->count, sizeof *scratch);
    for (size_t i = 0; i < e->count; i++)
        calibration_bin_add(&single[i], e->p[i], e->y[i]);
    struct calibration_line line = calibration_line(single, e->count, scratch);
    case_put(vc, "logit_intercept", line.intercept);
    case_put(vc, "logit_slope", line.slope);
    case_put(vc, "intercept_given_slope1", line.intercept_at_slope_1);
}

static void run_calibration(struct vector_case *vc)
{
    struct events e = read_events(vc);
    struct calibration_bin width[BINS], mass[BINS];
    struct spiegelhalter sums = {0, 0};
    equal_width(vc, &e, width, BINS);
    equal_mass(vc, &e, mass);
    for (size_t i = 0; i < e.count; i++)
        spiegelhalter_add(&sums, e.p[i], e.y[i]);
    struct calibration ew = calibration_of(width, BINS), em = calibration_of(mass, BINS);
    struct test_result z = spiegelhalter_test(&sums);
    cJSON *o = object_of(&ew);
    put_bins(o, width);
    case_put_item(vc, "ew10", o);
    o = object_of(&em);
    put_bins(o, mass);
    case_put_item(vc, "em10", o);
    case_put(vc, "ace_em10_unweighted", em.ace);
    case_put(vc, "brier", ew.brier);
    case_put(vc, "brier_sklearn", ew.brier);
    case_put(vc, "within_bin_variance", ew.within_variance);
    case_put(vc, "within_bin_covariance", ew.within_covariance);
    case_put(vc, "spiegelhalter_z", z.statistic);
    case_put(vc, "spiegelhalter_p", z.p);
    case_put(vc, "hosmer_lemeshow_em10", em.hosmer_lemeshow);
    case_put(vc, "hl_p_df10", em.hosmer_lemeshow_p);
    case_put(vc, "hl_p_df8", chi2_sf(em.hosmer_lemeshow, em.hosmer_lemeshow_df - 2));
    case_put(vc, "mean_calibration_diff", ew.difference);
    case_put(vc, "o_over_e", ew.observed_over_expected);
    case_put(vc, "mean_calibration_z", ew.z);
    put_line(vc, &e);
}

static void run_calibration_small(struct vector_case *vc)
{
    struct events e = read_events(vc);
    struct calibration_bin width[BINS];
    equal_width(vc, &e, width, BINS);
    struct calibration c = calibration_of(width, BINS);
    struct spiegelhalter sums = {0, 0};
    for (size_t i = 0; i < e.count; i++)
        spiegelhalter_add(&sums, e.p[i], e.y[i]);
    case_put(vc, "spiegelhalter_z", spiegelhalter_test(&sums).statistic);
    case_put(vc, "mean_calibration_diff", c.difference);
    case_put(vc, "mean_calibration_z", c.z);
    case_put(vc, "o_over_e", c.observed_over_expected);
    case_put(vc, "ece2_rms", c.rms);
    case_put(vc, "ece10", c.ece);
    case_put(vc, "mce10", c.mce);
    case_put(vc, "brier", c.brier);
    case_put(vc, "reliability", c.reliability);
    case_put(vc, "resolution", c.resolution);
    case_put(vc, "uncertainty", c.uncertainty);
    case_put(vc, "ece2_debiased_sq", c.debiased_square);
}

static void run_consistency(struct vector_case *vc)
{
    struct interval bar =
        consistency_interval(case_number(vc, vc->input, "n"), case_number(vc, vc->input, "mean_p"),
                             case_number_or(vc, vc->input, "level", 0.95));
    case_put(vc, "lower", bar.low);
    case_put(vc, "upper", bar.high);
}

static void run_multiclass(struct vector_case *vc)
{
    size_t n, classes, labels;
    const double *p = case_matrix(vc, vc->input, "P", &n, &classes);
    const uint64_t *y = case_counts(vc, vc->input, "y", &labels);
    uint32_t bins = (uint32_t)case_number_or(vc, vc->input, "bins", BINS);
    if (labels != n || n == 0 || bins == 0) {
        case_fail(vc, "P and y do not fit together");
        return;
    }
    struct calibration_bin *work = case_alloc(vc, bins, sizeof *work);
    struct events e = {case_alloc(vc, n, sizeof *e.p), case_alloc(vc, n, sizeof *e.y), n};
    double *per_class = case_alloc(vc, classes, sizeof *per_class), mean = 0, brier = 0;
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        for (size_t k = 1; k < classes; k++)
            if (p[i * classes + k] > p[i * classes + best])
                best = k;
        e.p[i] = p[i * classes + best];
        e.y[i] = y[i] == best;
    }
    equal_width(vc, &e, work, bins);
    case_put(vc, "ece_top_label", calibration_of(work, bins).ece);
    for (size_t k = 0; k < classes; k++) {
        for (size_t i = 0; i < n; i++) {
            e.p[i] = p[i * classes + k];
            e.y[i] = y[i] == k;
        }
        equal_width(vc, &e, work, bins);
        struct calibration c = calibration_of(work, bins);
        per_class[k] = c.ece;
        mean += c.ece / (double)classes;
        brier += c.brier;
    }
    case_put(vc, "ece_classwise", mean);
    case_put_numbers(vc, "per_class", per_class, classes);
    case_put(vc, "multiclass_brier", brier);
}

const struct vector_handler calibration_handlers[] = {
    {"calibration", run_calibration},
    {"calibration_small", run_calibration_small},
    {"consistency_interval", run_consistency},
    {"calibration_multiclass", run_multiclass},
    {NULL, NULL},
};
