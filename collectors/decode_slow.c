/*
 * The slow path: a validating pass that finds every fault, then cJSON's tree. cJSON alone accepts leading
 * zeros, raw control characters, invalid UTF-8 and duplicate keys, and makes infinities of large numbers;
 * none of that gets past the first pass. It also forgets how a number was spelled: the pass keeps the
 * literals in document order, and the walk over the tree deals them out again.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "collectors/decode_shape.h"
#include "collectors/decode_validate.h"

struct slow_path {
    struct validator validator;
    cJSON *tree; /* of the event at hand: its strings are the event's */
    uint32_t next_number;
    /* what the walk did not like */
    enum reject reject;
};

struct slow_path *slow_path_new(const struct decoder *decoder)
{
    struct slow_path *slow = calloc(1, sizeof(*slow));
    if (!slow || validator_init(&slow->validator, &decoder->limits, decoder->scanner->seed) != 0) {
        free(slow);
        return NULL;
    }
    return slow;
}

void slow_path_reset(struct slow_path *slow)
{
    if (slow->tree) {
        cJSON_Delete(slow->tree);
        slow->tree = NULL;
    }
    slow->next_number = 0;
    slow->reject = REJECT_NONE;
}

void slow_path_free(struct slow_path *slow)
{
    if (!slow)
        return;
    slow_path_reset(slow);
    validator_release(&slow->validator);
    free(slow);
}

static bool walk_value(struct decoder *decoder, const cJSON *item, uint32_t node, struct value *out);

static void place_value(struct decoder *decoder, uint32_t node, const struct value *value)
{
    if (node != MAP_NONE && decoder->mapping->nodes[node].slot != MAP_NONE)
        decoder->slots[decoder->mapping->nodes[node].slot] = *value;
}

static bool keep_member(struct decoder *decoder, unsigned groups, struct text name, const struct value *value)
{
    if (!mapping_name_is_sound(name, decoder->limits.name_bytes)) {
        decoder->slow->reject =
            decoder_refuse(decoder, REJECT_NAME,
                           "%s: a name that is empty, has control characters or is longer than %u bytes",
                           map_group_names[__builtin_ctz(groups)], decoder->limits.name_bytes);
        return false;
    }
    uint32_t id = intern_add(decoder->names, name);
    if (id == INTERN_NONE) {
        decoder->slow->reject =
            decoder_refuse(decoder, REJECT_TOO_MANY_FIELDS, "%s: more than %u distinct names since the start",
                           map_group_names[__builtin_ctz(groups)], decoder->limits.names);
        return false;
    }
    for (; groups; groups &= groups - 1) {
        unsigned which = (unsigned)__builtin_ctz(groups);
        struct captured_group *group = &decoder->groups[which];
        if (group->count >= decoder->limits.features) {
            decoder->slow->reject =
                decoder_refuse(decoder, REJECT_TOO_MANY_FIELDS, "%s: more than %u in one event",
                               map_group_names[which], decoder->limits.features);
            return false;
        }
        group->items[group->count] = (struct field){intern_text(decoder->names, id), id, *value};
        value_bound(decoder, &group->items[group->count++].value);
    }
    return true;
}

static void note_groups(struct decoder *decoder, uint32_t node, const cJSON *item)
{
    unsigned groups = node == MAP_NONE ? 0 : decoder->mapping->nodes[node].groups;
    for (; groups; groups &= groups - 1)
        decoder->groups[__builtin_ctz(groups)].state = cJSON_IsObject(item) ? GROUP_PRESENT
                                                       : cJSON_IsNull(item) ? GROUP_NULL
                                                                            : GROUP_WRONG;
}

static bool walk_object(struct decoder *decoder, const cJSON *object, uint32_t node)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        struct text name = text_of(item->string);
        uint32_t place = MAP_NONE;
        unsigned groups = 0;
        struct value value;
        if (node != MAP_NONE) {
            place = mapping_child(decoder->mapping, node, name);
            groups = mapping_member_groups(decoder->mapping, node, name);
        }
        note_groups(decoder, place, item);
        if (!walk_value(decoder, item, place, &value))
            return false;
        place_value(decoder, place, &value);
        if (groups && !keep_member(decoder, groups, name, &value))
            return false;
    }
    return true;
}

static bool walk_array(struct decoder *decoder, const cJSON *array, uint32_t node, struct value *out)
{
    uint32_t first = decoder->vector_count, index = 0;
    bool numbers = true;
    for (const cJSON *item = array->child; item; item = item->next, index++) {
        uint32_t place = MAP_NONE;
        struct value value;
        if (node != MAP_NONE && decoder->mapping->nodes[node].children != MAP_NONE) {
            char name[16];
            (void)snprintf(name, sizeof(name), "%u", index);
            place = mapping_child(decoder->mapping, node, text_of(name));
        }
        note_groups(decoder, place, item);
        if (!walk_value(decoder, item, place, &value))
            return false;
        place_value(decoder, place, &value);
        if (value.type == VALUE_NUMBER)
            decoder->vectors[decoder->vector_count++] = value.number;
        else
            numbers = false;
    }
    *out = (struct value){.type = numbers ? VALUE_VECTOR : VALUE_OTHER};
    if (numbers) {
        out->vector = decoder->vectors + first;
        out->count = index;
    }
    return true;
}

static bool walk_value(struct decoder *decoder, const cJSON *item, uint32_t node, struct value *out)
{
    struct slow_path *slow = decoder->slow;
    *out = (struct value){.type = VALUE_NULL};
    if (cJSON_IsNumber(item)) {
        BUG_ON(slow->next_number >= slow->validator.number_count);
        out->type = VALUE_NUMBER;
        out->number = item->valuedouble;
        out->text = slow->validator.numbers[slow->next_number++];
    } else if (cJSON_IsString(item)) {
        out->type = VALUE_STRING;
        out->text = text_of(item->valuestring);
    } else if (cJSON_IsBool(item)) {
        bool is_true = cJSON_IsTrue(item);
        *out = (struct value){
            .type = VALUE_BOOL, .number = is_true, .text = text_of(is_true ? "true" : "false")};
    } else if (cJSON_IsArray(item)) {
        return walk_array(decoder, item, node, out);
    } else if (cJSON_IsObject(item)) {
        out->type = VALUE_OTHER;
        return walk_object(decoder, item, node);
    }
    return true;
}

enum reject slow_path_run(struct decoder *decoder, const char *at, uint32_t len)
{
    struct slow_path *slow = decoder->slow;
    const struct validator *validator = &slow->validator;
    enum reject reject = validator_run(&slow->validator, at, len);
    if (reject != REJECT_NONE)
        return decoder_refuse(decoder, reject, "byte %u: %s", (unsigned)(validator->where - at),
                              validator->what);
    decoder->fallbacks++;
    slow->tree = cJSON_ParseWithLength(at, len);
    if (!slow->tree)
        return decoder_refuse(decoder, REJECT_MEMORY, "out of memory for an event of %u bytes", len);
    struct value root;
    note_groups(decoder, 0, slow->tree);
    (void)walk_value(decoder, slow->tree, 0, &root);
    return slow->reject;
}
