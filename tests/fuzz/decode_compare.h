#ifndef DRIFTD_TESTS_FUZZ_DECODE_COMPARE_H
#define DRIFTD_TESTS_FUZZ_DECODE_COMPARE_H
/* Two events of two decoders: NULL when they are the same bit for bit, else the name of what differs. */
#include <string.h>

#include "collectors/decode_internal.h"

static inline bool same_text(struct text a, struct text b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && text_equal(a, b);
}

static inline bool same_value(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_NUMBER:
    case VALUE_BOOL:
        return memcmp(&a->number, &b->number, sizeof(a->number)) == 0 && same_text(a->text, b->text);
    case VALUE_STRING:
        return same_text(a->text, b->text);
    case VALUE_VECTOR:
        return a->count == b->count &&
               (a->count == 0 || memcmp(a->vector, b->vector, a->count * sizeof(*a->vector)) == 0);
    case VALUE_ABSENT:
    case VALUE_NULL:
    case VALUE_OTHER:
        break;
    }
    return true;
}

/* Ids may differ between decoders, but each must stand for the name. */
static inline bool same_fields(const struct decoder *of_a, const struct fields *a, const struct decoder *of_b,
                               const struct fields *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct field *x = &a->items[i], *y = &b->items[i];
        if (!same_text(x->name, y->name) || !same_value(&x->value, &y->value))
            return false;
        if (!text_equal(intern_text(of_a->names, x->name_id), x->name) ||
            !text_equal(intern_text(of_b->names, y->name_id), y->name))
            return false;
    }
    return true;
}

static inline const char *event_difference(const struct decoder *of_a, const struct event *a,
                                           const struct decoder *of_b, const struct event *b)
{
    if (a->kind != b->kind)
        return "kind";
    if (!same_text(a->model, b->model))
        return "model";
    if (!same_text(a->version, b->version))
        return "version";
    if (!same_text(a->id, b->id))
        return "id";
    if (a->ts_ms != b->ts_ms)
        return "ts_ms";
    if (!same_value(&a->score, &b->score))
        return "score";
    if (!same_value(&a->prediction, &b->prediction))
        return "prediction";
    if (!same_value(&a->label, &b->label))
        return "label";
    if (!same_value(&a->latency_ms, &b->latency_ms))
        return "latency_ms";
    if (!same_value(&a->weight, &b->weight))
        return "weight";
    if (!same_fields(of_a, &a->features, of_b, &b->features))
        return "features";
    if (!same_fields(of_a, &a->scores, of_b, &b->scores))
        return "scores";
    if (!same_fields(of_a, &a->groups, of_b, &b->groups))
        return "groups";
    if (!same_fields(of_a, &a->segments, of_b, &b->segments))
        return "segments";
    if (!same_fields(of_a, &a->kpis, of_b, &b->kpis))
        return "kpis";
    if (!same_fields(of_a, &a->attributions, of_b, &b->attributions))
        return "attributions";
    return NULL;
}

#endif
