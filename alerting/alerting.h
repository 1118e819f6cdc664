#ifndef DRIFTD_ALERTING_ALERTING_H
#define DRIFTD_ALERTING_ALERTING_H
/*
 * Findings in, decisions out. Knows no statistics, no clock: everything that counts time counts windows or
 * event time, so a replay decides the same (DESIGN §10). Loop thread only. What it decides is returned as
 * changes that the caller commits in the same transaction as the results; only then may the outbox be sent
 * (alerting/webhook.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/strbuf.h"
#include "agent/base/text.h"
#include "detectors/report.h"

enum severity { SEVERITY_WARNING, SEVERITY_CRITICAL };
enum alert_state { ALERT_OK, ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED };
const char *severity_name(enum severity severity);
const char *alert_state_name(enum alert_state state);

/* A rule as configured. Strings are globs where it says so; NULL means "*". */
struct rule_spec {
    char *name;                                /* unique */
    char *model, *version, *segment, *feature; /* globs; segment "" (the default) is the whole model only */
    char *metric;                              /* exact name of metric_table */
    int64_t window_ms;                         /* 0: every window */
    double warning, critical;                  /* NaN: no such band; at least one is given */
    bool below;                                /* fires when value ≤ threshold instead of ≥ */
    bool ignore_noise;  /* default false: the effective threshold is max(threshold, noise floor of the metric)
                         */
    double max_p;       /* fires only when the metric's p-value is below; NaN: no condition */
    int64_t for_ms;     /* the condition must hold over window ends spanning at least this; 0: at once */
    double clear_ratio; /* resolves when value < ratio · warning … (default 0.8) */
    uint32_t clear_windows; /* … for so many windows in a row (default 1) */
    uint64_t minimum_n;     /* 0: the metric's own */
    char **sinks;           /* NULL-terminated names; NULL: all sinks */
};

struct alerting_settings {
    const struct rule_spec *rules;
    uint32_t rule_count;
    const char *const *sinks; /* names of all configured sinks, NULL-terminated */
    const char *pipeline;
    const char *store_hint;   /* path of the store, for the body's "where to look" */
    const char *external_url; /* or NULL */
    uint32_t alerts_max;      /* cap of alert states kept (default 100,000) */
};

/* One series and window whose report is being judged. */
struct finding_context {
    struct text model, version, segment; /* segment "" is the whole model */
    int64_t window_start_ms, window_end_ms;
    const char *reference_name, *reference_hash;
    /* For the body of a firing alert: appends a JSON array of the bins of that row (drift_bins): objects with
     * at least `bin`, `share`, `reference_share` and, where there is one, `psi_term`. May be NULL. */
    void (*bins_json)(void *context, const struct report_row *row, struct strbuf *out);
    /* The segments that carry the drift of that row's feature, the largest part first; returns how many. May
     * be NULL. What they point to lives until the call that asked ends. */
    uint32_t (*causes)(void *context, const struct report_row *row, const struct cause_share **out);
    void *context;
};

struct alerting;
int alerting_new(struct alerting **out, const struct alerting_settings *settings, struct err *err) MUST_USE;
void alerting_free(struct alerting *alerting);

/* Where changes go; each is called in a deterministic order; views are valid during the call. */
struct alert_row { /* the current state of one alert */
    char key[33];  /* hex of the first 16 bytes of SHA-256(pipeline, rule, model, version, segment, feature,
                      window length) */
    const char *rule, *metric;
    struct text model, version, segment, feature;
    int64_t window_ms;
    enum alert_state state;
    enum severity severity;
    int64_t since_ms;    /* window end at which the condition first held */
    int64_t fired_ms;    /* window end at which it fired; INT64_MIN */
    int64_t resolved_ms; /* INT64_MIN */
    int64_t last_window_end_ms;
    uint32_t clear_run;      /* windows in a row below the clear level */
    double value, threshold; /* NaN allowed */
    double peak_value;
    int64_t peak_ms;
};
struct alert_transition {
    char key[33];
    enum alert_state from, to;
    enum severity severity;
    int64_t window_end_ms;
    double value, threshold;
};
struct outbox_item {
    char id[33]; /* reproducible: DESIGN §10 */
    const char *sink;
    const char *kind;       /* "alert" */
    const char *entity_key; /* order is kept within (sink, entity) */
    const char *body;       /* JSON */
    size_t body_len;
    int64_t window_end_ms;
};
struct alert_sink {
    int (*alert)(void *context, const struct alert_row *row);
    int (*transition)(void *context, const struct alert_transition *transition);
    int (*outbox)(void *context, const struct outbox_item *item);
    void *context;
};

/* Loads one stored alert at start. */
int alerting_restore(struct alerting *alerting, const struct alert_row *row) MUST_USE;

/*
 * Judges the rows of one series and window (`names` gives each row's feature name, by row index). Call for
 * every series of a model and window end, then alerting_flush(model, window end) once: it writes alert rows,
 * transitions and one outbox item per sink for the whole group.
 */
int alerting_feed(struct alerting *alerting, const struct finding_context *context,
                  const struct report_row *rows, const struct text *names, uint32_t count) MUST_USE;
int alerting_flush(struct alerting *alerting, const struct alert_sink *sink) MUST_USE;
/* Alerts kept now, and those refused so far because `alerts_max` were kept. */
uint32_t alerting_count(const struct alerting *alerting);
uint64_t alerting_refused(const struct alerting *alerting);

#endif
