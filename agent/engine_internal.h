#ifndef DRIFTD_AGENT_ENGINE_INTERNAL_H
#define DRIFTD_AGENT_ENGINE_INTERNAL_H
/* What the engine*.c files share; nobody else includes this. */
#include "agent/base/arena.h"
#include "agent/base/intern.h"
#include "agent/engine.h"
#include "agent/outcome_panes.h"
#include "agent/pane_set.h"
#include "agent/panes.h"
#include "detectors/drift.h"
#include "detectors/volume.h"
#include "detectors/kpi.h"

enum { CAPTURE_NONE, CAPTURE_UNSTARTED, CAPTURE_RUNNING };

/* A reference that is in use or was; never freed before the engine. */
struct known_reference {
    struct known_reference *next;
    uint32_t number;
    struct reference *reference;
    struct known_grid *grid;
    bool alias; /* the reference belongs to another entry */
    int64_t effective_from_ms;
    const void
        *owner; /* the struct reference_config that asked for it; NULL: captured, or of an earlier run */
    struct profile profile; /* READY on it */
};

struct known_grid {
    struct known_grid *next;
    uint32_t number;
    char id[17];
    const struct feature_layout *layouts[GRID_RESOLUTION_COUNT]; /* NULL until a reference brings the grid */
    struct feature_layout *owned_coarse;
    uint32_t *subjects; /* by feature of the grid: number in the store */
};

/* One (model, version). */
struct version {
    char *model, *name;
    const struct model_config *config;
    const struct reference_config *reference_config;
    struct known_reference *reference; /* NULL: none yet */
    const struct profile *profile;
    bool capped;
    /* capture */
    int capture; /* CAPTURE_* */
    int64_t capture_start_ms, capture_end_ms, capture_until_ms;
    uint64_t capture_events;
    struct duplicate_counts capture_duplicates; /* of all events of its panes */
    struct sample *sample;
    bool sample_changed;
    /* outcomes (engine_outcomes.h) */
    struct series *whole;     /* of the whole model; NULL: nothing waits for labels */
    int64_t matured_until_ms; /* INT64_MIN: nothing yet */
    int64_t settled_until_ms; /* windows that end until then are never revised again */
    bool matured_changed;
    struct intern *groups; /* "attribute=value", by slot; NULL: none */
    /* KPIs (engine_kpi.c) */
    struct intern *kpis; /* by slot; NULL: none */
    bool kpis_changed;
    uint8_t *kpi_maps; /* by worker and its slot */
    uint32_t kpi_map_count;
    struct paired_pane *paired; /* by time (engine_versions.h); NULL: none */
    uint32_t paired_count, paired_capacity;
    /* the first labelled outcomes (engine_labelled.h) */
    struct labelled *labelled; /* NULL: none yet */
    int64_t labelled_until_ms; /* end of the last pane that is in */
    bool labelled_frozen;
    struct owed_estimates { /* engine_estimates.h */
        int64_t from_ms;    /* windows that end before have none */
        int64_t next_ms[WINDOW_MAX],
            until_ms[WINDOW_MAX]; /* ends that are owed, by window; next > until: none */
        bool changed;
    } estimates;
    struct sequences *sequences; /* engine_sequence.h; NULL: none */
    struct past *past;           /* engine_past.h; NULL: none yet */
    struct evidences *evidences; /* engine_evidence.h; NULL: none yet */
};

struct open_pane {
    struct open_pane *next; /* ascending by start */
    int64_t start_ms;
    struct pane_set set;
    struct sample *sample;
    bool changed, sample_changed; /* since the last commit */
};

struct late_pane { /* late counts of one closed pane, encoded */
    int64_t start_ms;
    uint8_t tier;
    bool changed;
    uint32_t basis[PANE_PART_COUNT]; /* as pane_set.basis */
    char *bytes[PANE_PART_COUNT];
    size_t len[PANE_PART_COUNT];
};

struct union_pane { /* a part of a closed pane that windows may hold and none can subtract, encoded */
    struct union_pane *next; /* oldest first */
    int64_t start_ms;
    uint8_t tier, part;
    uint32_t basis; /* as pane_set.basis */
    size_t len;
    char bytes[];
};

struct window {
    struct pane_set set;
};

struct series {
    uint32_t number;
    char *segment; /* "" the whole model */
    struct version *version;
    struct open_pane *open;
    struct pane_set coarse[TIER_MAX]; /* [0] unused: the panes of coarser tiers that are not closed */
    struct window windows[WINDOW_MAX];
    struct late_pane *late; /* ascending by (tier, start) */
    uint32_t late_count, late_capacity;
    struct union_pane *unions;
    struct volume *volume; /* NULL: nothing yet, or not followed */
    struct outcome_panes outcomes;
    struct kpi_past *kpi_past; /* by slot; NULL: none */
    struct tally *kpi_tails;   /* of kpi_tails.h: first periods; NULL: none */
    bool kpi_past_changed;
    int64_t incomplete_until_ms; /* windows that start before are incomplete */
};

/* Encoded panes of one (tier, start), all series: for windows that they will leave. */
struct pane_group {
    struct pane_group *next; /* oldest first */
    uint8_t tier;
    int64_t start_ms;
    uint64_t ticket; /* of the batch that writes it; 0: read from the store */
    struct stored_pane *panes;
    size_t count, capacity, bytes;
    struct arena *memory;
};

struct starts { /* starts of non-empty panes of a tier, ascending */
    int64_t *items;
    uint32_t first, count, capacity;
};

struct stale_window {
    uint32_t series; /* number in the store */
    uint8_t window;
    int64_t end_ms;
};

struct outbox_entry {
    struct outbox_entry *next;
    uint64_t ticket;
    struct engine_outbox item;
    char *memory;
};

struct step { /* the closing of one finest pane, resumable between series */
    bool running;
    int64_t end_ms;
    bool reporting; /* all series have been added to their windows */
    uint32_t next_series;
    uint32_t tiers;                /* how many tiers end here */
    const struct series *evidence; /* whose pane is being judged; NULL: none */
};

struct feature_causes { /* of the window being reported, the largest parts first */
    struct cause_share items[CAUSES_SHOWN];
    uint32_t count;
};

struct engine {
    struct engine_settings settings;
    const struct config *config;
    struct pane_times times;
    struct drift_options drift;
    struct family_tools tools;

    struct engine_partition *partitions;
    uint32_t partition_count, partition_capacity;
    struct stored_offset *stored_offsets; /* of earlier runs, until their partition is registered */
    uint32_t stored_offset_count;
    bool assignment_complete, input_missing;
    int (*meanwhile)(void *context); /* while engine_restore_closed runs */
    int64_t paused_at_ms;            /* monotonic: its last call */

    /* names */
    struct intern *subjects; /* id + 1 is the number in the store */
    struct series **series;  /* sorted by (model, version, segment) */
    uint32_t series_count, series_capacity;
    struct series **by_number; /* by number in the store */
    uint32_t by_number_capacity, next_series_number;
    struct version **versions;
    uint32_t version_count, version_capacity;
    struct {
        struct series **series; /* by the worker's number; NULL: refused */
        uint32_t count;
    } * workers;
    uint32_t worker_count;
    struct known_reference *references;
    struct known_grid *grids;
    uint32_t next_reference_number, next_grid_number;
    struct profile_book book;
    struct profile_entry *book_entries;
    struct profile profile_none;
    struct retired_profile {
        struct retired_profile *next;
        struct profile profile;
        const void *owner; /* WAITING: the struct reference_config it stands for */
    } * retired;           /* profiles that workers may still look at */

    /* time */
    int64_t watermark_ms, label_watermark_ms, closed_until_ms;
    int failed;      /* ERR_*: out of memory or a stored pane that does not decode; the agent stops */
    bool endless;    /* every partition is finished: the watermark is +∞ */
    bool incomplete; /* a partition is absent */
    struct step step;
    int64_t last_pane_ms; /* start of the latest finest pane that ever held an event */
    struct starts starts[TIER_MAX];
    int64_t window_low_ms[WINDOW_MAX]; /* windows hold panes from here … */
    struct pane_group *groups, *groups_tail;
    size_t group_bytes;
    size_t open_bytes;
    int64_t sent_undecided_ms, sent_ahead_ms;
    bool limits_sent, held_back;

    /* store */
    struct store_batch *batch; /* being filled */
    uint64_t ticket, submitted_ticket, committed_ticket;
    int64_t committed_at_ms;
    bool dirty; /* something changed since the last commit */
    uint64_t request_ticket;
    bool request_pending;
    uint64_t counts[DELTA_INPUTS_MAX][FATE_COUNT + REJECT_COUNT];
    bool counts_changed[DELTA_INPUTS_MAX];
    struct outbox_entry *outbox, *outbox_tail, *outbox_current;
    bool must_send;

    struct outcome_state *outcomes; /* engine_outcomes.h */
    struct {
        struct version *asking; /* NULL: no request is under way */
        uint32_t window;
        int64_t last_ms;
        uint64_t ticket;
        int64_t written_until_ms; /* panes that end by then were submitted */
    } estimates;                  /* engine_estimates.h */

    /* revisions */
    struct stale_window *stale;
    uint32_t stale_count, stale_capacity;
    bool stale_sorted;
    int64_t stale_deadline_ms; /* before a pane that ends later closes, some must be written */
    int64_t revised_at_ms;
    bool revise_now, revising;
    uint64_t revise_ticket;
    uint8_t revise_window;
    int64_t revise_end_ms;

    struct engine_stats stats;
    struct report_row *rows; /* scratch */
    struct text *row_names;
    struct feature_causes *causes; /* by feature, of the last whole model that was explained */
    uint32_t causes_capacity;
    uint32_t row_capacity;
    struct strbuf scratch;
};

/* engine_names.c */
struct series *engine_series(struct engine *engine, const char *model, const char *version,
                             const char *segment, bool restoring, uint32_t number);
struct version *engine_version(struct engine *engine, const char *model, const char *version);
uint32_t engine_subject(struct engine *engine, struct text name);
int engine_learn_reference(struct engine *engine, struct reference *reference, uint32_t number,
                           uint32_t grid_number, int64_t effective_from_ms, struct known_reference **out);
struct known_grid *engine_grid(const struct engine *engine, uint32_t number);
void engine_names_free(struct engine *engine);
int engine_prepare_rows(struct engine *engine, uint32_t count);
static inline enum grid_resolution series_resolution(const struct series *series)
{
    return series->segment[0] ? GRID_COARSE : GRID_FINE;
}
/* Of what is stored as `family`, counted by `basis`; NULL for families without a grid. */
static inline const struct feature_layout *
engine_layout(const struct engine *engine, const struct series *series, uint8_t family, uint32_t basis)
{
    const struct known_grid *known = family == PANE_FEATURES && basis ? engine_grid(engine, basis) : NULL;
    return known ? known->layouts[series_resolution(series)] : NULL;
}

/* engine.c */
struct open_pane *engine_open_pane(struct engine *engine, struct series *series, int64_t start_ms);

/* engine_restore.c: references; engine_commit.c: everything else */
/* For how long the panes of a tier are needed: the longest window, the pane above it, late events (DESIGN
 * §6). */
int64_t engine_tier_need_ms(const struct engine *engine, uint32_t tier);
/* Before any worker runs: what a (model, version) starts with. */
int engine_book_add(struct engine *engine, const char *model, const char *version,
                    const struct profile *profile);
const struct profile *engine_profile_by_configuration(const void *engine, struct text model,
                                                      struct text version);
int engine_restore_subjects(struct engine *engine, struct err *err);
int engine_put_reference(struct engine *engine, const struct known_reference *known, const char *action);
int engine_restore_state(struct engine *engine, struct err *err);
void engine_each_dormant(const struct engine *engine,
                         void (*fn)(void *context, const char *model, bool dormant), void *context);

/* engine_watermark.c */
void engine_update_watermark(struct engine *engine);

/* engine_close.c */
int64_t engine_first_open(const struct engine *engine); /* INT64_MAX: no pane is open */
/* The end of the last pane of a tier that a finite run closes. */
int64_t engine_final_end(const struct engine *engine, uint32_t tier);

/* engine_panes.c: groups of encoded panes and starts */
struct pane_group *engine_group(struct engine *engine, uint8_t tier, int64_t start_ms);
struct pane_group *engine_group_new(struct engine *engine, uint8_t tier, int64_t start_ms);
int engine_group_put(struct engine *engine, struct pane_group *group, const struct stored_pane *pane);
void engine_groups_trim(struct engine *engine);
void engine_groups_free(struct engine *engine);
int starts_add(struct starts *starts, int64_t start_ms);
void starts_drop_before(struct starts *starts, int64_t start_ms);
bool starts_has(const struct starts *starts, int64_t start_ms);

/* engine_report.c */
int engine_report(struct engine *engine, struct series *series, uint32_t window, const struct pane_set *set,
                  int64_t end_ms, uint32_t revision);
/* Flags, stores and (revision 1) judges rows of a window; names are their subjects. */
int engine_put_rows(struct engine *engine, const struct series *series, const struct window_config *window,
                    int64_t end_ms, uint32_t revision, struct report_row *rows, const struct text *names,
                    uint32_t count);
/* engine_cause.c: the features of the whole model whose drift is worth explaining, by segment. Rows of
 * segments into the batch. */
int engine_explain(struct engine *engine, const struct series *whole, uint32_t window,
                   const struct pane_set *set, const struct report_row *rows, int64_t end_ms);
int engine_flush_alerts(struct engine *engine);

/* engine_capture.c */
void engine_capture_begin(struct engine *engine, struct version *version);
int engine_capture_pane(struct engine *engine, struct series *series, struct open_pane *pane);
/* Freezes what can be frozen; true when something changed. */
bool engine_capture_check(struct engine *engine);
int engine_capture_restore(struct engine *engine, struct err *err);
void engine_capture_put(struct engine *engine);

/* engine_kpi.c */
int engine_kpi_merge(struct engine *engine, uint32_t worker, const struct delta *delta) MUST_USE;
int engine_kpi_close(struct engine *engine, struct series *series, const struct open_pane *pane) MUST_USE;
/* What a report of KPIs needs; false: the set has none, or counted otherwise than now. */
bool engine_kpi_view(const struct series *series, const struct pane_set *set, int64_t end_ms,
                     uint32_t revision, struct kpi_view *out);
void engine_kpi_put(struct engine *engine);
int engine_kpi_restore(struct engine *engine, struct err *err) MUST_USE;

/* engine_late.c */
int engine_late_add(struct engine *engine, struct series *series, const struct delta_cell *cell);
int engine_late_restore(struct engine *engine, const struct stored_pane *pane, bool revisions_owed);
void engine_late_put(struct engine *engine);
struct late_pane *engine_late_find(struct series *series, uint8_t tier, int64_t start_ms, bool add);
int engine_late_add_to(const struct engine *engine, const struct series *series, const struct late_pane *late,
                       struct pane_set *set);
void engine_late_free(struct series *series);

/* engine_unions.c */
/* Remembers a part of a closed pane that is a union (pane_part_is_union), once. */
int engine_union_keep(struct series *series, const struct stored_pane *stored);
/* Makes the unions of a window from those of its panes, into its set. */
int engine_window_unions(const struct engine *engine, struct series *series, uint32_t window, int64_t end_ms);
/* Forgets panes of a tier that no window which ends later can hold. */
void engine_unions_trim(const struct engine *engine, struct series *series, uint8_t tier, int64_t end_ms);
void engine_unions_drop(struct series *series);

/* engine_volume.c */
enum { PANE_VOLUME = 21 }; /* in the store: counts of the second tier's panes in one of the coarsest */
int engine_volume_close(struct engine *engine, struct series *series, uint8_t tier, int64_t start_ms,
                        const struct pane_set *set);
int engine_volume_report(struct engine *engine, const struct series *series,
                         const struct window_config *window, int64_t end_ms, uint32_t revision);
int engine_volume_restore(struct engine *engine, struct err *err);

/* engine_revise.c */
/* The windows of a tier that hold this pane, closed already or not. */
int engine_stale_mark(struct engine *engine, const struct series *series, uint8_t tier, int64_t start_ms);
/* One step of the sweep; true when there is more to do now. */
bool engine_revise(struct engine *engine);
/* Must revisions be written before the pane that ends then may close? */
bool engine_revise_before(struct engine *engine, int64_t end_ms);
/* The panes of the window that is being revised have come: rewrites the rows of every stale series of it. */
void engine_revise_panes(struct engine *engine, const struct store_panes *panes);

#endif
