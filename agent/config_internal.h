#ifndef DRIFTD_AGENT_CONFIG_INTERNAL_H
#define DRIFTD_AGENT_CONFIG_INTERNAL_H
/* What the config*.c files share: the tables, the types of values that are particular to one place, and the
 * checks. */
#include "agent/config.h"
#include "agent/config_option.h"

enum { DAY_MS = 86400000 };
#define YEARS (365.0 * DAY_MS)

/* The whole configuration, into struct config. */
extern const struct option_table config_table;
/* One entry of `models`, into struct model_config. */
extern const struct option_table config_model_table;
/* One entry of `inputs`, into struct input_config. */
extern const struct option_table config_input_table;

/* One entry of `models[].detectors`, into struct detector_config. */
extern const struct option_table config_detector_table;

/* `models[].past`, into struct model_config. */
extern const struct option_table config_past_table;

#define TABLE(rows, type) .options = (rows), .count = ARRAY_LEN(rows), .struct_bytes = sizeof(type)

/* config_fields.c: where the fields of an event are found. */
extern const struct option_type option_accessor;   /* struct field_spec */
extern const struct option_type option_event_time; /* struct mapping_spec: time, time_unit */
extern const struct option_type option_group;      /* struct group_spec; `table` is its reserved keys */
extern const struct option_type option_named;      /* struct group_spec: names, accessors */
extern const struct option_type option_kind;       /* struct mapping_spec: kind, has_kind */
extern const struct option_type option_pointer;    /* char *, a JSON Pointer */
extern const struct option_type option_character;  /* char */
extern const struct choice time_unit_choices[];

/* config_files.c: files that the configuration names, and secrets. */
extern const struct option_type option_file;    /* char *: exists, can be read; absolute or relative to
                                                    the configuration */
extern const struct option_type option_kafka;   /* struct config: kafka, kafka_count */
extern const struct option_type option_headers; /* char **: "Name: value" */
extern const struct option_type option_secrets; /* char **: whsec_… */
extern const struct option_type
    option_secrets_file;                    /* char **: the same, a line each; adds to what is there */
extern const struct option_type option_url; /* char *; the hash sees scheme and host only */

/* config_places.c: values of one place. */
extern const struct option_type option_start;     /* struct config: start, start_ms */
extern const struct option_type option_tiers;     /* struct config: tiers_ms, tier_count */
extern const struct option_type option_workers;   /* uint32_t: a number or `auto` (0) */
extern const struct option_type option_reference; /* struct reference_config */
extern const struct option_type option_metric;    /* char *: a name of metric_table */
extern const struct option_type option_one;       /* uint32_t: api_version, which is 1 */

/* config_checks.c: what one option alone cannot know. */
void config_check(struct config_reader *reader, struct config *config, struct yaml_node *root);

/* config_detectors.c: two that would have the same name. */
void config_check_detectors(struct config_reader *reader, const struct model_config *model,
                            struct yaml_node *node);

/* config_past.c */
void config_check_past(struct config_reader *reader, const struct config *config,
                       const struct model_config *model, struct yaml_node *node);

/* scheme://host of a URL, for people; the rest may be a secret. */
struct text url_origin(const char *url);

#endif
