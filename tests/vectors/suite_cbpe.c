/* Suite cbpe: estimated performance and its calibrators. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/cbpe.h"
#include "tests/vectors/vectors.h"

struct scored {
    double raw;
    struct cbpe_bin bin;
};

static int by_raw(const void *left, const void *right)
{
    const struct scored *a = left, *b = right;
    return a->raw < b->raw ? -1 : a->raw > b->raw;
}

/* One bin per raw score; events of one score share their mean probability. */
static size_t group(struct scored *events, size_t n, struct cbpe_bin *bins)
{
    size_t used = 0;
    qsort(events, n, sizeof *events, by_raw);
    for (size_t i = 0; i < n; i++) {
        struct cbpe_bin *b = &events[i].bin;
        if (i > 0 && events[i].raw == events[i - 1].raw) {
            struct cbpe_bin *into = &bins[used - 1];
            double before = into->predicted_positive + into->predicted_negative;
            into->probability = (into->probability * before + b->probability) / (before + 1);
            into->predicted_positive += b->predicted_positive;
            into->predicted_negative += b->predicted_negative;
        } else {
            bins[used++] = *b;
        }
    }
    return used;
}

static void run_cbpe(struct vector_case *vc)
{
    size_t n, raw_count, predicted_count;
    const double *p = case_numbers(vc, vc->input, "calibrated", &n);
    const double *raw = case_numbers(vc, vc->input, "raw", &raw_count);
    const double *predicted = case_numbers(vc, vc->input, "pred", &predicted_count);
    if (raw_count != n || predicted_count != n) {
        case_fail(vc, "calibrated, raw and pred differ in length");
        return;
    }
    struct scored *events = case_alloc(vc, n, sizeof *events);
    struct cbpe_bin *bins = case_alloc(vc, n, sizeof *bins);
    for (size_t i = 0; i < n; i++)
        events[i] = (struct scored){raw[i], {predicted[i] != 0, predicted[i] == 0, p[i]}};
    size_t count = group(events, n, bins);
    struct cbpe estimate = cbpe_estimate(bins, count, case_alloc(vc, 2 * count, sizeof(double)));
    case_put(vc, "TP", estimate.expected.tp);
    case_put(vc, "FP", estimate.expected.fp);
    case_put(vc, "FN", estimate.expected.fn);
    case_put(vc, "TN", estimate.expected.tn);
    case_put(vc, "accuracy", estimate.metrics.accuracy);
    case_put(vc, "precision", estimate.metrics.precision);
    case_put(vc, "recall", estimate.metrics.recall);
    case_put(vc, "specificity", estimate.metrics.specificity);
    case_put(vc, "f1", estimate.metrics.f1);
    case_put(vc, "roc_auc", estimate.roc_auc);
    case_put(vc, "accuracy_sd", estimate.accuracy_sd);
}

static void run_isotonic(struct vector_case *vc)
{
    size_t n, labels, queries = 0;
    double *x = case_numbers(vc, vc->input, "x", &n);
    const double *y = case_numbers(vc, vc->input, "y", &labels);
    struct score_count *points = case_alloc(vc, n, sizeof *points);
    for (size_t i = 0; i < n && i < labels; i++)
        points[i] = (struct score_count){x[i], 1, y[i]};
    struct isotonic fit;
    if (isotonic_fit(points, n, &fit)) {
        case_fail(vc, "nothing to fit");
        return;
    }
    double *query = case_has(vc->input, "query") ? case_numbers(vc, vc->input, "query", &queries) : NULL;
    for (size_t i = 0; i < n; i++)
        x[i] = isotonic_value(&fit, x[i]);
    for (size_t i = 0; i < queries; i++)
        query[i] = isotonic_value(&fit, query[i]);
    case_put_numbers(vc, "fit_at_x", x, n);
    case_put_numbers(vc, "query", query, queries);
    isotonic_clear(&fit);
}

static void run_logistic(struct vector_case *vc)
{
    size_t n, labels;
    const double *x = case_numbers(vc, vc->input, "x_logit", &n);
    const double *y = case_numbers(vc, vc->input, "y", &labels);
    struct logistic_point *points = case_alloc(vc, n, sizeof *points);
    for (size_t i = 0; i < n && i < labels; i++)
        points[i] = (struct logistic_point){x[i], 1, y[i]};
    struct logistic fit = logistic_fit(points, n, case_number_or(vc, vc->input, "ridge", 0));
    case_put(vc, "intercept", fit.intercept);
    case_put(vc, "slope", fit.slope);
    case_put(vc, "loglik", fit.log_likelihood);
}

const struct vector_handler cbpe_handlers[] = {
    {"cbpe", run_cbpe},
    {"isotonic", run_isotonic},
    {"logistic_fit", run_logistic},
    {NULL, NULL},
};
