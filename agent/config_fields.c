/* Accessors: how the configuration says where each field of an event is (collectors/mapping.h). */
#include <string.h>

#include "agent/base/text.h"
#include "agent/config_internal.h"

static const char ACCESSOR_FORMS[] =
    "/json/pointer, header:NAME, key:, meta:timestamp, meta:topic, meta:partition, meta:offset or {const: X}";

const struct choice time_unit_choices[] = {
    {"auto", TIME_AUTO}, {"rfc3339", TIME_RFC3339}, {"s", TIME_S}, {"ms", TIME_MS},
    {"us", TIME_US},     {"ns", TIME_NS},           {NULL, 0}};

static bool pointer_is_valid(const char *text)
{
    if (*text != '\0' && *text != '/')
        return false;
    for (; *text; text++)
        if (*text == '~' && text[1] != '0' && text[1] != '1')
            return false;
    return true;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool parse_accessor(const char *text, enum accessor_type *out_type, const char **out_argument)
{
    static const char *const metas[] = {"timestamp", "topic", "partition", "offset", NULL};
    *out_argument = text;
    *out_type = ACCESS_POINTER;
    if (*text == '/')
        return pointer_is_valid(text);
    if (strcmp(text, "key:") == 0) {
        *out_type = ACCESS_KEY;
        *out_argument = "";
        return true;
    }
    if (starts(text, "header:")) {
        *out_type = ACCESS_HEADER;
        *out_argument = text + strlen("header:");
        return **out_argument != '\0';
    }
    if (!starts(text, "meta:"))
        return false;
    *out_type = ACCESS_META;
    *out_argument = text + strlen("meta:");
    for (const char *const *meta = metas; *meta; meta++)
        if (strcmp(*meta, *out_argument) == 0)
            return true;
    return false;
}

static void add_accessor(struct config_reader *reader, const char *what, struct yaml_node *node,
                         struct field_spec *field)
{
    enum accessor_type type = ACCESS_CONST;
    const char *argument = NULL;
    struct yaml_node *constant = yaml_get(node, "const");
    if (node->kind == YAML_MAPPING && constant && node->count == 1) {
        argument = option_text(reader, what, constant);
    } else if (node->kind == YAML_SCALAR) {
        const char *text = option_text(reader, what, node);
        if (text && !parse_accessor(text, &type, &argument))
            option_error(reader, node, "`%s`: `%.60s` does not say where to look; use %s", what, node->text,
                         ACCESSOR_FORMS);
    } else {
        option_error(reader, node, "`%s` does not say where to look; use %s", what, ACCESSOR_FORMS);
    }
    if (node->is_bad || !argument)
        return;
    char *copy = option_strdup(reader, argument);
    if (copy)
        field->accessors[field->count++] = (struct accessor_spec){type, copy};
}

static void read_field(struct config_reader *reader, const char *what, struct yaml_node *node,
                       struct field_spec *field)
{
    *field = (struct field_spec){.count = 0};
    if (node->kind != YAML_SEQUENCE) {
        add_accessor(reader, what, node, field);
        return;
    }
    if (node->count == 0 || node->count > ACCESSOR_MAX) {
        option_error(reader, node, "`%s` needs 1 to %d places to look, tried in their order", what,
                     ACCESSOR_MAX);
        return;
    }
    for (struct yaml_node *item = node->first; item; item = item->next)
        add_accessor(reader, what, item, field);
}

static void dump_field(const struct field_spec *field, struct json *json)
{
    static const char *const types[] = {"pointer", "header", "key", "meta", "const"};
    json_array_begin(json);
    for (uint32_t i = 0; i < field->count; i++) {
        json_object_begin(json);
        json_member_string(json, types[field->accessors[i].type], field->accessors[i].argument);
        json_object_end(json);
    }
    json_array_end(json);
}

static void schema_ref(struct json *json, const char *reference)
{
    json_member_string(json, "$ref", reference);
}

/* ---- one field ---- */

static void read_accessor(struct config_reader *reader, const struct config_option *option,
                          struct yaml_node *node, void *target)
{
    struct field_spec *field = target;
    *field = (struct field_spec){.count = 0};
    if (node)
        read_field(reader, option->key, node, field);
}

static void dump_accessor(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    dump_field(target, json);
}

static void schema_accessor(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_ref(json, "#/$defs/field");
}

const struct option_type option_accessor = {"place or list of places", read_accessor, dump_accessor,
                                            schema_accessor};

/* ---- the time: a place, and what its number means ---- */

static const struct config_option unit_option = {
    .key = "unit", .type = &option_choice, .size = sizeof(enum time_unit), .choices = time_unit_choices};

static void read_event_time(struct config_reader *reader, const struct config_option *option,
                            struct yaml_node *node, void *target)
{
    struct mapping_spec *mapping = target;
    mapping->time = (struct field_spec){.count = 0};
    struct yaml_node *from = yaml_get(node, "from");
    if (!node)
        return;
    if (!from) {
        read_field(reader, option->key, node, &mapping->time);
        return;
    }
    read_field(reader, option->key, from, &mapping->time);
    struct yaml_node *unit = yaml_get(node, "unit");
    if (unit && mapping->time_unit != TIME_AUTO)
        option_error(reader, unit, "the unit of the time is given twice, here and as `time_unit`");
    else if (unit)
        unit_option.type->read(reader, &unit_option, unit, &mapping->time_unit);
    for (struct yaml_node *child = node->first; child; child = child->next)
        if (child != from && child != unit)
            option_error(reader, child, "unknown key `%.60s`; a time is {from: PLACE, unit: UNIT}",
                         child->key);
}

static void dump_event_time(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const struct mapping_spec *mapping = target;
    json_object_begin(json);
    json_key(json, "from");
    dump_field(&mapping->time, json);
    json_key(json, "unit");
    unit_option.type->dump(&unit_option, &mapping->time_unit, json);
    json_object_end(json);
}

static void schema_event_time(const struct config_option *option, struct json *json)
{
    (void)option;
    json_key(json, "anyOf");
    json_array_begin(json);
    json_object_begin(json);
    schema_ref(json, "#/$defs/field");
    json_object_end(json);
    json_object_begin(json);
    json_member_string(json, "type", "object");
    json_member_bool(json, "additionalProperties", false);
    json_key(json, "properties");
    json_object_begin(json);
    json_key(json, "from");
    json_object_begin(json);
    schema_ref(json, "#/$defs/field");
    json_object_end(json);
    json_key(json, "unit");
    json_object_begin(json);
    option_choice.schema(&unit_option, json);
    json_object_end(json);
    json_object_end(json);
    json_object_end(json);
    json_array_end(json);
}

const struct option_type option_event_time = {"place, or {from: place, unit: unit}", read_event_time,
                                              dump_event_time, schema_event_time};

/* ---- pointers ---- */

static void read_pointer(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, void *target)
{
    option_string.read(reader, option, node, target);
    const char *text = NULL;
    memcpy(&text, target, sizeof(text));
    if (node && text && !node->is_bad && !pointer_is_valid(text))
        option_error(reader, node, "`%s`: `%.60s` is not a JSON Pointer such as /a/b (RFC 6901)", option->key,
                     node->text);
}

static void dump_pointer(const struct config_option *option, const void *target, struct json *json)
{
    option_string.dump(option, target, json);
}

static void schema_pointer(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_string(json, "type", "string");
    json_member_string(json, "pattern", "^(/.*)?$");
}

const struct option_type option_pointer = {"JSON Pointer", read_pointer, dump_pointer, schema_pointer};

/* ---- groups of named values ---- */

static void add_name(struct config_reader *reader, const struct config_option *option,
                     struct yaml_node *child, struct group_spec *group)
{
    if (group->named_count == NAMED_ACCESSOR_MAX) {
        option_error(reader, child, "`%s` has more than %d named places", option->key, NAMED_ACCESSOR_MAX);
        return;
    }
    for (uint32_t i = 0; i < group->named_count; i++)
        if (strcmp(group->names[i], child->key) == 0) {
            option_error(reader, child, "`%.60s` is given twice in `%s`", child->key, option->key);
            return;
        }
    uint32_t at = group->named_count;
    read_field(reader, child->key, child, &group->accessors[at]);
    group->names[at] = option_strdup(reader, child->key);
    if (group->names[at])
        group->named_count++;
}

static void read_named(struct config_reader *reader, const struct config_option *option,
                       struct yaml_node *node, void *target)
{
    if (!node)
        return;
    if (node->kind != YAML_MAPPING) {
        option_error(reader, node, "`%s` must be a mapping of names to places", option->key);
        return;
    }
    for (struct yaml_node *child = node->first; child; child = child->next)
        add_name(reader, option, child, target);
}

static void dump_named(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const struct group_spec *group = target;
    json_object_begin(json);
    for (uint32_t i = 0; i < group->named_count; i++) {
        json_key(json, group->names[i]);
        dump_field(&group->accessors[i], json);
    }
    json_object_end(json);
}

static void schema_named(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_string(json, "type", "object");
    json_key(json, "additionalProperties");
    json_object_begin(json);
    schema_ref(json, "#/$defs/field");
    json_object_end(json);
}

const struct option_type option_named = {"mapping of names to places", read_named, dump_named, schema_named};

static bool looks_like_a_place(const struct yaml_node *node)
{
    enum accessor_type type;
    const char *argument;
    if (node->kind == YAML_SEQUENCE)
        return node->first && node->first->kind != YAML_SEQUENCE && looks_like_a_place(node->first);
    return node->kind == YAML_MAPPING ? yaml_get(node, "const") != NULL
                                      : parse_accessor(node->text, &type, &argument);
}

/* What is not a reserved key is a name, unless it is more likely a slip: `exlude: [raw_*]`. */
static void read_other_key(struct config_reader *reader, const struct config_option *option,
                           struct yaml_node *child, struct group_spec *group)
{
    const char *keys[] = {"object", "include", "exclude", "named", NULL};
    if (!looks_like_a_place(child) && text_suggest(child->key, keys))
        option_unknown(reader, option->table, child);
    else
        add_name(reader, option, child, group);
}

static void read_group(struct config_reader *reader, const struct config_option *option,
                       struct yaml_node *node, void *target)
{
    struct group_spec *group = target;
    memset(group, 0, sizeof(*group));
    if (!node)
        return;
    group->set = true;
    if (node->kind == YAML_SCALAR && !node->is_null) {
        option_pointer.read(reader, option, node, &group->object);
        return;
    }
    if (node->kind != YAML_MAPPING) {
        option_error(reader, node, "`%s` must be a JSON Pointer or a mapping, not %s", option->key,
                     yaml_kind_name(node));
        return;
    }
    for (uint32_t i = 0; i < option->table->count; i++) {
        const struct config_option *inner = &option->table->options[i];
        inner->type->read(reader, inner, yaml_get(node, inner->key), (char *)target + inner->offset);
    }
    for (struct yaml_node *child = node->first; child; child = child->next)
        if (!option_find(option->table, child->key))
            read_other_key(reader, option, child, group);
}

static void dump_group(const struct config_option *option, const void *target, struct json *json)
{
    const struct group_spec *group = target;
    if (group->set)
        option_table_dump(option->table, group, json);
    else
        json_null(json);
}

static void schema_group(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_ref(json, "#/$defs/group");
}

const struct option_type option_group = {"JSON Pointer, or mapping", read_group, dump_group, schema_group};

/* ---- the kind of event ---- */

enum { KIND_NOT_SAID = EVENT_KIND_COUNT };

static const struct choice kind_choices[] = {{"prediction", EVENT_PREDICTION},
                                             {"label", EVENT_LABEL},
                                             {"features", EVENT_FEATURES},
                                             {"kpi", EVENT_KPI},
                                             {NULL, 0}};
static const struct config_option kind_option = {
    .key = "kind", .type = &option_choice, .size = sizeof(uint32_t), .choices = kind_choices};

static void read_kind(struct config_reader *reader, const struct config_option *option,
                      struct yaml_node *node, void *target)
{
    (void)option;
    struct mapping_spec *mapping = target;
    uint32_t kind = KIND_NOT_SAID;
    option_choice.read(reader, &kind_option, node, &kind);
    mapping->has_kind = kind != KIND_NOT_SAID;
    mapping->kind = mapping->has_kind ? (enum event_kind)kind : EVENT_PREDICTION;
}

static void dump_kind(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const struct mapping_spec *mapping = target;
    json_string(json, mapping->has_kind ? kind_choices[mapping->kind].name : NULL);
}

static void schema_kind(const struct config_option *option, struct json *json)
{
    (void)option;
    option_choice.schema(&kind_option, json);
}

const struct option_type option_kind = {"choice", read_kind, dump_kind, schema_kind};

/* ---- one character ---- */

static void read_character(struct config_reader *reader, const struct config_option *option,
                           struct yaml_node *node, void *target)
{
    const char *text = node ? option_text(reader, option->key, node) : NULL;
    char value = option->initial ? *option->initial : '\0';
    bool is_one = text && text[0] != '\0' && text[1] == '\0' && (unsigned char)*text < 0x80;
    if (text && (!is_one || *text == '"' || *text == '\n' || *text == '\r'))
        option_error(reader, node, "`%s` must be one ASCII character other than a quote or a line end",
                     option->key);
    else if (text)
        value = *text;
    memcpy(target, &value, 1);
}

static void dump_character(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    json_text(json, (struct text){target, 1});
}

static void schema_character(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_string(json, "type", "string");
}

const struct option_type option_character = {"character", read_character, dump_character, schema_character};
