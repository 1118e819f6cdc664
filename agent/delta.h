#ifndef DRIFTD_AGENT_DELTA_H
#define DRIFTD_AGENT_DELTA_H
/*
 * What a stretch of input adds (DESIGN §3): cells per (series, finest pane), names that are new, where each
 * partition stands, and how many records had which fate. Filled by one worker, then handed to the loop,
 * merged there by addition and given back empty. Series are numbered by the worker; `names` tells the loop
 * what the new numbers mean.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/join.h"
#include "agent/profile.h"
#include "collectors/event.h"
#include "detectors/distinct_sketch.h"
#include "detectors/families.h"
#include "detectors/name_sketch.h"
#include "detectors/reference.h"

struct delta_cell {
    struct delta_cell *next; /* in the delta's list */
    uint32_t series;         /* worker's number */
    bool late;
    bool unchecked; /* ids did not fit limits.dedup_bytes: some events may have counted twice */
    int64_t pane_start_ms;
    uint64_t activity[EVENT_KIND_COUNT];      /* applied events by kind */
    const struct profile *profile;            /* READY when `features` is used */
    struct feature_cell *features;            /* NULL until an event is binned */
    struct tally *counts[COUNT_FAMILY_COUNT]; /* detectors/families.h; NULL until an event applies */
    uint32_t kpi_basis;                       /* of counts[COUNT_KPI] */
    struct name_sketch *names;                /* what is unseen; NULL until something is */
    struct distinct_sketch *distinct;         /* hashes of values; NULL: none are wanted */
    struct sample *sample;                    /* capture: NULL unless the profile wants one */
};

struct delta_series {
    uint32_t series; /* worker's number, ascending from 0 over the worker's life */
    const char *model, *version, *segment;
};

struct delta_partition {
    uint32_t slot;
    int64_t next_offset, dedup_offset;
    int64_t clock_ms[2]; /* data, labels; INT64_MIN: none yet */
    uint64_t records;
    int64_t end_offset; /* log end as last heard, −1 unknown */
    bool started;       /* has given a record or its end */
    bool at_end;        /* caught up, and nothing since */
    bool held;          /* waits for a limit or a profile */
    bool finished, failed;
    bool reset;       /* reading went on at another offset than asked */
    char detail[512]; /* why it failed, or what was skipped */
};

/* What a prediction counts for, numbered by the worker, ascending from 0 over the worker's life. */
struct delta_combo {
    uint32_t combo;
    const uint32_t *series; /* worker's numbers: the whole model, then its segments */
    uint32_t series_count;
    const char *const *groups; /* "attribute=value" */
    uint32_t group_count;
};

/* A KPI of a (model, version) has a slot (detectors/kpi.h): the worker's, until the loop has renamed it. */
struct delta_kpi {
    uint32_t series; /* of the whole model */
    uint32_t slot;
    const char *name;
};

/* The name of a class whose score waits: numbered by the worker, ascending over its life, for which the two
 * texts live. */
struct delta_class {
    uint16_t number;
    const char *model, *name;
};

enum waiting_kind {
    WAITING_PREDICTION,
    WAITING_LABEL,
    WAITING_OUTCOME /* a prediction that brought its label: `truth` */
};
struct delta_waiting {
    struct join_entry entry; /* combo: worker's number */
    enum waiting_kind kind;
    double truth;
    /* Names of classes, for as long as the worker lives; NULL: none. */
    const char *model, *predicted_class, *label_class;
    const struct delta_score *scores; /* of all classes of a prediction; as long as the delta */
    uint32_t score_count;
    bool scores_refused; /* more than there may be */
};
struct delta_score {
    uint16_t number; /* of the class */
    uint16_t code;   /* detectors/class_scores.h */
};

struct delta_count {
    uint32_t input;
    enum fate fate;
    enum reject reject;
    uint64_t n;
};

struct delta;
struct delta *delta_new(void);
void delta_free(struct delta *delta);
/* Empty again; keeps cells of the same series for reuse. */
void delta_reset(struct delta *delta);

/* The cell of (series, pane, late), made when it is new. NULL when out of memory. */
struct delta_cell *delta_cell(struct delta *delta, uint32_t series, int64_t pane_start_ms, bool late,
                              const struct profile *profile);
int delta_add_series(struct delta *delta, uint32_t series, struct text model, struct text version,
                     struct text segment) MUST_USE;
int delta_add_combo(struct delta *delta, const struct delta_combo *combo) MUST_USE;
int delta_add_kpi(struct delta *delta, uint32_t series, uint32_t slot, struct text name) MUST_USE;
/* Texts are not copied. */
int delta_add_class(struct delta *delta, const struct delta_class *class) MUST_USE;
int delta_add_waiting(struct delta *delta, const struct delta_waiting *waiting) MUST_USE;
int delta_set_partition(struct delta *delta, const struct delta_partition *partition) MUST_USE;
void delta_count(struct delta *delta, uint32_t input, enum fate fate, enum reject reject);

/* Approximate memory of what was added since the last reset. */
size_t delta_bytes(const struct delta *delta);
bool delta_is_empty(const struct delta *delta);

/* Reading side. */
const struct delta_cell *delta_cells(const struct delta *delta);
const struct delta_series *delta_new_series(const struct delta *delta, uint32_t *out_count);
const struct delta_combo *delta_new_combos(const struct delta *delta, uint32_t *out_count);
const struct delta_kpi *delta_new_kpis(const struct delta *delta, uint32_t *out_count);
const struct delta_class *delta_new_classes(const struct delta *delta, uint32_t *out_count);
size_t delta_waiting_count(const struct delta *delta);
/* The id of one of them, in no need of a reader. */
uint64_t delta_waiting_hash(const struct delta *delta, size_t at);
/* Reads them one by one, in the order of their coming; begins as {0}. False: no more. */
struct delta_waiting_reader {
    size_t at, more_at, score_at;
};
bool delta_next_waiting(const struct delta *delta, struct delta_waiting_reader *reader,
                        struct delta_waiting *out);
const struct delta_partition *delta_partitions(const struct delta *delta, uint32_t *out_count);
/* Calls fn for every count that is not zero. */
void delta_each_count(const struct delta *delta, void (*fn)(void *context, const struct delta_count *count),
                      void *context);

enum { DELTA_INPUTS_MAX = 256 };

#endif
