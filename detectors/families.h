#ifndef DRIFTD_DETECTORS_FAMILIES_H
#define DRIFTD_DETECTORS_FAMILIES_H
/*
 * Families of statistics that single events add to, beside their features: latency, scores, attributions,
 * outliers … Each is a tally (tally.h), a way of counting one event and a way of reporting a window, in files
 * of its own; the table below is all that the rest of the system knows of them. Workers count, the loop
 * merges by addition, windows report against the tally that the reference holds of the same family.
 *
 * Counting must be a pure function of the event, the reference and the options: no libm (its results differ
 * by CPU), no order, integers only. Reporting is a pure function of integers; undefined is NaN.
 */
#include <stdbool.h>
#include <stdint.h>

#include "collectors/event.h"
#include "detectors/features.h"
#include "detectors/report.h"
#include "detectors/tally.h"

struct reference;
struct labelled;
struct ddsketch_layout;
struct kpi_scale;
struct kpi_target;
struct kpi_view;
struct ranking_tables;

enum task { TASK_AUTO, TASK_BINARY, TASK_REGRESSION, TASK_NONE, TASK_MULTICLASS };
enum multivariate_mode {
    MULTIVARIATE_OFF,
    MULTIVARIATE_SAMPLED, /* one event of 16, by the hash of its id */
    MULTIVARIATE_ALL
};

/* What a user says of a model and detectors need to know. */
struct model_options {
    enum task task;   /* AUTO: binary with a score, a text or a boolean; regression with a number alone */
    uint64_t n_min;   /* values below which a distance is `insufficient` */
    double threshold; /* scores from here on are positive where the event has no prediction */
    char *positive;   /* what a label or prediction of the positive class says; NULL: 1 or true */
    double unit;      /* of regression targets (> 0) */
    struct kpi_scale *kpis; /* kpi.h */
    uint32_t kpi_count;
    enum multivariate_mode multivariate; /* features together, and embeddings: which events are counted */
    char **multivariate_features;        /* globs; NULL: the first 64 of the grid that are no embeddings */
    char **embeddings;                   /* names; NULL: every array-valued feature of the reference */
    const char *const *cardinality;      /* names of features (cardinality.h); NULL: none */
    bool record_lag;                     /* event-time lag by the records' timestamps (lag.h) */
};

/* Tables that several families count and report with; immutable, one per thread that wants them. */
struct family_tools {
    struct ddsketch_layout *latency; /* ms: 1 % from 1 µs to 1 h */
    struct ddsketch_layout *lag;     /* ms: 1 % from 1 ms to 30 days */
    struct ddsketch_layout *kpi;     /* units: 1 % from 1e-4 to 1e6, of both signs */
    struct ranking_tables *ranking;
};
int family_tools_init(struct family_tools *tools) MUST_USE;
void family_tools_release(struct family_tools *tools);

/* One event, as families see it. */
struct count_input {
    const struct event *event;
    const struct model_options *options;
    const struct family_tools *tools;
    const struct reference *reference;     /* NULL: there is none (yet) for this event */
    const struct feature_row *row;         /* the event on the reference's grid; NULL without a reference */
    const struct feature_binding *binding; /* name ids of the event → features of the grid; NULL without */
    const struct kpi_target *kpis;         /* one per KPI of the event (kpi.h); NULL: it has none */
    int64_t record_ms;                     /* timestamp of its record in the log; 0: it has none */
};

/* One window, as families report it. */
struct family_report {
    const struct tally *current;
    const struct tally *baseline;      /* of the reference; NULL: it says nothing of this family */
    const struct reference *reference; /* NULL: none */
    const struct labelled *labelled;   /* outcomes to compare with; NULL: none */
    const struct model_options *options;
    const struct family_tools *tools;
    const uint64_t *activity; /* applied events of the window, by enum event_kind */
    int64_t window_ms;
    const struct kpi_view *kpi; /* kpi.h; NULL: nothing known */
};

enum count_family {
    COUNT_LATENCY,      /* latency.h */
    COUNT_ATTRIBUTIONS, /* attributions.h */
    COUNT_KPI,          /* kpi.h */
    COUNT_TYPES,        /* value_types.h */
    COUNT_OUTLIERS,     /* outliers.h */
    COUNT_SCORES,       /* scores.h */
    COUNT_MULTIVARIATE, /* multivariate_family.h */
    COUNT_EMBEDDINGS,   /* embeddings.h */
    COUNT_RANKING,      /* ranking.h */
    COUNT_DUPLICATES,   /* duplicates.h */
    COUNT_LAG,          /* lag.h */
    COUNT_KPI_TAILS,    /* kpi_tails.h */
    COUNT_FAMILY_COUNT
}; /* numbers are stored: append, never renumber; at most 14 */

struct family_ops {
    const char *name;  /* in references on disk: stable */
    bool of_segments;  /* counted for segments too, not only for the whole model */
    bool of_reference; /* counts by the reference: panes of two references never add */
    /* What its tally holds; {0, 0}: nothing to count. `reference` is NULL unless of_reference. */
    struct tally_size (*size)(const struct family_tools *tools, const struct reference *reference);
    /* Does the event say anything to this family? Cheap: asked for every event. */
    bool (*applies)(const struct count_input *input);
    /* Adds an event that applies, `times` times. O(1) or as documented. */
    void (*add)(struct tally *tally, const struct count_input *input, uint64_t times);
    /* Rows of a window at most. */
    uint32_t (*rows_max)(const struct reference *reference);
    /* Fills rows and the names of their subjects ("@latency_ms", a feature …: static or the reference's);
     * returns how many. A family without anything to say returns 0. */
    uint32_t (*report)(const struct family_report *report, struct report_row *rows, struct text *names);
};
extern const struct family_ops *const family_table[COUNT_FAMILY_COUNT];

/* Counts an event in `tallies` (COUNT_FAMILY_COUNT of them, made when first needed; those of a segment only
 * hold what is of_segments). ERR_NOMEM: families before the one that failed have it. */
int families_add(struct tally **tallies, const struct count_input *input, uint64_t times,
                 bool segment) MUST_USE;
/* The id of an event that was counted came again: of the whole model, and nothing else of it counts. */
int families_add_duplicate(struct tally **tallies, enum event_kind kind) MUST_USE;
uint32_t families_rows_max(const struct reference *reference); /* of any one family */

#endif
