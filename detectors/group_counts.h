#ifndef DRIFTD_DETECTORS_GROUP_COUNTS_H
#define DRIFTD_DETECTORS_GROUP_COUNTS_H
/*
 * What a reference knows of the groups of its predictions, by name "attribute=value" (METHODS §9): enough for
 * rates and their standard errors. By name, since slots of groups are not the same in two places. Names
 * ascend bytewise, so equal counts are equal bytes. Owns the names; integers only; undefined does not occur.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "agent/base/text.h"
#include "detectors/outcomes.h"

/* As they are stored: never reorder. */
enum group_cell {
    GROUP_CELL_TP,
    GROUP_CELL_FP,
    GROUP_CELL_FN,
    GROUP_CELL_TN,
    GROUP_CELL_SELECTED, /* all predictions, labelled or not */
    GROUP_CELL_REJECTED,
    GROUP_CELLS
};

struct group_count {
    char *name;
    uint64_t cells[GROUP_CELLS];
};

struct group_counts {
    struct group_count *items;
    uint32_t count, capacity;
};

void group_counts_release(struct group_counts *counts);
/* Adds to a name, which is made when it is new. O(log count), O(count) for a new name. ERR_NOMEM. */
int group_counts_add(struct group_counts *counts, struct text name,
                     const uint64_t cells[GROUP_CELLS]) MUST_USE;
/* NULL: no such group. O(log count). */
const struct group_count *group_counts_find(const struct group_counts *counts, struct text name);
/* The cells of a binary outcome, `times` times; false when it says nothing of groups. A labelled outcome is a
 * prediction too: both its cells are counted. */
bool group_cells_add(uint64_t cells[GROUP_CELLS], const struct outcome *outcome, uint64_t times);
/* Labelled and all predictions, whichever are more. */
uint64_t group_count_events(const struct group_count *group);

/* Everything in a tally of groups (outcomes.h) whose slots have these names. ERR_NOMEM. */
int group_counts_add_tally(struct group_counts *counts, const struct tally *tally, const struct text *names,
                           uint32_t name_count) MUST_USE;

/* Of what is too much the largest stay, ties by name: 64 values of an attribute, 256 cells of a cross, 512 of
 * all. What goes is gone. O(count log count). */
void group_counts_keep(struct group_counts *counts);

void group_counts_encode(const struct group_counts *counts, struct strbuf *out);
/* ERR_CORRUPT: more than OUTCOME_GROUPS_MAX, or names that do not ascend. */
int group_counts_decode(struct cursor *in, struct group_counts *out) MUST_USE;

#endif
