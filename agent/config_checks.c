/* What one option alone cannot know. A check keeps silent where what it rests on is itself wrong: one mistake
 * gives one message. */
#include <math.h>
#include <string.h>

#include "agent/base/text.h"
#include "agent/base/timestamp.h"
#include "agent/config_internal.h"
#include "detectors/cardinality.h"
#include "detectors/kpi.h"
#include "detectors/kpi_tails.h"
#include "detectors/report.h"

enum { NAMES_MAX = 512 };

/* The value of `key` in entry `index` of the list `list`, or the nearest thing around it that is there. */
static struct yaml_node *place(struct yaml_node *root, const char *list, uint32_t index, const char *key)
{
    struct yaml_node *node = yaml_get(root, list);
    struct yaml_node *item = yaml_item(node, index);
    struct yaml_node *value = yaml_get(item, key);
    return value ? value : item ? item : node ? node : root;
}

static struct yaml_node *place_in(struct yaml_node *root, const char *section, const char *key)
{
    struct yaml_node *node = yaml_get(root, section);
    struct yaml_node *value = yaml_get(node, key);
    return value ? value : node ? node : root;
}

/* ---- time, windows, store ---- */

static void check_window(struct config_reader *reader, struct config *config, struct yaml_node *root,
                         uint32_t index)
{
    struct window_config *window = &config->windows[index];
    char slide[48];
    (void)duration_format(window->slide_ms, slide);
    uint32_t tier = 0;
    while (tier < config->tier_count && config->tiers_ms[tier] != window->slide_ms)
        tier++;
    if (tier == config->tier_count)
        option_error(reader, place(root, "windows", index, "slide"),
                     "`slide`: %s is not the length of one of `time.tiers`", slide);
    else
        window->tier = (uint8_t)tier;
    if (window->length_ms < window->slide_ms || window->length_ms % window->slide_ms != 0)
        option_error(reader, place(root, "windows", index, "length"),
                     "`length` is not a whole multiple of `slide` (%s)", slide);
    for (uint32_t i = 0; i < index; i++)
        if (config->windows[i].length_ms == window->length_ms)
            option_error(reader, place(root, "windows", index, "length"),
                         "there is a window of this length already");
}

static void check_windows(struct config_reader *reader, struct config *config, struct yaml_node *root)
{
    if (yaml_is_bad(place_in(root, "time", "tiers")))
        return;
    for (uint32_t i = 0; i < config->window_count; i++)
        if (!yaml_is_bad(yaml_item(yaml_get(root, "windows"), i)))
            check_window(reader, config, root, i);
    if (config->window_count == 0 && !yaml_is_bad(yaml_get(root, "windows")))
        option_error(reader, place_in(root, "time", "tiers"),
                     "no default window fits these tiers; give `windows`");
}

static void check_time(struct config_reader *reader, struct config *config, struct yaml_node *root)
{
    char longest[48];
    int64_t longest_ms = 0;
    struct yaml_node *time = yaml_get(root, "time");
    if (config->horizon_ms < config->lateness_ms && !(time && yaml_get(time, "horizon")))
        config->horizon_ms = config->lateness_ms; /* only the lateness was chosen: the default gives way */
    if (config->horizon_ms < config->lateness_ms)
        option_error(reader, place_in(root, "time", "horizon"), "`horizon` is shorter than `lateness`");
    if (config->merge_interval_ms > config->commit_interval_ms)
        option_error(reader, place_in(root, "store", "merge_interval"),
                     "`merge_interval` is longer than `commit_interval`");
    for (uint32_t i = 0; i < config->window_count; i++)
        if (config->windows[i].length_ms > longest_ms)
            longest_ms = config->windows[i].length_ms;
    struct yaml_node *retention = yaml_get(place_in(root, "store", "retention"), "panes");
    if (config->retention_panes_ms < longest_ms && !yaml_is_bad(yaml_get(root, "windows")))
        option_error(reader, retention ? retention : place_in(root, "store", "retention"),
                     "`panes` is shorter than the longest window (%s)", duration_format(longest_ms, longest));
    if (config->shard_index >= config->shard_count)
        option_error(reader, place_in(root, "shard", "index"), "`index` must be below `count` (%u)",
                     config->shard_count);
}

/* ---- inputs and Kafka ---- */

static void check_input(struct config_reader *reader, const struct config *config, struct yaml_node *root,
                        uint32_t index)
{
    const struct input_config *input = &config->inputs[index];
    for (uint32_t i = 0; i < config->input_count; i++) {
        const struct input_config *other = &config->inputs[i];
        if (i < index && input->topic && other->topic && strcmp(input->topic, other->topic) == 0)
            option_error(reader, place(root, "inputs", index, "topic"),
                         "the topic `%.100s` is read already, by the input on line %u", input->topic,
                         other->line);
        else if (i < index && input->name && other->name && strcmp(input->name, other->name) == 0)
            option_error(reader, place(root, "inputs", index, "name"),
                         "the input on line %u has the name `%.100s` already", other->line, input->name);
        if (input->dead_letter_topic && other->topic && strcmp(input->dead_letter_topic, other->topic) == 0)
            option_error(reader, place(root, "inputs", index, "dead_letter"),
                         "`dead_letter` is an input itself: a rejected event would go round for ever");
    }
}

static bool has_topics(const struct config *config)
{
    for (uint32_t i = 0; i < config->input_count; i++)
        if (config->inputs[i].topic)
            return true;
    return false;
}

static bool has_property(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->kafka_count; i++)
        if (strcmp(config->kafka[i].name, name) == 0)
            return true;
    return false;
}

/* Whether "kafka.NAME: …" or "kafka.NAME …" is about this property. */
static bool is_about(const char *message, const char *name)
{
    static const char prefix[] = "kafka.";
    size_t len = strlen(name);
    if (strncmp(message, prefix, strlen(prefix)) != 0 || strncmp(message + strlen(prefix), name, len) != 0)
        return false;
    char after = message[strlen(prefix) + len];
    return after == ':' || after == ' ';
}

/* The entry that gave this property, by value or by file. */
static struct yaml_node *place_of_property(struct yaml_node *kafka, const char *name)
{
    size_t len = strlen(name);
    for (struct yaml_node *child = kafka->first; child; child = child->next)
        if (strncmp(child->key, name, len) == 0 &&
            (child->key[len] == '\0' || strcmp(child->key + len, "_file") == 0))
            return child;
    return kafka;
}

/* The check stops at the first wrong property: it is told of, left out, and the rest is checked again. */
static void check_kafka(struct config_reader *reader, const struct config *config, struct yaml_node *kafka)
{
    struct kafka_property *left = option_alloc(reader, config->kafka_count * sizeof(*left));
    struct kafka_settings settings = {.properties = left,
                                      .property_count = config->kafka_count,
                                      .client_id = config->client_id,
                                      .on_offset_gap = config->on_offset_gap};
    struct err err = {0};
    if (!left)
        return;
    memcpy(left, config->kafka, config->kafka_count * sizeof(*left));
    while (kafka_settings_check(&settings, &err) != 0) {
        uint32_t at = 0;
        while (at < settings.property_count && !is_about(err.message, left[at].name))
            at++;
        if (at == settings.property_count) {
            /* What is missing may be what was left out. */
            if (settings.property_count == config->kafka_count)
                option_error(reader, kafka, "%s", err.message);
            return;
        }
        option_error(reader, place_of_property(kafka, left[at].name), "%s", err.message);
        settings.property_count--;
        memmove(left + at, left + at + 1, (settings.property_count - at) * sizeof(*left));
    }
}

static void check_mapping(struct config_reader *reader, const struct config *config, struct yaml_node *root,
                          uint32_t index)
{
    struct mapping *mapping = NULL;
    struct err err = {0};
    if (yaml_is_bad(yaml_item(yaml_get(root, "inputs"), index)))
        return;
    if (mapping_compile(&mapping, &config->inputs[index].mapping, "mapping", &err) != 0)
        option_error(reader, place(root, "inputs", index, "fields"), "%s", err.message);
    mapping_free(mapping);
}

static void check_inputs(struct config_reader *reader, const struct config *config, struct yaml_node *root)
{
    struct yaml_node *kafka = yaml_get(root, "kafka");
    for (uint32_t i = 0; i < config->input_count; i++) {
        check_input(reader, config, root, i);
        check_mapping(reader, config, root, i);
    }
    if (!has_topics(config) || yaml_is_bad(kafka))
        return;
    if (has_property(config, "bootstrap.servers"))
        check_kafka(reader, config, kafka);
    else
        option_error(reader, kafka ? kafka : place(root, "inputs", 0, "topic"),
                     "topics are read, but `kafka` names no `bootstrap.servers`");
}

/* ---- models ---- */

static void check_versions(struct config_reader *reader, const struct model_config *model,
                           struct yaml_node *node)
{
    struct yaml_node *versions = yaml_get(node, "versions");
    for (uint32_t i = 1; i < model->version_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (model->versions[i].version && model->versions[k].version &&
                strcmp(model->versions[i].version, model->versions[k].version) == 0)
                option_error(reader, yaml_item(versions, i), "the version `%.100s` is listed twice",
                             model->versions[i].version);
}

static void check_types(struct config_reader *reader, const struct model_config *model,
                        struct yaml_node *node)
{
    struct yaml_node *types = yaml_get(node, "types");
    for (char **one = model->categorical; one && *one; one++)
        for (char **other = model->numeric; other && *other; other++)
            if (strcmp(*one, *other) == 0)
                option_error(reader, types, "the feature `%.100s` is both categorical and numeric", *one);
}

static void check_kpis(struct config_reader *reader, const struct model_config *model, struct yaml_node *node)
{
    struct yaml_node *kpis = yaml_get(node, "kpis");
    uint32_t tails = 0;
    for (uint32_t i = 0; i < model->options.kpi_count; i++) {
        const struct kpi_scale *kpi = &model->options.kpis[i];
        if (kpi->low >= kpi->high)
            option_error(reader, yaml_item(kpis, i), "`low` of a KPI is not below its `high`");
        if (kpi->winsorise && ++tails > KPI_TAILS_MAX)
            option_error(reader, yaml_item(kpis, i), "more than %d KPIs of a model `winsorise`",
                         KPI_TAILS_MAX);
        for (uint32_t k = 0; k < i; k++)
            if (kpi->name && model->options.kpis[k].name &&
                strcmp(kpi->name, model->options.kpis[k].name) == 0)
                option_error(reader, yaml_item(kpis, i), "the KPI `%.100s` is listed twice", kpi->name);
    }
}

static void check_cardinality(struct config_reader *reader, const struct model_config *model,
                              struct yaml_node *node)
{
    struct yaml_node *names = yaml_get(node, "cardinality");
    const char *const *features = model->options.cardinality;
    for (uint32_t i = 0; features && features[i]; i++)
        if (i == CARDINALITY_FEATURES_MAX)
            option_error(reader, yaml_item(names, i), "`cardinality` lists more than %d features",
                         CARDINALITY_FEATURES_MAX);
}

static void check_models(struct config_reader *reader, const struct config *config, struct yaml_node *root)
{
    for (uint32_t i = 0; i < config->model_count; i++) {
        const struct model_config *model = &config->models[i];
        if (!model->name)
            continue;
        if (strpbrk(model->name, "*?") && strcmp(model->name, "*") != 0)
            option_error(reader, place(root, "models", i, "name"),
                         "`name` is a model's exact name, or `*` alone for all that are not listed");
        for (uint32_t k = 0; k < i; k++)
            if (config->models[k].name && strcmp(config->models[k].name, model->name) == 0)
                option_error(reader, place(root, "models", i, "name"), "the model `%.100s` is listed twice",
                             model->name);
        check_versions(reader, model, yaml_item(yaml_get(root, "models"), i));
        check_types(reader, model, yaml_item(yaml_get(root, "models"), i));
        check_kpis(reader, model, yaml_item(yaml_get(root, "models"), i));
        check_cardinality(reader, model, yaml_item(yaml_get(root, "models"), i));
        config_check_past(reader, config, model, yaml_item(yaml_get(root, "models"), i));
        config_check_detectors(reader, model, yaml_item(yaml_get(root, "models"), i));
    }
}

/* ---- rules ---- */

static void check_p_value(struct config_reader *reader, const struct rule_spec *rule, struct yaml_node *root,
                          uint32_t index)
{
    const struct metric *metric = rule->metric ? metric_find(rule->metric) : NULL;
    if (metric && !isnan(rule->max_p) && metric->p_slot < 0)
        option_error(reader, place(root, "rules", index, "max_p"), "`max_p`: the metric `%s` has no p-value",
                     metric->name);
}

static void check_bands(struct config_reader *reader, const struct rule_spec *rule, struct yaml_node *root,
                        uint32_t index)
{
    struct yaml_node *node = yaml_item(yaml_get(root, "rules"), index);
    if (yaml_is_bad(yaml_get(node, "warning")) || yaml_is_bad(yaml_get(node, "critical")))
        return;
    if (isnan(rule->warning) && isnan(rule->critical))
        option_error(reader, node, "a rule needs `warning`, `critical` or both");
    else if (!isnan(rule->warning) && !isnan(rule->critical) &&
             (rule->below ? rule->critical > rule->warning : rule->critical < rule->warning))
        option_error(reader, place(root, "rules", index, "critical"),
                     rule->below
                         ? "`critical` is above `warning`, but the rule fires below its threshold"
                         : "`critical` is below `warning`; a rule on small values needs `below: true`");
}

static void check_rule_window(struct config_reader *reader, const struct config *config,
                              struct yaml_node *root, uint32_t index)
{
    const struct rule_spec *rule = &config->rules[index];
    bool is_known = rule->window_ms == 0 || yaml_is_bad(yaml_get(root, "windows"));
    for (uint32_t i = 0; i < config->window_count; i++)
        is_known = is_known || config->windows[i].length_ms == rule->window_ms;
    if (!is_known)
        option_error(reader, place(root, "rules", index, "window"),
                     "`window` is not the length of one of `windows`");
}

static void check_rule_sinks(struct config_reader *reader, const struct config *config,
                             struct yaml_node *root, uint32_t index)
{
    const char *names[NAMES_MAX + 1];
    uint32_t count = 0;
    bool all_named = true;
    for (uint32_t i = 0; i < config->sink_count && count < NAMES_MAX; i++) {
        if (config->sinks[i].name)
            names[count++] = config->sinks[i].name;
        else
            all_named = false;
    }
    names[count] = NULL;
    struct yaml_node *sinks = place(root, "rules", index, "sinks");
    for (struct yaml_node *item = sinks->kind == YAML_SEQUENCE ? sinks->first : NULL; item;
         item = item->next) {
        const char *wanted = item->is_bad ? NULL : option_text(reader, "sinks", item);
        bool is_known = !wanted || !all_named;
        for (uint32_t i = 0; i < count; i++)
            is_known = is_known || strcmp(names[i], wanted) == 0;
        if (is_known)
            continue;
        const char *guess = text_suggest(wanted, names);
        option_error(reader, item, "there is no sink `%.100s`%s%s%s", wanted, guess ? "; did you mean `" : "",
                     guess ? guess : "", guess ? "`?" : "");
    }
}

static void check_rules(struct config_reader *reader, const struct config *config, struct yaml_node *root)
{
    for (uint32_t i = 0; i < config->rule_count; i++) {
        const struct rule_spec *rule = &config->rules[i];
        for (uint32_t k = 0; k < i; k++)
            if (rule->name && config->rules[k].name && strcmp(rule->name, config->rules[k].name) == 0)
                option_error(reader, place(root, "rules", i, "name"), "there are two rules `%.100s`",
                             rule->name);
        check_p_value(reader, rule, root, i);
        check_bands(reader, rule, root, i);
        check_rule_window(reader, config, root, i);
        check_rule_sinks(reader, config, root, i);
    }
}

/* ---- sinks ---- */

static void check_sinks(struct config_reader *reader, const struct config *config, struct yaml_node *root)
{
    for (uint32_t i = 0; i < config->sink_count; i++) {
        const struct sink_spec *sink = &config->sinks[i];
        for (uint32_t k = 0; k < i; k++)
            if (sink->name && config->sinks[k].name && strcmp(sink->name, config->sinks[k].name) == 0)
                option_error(reader, place(root, "sinks", i, "name"), "there are two sinks `%.100s`",
                             sink->name);
        if (sink->url && !sink->allow_http && strncmp(sink->url, "http://", 7) == 0)
            option_error(reader, place(root, "sinks", i, "url"),
                         "`url` is not https; say `allow_http: true` if that is meant");
        struct yaml_node *insecure = place(root, "sinks", i, "insecure_tls");
        if (sink->insecure_tls)
            diagnostics_warning(reader->diagnostics, insecure->line, insecure->column,
                                "`insecure_tls`: anybody on the way can read and change what is sent");
    }
}

void config_check(struct config_reader *reader, struct config *config, struct yaml_node *root)
{
    check_windows(reader, config, root);
    check_time(reader, config, root);
    check_inputs(reader, config, root);
    check_models(reader, config, root);
    check_rules(reader, config, root);
    check_sinks(reader, config, root);
}
