/* What captured values mean: one place for every path and format. Everything here is a decision about an
 * event that is well-formed already. */
#include <stdio.h>

#include "agent/base/number.h"
#include "agent/base/timestamp.h"
#include "collectors/decode_internal.h"

static const char *const type_names[] = {
    [VALUE_ABSENT] = "nothing",
    [VALUE_NULL] = "null",
    [VALUE_NUMBER] = "a number",
    [VALUE_STRING] = "a string",
    [VALUE_BOOL] = "a boolean",
    [VALUE_VECTOR] = "an array",
    [VALUE_OTHER] = "an object or mixed array",
};

/* ---- where values come from ---- */

/* Text from outside the payload: a header, a key. It must be as sound as a JSON string. */
static struct value textual_value(struct text text)
{
    struct value value = {.type = VALUE_STRING, .text = text};
    if (!text.ptr)
        return (struct value){.type = VALUE_NULL};
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    while (at < end) {
        unsigned len = *at >= 0x80 ? utf8_sequence_len(at, end) : *at != 0;
        if (len == 0)
            return (struct value){.type = VALUE_OTHER};
        at += len;
    }
    if (number_parse_plain(text, &value.number) == NUMBER_OK)
        value.type = VALUE_NUMBER;
    return value;
}

/* Each has its own place for the text; a record has one of each. */
static struct value integer_value(struct decoder *decoder, enum map_meta meta, int64_t number)
{
    char *text = decoder->meta_text[meta];
    int len = snprintf(text, sizeof(decoder->meta_text[meta]), "%lld", (long long)number);
    return (struct value){.type = VALUE_NUMBER, .number = (double)number, .text = {text, (uint32_t)len}};
}

static struct value meta_value(struct decoder *decoder, const struct record *record, enum map_meta meta)
{
    switch (meta) {
    case META_TOPIC:
        return textual_value(record->topic);
    case META_PARTITION:
        return integer_value(decoder, meta, record->partition);
    case META_OFFSET:
        return integer_value(decoder, meta, record->offset);
    case META_TIMESTAMP:
        if (record->ts_ms != INT64_MIN)
            return integer_value(decoder, meta, record->ts_ms);
        break;
    case META_COUNT:
        break;
    }
    return (struct value){.type = VALUE_ABSENT};
}

static struct value accessor_value(struct decoder *decoder, const struct record *record,
                                   const struct map_accessor *accessor)
{
    switch (accessor->type) {
    case ACCESS_POINTER:
        return decoder->slots[accessor->slot];
    case ACCESS_CONST:
        return accessor->constant;
    case ACCESS_KEY:
        return record->key.ptr ? textual_value(record->key) : (struct value){.type = VALUE_ABSENT};
    case ACCESS_META:
        return meta_value(decoder, record, accessor->meta);
    case ACCESS_HEADER:
        for (uint32_t i = 0; i < record->header_count; i++)
            if (text_equal(record->headers[i].name, accessor->argument))
                return textual_value(record->headers[i].value);
        break;
    }
    return (struct value){.type = VALUE_ABSENT};
}

/* A view of the value where that is possible; else it is made in *made. */
static const struct value *resolve_list(struct decoder *decoder, const struct record *record,
                                        const struct map_field *field, struct value *made,
                                        const struct map_accessor **out_from)
{
    const struct value *best = NULL;
    for (uint32_t i = 0; i < field->count; i++) {
        const struct map_accessor *accessor = &field->accessors[i];
        const struct value *value;
        if (LIKELY(accessor->type == ACCESS_POINTER)) {
            value = &decoder->slots[accessor->slot];
        } else {
            *made = accessor_value(decoder, record, accessor);
            value = made;
        }
        if (value->type != VALUE_ABSENT) {
            best = value;
            *out_from = accessor;
            if (value->type != VALUE_NULL)
                return value;
        }
    }
    if (!best || best->type != VALUE_NULL) {
        made->type = best ? VALUE_NULL : VALUE_ABSENT;
        best = made;
    }
    return best;
}

static bool is_textual(const struct decoder *decoder, const struct map_accessor *from)
{
    return from && (from->type != ACCESS_POINTER || decoder->mapping->format == INPUT_CSV);
}

struct value field_resolve(struct decoder *decoder, const struct record *record,
                           const struct map_field *field, const struct map_accessor **out_from,
                           bool *out_textual)
{
    struct value made = {.type = VALUE_ABSENT};
    const struct map_accessor *from = NULL;
    const struct value *value = resolve_list(decoder, record, field, &made, &from);
    if (out_from)
        *out_from = from;
    if (out_textual)
        *out_textual = is_textual(decoder, from);
    return *value;
}

/* The field's value, made in *made when it is not a slot's, and the accessor that hit. */
static inline const struct value *target_from(struct decoder *decoder, const struct record *record,
                                              enum map_target target, struct value *made,
                                              const struct map_accessor **out_from)
{
    const struct value *value = decoder->targets[target];
    *out_from = NULL;
    if (UNLIKELY(!value))
        return resolve_list(decoder, record, &decoder->mapping->fields[target], made, out_from);
    if (value->type != VALUE_ABSENT)
        *out_from = &decoder->mapping->fields[target].accessors[0];
    return value;
}

static inline const struct value *target_value(struct decoder *decoder, const struct record *record,
                                               enum map_target target, struct value *made, bool *out_textual)
{
    const struct map_accessor *from;
    const struct value *value = target_from(decoder, record, target, made, &from);
    if (out_textual)
        *out_textual = is_textual(decoder, from);
    return value;
}

static enum reject refuse_type(struct decoder *decoder, enum reject reject, enum map_target target,
                               const char *wanted, const struct value *value)
{
    const struct map_field *field = &decoder->mapping->fields[target];
    const struct map_accessor *place = &field->accessors[0];
    return decoder_refuse(
        decoder, reject, "%s%s%.*s%s: %s expected, found %s", map_target_names[target],
        place->type == ACCESS_POINTER ? " (" : "",
        place->type == ACCESS_POINTER ? (int)(place->argument.len < 80 ? place->argument.len : 80) : 0,
        place->argument.ptr, place->type == ACCESS_POINTER ? ")" : "", wanted, type_names[value->type]);
}

/* ---- names ---- */

static bool is_integer_literal(struct text text)
{
    for (uint32_t i = 0; i < text.len; i++)
        if ((unsigned char)(text.ptr[i] - '0') > 9 && !(i == 0 && text.ptr[i] == '-'))
            return false;
    return text.len > 0;
}

/* A string or integer as text. False: neither. */
static bool name_text(const struct value *value, bool textual, struct text *out)
{
    *out = value->text;
    if (value->type == VALUE_STRING)
        return true;
    return value->type == VALUE_NUMBER && (textual || is_integer_literal(value->text));
}

static enum reject take_model(struct decoder *decoder, const struct record *record, struct event *ev)
{
    bool textual;
    struct value made;
    const struct value *value = target_value(decoder, record, TARGET_MODEL, &made, &textual);
    if (value->type != VALUE_STRING && !(value->type == VALUE_NUMBER && textual))
        return refuse_type(decoder, REJECT_MODEL, TARGET_MODEL, "a string", value);
    if (!mapping_name_is_sound(value->text, decoder->limits.name_bytes))
        return decoder_refuse(decoder, REJECT_MODEL,
                              "model: a name of 1 to %u bytes without control characters expected",
                              decoder->limits.name_bytes);
    ev->model = value->text;
    return REJECT_NONE;
}

static enum reject take_version(struct decoder *decoder, const struct record *record, struct event *ev)
{
    bool textual;
    struct value made;
    const struct value *value = target_value(decoder, record, TARGET_VERSION, &made, &textual);
    ev->version = text_of("");
    if (value->type <= VALUE_NULL)
        return REJECT_NONE;
    if (!name_text(value, textual, &ev->version))
        return refuse_type(decoder, REJECT_VERSION, TARGET_VERSION, "a string or an integer", value);
    if (ev->version.len > 0 && !mapping_name_is_sound(ev->version, decoder->limits.name_bytes))
        return decoder_refuse(decoder, REJECT_VERSION,
                              "version: at most %u bytes without control characters expected",
                              decoder->limits.name_bytes);
    return REJECT_NONE;
}

static enum reject take_id(struct decoder *decoder, const struct record *record, struct event *ev)
{
    bool textual;
    struct value made;
    const struct value *value = target_value(decoder, record, TARGET_ID, &made, &textual);
    ev->id = (struct text){NULL, 0};
    if (value->type <= VALUE_NULL) {
        if (ev->kind == EVENT_LABEL)
            return refuse_type(decoder, REJECT_ID, TARGET_ID,
                               "a label needs the id of its prediction: a string or an integer", value);
        return REJECT_NONE;
    }
    if (!name_text(value, textual, &ev->id))
        return refuse_type(decoder, REJECT_ID, TARGET_ID, "a string or an integer", value);
    if (ev->id.len == 0 || ev->id.len > decoder->limits.id_bytes)
        return decoder_refuse(decoder, REJECT_ID, "id: 1 to %u bytes expected, found %u",
                              decoder->limits.id_bytes, ev->id.len);
    return REJECT_NONE;
}

static enum reject take_kind(struct decoder *decoder, const struct record *record, struct event *ev)
{
    if (decoder->mapping->has_kind) {
        ev->kind = decoder->mapping->kind;
        return REJECT_NONE;
    }
    struct value made;
    const struct value *value = target_value(decoder, record, TARGET_TYPE, &made, NULL);
    for (int kind = 0; kind < EVENT_KIND_COUNT && value->type == VALUE_STRING; kind++) {
        if (text_equal(value->text, text_of(event_kind_name((enum event_kind)kind)))) {
            ev->kind = (enum event_kind)kind;
            return REJECT_NONE;
        }
    }
    if (value->type != VALUE_STRING)
        return refuse_type(decoder, REJECT_KIND, TARGET_TYPE, "prediction, label, features or kpi", value);
    return decoder_refuse(decoder, REJECT_KIND,
                          "type: prediction, label, features or kpi expected, found \"%.*s\"",
                          (int)(value->text.len < 80 ? value->text.len : 80), value->text.ptr);
}

/* ---- time ---- */

/* Decimal text (with at most a point) in a unit to milliseconds, cut towards minus infinity, without going
 * through a double: nanoseconds of today have more digits than one holds. */
static bool decimal_to_ms(struct text text, int64_t per_second, int64_t *out_ms)
{
    enum { FRACTION_DIGITS = 9, INTEGER_DIGITS_MAX = 20 };
    int128 total = 0;
    uint32_t at = 0, integer = 0;
    int fraction = -1;
    bool negative = text.len > 0 && text.ptr[0] == '-', cut = false;
    at += text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    for (; at < text.len; at++) {
        unsigned digit = (unsigned char)text.ptr[at] - '0';
        if (text.ptr[at] == '.' && fraction < 0) {
            fraction = 0;
        } else if (digit > 9) {
            return false;
        } else if (fraction == FRACTION_DIGITS) {
            cut |= digit != 0;
        } else {
            total = total * 10 + (int)digit;
            if (fraction >= 0)
                fraction++;
            else if (++integer > INTEGER_DIGITS_MAX)
                return false;
        }
    }
    for (fraction = fraction < 0 ? 0 : fraction; fraction < FRACTION_DIGITS; fraction++)
        total *= 10;
    int128 divisor = (int128)1000000 * per_second; /* total counts 1e-9 of the unit */
    int128 ms = total / divisor;
    bool inexact = total % divisor != 0 || cut;
    ms = negative ? -ms - inexact : ms;
    if (ms < TIME_MIN_MS || ms > TIME_MAX_MS)
        return false;
    *out_ms = (int64_t)ms;
    return true;
}

static int64_t units_per_second(enum time_unit unit)
{
    return unit == TIME_S ? 1 : unit == TIME_US ? 1000000 : unit == TIME_NS ? 1000000000 : 1000;
}

static bool number_to_ms(const struct value *value, enum time_unit unit, int64_t *out_ms)
{
    if (unit == TIME_AUTO || unit == TIME_MS) {
        /* The usual case: an integer that a double holds exactly. */
        if (value->number >= (double)TIME_MIN_MS && value->number <= (double)TIME_MAX_MS) {
            int64_t ms = (int64_t)value->number;
            if ((double)ms == value->number) {
                *out_ms = ms;
                return true;
            }
        }
    }
    if (memchr(value->text.ptr, 'e', value->text.len) || memchr(value->text.ptr, 'E', value->text.len)) {
        double ms = value->number * 1000 / (double)units_per_second(unit);
        if (!(ms >= (double)TIME_MIN_MS && ms <= (double)TIME_MAX_MS))
            return false;
        int64_t whole = (int64_t)ms;
        *out_ms = whole - ((double)whole > ms);
        return true;
    }
    return decimal_to_ms(value->text, units_per_second(unit), out_ms);
}

static bool value_to_ms(const struct value *value, bool textual, enum time_unit unit, int64_t *out_ms)
{
    if (value->type == VALUE_STRING) {
        struct value number = *value;
        if (unit == TIME_AUTO || unit == TIME_RFC3339) {
            if (timestamp_parse(value->text, out_ms))
                return true;
            if (unit == TIME_RFC3339)
                return false;
        }
        /* Digits in quotes are digits. */
        return number_parse_json(value->text, &number.number) == NUMBER_OK &&
               number_to_ms(&number, unit, out_ms);
    }
    if (value->type != VALUE_NUMBER || (unit == TIME_RFC3339 && !textual))
        return false;
    return unit != TIME_RFC3339 && number_to_ms(value, unit, out_ms);
}

static enum reject take_time(struct decoder *decoder, const struct record *record, struct event *ev)
{
    const struct map_accessor *from;
    struct value made;
    const struct value *value = target_from(decoder, record, TARGET_TIME, &made, &from);
    if (value->type <= VALUE_NULL) {
        if (record->ts_ms == INT64_MIN)
            return refuse_type(decoder, REJECT_TIME, TARGET_TIME,
                               "the record has no time of its own, so the event needs one: RFC 3339 text or "
                               "epoch milliseconds",
                               value);
        if (record->ts_ms < TIME_MIN_MS || record->ts_ms > TIME_MAX_MS)
            return decoder_refuse(decoder, REJECT_TIME, "time: the record's timestamp %lld is out of range",
                                  (long long)record->ts_ms);
        ev->ts_ms = record->ts_ms;
        return REJECT_NONE;
    }
    enum time_unit unit = from->type == ACCESS_META ? TIME_MS : decoder->mapping->time_unit;
    if (value_to_ms(value, is_textual(decoder, from), unit, &ev->ts_ms))
        return REJECT_NONE;
    if (value->type != VALUE_NUMBER && value->type != VALUE_STRING)
        return refuse_type(decoder, REJECT_TIME, TARGET_TIME, "RFC 3339 text or an epoch number", value);
    return decoder_refuse(decoder, REJECT_TIME, "time: unreadable or out of range: \"%.*s\"",
                          (int)(value->text.len < 80 ? value->text.len : 80), value->text.ptr);
}

/* ---- numbers and classes ---- */

static void copy_value(struct value *out, const struct value *value)
{
    if (value->type == VALUE_ABSENT)
        *out = (struct value){.type = VALUE_ABSENT};
    else
        *out = *value;
}

static enum reject take_number(struct decoder *decoder, const struct record *record, enum map_target target,
                               bool not_negative, struct value *out)
{
    struct value made;
    const struct value *value = target_value(decoder, record, target, &made, NULL);
    copy_value(out, value);
    if (value->type <= VALUE_NULL || (value->type == VALUE_NUMBER && !(not_negative && value->number < 0)))
        return REJECT_NONE;
    if (value->type == VALUE_NUMBER)
        return decoder_refuse(decoder, REJECT_TYPE, "%s: a number not below 0 expected, found %.*s",
                              map_target_names[target], (int)(value->text.len < 80 ? value->text.len : 80),
                              value->text.ptr);
    return refuse_type(decoder, REJECT_TYPE, target, "a number", value);
}

static enum reject take_class(struct decoder *decoder, const struct record *record, enum map_target target,
                              struct value *out)
{
    struct value made;
    const struct value *value = target_value(decoder, record, target, &made, NULL);
    copy_value(out, value);
    if (value->type > VALUE_BOOL)
        return refuse_type(decoder, REJECT_TYPE, target, "a number, string or boolean", value);
    if (value->type == VALUE_STRING && value->text.len > decoder->limits.value_bytes)
        return decoder_refuse(decoder, REJECT_TYPE, "%s: a string of %u bytes, the limit is %u",
                              map_target_names[target], value->text.len, decoder->limits.value_bytes);
    return REJECT_NONE;
}

/* A prediction may bring the relevance of what it ranked, in the order of the ranking. */
static enum reject take_label(struct decoder *decoder, const struct record *record, struct event *ev)
{
    struct value made;
    const struct value *value = target_value(decoder, record, TARGET_LABEL, &made, NULL);
    if (ev->kind != EVENT_PREDICTION || value->type != VALUE_VECTOR)
        return take_class(decoder, record, TARGET_LABEL, &ev->label);
    copy_value(&ev->label, value);
    return REJECT_NONE;
}

/* ---- groups ---- */

/* Returns how many members there are with them. What a walk captured stays as it is. */
static uint32_t append_named(struct decoder *decoder, const struct record *record, enum map_group_id id)
{
    const struct map_group *group = &decoder->mapping->groups[id];
    const struct captured_group *captured = &decoder->groups[id];
    uint32_t count = captured->count;
    for (uint32_t i = 0; i < group->named_count; i++) {
        struct value value = field_resolve(decoder, record, &group->named[i].field, NULL, NULL);
        if (value.type == VALUE_ABSENT)
            continue;
        value_bound(decoder, &value);
        captured->items[count++] = (struct field){group->named[i].name, decoder->named_ids[id][i], value};
    }
    return count;
}

static enum reject check_member(struct decoder *decoder, enum map_group_id id, const struct field *field)
{
    const struct value *value = &field->value;
    bool name_like = id == GROUP_SEGMENTS || id == GROUP_GROUPS;
    bool fits = value->type == VALUE_NUMBER || value->type == VALUE_NULL ||
                (name_like && (value->type == VALUE_STRING || value->type == VALUE_BOOL));
    if (!fits)
        return decoder_refuse(decoder, REJECT_TYPE, "%s: %s expected at \"%.*s\", found %s",
                              map_group_names[id], name_like ? "a string, number or boolean" : "a number",
                              (int)(field->name.len < 80 ? field->name.len : 80), field->name.ptr,
                              type_names[value->type]);
    if (value->type == VALUE_STRING && value->text.len > 0 &&
        !mapping_name_is_sound(value->text, decoder->limits.name_bytes))
        return decoder_refuse(decoder, REJECT_NAME,
                              "%s: the value of \"%.*s\" has control characters or is longer than %u bytes",
                              map_group_names[id], (int)(field->name.len < 80 ? field->name.len : 80),
                              field->name.ptr, decoder->limits.name_bytes);
    return REJECT_NONE;
}

static enum reject take_group(struct decoder *decoder, const struct record *record, enum map_group_id id,
                              struct fields *out)
{
    const struct captured_group *captured = &decoder->groups[id];
    if (UNLIKELY(captured->state == GROUP_WRONG))
        return decoder_refuse(decoder, REJECT_TYPE, "%s (%s): an object expected", map_group_names[id],
                              decoder->mapping->groups[id].object);
    uint32_t count = captured->count;
    if (decoder->mapping->groups[id].named_count)
        count = append_named(decoder, record, id);
    if (id != GROUP_FEATURES) {
        for (uint32_t i = 0; i < count; i++) {
            enum reject reject = check_member(decoder, id, &captured->items[i]);
            if (reject != REJECT_NONE)
                return reject;
        }
    }
    *out = (struct fields){captured->items, count};
    return REJECT_NONE;
}

static enum reject take_groups(struct decoder *decoder, const struct record *record, struct event *ev)
{
    struct fields *const places[GROUP_COUNT] = {
        [GROUP_FEATURES] = &ev->features, [GROUP_SCORES] = &ev->scores,
        [GROUP_SEGMENTS] = &ev->segments, [GROUP_GROUPS] = &ev->groups,
        [GROUP_KPIS] = &ev->kpis,         [GROUP_ATTRIBUTIONS] = &ev->attributions,
    };
    for (int id = 0; id < GROUP_COUNT; id++) {
        enum reject reject = take_group(decoder, record, (enum map_group_id)id, places[id]);
        if (reject != REJECT_NONE)
            return reject;
    }
    return REJECT_NONE;
}

/* ---- the event ---- */

static enum reject check_select(struct decoder *decoder)
{
    const struct mapping *mapping = decoder->mapping;
    if (!mapping->select_pointer.ptr)
        return REJECT_NONE;
    const struct value *value = &decoder->slots[mapping->select_slot];
    bool comparable = value->type == VALUE_STRING || value->type == VALUE_NUMBER || value->type == VALUE_BOOL;
    if (comparable && text_equal(value->text, mapping->select_equals))
        return REJECT_NONE;
    return decoder_refuse(decoder, REJECT_NOT_SELECTED, "select: %s is not \"%s\"",
                          mapping->select_pointer.ptr, mapping->select_equals.ptr);
}

/* What an event of its kind cannot be without. */
static enum reject check_complete(struct decoder *decoder, const struct event *ev)
{
    if (ev->kind == EVENT_LABEL && ev->label.type <= VALUE_NULL)
        return refuse_type(decoder, REJECT_TYPE, TARGET_LABEL, "a number, string or boolean", &ev->label);
    if (ev->kind == EVENT_KPI && ev->kpis.count == 0)
        return decoder_refuse(decoder, REJECT_TYPE, "kpis: an event of type kpi has at least one");
    if (ev->kind == EVENT_FEATURES && ev->features.count == 0)
        return decoder_refuse(decoder, REJECT_TYPE, "features: an event of type features has at least one");
    return REJECT_NONE;
}

enum reject event_assemble(struct decoder *decoder, const struct record *record, struct event *ev)
{
    enum reject reject = check_select(decoder);
    if (reject == REJECT_NONE)
        reject = take_kind(decoder, record, ev);
    if (reject == REJECT_NONE)
        reject = take_model(decoder, record, ev);
    if (reject == REJECT_NONE)
        reject = take_version(decoder, record, ev);
    if (reject == REJECT_NONE)
        reject = take_id(decoder, record, ev);
    if (reject == REJECT_NONE)
        reject = take_time(decoder, record, ev);
    if (reject == REJECT_NONE)
        reject = take_number(decoder, record, TARGET_SCORE, false, &ev->score);
    if (reject == REJECT_NONE)
        reject = take_class(decoder, record, TARGET_PREDICTION, &ev->prediction);
    if (reject == REJECT_NONE)
        reject = take_label(decoder, record, ev);
    if (reject == REJECT_NONE)
        reject = take_number(decoder, record, TARGET_LATENCY, true, &ev->latency_ms);
    if (reject == REJECT_NONE)
        reject = take_number(decoder, record, TARGET_WEIGHT, true, &ev->weight);
    if (reject == REJECT_NONE)
        reject = take_groups(decoder, record, ev);
    return reject == REJECT_NONE ? check_complete(decoder, ev) : reject;
}
