#include "detectors/attributions.h"

#include <math.h>
#include <stdlib.h>

#include "detectors/attribution.h"
#include "detectors/attribution_slots.h"
#include "detectors/reference.h"

enum { EVENTS, UNKNOWN, CLIPPED, FEATURES_AT };
#define VALUE_MAX 0x1p31
#define SUM_UNIT  0x1p40

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    uint32_t features = reference->grid->feature_count;
    return (struct tally_size){FEATURES_AT + features, features};
}

static bool applies(const struct count_input *input)
{
    return input->event->kind == EVENT_PREDICTION && input->event->attributions.count > 0;
}

/* rint is exact everywhere. */
static void add_value(struct tally *tally, uint32_t feature, double value, uint64_t times)
{
    double magnitude = fabs(value);
    if (magnitude > VALUE_MAX) {
        magnitude = VALUE_MAX;
        tally->counters[CLIPPED] += times;
    }
    tally->counters[FEATURES_AT + feature] += times;
    tally->sums[feature] += (int128)rint(magnitude * SUM_UNIT) * (int128)times;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    const struct fields *fields = &input->event->attributions;
    tally->counters[EVENTS] += times;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct value *value = &fields->items[i].value;
        if (value->type != VALUE_NUMBER || isnan(value->number))
            continue; /* null; collectors refuse events with anything else */
        uint32_t feature = feature_binding_find(input->binding, &fields->items[i]);
        if (feature == UINT32_MAX)
            tally->counters[UNKNOWN] += times;
        else
            add_value(tally, feature, value->number, times);
    }
}

static uint32_t rows_max(const struct reference *reference)
{
    return 1 + (reference ? reference->grid->feature_count : 0);
}

/* ---- report ---- */

/* An attribution that an event leaves out is 0: means are over all events that have any. */
static double mean_of(const struct tally *tally, uint32_t feature)
{
    if (!tally || tally->counters[EVENTS] == 0)
        return (double)NAN;
    return (double)tally->sums[feature] / SUM_UNIT / (double)tally->counters[EVENTS];
}

static bool has(const struct tally *tally, uint32_t feature)
{
    return tally && tally->counters[FEATURES_AT + feature] > 0;
}

static double total_of(const double *values, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static void clear(struct report_row *row, enum family family, uint32_t subject)
{
    *row = (struct report_row){.family = family, .subject = subject};
    report_row_undefine(row);
}

static void report_rates(const struct tally *tally, struct report_row *row)
{
    uint64_t known = 0;
    for (uint32_t f = 0; f < tally->size.sums; f++)
        known += tally->counters[FEATURES_AT + f];
    double all = (double)(tally->counters[UNKNOWN] + known);
    if (all <= 0)
        return;
    row->slots[ATTRIBUTION_UNKNOWN_RATE] = (double)tally->counters[UNKNOWN] / all;
    row->slots[ATTRIBUTION_CLIPPED_RATE] = (double)tally->counters[CLIPPED] / all;
}

/* Means of the features that either side has, side by side; the rest takes no part. */
struct importance {
    double *now, *before;
    uint32_t *features;
    uint32_t count;
};

static bool importance_of(const struct family_report *in, struct importance *out)
{
    uint32_t features = in->current->size.sums;
    *out =
        (struct importance){malloc((features + 1) * sizeof(double)), malloc((features + 1) * sizeof(double)),
                            malloc((features + 1) * sizeof(uint32_t)), 0};
    if (!out->now || !out->before || !out->features)
        return false;
    for (uint32_t f = 0; f < features; f++) {
        if (!has(in->current, f) && !has(in->baseline, f))
            continue;
        out->now[out->count] = mean_of(in->current, f);
        out->before[out->count] = mean_of(in->baseline, f);
        out->features[out->count++] = f;
    }
    return true;
}

static void report_drift(const struct importance *importance, struct report_row *row)
{
    struct attribution_drift drift;
    if (attribution_drift(importance->before, importance->now, importance->count, &drift) != 0)
        return; /* no memory: undefined */
    row->slots[ATTRIBUTION_NDCG] = drift.ndcg;
    row->slots[ATTRIBUTION_NDCG_LOSS] = drift.ndcg > 1 ? 0 : 1 - drift.ndcg; /* rounding */
    row->slots[ATTRIBUTION_SHARE_L1] = drift.share_l1;
    row->slots[ATTRIBUTION_SHARE_JS] = drift.share_js;
    row->slots[ATTRIBUTION_SPEARMAN] = drift.spearman;
}

static void report_features(const struct family_report *in, const struct importance *importance,
                            struct report_row *rows, struct text *names)
{
    double now = total_of(importance->now, importance->count);
    double before = total_of(importance->before, importance->count);
    for (uint32_t i = 0; i < importance->count; i++) {
        uint32_t f = importance->features[i];
        struct report_row *row = &rows[i];
        clear(row, FAMILY_ATTRIBUTED, f);
        row->n = in->current->counters[FEATURES_AT + f];
        row->reference_n = in->baseline ? in->baseline->counters[FEATURES_AT + f] : 0;
        row->slots[ATTRIBUTED_MEAN] = importance->now[i];
        row->slots[ATTRIBUTED_REFERENCE_MEAN] = importance->before[i];
        double share = now > 0 ? importance->now[i] / now : (double)NAN;
        double reference_share = before > 0 ? importance->before[i] / before : (double)NAN;
        row->slots[ATTRIBUTED_SHARE] = share;
        row->slots[ATTRIBUTED_REFERENCE_SHARE] = reference_share;
        row->slots[ATTRIBUTED_SHARE_CHANGE] = share - reference_share;
        names[i] = text_of(in->reference->grid->features[f].name);
    }
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    struct importance importance;
    uint32_t count = 0;
    uint64_t n = in->current->counters[EVENTS];
    if (n > 0 && importance_of(in, &importance)) {
        uint64_t reference_n = in->baseline ? in->baseline->counters[EVENTS] : 0;
        clear(&rows[0], FAMILY_ATTRIBUTION, 0);
        names[0] = text_of("@attributions");
        rows[0].n = n;
        rows[0].reference_n = reference_n;
        report_rates(in->current, &rows[0]);
        rows[0].slots[ATTRIBUTION_FEATURES] = importance.count;
        if (reference_n)
            report_drift(&importance, &rows[0]);
        report_features(in, &importance, rows + 1, names + 1);
        count = 1 + importance.count;
        bool insufficient = n < in->options->n_min || (reference_n && reference_n < in->options->n_min);
        for (uint32_t i = 0; insufficient && i < count; i++)
            rows[i].flags |= REPORT_INSUFFICIENT;
    }
    if (n > 0) {
        free(importance.now);
        free(importance.before);
        free(importance.features);
    }
    return count;
}

const struct family_ops attributions_family = {
    .name = "attributions",
    .of_reference = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
