#ifndef DRIFTD_AGENT_JOIN_H
#define DRIFTD_AGENT_JOIN_H
/*
 * Predictions meet their labels (DESIGN §8). Both wait in a table of their own, by the hash of (model, id),
 * and what is joined is a function of the two sets: whatever the order of arrival, the same pairs result.
 * When a better entry replaces one that was joined already, the pair is taken back (sign −1) before the new
 * one is given. Better is: on time before late, then earlier, then the smaller value.
 *
 * A label joins when it is at most horizon_ms older than its prediction and when the clock of its partition
 * had not passed the prediction's expiry: a property of the logs. Labels' watermarks are not ahead of that
 * clock, so nothing is forgotten that could still be met (unless a partition returns from idleness or
 * absence).
 *
 * Memory: 40 bytes per entry at a load of at most 0.7. Nothing is removed before it expires in event time; a
 * full table refuses and counts. Loop thread only; no clock of its own.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct join;

struct join_entry {
    uint64_t id_hash; /* of model and id */
    int64_t ts_ms;
    double value;      /* a prediction's score or number; a label's class (0, 1) or number, or a hash of its
                          name */
    uint32_t wait_s;   /* expires so long after ts */
    uint32_t combo;    /* predictions: what it counts for */
    uint32_t owner;    /* predictions: versions that score the same ids are apart; labels: seconds by which
                          the clock of their partition was ahead of them */
    uint8_t kind;      /* predictions: enum outcome_kind; labels: MULTICLASS when only the name counts */
    uint8_t predicted; /* of several classes: the slot; labels: the slot or OUTCOME_CLASS_NONE */
    bool late;
    uint8_t state; /* the table's own */
};

struct join_settings {
    uint64_t entries_max; /* of each table */
    int64_t horizon_ms;   /* a label may be so much older than its prediction */
    int64_t late_ms;      /* a late prediction is at most so much older than what has closed */
    /* A prediction was admitted (1), or another one took its place (−1). */
    int (*seen)(void *context, const struct join_entry *prediction, int sign);
    /* A pair; non-zero results stop and are returned. */
    int (*joined)(void *context, const struct join_entry *prediction, const struct join_entry *label,
                  int sign);
    void *context;
};

int join_new(struct join **out, const struct join_settings *settings) MUST_USE;
void join_free(struct join *join);

/* Does the label say anything about such a prediction? A number that is no class does not about a binary one,
 * the name of a class only about one of several classes. */
bool join_may_pair(const struct join_entry *prediction, const struct join_entry *label);

enum join_fate { JOIN_ADDED, JOIN_DUPLICATE, JOIN_CHANGED, JOIN_REFUSED };
/* What became of it in *out_fate: CHANGED is a label that says something else than the one that stays, or
 * took its place. Returns 0, ERR_NOMEM or what a callback returned. O(1) expected. */
int join_add_prediction(struct join *join, const struct join_entry *prediction,
                        enum join_fate *out_fate) MUST_USE;
int join_add_label(struct join *join, const struct join_entry *label, enum join_fate *out_fate) MUST_USE;

/* Tables are larger than caches: said some entries ahead, what an id needs is there when it is added. */
void join_prefetch(const struct join *join, uint64_t id_hash);

/* What expired before may be forgotten when room is needed. */
void join_set_time(struct join *join, int64_t now_ms);

struct join_stats {
    uint64_t predictions, labels; /* held now, expired ones included until they are forgotten */
    uint64_t duplicates, changed, refused;
    uint64_t orphans;    /* labels forgotten without ever having met a prediction */
    uint64_t unlabelled; /* predictions forgotten without a label */
    uint64_t bytes;
};
void join_get_stats(const struct join *join, struct join_stats *out);

#endif
