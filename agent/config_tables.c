/* Every option there is. The order is the order of the manual; a row's help is one sentence for users. */
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/config_internal.h"

enum { INPUTS_MAX = 64, MODELS_MAX = 1000, RULES_MAX = 500, SINKS_MAX = 64 };

#define KIB 1024.0
#define MIB (1024.0 * KIB)
#define GIB (1024.0 * MIB)

static const struct choice bool_of_synchronous[] = {{"normal", false}, {"full", true}, {NULL, 0}};
static const struct choice offset_gap_choices[] = {
    {"halt", OFFSET_GAP_HALT}, {"earliest", OFFSET_GAP_EARLIEST}, {"latest", OFFSET_GAP_LATEST}, {NULL, 0}};
static const struct choice level_choices[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warning", LOG_WARNING}, {"error", LOG_ERROR}, {NULL, 0}};
static const struct choice log_format_choices[] = {
    {"logfmt", LOG_FORMAT_LOGFMT}, {"json", LOG_FORMAT_JSON}, {NULL, 0}};

/* ---- store ---- */

static const struct config_option retention_options[] = {
    {.key = "results",
     .type = &option_duration,
     OPTION_AT(struct config, retention_results_ms),
     .initial = "90d",
     .minimum = DAY_MS,
     .maximum = 100 * YEARS,
     .help = "How long results are kept, in event time and since they were computed."},
    {.key = "panes",
     .type = &option_duration,
     OPTION_AT(struct config, retention_panes_ms),
     .initial = "1825d",
     .minimum = DAY_MS,
     .maximum = 100 * YEARS,
     .help = "How long the panes of the coarsest tier and the history of alerts are kept: how far back "
             "`driftd compare` can look."},
};
static const struct option_table retention_table = {
    TABLE(retention_options, struct config),
    .title = "Everything is kept for a time in event time, then deleted in slices."};

static const struct config_option store_options[] = {
    {.key = "path",
     .type = &option_string,
     OPTION_AT(struct config, store_path),
     .initial = "driftd.db",
     .flags = OPTION_NONEMPTY,
     .maximum = 4000,
     .help = "The SQLite file; relative to the working directory of the process."},
    {.key = "synchronous",
     .type = &option_choice,
     OPTION_AT(struct config, full_sync),
     .initial = "normal",
     .choices = bool_of_synchronous,
     .help = "`normal` can lose the last commits when the power fails, which Kafka then replays; `full` "
             "cannot."},
    {.key = "commit_interval",
     .type = &option_duration,
     OPTION_AT(struct config, commit_interval_ms),
     .initial = "10s",
     .minimum = 100,
     .maximum = 600000,
     .help = "How often state and offsets are committed together: what a crash makes Kafka replay."},
    {.key = "merge_interval",
     .type = &option_duration,
     OPTION_AT(struct config, merge_interval_ms),
     .initial = "1s",
     .minimum = 10,
     .maximum = 60000,
     .help = "How often the workers hand over what they have counted; not above `commit_interval`."},
    {.key = "retention",
     .type = &option_section,
     .table = &retention_table,
     .help = "How long data is kept."},
};
static const struct option_table store_table = {
    TABLE(store_options, struct config),
    .title = "One SQLite file holds state, offsets, results, alerts and the outbox."};

/* ---- shard ---- */

static const struct config_option shard_options[] = {
    {.key = "index",
     .type = &option_integer,
     OPTION_AT(struct config, shard_index),
     .initial = "0",
     .maximum = 1023,
     .help = "Which of the `count` shares of the partitions this process reads, from 0."},
    {.key = "count",
     .type = &option_integer,
     OPTION_AT(struct config, shard_count),
     .initial = "1",
     .minimum = 1,
     .maximum = 1024,
     .help = "Into how many processes the partitions are divided."},
};
static const struct option_table shard_table = {
    TABLE(shard_options, struct config),
    .title = "Several independent processes can share the partitions, each with its own store."};

/* ---- time ---- */

static const struct config_option time_options[] = {
    {.key = "tiers",
     .type = &option_tiers,
     .size = sizeof(struct config),
     .initial = "[5m, 1h, 1d]",
     .help = "Lengths of the panes that are counted, each a whole multiple of the one before."},
    {.key = "origin",
     .type = &option_time,
     OPTION_AT(struct config, origin_ms),
     .initial = "1970-01-01T00:00:00Z",
     .help = "Panes are counted from here: set it for days that begin at local midnight."},
    {.key = "lateness",
     .type = &option_duration,
     OPTION_AT(struct config, lateness_ms),
     .initial = "60s",
     .maximum = 30.0 * DAY_MS,
     .help = "How far behind the newest event of its partition an event may be and still be on time."},
    {.key = "horizon",
     .type = &option_duration,
     OPTION_AT(struct config, horizon_ms),
     .initial = "6h",
     .minimum = 1000,
     .maximum = YEARS,
     .help = "Late events up to this (at least `lateness`) are added and revise results; later ones are only "
             "counted."},
    {.key = "idle_timeout",
     .type = &option_duration,
     OPTION_AT(struct config, idle_timeout_ms),
     .initial = "60s",
     .minimum = 1000,
     .maximum = 30.0 * DAY_MS,
     .help = "A partition at its end and silent for so long no longer holds time back."},
    {.key = "absent_timeout",
     .type = &option_duration,
     OPTION_AT(struct config, absent_timeout_ms),
     .initial = "10m",
     .minimum = 1000,
     .maximum = 30.0 * DAY_MS,
     .help = "A partition that cannot be read for so long no longer holds time back; results say so."},
    {.key = "max_future_skew",
     .type = &option_duration,
     OPTION_AT(struct config, max_future_skew_ms),
     .initial = "5m",
     .maximum = 30.0 * DAY_MS,
     .help = "Events further ahead of the clock than this are refused and move no time."},
    {.key = "revise_every",
     .type = &option_duration,
     OPTION_AT(struct config, revise_every_ms),
     .initial = "5m",
     .minimum = 1000,
     .maximum = 30.0 * DAY_MS,
     .help = "How often results that late events changed are written again."},
};
static const struct option_table time_table = {
    TABLE(time_options, struct config),
    .title = "Everything is counted in event time, in panes of the finest tier."};

static const struct config_option window_options[] = {
    {.key = "length",
     .type = &option_duration,
     OPTION_AT(struct window_config, length_ms),
     .flags = OPTION_REQUIRED,
     .minimum = 1000,
     .maximum = 10 * YEARS,
     .help = "How much event time it holds: a whole multiple of its slide."},
    {.key = "slide",
     .type = &option_duration,
     OPTION_AT(struct window_config, slide_ms),
     .flags = OPTION_REQUIRED,
     .minimum = 1000,
     .maximum = 10 * YEARS,
     .help = "How often it is evaluated: the length of one of `time.tiers`."},
};
static const struct option_table window_table = {
    TABLE(window_options, struct window_config),
    .title =
        "Sliding windows; when absent `[{length: 1h, slide: 5m}, {length: 24h, slide: 1h}, {length: 30d, "
        "slide: 1d}]`, as far as `time.tiers` allow."};

/* ---- rules ---- */

static const struct config_option rule_options[] = {
    {.key = "name",
     .type = &option_string,
     OPTION_AT(struct rule_spec, name),
     .flags = OPTION_REQUIRED | OPTION_NONEMPTY,
     .maximum = 128,
     .help = "Unique name of the rule; alerts carry it."},
    {.key = "metric",
     .type = &option_metric,
     OPTION_AT(struct rule_spec, metric),
     .flags = OPTION_REQUIRED | OPTION_NONEMPTY,
     .maximum = 64,
     .help = "The metric it judges (detectors/README.md lists them)."},
    {.key = "warning",
     .type = &option_number_or_none,
     OPTION_AT(struct rule_spec, warning),
     .help = "Threshold of a warning; at least one of `warning` and `critical` is needed."},
    {.key = "critical",
     .type = &option_number_or_none,
     OPTION_AT(struct rule_spec, critical),
     .help = "Threshold of a critical alert."},
    {.key = "window",
     .type = &option_duration,
     OPTION_AT(struct rule_spec, window_ms),
     .initial = "0s",
     .maximum = 10 * YEARS,
     .help = "Length of the window it judges, one of `windows`; every window when 0."},
    {.key = "model",
     .type = &option_string,
     OPTION_AT(struct rule_spec, model),
     .initial = "*",
     .maximum = 256,
     .help = "Glob of the models it is for."},
    {.key = "version",
     .type = &option_string,
     OPTION_AT(struct rule_spec, version),
     .initial = "*",
     .maximum = 256,
     .help = "Glob of the versions."},
    {.key = "segment",
     .type = &option_string,
     OPTION_AT(struct rule_spec, segment),
     .initial = "",
     .maximum = 512,
     .help = "Glob of the segments; empty is the whole model only."},
    {.key = "feature",
     .type = &option_string,
     OPTION_AT(struct rule_spec, feature),
     .initial = "*",
     .maximum = 256,
     .help = "Glob of the features."},
    {.key = "below",
     .type = &option_bool,
     OPTION_AT(struct rule_spec, below),
     .initial = "false",
     .help = "Fires when the value is at or below the threshold instead of at or above."},
    {.key = "max_p",
     .type = &option_number_or_none,
     OPTION_AT(struct rule_spec, max_p),
     .maximum = 1,
     .help = "Fires only when the metric's p-value is below this too."},
    {.key = "ignore_noise",
     .type = &option_bool,
     OPTION_AT(struct rule_spec, ignore_noise),
     .initial = "false",
     .help = "Takes the threshold as it is, also where samples so small exceed it by chance."},
    {.key = "minimum_n",
     .type = &option_integer,
     OPTION_AT(struct rule_spec, minimum_n),
     .initial = "0",
     .maximum = 1e12,
     .help = "Judges only windows with so many values; 0 is the model's own minimum."},
    {.key = "for",
     .type = &option_duration,
     OPTION_AT(struct rule_spec, for_ms),
     .initial = "0s",
     .maximum = YEARS,
     .help = "The condition must hold over window ends spanning so much event time before it fires."},
    {.key = "clear_ratio",
     .type = &option_number,
     OPTION_AT(struct rule_spec, clear_ratio),
     .initial = "0.8",
     .minimum = 0.01,
     .maximum = 1,
     .help = "Resolves when the value falls below this share of the threshold."},
    {.key = "clear_windows",
     .type = &option_integer,
     OPTION_AT(struct rule_spec, clear_windows),
     .initial = "1",
     .minimum = 1,
     .maximum = 1000,
     .help = "And stays there for so many windows in a row."},
    {.key = "sinks",
     .type = &option_strings,
     OPTION_AT(struct rule_spec, sinks),
     .help = "Names of the sinks it notifies; all when absent, none when empty."},
};
static const struct option_table rule_table = {
    TABLE(rule_options, struct rule_spec),
    .title = "Thresholds that notify. Every metric is computed and stored without any rule."};

/* ---- sinks ---- */

static const struct config_option sink_options[] = {
    {.key = "name",
     .type = &option_string,
     OPTION_AT(struct sink_spec, name),
     .flags = OPTION_REQUIRED | OPTION_NONEMPTY,
     .maximum = 128,
     .help = "Unique name of the sink; rules refer to it."},
    {.key = "url",
     .type = &option_url,
     OPTION_AT(struct sink_spec, url),
     .flags = OPTION_REQUIRED,
     .help = "Where requests are posted; https, and kept out of logs beyond its host."},
    {.key = "secrets",
     .type = &option_secrets,
     OPTION_AT(struct sink_spec, secrets),
     .flags = OPTION_SECRET,
     .help = "Standard Webhooks secrets (`whsec_…`), best as `${VAR}`: the first signs, all sign during a "
             "rotation."},
    {.key = "secrets_file",
     .type = &option_secrets_file,
     OPTION_AT(struct sink_spec, secrets),
     .flags = OPTION_SECRET,
     .help = "A file with the same, one a line."},
    {.key = "headers",
     .type = &option_headers,
     OPTION_AT(struct sink_spec, headers),
     .flags = OPTION_SECRET,
     .help = "Further request headers; `NAME_file: PATH` takes the value from a file."},
    {.key = "timeout",
     .type = &option_duration,
     OPTION_AT(struct sink_spec, timeout_ms),
     .initial = "15s",
     .minimum = 100,
     .maximum = 300000,
     .help = "How long one request may take."},
    {.key = "ttl",
     .type = &option_duration,
     OPTION_AT(struct sink_spec, ttl_ms),
     .initial = "24h",
     .minimum = 1000,
     .maximum = 30.0 * DAY_MS,
     .help = "How long a delivery is tried before it is given up and kept as dead."},
    {.key = "allow_http",
     .type = &option_bool,
     OPTION_AT(struct sink_spec, allow_http),
     .initial = "false",
     .help = "Allows a URL without TLS."},
    {.key = "allow_private",
     .type = &option_bool,
     OPTION_AT(struct sink_spec, allow_private),
     .initial = "false",
     .help = "Allows loopback, link-local and private addresses."},
    {.key = "insecure_tls",
     .type = &option_bool,
     OPTION_AT(struct sink_spec, insecure_tls),
     .initial = "false",
     .help = "Accepts any certificate; for tests."},
    {.key = "ca_file",
     .type = &option_file,
     OPTION_AT(struct sink_spec, ca_file),
     .help = "PEM file of the authorities to trust instead of the system's."},
};
static const struct option_table sink_table = {TABLE(sink_options, struct sink_spec),
                                               .title = "Where alerts are sent."};

/* ---- limits ---- */

#define COUNT(name, member, standard, low, high, sentence)                                                   \
    {                                                                                                        \
        .key = (name), .type = &option_integer, OPTION_AT(struct config, member), .initial = (standard),     \
        .minimum = (low), .maximum = (high), .help = (sentence)                                              \
    }
#define BYTES(name, member, standard, low, high, sentence)                                                   \
    {                                                                                                        \
        .key = (name), .type = &option_size, OPTION_AT(struct config, member), .initial = (standard),        \
        .minimum = (low), .maximum = (high), .help = (sentence)                                              \
    }

static const struct config_option limits_options[] = {
    COUNT("models", limits.models, "100", 1, 1e5, "Models."),
    COUNT("versions", limits.versions, "20", 1, 1e4, "Versions of a model."),
    COUNT("segments", limits.segments, "100", 0, 1e5, "Segments of a version."),
    COUNT("features", limits.features, "1024", 1, 65536, "Features of a model."),
    COUNT("categories", limits.categories, "64", 2, 200, "Categories of a feature; the others are one."),
    COUNT("kpis", limits.kpis, "64", 0, 64, "KPIs of a version."),
    COUNT("waiting", limits.waiting, "1000000", 0, 1e9,
          "Predictions that wait for labels, and as many labels; 40 to 100 bytes each, "
          "those with scores of several classes up to 170."),
    BYTES("open_pane_bytes", limits.open_pane_bytes, "64MiB", 1 * MIB, 64 * GIB,
          "Panes not yet closed: partitions that run ahead are held back."),
    BYTES("delta_bytes", limits.delta_bytes, "8MiB", 64 * KIB, 1 * GIB,
          "What a worker counts before it must hand over."),
    BYTES("dedup_bytes", limits.dedup_bytes, "40MiB", 0, 16 * GIB,
          "Ids a worker remembers to find duplicates, at 9 to 11 bytes each (10,000 a second in panes of 5m "
          "fit the "
          "default); past it nothing is a duplicate in that pane, and results say capped."),
    BYTES("pane_cache_bytes", limits.pane_cache_bytes, "4MiB", 0, 16 * GIB,
          "Panes kept in memory until they leave a window."),
    BYTES("event_bytes", limits.decode.event_bytes, "64KiB", 64, 16 * MIB, "Bytes of an event."),
    COUNT("depth", limits.decode.depth, "32", 2, 100, "Nesting of an event."),
    COUNT("event_features", limits.decode.features, "1024", 1, 65536, "Features of one event."),
    COUNT("members", limits.decode.members, "4096", 16, 1e6, "Members of one object or items of one array."),
    BYTES("name_bytes", limits.decode.name_bytes, "256B", 8, 4 * KIB,
          "Bytes of the name of a model, version, feature, segment or group."),
    BYTES("id_bytes", limits.decode.id_bytes, "256B", 8, 4 * KIB, "Bytes of an id."),
    BYTES("value_bytes", limits.decode.value_bytes, "1KiB", 8, 64 * KIB, "Bytes of one categorical value."),
    COUNT("names", limits.decode.names, "65536", 64, 1e7, "Distinct field names a decoder remembers."),
};
static const struct option_table limits_table = {
    TABLE(limits_options, struct config),
    .title = "Everything that input can grow is bounded; what a bound refuses is counted, and the results of "
             "its model say `capped`."};

/* ---- log ---- */

static const struct config_option log_options[] = {
    {.key = "level",
     .type = &option_choice,
     OPTION_AT(struct config, log_level),
     .initial = "info",
     .choices = level_choices,
     .help = "The least level that is written: `debug`, `info`, `warning` or `error`."},
    {.key = "format",
     .type = &option_choice,
     OPTION_AT(struct config, log_format),
     .initial = "logfmt",
     .choices = log_format_choices,
     .help = "`logfmt` or one `json` object a line."},
};
static const struct option_table log_table = {TABLE(log_options, struct config),
                                              .title = "Lines on standard error."};

/* ---- all of it ---- */

static const struct config_option config_options[] = {
    {.key = "api_version",
     .type = &option_one,
     .flags = OPTION_REQUIRED,
     .help = "Version of this format, always 1."},
    {.key = "pipeline",
     .type = &option_string,
     OPTION_AT(struct config, pipeline),
     .initial = "driftd",
     .flags = OPTION_NONEMPTY,
     .maximum = 128,
     .help = "Name of this installation: part of alerts, their ids and the store."},
    {.key = "client_id",
     .type = &option_string,
     OPTION_AT(struct config, client_id),
     .initial = "driftd",
     .flags = OPTION_NONEMPTY,
     .maximum = 128,
     .help = "What the brokers see."},
    {.key = "store", .type = &option_section, .table = &store_table, .help = "The store."},
    {.key = "kafka",
     .type = &option_kafka,
     .size = sizeof(struct config),
     .help = "Properties of librdkafka, verbatim; `NAME_file: PATH` takes a value from a file. Needed: "
             "`bootstrap.servers`."},
    {.key = "start",
     .type = &option_start,
     .size = sizeof(struct config),
     .initial = "earliest",
     .help = "Where a partition that the store does not know yet begins."},
    {.key = "on_offset_gap",
     .type = &option_choice,
     OPTION_AT(struct config, on_offset_gap),
     .initial = "halt",
     .choices = offset_gap_choices,
     .help = "When the broker no longer has the next offset: `halt` that partition, or go on at its "
             "`earliest` or `latest`."},
    {.key = "shard", .type = &option_section, .table = &shard_table, .help = "A share of the partitions."},
    {.key = "inputs",
     .type = &option_list,
     OPTION_AT(struct config, inputs),
     .count_offset = offsetof(struct config, input_count),
     .maximum = INPUTS_MAX,
     .table = &config_input_table,
     .help = "What is read."},
    {.key = "time", .type = &option_section, .table = &time_table, .help = "Event time."},
    {.key = "windows",
     .type = &option_list,
     OPTION_AT(struct config, windows),
     .count_offset = offsetof(struct config, window_count),
     .maximum = WINDOW_MAX,
     .flags = OPTION_FIXED | OPTION_NONEMPTY,
     .table = &window_table,
     .help = "Sliding windows."},
    {.key = "models",
     .type = &option_list,
     OPTION_AT(struct config, models),
     .count_offset = offsetof(struct config, model_count),
     .maximum = MODELS_MAX,
     .table = &config_model_table,
     .help = "What is particular to a model."},
    {.key = "accept_unknown_models",
     .type = &option_bool,
     OPTION_AT(struct config, accept_unknown_models),
     .initial = "true",
     .help = "Follows models that are not listed, by the template `*`; otherwise they are rejected."},
    {.key = "rules",
     .type = &option_list,
     OPTION_AT(struct config, rules),
     .count_offset = offsetof(struct config, rule_count),
     .maximum = RULES_MAX,
     .table = &rule_table,
     .help = "Thresholds that notify."},
    {.key = "sinks",
     .type = &option_list,
     OPTION_AT(struct config, sinks),
     .count_offset = offsetof(struct config, sink_count),
     .maximum = SINKS_MAX,
     .table = &sink_table,
     .help = "Where alerts are sent."},
    {.key = "max_alert_age",
     .type = &option_duration_or_never,
     OPTION_AT(struct config, max_alert_age_ms),
     .initial = "24h",
     .minimum = 60000,
     .maximum = 10 * YEARS,
     .help =
         "Alerts of windows that ended longer ago are recorded, not sent (back-fill); `never` sends all."},
    {.key = "dedup",
     .type = &option_bool,
     OPTION_AT(struct config, dedup),
     .initial = "true",
     .help =
         "Counts an event as a duplicate when its kind, model, version and id came before in the same pane "
         "and partition."},
    {.key = "workers",
     .type = &option_workers,
     OPTION_AT(struct config, workers),
     .initial = "1",
     .minimum = 1,
     .maximum = 256,
     .help = "Threads that read and count; `auto` is one per core."},
    {.key = "limits", .type = &option_section, .table = &limits_table, .help = "Bounds."},
    {.key = "log", .type = &option_section, .table = &log_table, .help = "Logging."},
};

const struct option_table config_table = {TABLE(config_options, struct config),
                                          .title = "The whole configuration."};
