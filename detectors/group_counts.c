#include "detectors/group_counts.h"

#include <stdlib.h>
#include <string.h>

#include "detectors/outcomes_groups.h"
#include "detectors/outcomes_layout.h"

_Static_assert((int)GROUP_CELLS <= NAMED_CELLS_MAX, "a group's cells fit");

bool group_cells_add(uint64_t cells[GROUP_CELLS], const struct outcome *outcome, uint64_t times)
{
    if (outcome->kind != OUTCOME_BINARY)
        return false;
    cells[outcome->predicted ? GROUP_CELL_SELECTED : GROUP_CELL_REJECTED] += times;
    if (outcome->labelled) {
        bool positive = outcome->truth > 0;
        cells[positive ? (outcome->predicted ? GROUP_CELL_TP : GROUP_CELL_FN)
                       : (outcome->predicted ? GROUP_CELL_FP : GROUP_CELL_TN)] += times;
    }
    return true;
}

uint64_t group_count_events(const struct named_count *group)
{
    const uint64_t *n = group->cells;
    uint64_t labelled = n[GROUP_CELL_TP] + n[GROUP_CELL_FP] + n[GROUP_CELL_FN] + n[GROUP_CELL_TN];
    uint64_t all = n[GROUP_CELL_SELECTED] + n[GROUP_CELL_REJECTED];
    return labelled > all ? labelled : all;
}

int group_counts_add_tally(struct named_counts *counts, const struct tally *tally, const struct text *names,
                           uint32_t name_count)
{
    int code = 0;
    for (uint32_t slot = 0; code == 0 && slot < name_count && slot < OUTCOME_GROUPS_MAX; slot++) {
        const uint64_t *n = tally->counters + slot * GROUP_COUNTERS;
        struct named_count group = {.cells = {n[GROUP_TP], n[GROUP_FP], n[GROUP_FN], n[GROUP_TN],
                                              n[GROUP_SEEN_POSITIVE], n[GROUP_SEEN_NEGATIVE]}};
        if (group_count_events(&group) > 0)
            code = named_counts_add(counts, names[slot], group.cells, GROUP_CELLS);
    }
    return code;
}

/* ---- bounds ---- */

static int compare_names(const void *left, const void *right)
{
    const struct named_count *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int compare_sizes(const void *left, const void *right)
{
    const struct named_count *a = left, *b = right;
    uint64_t n_a = group_count_events(a), n_b = group_count_events(b);
    return n_a != n_b ? (n_a > n_b ? -1 : 1) : strcmp(a->name, b->name);
}

/* By attribute, then as above: those that stay of each come first. */
static int compare_in_attribute(const void *left, const void *right)
{
    const struct named_count *a = left, *b = right;
    int order = text_compare(outcome_attribute_of(text_of(a->name)), outcome_attribute_of(text_of(b->name)));
    return order ? order : compare_sizes(left, right);
}

static void cut(struct named_counts *counts, uint32_t most)
{
    while (counts->count > most)
        free(counts->items[--counts->count].name);
}

void group_counts_keep(struct named_counts *counts)
{
    uint32_t kept = 0, of_attribute = 0;
    struct text attribute = {NULL, 0};
    if (counts->count == 0)
        return;
    qsort(counts->items, counts->count, sizeof(*counts->items), compare_in_attribute);
    for (uint32_t i = 0; i < counts->count; i++) {
        struct named_count group = counts->items[i];
        struct text own = outcome_attribute_of(text_of(group.name));
        of_attribute = attribute.ptr && text_equal(own, attribute) ? of_attribute + 1 : 1;
        bool cross = own.len && memchr(own.ptr, '|', own.len);
        if (of_attribute > (uint32_t)(cross ? OUTCOME_GROUP_CELLS_MAX : OUTCOME_GROUP_VALUES_MAX)) {
            free(group.name); /* never the first of its attribute, whose name is still looked at */
            continue;
        }
        counts->items[kept++] = group;
        attribute = own;
    }
    counts->count = kept;
    qsort(counts->items, counts->count, sizeof(*counts->items), compare_sizes);
    cut(counts, OUTCOME_GROUPS_MAX);
    qsort(counts->items, counts->count, sizeof(*counts->items), compare_names);
}
