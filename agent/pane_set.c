#include "agent/pane_set.h"

#include <stdlib.h>

void pane_set_release(struct pane_set *set)
{
    for (int family = 0; family < PANE_FAMILY_COUNT; family++)
        tally_free(set->parts[family]);
    *set = (struct pane_set){0};
}

void pane_set_reset(struct pane_set *set)
{
    for (int family = 0; family < PANE_FAMILY_COUNT; family++)
        if (set->parts[family])
            tally_reset(set->parts[family]);
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
            bytes += set->parts[family]->size.counters * sizeof(uint64_t) +
                     set->parts[family]->size.sums * sizeof(int128);
    return bytes;
}

static struct tally *part_of(struct pane_set *set, enum pane_family family, struct tally_size size)
{
    if (!set->parts[family])
        set->parts[family] = tally_new(size);
    return set->parts[family];
}

/* Makes the features part one of `layout`'s grid, dropping counts of another grid. */
static struct tally *features_of(struct pane_set *set, uint32_t grid, const struct feature_layout *layout)
{
    if (set->grid != grid) {
        tally_free(set->parts[PANE_FEATURES]);
        set->parts[PANE_FEATURES] = NULL;
        set->grid = grid;
        set->layout = layout;
    }
    return part_of(set, PANE_FEATURES, layout->size);
}

static const struct tally_size activity_size = {EVENT_KIND_COUNT, 0};

int pane_set_add_cell(struct pane_set *set, const struct delta_cell *cell)
{
    struct tally *activity = part_of(set, PANE_ACTIVITY, activity_size);
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
    return 0;
}

int pane_set_add(struct pane_set *into, const struct pane_set *from)
{
    if (from->parts[PANE_ACTIVITY]) {
        struct tally *activity = part_of(into, PANE_ACTIVITY, activity_size);
        if (!activity)
            return ERR_NOMEM;
        tally_add(activity, from->parts[PANE_ACTIVITY]);
    }
    if (from->parts[PANE_FEATURES]) {
        struct tally *features = features_of(into, from->grid, from->layout);
        if (!features)
            return ERR_NOMEM;
        tally_add(features, from->parts[PANE_FEATURES]);
    }
    return 0;
}

int pane_set_add_stored(struct pane_set *into, const struct stored_pane *stored,
                        const struct feature_layout *layout)
{
    struct tally *part = NULL;
    if (stored->family == PANE_ACTIVITY) {
        part = part_of(into, PANE_ACTIVITY, activity_size);
    } else if (stored->family == PANE_FEATURES) {
        if (!layout)
            return ERR_NOT_FOUND;
        part = features_of(into, stored->grid, layout);
    } else {
        return 0; /* outcomes are no part of a set: engine_outcomes.h */
    }
    return part ? tally_decode_add(stored->bytes, stored->len, part) : ERR_NOMEM;
}

int pane_set_subtract_stored(struct pane_set *from, const struct stored_pane *stored)
{
    if (stored->family >= PANE_FAMILY_COUNT)
        return 0;
    struct tally *part = from->parts[stored->family];
    if (!part || (stored->family == PANE_FEATURES && stored->grid != from->grid))
        return 0;
    return tally_decode_subtract(stored->bytes, stored->len, part);
}

bool pane_set_encode(const struct pane_set *set, enum pane_family family, struct strbuf *out)
{
    if (!set->parts[family] || tally_is_zero(set->parts[family]))
        return false;
    tally_encode(set->parts[family], out);
    return true;
}
