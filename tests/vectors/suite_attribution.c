/* Suite attribution: attribution drift and decompositions. */
#include <math.h>

#include "detectors/attribution.h"
#include "tests/vectors/vectors.h"

static void run_ndcg(struct vector_case *vc)
{
    const cJSON *train = case_item(vc, vc->input, "train"), *live = case_item(vc, vc->input, "live"),
                *feature;
    size_t count = train ? (size_t)cJSON_GetArraySize(train) : 0, i = 0;
    double *baseline = case_alloc(vc, count, sizeof *baseline);
    double *now = case_alloc(vc, count, sizeof *now);
    cJSON_ArrayForEach(feature, train)
    {
        baseline[i] = fabs(case_value(vc, feature));
        now[i++] = fabs(case_number_or(vc, live, feature->string, 0));
    }
    struct attribution_drift drift;
    if (attribution_drift(baseline, now, (uint32_t)count, &drift))
        case_fail(vc, "out of memory");
    case_put(vc, "ndcg", drift.ndcg);
    case_put(vc, "ndcg_sklearn", drift.ndcg);
    case_put(vc, "share_l1", drift.share_l1);
    case_put(vc, "share_js_dist_base2", drift.share_js);
    case_put(vc, "spearman", drift.spearman);
    case_put_bool(vc, "below_0.90", drift.ndcg < 0.9);
}

/* One row per segment of "ref"; a segment that "cur" lacks is all zero there. */
static double *read_rows(struct vector_case *vc, const cJSON *order, const char *key, size_t bins)
{
    const cJSON *object = case_item(vc, vc->input, key), *segment;
    double *rows = case_alloc(vc, (size_t)cJSON_GetArraySize(order) * bins, sizeof *rows), *row = rows;
    cJSON_ArrayForEach(segment, order)
    {
        size_t count = bins;
        if (case_has(object, segment->string)) {
            const double *values = case_numbers(vc, object, segment->string, &count);
            for (size_t b = 0; b < bins && b < count; b++)
                row[b] = values[b];
        }
        if (count != bins)
            case_fail(vc, "segments differ in bins");
        row += bins;
    }
    return rows;
}

static void run_segments(struct vector_case *vc)
{
    const cJSON *order = case_item(vc, vc->input, "ref"), *segment;
    size_t segments = order ? (size_t)cJSON_GetArraySize(order) : 0;
    size_t bins = segments ? (size_t)cJSON_GetArraySize(order->child) : 0;
    if (bins == 0) {
        case_fail(vc, "no segments");
        return;
    }
    struct segment_part *parts = case_alloc(vc, segments, sizeof *parts), *part = parts;
    double *terms = case_alloc(vc, bins, sizeof *terms);
    struct segment_sum sum;
    if (psi_segments(read_rows(vc, order, "ref", bins), read_rows(vc, order, "cur", bins), (uint32_t)segments,
                     (uint32_t)bins, parts, terms, &sum))
        case_fail(vc, "out of memory");
    cJSON *objects = cJSON_CreateObject();
    cJSON_ArrayForEach(segment, order)
    {
        cJSON *o = cJSON_AddObjectToObject(objects, segment->string);
        put_number(o, "mix", part->mix);
        put_number(o, "within", part->within);
        put_number(o, "total", part->total);
        put_number(o, "kl_chain", part->kl_chain);
        part++;
    }
    case_put(vc, "psi_raw", sum.psi);
    case_put_item(vc, "segments", objects);
    case_put_numbers(vc, "psi_bin_terms", terms, bins);
    case_put(vc, "kl_joint", sum.kl_joint);
}

static void run_js_terms(struct vector_case *vc)
{
    size_t count, others;
    double *p = case_numbers(vc, vc->input, "p", &count), sum = 0;
    const double *q = case_numbers(vc, vc->input, "q", &others);
    for (size_t i = 0; i < count && i < others; i++) {
        p[i] = js_term(p[i], q[i]);
        sum += p[i];
    }
    case_put_numbers(vc, "terms_nats", p, count);
    case_put(vc, "sum", sum);
}

const struct vector_handler attribution_handlers[] = {
    {"attribution_ndcg", run_ndcg},
    {"psi_segment_decomposition", run_segments},
    {"js_terms", run_js_terms},
    {NULL, NULL},
};
