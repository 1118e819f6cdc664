#include "agent/dedup.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/*
 * An id is 54 bits of its hash: the upper 6 say which of 64 shelves, the lower 48 are kept there, in 6 bytes
 * each. Shelves use open addressing and double, but their sizes are no powers of two and each begins with
 * another one: at no time are all of them half empty, and what is copied at once is small. 0 marks a free
 * place, so the 48 bits 0 are kept as 1.
 */
enum {
    SHELVES = 64,
    SHELF_SHIFT = 58,
    ID_BITS = 48,
    PLACE_BYTES = 6,
    LOADED_BYTES = 8,
    SIZE_MAX_IDS = 1 << 23
};
static const uint64_t id_mask = (UINT64_C(1) << ID_BITS) - 1;

struct shelf {
    unsigned char *places;
    uint32_t size, count;
};

struct id_set {
    struct id_set *next;
    int64_t pane_start_ms, first_offset;
    bool full;
    struct shelf shelves[SHELVES];
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

/* A place is read as 8 bytes, so 2 more follow the last. */
static size_t shelf_bytes(uint32_t size)
{
    return size ? (size_t)size * PLACE_BYTES + LOADED_BYTES - PLACE_BYTES : 0;
}

static void shelves_free(struct dedup *dedup, struct id_set *set)
{
    for (int i = 0; i < SHELVES; i++) {
        *dedup->budget_bytes += shelf_bytes(set->shelves[i].size);
        free(set->shelves[i].places);
        set->shelves[i] = (struct shelf){0};
    }
}

static void set_free(struct dedup *dedup, struct id_set *set)
{
    shelves_free(dedup, set);
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

/* ---- one shelf ---- */

static uint64_t id_of(uint64_t hash)
{
    uint64_t id = hash & id_mask;
    return id ? id : 1;
}

static uint64_t place_read(const unsigned char *place)
{
    uint64_t loaded;
    memcpy(&loaded, place, sizeof(loaded));
    return le64toh(loaded) & id_mask;
}

static void place_write(unsigned char *place, uint64_t id)
{
    uint64_t stored = htole64(id);
    memcpy(place, &stored, PLACE_BYTES);
}

/* Where an id's search begins: the upper bits decide, whatever the size. */
static uint32_t home_of(const struct shelf *shelf, uint64_t id)
{
    enum { DECIDING_BITS = 40 /* with the size's, fit 64 */ };
    return (uint32_t)((id >> (ID_BITS - DECIDING_BITS)) * shelf->size >> DECIDING_BITS);
}

/* The id's place, or the free one where it belongs: there always is a free one. */
static unsigned char *place_of(const struct shelf *shelf, uint64_t id)
{
    uint32_t at = home_of(shelf, id);
    for (;;) {
        unsigned char *place = shelf->places + (size_t)at * PLACE_BYTES;
        uint64_t there = place_read(place);
        if (there == id || there == 0)
            return place;
        at = at + 1 < shelf->size ? at + 1 : 0;
    }
}

static bool grow(struct dedup *dedup, struct shelf *shelf, uint32_t number)
{
    struct shelf grown = {.size = shelf->size ? 2 * shelf->size : 16 + number / 4, .count = shelf->count};
    size_t bytes = shelf_bytes(grown.size), old_bytes = shelf_bytes(shelf->size);
    if (grown.size > SIZE_MAX_IDS || bytes > *dedup->budget_bytes + old_bytes)
        return false;
    grown.places = calloc(1, bytes);
    if (!grown.places)
        return false;
    for (uint32_t i = 0; i < shelf->size; i++) {
        uint64_t id = place_read(shelf->places + (size_t)i * PLACE_BYTES);
        if (id)
            place_write(place_of(&grown, id), id);
    }
    free(shelf->places);
    *shelf = grown;
    *dedup->budget_bytes += old_bytes;
    *dedup->budget_bytes -= bytes;
    return true;
}

/* At most 7 of 8 places are taken. */
static bool has_room(const struct shelf *shelf)
{
    return shelf->count < shelf->size - shelf->size / 8;
}

/* ---- the face ---- */

enum dedup_verdict dedup_check(struct dedup *dedup, int64_t pane_start_ms, uint64_t hash, int64_t offset)
{
    struct id_set *set = set_of(dedup, pane_start_ms, offset);
    if (!set || set->full)
        return DEDUP_OFF;
    uint32_t number = (uint32_t)(hash >> SHELF_SHIFT);
    struct shelf *shelf = &set->shelves[number];
    if (!has_room(shelf) && !grow(dedup, shelf, number)) {
        /* The memory is given back, and the set stays closed until its pane closes. */
        shelves_free(dedup, set);
        set->full = true;
        return DEDUP_OFF;
    }
    uint64_t id = id_of(hash);
    unsigned char *place = place_of(shelf, id);
    if (place_read(place) == id)
        return DEDUP_DUPLICATE;
    place_write(place, id);
    shelf->count++;
    return DEDUP_NEW;
}

void dedup_prefetch(const struct dedup *dedup, int64_t pane_start_ms, uint64_t hash)
{
    for (const struct id_set *set = dedup->sets; set; set = set->next) {
        const struct shelf *shelf = &set->shelves[hash >> SHELF_SHIFT];
        if (set->pane_start_ms == pane_start_ms && shelf->places) {
            __builtin_prefetch(shelf->places + (size_t)home_of(shelf, id_of(hash)) * PLACE_BYTES, 1);
            return;
        }
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
