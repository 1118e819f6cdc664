/* What `driftd map test` prints: every field of one event, its value and where it was found. */
#include <stdio.h>

#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "collectors/decode_internal.h"

/* Text as a JSON string: whatever is in it, it stays on its line. */
static void add_quoted(struct strbuf *out, struct text text)
{
    enum { SHOWN_MAX = 200 };
    struct json json;
    struct text shown = {text.ptr, text.len < SHOWN_MAX ? text.len : SHOWN_MAX};
    json_init(&json, out);
    json_text(&json, shown);
    if (shown.len < text.len)
        strbuf_addf(out, "… (%u bytes)", text.len);
}

static void add_value(struct strbuf *out, const struct value *value)
{
    enum { NUMBERS_SHOWN = 4 };
    char number[32];
    switch (value->type) {
    case VALUE_ABSENT:
        strbuf_adds(out, "absent");
        break;
    case VALUE_NULL:
        strbuf_adds(out, "null");
        break;
    case VALUE_NUMBER:
        strbuf_adds(out, double_format(value->number, number));
        break;
    case VALUE_BOOL:
        strbuf_add(out, value->text.ptr, value->text.len);
        break;
    case VALUE_STRING:
        add_quoted(out, value->text);
        break;
    case VALUE_VECTOR:
        strbuf_addc(out, '[');
        for (uint32_t i = 0; i < value->count && i < NUMBERS_SHOWN; i++)
            strbuf_addf(out, "%s%s", i ? ", " : "", double_format(value->vector[i], number));
        strbuf_addf(out, "%s] (%u numbers)", value->count > NUMBERS_SHOWN ? ", …" : "", value->count);
        break;
    case VALUE_OTHER:
        strbuf_adds(out, "invalid: an object, a mixed array or an overlong string");
        break;
    }
}

static void add_accessor(struct strbuf *out, const struct map_accessor *accessor)
{
    static const char *const prefixes[] = {
        [ACCESS_POINTER] = "",   [ACCESS_HEADER] = "header:",  [ACCESS_KEY] = "key:",
        [ACCESS_META] = "meta:", [ACCESS_CONST] = "constant ",
    };
    strbuf_adds(out, prefixes[accessor->type]);
    strbuf_add(out, accessor->argument.ptr, accessor->argument.len);
}

/* "  from /a" or, when nothing was found, "  tried /a, header:b". */
static void add_origin(struct decoder *decoder, const struct record *record, const struct map_field *field,
                       struct strbuf *out)
{
    const struct map_accessor *from;
    struct value value = field_resolve(decoder, record, field, &from, NULL);
    if (from) {
        strbuf_adds(out, "  from ");
        add_accessor(out, from);
        if (value.type == VALUE_NULL && field->count > 1)
            strbuf_adds(out, " (all others absent or null)");
    } else {
        for (uint32_t i = 0; i < field->count; i++) {
            strbuf_adds(out, i ? ", " : "  tried ");
            add_accessor(out, &field->accessors[i]);
        }
    }
    strbuf_addc(out, '\n');
}

static void explain_target(struct decoder *decoder, const struct record *record, enum map_target target,
                           const struct value *value, struct strbuf *out)
{
    strbuf_addf(out, "  %-14s", map_target_names[target]);
    add_value(out, value);
    add_origin(decoder, record, &decoder->mapping->fields[target], out);
}

static void explain_text(struct decoder *decoder, const struct record *record, enum map_target target,
                         struct text text, struct strbuf *out)
{
    strbuf_addf(out, "  %-14s", map_target_names[target]);
    if (text.ptr)
        add_quoted(out, text);
    else
        strbuf_adds(out, "absent");
    add_origin(decoder, record, &decoder->mapping->fields[target], out);
}

static void explain_time(struct decoder *decoder, const struct record *record, const struct event *ev,
                         struct strbuf *out)
{
    char text[32];
    struct value value = field_resolve(decoder, record, &decoder->mapping->fields[TARGET_TIME], NULL, NULL);
    strbuf_addf(out, "  %-14s%s", map_target_names[TARGET_TIME], timestamp_format(ev->ts_ms, text));
    if (value.type <= VALUE_NULL)
        strbuf_adds(out, "  from the record's own timestamp\n");
    else
        add_origin(decoder, record, &decoder->mapping->fields[TARGET_TIME], out);
}

static const struct map_named *find_named(const struct map_group *group, struct text name)
{
    for (uint32_t i = 0; i < group->named_count; i++)
        if (text_equal(group->named[i].name, name))
            return &group->named[i];
    return NULL;
}

static void explain_group(struct decoder *decoder, const struct record *record, enum map_group_id id,
                          const struct fields *fields, struct strbuf *out)
{
    const struct map_group *group = &decoder->mapping->groups[id];
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        const struct map_named *named = find_named(group, field->name);
        strbuf_addf(out, "  %-14s%.*s = ", map_group_names[id], (int)field->name.len, field->name.ptr);
        add_value(out, &field->value);
        if (named)
            add_origin(decoder, record, &named->field, out);
        else if (decoder->mapping->format == INPUT_CSV)
            strbuf_adds(out, "  from its column\n");
        else
            strbuf_addf(out, "  from %s\n", *group->object ? group->object : "the root");
    }
    for (uint32_t i = 0; i < group->named_count; i++) {
        if (field_resolve(decoder, record, &group->named[i].field, NULL, NULL).type == VALUE_ABSENT) {
            strbuf_addf(out, "  %-14s%.*s absent", map_group_names[id], (int)group->named[i].name.len,
                        group->named[i].name.ptr);
            add_origin(decoder, record, &group->named[i].field, out);
        }
    }
}

static void explain_event(struct decoder *decoder, const struct record *record, const struct event *ev,
                          struct strbuf *out)
{
    const struct fields *const groups[GROUP_COUNT] = {
        [GROUP_FEATURES] = &ev->features, [GROUP_SCORES] = &ev->scores,
        [GROUP_SEGMENTS] = &ev->segments, [GROUP_GROUPS] = &ev->groups,
        [GROUP_KPIS] = &ev->kpis,         [GROUP_ATTRIBUTIONS] = &ev->attributions,
    };
    strbuf_addf(out, "  %-14s%s", map_target_names[TARGET_TYPE], event_kind_name(ev->kind));
    if (decoder->mapping->has_kind)
        strbuf_adds(out, "  from the input's `kind`\n");
    else
        add_origin(decoder, record, &decoder->mapping->fields[TARGET_TYPE], out);
    explain_text(decoder, record, TARGET_MODEL, ev->model, out);
    explain_text(decoder, record, TARGET_VERSION, ev->version, out);
    explain_text(decoder, record, TARGET_ID, ev->id, out);
    explain_time(decoder, record, ev, out);
    explain_target(decoder, record, TARGET_SCORE, &ev->score, out);
    explain_target(decoder, record, TARGET_PREDICTION, &ev->prediction, out);
    explain_target(decoder, record, TARGET_LABEL, &ev->label, out);
    explain_target(decoder, record, TARGET_LATENCY, &ev->latency_ms, out);
    explain_target(decoder, record, TARGET_WEIGHT, &ev->weight, out);
    for (int id = 0; id < GROUP_COUNT; id++)
        explain_group(decoder, record, (enum map_group_id)id, groups[id], out);
}

void decoder_explain(struct decoder *decoder, const struct record *record, struct strbuf *out)
{
    struct event ev;
    enum reject reject = decoder_decode(decoder, record, &ev);
    if (reject == REJECT_NONE)
        explain_event(decoder, record, &ev, out);
    else
        strbuf_addf(out, "  rejected (%s): %s\n", reject_name(reject), decoder_detail(decoder));
}
