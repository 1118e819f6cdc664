#include "agent/config_option.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/text.h"

enum { SUGGESTIONS_MAX = 64 };

void option_error(struct config_reader *reader, struct yaml_node *node, const char *format, ...)
{
    if (!node)
        return;
    char text[DIAGNOSTIC_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    node->is_bad = true;
    diagnostics_error(reader->diagnostics, node->line, node->column, "%s", text);
}

void *option_alloc(struct config_reader *reader, size_t bytes)
{
    void *memory = arena_zalloc(reader->arena, bytes);
    if (!memory)
        reader->diagnostics->out_of_memory = true;
    return memory;
}

char *option_strdup(struct config_reader *reader, const char *text)
{
    char *copy = arena_strdup(reader->arena, text);
    if (!copy)
        reader->diagnostics->out_of_memory = true;
    return copy;
}

const char *option_shown(const struct config_option *option, const struct yaml_node *node)
{
    return option->flags & OPTION_SECRET ? "(hidden)" : node->text;
}

void option_store(const struct config_option *option, void *target, uint64_t value)
{
    switch (option->size) {
    case 1:
        memcpy(target, &(uint8_t){(uint8_t)value}, 1);
        break;
    case 4:
        memcpy(target, &(uint32_t){(uint32_t)value}, 4);
        break;
    case 8:
        memcpy(target, &value, 8);
        break;
    default:
        BUG_ON(true);
    }
}

uint64_t option_fetch(const struct config_option *option, const void *target)
{
    uint8_t narrow = 0;
    uint32_t middle = 0;
    uint64_t wide = 0;
    switch (option->size) {
    case 1:
        memcpy(&narrow, target, 1);
        return narrow;
    case 4:
        memcpy(&middle, target, 4);
        return middle;
    default:
        memcpy(&wide, target, 8);
        return wide;
    }
}

/* ---- ${VAR} ---- */

static bool is_name_byte(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* `at` stands behind "${". Returns what is behind "}", or NULL after a message. */
static const char *expand_one(struct config_reader *reader, struct yaml_node *node, const char *at,
                              struct strbuf *out)
{
    char name[128];
    size_t len = 0;
    while (len < sizeof(name) - 1 && is_name_byte(at[len], len == 0))
        len++;
    memcpy(name, at, len);
    name[len] = '\0';
    at += len;
    const char *otherwise = NULL;
    if (len > 0 && at[0] == ':' && at[1] == '-')
        otherwise = at += 2;
    const char *close = strchr(at, '}');
    if (len == 0 || !close || (!otherwise && close != at)) {
        option_error(reader, node,
                     "a variable is written ${NAME} or ${NAME:-default}; a plain $ before { is $$");
        return NULL;
    }
    const char *value = getenv(name);
    if (value && (*value || !otherwise))
        strbuf_adds(out, value);
    else if (otherwise)
        strbuf_add(out, otherwise, (size_t)(close - otherwise));
    else {
        option_error(reader, node,
                     "the environment variable `%s` is not set; set it, or write ${%s:-default}", name, name);
        return NULL;
    }
    return close + 1;
}

static const char *expand(struct config_reader *reader, struct yaml_node *node)
{
    struct strbuf out;
    strbuf_init(&out, YAML_SCALAR_BYTES_MAX);
    const char *at = node->text;
    while (at && *at) {
        const char *dollar = strchr(at, '$');
        size_t plain = dollar ? (size_t)(dollar - at) : strlen(at);
        strbuf_add(&out, at, plain);
        at += plain;
        if (!dollar)
            break;
        if (at[1] == '$') {
            strbuf_addc(&out, '$');
            at += 2;
        } else if (at[1] == '{') {
            at = expand_one(reader, node, at + 2, &out);
        } else {
            strbuf_addc(&out, '$');
            at++;
        }
    }
    const char *text = NULL;
    if (at && strbuf_failed(&out))
        option_error(reader, node, "longer than 65536 bytes with its variables expanded");
    else if (at)
        text = option_strdup(reader, out.bytes);
    strbuf_release(&out);
    return text;
}

const char *option_text(struct config_reader *reader, const char *what, struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR) {
        option_error(reader, node, "`%s` must be a single value, not %s", what, yaml_kind_name(node));
        return NULL;
    }
    if (node->is_null) {
        option_error(reader, node, "`%s` has no value; leave the line out for its default", what);
        return NULL;
    }
    return strchr(node->text, '$') ? expand(reader, node) : node->text;
}

/* ---- mappings ---- */

const struct config_option *option_find(const struct option_table *table, const char *key)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (strcmp(table->options[i].key, key) == 0)
            return &table->options[i];
    return NULL;
}

void option_unknown(struct config_reader *reader, const struct option_table *table, struct yaml_node *child)
{
    const char *keys[SUGGESTIONS_MAX + 1];
    uint32_t count = 0;
    for (; count < table->count && count < SUGGESTIONS_MAX; count++)
        keys[count] = table->options[count].key;
    keys[count] = NULL;
    const char *guess = text_suggest(child->key, keys);
    child->is_bad = true;
    if (guess)
        diagnostics_error(reader->diagnostics, child->key_line, child->key_column,
                          "unknown key `%.100s`; did you mean `%s`?", child->key, guess);
    else
        diagnostics_error(reader->diagnostics, child->key_line, child->key_column, "unknown key `%.100s`",
                          child->key);
}

void option_table_read(struct config_reader *reader, const struct option_table *table, struct yaml_node *node,
                       void *base)
{
    if (node && node->kind == YAML_MAPPING)
        for (struct yaml_node *child = node->first; child; child = child->next)
            if (!option_find(table, child->key))
                option_unknown(reader, table, child);
    for (uint32_t i = 0; i < table->count; i++) {
        const struct config_option *option = &table->options[i];
        struct yaml_node *child = yaml_get(node, option->key);
        if (!child && node && (option->flags & OPTION_REQUIRED))
            option_error(reader, node, "`%s` is missing. %s", option->key, option->help);
        option->type->read(reader, option, child, (char *)base + option->offset);
    }
    if (table->finish)
        table->finish(reader, node, base);
}

void option_table_dump(const struct option_table *table, const void *base, struct json *json)
{
    json_object_begin(json);
    for (uint32_t i = 0; i < table->count; i++) {
        const struct config_option *option = &table->options[i];
        if (option->flags & OPTION_SECRET)
            continue;
        json_key(json, option->key);
        option->type->dump(option, (const char *)base + option->offset, json);
    }
    json_object_end(json);
}

static void schema_default(const struct config_option *option, struct json *json)
{
    const char *initial = option->initial;
    if (!initial || *initial == '[') /* lists say theirs in their help */
        return;
    bool is_text = *initial == '\0' || initial[strspn(initial, "0123456789.")] != '\0';
    json_key(json, "default");
    if (option->type == &option_bool || !is_text)
        json_raw(json, initial, strlen(initial));
    else
        json_string(json, initial);
}

void option_table_schema(const struct option_table *table, struct json *json)
{
    json_member_string(json, "type", "object");
    json_member_bool(json, "additionalProperties", false);
    json_key(json, "properties");
    json_object_begin(json);
    bool has_required = false;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct config_option *option = &table->options[i];
        has_required = has_required || (option->flags & OPTION_REQUIRED);
        json_key(json, option->key);
        json_object_begin(json);
        json_member_string(json, "description", option->help);
        schema_default(option, json);
        option->type->schema(option, json);
        json_object_end(json);
    }
    json_object_end(json);
    if (!has_required)
        return;
    json_key(json, "required");
    json_array_begin(json);
    for (uint32_t i = 0; i < table->count; i++)
        if (table->options[i].flags & OPTION_REQUIRED)
            json_string(json, table->options[i].key);
    json_array_end(json);
}

/* ---- sections and lists ---- */

static void read_section(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, void *target)
{
    if (node && node->is_null)
        node = NULL; /* every line of it is commented out */
    if (node && node->kind != YAML_MAPPING) {
        option_error(reader, node, "`%s` must be a mapping, not %s", option->key, yaml_kind_name(node));
        node = NULL;
    }
    option_table_read(reader, option->table, node, target);
}

static void dump_section(const struct config_option *option, const void *target, struct json *json)
{
    option_table_dump(option->table, target, json);
}

static void schema_section(const struct config_option *option, struct json *json)
{
    option_table_schema(option->table, json);
}

const struct option_type option_section = {"mapping", read_section, dump_section, schema_section};

/* The list's count stands beside its pointer or array, in the same struct. */
static uint32_t *list_count(const struct config_option *option, void *target)
{
    return (uint32_t *)(void *)((char *)target - option->offset + option->count_offset);
}

static void read_list(struct config_reader *reader, const struct config_option *option,
                      struct yaml_node *node, void *target)
{
    size_t bytes = option->table->struct_bytes;
    uint32_t *count = list_count(option, target);
    *count = 0;
    if (node && node->kind != YAML_SEQUENCE && !node->is_null) {
        option_error(reader, node, "`%s` must be a list, not %s", option->key, yaml_kind_name(node));
        return;
    }
    if (!node || node->count == 0) {
        if (node && (option->flags & OPTION_NONEMPTY))
            option_error(reader, node, "`%s` must not be empty", option->key);
        return;
    }
    if (option->maximum > 0 && node->count > option->maximum) {
        option_error(reader, node, "`%s` has %u entries; the maximum is %.0f", option->key, node->count,
                     option->maximum);
        return;
    }
    char *elements = target;
    if (!(option->flags & OPTION_FIXED)) {
        elements = option_alloc(reader, node->count * bytes);
        if (!elements)
            return;
        memcpy(target, &elements, sizeof(elements));
    }
    for (struct yaml_node *item = node->first; item; item = item->next, ++*count) {
        bool is_mapping = item->kind == YAML_MAPPING;
        if (!is_mapping)
            option_error(reader, item, "an entry of `%s` must be a mapping, not %s", option->key,
                         yaml_kind_name(item));
        option_table_read(reader, option->table, is_mapping ? item : NULL, elements + *count * bytes);
    }
}

static void dump_list(const struct config_option *option, const void *target, struct json *json)
{
    uint32_t count = 0;
    memcpy(&count, (const char *)target - option->offset + option->count_offset, sizeof(count));
    const char *elements = target;
    if (!(option->flags & OPTION_FIXED))
        memcpy(&elements, target, sizeof(elements));
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++)
        option_table_dump(option->table, elements + i * option->table->struct_bytes, json);
    json_array_end(json);
}

static void schema_list(const struct config_option *option, struct json *json)
{
    json_member_string(json, "type", "array");
    if (option->maximum > 0)
        json_member_unsigned(json, "maxItems", (uint64_t)option->maximum);
    json_key(json, "items");
    json_object_begin(json);
    option_table_schema(option->table, json);
    json_object_end(json);
}

const struct option_type option_list = {"list of mappings", read_list, dump_list, schema_list};
