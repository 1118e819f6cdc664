/*
 * Late events (DESIGN §6): added to their closed panes, beside what was on time, and to the windows that hold
 * those panes as a later revision. Late counts are kept encoded, since they are few and far apart.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/engine_internal.h"

enum { STALE_MAX = 200000 };

void engine_late_free(struct series *series)
{
    for (uint32_t i = 0; i < series->late_count; i++)
        for (int family = 0; family < PANE_FAMILY_COUNT; family++)
            free(series->late[i].bytes[family]);
    free(series->late);
}

static bool is_before(const struct late_pane *pane, uint8_t tier, int64_t start_ms)
{
    return pane->tier != tier ? pane->tier < tier : pane->start_ms < start_ms;
}

static struct late_pane *late_find(struct series *series, uint8_t tier, int64_t start_ms, bool add)
{
    uint32_t at = series->late_count;
    while (at > 0 && !is_before(&series->late[at - 1], tier, start_ms))
        at--;
    if (at < series->late_count && series->late[at].tier == tier && series->late[at].start_ms == start_ms)
        return &series->late[at];
    if (!add)
        return NULL;
    if (series->late_count == series->late_capacity) {
        uint32_t capacity = series->late_capacity ? series->late_capacity * 2 : 8;
        struct late_pane *grown = realloc(series->late, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        series->late = grown;
        series->late_capacity = capacity;
    }
    memmove(series->late + at + 1, series->late + at, (series->late_count - at) * sizeof(*series->late));
    series->late_count++;
    series->late[at] = (struct late_pane){.start_ms = start_ms, .tier = tier};
    return &series->late[at];
}

/* Adds what the late pane holds to a set. */
static int late_add_to(const struct engine *engine, const struct series *series, const struct late_pane *late,
                       struct pane_set *set)
{
    for (int family = 0; family < PANE_FAMILY_COUNT; family++) {
        if (!late->bytes[family])
            continue;
        struct stored_pane stored = {.family = (uint8_t)family,
                                     .grid = family == PANE_FEATURES ? late->grid : 0,
                                     .bytes = late->bytes[family],
                                     .len = late->len[family]};
        int code = pane_set_add_stored(set, &stored, engine_layout(engine, series, stored.grid));
        if (code != 0)
            return code;
    }
    return 0;
}

static int late_set(struct engine *engine, struct late_pane *late, const struct pane_set *set)
{
    for (int family = 0; family < PANE_FAMILY_COUNT; family++) {
        strbuf_reset(&engine->scratch);
        if (!pane_set_encode(set, (enum pane_family)family, &engine->scratch))
            continue;
        char *copy = strbuf_failed(&engine->scratch) ? NULL : malloc(engine->scratch.len);
        if (!copy)
            return ERR_NOMEM;
        memcpy(copy, engine->scratch.bytes, engine->scratch.len);
        free(late->bytes[family]);
        late->bytes[family] = copy;
        late->len[family] = engine->scratch.len;
    }
    late->grid = set->grid;
    late->changed = true;
    return 0;
}

static int stale_add(struct engine *engine, uint32_t series, uint32_t window, int64_t end_ms)
{
    for (uint32_t i = engine->stale_count; i-- > 0 && i + 64 > engine->stale_count;) {
        const struct stale_window *stale = &engine->stale[i];
        if (stale->series == series && stale->window == window && stale->end_ms == end_ms)
            return 0;
    }
    if (engine->stale_count >= STALE_MAX)
        return 0; /* revisions are for reading: what does not fit is left at its earlier revision */
    if (engine->stale_count == engine->stale_capacity) {
        uint32_t capacity = engine->stale_capacity ? engine->stale_capacity * 2 : 64;
        struct stale_window *grown = realloc(engine->stale, capacity * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        engine->stale = grown;
        engine->stale_capacity = capacity;
    }
    engine->stale[engine->stale_count++] =
        (struct stale_window){engine->series[series]->number, (uint8_t)window, end_ms};
    return 0;
}

/* The windows of a tier that hold this pane and are reported already. */
static int mark_windows(struct engine *engine, uint32_t series, uint8_t tier, int64_t start_ms)
{
    for (uint32_t window = 0; window < engine->config->window_count; window++) {
        const struct window_config *config = &engine->config->windows[window];
        if (config->tier != tier)
            continue;
        for (int64_t end_ms = start_ms + config->slide_ms; end_ms <= start_ms + config->length_ms;
             end_ms += config->slide_ms) {
            if (end_ms > engine->closed_until_ms)
                break;
            int code = stale_add(engine, series, window, end_ms);
            if (code != 0)
                return code;
        }
    }
    return 0;
}

static uint32_t index_of(const struct engine *engine, const struct series *series)
{
    uint32_t i = 0;
    while (engine->series[i] != series)
        i++;
    return i;
}

int engine_late_add(struct engine *engine, struct series *series, const struct delta_cell *cell)
{
    struct pane_set cell_set = {0};
    int code = pane_set_add_cell(&cell_set, cell);
    uint32_t series_index = index_of(engine, series);
    for (uint8_t tier = 0; code == 0 && tier < engine->times.tier_count; tier++) {
        int64_t start_ms = pane_start(&engine->times, tier, cell->pane_start_ms);
        struct late_pane *late = late_find(series, tier, start_ms, true);
        struct pane_set sum = {0};
        code = late ? late_add_to(engine, series, late, &sum) : ERR_NOMEM;
        if (code == 0)
            code = pane_set_add(&sum, &cell_set);
        if (code == 0)
            code = late_set(engine, late, &sum);
        pane_set_release(&sum);
        if (code == 0)
            code = mark_windows(engine, series_index, tier, start_ms);
    }
    pane_set_release(&cell_set);
    engine->stats.late_windows = engine->stale_count;
    return code;
}

int engine_late_restore(struct engine *engine, const struct stored_pane *pane)
{
    struct series *series =
        pane->series < engine->by_number_capacity ? engine->by_number[pane->series] : NULL;
    if (!series || pane->family >= PANE_FAMILY_COUNT)
        return 0;
    struct late_pane *late = late_find(series, pane->tier, pane->start_ms, true);
    char *copy = late ? malloc(pane->len ? pane->len : 1) : NULL;
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, pane->bytes, pane->len);
    free(late->bytes[pane->family]);
    late->bytes[pane->family] = copy;
    late->len[pane->family] = pane->len;
    if (pane->family == PANE_FEATURES)
        late->grid = pane->grid;
    /* Whether the sweep was done before the stop is not known: doing it again changes nothing but the
     * revision's number. */
    return mark_windows(engine, index_of(engine, series), pane->tier, pane->start_ms);
}

int engine_late_mark(struct engine *engine, uint32_t series_index, uint32_t window, int64_t end_ms)
{
    const struct series *series = engine->series[series_index];
    const struct window_config *config = &engine->config->windows[window];
    for (uint32_t i = 0; i < series->late_count; i++) {
        const struct late_pane *late = &series->late[i];
        if (late->tier == config->tier && late->start_ms < end_ms &&
            late->start_ms >= end_ms - config->length_ms)
            return stale_add(engine, series_index, window, end_ms);
    }
    return 0;
}

/* Into the batch; what is beyond every revision is forgotten here (it stays in the store). */
void engine_late_put(struct engine *engine)
{
    int64_t keep_ms = time_minus(engine->closed_until_ms, engine->times.horizon_ms);
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        uint32_t kept = 0;
        for (uint32_t j = 0; j < series->late_count; j++) {
            struct late_pane *late = &series->late[j];
            for (int family = 0; late->changed && family < PANE_FAMILY_COUNT; family++)
                if (late->bytes[family]) {
                    struct stored_pane pane = {.tier = late->tier,
                                               .start_ms = late->start_ms,
                                               .series = series->number,
                                               .family = (uint8_t)family,
                                               .grid = family == PANE_FEATURES ? late->grid : 0,
                                               .part = PANE_LATE,
                                               .bytes = late->bytes[family],
                                               .len = late->len[family]};
                    store_put_pane(engine->batch, &pane);
                }
            late->changed = false;
            if (late->start_ms + engine->times.tiers_ms[late->tier] > keep_ms) {
                series->late[kept++] = *late;
                continue;
            }
            for (int family = 0; family < PANE_FAMILY_COUNT; family++)
                free(late->bytes[family]);
        }
        series->late_count = kept;
    }
}

/* ---- the sweep ---- */

static int compare_stale(const void *a, const void *b)
{
    const struct stale_window *x = a, *y = b;
    if (x->window != y->window)
        return x->window < y->window ? -1 : 1;
    if (x->end_ms != y->end_ms)
        return x->end_ms < y->end_ms ? -1 : 1;
    return x->series < y->series ? -1 : x->series > y->series;
}

bool engine_revise(struct engine *engine)
{
    if (engine->revising || engine->stale_count == 0)
        return false;
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    bool ended = engine->endless && engine->settings.until_end;
    if (!engine->revise_now && !ended && now_ms - engine->revised_at_ms < engine->config->revise_every_ms)
        return false;
    /* Panes must be in the store before they are read from it: what is open now goes first. */
    if (engine->dirty && engine_commit(engine, true) != 1)
        return false;
    qsort(engine->stale, engine->stale_count, sizeof(*engine->stale), compare_stale);
    const struct stale_window *first = &engine->stale[0];
    const struct window_config *window = &engine->config->windows[first->window];
    if (store_request_panes(engine->settings.store, ++engine->request_ticket, window->tier,
                            first->end_ms - window->length_ms, first->end_ms) != 0)
        return false;
    engine->revising = true;
    engine->revise_ticket = engine->request_ticket;
    engine->revise_window = first->window;
    engine->revise_end_ms = first->end_ms;
    return false;
}

/* Late counts of the store, unless newer ones are in memory. */
static bool superseded(struct series *series, const struct stored_pane *pane)
{
    return pane->part == PANE_LATE && late_find(series, pane->tier, pane->start_ms, false);
}

static int revise_series(struct engine *engine, struct series *series, const struct store_panes *panes)
{
    const struct window_config *window = &engine->config->windows[engine->revise_window];
    struct pane_set set = {0};
    int code = 0;
    for (size_t i = 0; code == 0 && i < panes->count; i++) {
        const struct stored_pane *pane = &panes->panes[i];
        if (pane->series != series->number || superseded(series, pane))
            continue;
        code = pane_set_add_stored(&set, pane, engine_layout(engine, series, pane->grid));
        if (code == ERR_NOT_FOUND)
            code = 0; /* counted on a grid that no reference brings any more */
    }
    for (uint32_t i = 0; code == 0 && i < series->late_count; i++) {
        const struct late_pane *late = &series->late[i];
        if (late->tier == window->tier && late->start_ms < engine->revise_end_ms &&
            late->start_ms >= engine->revise_end_ms - window->length_ms)
            code = late_add_to(engine, series, late, &set);
    }
    if (code == 0 && !pane_set_is_empty(&set))
        code = engine_report(engine, series, engine->revise_window, &set, engine->revise_end_ms, 2);
    pane_set_release(&set);
    return code;
}

/* The panes of the window that is being revised have come: rewrites the rows of every stale series of it. */
void engine_revise_panes(struct engine *engine, const struct store_panes *panes)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < engine->stale_count; i++) {
        struct stale_window stale = engine->stale[i];
        if (stale.window != engine->revise_window || stale.end_ms != engine->revise_end_ms) {
            engine->stale[kept++] = stale;
            continue;
        }
        bool again = i > 0 && kept == 0 && compare_stale(&engine->stale[i - 1], &stale) == 0;
        if (!again && !engine->failed)
            engine->failed = revise_series(engine, engine->by_number[stale.series], panes);
    }
    engine->stale_count = kept;
    engine->revising = false;
    engine->dirty = true;
    if (kept == 0) {
        engine->revise_now = false;
        engine->revised_at_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    }
}

void engine_revise_now(struct engine *engine)
{
    engine->revise_now = true;
}
