#include "agent/sequence_panes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/grow.h"
#include "agent/panes.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

#define COMPARE(a, b)                                                                                        \
    do {                                                                                                     \
        if ((a) != (b))                                                                                      \
            return (a) < (b) ? -1 : 1;                                                                       \
    } while (0)

static int compare_rest(const struct sequence_outcome *a, const struct sequence_outcome *b)
{
    COMPARE(bits_of(a->value), bits_of(b->value));
    COMPARE(bits_of(a->truth), bits_of(b->truth));
    COMPARE(a->kind, b->kind);
    COMPARE(a->predicted, b->predicted);
    return 0;
}

static int compare_by_hash(const struct sequence_outcome *a, const struct sequence_outcome *b)
{
    COMPARE(a->id_hash, b->id_hash);
    COMPARE(a->ts_ms, b->ts_ms);
    return compare_rest(a, b);
}

static int compare_by_time(const void *left, const void *right)
{
    const struct sequence_outcome *a = left, *b = right;
    COMPARE(a->ts_ms, b->ts_ms);
    COMPARE(a->id_hash, b->id_hash);
    return compare_rest(a, b);
}

void sequence_panes_release(struct sequence_panes *panes)
{
    for (uint32_t i = 0; i < panes->count; i++)
        free(panes->items[i].items);
    free(panes->items);
    *panes = (struct sequence_panes){0};
}

static uint32_t position_of(const struct sequence_panes *panes, int64_t start_ms)
{
    _Static_assert(offsetof(struct sequence_pane, start_ms) == 0, "as pane_position wants it");
    return pane_position(panes->items, panes->count, sizeof(*panes->items), start_ms);
}

static struct sequence_pane *find_pane(struct sequence_panes *panes, int64_t start_ms)
{
    uint32_t at = position_of(panes, start_ms);
    return at < panes->count && panes->items[at].start_ms == start_ms ? &panes->items[at] : NULL;
}

static struct sequence_pane *make_pane(struct sequence_panes *panes, int64_t start_ms)
{
    if (panes->count == panes->capacity) {
        struct sequence_pane *grown = grow_array(panes->items, &panes->capacity, 16, sizeof(*grown));
        if (!grown)
            return NULL;
        panes->items = grown;
    }
    uint32_t at = position_of(panes, start_ms);
    struct sequence_pane *pane = &panes->items[at];
    memmove(pane + 1, pane, (panes->count - at) * sizeof(*pane));
    *pane = (struct sequence_pane){.start_ms = start_ms};
    panes->count++;
    return pane;
}

static uint32_t outcome_position(const struct sequence_pane *pane, const struct sequence_outcome *outcome)
{
    uint32_t low = 0, high = pane->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_by_hash(&pane->items[middle], outcome) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int grow(struct sequence_pane *pane, uint32_t most)
{
    uint32_t capacity = pane->capacity ? pane->capacity * 2 : 4;
    if (capacity > most)
        capacity = most;
    struct sequence_outcome *grown = realloc(pane->items, capacity * sizeof(*grown));
    if (!grown)
        return ERR_NOMEM;
    pane->items = grown;
    pane->capacity = capacity;
    return 0;
}

int sequence_panes_add(struct sequence_panes *panes, int64_t start_ms, const struct sequence_outcome *outcome,
                       uint32_t cap)
{
    struct sequence_pane *pane = find_pane(panes, start_ms);
    if (!pane && !(pane = make_pane(panes, start_ms)))
        return ERR_NOMEM;
    if (pane->cut && compare_by_hash(outcome, &pane->bound) >= 0)
        return 0;
    uint32_t most = 2 * cap;
    if (pane->count == pane->capacity && pane->count < most) {
        int code = grow(pane, most);
        if (code != 0)
            return code;
    }
    uint32_t at = outcome_position(pane, outcome);
    if (pane->count == most) { /* the highest gives way, and nothing as high comes in any more */
        pane->bound = at == pane->count ? *outcome : pane->items[pane->count - 1];
        pane->cut = true;
        if (at == pane->count)
            return 0;
        pane->count--;
    }
    memmove(pane->items + at + 1, pane->items + at, (pane->count - at) * sizeof(*outcome));
    pane->items[at] = *outcome;
    pane->count++;
    return 0;
}

void sequence_panes_take_back(struct sequence_panes *panes, int64_t start_ms,
                              const struct sequence_outcome *outcome)
{
    struct sequence_pane *pane = find_pane(panes, start_ms);
    uint32_t at = pane ? outcome_position(pane, outcome) : 0;
    if (!pane || at == pane->count || compare_by_hash(&pane->items[at], outcome) != 0)
        return;
    memmove(pane->items + at, pane->items + at + 1, (pane->count - at - 1) * sizeof(*outcome));
    pane->count--;
}

const struct sequence_outcome *sequence_panes_mature(struct sequence_panes *panes, int64_t start_ms,
                                                     uint32_t cap, uint32_t *out_count)
{
    struct sequence_pane *pane = find_pane(panes, start_ms);
    *out_count = 0;
    if (!pane || pane->count == 0)
        return NULL;
    if (pane->count > cap)
        pane->count = cap;
    qsort(pane->items, pane->count, sizeof(*pane->items), compare_by_time);
    *out_count = pane->count;
    return pane->items;
}

void sequence_panes_drop(struct sequence_panes *panes, int64_t before_ms)
{
    uint32_t gone = position_of(panes, before_ms);
    for (uint32_t i = 0; i < gone; i++)
        free(panes->items[i].items);
    if (gone)
        memmove(panes->items, panes->items + gone, (panes->count - gone) * sizeof(*panes->items));
    panes->count -= gone;
}
