/*
 * Closing panes: one finest pane after the other, in order, each as one step. A step adds the pane to the
 * open coarser panes and to the windows of its tier, takes the panes out that leave those windows, and
 * reports every window that ends with it. Coarser panes that end at the same moment follow in the same step.
 * Stretches without data are jumped once all windows are empty.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/engine_estimates.h"
#include "agent/engine_evidence.h"
#include "agent/engine_outcomes.h"
#include "agent/engine_past.h"
#include "agent/engine_sequence.h"

static int64_t now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- what comes next ---- */

int64_t engine_first_open(const struct engine *engine)
{
    int64_t first_ms = INT64_MAX;
    for (uint32_t i = 0; i < engine->series_count; i++)
        if (engine->series[i]->open && engine->series[i]->open->start_ms < first_ms)
            first_ms = engine->series[i]->open->start_ms;
    return first_ms;
}

/* Does anything have to happen at the ends of panes that hold no events? */
static bool is_quiet(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->series_count; i++) {
        const struct series *series = engine->series[i];
        for (uint32_t tier = 1; tier < engine->times.tier_count; tier++)
            if (!pane_set_is_empty(&series->coarse[tier]))
                return false;
        for (uint32_t window = 0; window < engine->config->window_count; window++)
            if (!pane_set_is_empty(&series->windows[window].set))
                return false;
    }
    return true;
}

int64_t engine_final_end(const struct engine *engine, uint32_t tier)
{
    if (engine->last_pane_ms == INT64_MIN)
        return INT64_MIN;
    return pane_end(&engine->times, tier, engine->last_pane_ms);
}

/* The end of the next finest pane to close, or false. */
static bool next_end(struct engine *engine, int64_t *out_end_ms)
{
    int64_t length_ms = engine->times.tiers_ms[0];
    int64_t first_ms = engine_first_open(engine);
    int64_t start_ms = engine->closed_until_ms;
    if (start_ms == INT64_MIN || (first_ms > start_ms && is_quiet(engine)))
        start_ms = first_ms;
    if (start_ms == INT64_MAX)
        return false;
    int64_t end_ms = time_plus(start_ms, length_ms);
    if (end_ms > engine->watermark_ms)
        return false;
    if (engine->endless && end_ms > engine_final_end(engine, engine->times.tier_count - 1))
        return false;
    *out_end_ms = end_ms;
    return true;
}

/* Panes that leave a window at this end: starts in [low, end − length) that hold something. */
static int each_leaving(struct engine *engine, uint32_t window, int64_t end_ms,
                        int (*fn)(struct engine *engine, uint32_t window, int64_t start_ms))
{
    const struct window_config *config = &engine->config->windows[window];
    const struct starts *starts = &engine->starts[config->tier];
    int64_t until_ms = end_ms - config->length_ms;
    for (uint32_t i = starts->first; i < starts->count && starts->items[i] < until_ms; i++) {
        if (starts->items[i] < engine->window_low_ms[window])
            continue;
        int code = fn(engine, window, starts->items[i]);
        if (code != 0)
            return code;
    }
    return 0;
}

static int need_group(struct engine *engine, uint32_t window, int64_t start_ms)
{
    uint8_t tier = engine->config->windows[window].tier;
    if (engine_group(engine, tier, start_ms))
        return 0;
    if (!engine->request_pending && store_request_panes(engine->settings.store, ++engine->request_ticket,
                                                        tier, start_ms, start_ms + 1) == 0)
        engine->request_pending = true;
    return 1;
}

static uint32_t tiers_ending(const struct engine *engine, int64_t end_ms)
{
    uint32_t tiers = 0;
    while (tiers < engine->times.tier_count && pane_is_boundary(&engine->times, tiers, end_ms))
        tiers++;
    return tiers;
}

/* Are all panes at hand that leave a window at this end? Asks the store for the first that is not. */
static bool leaving_at_hand(struct engine *engine, int64_t end_ms)
{
    uint32_t tiers = tiers_ending(engine, end_ms);
    for (uint32_t window = 0; window < engine->config->window_count; window++)
        if (engine->config->windows[window].tier < tiers &&
            each_leaving(engine, window, end_ms, need_group) != 0)
            return false;
    return true;
}

/* ---- the step ---- */

static int subtract_group(struct engine *engine, uint32_t window, int64_t start_ms)
{
    const struct pane_group *group = engine_group(engine, engine->config->windows[window].tier, start_ms);
    BUG_ON(!group);
    for (size_t i = 0; i < group->count; i++) {
        const struct stored_pane *pane = &group->panes[i];
        if (pane->part != PANE_ON_TIME || pane->series >= engine->by_number_capacity ||
            !engine->by_number[pane->series])
            continue;
        int code = pane_set_subtract_stored(&engine->by_number[pane->series]->windows[window].set, pane);
        if (code != 0)
            return code;
    }
    return 0;
}

static int begin_step(struct engine *engine, int64_t end_ms)
{
    engine->step = (struct step){.running = true, .end_ms = end_ms, .tiers = tiers_ending(engine, end_ms)};
    engine->closed_until_ms = end_ms; /* from here on what comes for this pane is late */
    engine->dirty = true;
    for (uint32_t window = 0; window < engine->config->window_count; window++) {
        const struct window_config *config = &engine->config->windows[window];
        if (config->tier >= engine->step.tiers)
            continue;
        int code = each_leaving(engine, window, end_ms, subtract_group);
        if (code != 0)
            return code;
        engine->window_low_ms[window] = end_ms - config->length_ms;
    }
    return 0;
}

/* Puts a closed pane of a tier into the batch and into the group of panes to come back for. */
static int write_pane(struct engine *engine, struct series *series, uint8_t tier, int64_t start_ms,
                      const struct pane_set *set)
{
    struct pane_group *group = engine_group(engine, tier, start_ms);
    if (!group && !(group = engine_group_new(engine, tier, start_ms)))
        return ERR_NOMEM;
    for (int part = 0; part < PANE_PART_COUNT; part++) {
        strbuf_reset(&engine->scratch);
        if (!pane_set_encode(set, part, &engine->scratch))
            continue;
        if (strbuf_failed(&engine->scratch))
            return ERR_NOMEM;
        struct stored_pane pane = {.tier = tier,
                                   .start_ms = start_ms,
                                   .series = series->number,
                                   .family = pane_part_number(part),
                                   .grid = set->basis[part],
                                   .part = PANE_ON_TIME,
                                   .bytes = engine->scratch.bytes,
                                   .len = engine->scratch.len};
        store_put_pane(engine->batch, &pane);
        int code = engine_group_put(engine, group, &pane);
        if (code == 0 && part == PANE_PART_NAMES)
            code = engine_names_keep(series, &pane);
        if (code != 0)
            return code;
    }
    return starts_add(&engine->starts[tier], start_ms);
}

static int add_to_windows(struct engine *engine, struct series *series, uint8_t tier,
                          const struct pane_set *closed)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < engine->config->window_count; i++)
        if (engine->config->windows[i].tier == tier)
            code = pane_set_add(&series->windows[i].set, closed);
    return code;
}

/* Reports what ends now, once every series is in its windows: a report may look at the segments beside it. */
static int report_series(struct engine *engine, struct series *series)
{
    for (uint32_t i = 0; i < engine->config->window_count; i++) {
        uint8_t tier = engine->config->windows[i].tier;
        struct pane_set *set = &series->windows[i].set;
        if (tier >= engine->step.tiers || pane_set_is_empty(set) ||
            (engine->endless && engine->step.end_ms > engine_final_end(engine, tier)))
            continue;
        int code = engine_window_names(engine, series, i, engine->step.end_ms);
        if (code == 0)
            code = engine_report(engine, series, i, set, engine->step.end_ms, 1);
        pane_set_drop_names(set);
        if (code != 0)
            return code;
        engine->stats.windows_closed++;
    }
    engine_past_judge(engine, series, engine->step.end_ms);
    return engine_sequence_report(engine, series, engine->step.end_ms);
}

/* One tier of one series: `set` is what its pane holds, NULL when nothing. */
static int close_tier(struct engine *engine, struct series *series, uint8_t tier, const struct pane_set *set)
{
    int64_t start_ms = engine->step.end_ms - engine->times.tiers_ms[tier];
    if (!set || pane_set_is_empty(set))
        return 0;
    int code = write_pane(engine, series, tier, start_ms, set);
    if (code == 0)
        code = engine_volume_close(engine, series, tier, start_ms, set);
    if (code == 0 && tier + 1u < engine->times.tier_count)
        code = pane_set_add(&series->coarse[tier + 1], set);
    if (code == 0 && tier == 1)
        code = engine_past_add(engine, series, set, start_ms);
    return code ? code : add_to_windows(engine, series, tier, set);
}

static int close_series(struct engine *engine, struct series *series)
{
    struct open_pane *pane = series->open;
    if (pane && pane->start_ms + engine->times.tiers_ms[0] != engine->step.end_ms) {
        BUG_ON(pane->start_ms < engine->step.end_ms - engine->times.tiers_ms[0]);
        pane = NULL;
    }
    int code = pane && pane->sample ? engine_capture_pane(engine, series, pane) : 0;
    if (code == 0 && pane)
        code = engine_kpi_close(engine, series, pane);
    if (code == 0)
        code = close_tier(engine, series, 0, pane ? &pane->set : NULL);
    for (uint8_t tier = 1; code == 0 && tier < engine->step.tiers; tier++) {
        code = close_tier(engine, series, tier, &series->coarse[tier]);
        pane_set_reset(&series->coarse[tier]);
    }
    if (code == 0 && pane)
        code = engine_sequence_close(engine, series, &pane->set, engine->step.end_ms);
    if (code == 0)
        code = engine_evidence_close(engine, series, pane ? &pane->set : NULL, engine->step.end_ms);
    if (pane) {
        series->open = pane->next;
        engine->open_bytes -= pane_set_bytes(&pane->set);
        pane_set_release(&pane->set);
        sample_free(pane->sample);
        free(pane);
    }
    return code;
}

static int finish_step(struct engine *engine)
{
    int code = engine_flush_alerts(engine);
    for (uint32_t tier = 0; tier < engine->times.tier_count; tier++) {
        int64_t low_ms = INT64_MAX;
        for (uint32_t window = 0; window < engine->config->window_count; window++)
            if (engine->config->windows[window].tier == tier && engine->window_low_ms[window] < low_ms)
                low_ms = engine->window_low_ms[window];
        if (low_ms != INT64_MAX)
            starts_drop_before(&engine->starts[tier], low_ms);
        else
            starts_drop_before(&engine->starts[tier], engine->step.end_ms);
    }
    for (uint32_t i = 0; i < engine->series_count; i++)
        for (uint8_t tier = 0; engine->series[i]->names && tier < engine->step.tiers; tier++)
            engine_names_trim(engine, engine->series[i], tier, engine->step.end_ms);
    engine->step.running = false;
    engine_groups_trim(engine);
    return code;
}

/* The next series of the step: its panes, or its reports. */
/* What is reported of a series takes its turn after it, a few features at a time. */
static int step_evidence(struct engine *engine)
{
    int code = engine_evidence_judge(engine, engine->step.evidence, engine->step.end_ms);
    if (code != ERR_BUSY)
        engine->step.evidence = NULL;
    return code == ERR_BUSY ? 0 : code;
}

static int step_series(struct engine *engine)
{
    if (engine->step.evidence)
        return step_evidence(engine);
    struct series *series = engine->series[engine->step.next_series];
    const struct series *before =
        engine->step.next_series ? engine->series[engine->step.next_series - 1] : NULL;
    engine->step.next_series++;
    if (!engine->step.reporting)
        return close_series(engine, series);
    int code = 0;
    if (before && strcmp(before->version->model, series->version->model) != 0)
        code = engine_flush_alerts(engine); /* one group per model and window end */
    if (code == 0)
        code = report_series(engine, series);
    if (engine_evidence_is_due(series))
        engine->step.evidence = series;
    return code;
}

static int run_step(struct engine *engine, int64_t deadline_us)
{
    for (;;) {
        while (engine->step.next_series < engine->series_count || engine->step.evidence) {
            int code = step_series(engine);
            if (code != 0)
                return code;
            if (now_us() > deadline_us)
                return 0;
        }
        if (engine->step.reporting)
            return finish_step(engine);
        engine->step.reporting = true;
        engine->step.next_series = 0;
    }
}

enum engine_progress engine_advance(struct engine *engine, int64_t budget_us)
{
    int64_t deadline_us = now_us() + budget_us;
    while (!engine->failed) {
        if (!engine->step.running) {
            int64_t end_ms;
            if (engine_is_backlogged(engine))
                return ENGINE_WAITING;
            if (!next_end(engine, &end_ms)) {
                if (engine_capture_check(engine))
                    continue;
                if (engine_outcomes_advance(engine, deadline_us))
                    return ENGINE_MORE;
                engine_estimates_advance(engine);
                return engine_revise(engine) ? ENGINE_MORE : ENGINE_IDLE;
            }
            /* A capture that is complete takes effect, or goes on, before the panes after it close. */
            if (engine_capture_check(engine))
                continue;
            if (engine_revise_before(engine, end_ms) || !leaving_at_hand(engine, end_ms))
                return ENGINE_WAITING;
            engine->failed = begin_step(engine, end_ms);
        }
        if (!engine->failed)
            engine->failed = run_step(engine, deadline_us);
        if (!engine->failed && now_us() > deadline_us)
            return ENGINE_MORE;
    }
    return ENGINE_IDLE;
}
