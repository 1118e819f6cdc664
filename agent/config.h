#ifndef DRIFTD_AGENT_CONFIG_H
#define DRIFTD_AGENT_CONFIG_H
/*
 * The configuration: strict YAML (conf/README.md is the reference, conf/driftd.yaml the annotated sample,
 * conf/driftd.schema.json for editors). Parsing reads no network; it checks everything that can be checked
 * and reports every error at once with file:line:column and, for an unknown key, the likely one. Immutable
 * once parsed.
 */
#include <stdbool.h>
#include <stdint.h>

#include "detectors/evidence.h"
#include "detectors/families.h"
#include "detectors/sequential.h"
#include "agent/base/err.h"
#include "agent/base/log.h"
#include "agent/base/strbuf.h"
#include "alerting/alerting.h"
#include "alerting/webhook.h"
#include "collectors/kafka.h"
#include "collectors/mapping.h"
#include "detectors/outcomes.h"

enum { TIER_MAX = 4, WINDOW_MAX = 8, CONFIG_NAMES_MAX = 256 };

struct input_config {
    char *name;              /* default: the topic */
    char *topic;             /* NULL: only for replay */
    char *dead_letter_topic; /* NULL: rejected events are only counted */
    struct mapping_spec mapping;
    uint32_t line; /* for messages */
};

struct window_config {
    int64_t length_ms, slide_ms; /* slide is the length of a tier; length a multiple of it */
    uint8_t tier;                /* that tier */
};

enum reference_kind { REFERENCE_CAPTURE, REFERENCE_FILE, REFERENCE_NAME, REFERENCE_NONE };

struct reference_config {
    enum reference_kind kind;
    char *path;         /* FILE: a JSON made by `driftd reference build`, relative to the configuration */
    char *name;         /* NAME: one that the store holds */
    int64_t capture_ms; /* CAPTURE: 24 h */
    uint64_t capture_min_events; /* 1,000: capture goes on, pane by pane, until it holds that many */
    uint32_t sample;             /* 10,000 */
};

enum detector_source {
    DETECTOR_ON_ERROR,       /* 0 or 1 of each labelled prediction of a class */
    DETECTOR_ON_SCORE_ERROR, /* |score − label|, or |prediction − label|/unit */
    DETECTOR_ON_LOSS,        /* log loss, or ((prediction − label)/unit)² */
    DETECTOR_ON_FEATURE,     /* mean of the pane; also @score and @prediction */
    DETECTOR_ON_LATENCY,     /* median of the pane, ms */
    DETECTOR_ON_KPI          /* mean of the pane */
};
enum { DETECTORS_MAX = 16, DETECTOR_PARAMETERS_MAX = 21 };

struct detector_config {
    char *on;
    unsigned method;                            /* enum sequential_kind */
    bool standardise;                           /* ON_FEATURE: in scales of the reference */
    double parameters[DETECTOR_PARAMETERS_MAX]; /* as given; NaN: not */
    enum detector_source source;
    const char *name; /* of the feature or KPI; inside `on` */
    struct sequential_options options;
};

/* What windows are compared with beside the reference (METHODS §13). */
enum { PAST_WEEKS_MAX = 12 };
struct time_range {
    int64_t from_ms, to_ms;
};
struct past_config {
    uint32_t seasonal_weeks;            /* 0: none */
    int64_t rolling_ms, rolling_lag_ms; /* 0: none */
    char **exceptions;
    struct time_range *ranges; /* of `exceptions` */
    uint32_t range_count;
};

struct version_config {
    char *version;
    struct reference_config reference;
};

struct model_config {
    char *name; /* "*" is the template of models that are not named */
    struct reference_config reference;
    struct version_config *versions;
    uint32_t version_count;
    char **segments; /* NULL-terminated keys of `segments` to follow; NULL: all that come, within limits */
    bool segment_quality; /* rows of data quality of segments, too */
    char **categorical;   /* forced types, NULL-terminated or NULL */
    char **numeric;
    char **exclude;         /* globs of features to leave out */
    int64_t label_delay_ms; /* results with labels are final so long after their panes end */
    bool provisional;       /* rows of labels before they are final */
    bool last_label;        /* of several labels of an id the last one counts in the end, not the first */
    double label_sample;    /* (0, 1]: the share of ids whose predictions wait for labels */
    struct model_options options;
    int64_t kpi_baseline_ms;           /* 24 h: how long the first period of a KPI is, at least */
    struct detector_config *detectors; /* at most DETECTORS_MAX */
    uint32_t detector_count;
    struct past_config past;
    struct evidence_options evidence;
    uint32_t sequence_cap;      /* labelled predictions that detectors are fed per finest pane */
    uint64_t labels_min;        /* 30: labels below which rows of outcomes are `insufficient` */
    struct facet_spec *facets;  /* groups that are compared with an advantaged one */
    struct cross_spec *crosses; /* attributes whose combinations are groups too */
    uint32_t facet_count, cross_count;
};

struct limits_config {
    uint32_t models, versions, segments, features,
        categories;            /* 100; 20 per model; 100 per version; 1024 per model; 64 */
    uint32_t kpis;             /* 64 per version */
    uint64_t waiting;          /* 1,000,000 predictions without a label, and as many labels */
    uint64_t open_pane_bytes;  /* 64 MiB: partitions that run ahead are held back */
    uint64_t delta_bytes;      /* 8 MiB */
    uint64_t dedup_bytes;      /* 40 MiB per worker */
    uint64_t pane_cache_bytes; /* 4 MiB */
    struct decode_limits decode;
};

enum start_policy { START_EARLIEST, START_LATEST, START_TIMESTAMP };

struct config {
    char *path;
    char hash[65];  /* SHA-256 of the canonical content without secrets */
    char *pipeline; /* default "driftd" */
    char *client_id;

    /* store */
    char *store_path;
    bool full_sync;
    int64_t commit_interval_ms, merge_interval_ms;    /* 10 s, 1 s */
    int64_t retention_results_ms, retention_panes_ms; /* 90 d, 5 years: results, coarsest tier */

    /* kafka */
    struct kafka_property *kafka;
    uint32_t kafka_count;
    enum offset_gap_policy on_offset_gap;
    enum start_policy start;
    int64_t start_ms;
    uint32_t shard_index, shard_count; /* 0 of 1 */

    struct input_config *inputs;
    uint32_t input_count;

    /* time */
    int64_t tiers_ms[TIER_MAX];
    uint32_t tier_count;
    int64_t origin_ms;
    int64_t lateness_ms;     /* 60 s */
    int64_t horizon_ms;      /* 6 h: events later than that are only counted; fine panes are kept that long */
    int64_t idle_timeout_ms; /* 60 s */
    int64_t absent_timeout_ms;  /* 10 min */
    int64_t max_future_skew_ms; /* 5 min */
    int64_t revise_every_ms;    /* 5 min */
    struct window_config windows[WINDOW_MAX];
    uint32_t window_count;

    struct model_config *models; /* the template "*" included when configured; else model_template */
    uint32_t model_count;
    struct model_config model_template; /* used for models not named */
    bool accept_unknown_models;         /* true */

    struct rule_spec *rules;
    uint32_t rule_count;
    struct sink_spec *sinks;
    uint32_t sink_count;
    int64_t max_alert_age_ms; /* 24 h; INT64_MAX: any age is sent ("never") */

    bool dedup;       /* true */
    uint32_t workers; /* 1; 0 in the file ("auto"): one per core */
    struct limits_config limits;

    enum log_level log_level;
    enum log_format log_format;

    void *memory; /* arena that owns every string above */
};

/* All errors, one a line, go to `messages` ("conf.yaml:12:5: unknown key `sinkz`; did you mean `sinks`?").
 * Returns 0 or ERR_CONFIG. */
int config_load(struct config **out, const char *path, struct strbuf *messages) MUST_USE;
/* The same from memory, for tests and the fuzzer; `path` is only used in messages and to resolve relative
 * paths. */
int config_parse(struct config **out, const char *bytes, size_t len, const char *path,
                 struct strbuf *messages) MUST_USE;
/* Everything at its default: canonical events, no Kafka, no rules. For replay without a file. */
int config_default(struct config **out) MUST_USE;
void config_free(struct config *config);

/* The model's entry: by name, else the template. */
const struct model_config *config_model(const struct config *config, struct text name);
const struct reference_config *config_reference(const struct model_config *model, struct text version);

#endif
