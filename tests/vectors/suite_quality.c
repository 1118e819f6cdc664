/* Suite quality: outlier score, confidence, latency sketch (two_proportions is in suite_intervals.c). */
#include <math.h>
#include <stdio.h>

#include "detectors/ddsketch.h"
#include "detectors/quality.h"
#include "tests/vectors/vectors.h"

static void run_hbos(struct vector_case *vc)
{
    const cJSON *hist = case_item(vc, vc->input, "hist"), *x = case_item(vc, vc->input, "x"), *feature;
    double score = 0;
    cJSON_ArrayForEach(feature, hist)
    {
        size_t edges, bins;
        const double *edge = case_numbers(vc, feature, "edges", &edges);
        const uint64_t *counts = case_counts(vc, feature, "counts", &bins);
        if (edges != bins + 1) {
            case_fail(vc, "edges and counts do not fit together");
            return;
        }
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(x, feature->string);
        double number = cJSON_IsNumber(value) || cJSON_IsString(value) ? case_value(vc, value) : NAN;
        if (isnan(number)) {
            uint64_t missing = case_has(feature, "missing") ? case_count(vc, feature, "missing") : 0;
            score += hbos_missing_term(counts, bins, missing);
        } else {
            score += hbos_term(edge, counts, bins, number);
        }
    }
    case_put(vc, "score", score);
}

static void run_confidence(struct vector_case *vc)
{
    size_t classes;
    const double *p = case_numbers(vc, vc->input, "p", &classes);
    struct confidence c = confidence_of(p, classes);
    case_put(vc, "entropy_nats", c.entropy);
    case_put(vc, "entropy_normalised", c.entropy_normalised);
    case_put(vc, "max_prob", c.maximum);
    case_put(vc, "margin", c.margin);
    case_put(vc, "gini_impurity", c.gini);
}

/* Wide enough for whatever a case holds. */
static struct ddsketch_layout *layout_for(struct vector_case *vc, const double *values, size_t count)
{
    double smallest = 1, largest = 1;
    bool negative = false;
    for (size_t i = 0; i < count; i++) {
        negative = negative || values[i] < 0;
        if (values[i] != 0) {
            smallest = fmin(smallest, fabs(values[i]));
            largest = fmax(largest, fabs(values[i]));
        }
    }
    struct ddsketch_layout *layout =
        ddsketch_layout_new(case_number(vc, vc->input, "alpha"), smallest, largest, negative);
    if (!layout)
        case_fail(vc, "no sketch of this accuracy holds these values");
    return layout;
}

static void run_keys(struct vector_case *vc)
{
    size_t count;
    double *values = case_numbers(vc, vc->input, "values", &count);
    struct ddsketch_layout *layout = layout_for(vc, values, count);
    double *keys = case_alloc(vc, count, sizeof *keys);
    if (!layout)
        return;
    for (size_t i = 0; i < count; i++) {
        int32_t key = ddsketch_key(layout, values[i], NULL);
        keys[i] = key;
        values[i] = ddsketch_value(layout, key);
    }
    case_put(vc, "gamma", ddsketch_gamma(layout));
    case_put_numbers(vc, "keys", keys, count);
    case_put_numbers(vc, "representative", values, count);
    ddsketch_layout_free(layout);
}

/* The exact values are not known to a sketch: they must lie where its relative error allows. */
static void put_exact(struct vector_case *vc, const struct ddsketch_layout *layout, const uint64_t *counters)
{
    double alpha = case_number(vc, vc->input, "alpha");
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(vc->expect, "exact_lower"), *item;
    if (!wanted)
        return;
    cJSON *object = cJSON_CreateObject();
    cJSON_ArrayForEach(item, wanted)
    {
        double q, got, want = case_value(vc, item);
        if (sscanf(item->string, "%lf", &q) != 1)
            case_fail(vc, "\"%s\" is no quantile", item->string);
        got = ddsketch_quantile(layout, counters, q);
        double one = got / (1 + alpha), other = got / (1 - alpha);
        put_number(object, item->string, fmin(fmax(want, fmin(one, other)), fmax(one, other)));
    }
    case_put_item(vc, "exact_lower", object);
}

static void run_quantiles(struct vector_case *vc)
{
    size_t count;
    const double *values = case_numbers(vc, vc->input, "values", &count);
    struct ddsketch_layout *layout = layout_for(vc, values, count);
    if (!layout)
        return;
    uint64_t *counters = case_alloc(vc, ddsketch_counters(layout), sizeof *counters);
    for (size_t i = 0; i < count; i++)
        ddsketch_add(layout, counters, values[i]);
    for (int percent = 0; percent <= 100; percent++) {
        char key[16];
        snprintf(key, sizeof key, "p%d", percent);
        case_put(vc, key, ddsketch_quantile(layout, counters, percent / 100.0));
    }
    put_exact(vc, layout, counters);
    ddsketch_layout_free(layout);
}

static void run_out_of_range(struct vector_case *vc)
{
    uint64_t reference = case_count(vc, vc->input, "M");
    case_put(vc, "p",
             out_of_range_p(case_count(vc, vc->input, "k"), case_count(vc, vc->input, "n"), reference));
    case_put(vc, "expected", out_of_range_expected(reference));
}

const struct vector_handler quality_handlers[] = {
    {"hbos", run_hbos},
    {"confidence", run_confidence},
    {"ddsketch_key", run_keys},
    {"ddsketch_quantiles", run_quantiles},
    {"out_of_range", run_out_of_range},
    {NULL, NULL},
};
