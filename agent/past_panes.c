#include "agent/past_panes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/grow.h"
#include "agent/panes.h"

enum { PANE_BYTES_MAX = 64 << 20, FEATURES_MAX = 1 << 20 };

static size_t bitmap_bytes(uint32_t feature_count)
{
    return ((size_t)feature_count + 7) / 8;
}

static void pane_free(struct past_pane *pane)
{
    free(pane->left_out);
    free(pane->bytes);
}

void past_panes_release(struct past_panes *panes)
{
    for (uint32_t i = 0; i < panes->count; i++)
        pane_free(&panes->items[i]);
    free(panes->items);
    *panes = (struct past_panes){0};
}

uint32_t past_panes_position(const struct past_panes *panes, int64_t start_ms)
{
    _Static_assert(offsetof(struct past_pane, start_ms) == 0, "as pane_position wants it");
    return pane_position(panes->items, panes->count, sizeof(*panes->items), start_ms);
}

const struct past_pane *past_panes_find(const struct past_panes *panes, int64_t start_ms, uint32_t grid)
{
    uint32_t at = past_panes_position(panes, start_ms);
    const struct past_pane *pane = at < panes->count ? &panes->items[at] : NULL;
    return pane && pane->start_ms == start_ms && pane->grid == grid ? pane : NULL;
}

/* Takes over what the pane owns when it succeeds. */
static int append(struct past_panes *panes, const struct past_pane *pane)
{
    BUG_ON(panes->count && panes->items[panes->count - 1].start_ms >= pane->start_ms);
    if (panes->count == panes->capacity) {
        struct past_pane *grown = grow_array(panes->items, &panes->capacity, 64, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        panes->items = grown;
    }
    panes->items[panes->count++] = *pane;
    return 0;
}

static int append_bytes(struct past_panes *panes, struct past_pane *pane, const void *bytes, size_t len)
{
    pane->left_out = calloc(1, bitmap_bytes(pane->feature_count) + 1);
    pane->bytes = malloc(len + 1);
    pane->len = len;
    int code = pane->left_out && pane->bytes ? 0 : ERR_NOMEM;
    if (code == 0) {
        memcpy(pane->bytes, bytes, len);
        code = append(panes, pane);
    }
    if (code != 0)
        pane_free(pane);
    return code;
}

int past_panes_add(struct past_panes *panes, int64_t start_ms, uint32_t grid, uint32_t feature_count,
                   uint64_t events, const struct tally *coarse)
{
    struct past_pane pane = {.start_ms = start_ms,
                             .grid = grid,
                             .events = events,
                             .feature_count = feature_count,
                             .changed = true};
    struct strbuf bytes;
    strbuf_init(&bytes, PANE_BYTES_MAX);
    tally_encode(coarse, &bytes);
    int code = strbuf_failed(&bytes) ? ERR_NOMEM : append_bytes(panes, &pane, bytes.bytes, bytes.len);
    strbuf_release(&bytes);
    return code;
}

int64_t past_panes_leave_out(struct past_panes *panes, uint32_t grid, uint32_t feature, int64_t from_ms,
                             int64_t to_ms)
{
    int64_t first_ms = INT64_MAX;
    for (uint32_t i = past_panes_position(panes, from_ms); i < panes->count; i++) {
        struct past_pane *pane = &panes->items[i];
        if (pane->start_ms >= to_ms)
            break;
        if (pane->grid != grid || feature >= pane->feature_count || past_pane_leaves_out(pane, feature))
            continue;
        pane->left_out[feature / 8] = (uint8_t)(pane->left_out[feature / 8] | 1u << (feature % 8));
        pane->changed = true;
        first_ms = pane->start_ms < first_ms ? pane->start_ms : first_ms;
    }
    return first_ms;
}

void past_panes_drop(struct past_panes *panes, int64_t before_ms)
{
    uint32_t gone = past_panes_position(panes, before_ms);
    for (uint32_t i = 0; i < gone; i++)
        pane_free(&panes->items[i]);
    if (gone)
        memmove(panes->items, panes->items + gone, (panes->count - gone) * sizeof(*panes->items));
    panes->count -= gone;
}

void past_pane_encode(const struct past_pane *pane, struct strbuf *out)
{
    strbuf_add_varint(out, pane->events);
    strbuf_add_varint(out, pane->feature_count);
    strbuf_add(out, pane->left_out, bitmap_bytes(pane->feature_count));
    strbuf_add(out, pane->bytes, pane->len);
}

int past_panes_restore(struct past_panes *panes, int64_t start_ms, uint32_t grid, const void *bytes,
                       size_t len)
{
    struct cursor in = {.at = bytes, .end = (const unsigned char *)bytes + len, .failed = false};
    struct past_pane pane = {.start_ms = start_ms, .grid = grid, .events = cursor_varint(&in)};
    uint64_t feature_count = cursor_varint(&in);
    if (in.failed || feature_count > FEATURES_MAX)
        return ERR_CORRUPT;
    pane.feature_count = (uint32_t)feature_count;
    const void *left_out = cursor_bytes(&in, bitmap_bytes(pane.feature_count));
    if (!left_out || (panes->count && panes->items[panes->count - 1].start_ms >= start_ms))
        return ERR_CORRUPT;
    int code = append_bytes(panes, &pane, in.at, (size_t)(in.end - in.at));
    if (code == 0)
        memcpy(pane.left_out, left_out, bitmap_bytes(pane.feature_count));
    return code;
}
