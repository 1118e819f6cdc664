#ifndef DRIFTD_DETECTORS_NAMED_COUNTS_H
#define DRIFTD_DETECTORS_NAMED_COUNTS_H
/*
 * A few counts by name, for what has no slot that is the same in two places: groups (group_counts.h), classes
 * (label_classes.h). Names ascend bytewise, so equal counts are equal bytes. Owns the names, which are C
 * strings; integers only. How many of an item's cells are used is for the user to know; the others stay 0.
 */
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "agent/base/text.h"

enum { NAMED_CELLS_MAX = 6 };

struct named_count {
    char *name;
    uint64_t cells[NAMED_CELLS_MAX];
};

struct named_counts { /* {0} is empty */
    struct named_count *items;
    uint32_t count, capacity;
};

void named_counts_release(struct named_counts *counts);
/* Adds `width` cells to a name, which is made when it is new; it ends at its first NUL. O(log count),
 * O(count) for a new name. ERR_NOMEM. */
int named_counts_add(struct named_counts *counts, struct text name, const uint64_t *cells,
                     uint32_t width) MUST_USE;
/* NULL: no such name. O(log count). */
const struct named_count *named_counts_find(const struct named_counts *counts, struct text name);

/* The names and the first `width` cells of each. */
void named_counts_encode(const struct named_counts *counts, uint32_t width, struct strbuf *out);
/* As many cells as were written. ERR_CORRUPT: more than `most`, or names that do not ascend; ERR_NOMEM; *out
 * is empty then. */
int named_counts_decode(struct cursor *in, uint32_t most, uint32_t width, struct named_counts *out) MUST_USE;

#endif
