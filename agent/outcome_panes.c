#include "agent/outcome_panes.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/grow.h"

enum { CODES_PER_ITEM = 12 /* more are folded sooner */ };
enum { ITEMS_MIN = 64, ITEMS_MAX = 1024, BUFFER_BYTES_MAX = 1 << 20, LISTED_BYTES = 4 << 20 };

int outcome_scratch_init(struct outcome_scratch *scratch)
{
    strbuf_init(&scratch->buffer, BUFFER_BYTES_MAX);
    scratch->residuals = outcome_residual_layout_new();
    if (!scratch->residuals)
        return ERR_NOMEM;
    const struct tally_size sizes[OUTCOME_TALLIES] = {
        [OUTCOME_SCORES] = outcomes_size(),
        [OUTCOME_GROUPS] = outcome_groups_size(),
        [OUTCOME_CLASSES] = outcome_classes_size(),
        [OUTCOME_RESIDUALS] = {ddsketch_counters(scratch->residuals), 0},
        [OUTCOME_CLASS_SCORES] = outcome_class_scores_size(),
    };
    for (int i = 0; i < OUTCOME_TALLIES; i++)
        if (!(scratch->tallies[i] = tally_new(sizes[i])))
            return ERR_NOMEM;
    return 0;
}

void outcome_scratch_release(struct outcome_scratch *scratch)
{
    strbuf_release(&scratch->buffer);
    ddsketch_layout_free(scratch->residuals);
    for (int i = 0; i < OUTCOME_TALLIES; i++)
        tally_free(scratch->tallies[i]);
}

void outcome_scratch_reset(struct outcome_scratch *scratch)
{
    for (int i = 0; i < OUTCOME_TALLIES; i++) {
        if (scratch->used[i])
            tally_reset(scratch->tallies[i]);
        scratch->used[i] = false;
    }
}

void outcome_scratch_share(struct outcome_scratch *scratch, uint64_t panes)
{
    uint64_t share = LISTED_BYTES / sizeof(struct outcome_item) / (panes + 1);
    scratch->items_worth = share < ITEMS_MAX ? (uint32_t)share : ITEMS_MAX;
}

/* ---- panes ---- */

static void pane_free(struct outcome_pane *pane)
{
    for (int part = 0; part < 2; part++) {
        free(pane->parts[part].items);
        free(pane->parts[part].codes);
        for (int i = 0; i < OUTCOME_TALLIES; i++)
            free(pane->parts[part].bytes[i]);
    }
    free(pane);
}

void outcome_panes_release(struct outcome_panes *panes)
{
    for (uint32_t i = 0; i < panes->count; i++)
        pane_free(panes->items[i]);
    free(panes->items);
    free(panes->stale);
    *panes = (struct outcome_panes){0};
}

static bool is_before(const struct outcome_pane *pane, uint8_t tier, int64_t start_ms)
{
    return pane->tier != tier ? pane->tier < tier : pane->start_ms < start_ms;
}

uint32_t outcome_panes_position(const struct outcome_panes *panes, uint8_t tier, int64_t start_ms)
{
    uint32_t low = 0, high = panes->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_before(panes->items[middle], tier, start_ms))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct outcome_pane *outcome_panes_find(struct outcome_panes *panes, uint8_t tier, int64_t start_ms, bool add)
{
    uint32_t at = outcome_panes_position(panes, tier, start_ms);
    if (at < panes->count && panes->items[at]->tier == tier && panes->items[at]->start_ms == start_ms)
        return panes->items[at];
    if (!add)
        return NULL;
    if (panes->count == panes->capacity) {
        struct outcome_pane **grown =
            grow_array(panes->items, &panes->capacity, 16, sizeof(struct outcome_pane *));
        if (!grown)
            return NULL;
        panes->items = grown;
    }
    struct outcome_pane *pane = calloc(1, sizeof(*pane));
    if (!pane)
        return NULL;
    pane->tier = tier;
    pane->start_ms = start_ms;
    memmove(panes->items + at + 1, panes->items + at, (panes->count - at) * sizeof(struct outcome_pane *));
    panes->items[at] = pane;
    panes->count++;
    return pane;
}

void outcome_panes_drop(struct outcome_panes *panes, uint8_t tier, int64_t before_ms)
{
    uint32_t from = outcome_panes_position(panes, tier, INT64_MIN);
    uint32_t to = outcome_panes_position(panes, tier, before_ms);
    for (uint32_t i = from; i < to; i++) {
        panes->stale_panes -= panes->items[i]->stale;
        pane_free(panes->items[i]);
    }
    if (to > from)
        memmove(panes->items + from, panes->items + to, (panes->count - to) * sizeof(struct outcome_pane *));
    panes->count -= to - from;
}

/* ---- stale windows ---- */

int outcome_panes_mark(struct outcome_panes *panes, uint8_t window, int64_t end_ms)
{
    uint32_t low = 0, high = panes->stale_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct outcome_stale *at = &panes->stale[middle];
        if (at->end_ms != end_ms ? at->end_ms < end_ms : at->window < window)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < panes->stale_count && panes->stale[low].end_ms == end_ms && panes->stale[low].window == window)
        return 0;
    if (panes->stale_count == panes->stale_capacity) {
        struct outcome_stale *grown = grow_array(panes->stale, &panes->stale_capacity, 16, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        panes->stale = grown;
    }
    memmove(panes->stale + low + 1, panes->stale + low, (panes->stale_count - low) * sizeof(*panes->stale));
    panes->stale[low] = (struct outcome_stale){end_ms, window};
    panes->stale_count++;
    return 0;
}

void outcome_panes_unmark(struct outcome_panes *panes, uint32_t count)
{
    if (count == 0)
        return;
    memmove(panes->stale, panes->stale + count, (panes->stale_count - count) * sizeof(*panes->stale));
    panes->stale_count -= count;
}

/* ---- parts ---- */

bool outcome_part_is_empty(const struct outcome_part *part)
{
    bool is_empty = part->count == 0;
    for (int i = 0; is_empty && i < OUTCOME_TALLIES; i++)
        is_empty = !part->bytes[i];
    return is_empty;
}

/* The tallies of `scratch` become the bytes. */
static int keep(struct outcome_part *part, int i, struct outcome_scratch *scratch)
{
    free(part->bytes[i]);
    part->bytes[i] = NULL;
    part->len[i] = 0;
    if (!scratch->used[i] || tally_is_zero(scratch->tallies[i]))
        return 0;
    strbuf_reset(&scratch->buffer);
    tally_encode(scratch->tallies[i], &scratch->buffer);
    char *copy = strbuf_failed(&scratch->buffer) ? NULL : malloc(scratch->buffer.len);
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, scratch->buffer.bytes, scratch->buffer.len);
    part->bytes[i] = copy;
    part->len[i] = scratch->buffer.len;
    return 0;
}

static void count_item(const struct outcome_item *item, struct outcome_scratch *scratch, double unit,
                       bool with_groups)
{
    struct outcome outcome = {item->kind, item->labelled, item->predicted, item->value, item->truth};
    if (item->kind == OUTCOME_MULTICLASS) {
        scratch->used[OUTCOME_CLASSES] = true;
        outcome_classes_add(scratch->tallies[OUTCOME_CLASSES], &outcome, item->sign);
        return;
    }
    scratch->used[OUTCOME_SCORES] = true;
    outcomes_add(scratch->tallies[OUTCOME_SCORES], &outcome, unit, item->sign);
    if (item->kind == OUTCOME_REGRESSION && item->labelled) {
        scratch->used[OUTCOME_RESIDUALS] = true;
        outcome_residuals_add(scratch->tallies[OUTCOME_RESIDUALS], scratch->residuals, &outcome, unit,
                              item->sign);
    }
    const struct combo_groups *groups = &scratch->groups[item->combo];
    for (uint32_t i = 0; with_groups && i < groups->count; i++) {
        scratch->used[OUTCOME_GROUPS] = true;
        outcome_groups_add(scratch->tallies[OUTCOME_GROUPS], groups->slots[i], &outcome, item->sign);
    }
}

/* Reads what put_codes has written; *at goes on. */
static void count_scores(const struct outcome_part *part, const struct outcome_item *item, uint32_t *at,
                         struct outcome_scratch *scratch)
{
    struct class_scores scores = {.count = part->codes[(*at)++]};
    if (scores.count == 0)
        return;
    memcpy(scores.codes, part->codes + *at, scores.count * sizeof(*scores.codes));
    *at += scores.count;
    scratch->used[OUTCOME_CLASS_SCORES] = true;
    outcome_class_scores_add(scratch->tallies[OUTCOME_CLASS_SCORES], &scores, (uint32_t)item->truth,
                             item->sign);
}

static bool has_codes(const struct outcome_item *item)
{
    return item->kind == OUTCOME_MULTICLASS && item->labelled;
}

static int put_codes(struct outcome_part *part, const struct class_scores *scores)
{
    uint32_t count = scores ? scores->count : 0;
    if (part->code_count + 1 + count > part->code_capacity) {
        uint32_t capacity = 2 * part->code_capacity + 1 + CLASS_SCORES_MAX;
        uint16_t *grown = realloc(part->codes, capacity * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        part->codes = grown;
        part->code_capacity = capacity;
    }
    part->codes[part->code_count++] = (uint16_t)count;
    if (count)
        memcpy(part->codes + part->code_count, scores->codes, count * sizeof(*part->codes));
    part->code_count += count;
    return 0;
}

int outcome_part_fold(struct outcome_part *part, struct outcome_scratch *scratch, double unit,
                      bool with_groups)
{
    if (part->count == 0)
        return 0;
    outcome_scratch_reset(scratch);
    int code = outcome_part_sum(part, scratch);
    uint32_t codes_at = 0;
    for (uint32_t i = 0; code == 0 && i < part->count; i++) {
        count_item(&part->items[i], scratch, unit, with_groups);
        if (has_codes(&part->items[i]))
            count_scores(part, &part->items[i], &codes_at, scratch);
    }
    for (int i = 0; code == 0 && i < OUTCOME_TALLIES; i++)
        code = keep(part, i, scratch);
    free(part->items);
    part->items = NULL;
    part->count = part->capacity = 0;
    free(part->codes);
    part->codes = NULL;
    part->code_count = part->code_capacity = 0;
    return code;
}

/* Folding costs as much as the bytes are long: so many items are worth it. */
static uint32_t items_worth(const struct outcome_part *part, const struct outcome_scratch *scratch)
{
    size_t worth = 0;
    for (int i = 0; i < OUTCOME_TALLIES; i++)
        worth += part->len[i] / 4;
    worth = worth < scratch->items_worth ? scratch->items_worth : worth;
    return worth < ITEMS_MIN ? ITEMS_MIN : worth > ITEMS_MAX ? ITEMS_MAX : (uint32_t)worth;
}

int outcome_part_add(struct outcome_part *part, const struct outcome_item *item,
                     const struct class_scores *scores, struct outcome_scratch *scratch, double unit,
                     bool with_groups)
{
    uint32_t worth = items_worth(part, scratch);
    if (part->count >= worth || part->code_count >= worth * CODES_PER_ITEM) {
        int code = outcome_part_fold(part, scratch, unit, with_groups);
        if (code != 0)
            return code;
    }
    if (part->count == part->capacity) {
        struct outcome_item *grown = grow_array(part->items, &part->capacity, 4, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        part->items = grown;
    }
    if (has_codes(item) && put_codes(part, scores) != 0)
        return ERR_NOMEM;
    part->items[part->count++] = *item;
    part->changed = true;
    return 0;
}

/* Classes were fewer once, and stores remember. */
static int decode_add(int tally, const void *bytes, size_t len, struct outcome_scratch *scratch)
{
    struct tally *into = scratch->tallies[tally];
    return tally == OUTCOME_CLASSES ? tally_decode_grown(bytes, len, into)
                                    : tally_decode_add(bytes, len, into);
}

int outcome_part_add_bytes(struct outcome_part *part, int tally, const void *bytes, size_t len,
                           struct outcome_scratch *scratch)
{
    tally_reset(scratch->tallies[tally]);
    scratch->used[tally] = true;
    int code = decode_add(tally, bytes, len, scratch);
    if (code == 0 && part->bytes[tally])
        code = decode_add(tally, part->bytes[tally], part->len[tally], scratch);
    part->changed = true;
    return code ? code : keep(part, tally, scratch);
}

int outcome_part_sum(const struct outcome_part *part, struct outcome_scratch *scratch)
{
    int code = 0;
    for (int i = 0; code == 0 && i < OUTCOME_TALLIES; i++)
        if (part->bytes[i]) {
            scratch->used[i] = true;
            code = decode_add(i, part->bytes[i], part->len[i], scratch);
        }
    return code;
}
