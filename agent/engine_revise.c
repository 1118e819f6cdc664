/*
 * Revisions (DESIGN §6): windows that hold late events are written again as the sum of their panes. A sweep
 * every revise_every writes those that are closed; one at the horizon, in event time, writes those that no
 * late event can reach any more, before their panes leave the store. The end of a finite run writes the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/engine_internal.h"

enum { STALE_MAX = 1 << 20 };

static int compare_stale(const void *a, const void *b)
{
    const struct stale_window *x = a, *y = b;
    if (x->end_ms != y->end_ms)
        return x->end_ms < y->end_ms ? -1 : 1;
    if (x->window != y->window)
        return x->window < y->window ? -1 : 1;
    return x->series < y->series ? -1 : x->series > y->series;
}

/* Sorted, each once, without those that a finite run never reports. */
static void compact(struct engine *engine)
{
    if (engine->stale_sorted || engine->stale_count == 0)
        return;
    qsort(engine->stale, engine->stale_count, sizeof(*engine->stale), compare_stale);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < engine->stale_count; i++) {
        struct stale_window stale = engine->stale[i];
        if ((kept == 0 || compare_stale(&engine->stale[kept - 1], &stale) != 0) &&
            (!engine->endless ||
             stale.end_ms <= engine_final_end(engine, engine->config->windows[stale.window].tier)))
            engine->stale[kept++] = stale;
    }
    engine->stale_count = kept;
    engine->stale_sorted = true;
}

static int stale_reserve(struct engine *engine)
{
    if (engine->stale_count < engine->stale_capacity)
        return 0;
    compact(engine);
    if (engine->stale_count < engine->stale_capacity / 2 || engine->stale_capacity >= STALE_MAX)
        return 0;
    struct stale_window *grown = grow_array(engine->stale, &engine->stale_capacity, 256, sizeof(*grown));
    if (!grown)
        return ERR_NOMEM;
    engine->stale = grown;
    return 0;
}

/* The last moment at which the panes of a window are surely in the store. */
static int64_t deadline_of(const struct engine *engine, const struct window_config *window, int64_t end_ms)
{
    return end_ms - window->length_ms +
           (engine_tier_need_ms(engine, window->tier) - engine->times.tiers_ms[window->tier]);
}

int engine_stale_mark(struct engine *engine, const struct series *series, uint8_t tier, int64_t start_ms)
{
    for (uint32_t i = 0; i < engine->config->window_count; i++) {
        const struct window_config *window = &engine->config->windows[i];
        if (window->tier != tier)
            continue;
        for (int64_t end_ms = start_ms + window->slide_ms; end_ms <= start_ms + window->length_ms;
             end_ms += window->slide_ms) {
            int64_t deadline_ms = deadline_of(engine, window, end_ms);
            if (deadline_ms < engine->closed_until_ms)
                continue; /* written at its horizon; its panes may be gone */
            int code = stale_reserve(engine);
            if (code != 0)
                return code;
            if (engine->stale_count == engine->stale_capacity)
                return 0; /* revisions are for reading: what does not fit stays at its earlier revision */
            engine->stale[engine->stale_count++] = (struct stale_window){series->number, (uint8_t)i, end_ms};
            engine->stale_sorted = false;
            if (deadline_ms < engine->stale_deadline_ms)
                engine->stale_deadline_ms = deadline_ms;
        }
    }
    return 0;
}

/* The first stale window that ended by then; UINT32_MAX: none. */
static uint32_t first_until(struct engine *engine, int64_t until_ms)
{
    compact(engine);
    return engine->stale_count > 0 && engine->stale[0].end_ms <= until_ms ? 0 : UINT32_MAX;
}

/* Asks for the panes of the first stale window that ended by then; false when there is none. */
static bool ask(struct engine *engine, int64_t until_ms)
{
    if (first_until(engine, until_ms) == UINT32_MAX)
        return false;
    /* Panes must be in the store before they are read from it: what is open now goes first. */
    if (engine->dirty && engine_commit(engine, true) != 1)
        return true; /* the next completion of a commit comes by here again */
    const struct stale_window *first = &engine->stale[0];
    const struct window_config *window = &engine->config->windows[first->window];
    if (store_request_panes(engine->settings.store, ++engine->request_ticket, window->tier,
                            first->end_ms - window->length_ms, first->end_ms) != 0)
        return true;
    engine->revising = true;
    engine->revise_ticket = engine->request_ticket;
    engine->revise_window = first->window;
    engine->revise_end_ms = first->end_ms;
    return true;
}

static void forget_deadline(struct engine *engine)
{
    engine->stale_deadline_ms = INT64_MAX;
    for (uint32_t i = 0; i < engine->stale_count; i++) {
        const struct stale_window *stale = &engine->stale[i];
        int64_t deadline_ms = deadline_of(engine, &engine->config->windows[stale->window], stale->end_ms);
        if (deadline_ms < engine->stale_deadline_ms)
            engine->stale_deadline_ms = deadline_ms;
    }
}

bool engine_revise_before(struct engine *engine, int64_t end_ms)
{
    if (engine->revising)
        return end_ms > engine->stale_deadline_ms;
    if (end_ms <= engine->stale_deadline_ms)
        return false;
    int64_t until_ms = time_minus(end_ms, engine->times.horizon_ms);
    if (until_ms > engine->closed_until_ms)
        until_ms = engine->closed_until_ms;
    if (ask(engine, until_ms))
        return true;
    forget_deadline(engine);
    return false;
}

bool engine_revise(struct engine *engine)
{
    if (engine->revising || engine->stale_count == 0)
        return false;
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    bool ended = engine->endless && engine->settings.until_end;
    if (!engine->revise_now && !ended && now_ms - engine->revised_at_ms < engine->config->revise_every_ms)
        return false;
    if (!ask(engine, engine->closed_until_ms)) {
        engine->dirty |= ended;
        if (ended)
            engine->stale_count = 0; /* windows that end after the last pane */
        engine->revise_now = false;
        engine->revised_at_ms = now_ms;
        forget_deadline(engine);
    }
    return false;
}

/* Late counts of the store, unless newer ones are in memory. */
static bool superseded(struct series *series, const struct stored_pane *pane)
{
    return pane->part == PANE_LATE && engine_late_find(series, pane->tier, pane->start_ms, false);
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
        code = pane_set_add_stored(&set, pane, engine_layout(engine, series, pane->family, pane->grid));
        if (code == ERR_NOT_FOUND)
            code = 0; /* counted on a grid that no reference brings any more */
    }
    for (uint32_t i = 0; code == 0 && i < series->late_count; i++) {
        const struct late_pane *late = &series->late[i];
        if (late->tier == window->tier && late->start_ms < engine->revise_end_ms &&
            late->start_ms >= engine->revise_end_ms - window->length_ms)
            code = engine_late_add_to(engine, series, late, &set);
    }
    if (code == 0 && !pane_set_is_empty(&set))
        code = engine_report(engine, series, engine->revise_window, &set, engine->revise_end_ms, 2);
    pane_set_release(&set);
    return code;
}

void engine_revise_panes(struct engine *engine, const struct store_panes *panes)
{
    compact(engine); /* late events may have come meanwhile: what is in memory holds them */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < engine->stale_count; i++) {
        struct stale_window stale = engine->stale[i];
        if (stale.window != engine->revise_window || stale.end_ms != engine->revise_end_ms)
            engine->stale[kept++] = stale;
        else if (!engine->failed)
            engine->failed = revise_series(engine, engine->by_number[stale.series], panes);
    }
    engine->stale_count = kept;
    engine->revising = false;
    engine->dirty = true;
}

void engine_revise_now(struct engine *engine)
{
    engine->revise_now = true;
}
