#include "detectors/value_types.h"

#include <math.h>

#include "agent/base/compiler.h"
#include "detectors/quality.h"
#include "detectors/quality_slots.h"
#include "detectors/reference.h"

#define ALPHA 0.05

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    uint32_t features = reference ? reference->grid->feature_count : 0;
    return (struct tally_size){features ? VALUE_TYPES_FEATURES + features * VALUE_ODD_COUNT : 0, 0};
}

static bool applies(const struct count_input *input)
{
    return input->event->features.count > 0;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* The spellings that programs print: nan, inf, infinity, with a sign, in any case. */
static bool is_not_finite(struct text text)
{
    static const char *const spellings[] = {"nan", "inf", "infinity"};
    if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = (struct text){text.ptr + 1, text.len - 1};
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        struct text spelling = text_of(spellings[i]);
        uint32_t at = 0;
        while (spelling.len == text.len && at < text.len && lower(text.ptr[at]) == spelling.ptr[at])
            at++;
        if (at == spelling.len && text.len == spelling.len)
            return true;
    }
    return false;
}

static enum value_odd odd_of(const struct value *value, bool numeric)
{
    switch (value->type) {
    case VALUE_STRING:
        return numeric && is_not_finite(value->text) ? VALUE_ODD_NOT_FINITE : VALUE_ODD_TEXT;
    case VALUE_NUMBER:
        return VALUE_ODD_NUMBER;
    case VALUE_BOOL:
        return VALUE_ODD_BOOL;
    case VALUE_ABSENT:
    case VALUE_NULL:
    case VALUE_VECTOR:
    case VALUE_OTHER:
        break;
    }
    return VALUE_ODD_OTHER;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    const struct feature_row *row = input->row;
    uint64_t unknown = 0;
    tally->counters[VALUE_TYPES_EVENTS] += times;
    for (uint32_t i = 0; i < row->odd_count; i++) {
        const struct odd_value *odd = &row->odd[i];
        if (odd->feature == FEATURE_UNKNOWN) {
            unknown++;
            continue;
        }
        bool numeric = input->reference->grid->features[odd->feature].type == FEATURE_NUMERIC;
        enum value_odd kind = odd_of(odd->value, numeric);
        if (numeric || kind != VALUE_ODD_TEXT) /* a text among categories is only unseen */
            tally->counters[value_types_at(odd->feature, kind)] += times;
    }
    tally->counters[VALUE_TYPES_UNKNOWN_EVENTS] += unknown ? times : 0;
    tally->counters[VALUE_TYPES_UNKNOWN_FIELDS] += unknown * times;
}

void value_classes(const struct feature_grid *feature, uint32_t index, const uint64_t *slots,
                   const struct tally *types, uint64_t out[CLASS_COUNT])
{
    uint64_t odd[VALUE_ODD_COUNT] = {0}, valid = 0;
    uint32_t missing = feature_slot_missing(feature, GRID_FINE);
    for (int i = 0; types && i < VALUE_ODD_COUNT; i++)
        odd[i] = types->counters[value_types_at(index, (enum value_odd)i)];
    for (uint32_t s = 0; s < missing; s++)
        valid += slots[s];
    out[CLASS_BOOL] = odd[VALUE_ODD_BOOL];
    out[CLASS_OTHER] = odd[VALUE_ODD_OTHER];
    if (feature->type == FEATURE_NUMERIC) {
        out[CLASS_NUMBER] = valid;
        out[CLASS_TEXT] = odd[VALUE_ODD_TEXT] + odd[VALUE_ODD_NOT_FINITE];
        return;
    }
    uint64_t all = valid + slots[missing + 1];
    uint64_t named = odd[VALUE_ODD_BOOL] + odd[VALUE_ODD_OTHER] + odd[VALUE_ODD_NUMBER];
    out[CLASS_NUMBER] = odd[VALUE_ODD_NUMBER];
    out[CLASS_TEXT] = all > named ? all - named : 0;
}

enum value_class value_class_majority(const uint64_t classes[CLASS_COUNT])
{
    int best = CLASS_COUNT;
    for (int i = 0; i < CLASS_COUNT; i++)
        if (classes[i] > (best == CLASS_COUNT ? 0 : classes[best]))
            best = i;
    return (enum value_class)best;
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 1;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    uint64_t n = in->current->counters[VALUE_TYPES_EVENTS];
    if (n == 0)
        return 0;
    struct report_row *row = &rows[0];
    *row = (struct report_row){.family = FAMILY_FIELDS, .n = n};
    report_row_undefine(row);
    uint64_t unknown = in->current->counters[VALUE_TYPES_UNKNOWN_EVENTS];
    struct interval interval = interval_wilson((double)unknown, (double)n, ALPHA);
    row->reference_n = in->baseline ? in->baseline->counters[VALUE_TYPES_EVENTS] : 0;
    row->slots[FIELDS_UNKNOWN] = unknown > 0;
    row->slots[FIELDS_UNKNOWN_RATE] = (double)unknown / (double)n;
    row->slots[FIELDS_UNKNOWN_RATE_LOW] = interval.low;
    row->slots[FIELDS_UNKNOWN_RATE_HIGH] = interval.high;
    row->slots[FIELDS_UNKNOWN_PER_EVENT] =
        (double)in->current->counters[VALUE_TYPES_UNKNOWN_FIELDS] / (double)n;
    names[0] = text_of("@fields");
    return 1;
}

const struct family_ops value_types_family = {
    .name = "types",
    .of_segments = false,
    .of_reference = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
