/* The options of one input. */
#include "agent/base/compiler.h"
#include "agent/config_internal.h"

static const struct choice format_choices[] = {
    {"json", INPUT_JSON}, {"csv", INPUT_CSV}, {"confluent-json", INPUT_CONFLUENT_JSON}, {NULL, 0}};

static const struct config_option select_options[] = {
    {.key = "pointer",
     .type = &option_pointer,
     OPTION_AT(struct select_spec, pointer),
     .flags = OPTION_REQUIRED,
     .help = "JSON Pointer of the field that decides."},
    {.key = "equals",
     .type = &option_string,
     OPTION_AT(struct select_spec, equals),
     .flags = OPTION_REQUIRED,
     .help = "The text it must be; events with another value are counted as not selected."},
};
static const struct option_table select_table = {TABLE(select_options, struct select_spec),
                                                 .title = "Takes only some of a topic's events."};

static const struct config_option group_options[] = {
    {.key = "object",
     .type = &option_pointer,
     OPTION_AT(struct group_spec, object),
     .help = "JSON Pointer of an object whose members are taken; empty for the event itself."},
    {.key = "include",
     .type = &option_globs,
     OPTION_AT(struct group_spec, include),
     .help = "Globs of the members to take; all when absent."},
    {.key = "exclude",
     .type = &option_globs,
     OPTION_AT(struct group_spec, exclude),
     .help = "Globs of members to leave out."},
    {.key = "named",
     .type = &option_named,
     .size = sizeof(struct group_spec),
     .help = "Names and where their values are; any other key of this mapping is such a name too."},
};
static const struct option_table group_table = {
    TABLE(group_options, struct group_spec),
    .title = "A group of named values: the members of an object, single values from anywhere, or both. "
             "`features: /features` is short for `features: {object: /features}`."};

#define FIELD(member, sentence)                                                                              \
    {                                                                                                        \
        .key = #member, .type = &option_accessor, OPTION_AT(struct mapping_spec, member), .help = (sentence) \
    }
#define GROUP(member, sentence)                                                                              \
    {                                                                                                        \
        .key = #member, .type = &option_group, OPTION_AT(struct mapping_spec, member),                       \
        .table = &group_table, .help = (sentence)                                                            \
    }

static const struct config_option field_options[] = {
    FIELD(type, "The kind of event, when the input's `kind` does not say; canonical /type."),
    FIELD(id, "What joins a label to its prediction and makes duplicates known; canonical /id."),
    {.key = "time",
     .type = &option_event_time,
     .size = sizeof(struct mapping_spec),
     .help = "When it happened; canonical /ts, else the record's own timestamp."},
    FIELD(model, "Name of the model; canonical /model."),
    FIELD(version, "Version of the model; canonical /version."),
    FIELD(score, "Score or probability; canonical /score."),
    FIELD(prediction, "Predicted class or number; canonical /prediction."),
    FIELD(label, "True class or number; canonical /label."),
    FIELD(latency, "Latency of the prediction in milliseconds; canonical /latency_ms."),
    FIELD(weight, "Weight of the event; canonical /weight."),
    GROUP(features, "Features; canonical /features."),
    GROUP(scores, "Score of each class; canonical /scores."),
    GROUP(segments, "Segments, each followed like a model of its own; canonical /segments."),
    GROUP(groups, "Groups for fairness; canonical /groups."),
    GROUP(kpis, "Business figures; canonical /kpis."),
    GROUP(attributions, "Attributions of the features; canonical /attributions."),
};
static const struct option_table field_table = {
    TABLE(field_options, struct mapping_spec),
    .title = "Where each field of an event is. What is not mapped is looked for at its canonical place. A "
             "place is a JSON Pointer (`/a/b`; in CSV `/column`), `header:NAME`, `key:`, `meta:timestamp`, "
             "`meta:topic`, `meta:partition`, `meta:offset` or `{const: X}`; of a list of up to four, the "
             "first that is present and not null."};

static const struct config_option input_options[] = {
    {.key = "topic",
     .type = &option_string,
     OPTION_AT(struct input_config, topic),
     .flags = OPTION_NONEMPTY,
     .maximum = 249,
     .help = "The Kafka topic; without one the input serves `driftd replay` only."},
    {.key = "name",
     .type = &option_string,
     OPTION_AT(struct input_config, name),
     .flags = OPTION_NONEMPTY,
     .maximum = 249,
     .help = "What messages and counters call it; the topic when absent."},
    {.key = "format",
     .type = &option_choice,
     .offset = offsetof(struct input_config, mapping.format),
     .size = sizeof(enum input_format),
     .initial = "json",
     .choices = format_choices,
     .help = "How a record is written: `json`, `csv` with a header line, or `confluent-json` (JSON behind "
             "five bytes of schema registry framing)."},
    {.key = "kind",
     .type = &option_kind,
     .offset = offsetof(struct input_config, mapping),
     .size = sizeof(struct mapping_spec),
     .help = "Makes every event of this input a `prediction`, `label`, `features` or `kpi`; when absent the "
             "event's type says."},
    {.key = "select",
     .type = &option_section,
     .offset = offsetof(struct input_config, mapping.select),
     .size = sizeof(struct select_spec),
     .table = &select_table,
     .help = "Takes only some of the events."},
    {.key = "time_unit",
     .type = &option_choice,
     .offset = offsetof(struct input_config, mapping.time_unit),
     .size = sizeof(enum time_unit),
     .initial = "auto",
     .choices = time_unit_choices,
     .help = "What the time is written in: `auto` is RFC 3339 text or a number of milliseconds since 1970."},
    {.key = "csv_delimiter",
     .type = &option_character,
     .offset = offsetof(struct input_config, mapping.csv_delimiter),
     .size = 1,
     .initial = ",",
     .help = "What separates the columns of CSV."},
    {.key = "fields",
     .type = &option_section,
     .offset = offsetof(struct input_config, mapping),
     .size = sizeof(struct mapping_spec),
     .table = &field_table,
     .help = "Where the fields of an event are, when they are not at their canonical places."},
    {.key = "dead_letter",
     .type = &option_string,
     OPTION_AT(struct input_config, dead_letter_topic),
     .flags = OPTION_NONEMPTY,
     .maximum = 249,
     .help = "The topic that gets rejected events with the reason; when absent they are only counted."},
};

static void finish_input(struct config_reader *reader, struct yaml_node *node, void *base)
{
    struct input_config *input = base;
    input->line = node ? node->line : 0;
    if (!input->name && input->topic)
        input->name = option_strdup(reader, input->topic);
    if (!input->name && node && !yaml_is_bad(node))
        option_error(reader, node, "an input needs a `topic`, or a `name` when it is only for replay");
}

const struct option_table config_input_table = {
    TABLE(input_options, struct input_config), .finish = finish_input,
    .title = "What is read, and where the fields of an event are. With no `fields` at all, events are "
             "canonical."};
