/* Encoded panes that windows will need again when they leave, and which panes hold anything at all. */
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/engine_internal.h"

struct pane_group *engine_group(struct engine *engine, uint8_t tier, int64_t start_ms)
{
    for (struct pane_group *group = engine->groups; group; group = group->next)
        if (group->tier == tier && group->start_ms == start_ms)
            return group;
    return NULL;
}

struct pane_group *engine_group_new(struct engine *engine, uint8_t tier, int64_t start_ms)
{
    struct pane_group *group = calloc(1, sizeof(*group));
    if (!group)
        return NULL;
    group->memory = arena_new(16384, 0);
    if (!group->memory) {
        free(group);
        return NULL;
    }
    group->tier = tier;
    group->start_ms = start_ms;
    group->ticket = engine->ticket + 1; /* the batch that is being filled */
    if (engine->groups_tail)
        engine->groups_tail->next = group;
    else
        engine->groups = group;
    engine->groups_tail = group;
    return group;
}

int engine_group_put(struct engine *engine, struct pane_group *group, const struct stored_pane *pane)
{
    if (group->count == group->capacity) {
        size_t capacity = group->capacity ? group->capacity * 2 : 8;
        struct stored_pane *grown = realloc(group->panes, capacity * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        group->panes = grown;
        group->capacity = capacity;
    }
    void *bytes = arena_alloc(group->memory, pane->len ? pane->len : 1);
    if (!bytes)
        return ERR_NOMEM;
    memcpy(bytes, pane->bytes, pane->len);
    group->panes[group->count] = *pane;
    group->panes[group->count++].bytes = bytes;
    group->bytes += pane->len + sizeof(*pane);
    engine->group_bytes += pane->len + sizeof(*pane);
    return 0;
}

static void group_free(struct engine *engine, struct pane_group *group)
{
    engine->group_bytes -= group->bytes;
    arena_free(group->memory);
    free(group->panes);
    free(group);
}

/* No window will lose this pane any more, or it is in the store and memory is short. */
static bool is_disposable(const struct engine *engine, const struct pane_group *group)
{
    if (group->ticket > engine->committed_ticket)
        return false;
    if (engine->group_bytes > engine->config->limits.pane_cache_bytes)
        return true;
    for (uint32_t window = 0; window < engine->config->window_count; window++)
        if (engine->config->windows[window].tier == group->tier &&
            group->start_ms >= engine->window_low_ms[window])
            return false;
    return true;
}

void engine_groups_trim(struct engine *engine)
{
    engine->groups_tail = NULL;
    for (struct pane_group **link = &engine->groups; *link;) {
        struct pane_group *group = *link;
        if (is_disposable(engine, group)) {
            *link = group->next;
            group_free(engine, group);
        } else {
            engine->groups_tail = group;
            link = &group->next;
        }
    }
}

void engine_groups_free(struct engine *engine)
{
    for (struct pane_group *group = engine->groups, *next; group; group = next) {
        next = group->next;
        group_free(engine, group);
    }
    engine->groups = engine->groups_tail = NULL;
}

/* Starts come almost always in order: the search from the end is short. */
int starts_add(struct starts *starts, int64_t start_ms)
{
    uint32_t at = starts->count;
    while (at > starts->first && starts->items[at - 1] > start_ms)
        at--;
    if (at > starts->first && starts->items[at - 1] == start_ms)
        return 0;
    if (starts->count == starts->capacity) {
        if (starts->first > starts->capacity / 2) {
            memmove(starts->items, starts->items + starts->first,
                    (starts->count - starts->first) * sizeof(int64_t));
            at -= starts->first;
            starts->count -= starts->first;
            starts->first = 0;
        } else {
            int64_t *grown = grow_array(starts->items, &starts->capacity, 64, sizeof(*grown));
            if (!grown)
                return ERR_NOMEM;
            starts->items = grown;
        }
    }
    memmove(starts->items + at + 1, starts->items + at, (starts->count - at) * sizeof(int64_t));
    starts->items[at] = start_ms;
    starts->count++;
    return 0;
}

void starts_drop_before(struct starts *starts, int64_t start_ms)
{
    while (starts->first < starts->count && starts->items[starts->first] < start_ms)
        starts->first++;
}

bool starts_has(const struct starts *starts, int64_t start_ms)
{
    for (uint32_t i = starts->first; i < starts->count; i++)
        if (starts->items[i] == start_ms)
            return true;
    return false;
}
