#include "agent/base/intern.h"

#include <stdlib.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"
#include "agent/base/grow.h"
#include "agent/base/hash.h"

struct entry {
    uint64_t hash;
    struct text text;
};

struct intern {
    struct arena *arena;
    struct entry *entries; /* by id */
    uint32_t count, capacity, max;
    uint32_t *slots; /* id + 1, 0 = free */
    uint32_t slot_mask;
};

struct intern *intern_new(uint32_t max)
{
    struct intern *intern = calloc(1, sizeof(*intern));
    if (!intern)
        return NULL;
    intern->max = max;
    intern->slot_mask = 63;
    intern->arena = arena_new(4096, 0);
    intern->slots = calloc((size_t)intern->slot_mask + 1, sizeof(*intern->slots));
    if (!intern->arena || !intern->slots) {
        intern_free(intern);
        return NULL;
    }
    return intern;
}

void intern_free(struct intern *intern)
{
    if (!intern)
        return;
    arena_free(intern->arena);
    free(intern->entries);
    free(intern->slots);
    free(intern);
}

static uint32_t probe(const struct intern *intern, struct text text, uint64_t hash, uint32_t *out_slot)
{
    for (uint32_t slot = (uint32_t)hash & intern->slot_mask;; slot = (slot + 1) & intern->slot_mask) {
        uint32_t stored = intern->slots[slot];
        if (stored == 0) {
            *out_slot = slot;
            return INTERN_NONE;
        }
        const struct entry *entry = &intern->entries[stored - 1];
        if (entry->hash == hash && text_equal(entry->text, text)) {
            *out_slot = slot;
            return stored - 1;
        }
    }
}

static int grow_slots(struct intern *intern)
{
    uint32_t mask = intern->slot_mask * 2 + 1;
    uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
    if (!slots)
        return -1;
    for (uint32_t id = 0; id < intern->count; id++) {
        uint32_t slot = (uint32_t)intern->entries[id].hash & mask;
        while (slots[slot])
            slot = (slot + 1) & mask;
        slots[slot] = id + 1;
    }
    free(intern->slots);
    intern->slots = slots;
    intern->slot_mask = mask;
    return 0;
}

static int reserve(struct intern *intern)
{
    if ((intern->count + 1) * 2 > intern->slot_mask && grow_slots(intern) != 0)
        return -1;
    if (intern->count < intern->capacity)
        return 0;
    struct entry *entries = grow_array(intern->entries, &intern->capacity, 32, sizeof(*entries));
    if (!entries)
        return -1;
    intern->entries = entries;
    return 0;
}

uint32_t intern_add(struct intern *intern, struct text text)
{
    uint64_t hash = hash_text(text, 0);
    uint32_t slot;
    uint32_t id = probe(intern, text, hash, &slot);
    if (id != INTERN_NONE)
        return id;
    if (intern->count >= intern->max || reserve(intern) != 0)
        return INTERN_NONE;
    (void)probe(intern, text, hash, &slot); /* the table may have grown */
    char *copy = arena_text(intern->arena, text);
    if (!copy)
        return INTERN_NONE;
    id = intern->count++;
    intern->entries[id] = (struct entry){hash, {copy, text.len}};
    intern->slots[slot] = id + 1;
    return id;
}

uint32_t intern_find_hashed(const struct intern *intern, struct text text, uint64_t hash)
{
    uint32_t slot;
    return probe(intern, text, hash, &slot);
}

uint32_t intern_find(const struct intern *intern, struct text text)
{
    return intern_find_hashed(intern, text, hash_text(text, 0));
}

struct text intern_text(const struct intern *intern, uint32_t id)
{
    BUG_ON(id >= intern->count);
    return intern->entries[id].text;
}

uint32_t intern_count(const struct intern *intern)
{
    return intern->count;
}
