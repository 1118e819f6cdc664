/* Outcome panes mature one by one and in order, per version; windows that end with them are reported: the
 * revision that alerting judges. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/engine_labelled.h"
#include "agent/engine_outcomes.h"
#include "agent/engine_sequence.h"
#include "agent/engine_versions.h"

static int64_t now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- what comes next ---- */

int64_t engine_outcomes_first_open(const struct version *version)
{
    const struct outcome_panes *panes = &version->whole->outcomes;
    for (uint32_t i = outcome_panes_position(panes, 0, version->matured_until_ms);
         i < panes->count && panes->items[i]->tier == 0; i++)
        if (!outcome_part_is_empty(&panes->items[i]->parts[PANE_ON_TIME]))
            return panes->items[i]->start_ms;
    return INT64_MAX;
}

/* Does a window or a coarser pane that ends at or after `end_ms` hold something that has matured? */
static bool holds_something(const struct engine *engine, const struct version *version, int64_t end_ms)
{
    const struct outcome_panes *panes = &version->whole->outcomes;
    for (uint8_t tier = 0; tier < engine->times.tier_count; tier++) {
        int64_t reach_ms = tier ? engine->times.tiers_ms[tier] : 0;
        for (uint32_t i = 0; i < engine->config->window_count; i++)
            if (engine->config->windows[i].tier == tier && engine->config->windows[i].length_ms > reach_ms)
                reach_ms = engine->config->windows[i].length_ms;
        uint32_t first = outcome_panes_position(panes, tier, INT64_MIN);
        for (uint32_t at = outcome_panes_position(panes, tier, version->matured_until_ms); at-- > first;) {
            if (panes->items[at]->start_ms + reach_ms < end_ms)
                break;
            if (!outcome_part_is_empty(&panes->items[at]->parts[PANE_ON_TIME]))
                return true;
        }
    }
    return false;
}

int64_t engine_outcomes_needed_from(const struct engine *engine, const struct version *version)
{
    int64_t open_ms = engine_outcomes_first_open(version), until_ms = version->matured_until_ms;
    if (until_ms == INT64_MIN || version->whole->outcomes.count == 0 || open_ms < until_ms)
        return open_ms;
    return time_minus(until_ms, engine->times.tiers_ms[0]);
}

/* Until when panes may mature: the panes of features have closed, and so has the labels' finest pane that
 * holds what is still on time. */
static int64_t limit_of(const struct engine *engine, const struct version *version)
{
    int64_t labels_ms = engine->label_watermark_ms;
    if (labels_ms != INT64_MAX && labels_ms != INT64_MIN)
        labels_ms = time_minus(pane_start(&engine->times, 0, labels_ms), version->config->label_delay_ms);
    return labels_ms < engine->closed_until_ms ? labels_ms : engine->closed_until_ms;
}

/* The end of the next pane to mature, or false. */
static bool next_end(const struct engine *engine, const struct version *version, int64_t *out_end_ms)
{
    int64_t length_ms = engine->times.tiers_ms[0], from_ms = version->matured_until_ms;
    int64_t limit_ms = limit_of(engine, version);
    if (limit_ms == INT64_MIN)
        return false;
    if (from_ms == INT64_MIN || !holds_something(engine, version, from_ms + length_ms))
        from_ms = engine_outcomes_first_open(version);
    *out_end_ms = time_plus(from_ms, length_ms);
    /* What the inputs' end closed before a restart: beyond the last pane it must be known again. */
    if (engine->settings.until_end && !engine->endless && *out_end_ms > engine_final_end(engine, 0))
        return false;
    return *out_end_ms <= limit_ms && *out_end_ms != INT64_MAX;
}

/* ---- reports ---- */

int engine_outcomes_sum(struct engine *engine, struct series *series, const struct window_config *window,
                        int64_t end_ms, bool with_late, bool *out_late)
{
    struct outcome_scratch *scratch = &engine->outcomes->scratch;
    struct outcome_panes *panes = &series->outcomes;
    double unit = series->version->config->options.unit;
    bool whole = series->segment[0] == '\0';
    uint32_t from = outcome_panes_position(panes, window->tier, end_ms - window->length_ms);
    uint32_t to = outcome_panes_position(panes, window->tier, end_ms);
    int code = 0;
    *out_late = false;
    for (uint32_t i = from; code == 0 && i < to; i++) /* folding uses the scratch tallies: first all of it */
        for (int part = 0; code == 0 && part < 2; part++) {
            code = outcome_part_fold(&panes->items[i]->parts[part], scratch, unit, whole);
            *out_late |= part == PANE_LATE && !outcome_part_is_empty(&panes->items[i]->parts[part]);
        }
    outcome_scratch_reset(scratch);
    for (uint32_t i = from; code == 0 && i < to; i++) {
        code = outcome_part_sum(&panes->items[i]->parts[PANE_ON_TIME], scratch);
        if (code == 0 && with_late)
            code = outcome_part_sum(&panes->items[i]->parts[PANE_LATE], scratch);
    }
    return code;
}

int engine_outcomes_report(struct engine *engine, struct series *series, uint32_t window, int64_t end_ms,
                           uint32_t revision, bool *out_late)
{
    const struct window_config *config = &engine->config->windows[window];
    int code = engine_outcomes_sum(engine, series, config, end_ms, revision > 1, out_late);
    return code ? code : engine_outcomes_write_rows(engine, series, config, end_ms, revision);
}

int engine_outcomes_write_rows(struct engine *engine, struct series *series,
                               const struct window_config *window, int64_t end_ms, uint32_t revision)
{
    int code = engine_outcomes_write(engine, series, window, end_ms, revision);
    return code ? code : engine_labelled_report(engine, series, window, end_ms, revision);
}

/* ---- maturity ---- */

static int put_part(struct engine *engine, const struct series *series, const struct outcome_pane *pane,
                    int which)
{
    const struct outcome_part *part = &pane->parts[which];
    for (int i = 0; i < OUTCOME_TALLIES; i++)
        if (part->bytes[i]) {
            struct stored_pane stored = {.tier = pane->tier,
                                         .start_ms = pane->start_ms,
                                         .series = series->number,
                                         .family = outcome_family(i),
                                         .part = (uint8_t)which,
                                         .bytes = part->bytes[i],
                                         .len = part->len[i]};
            store_put_pane(engine->batch, &stored);
        }
    return store_batch_failed(engine->batch) ? ERR_NOMEM : 0;
}

/* The pane of a tier that ends here is final: into the store and the coarser pane. */
static int mature_pane(struct engine *engine, struct series *series, uint8_t tier, int64_t end_ms)
{
    struct outcome_scratch *scratch = &engine->outcomes->scratch;
    int64_t start_ms = end_ms - engine->times.tiers_ms[tier];
    struct outcome_pane *pane = outcome_panes_find(&series->outcomes, tier, start_ms, false);
    if (!pane || outcome_part_is_empty(&pane->parts[PANE_ON_TIME]))
        return 0;
    struct outcome_part *part = &pane->parts[PANE_ON_TIME];
    int code =
        outcome_part_fold(part, scratch, series->version->config->options.unit, series->segment[0] == '\0');
    if (code == 0)
        code = put_part(engine, series, pane, PANE_ON_TIME);
    if (code != 0 || tier + 1u >= engine->times.tier_count)
        return code;
    struct outcome_pane *coarser = outcome_panes_find(&series->outcomes, (uint8_t)(tier + 1),
                                                      pane_start(&engine->times, tier + 1u, start_ms), true);
    if (!coarser)
        return ERR_NOMEM;
    for (int i = 0; code == 0 && i < OUTCOME_TALLIES; i++)
        if (part->bytes[i])
            code = outcome_part_add_bytes(&coarser->parts[PANE_ON_TIME], i, part->bytes[i], part->len[i],
                                          scratch);
    return code;
}

bool engine_outcomes_is_beyond_end(const struct engine *engine, uint8_t tier, int64_t end_ms)
{
    return engine->endless && (engine->last_pane_ms == INT64_MIN ||
                               end_ms > pane_end(&engine->times, tier, engine->last_pane_ms));
}

static int mature_series(struct engine *engine, struct series *series, int64_t end_ms)
{
    int code = 0;
    for (uint8_t tier = 0; code == 0 && tier < engine->times.tier_count; tier++) {
        if (!pane_is_boundary(&engine->times, tier, end_ms))
            break;
        code = mature_pane(engine, series, tier, end_ms);
        for (uint32_t i = 0; code == 0 && i < engine->config->window_count; i++) {
            if (engine->config->windows[i].tier != tier ||
                engine_outcomes_is_beyond_end(engine, tier, end_ms))
                continue;
            bool late;
            code = engine_outcomes_report(engine, series, i, end_ms, 1, &late);
            if (code == 0 && late)
                code = outcome_panes_mark(&series->outcomes, (uint8_t)i, end_ms);
        }
    }
    return code;
}

/* All of a version up to this end; `reports` when panes were closed rather than jumped. */

static int mature(struct engine *engine, struct version *version, int64_t end_ms, bool reports)
{
    int64_t before_ms = version->matured_until_ms;
    version->matured_until_ms = end_ms;
    version->matured_changed = true;
    engine->dirty = true;
    int code = engine_outcomes_settle(engine, version);
    for (uint32_t i = 0; code == 0 && i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        if (series->version != version || series->outcomes.count == 0)
            continue;
        if (reports)
            code = mature_series(engine, series, end_ms);
        engine_provisional_drop(engine, series, before_ms, end_ms);
        for (uint8_t tier = 0; tier < engine->times.tier_count; tier++)
            outcome_panes_drop(&series->outcomes, tier,
                               time_minus(end_ms, engine_outcomes_keep_ms(engine, tier)));
    }
    version->settled_until_ms = time_minus(end_ms, engine_outcomes_final_ms(engine));
    if (code == 0 && reports)
        code = engine_labelled_mature(engine, version, end_ms);
    if (code == 0 && reports)
        code = engine_sequence_mature(engine, version, end_ms);
    return code ? code : engine_flush_alerts(engine);
}

/* Nothing has come for long: what is final may be forgotten although no pane matures. */
static bool is_quiet(const struct engine *engine, const struct version *version, int64_t *out_end_ms)
{
    int64_t coarsest_ms = engine->times.tiers_ms[engine->times.tier_count - 1];
    int64_t limit_ms = limit_of(engine, version);
    if (limit_ms == INT64_MIN || limit_ms == INT64_MAX || version->matured_until_ms == INT64_MIN ||
        version->whole->outcomes.count == 0 || engine_outcomes_first_open(version) < limit_ms ||
        time_minus(limit_ms, coarsest_ms) < version->matured_until_ms ||
        holds_something(engine, version, version->matured_until_ms + engine->times.tiers_ms[0]))
        return false;
    *out_end_ms = pane_start(&engine->times, engine->times.tier_count - 1u, limit_ms);
    return *out_end_ms > version->matured_until_ms;
}

bool engine_outcomes_is_idle(const struct engine *engine)
{
    int64_t end_ms;
    for (uint32_t i = 0; i < engine->version_count; i++)
        if (engine->versions[i]->whole && next_end(engine, engine->versions[i], &end_ms))
            return false;
    return !engine_outcomes_is_stale(engine);
}

/* The earliest pane that may mature, of any version (or any of this model): versions go in step, so that they
 * can be compared. NULL: there is none. */
static struct version *first_to_mature(const struct engine *engine, const char *model, int64_t *out_end_ms)
{
    struct version *first = NULL;
    for (uint32_t i = 0; i < engine->version_count; i++) {
        struct version *version = engine->versions[i];
        int64_t end_ms;
        if (version->whole && (!model || strcmp(version->model, model) == 0) &&
            next_end(engine, version, &end_ms) && (!first || end_ms < *out_end_ms)) {
            first = version;
            *out_end_ms = end_ms;
        }
    }
    return first;
}

static int mature_next(struct engine *engine, struct version *version, int64_t end_ms)
{
    int64_t others_ms;
    int code = mature(engine, version, end_ms, true);
    if (code != 0 || (first_to_mature(engine, version->model, &others_ms) && others_ms <= end_ms))
        return code;
    code = engine_versions_report(engine, version->model, end_ms);
    return code ? code : engine_flush_alerts(engine);
}

bool engine_outcomes_advance(struct engine *engine, int64_t deadline_us)
{
    struct version *version;
    int64_t end_ms;
    while (!engine->failed && (version = first_to_mature(engine, NULL, &end_ms))) {
        if (engine_is_backlogged(engine))
            return false; /* the next commit brings us back */
        engine->failed = mature_next(engine, version, end_ms);
        if (now_us() > deadline_us)
            return true;
    }
    for (uint32_t i = 0; !engine->failed && i < engine->version_count; i++)
        if (engine->versions[i]->whole && is_quiet(engine, engine->versions[i], &end_ms))
            engine->failed = mature(engine, engine->versions[i], end_ms, false);
    if (engine->failed)
        return false;
    return engine_outcomes_provisional(engine, deadline_us) || engine_outcomes_revise(engine, deadline_us);
}
