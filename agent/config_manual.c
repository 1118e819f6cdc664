#include "agent/config_manual.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/timestamp.h"
#include "agent/config_internal.h"

enum { PATH_MAX_BYTES = 256 };

/* ---- JSON Schema ---- */

static void definition(struct json *json, const char *name, const char *type, const char *pattern,
                       const char *description)
{
    json_key(json, name);
    json_object_begin(json);
    json_member_string(json, "description", description);
    json_member_string(json, "type", type);
    if (pattern)
        json_member_string(json, "pattern", pattern);
    json_object_end(json);
}

static void reference_to(struct json *json, const char *target)
{
    json_object_begin(json);
    json_member_string(json, "$ref", target);
    json_object_end(json);
}

/* Members that say which type; the object stays open for more. */
static void begin_type(struct json *json, const char *type)
{
    json_object_begin(json);
    json_member_string(json, "type", type);
}

static void text_like(struct json *json, const char *pattern)
{
    begin_type(json, "string");
    json_member_string(json, "pattern", pattern);
    json_object_end(json);
}

/* A definition that is one of several. */
static void begin_any_of(struct json *json, const char *name)
{
    json_key(json, name);
    json_object_begin(json);
    json_key(json, "anyOf");
    json_array_begin(json);
}

static void end_any_of(struct json *json)
{
    json_array_end(json);
    json_object_end(json);
}

/* A value of this JSON type, or a text with a variable in it. */
static void definition_or_variable(struct json *json, const char *name, const char *type)
{
    begin_any_of(json, name);
    begin_type(json, type);
    json_object_end(json);
    reference_to(json, "#/$defs/variable");
    end_any_of(json);
}

static void define_field(struct json *json)
{
    begin_any_of(json, "place");
    text_like(json, "^(/|header:.|key:$|meta:(timestamp|topic|partition|offset)$)|\\$\\{");
    begin_type(json, "object");
    json_member_bool(json, "additionalProperties", false);
    json_key(json, "required");
    json_array_begin(json);
    json_string(json, "const");
    json_array_end(json);
    json_key(json, "properties");
    json_object_begin(json);
    json_key(json, "const");
    reference_to(json, "#/$defs/text");
    json_object_end(json);
    json_object_end(json);
    end_any_of(json);

    begin_any_of(json, "field");
    reference_to(json, "#/$defs/place");
    begin_type(json, "array");
    json_member_integer(json, "minItems", 1);
    json_member_integer(json, "maxItems", ACCESSOR_MAX);
    json_key(json, "items");
    reference_to(json, "#/$defs/place");
    json_object_end(json);
    end_any_of(json);
}

/* A pointer, or a mapping of reserved keys and of names to places. */
static void define_group(struct json *json)
{
    const struct option_table *fields = option_find(&config_input_table, "fields")->table;
    const struct option_table *group = option_find(fields, "features")->table;
    begin_any_of(json, "group");
    text_like(json, "^(/.*)?$");
    begin_type(json, "object");
    json_key(json, "additionalProperties");
    reference_to(json, "#/$defs/field");
    json_key(json, "properties");
    json_object_begin(json);
    for (uint32_t i = 0; i < group->count; i++) {
        json_key(json, group->options[i].key);
        json_object_begin(json);
        json_member_string(json, "description", group->options[i].help);
        group->options[i].type->schema(&group->options[i], json);
        json_object_end(json);
    }
    json_object_end(json);
    json_object_end(json);
    end_any_of(json);
}

static void define_all(struct json *json)
{
    json_key(json, "$defs");
    json_object_begin(json);
    definition(json, "variable", "string", "\\$\\{", "A text with an environment variable in it.");
    definition(json, "duration", "string", "^(0|([0-9]+(ms|s|m|h|d|w))+)$|\\$\\{",
               "A length of time: 250ms, 30s, 5m, 24h, 7d, 2w, or a sum such as 1h30m.");
    definition(json, "size", "string", "^[0-9]+(B|KiB|MiB|GiB|TiB)$|\\$\\{",
               "A size: 512B, 64KiB, 16MiB, 1GiB.");
    definition(json, "time", "string", "^[0-9]{4}-[0-9]{2}-[0-9]{2}|\\$\\{", "RFC 3339.");
    json_key(json, "text");
    json_object_begin(json);
    json_key(json, "type");
    json_array_begin(json);
    json_string(json, "string");
    json_string(json, "number");
    json_string(json, "boolean");
    json_array_end(json);
    json_object_end(json);
    definition_or_variable(json, "boolean", "boolean");
    definition_or_variable(json, "number", "number");
    define_field(json);
    define_group(json);
    json_object_end(json);
}

void config_schema(struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json.pretty = true;
    json_object_begin(&json);
    json_member_string(&json, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_member_string(&json, "title", "driftd configuration");
    option_table_schema(&config_table, &json);
    define_all(&json);
    json_object_end(&json);
    strbuf_addc(out, '\n');
}

/* ---- the manual ---- */

static void add_cell(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *text);
    }
}

static void extend(char *out, const char *path, const struct config_option *option)
{
    (void)snprintf(out, PATH_MAX_BYTES, "%s%s%s%s", path, *path ? "." : "", option->key,
                   option->type == &option_list ? "[]" : "");
}

/* "1", "10m", "64KiB": a bound as the option itself would be written. */
static void add_bound(struct strbuf *out, const struct config_option *option, double bound)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char text[48];
    if (option->type == &option_duration || option->type == &option_duration_or_never) {
        strbuf_adds(out, duration_format((int64_t)bound, text));
    } else if (option->type == &option_size) {
        uint64_t bytes = (uint64_t)bound;
        size_t unit = 0;
        for (; bytes && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(units); unit++)
            bytes /= 1024;
        strbuf_addf(out, "%" PRIu64 "%s", bytes, units[unit]);
    } else if (option->type == &option_integer || option->type == &option_workers) {
        strbuf_addf(out, "%.0f", bound);
    } else {
        strbuf_addf(out, "%g", bound);
    }
}

static void add_range(struct strbuf *out, const struct config_option *option)
{
    const struct option_type *type = option->type;
    bool has_range = type == &option_duration || type == &option_duration_or_never || type == &option_size ||
                     type == &option_integer || type == &option_workers || type == &option_number ||
                     type == &option_number_or_none;
    if (!has_range || option->maximum <= 0)
        return;
    strbuf_adds(out, ", ");
    add_bound(out, option, option->minimum);
    strbuf_adds(out, " to ");
    add_bound(out, option, option->maximum);
}

static void add_row(struct strbuf *out, const char *path, const struct config_option *option)
{
    char full[PATH_MAX_BYTES];
    extend(full, path, option);
    strbuf_addf(out, "| `%s` | ", full);
    add_cell(out, option->type->label);
    add_range(out, option);
    if (option->type == &option_choice)
        for (const struct choice *choice = option->choices; choice->name; choice++)
            strbuf_addf(out, "%s`%s`", choice == option->choices ? ": " : ", ", choice->name);
    if (option->flags & OPTION_REQUIRED)
        strbuf_adds(out, " | **required** | ");
    else if (option->initial)
        strbuf_addf(out, " | `%s` | ", *option->initial ? option->initial : "\"\"");
    else
        strbuf_adds(out, " | | ");
    add_cell(out, option->help);
    strbuf_adds(out, " |\n");
}

/* The groups of `fields` share one table: it is shown once, for the first of them. */
static bool is_shown(const struct option_table *table, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (table->options[i].table == table->options[index].table)
            return false;
    return table->options[index].table != NULL;
}

static void add_table(struct strbuf *out, const char *path, const struct option_table *table)
{
    if (*path)
        strbuf_addf(out, "\n### `%s`\n\n%s\n\n", path, table->title);
    strbuf_adds(out, "| option | type | default | meaning |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < table->count; i++)
        add_row(out, path, &table->options[i]);
    for (uint32_t i = 0; i < table->count; i++) {
        char inner[PATH_MAX_BYTES];
        if (!is_shown(table, i))
            continue;
        extend(inner, path, &table->options[i]);
        add_table(out, inner, table->options[i].table);
    }
}

void config_reference_manual(struct strbuf *out)
{
    add_table(out, "", &config_table);
}

static void each(const struct option_table *table, const char *path, config_option_fn *fn, void *context)
{
    for (uint32_t i = 0; i < table->count; i++) {
        char inner[PATH_MAX_BYTES];
        extend(inner, path, &table->options[i]);
        fn(context, inner, table->options[i].key, table->options[i].initial);
        if (is_shown(table, i))
            each(table->options[i].table, inner, fn, context);
    }
}

void config_each_option(config_option_fn *fn, void *context)
{
    each(&config_table, "", fn, context);
}
