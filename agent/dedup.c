#include "agent/dedup.h"

#include <stdlib.h>

#include "agent/base/pages.h"

/* Open addressing on the hash itself, load ≤ 7/8; the value 0 stands for a free place, so hash 0 is kept
 * as 1. */
struct id_set {
    struct id_set *next;
    int64_t pane_start_ms, first_offset;
    uint64_t *places;
    uint64_t mask, count;
    bool full;
};

struct dedup {
    struct id_set *sets; /* few: the open panes of one partition */
    size_t *budget_bytes;
};

struct dedup *dedup_new(size_t *budget_bytes)
{
    struct dedup *dedup = calloc(1, sizeof(*dedup));
    if (dedup)
        dedup->budget_bytes = budget_bytes;
    return dedup;
}

static size_t places_bytes(const struct id_set *set)
{
    return set->places ? (size_t)(set->mask + 1) * sizeof(*set->places) : 0;
}

static void set_free(struct dedup *dedup, struct id_set *set)
{
    *dedup->budget_bytes += places_bytes(set);
    pages_free(set->places, places_bytes(set));
    free(set);
}

void dedup_free(struct dedup *dedup)
{
    if (!dedup)
        return;
    for (struct id_set *set = dedup->sets, *next; set; set = next) {
        next = set->next;
        set_free(dedup, set);
    }
    free(dedup);
}

static struct id_set *set_of(struct dedup *dedup, int64_t pane_start_ms, int64_t offset)
{
    for (struct id_set *set = dedup->sets; set; set = set->next)
        if (set->pane_start_ms == pane_start_ms)
            return set;
    struct id_set *set = calloc(1, sizeof(*set));
    if (!set)
        return NULL;
    set->pane_start_ms = pane_start_ms;
    set->first_offset = offset;
    set->next = dedup->sets;
    dedup->sets = set;
    return set;
}

static uint64_t *place_of(const struct id_set *set, uint64_t hash)
{
    uint64_t at = hash & set->mask;
    while (set->places[at] && set->places[at] != hash)
        at = (at + 1) & set->mask;
    return &set->places[at];
}

/* Twice the table in its old place: what stands in the first `size` places moves to where it now belongs.
 * From behind a free place on, so that nothing an id has to pass is taken away after it was placed; what runs
 * over the end of the table lands among places that are still to come, and moves once more. */
static void spread(struct id_set *set, uint64_t size)
{
    uint64_t first = 0;
    while (set->places[first])
        first++;
    for (uint64_t i = 1; i < 2 * size; i++) {
        uint64_t at = (first + i) & (size - 1), hash = set->places[at];
        if (!hash && i >= size)
            return; /* what ran over has been met again */
        if (!hash)
            continue;
        set->places[at] = 0;
        *place_of(set, hash) = hash;
    }
}

static bool grow(struct dedup *dedup, struct id_set *set)
{
    uint64_t old_size = set->places ? set->mask + 1 : 0, size = old_size ? old_size * 2 : 256;
    size_t bytes = (size_t)size * sizeof(*set->places);
    if (bytes > *dedup->budget_bytes + places_bytes(set))
        return false;
    uint64_t *places = pages_grow(set->places, places_bytes(set), bytes);
    if (!places)
        return false;
    *dedup->budget_bytes += (size_t)old_size * sizeof(*places);
    *dedup->budget_bytes -= bytes;
    set->places = places;
    set->mask = size - 1;
    if (old_size)
        spread(set, old_size);
    return true;
}

/* Gives the memory back and stays closed until its pane closes. */
static void set_close(struct dedup *dedup, struct id_set *set)
{
    *dedup->budget_bytes += places_bytes(set);
    pages_free(set->places, places_bytes(set));
    set->places = NULL;
    set->count = 0;
    set->full = true;
}

enum dedup_verdict dedup_check(struct dedup *dedup, int64_t pane_start_ms, uint64_t hash, int64_t offset)
{
    struct id_set *set = set_of(dedup, pane_start_ms, offset);
    if (!set || set->full)
        return DEDUP_OFF;
    if (hash == 0)
        hash = 1;
    if ((!set->places || set->count * 8 >= (set->mask + 1) * 7) && !grow(dedup, set)) {
        set_close(dedup, set);
        return DEDUP_OFF;
    }
    uint64_t *place = place_of(set, hash);
    if (*place == hash)
        return DEDUP_DUPLICATE;
    *place = hash;
    set->count++;
    return DEDUP_NEW;
}

void dedup_prefetch(const struct dedup *dedup, int64_t pane_start_ms, uint64_t hash)
{
    for (const struct id_set *set = dedup->sets; set; set = set->next)
        if (set->pane_start_ms == pane_start_ms && set->places) {
            __builtin_prefetch(&set->places[hash & set->mask], 1);
            return;
        }
}

void dedup_close_before(struct dedup *dedup, int64_t pane_start_ms)
{
    for (struct id_set **link = &dedup->sets; *link;) {
        struct id_set *set = *link;
        if (set->pane_start_ms < pane_start_ms) {
            *link = set->next;
            set_free(dedup, set);
        } else {
            link = &set->next;
        }
    }
}

int64_t dedup_first_offset(const struct dedup *dedup, int64_t otherwise)
{
    int64_t first = otherwise;
    for (const struct id_set *set = dedup->sets; set; set = set->next)
        if (!set->full && set->first_offset < first)
            first = set->first_offset;
    return first;
}
