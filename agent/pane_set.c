#include "agent/pane_set.h"

#include <stdlib.h>

void pane_set_release(struct pane_set *set)
{
    for (int family = 0; family < PANE_FAMILY_COUNT; family++)
        tally_free(set->parts[family]);
    pane_set_drop_unions(set);
    *set = (struct pane_set){0};
}

void pane_set_reset(struct pane_set *set)
{
    for (int family = 0; family < PANE_FAMILY_COUNT; family++)
        if (set->parts[family])
            tally_reset(set->parts[family]);
    pane_set_drop_unions(set);
}

void pane_set_drop_unions(struct pane_set *set)
{
    name_sketch_free(set->names);
    distinct_sketch_free(set->distinct);
    set->names = NULL;
    set->distinct = NULL;
}

uint64_t pane_set_events(const struct pane_set *set)
{
    uint64_t events = 0;
    if (set->parts[PANE_ACTIVITY])
        for (uint32_t i = 0; i < set->parts[PANE_ACTIVITY]->size.counters; i++)
            events += set->parts[PANE_ACTIVITY]->counters[i];
    return events;
}

bool pane_set_is_empty(const struct pane_set *set)
{
    return pane_set_events(set) == 0; /* whatever is counted is counted here too */
}

size_t pane_set_bytes(const struct pane_set *set)
{
    size_t bytes = 0;
    for (int family = 0; family < PANE_FAMILY_COUNT; family++)
        if (set->parts[family])
            bytes += tally_bytes(set->parts[family]);
    return bytes + (set->names ? name_sketch_bytes(set->names) : 0) +
           (set->distinct ? distinct_sketch_bytes(set->distinct) : 0);
}

/* The part that counts by `basis`, made when it is new; counts by another basis are dropped. */
static struct tally *part_of(struct pane_set *set, int family, uint32_t basis, struct tally_size size)
{
    struct tally *part = set->parts[family];
    if (part && (set->basis[family] != basis || part->size.counters != size.counters ||
                 part->size.sums != size.sums)) {
        tally_free(part);
        part = NULL;
    }
    if (!part)
        part = tally_new(size);
    set->parts[family] = part;
    set->basis[family] = basis;
    return part;
}

static struct tally *features_of(struct pane_set *set, uint32_t grid, const struct feature_layout *layout)
{
    set->layout = layout;
    return part_of(set, PANE_FEATURES, grid, layout->size);
}

/* ---- names, hashes of values ---- */

/* What another reference did not know is dropped. */
static int names_of(struct pane_set *set, uint32_t basis)
{
    if (set->names && set->basis[PANE_PART_NAMES] != basis) {
        name_sketch_free(set->names);
        set->names = NULL;
    }
    set->basis[PANE_PART_NAMES] = basis;
    return set->names || (set->names = name_sketch_new()) ? 0 : ERR_NOMEM;
}

static int merge_names(struct pane_set *into, const struct name_sketch *from, uint32_t basis)
{
    if (!from || name_sketch_is_empty(from))
        return 0;
    int code = names_of(into, basis);
    return code ? code : name_sketch_merge(into->names, from);
}

/* Values are the same whatever they are compared with: no basis. */
static int distinct_of(struct pane_set *set)
{
    return set->distinct || (set->distinct = distinct_sketch_new()) ? 0 : ERR_NOMEM;
}

static int merge_distinct(struct pane_set *into, const struct distinct_sketch *from)
{
    if (!from || distinct_sketch_is_empty(from))
        return 0;
    int code = distinct_of(into);
    return code ? code : distinct_sketch_merge(into->distinct, from);
}

int pane_set_add_union(struct pane_set *into, int part, uint32_t basis, const void *bytes, size_t len)
{
    int code = part == PANE_PART_NAMES ? names_of(into, basis) : distinct_of(into);
    if (code != 0)
        return code;
    return part == PANE_PART_NAMES ? name_sketch_decode_merge(bytes, len, into->names)
                                   : distinct_sketch_decode_merge(bytes, len, into->distinct);
}

/* ---- adding ---- */

static const struct tally_size activity_size = {EVENT_KIND_COUNT, 0};

static int add_counts(struct pane_set *set, const struct delta_cell *cell)
{
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        const struct tally *counts = cell->counts[family];
        if (!counts || tally_is_zero(counts))
            continue;
        uint32_t basis = family == COUNT_KPI || family == COUNT_KPI_TAILS ? cell->kpi_basis
                         : family_table[family]->of_reference             ? cell->profile->reference_number
                                                                          : 0;
        struct tally *part = part_of(set, PANE_COUNTS + family, basis, counts->size);
        if (!part)
            return ERR_NOMEM;
        tally_add(part, counts);
    }
    return 0;
}

int pane_set_add_cell(struct pane_set *set, const struct delta_cell *cell)
{
    struct tally *activity = part_of(set, PANE_ACTIVITY, 0, activity_size);
    if (!activity)
        return ERR_NOMEM;
    if (cell->features && feature_cell_events(cell->features) > 0) {
        /* The cell's own layout says whether it is the whole model or a segment. */
        const struct feature_layout *layout = feature_cell_layout(cell->features);
        struct tally *features = features_of(set, cell->profile->grid, layout);
        if (!features)
            return ERR_NOMEM;
        feature_cell_merge(cell->features, features);
    }
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        activity->counters[kind] += cell->activity[kind];
    int code = add_counts(set, cell);
    if (code == 0)
        code = merge_names(set, cell->names, cell->profile->reference_number);
    return code ? code : merge_distinct(set, cell->distinct);
}

int pane_set_add_tallies(struct pane_set *into, const struct pane_set *from)
{
    for (int family = 0; family < PANE_FAMILY_COUNT; family++) {
        if (!from->parts[family])
            continue;
        struct tally *part = part_of(into, family, from->basis[family], from->parts[family]->size);
        if (!part)
            return ERR_NOMEM;
        tally_add(part, from->parts[family]);
    }
    if (from->parts[PANE_FEATURES])
        into->layout = from->layout;
    return 0;
}

int pane_set_add(struct pane_set *into, const struct pane_set *from)
{
    int code = pane_set_add_tallies(into, from);
    if (code == 0)
        code = merge_names(into, from->names, from->basis[PANE_PART_NAMES]);
    return code ? code : merge_distinct(into, from->distinct);
}

int pane_set_add_stored(struct pane_set *into, const struct stored_pane *stored,
                        const struct feature_layout *layout)
{
    int number = pane_part_of_number(stored->family);
    if (pane_part_is_union(number))
        return pane_set_add_union(into, number, stored->grid, stored->bytes, stored->len);
    if (stored->family >= PANE_FAMILY_COUNT)
        return 0; /* outcomes are no part of a set: engine_outcomes.h */
    if (stored->family == PANE_FEATURES && !layout)
        return ERR_NOT_FOUND;
    struct tally_size size;
    int code = tally_decode_size(stored->bytes, stored->len, &size);
    if (code != 0)
        return code;
    if (stored->family == PANE_FEATURES &&
        (size.counters != layout->size.counters || size.sums != layout->size.sums))
        return ERR_CORRUPT;
    struct tally *part = part_of(into, stored->family, stored->grid, size);
    if (stored->family == PANE_FEATURES)
        into->layout = layout;
    return part ? tally_decode_add(stored->bytes, stored->len, part) : ERR_NOMEM;
}

int pane_set_subtract_stored(struct pane_set *from, const struct stored_pane *stored)
{
    if (stored->family >= PANE_FAMILY_COUNT)
        return 0;
    struct tally *part = from->parts[stored->family];
    if (!part || stored->grid != from->basis[stored->family])
        return 0;
    return tally_decode_subtract(stored->bytes, stored->len, part);
}

bool pane_set_encode(const struct pane_set *set, int part, struct strbuf *out)
{
    if (part == PANE_PART_NAMES) {
        if (!set->names || name_sketch_is_empty(set->names))
            return false;
        name_sketch_encode(set->names, out);
        return true;
    }
    if (part == PANE_PART_DISTINCT) {
        if (!set->distinct || distinct_sketch_is_empty(set->distinct))
            return false;
        distinct_sketch_encode(set->distinct, out);
        return true;
    }
    if (!set->parts[part] || tally_is_zero(set->parts[part]))
        return false;
    tally_encode(set->parts[part], out);
    return true;
}
