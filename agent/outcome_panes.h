#ifndef DRIFTD_AGENT_OUTCOME_PANES_H
#define DRIFTD_AGENT_OUTCOME_PANES_H
/*
 * The outcome panes of one series: of every tier, what was on time and what came late, kept encoded, since a
 * pane may stay open for as long as its labels take and a dense tally is 32 KiB. New outcomes are listed and
 * folded into the bytes when there are enough of them. Loop thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "detectors/class_scores.h"
#include "detectors/ddsketch.h"
#include "detectors/outcomes.h"
#include "detectors/tally.h"

/* Numbers of tallies are part of the store (outcome_family): append. */
enum {
    OUTCOME_SCORES,
    OUTCOME_GROUPS,
    OUTCOME_CLASSES,
    OUTCOME_RESIDUALS,
    OUTCOME_CLASS_SCORES,
    OUTCOME_TALLIES
};

struct outcome_item {
    double value, truth;
    uint32_t combo;
    uint8_t kind, predicted;
    bool labelled;
    int8_t sign;
};

struct outcome_part {
    struct outcome_item *items; /* not in the bytes yet */
    uint32_t count, capacity;
    uint16_t *codes; /* of each labelled item of several classes: how many scores, and their codes */
    uint32_t code_count, code_capacity;
    char *bytes[OUTCOME_TALLIES]; /* encoded tallies; NULL: zero */
    size_t len[OUTCOME_TALLIES];
    bool changed;                 /* since the last commit */
    bool stored[OUTCOME_TALLIES]; /* late parts: the store holds such a row */
};

struct outcome_pane {
    int64_t start_ms;
    uint8_t tier;
    bool stale;                   /* its windows are not marked yet although late outcomes were added */
    struct outcome_part parts[2]; /* enum pane_part */
};

/* A window whose rows no longer say what its panes hold. */
struct outcome_stale {
    int64_t end_ms;
    uint8_t window; /* index in the configuration */
};

struct outcome_panes {
    struct outcome_pane **items; /* ascending by (tier, start) */
    uint32_t count, capacity;
    uint32_t stale_panes;
    struct outcome_stale *stale; /* ascending by (end, window), each once */
    uint32_t stale_count, stale_capacity;
};

/* Groups of a combination, by its number. */
struct combo_groups {
    const uint16_t *slots;
    uint32_t count;
};

/* What folding needs; one for all panes. */
struct outcome_scratch {
    struct tally *tallies[OUTCOME_TALLIES];
    bool used[OUTCOME_TALLIES]; /* the others are all zero */
    struct ddsketch_layout *residuals;
    struct strbuf buffer;
    const struct combo_groups *groups; /* by combination */
    uint32_t items_worth;              /* so many may be listed in each part before they are folded */
};
/* The lists of so many panes take a few megabytes at most; folding seldom is cheaper. */
void outcome_scratch_share(struct outcome_scratch *scratch, uint64_t panes);
int outcome_scratch_init(struct outcome_scratch *scratch) MUST_USE;
void outcome_scratch_release(struct outcome_scratch *scratch);
void outcome_scratch_reset(struct outcome_scratch *scratch);

void outcome_panes_release(struct outcome_panes *panes);
/* The pane, made when `add`; NULL when there is none or no memory. O(log panes), O(panes) to add. */
struct outcome_pane *outcome_panes_find(struct outcome_panes *panes, uint8_t tier, int64_t start_ms,
                                        bool add);
/* Index of the first pane that is not before (tier, start). */
uint32_t outcome_panes_position(const struct outcome_panes *panes, uint8_t tier, int64_t start_ms);
/* Forgets the panes of a tier that start before. */
void outcome_panes_drop(struct outcome_panes *panes, uint8_t tier, int64_t before_ms);

/* Notes a window once. O(log windows) to find, O(windows) to add in front of others. */
int outcome_panes_mark(struct outcome_panes *panes, uint8_t window, int64_t end_ms) MUST_USE;
/* Forgets the first `count` stale windows. */
void outcome_panes_unmark(struct outcome_panes *panes, uint32_t count);

bool outcome_part_is_empty(const struct outcome_part *part);
/* `scores`: of a labelled outcome of several classes, copied; NULL: none. `unit`: of the model;
 * `with_groups`: is it the whole model's? */
int outcome_part_add(struct outcome_part *part, const struct outcome_item *item,
                     const struct class_scores *scores, struct outcome_scratch *scratch, double unit,
                     bool with_groups) MUST_USE;
/* Everything into the bytes. */
int outcome_part_fold(struct outcome_part *part, struct outcome_scratch *scratch, double unit,
                      bool with_groups) MUST_USE;
/* Adds encoded bytes of one tally to a part: what a store or a finer pane holds. */
int outcome_part_add_bytes(struct outcome_part *part, int tally, const void *bytes, size_t len,
                           struct outcome_scratch *scratch) MUST_USE;
/* Adds a folded part to the tallies of `scratch`, which the caller has reset before the first. */
int outcome_part_sum(const struct outcome_part *part, struct outcome_scratch *scratch) MUST_USE;

#endif
