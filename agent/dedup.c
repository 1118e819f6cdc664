#include "agent/dedup.h"

#include <stdlib.h>
#include <string.h>

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
    free(set->places);
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

static bool grow(struct dedup *dedup, struct id_set *set)
{
    uint64_t size = set->places ? (set->mask + 1) * 2 : 256;
    size_t bytes = (size_t)size * sizeof(*set->places);
    if (bytes > *dedup->budget_bytes + places_bytes(set))
        return false;
    uint64_t *places = malloc(bytes);
    if (!places)
        return false;
    memset(places, 0, bytes); /* calloc's pages would be faulted in twice: read as zeros, then written */
    struct id_set grown = *set;
    grown.places = places;
    grown.mask = size - 1;
    for (uint64_t i = 0; set->places && i <= set->mask; i++)
        if (set->places[i])
            *place_of(&grown, set->places[i]) = set->places[i];
    *dedup->budget_bytes += places_bytes(set);
    *dedup->budget_bytes -= bytes;
    free(set->places);
    *set = grown;
    return true;
}

/* Gives the memory back and stays closed until its pane closes. */
static void set_close(struct dedup *dedup, struct id_set *set)
{
    *dedup->budget_bytes += places_bytes(set);
    free(set->places);
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
