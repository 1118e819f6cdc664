#ifndef DRIFTD_AGENT_JOIN_H
#define DRIFTD_AGENT_JOIN_H
/*
 * Predictions meet their labels (DESIGN §8). Both wait in a table of their own, by the hash of (model, id),
 * and what is joined is a function of the two sets: whatever the order of arrival, the same pairs result.
 * When a better entry replaces one that was joined already, the pair is taken back (sign −1) before the new
 * one is given. Better is: on time before late, then earlier, then the smaller value.
 *
 * A label joins when it is at most horizon_ms older than its prediction and, on time, when it is by pane_ms
 * older than the prediction's expiry; late, when the clock of its partition had not passed that expiry. The
 * former depends on the two events alone, whatever came between; the latter on the log. Labels' watermarks
 * are at most the end of an on-time label's pane, and not ahead of that clock, so nothing is forgotten that
 * could still be met (unless a partition returns from idleness or absence). A label must not expire before a
 * prediction it has met: another label would take its place without taking it back.
 *
 * With JOIN_LAST the best of the labels that came in time joins, and when another label came last, that one
 * takes its place as a revision. All labels of an id are then kept, up to JOIN_LABELS_MAX.
 *
 * Memory: 40 bytes per entry at a load of at most 0.7, never more than entries_max need. Predictions with
 * scores of several classes have them beside (score_pool.h): 8 to 64 bytes, and 4 for every place of the
 * table once there is one. Nothing is removed before it expires in event time; a full table refuses and
 * counts. Loop thread only; no clock of its own.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/class_scores.h"

struct join;

enum { JOIN_FIRST, JOIN_LAST };

/* Of a label that is added again from the store: it has met a prediction, which may be forgotten. */
enum { JOIN_MET = 2 };

struct join_entry {
    uint64_t id_hash; /* of model and id */
    int64_t ts_ms;
    double value;      /* a prediction's score or number; a label's class (0, 1) or number, or a hash of its
                          name */
    uint32_t wait_s;   /* expires so long after ts */
    uint32_t combo;    /* predictions: what it counts for */
    uint32_t owner;    /* predictions: versions that score the same ids are apart; labels: seconds by which
                          the clock of their partition was ahead of them */
    uint8_t kind;      /* predictions: enum outcome_kind; labels: which of several counts in the end */
    uint8_t predicted; /* of several classes: the slot; labels: the slot, with OUTCOME_NAME_ALONE when the
                          value says nothing, or OUTCOME_CLASS_NONE */
    bool late;
    uint8_t state; /* the table's own, but for JOIN_MET */
};

struct join_settings {
    uint64_t entries_max; /* of each table */
    int64_t horizon_ms;   /* a label may be so much older than its prediction */
    int64_t late_ms;      /* a late prediction is at most so much older than what has closed */
    int64_t pane_ms;      /* an on-time label's end of pane is at most so much younger than the label */
    /* A prediction was admitted (1), or another one took its place (−1). */
    int (*seen)(void *context, const struct join_entry *prediction, int sign);
    /* A pair; non-zero results stop and are returned. `revises`: it only changes what was said before (a last
     * label after one that was in time). */
    int (*joined)(void *context, const struct join_entry *prediction, const struct join_entry *label,
                  int sign, bool revises);
    /* Did the label come early enough for the first report on the prediction? NULL: always. */
    bool (*in_time)(void *context, const struct join_entry *prediction, const struct join_entry *label);
    /* Which of two predictions that are alike but for their scores (NULL: none) is better: negative for a. An
     * order of its own, whatever slots classes have. NULL: the first stays. */
    int (*compare_scores)(void *context, const struct join_entry *prediction, const struct class_scores *a,
                          const struct class_scores *b);
    /* A label may join a prediction for the first time. May be NULL. */
    int (*met)(void *context, const struct join_entry *label);
    /* An entry expired without ever having met another. May be NULL. */
    void (*expired)(void *context, const struct join_entry *entry, bool is_label);
    void *context;
};

int join_new(struct join **out, const struct join_settings *settings) MUST_USE;
void join_free(struct join *join);

/* Does the label say anything about such a prediction? A number that is no class does not about a binary one,
 * the name of a class only about one of several classes. */
bool join_may_pair(const struct join_entry *prediction, const struct join_entry *label);

enum { JOIN_LABELS_MAX = 8 };
enum join_fate { JOIN_ADDED, JOIN_DUPLICATE, JOIN_CHANGED, JOIN_REFUSED };
/* What became of it in *out_fate: CHANGED is a label that says something else than the one that stays, or
 * took its place. Returns 0, ERR_NOMEM or what a callback returned. O(1) expected. */
int join_add_prediction(struct join *join, const struct join_entry *prediction,
                        enum join_fate *out_fate) MUST_USE;
/* With scores of several classes, which are copied; NULL: none. */
int join_add_scored(struct join *join, const struct join_entry *prediction, const struct class_scores *scores,
                    enum join_fate *out_fate) MUST_USE;
/* The scores of a prediction that a callback was given; false when it has none. */
bool join_scores(const struct join *join, const struct join_entry *prediction, struct class_scores *out);
int join_add_label(struct join *join, const struct join_entry *label, enum join_fate *out_fate) MUST_USE;
/* What was added last, as it is kept: it may wait longer, and may have met. NULL: another one stayed, or
 * there was no room. What is not kept must not be added again from the store: the other may be forgotten
 * before. Good until the next call. */
const struct join_entry *join_added(const struct join *join);

/* Tables are larger than caches: said some entries ahead, what an id needs is there when it is added. */
void join_prefetch(const struct join *join, uint64_t id_hash);

/* Makes room for so many more predictions at once, within entries_max. */
int join_reserve(struct join *join, uint64_t predictions) MUST_USE;

/* What expired before may be forgotten when room is needed. */
void join_set_time(struct join *join, int64_t now_ms);

/* Looks for what has expired in so many slots of the tables, so that it is counted in time. */
void join_sweep(struct join *join, uint64_t slots);
/* All that expired before has been counted; INT64_MIN: nothing yet. */
int64_t join_swept_ms(const struct join *join);
/* Drops what `keep` does not want, without counting. O(slots). */
int join_keep(struct join *join, bool (*keep)(void *context, const struct join_entry *entry, bool is_label),
              void *context) MUST_USE;

/* Calls fn for every prediction of [from, to) that has a label, with each prediction of another owner that
 * the same label belongs to; none of the three late. In no order. O(slots). */
void join_each_shared(const struct join *join, int64_t from_ms, int64_t to_ms,
                      void (*fn)(void *context, const struct join_entry *prediction,
                                 const struct join_entry *other, const struct join_entry *label),
                      void *context);

struct join_stats {
    uint64_t predictions, labels; /* held now, expired ones included until they are forgotten */
    uint64_t duplicates, changed, refused;
    uint64_t orphans;    /* labels that expired without ever having met a prediction */
    uint64_t unlabelled; /* predictions that expired without a label */
    uint64_t bytes;
};
void join_get_stats(const struct join *join, struct join_stats *out);

#endif
