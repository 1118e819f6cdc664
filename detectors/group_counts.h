#ifndef DRIFTD_DETECTORS_GROUP_COUNTS_H
#define DRIFTD_DETECTORS_GROUP_COUNTS_H
/*
 * What a reference knows of the groups of its predictions, by name "attribute=value" (METHODS §9): enough for
 * rates and their standard errors. Named counts of GROUP_CELLS cells, at most OUTCOME_GROUPS_MAX of them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/text.h"
#include "detectors/named_counts.h"
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

/* The cells of a binary outcome, `times` times; false when it says nothing of groups. A labelled outcome is a
 * prediction too: both its cells are counted. */
bool group_cells_add(uint64_t cells[GROUP_CELLS], const struct outcome *outcome, uint64_t times);
/* Labelled and all predictions, whichever are more. */
uint64_t group_count_events(const struct named_count *group);

/* Everything in a tally of groups (outcomes.h) whose slots have these names. ERR_NOMEM. */
int group_counts_add_tally(struct named_counts *counts, const struct tally *tally, const struct text *names,
                           uint32_t name_count) MUST_USE;

/* Of what is too much the largest stay, ties by name: 64 values of an attribute, 256 cells of a cross, 512 of
 * all. What goes is gone. O(count log count). */
void group_counts_keep(struct named_counts *counts);

#endif
