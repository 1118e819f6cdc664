/* Types of values that stand in one place only. */
#include <stdio.h>
#include <string.h>

#include "agent/base/text.h"
#include "agent/base/timestamp.h"
#include "agent/config_internal.h"
#include "detectors/report.h"

enum { METRIC_NAMES_MAX = 512 };

/* ---- api_version ---- */

static void read_one(struct config_reader *reader, const struct config_option *option, struct yaml_node *node,
                     void *target)
{
    (void)target;
    const char *text = node ? option_text(reader, option->key, node) : NULL;
    if (text && strcmp(text, "1") != 0)
        option_error(reader, node, "`%s`: this driftd reads version 1 only", option->key);
}

static void dump_one(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    (void)target;
    json_integer(json, 1);
}

static void schema_one(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_integer(json, "const", 1);
}

const struct option_type option_one = {"1", read_one, dump_one, schema_one};

/* ---- start ---- */

static const struct choice start_choices[] = {
    {"earliest", START_EARLIEST}, {"latest", START_LATEST}, {NULL, 0}};

static void read_start(struct config_reader *reader, const struct config_option *option,
                       struct yaml_node *node, void *target)
{
    struct config *config = target;
    const char *text = node ? option_text(reader, option->key, node) : NULL;
    config->start = START_EARLIEST;
    config->start_ms = 0;
    if (!text || strcmp(text, "earliest") == 0)
        return;
    if (strcmp(text, "latest") == 0)
        config->start = START_LATEST;
    else if (timestamp_parse(text_of(text), &config->start_ms))
        config->start = START_TIMESTAMP;
    else
        option_error(reader, node,
                     "`%s`: `%.60s` is neither earliest, latest nor a time such as "
                     "2026-03-01T00:00:00Z",
                     option->key, node->text);
}

static void dump_start(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const struct config *config = target;
    if (config->start == START_TIMESTAMP)
        json_integer(json, config->start_ms);
    else
        json_string(json, start_choices[config->start].name);
}

static void schema_any_of(struct json *json, const char *const *words, const char *definition)
{
    json_key(json, "anyOf");
    json_array_begin(json);
    json_object_begin(json);
    json_key(json, "enum");
    json_array_begin(json);
    for (; *words; words++)
        json_string(json, *words);
    json_array_end(json);
    json_object_end(json);
    json_object_begin(json);
    json_member_string(json, "$ref", definition);
    json_object_end(json);
    json_array_end(json);
}

static void schema_start(const struct config_option *option, struct json *json)
{
    (void)option;
    schema_any_of(json, (const char *const[]){"earliest", "latest", NULL}, "#/$defs/time");
}

const struct option_type option_start = {"`earliest`, `latest` or time", read_start, dump_start,
                                         schema_start};

/* ---- tiers ---- */

static const struct config_option tier_option = {.key = "tiers",
                                                 .type = &option_duration,
                                                 .size = sizeof(int64_t),
                                                 .minimum = 1000,
                                                 .maximum = 365.0 * DAY_MS};

static void read_tiers(struct config_reader *reader, const struct config_option *option,
                       struct yaml_node *node, void *target)
{
    struct config *config = target;
    static const int64_t initial_ms[] = {300000, 3600000, DAY_MS};
    memcpy(config->tiers_ms, initial_ms, sizeof(initial_ms));
    config->tier_count = ARRAY_LEN(initial_ms);
    if (!node)
        return;
    if (node->kind != YAML_SEQUENCE || node->count == 0 || node->count > TIER_MAX) {
        option_error(reader, node, "`%s` must be a list of 1 to %d durations, such as [5m, 1h, 1d]",
                     option->key, TIER_MAX);
        return;
    }
    config->tier_count = 0;
    for (struct yaml_node *item = node->first; item; item = item->next) {
        int64_t *tier_ms = &config->tiers_ms[config->tier_count];
        *tier_ms = 0;
        option_duration.read(reader, &tier_option, item, tier_ms);
        if (item->is_bad)
            continue;
        int64_t before_ms = config->tier_count ? tier_ms[-1] : 0;
        if (before_ms && (*tier_ms <= before_ms || *tier_ms % before_ms != 0)) {
            char before[48];
            option_error(reader, item, "`%s`: `%.30s` is not a whole multiple of the tier before it (%s)",
                         option->key, item->text, duration_format(before_ms, before));
            continue;
        }
        config->tier_count++;
    }
}

static void dump_tiers(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const struct config *config = target;
    json_array_begin(json);
    for (uint32_t i = 0; i < config->tier_count; i++)
        json_integer(json, config->tiers_ms[i]);
    json_array_end(json);
}

static void schema_tiers(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_string(json, "type", "array");
    json_member_integer(json, "minItems", 1);
    json_member_integer(json, "maxItems", TIER_MAX);
    json_key(json, "items");
    json_object_begin(json);
    json_member_string(json, "$ref", "#/$defs/duration");
    json_object_end(json);
}

const struct option_type option_tiers = {"list of durations", read_tiers, dump_tiers, schema_tiers};

/* ---- workers ---- */

static void read_workers(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, void *target)
{
    if (node && node->kind == YAML_SCALAR && strcmp(node->text, "auto") == 0)
        option_store(option, target, 0);
    else
        option_integer.read(reader, option, node, target);
}

static void dump_workers(const struct config_option *option, const void *target, struct json *json)
{
    option_integer.dump(option, target, json);
}

static void schema_workers(const struct config_option *option, struct json *json)
{
    json_key(json, "anyOf");
    json_array_begin(json);
    json_object_begin(json);
    option_integer.schema(option, json);
    json_object_end(json);
    json_object_begin(json);
    json_member_string(json, "const", "auto");
    json_object_end(json);
    json_array_end(json);
}

const struct option_type option_workers = {"whole number or `auto`", read_workers, dump_workers,
                                           schema_workers};

/* ---- references ---- */

static void read_reference(struct config_reader *reader, const struct config_option *option,
                           struct yaml_node *node, void *target)
{
    static const char form[] = "{file: PATH}, {name: NAME}, {capture: {...}} or none";
    struct reference_config *reference = target;
    bool is_mapping = node && node->kind == YAML_MAPPING;
    option_table_read(reader, option->table, is_mapping ? node : NULL, reference);
    reference->kind = REFERENCE_CAPTURE;
    if (is_mapping) {
        const struct yaml_node *file = yaml_get(node, "file"), *name = yaml_get(node, "name");
        int given = (file != NULL) + (name != NULL) + (yaml_get(node, "capture") != NULL);
        if (given != 1 && !yaml_is_bad(node))
            option_error(reader, node, "`%s` must be one of %s", option->key, form);
        reference->kind = file ? REFERENCE_FILE : name ? REFERENCE_NAME : REFERENCE_CAPTURE;
    } else if (node) {
        const char *text = node->kind == YAML_SCALAR ? option_text(reader, option->key, node) : "";
        if (text && strcmp(text, "none") == 0)
            reference->kind = REFERENCE_NONE;
        else if (text && strcmp(text, "capture") != 0)
            option_error(reader, node, "`%s` must be one of %s", option->key, form);
    }
}

static void dump_reference(const struct config_option *option, const void *target, struct json *json)
{
    static const char *const kinds[] = {"capture", "file", "name", "none"};
    const struct reference_config *reference = target;
    json_object_begin(json);
    json_key(json, kinds[reference->kind]);
    option_table_dump(option->table, reference, json);
    json_object_end(json);
}

static void schema_reference(const struct config_option *option, struct json *json)
{
    json_key(json, "anyOf");
    json_array_begin(json);
    json_object_begin(json);
    json_key(json, "enum");
    json_array_begin(json);
    json_string(json, "none");
    json_string(json, "capture");
    json_array_end(json);
    json_object_end(json);
    json_object_begin(json);
    option_table_schema(option->table, json);
    json_object_end(json);
    json_array_end(json);
}

const struct option_type option_reference = {"`none`, `capture` or mapping", read_reference, dump_reference,
                                             schema_reference};

/* ---- metrics ---- */

static void read_metric(struct config_reader *reader, const struct config_option *option,
                        struct yaml_node *node, void *target)
{
    option_string.read(reader, option, node, target);
    const char *name = NULL;
    memcpy(&name, target, sizeof(name));
    if (!name || metric_find(name))
        return;
    const char *names[METRIC_NAMES_MAX + 1];
    uint32_t count = 0;
    for (; count < metric_count && count < METRIC_NAMES_MAX; count++)
        names[count] = metric_table[count].name;
    names[count] = NULL;
    const char *guess = text_suggest(name, names);
    if (guess)
        option_error(reader, node, "there is no metric `%.64s`; did you mean `%s`?", node->text, guess);
    else
        option_error(reader, node, "there is no metric `%.64s`", node->text);
}

static void dump_metric(const struct config_option *option, const void *target, struct json *json)
{
    option_string.dump(option, target, json);
}

static void schema_metric(const struct config_option *option, struct json *json)
{
    (void)option;
    json_key(json, "enum");
    json_array_begin(json);
    for (uint32_t i = 0; i < metric_count; i++)
        json_string(json, metric_table[i].name);
    json_array_end(json);
}

const struct option_type option_metric = {"name of a metric", read_metric, dump_metric, schema_metric};
