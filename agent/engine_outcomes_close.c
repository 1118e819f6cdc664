/* Outcome panes mature one by one and in order, per version; windows that end with them are reported, once
 * for good and again when late outcomes changed them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/engine_outcomes.h"

static int64_t now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- what comes next ---- */

int64_t engine_outcomes_keep_ms(const struct engine *engine, uint8_t tier)
{
    int64_t keep_ms = engine->times.horizon_ms + engine->times.lateness_ms + engine->times.tiers_ms[0];
    for (uint32_t i = 0; i < engine->config->window_count; i++)
        if (engine->config->windows[i].tier == tier && engine->config->windows[i].length_ms > keep_ms)
            keep_ms = engine->config->windows[i].length_ms;
    if (tier + 1u < engine->times.tier_count && engine->times.tiers_ms[tier + 1] > keep_ms)
        keep_ms = engine->times.tiers_ms[tier + 1]; /* an open coarser pane is made anew from these */
    return time_plus(keep_ms, engine->times.tiers_ms[tier]);
}

static int64_t first_open(const struct version *version)
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
    int64_t until_ms = version->matured_until_ms;
    if (until_ms != INT64_MIN && holds_something(engine, version, until_ms + engine->times.tiers_ms[0]))
        return until_ms;
    return first_open(version);
}

/* The end of the next pane to mature, or false. */
static bool next_end(const struct engine *engine, const struct version *version, int64_t *out_end_ms)
{
    int64_t length_ms = engine->times.tiers_ms[0], from_ms = version->matured_until_ms;
    int64_t limit_ms = time_minus(engine->label_watermark_ms, version->config->label_delay_ms);
    if (engine->label_watermark_ms == INT64_MAX)
        limit_ms = INT64_MAX;
    if (engine->closed_until_ms < limit_ms)
        limit_ms = engine->closed_until_ms;
    if (limit_ms == INT64_MIN)
        return false;
    if (from_ms == INT64_MIN || !holds_something(engine, version, from_ms + length_ms))
        from_ms = first_open(version);
    *out_end_ms = time_plus(from_ms, length_ms);
    return *out_end_ms <= limit_ms && *out_end_ms != INT64_MAX;
}

/* ---- reports ---- */

/* The panes of a window into the scratch tallies. *out_late: some of them have a late part. */
static int sum_window(struct engine *engine, struct series *series, const struct window_config *window,
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

static int report(struct engine *engine, struct series *series, uint32_t window_index, int64_t end_ms,
                  uint32_t revision)
{
    return engine_outcomes_write(engine, series, &engine->config->windows[window_index], end_ms, revision);
}

static int add_stale(struct outcome_state *state, struct series *series, uint32_t window, int64_t end_ms)
{
    if (state->stale_count == state->stale_capacity) {
        uint32_t capacity = state->stale_capacity ? state->stale_capacity * 2 : 64;
        struct stale_outcome *grown = realloc(state->stale, capacity * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        state->stale = grown;
        state->stale_capacity = capacity;
    }
    state->stale[state->stale_count++] = (struct stale_outcome){series, (uint8_t)window, end_ms};
    return 0;
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
                                         .family = (uint8_t)(PANE_OUTCOMES + i),
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

static bool is_beyond_the_end(const struct engine *engine, uint8_t tier, int64_t end_ms)
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
            if (engine->config->windows[i].tier != tier || is_beyond_the_end(engine, tier, end_ms))
                continue;
            bool late;
            code = sum_window(engine, series, &engine->config->windows[i], end_ms, false, &late);
            if (code == 0)
                code = report(engine, series, i, end_ms, 1);
            if (code == 0 && late)
                code = add_stale(engine->outcomes, series, i, end_ms);
        }
    }
    for (uint8_t tier = 0; tier < engine->times.tier_count; tier++)
        outcome_panes_drop(
            &series->outcomes, tier,
            time_minus(end_ms, engine_outcomes_keep_ms(engine, tier) + engine->times.tiers_ms[tier]));
    return code;
}

static int mature(struct engine *engine, struct version *version, int64_t end_ms)
{
    version->matured_until_ms = end_ms;
    version->matured_changed = true;
    engine->dirty = true;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < engine->series_count; i++)
        if (engine->series[i]->version == version && engine->series[i]->outcomes.count)
            code = mature_series(engine, engine->series[i], end_ms);
    return code ? code : engine_flush_alerts(engine);
}

/* ---- revisions ---- */

static int compare_stale(const void *a, const void *b)
{
    const struct stale_outcome *x = a, *y = b;
    if (x->series->number != y->series->number)
        return x->series->number < y->series->number ? -1 : 1;
    if (x->window != y->window)
        return x->window < y->window ? -1 : 1;
    return x->end_ms < y->end_ms ? -1 : x->end_ms > y->end_ms;
}

/* The windows of stale panes that were reported already. */
static int collect_stale(struct engine *engine, struct series *series)
{
    int code = 0;
    for (uint32_t i = 0; i < series->outcomes.count; i++) {
        struct outcome_pane *pane = series->outcomes.items[i];
        if (!pane->stale)
            continue;
        pane->stale = false;
        for (uint32_t j = 0; j < engine->config->window_count; j++) {
            const struct window_config *window = &engine->config->windows[j];
            int64_t last_ms = pane->start_ms + window->length_ms;
            if (window->tier != pane->tier)
                continue;
            for (int64_t end_ms = pane->start_ms + window->slide_ms;
                 code == 0 && end_ms <= last_ms && end_ms <= series->version->matured_until_ms;
                 end_ms += window->slide_ms)
                if (!is_beyond_the_end(engine, window->tier, end_ms))
                    code = add_stale(engine->outcomes, series, j, end_ms);
        }
    }
    return code;
}

static bool is_revision_due(const struct engine *engine)
{
    const struct outcome_state *state = engine->outcomes;
    if (state->stale_count == 0 && state->stale_panes == 0)
        return false;
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    return (engine->endless && engine->settings.until_end) || engine->revise_now ||
           now_ms - state->revised_at_ms >= engine->config->revise_every_ms;
}

static int begin_revision(struct engine *engine)
{
    struct outcome_state *state = engine->outcomes;
    state->stale_panes = 0;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < engine->series_count; i++)
        code = collect_stale(engine, engine->series[i]);
    if (state->stale_count)
        qsort(state->stale, state->stale_count, sizeof(*state->stale), compare_stale);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < state->stale_count; i++)
        if (kept == 0 || compare_stale(&state->stale[kept - 1], &state->stale[i]) != 0)
            state->stale[kept++] = state->stale[i];
    state->stale_count = kept;
    state->stale_next = 0;
    state->revised_at_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    return code;
}

/* True when the time is over before the work. */
static bool revise(struct engine *engine, int64_t deadline_us)
{
    struct outcome_state *state = engine->outcomes;
    engine->failed = begin_revision(engine);
    while (!engine->failed && state->stale_next < state->stale_count) {
        const struct stale_outcome *stale = &state->stale[state->stale_next++];
        bool late;
        engine->failed = sum_window(engine, stale->series, &engine->config->windows[stale->window],
                                    stale->end_ms, true, &late);
        if (!engine->failed)
            engine->failed = report(engine, stale->series, stale->window, stale->end_ms, 2);
        engine->dirty = true;
        if (now_us() > deadline_us || engine_is_backlogged(engine))
            break;
    }
    uint32_t left = state->stale_count - state->stale_next;
    if (left) /* they stay, in front of what comes */
        memmove(state->stale, state->stale + state->stale_next, left * sizeof(*state->stale));
    state->stale_count = left;
    if (left)
        state->revised_at_ms = INT64_MIN / 2; /* due at once */
    return left > 0;
}

bool engine_outcomes_is_idle(const struct engine *engine)
{
    const struct outcome_state *state = engine->outcomes;
    int64_t end_ms;
    for (uint32_t i = 0; i < engine->version_count; i++)
        if (engine->versions[i]->whole && next_end(engine, engine->versions[i], &end_ms))
            return false;
    return state->stale_count == 0 && state->stale_panes == 0;
}

bool engine_outcomes_advance(struct engine *engine, int64_t deadline_us)
{
    for (uint32_t i = 0; i < engine->version_count; i++) {
        struct version *version = engine->versions[i];
        int64_t end_ms;
        while (!engine->failed && version->whole && next_end(engine, version, &end_ms)) {
            if (engine_is_backlogged(engine))
                return false; /* the next commit brings us back */
            engine->failed = mature(engine, version, end_ms);
            if (now_us() > deadline_us)
                return true;
        }
    }
    return !engine->failed && is_revision_due(engine) && revise(engine, deadline_us);
}
