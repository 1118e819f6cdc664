/*
 * Revisions of what labels say (DESIGN §6, §8). Windows that hold late outcomes are stale: a sweep every
 * revise_every rewrites them from their panes, so does the last moment before those panes leave memory, and
 * the end of a finite run. When outcomes can no longer reach a window is decided by the logs: a label joins
 * only when its partition's clock had not passed the prediction's expiry (agent/join.h), so that what a
 * window says in the end does not depend on when it was merged or revised.
 */
#include <string.h>
#include <time.h>

#include "agent/engine_outcomes.h"
#include "agent/engine_versions.h"

static int64_t now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t engine_outcomes_final_ms(const struct engine *engine)
{
    return time_plus(engine->times.horizon_ms, 2 * engine->times.tiers_ms[0]);
}

int64_t engine_outcomes_keep_ms(const struct engine *engine, uint8_t tier)
{
    int64_t keep_ms = engine->times.tiers_ms[tier];
    for (uint32_t i = 0; i < engine->config->window_count; i++)
        if (engine->config->windows[i].tier == tier && engine->config->windows[i].length_ms > keep_ms)
            keep_ms = engine->config->windows[i].length_ms;
    keep_ms = time_plus(keep_ms, engine_outcomes_final_ms(engine));
    int64_t above_ms = tier + 1u < engine->times.tier_count ? engine->times.tiers_ms[tier + 1] : 0;
    if (keep_ms < above_ms) /* an open coarser pane is made anew from these */
        keep_ms = above_ms;
    return time_plus(keep_ms, engine->times.tiers_ms[tier]);
}

/* Marks the windows of panes that late outcomes were added to. */
static int mark_windows(struct engine *engine, struct series *series)
{
    struct outcome_panes *panes = &series->outcomes;
    int code = 0;
    for (uint32_t i = 0; panes->stale_panes && code == 0 && i < panes->count; i++) {
        struct outcome_pane *pane = panes->items[i];
        if (!pane->stale)
            continue;
        pane->stale = false;
        panes->stale_panes--;
        for (uint32_t j = 0; j < engine->config->window_count; j++) {
            const struct window_config *window = &engine->config->windows[j];
            if (window->tier != pane->tier)
                continue;
            for (int64_t end_ms = pane->start_ms + window->slide_ms;
                 code == 0 && end_ms <= pane->start_ms + window->length_ms; end_ms += window->slide_ms)
                if (end_ms > series->version->settled_until_ms)
                    code = outcome_panes_mark(panes, (uint8_t)j, end_ms);
        }
    }
    return code;
}

static int revise_window(struct engine *engine, struct series *series, const struct outcome_stale *stale)
{
    bool late;
    if (engine_outcomes_is_beyond_end(engine, engine->config->windows[stale->window].tier, stale->end_ms))
        return 0;
    engine->dirty = true;
    int code = engine_outcomes_report(engine, series, stale->window, stale->end_ms, 2, &late);
    if (code != 0 || series->segment[0])
        return code;
    return engine_versions_revise(engine, series, &engine->config->windows[stale->window], stale->end_ms);
}

static int settle_series(struct engine *engine, struct series *series, int64_t final_ms)
{
    struct outcome_panes *panes = &series->outcomes;
    int code = mark_windows(engine, series);
    uint32_t done = 0;
    if (final_ms > series->version->matured_until_ms)
        final_ms = series->version->matured_until_ms;
    while (code == 0 && done < panes->stale_count && panes->stale[done].end_ms <= final_ms)
        code = revise_window(engine, series, &panes->stale[done++]);
    outcome_panes_unmark(panes, done);
    return code;
}

int engine_outcomes_settle(struct engine *engine, const struct version *version)
{
    int64_t final_ms = time_minus(version->matured_until_ms, engine_outcomes_final_ms(engine));
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        if (series->outcomes.count && strcmp(series->version->model, version->model) == 0)
            code = settle_series(engine, series, final_ms);
    }
    return code;
}

static bool ends_now(const struct engine *engine)
{
    return engine->endless && engine->settings.until_end;
}

bool engine_outcomes_is_stale(const struct engine *engine)
{
    for (uint32_t i = 0; engine->outcomes->owed && i < engine->series_count; i++)
        if (engine->series[i]->outcomes.stale_count || engine->series[i]->outcomes.stale_panes)
            return true;
    return false;
}

static bool is_due(const struct engine *engine)
{
    const struct outcome_state *state = engine->outcomes;
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    return state->sweeping ||
           (state->owed && (ends_now(engine) || engine->revise_now ||
                            now_ms - state->revised_at_ms >= engine->config->revise_every_ms));
}

/* Windows of one series that have matured. True when the time is over before the work. */
static bool sweep_series(struct engine *engine, struct series *series, int64_t deadline_us)
{
    struct outcome_panes *panes = &series->outcomes;
    engine->failed = mark_windows(engine, series);
    uint32_t done = 0;
    bool over = false;
    while (!engine->failed && !over && done < panes->stale_count &&
           panes->stale[done].end_ms <= series->version->matured_until_ms) {
        engine->failed = revise_window(engine, series, &panes->stale[done++]);
        over = now_us() > deadline_us || engine_is_backlogged(engine);
    }
    outcome_panes_unmark(panes, done);
    if (!over && ends_now(engine)) /* windows that end after the last pane */
        outcome_panes_unmark(panes, panes->stale_count);
    return over;
}

bool engine_outcomes_revise(struct engine *engine, int64_t deadline_us)
{
    struct outcome_state *state = engine->outcomes;
    if (!is_due(engine) || engine_is_backlogged(engine))
        return false;
    state->sweeping = true;
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct outcome_panes *panes = &engine->series[i]->outcomes;
        if ((panes->stale_count || panes->stale_panes) &&
            sweep_series(engine, engine->series[i], deadline_us))
            return !engine->failed && !engine_is_backlogged(engine);
        if (engine->failed)
            return false;
    }
    state->sweeping = false;
    state->owed = engine_outcomes_is_stale(engine);
    state->revised_at_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    return false;
}
