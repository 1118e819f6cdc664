#ifndef DRIFTD_AGENT_PANE_SET_H
#define DRIFTD_AGENT_PANE_SET_H
/*
 * What one series holds for one stretch of time: a tally per family. Panes of every tier and windows are the
 * same thing. A family that is added later adds a line to detectors/families.h; merging, storing and sliding
 * stay as they are.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/delta.h"
#include "agent/store.h"
#include "detectors/families.h"
#include "detectors/features.h"
#include "detectors/tally.h"

enum pane_family {
    PANE_ACTIVITY, /* applied events by kind; needs no grid */
    PANE_FEATURES, /* detectors/features.h on the set's grid */
    PANE_COUNTS,   /* + enum count_family */
    PANE_FAMILY_COUNT = PANE_COUNTS + COUNT_FAMILY_COUNT
}; /* numbers are stored: never change them; outcomes begin at 16 (engine_outcomes.h) */

/* What a pane is stored as: its families, and behind them what is no tally and can be added, not subtracted:
 * the names that nobody knows (name_sketch.h) and hashes of values (distinct_sketch.h). */
enum { PANE_NAMES = 20, PANE_DISTINCT = 22 };
enum { PANE_PART_NAMES = PANE_FAMILY_COUNT, PANE_PART_DISTINCT, PANE_PART_COUNT };
static inline uint8_t pane_part_number(int part) /* of a part in the store */
{
    return (uint8_t)(part == PANE_PART_NAMES      ? PANE_NAMES
                     : part == PANE_PART_DISTINCT ? PANE_DISTINCT
                                                  : part);
}
static inline int pane_part_of_number(uint8_t number) /* −1: no part of a set */
{
    return number < PANE_FAMILY_COUNT ? number
           : number == PANE_NAMES     ? PANE_PART_NAMES
           : number == PANE_DISTINCT  ? PANE_PART_DISTINCT
                                      : -1;
}
/* Windows make these anew from the parts of their panes (engine_unions.c). */
static inline bool pane_part_is_union(int part)
{
    return part >= PANE_FAMILY_COUNT;
}

struct pane_set {
    struct tally *parts[PANE_FAMILY_COUNT];
    /* By what each part is counted: PANE_FEATURES the number of its grid, families of a reference the number
     * of the reference, KPIs their kpi_basis, others 0. */
    uint32_t basis[PANE_PART_COUNT];
    const struct feature_layout *layout; /* of PANE_FEATURES, in the series' resolution */
    struct name_sketch *names;           /* NULL: none. Of a window: what engine_window_unions made */
    struct distinct_sketch *distinct;    /* the same */
};

void pane_set_release(struct pane_set *set); /* empty, memory freed */
void pane_set_reset(struct pane_set *set);   /* all zero, memory kept */
bool pane_set_is_empty(const struct pane_set *set);
uint64_t pane_set_events(const struct pane_set *set);
size_t pane_set_bytes(const struct pane_set *set);

int pane_set_add_cell(struct pane_set *set, const struct delta_cell *cell) MUST_USE;
/* Parts of two bases never add: a set that meets a new one starts that family anew. */
int pane_set_add(struct pane_set *into, const struct pane_set *from) MUST_USE;
/* The same without its unions, for windows. */
int pane_set_add_tallies(struct pane_set *into, const struct pane_set *from) MUST_USE;

/* One stored family of a pane. `layout` is that of the stored grid (NULL for families without). */
int pane_set_add_stored(struct pane_set *into, const struct stored_pane *stored,
                        const struct feature_layout *layout) MUST_USE;
/* The pane leaves a window. A part of another basis than the set's is not in it any more: nothing to do. */
int pane_set_subtract_stored(struct pane_set *from, const struct stored_pane *stored) MUST_USE;

/* Appends the bytes of one part; nothing when the set has none of it. */
bool pane_set_encode(const struct pane_set *set, int part, struct strbuf *out);
/* Adds the bytes of a part that is a union; of names, `basis` is the number of the reference that did not
 * know them. */
int pane_set_add_union(struct pane_set *into, int part, uint32_t basis, const void *bytes,
                       size_t len) MUST_USE;
void pane_set_drop_unions(struct pane_set *set);

#endif
