#ifndef DRIFTD_AGENT_ENGINE_OUTCOMES_H
#define DRIFTD_AGENT_ENGINE_OUTCOMES_H
/*
 * Labels become results (DESIGN §8). Beside the panes of features there is a second sequence of panes per
 * version: a pane of outcomes closes ("matures") when the panes of features have closed and the labels'
 * watermark has passed its end plus the model's label_delay. What is on time is decided by the logs alone:
 * a prediction and a label on time in their partitions, the label earlier than that moment. Everything else
 * is added to the late part and revises. Shared by the engine_outcomes*.c files and called by the others.
 */
#include "agent/engine_internal.h"
#include "agent/join.h"
#include "agent/outcome_classes.h"
#include "agent/outcome_panes.h"

/* Families of outcome panes in the store; not part of struct pane_set. Never change them. */
enum { PANE_OUTCOMES = 16, PANE_CLASS_SCORES = 23 };

static inline uint8_t outcome_family(int tally)
{
    return (uint8_t)(tally == OUTCOME_CLASS_SCORES ? PANE_CLASS_SCORES : PANE_OUTCOMES + tally);
}

/* OUTCOME_TALLIES: another family. */
static inline int outcome_tally_of(uint8_t family)
{
    int tally = 0;
    while (tally < OUTCOME_TALLIES && outcome_family(tally) != family)
        tally++;
    return tally;
}

/* As bits of struct pane_filter. */
static inline uint32_t outcome_families(void)
{
    uint32_t families = 0;
    for (int tally = 0; tally < OUTCOME_TALLIES; tally++)
        families |= UINT32_C(1) << outcome_family(tally);
    return families;
}

/* Of one model, since the store began: what v1_labels shows. Never reorder. */
enum label_count {
    LABELS_SEEN,   /* predictions that waited */
    LABELS_JOINED, /* … and have a label */
    LABELS_DUPLICATES,
    LABELS_CHANGED, /* labels that say something else than the one before */
    LABELS_ORPHANS, /* labels that expired without a prediction */
    LABELS_UNLABELLED,
    LABELS_REFUSED, /* predictions and labels for which there was no room */
    LABEL_COUNTS
};

enum { LABEL_DELAYS = 33 }; /* powers of two of seconds */

struct label_model {
    const struct model_config *config;
    uint64_t counts[LABEL_COUNTS];
    uint64_t expired[2]; /* predictions and labels that are not in `counts` yet: see its user */
    bool labelled, dormant, may_sleep;
    /* How long after the end of their panes labels come, to say so when too many come too late. Of this run.
     */
    uint32_t delays[LABEL_DELAYS], delay_count, too_late;
    bool told;
    bool is_new, changed; /* since the last commit */
};

struct outcome_combo {
    uint32_t model;         /* number in outcome_state.models */
    struct series **series; /* the whole model first */
    uint32_t series_count;
    uint16_t *slots; /* groups of the version */
    uint32_t slot_count;
};

struct provisional { /* the sweep of engine_outcomes_provisional.c */
    bool written;    /* the store may hold such rows */
    bool running;
    int64_t until_ms;        /* what had closed when it began */
    int64_t before_ms;       /* when the one before began; INT64_MIN: none */
    int64_t swept_at_ms;     /* monotonic */
    uint32_t series, window; /* where it goes on */
    uint64_t age;            /* of the next window, in slides */
};

struct outcome_state {
    struct join *join;
    struct intern *combo_names; /* canonical bytes; id is the number */
    struct outcome_combo *combos;
    struct combo_groups *combo_groups; /* the same, as folding wants them */
    uint32_t combo_capacity;
    struct intern *model_names;
    struct label_model *models; /* by id of `model_names` */
    uint32_t model_capacity;
    struct {
        uint32_t *combos; /* by the worker's number, of models too; INTERN_NONE: refused */
        uint32_t count;
        uint8_t *classes; /* their slots, by the worker's number */
    } * workers;
    uint32_t worker_count;
    struct outcome_classes *classes;
    struct outcome_scratch scratch;
    struct strbuf blob;                 /* entries of the next row of `waiting` */
    int64_t blob_expire_ms, blob_ts_ms; /* the latest expiry; the time of the last entry */
    uint32_t blob_wait_s;               /* of the last entry */
    bool restoring, taking_label;
    uint32_t changed_late;   /* parts to write */
    bool owed, owed_stored;  /* windows are stale; what the store knows of it */
    int64_t swept_stored_ms; /* until when expired entries have been counted and deleted */
    bool sweeping;
    int64_t revised_at_ms;
    struct provisional provisional;
};

/* engine_outcomes.c */
int engine_outcomes_new(struct engine *engine) MUST_USE;
void engine_outcomes_free(struct engine *engine);
int engine_outcomes_merge(struct engine *engine, uint32_t worker, const struct delta *delta) MUST_USE;
int engine_outcomes_learn_combo(struct engine *engine, struct series *const *series, uint32_t series_count,
                                const char *const *groups, uint32_t group_count, uint32_t *out) MUST_USE;
/* `scores`: of several classes, by slot; NULL: none. */
int engine_outcomes_take(struct engine *engine, const struct delta_waiting *waiting,
                         const struct class_scores *scores) MUST_USE;

/* What has expired becomes counters, when a sweep has found all of it. */
void engine_outcomes_count_expired(struct engine *engine);

/* engine_outcomes_close.c */
/* Matures panes, then revises; true when there is more to do now. */
bool engine_outcomes_advance(struct engine *engine, int64_t deadline_us);
bool engine_outcomes_is_idle(const struct engine *engine);
/* Panes of the version that ended before are final and in no window that is still to be written; INT64_MAX:
 * all. */
int64_t engine_outcomes_needed_from(const struct engine *engine, const struct version *version);
/* Start of the first pane with on-time outcomes that has not matured; INT64_MAX: none. */
int64_t engine_outcomes_first_open(const struct version *version);
/* The end lies after the last pane of a finite run. */
bool engine_outcomes_is_beyond_end(const struct engine *engine, uint8_t tier, int64_t end_ms);
/* The panes of a window into the scratch tallies. *out_late: some of them have a late part. */
int engine_outcomes_sum(struct engine *engine, struct series *series, const struct window_config *window,
                        int64_t end_ms, bool with_late, bool *out_late) MUST_USE;
/* Writes the rows of a window. */
int engine_outcomes_report(struct engine *engine, struct series *series, uint32_t window, int64_t end_ms,
                           uint32_t revision, bool *out_late) MUST_USE;

/* The rows of a window whose panes are summed in the scratch tallies, and how they compare. */
int engine_outcomes_write_rows(struct engine *engine, struct series *series,
                               const struct window_config *window, int64_t end_ms,
                               uint32_t revision) MUST_USE;

/* engine_outcomes_provisional.c */
/* The sweep, when it is due; true when there is more to do now. */
bool engine_outcomes_provisional(struct engine *engine, int64_t deadline_us);
/* Is a window of this age (in slides) written, so many slides after the last sweep? */
bool engine_provisional_is_due(uint64_t age, uint64_t step);
/* Rows that were not replaced, of windows that end in (from, until]. */
void engine_provisional_drop(struct engine *engine, const struct series *series, int64_t from_ms,
                             int64_t until_ms);

/* engine_outcomes_revise.c */
/* No outcome can be added any more to a window when panes have matured for so long after its end. */
int64_t engine_outcomes_final_ms(const struct engine *engine);
/* From its start, a pane is needed until panes have matured for so long after. */
int64_t engine_outcomes_keep_ms(const struct engine *engine, uint8_t tier);
/* Before panes of a version leave memory: rewrites those stale windows of its model that nothing can change
 * any more. Of all versions, since they are compared. */
int engine_outcomes_settle(struct engine *engine, const struct version *version) MUST_USE;
/* The sweep, when it is due; true when there is more to do now. */
bool engine_outcomes_revise(struct engine *engine, int64_t deadline_us);
bool engine_outcomes_is_stale(const struct engine *engine);

/* engine_outcomes_report.c */
/* The rows of a window whose panes are summed in the scratch tallies. */
int engine_outcomes_write(struct engine *engine, const struct series *series,
                          const struct window_config *window, int64_t end_ms, uint32_t revision) MUST_USE;

/* engine_outcomes_classes.c */
/* The worker's names of classes become slots of the model: entry.predicted and `truth`. */
int engine_outcomes_name_classes(struct engine *engine, struct delta_waiting *waiting) MUST_USE;
/* Names of classes that are new to a worker. */
int engine_outcomes_learn_classes(struct engine *engine, uint32_t worker, const struct delta *delta) MUST_USE;
/* The scores of a prediction by the slots of their classes; false when it has none. Those of a class without
 * one of the first CLASS_SCORES_MAX slots are refused, all of them, and the version is capped. */
bool engine_outcomes_scores(struct engine *engine, uint32_t worker, const struct delta_waiting *waiting,
                            struct class_scores *out);
/* As join_settings.compare_scores; `context` is the engine. */
int engine_outcomes_compare_scores(void *context, const struct join_entry *prediction,
                                   const struct class_scores *a, const struct class_scores *b);
/* After a kind byte of KIND_CLASS. */
int engine_outcomes_restore_class(struct engine *engine, struct cursor *in) MUST_USE;

/* engine_outcomes_models.c */
/* NULL: no room for another. Pointers are good until the next call. */
struct label_model *engine_outcomes_model(struct engine *engine, struct text name, uint32_t *out_number);
struct label_model *engine_outcomes_model_of(const struct engine *engine, uint32_t number);
/* Says with every row of the model's versions that something is missing. */
void engine_outcomes_cap_model(struct engine *engine, uint32_t number);
int engine_outcomes_saw_prediction(struct engine *engine, uint32_t number) MUST_USE;
void engine_outcomes_saw_label(struct engine *engine, uint32_t number);
/* A label met its prediction so long after the end of its pane; `in_time` for the first, final rows or not.
 */
void engine_outcomes_saw_delay(struct engine *engine, uint32_t number, int64_t delay_ms, bool in_time);
void engine_outcomes_put_models(struct engine *engine);
void engine_outcomes_restore_model(struct engine *engine, uint32_t number);

/* engine_outcomes_store.c */
int engine_outcomes_remember_model(struct engine *engine, uint32_t number) MUST_USE;
enum { KIND_COMBO = WAITING_OUTCOME + 1, KIND_MODEL, KIND_CLASS };
void engine_outcomes_flush_blob(struct engine *engine);
/* A row that never expires, before the entries that will refer to it: a kind byte and what it says. Releases
 * `bytes`. ERR_NOMEM. */
int engine_outcomes_put_name(struct engine *engine, struct strbuf *bytes) MUST_USE;
void engine_outcomes_put(struct engine *engine);
int engine_outcomes_remember(struct engine *engine, const struct delta_waiting *waiting,
                             const struct class_scores *scores) MUST_USE;
int engine_outcomes_remember_combo(struct engine *engine, const struct outcome_combo *combo) MUST_USE;
int engine_outcomes_restore(struct engine *engine, struct err *err) MUST_USE;
/* No pane of outcomes from here on is in the store already. */
int64_t engine_outcomes_floor(const struct engine *engine);

#endif
