/* The types of single values. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/base/text.h"
#include "agent/base/timestamp.h"
#include "agent/config_option.h"
#include "collectors/mapping.h"

enum { CHOICES_MAX = 16, STRINGS_MAX = 256 };

/* What a text in the file may also be, wherever a value stands. */
static void schema_reference(struct json *json, const char *definition)
{
    char reference[64];
    (void)snprintf(reference, sizeof(reference), "#/$defs/%s", definition);
    json_member_string(json, "$ref", reference);
}

/* The expanded text of the node, else of the default; NULL when neither is there. */
static const char *value_text(struct config_reader *reader, const struct config_option *option,
                              struct yaml_node *node)
{
    const char *text = node ? option_text(reader, option->key, node) : NULL;
    return text ? text : option->initial;
}

/* Reads `text` into the target; the message, when it cannot, into `wrong`. */
typedef bool parse_fn(const struct config_option *option, const char *text, void *target, char *wrong,
                      size_t size);

static void read_with(struct config_reader *reader, const struct config_option *option,
                      struct yaml_node *node, void *target, parse_fn *parse)
{
    char wrong[256] = "";
    const char *text = value_text(reader, option, node);
    if (text && !parse(option, text, target, wrong, sizeof(wrong))) {
        if (node)
            option_error(reader, node, "`%s`: `%.60s` %s", option->key, option_shown(option, node), wrong);
        if (node && option->initial)
            (void)parse(option, option->initial, target, wrong, sizeof(wrong));
    }
}

/* ---- true and false ---- */

static bool parse_bool(const struct config_option *option, const char *text, void *target, char *wrong,
                       size_t size)
{
    (void)option;
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0) {
        (void)snprintf(wrong, size, "is neither true nor false");
        return false;
    }
    memcpy(target, &value, sizeof(value));
    return true;
}

static void read_bool(struct config_reader *reader, const struct config_option *option,
                      struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_bool);
}

static void dump_bool(const struct config_option *option, const void *target, struct json *json)
{
    json_bool(json, option_fetch(option, target) != 0);
}

static void schema_bool(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_reference(json, "boolean");
}

const struct option_type option_bool = {"true or false", read_bool, dump_bool, schema_bool};

/* ---- whole numbers, sizes ---- */

static bool parse_digits(const char *text, uint64_t *out, const char **out_end)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *out = value;
    *out_end = at;
    return at > text;
}

static uint64_t widest(const struct config_option *option)
{
    return option->size == 1 ? UINT8_MAX : option->size == 4 ? UINT32_MAX : UINT64_MAX;
}

/* 0 when it is inside. */
static int outside(const struct config_option *option, uint64_t value)
{
    if ((double)value < option->minimum)
        return -1;
    return value > widest(option) || (option->maximum > 0 && (double)value > option->maximum) ? 1 : 0;
}

static bool parse_integer(const struct config_option *option, const char *text, void *target, char *wrong,
                          size_t size)
{
    uint64_t value = 0;
    const char *end = text;
    if (!parse_digits(text, &value, &end) || *end) {
        (void)snprintf(wrong, size, "is not a whole number");
        return false;
    }
    if (outside(option, value)) {
        double maximum = option->maximum > 0 ? option->maximum : (double)widest(option);
        (void)snprintf(wrong, size, "is outside %.0f to %.0f", option->minimum, maximum);
        return false;
    }
    option_store(option, target, value);
    return true;
}

static void read_integer(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_integer);
}

static void dump_integer(const struct config_option *option, const void *target, struct json *json)
{
    json_unsigned(json, option_fetch(option, target));
}

static void schema_range(const struct config_option *option, struct json *json)
{
    json_member_number(json, "minimum", option->minimum);
    if (option->maximum > 0)
        json_member_number(json, "maximum", option->maximum);
}

/* A number, or a text that is one variable. */
static void schema_number_of(const struct config_option *option, struct json *json, const char *type)
{
    json_key(json, "anyOf");
    json_array_begin(json);
    json_object_begin(json);
    json_member_string(json, "type", type);
    schema_range(option, json);
    json_object_end(json);
    json_object_begin(json);
    schema_reference(json, "variable");
    json_object_end(json);
    json_array_end(json);
}

static void schema_integer(const struct config_option *option, struct json *json)
{
    schema_number_of(option, json, "integer");
}

const struct option_type option_integer = {"whole number", read_integer, dump_integer, schema_integer};

static const struct {
    const char *name;
    unsigned shift;
} size_units[] = {{"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};

static void format_size(uint64_t bytes, char *out, size_t size)
{
    size_t unit = 0;
    while (bytes && unit + 1 < ARRAY_LEN(size_units) && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(out, size, "%" PRIu64 "%s", bytes, size_units[unit].name);
}

static bool parse_size(const struct config_option *option, const char *text, void *target, char *wrong,
                       size_t size)
{
    uint64_t value = 0;
    const char *end = text;
    bool has_digits = parse_digits(text, &value, &end);
    size_t unit = 0;
    while (unit < ARRAY_LEN(size_units) && strcmp(end, size_units[unit].name) != 0)
        unit++;
    if (has_digits && *end == '\0') {
        (void)snprintf(wrong, size, "has no unit; write %.30sB, %.30sKiB or %.30sMiB", text, text, text);
        return false;
    }
    if (!has_digits || unit == ARRAY_LEN(size_units) || value > UINT64_MAX >> size_units[unit].shift) {
        (void)snprintf(wrong, size, "is not a size such as 512B, 64KiB, 16MiB or 1GiB");
        return false;
    }
    value <<= size_units[unit].shift;
    int side = outside(option, value);
    if (side) {
        char bound[32];
        uint64_t maximum = option->maximum > 0 ? (uint64_t)option->maximum : widest(option);
        format_size(side < 0 ? (uint64_t)option->minimum : maximum, bound, sizeof(bound));
        (void)snprintf(wrong, size, "is %s the %s of %s", side < 0 ? "below" : "above",
                       side < 0 ? "minimum" : "maximum", bound);
        return false;
    }
    option_store(option, target, value);
    return true;
}

static void read_size(struct config_reader *reader, const struct config_option *option,
                      struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_size);
}

static void schema_size(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_reference(json, "size");
}

const struct option_type option_size = {"size", read_size, dump_integer, schema_size};

/* ---- numbers ---- */

/* Decimal only: no hexadecimal, infinity or NaN, which strtod would take. */
static bool is_decimal(const char *text)
{
    return *text && text[strspn(text, "0123456789+-.eE")] == '\0' && strpbrk(text, "0123456789");
}

static bool parse_number(const struct config_option *option, const char *text, void *target, char *wrong,
                         size_t size)
{
    char *end = NULL;
    double value = is_decimal(text) ? strtod(text, &end) : 0;
    if (!end || *end || !isfinite(value)) {
        (void)snprintf(wrong, size, "is not a number");
        return false;
    }
    if (option->maximum > 0 && (value < option->minimum || value > option->maximum)) {
        (void)snprintf(wrong, size, "is outside %g to %g", option->minimum, option->maximum);
        return false;
    }
    memcpy(target, &value, sizeof(value));
    return true;
}

static void read_number(struct config_reader *reader, const struct config_option *option,
                        struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_number);
}

static void read_number_or_none(struct config_reader *reader, const struct config_option *option,
                                struct yaml_node *node, void *target)
{
    double none = NAN;
    memcpy(target, &none, sizeof(none));
    read_with(reader, option, node, target, parse_number);
}

static void dump_number(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    double value = 0;
    memcpy(&value, target, sizeof(value));
    json_number(json, value);
}

static void schema_number(const struct config_option *option, struct json *json)
{
    if (option->maximum > 0)
        schema_number_of(option, json, "number");
    else
        schema_reference(json, "number");
}

const struct option_type option_number = {"number", read_number, dump_number, schema_number};
const struct option_type option_number_or_none = {"number", read_number_or_none, dump_number, schema_number};

/* ---- durations and times ---- */

static bool all_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool parse_duration(const struct config_option *option, const char *text, void *target, char *wrong,
                           size_t size)
{
    int64_t value = 0;
    if (all_digits(text) && strcmp(text, "0") != 0) {
        (void)snprintf(wrong, size, "has no unit; write %.20sms, %.20ss, %.20sm, %.20sh or %.20sd", text,
                       text, text, text, text);
        return false;
    }
    if (!duration_parse(text_of(text), &value)) {
        (void)snprintf(wrong, size, "is not a duration such as 250ms, 30s, 5m, 24h or 7d");
        return false;
    }
    bool below = (double)value < option->minimum;
    if (below || (option->maximum > 0 && (double)value > option->maximum)) {
        char bound[48];
        (void)duration_format((int64_t)(below ? option->minimum : option->maximum), bound);
        (void)snprintf(wrong, size, "is %s the %s of %s", below ? "below" : "above",
                       below ? "minimum" : "maximum", bound);
        return false;
    }
    memcpy(target, &value, sizeof(value));
    return true;
}

static void read_duration(struct config_reader *reader, const struct config_option *option,
                          struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_duration);
}

static void dump_duration(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    int64_t value = 0;
    memcpy(&value, target, sizeof(value));
    json_integer(json, value);
}

static void schema_duration(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_reference(json, "duration");
}

const struct option_type option_duration = {"duration", read_duration, dump_duration, schema_duration};

static bool parse_duration_or_never(const struct config_option *option, const char *text, void *target,
                                    char *wrong, size_t size)
{
    int64_t never = INT64_MAX;
    if (strcmp(text, "never") == 0) {
        memcpy(target, &never, sizeof(never));
        return true;
    }
    return parse_duration(option, text, target, wrong, size);
}

static void read_duration_or_never(struct config_reader *reader, const struct config_option *option,
                                   struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_duration_or_never);
}

static void schema_duration_or_never(const struct config_option *option, struct json *json)
{
    (void)option;
    json_key(json, "anyOf");
    json_array_begin(json);
    json_object_begin(json);
    schema_reference(json, "duration");
    json_object_end(json);
    json_object_begin(json);
    json_member_string(json, "const", "never");
    json_object_end(json);
    json_array_end(json);
}

const struct option_type option_duration_or_never = {"duration or `never`", read_duration_or_never,
                                                     dump_duration, schema_duration_or_never};

static bool parse_time(const struct config_option *option, const char *text, void *target, char *wrong,
                       size_t size)
{
    (void)option;
    int64_t value = 0;
    if (!timestamp_parse(text_of(text), &value)) {
        (void)snprintf(wrong, size, "is not a time such as 2026-03-01T00:00:00Z");
        return false;
    }
    memcpy(target, &value, sizeof(value));
    return true;
}

static void read_time(struct config_reader *reader, const struct config_option *option,
                      struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_time);
}

static void schema_time(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_reference(json, "time");
}

const struct option_type option_time = {"time", read_time, dump_duration, schema_time};

/* ---- one of several words ---- */

static bool parse_choice(const struct config_option *option, const char *text, void *target, char *wrong,
                         size_t size)
{
    const char *names[CHOICES_MAX + 1];
    char all[160] = "";
    size_t count = 0, used = 0;
    for (const struct choice *choice = option->choices; choice->name && count < CHOICES_MAX; choice++) {
        if (strcmp(choice->name, text) == 0) {
            option_store(option, target, choice->value);
            return true;
        }
        int len = snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", choice->name);
        used += len > 0 && (size_t)len < sizeof(all) - used ? (size_t)len : 0;
        names[count++] = choice->name;
    }
    names[count] = NULL;
    const char *guess = text_suggest(text, names);
    if (guess)
        (void)snprintf(wrong, size, "is none of %s; did you mean `%s`?", all, guess);
    else
        (void)snprintf(wrong, size, "is none of %s", all);
    return false;
}

static void read_choice(struct config_reader *reader, const struct config_option *option,
                        struct yaml_node *node, void *target)
{
    read_with(reader, option, node, target, parse_choice);
}

static void dump_choice(const struct config_option *option, const void *target, struct json *json)
{
    const struct choice *choice = option->choices;
    while (choice->name && choice->value != option_fetch(option, target))
        choice++;
    json_string(json, choice->name);
}

static void schema_choice(const struct config_option *option, struct json *json)
{
    json_key(json, "anyOf");
    json_array_begin(json);
    json_object_begin(json);
    json_key(json, "enum");
    json_array_begin(json);
    for (const struct choice *choice = option->choices; choice->name; choice++)
        json_string(json, choice->name);
    json_array_end(json);
    json_object_end(json);
    json_object_begin(json);
    schema_reference(json, "variable");
    json_object_end(json);
    json_array_end(json);
}

const struct option_type option_choice = {"choice", read_choice, dump_choice, schema_choice};

/* ---- texts ---- */

static void read_string(struct config_reader *reader, const struct config_option *option,
                        struct yaml_node *node, void *target)
{
    const char *text = value_text(reader, option, node);
    if (node && text && *text == '\0' && (option->flags & OPTION_NONEMPTY)) {
        option_error(reader, node, "`%s` must not be empty", option->key);
        text = option->initial;
    }
    if (node && text && option->maximum > 0 && (double)strlen(text) > option->maximum) {
        option_error(reader, node, "`%s` is longer than %.0f bytes", option->key, option->maximum);
        text = option->initial;
    }
    char *copy = text ? option_strdup(reader, text) : NULL;
    memcpy(target, &copy, sizeof(copy));
}

static void dump_string(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const char *text = NULL;
    memcpy(&text, target, sizeof(text));
    json_string(json, text);
}

static void schema_string(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_reference(json, "text");
}

const struct option_type option_string = {"text", read_string, dump_string, schema_string};

void option_dump_strings(char *const *strings, struct json *json)
{
    if (!strings) {
        json_null(json);
        return;
    }
    json_array_begin(json);
    for (; *strings; strings++)
        json_string(json, *strings);
    json_array_end(json);
}

/* Reads at most `max` texts, none empty, none twice. */
static void fill_strings(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, char **out, uint32_t max)
{
    uint32_t count = 0;
    if (node->count > max) {
        option_error(reader, node, "`%s` has %u entries; the maximum is %u", option->key, node->count, max);
        return;
    }
    for (struct yaml_node *item = node->first; item; item = item->next) {
        const char *text = option_text(reader, option->key, item);
        if (!text)
            continue;
        bool is_known = false;
        for (uint32_t i = 0; i < count; i++)
            is_known = is_known || strcmp(out[i], text) == 0;
        if (*text == '\0')
            option_error(reader, item, "an empty entry in `%s`", option->key);
        else if (is_known)
            option_error(reader, item, "`%.60s` is twice in `%s`", option_shown(option, item), option->key);
        else if ((out[count] = option_strdup(reader, text)))
            count++;
    }
}

static bool is_list(struct config_reader *reader, const struct config_option *option, struct yaml_node *node)
{
    if (node->kind == YAML_SEQUENCE)
        return true;
    if (node->kind == YAML_SCALAR && !node->is_null)
        option_error(reader, node, "`%s` must be a list: [%.60s]", option->key, option_shown(option, node));
    else
        option_error(reader, node, "`%s` must be a list, not %s", option->key, yaml_kind_name(node));
    return false;
}

static void read_strings(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, void *target)
{
    char **strings = NULL;
    if (node && is_list(reader, option, node)) {
        strings = option_alloc(reader, (node->count + (size_t)1) * sizeof(*strings));
        if (strings)
            fill_strings(reader, option, node, strings, STRINGS_MAX);
    }
    memcpy(target, &strings, sizeof(strings));
}

static void dump_strings(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    char **strings = NULL;
    memcpy(&strings, target, sizeof(strings));
    option_dump_strings(strings, json);
}

static void schema_strings(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_string(json, "type", "array");
    json_key(json, "items");
    json_object_begin(json);
    schema_reference(json, "text");
    json_object_end(json);
}

const struct option_type option_strings = {"list of texts", read_strings, dump_strings, schema_strings};

static void read_globs(struct config_reader *reader, const struct config_option *option,
                       struct yaml_node *node, void *target)
{
    memset(target, 0, option->size);
    if (node && is_list(reader, option, node))
        fill_strings(reader, option, node, target, GLOB_MAX - 1);
}

static void dump_globs(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    char *globs[GLOB_MAX];
    memcpy(globs, target, sizeof(globs));
    option_dump_strings(globs, json);
}

const struct option_type option_globs = {"list of globs", read_globs, dump_globs, schema_strings};
