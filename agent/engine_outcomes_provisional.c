/*
 * Rows before maturity (DESIGN §8): what the labels that are there already say of windows whose panes have
 * closed. They depend on when labels came and on the clock of this machine, so they are no part of what is
 * the same for the same events: revision 0, never judged, and gone or replaced once their window matures.
 *
 * A sweep every revise_every writes the windows that ended since the last one, and of the older ones those
 * whose age has passed a power of two of their slides: each window is written O(log(label_delay / slide))
 * times, not once per sweep.
 */
#include <time.h>

#include "agent/engine_outcomes.h"

enum { NEW_MAX = 16 /* windows that count as new in a sweep */ };

static int64_t now_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- the sum of what has matured and what has not ---- */

static int fold_range(struct engine *engine, struct series *series, uint32_t from, uint32_t to)
{
    int code = 0;
    for (uint32_t i = from; code == 0 && i < to; i++)
        code = outcome_part_fold(&series->outcomes.items[i]->parts[PANE_ON_TIME], &engine->outcomes->scratch,
                                 series->version->config->options.unit, series->segment[0] == '\0');
    return code;
}

/* Coarser panes hold the finer ones that have matured: those that have not are taken from their own tier. */
static void range_of(const struct engine *engine, const struct series *series,
                     const struct window_config *window, int64_t end_ms, uint8_t tier, uint32_t *from,
                     uint32_t *to)
{
    int64_t from_ms = end_ms - window->length_ms, matured_ms = series->version->matured_until_ms;
    if (tier < window->tier && matured_ms != INT64_MIN) {
        int64_t open_ms = pane_start(&engine->times, tier, matured_ms);
        from_ms = open_ms > from_ms ? open_ms : from_ms;
    }
    *from = outcome_panes_position(&series->outcomes, tier, from_ms);
    *to = outcome_panes_position(&series->outcomes, tier, end_ms);
}

static int sum_open(struct engine *engine, struct series *series, const struct window_config *window,
                    int64_t end_ms)
{
    uint32_t from, to;
    int code = 0;
    for (uint8_t tier = 0; code == 0 && tier <= window->tier; tier++) { /* folding uses the scratch tallies */
        range_of(engine, series, window, end_ms, tier, &from, &to);
        code = fold_range(engine, series, from, to);
    }
    outcome_scratch_reset(&engine->outcomes->scratch);
    for (uint8_t tier = 0; code == 0 && tier <= window->tier; tier++) {
        range_of(engine, series, window, end_ms, tier, &from, &to);
        for (uint32_t i = from; code == 0 && i < to; i++)
            code =
                outcome_part_sum(&series->outcomes.items[i]->parts[PANE_ON_TIME], &engine->outcomes->scratch);
    }
    return code;
}

static int report(struct engine *engine, struct series *series, uint32_t window, int64_t end_ms)
{
    const struct window_config *config = &engine->config->windows[window];
    int code = sum_open(engine, series, config, end_ms);
    engine->outcomes->provisional.written = true;
    engine->dirty = true;
    return code ? code : engine_outcomes_write_rows(engine, series, config, end_ms, 0);
}

/* ---- the sweep ---- */

static uint32_t floor_log2(uint64_t value)
{
    return 63u - (uint32_t)__builtin_clzll(value);
}

bool engine_provisional_is_due(uint64_t age, uint64_t step)
{
    if (age < step || (age == step && age > 0))
        return true; /* it is new, or had just ended */
    return step > 0 && floor_log2(age) != floor_log2(age - step);
}

/* How many slides ago the last sweep was; after a longer while the windows between are left out. */
static uint64_t step_of(const struct engine *engine, const struct window_config *window, int64_t newest_ms)
{
    const struct provisional *sweep = &engine->outcomes->provisional;
    if (sweep->before_ms == INT64_MIN)
        return NEW_MAX;
    int64_t before_ms = pane_start(&engine->times, window->tier, sweep->before_ms);
    uint64_t step = (uint64_t)((newest_ms - before_ms) / window->slide_ms);
    return step < NEW_MAX ? step : NEW_MAX;
}

/* The oldest end that is worth a look: after what has matured, and with outcomes in the window. */
static int64_t lowest_end(const struct series *series, const struct window_config *window)
{
    int64_t lowest_ms = series->version->matured_until_ms;
    int64_t first_ms = series->outcomes.items[0]->start_ms;
    return (first_ms > lowest_ms ? first_ms : lowest_ms) + window->slide_ms;
}

/* One window length of a series, from the newest end on; true when the time is over before the work. */
static bool sweep_window(struct engine *engine, struct series *series, uint32_t window, int64_t deadline_us)
{
    struct provisional *sweep = &engine->outcomes->provisional;
    const struct window_config *config = &engine->config->windows[window];
    int64_t newest_ms = pane_start(&engine->times, config->tier, sweep->until_ms);
    uint64_t step = step_of(engine, config, newest_ms);
    for (;; sweep->age++) {
        int64_t end_ms = newest_ms - (int64_t)sweep->age * config->slide_ms;
        if (end_ms < lowest_end(series, config))
            return false;
        if (!engine_provisional_is_due(sweep->age, step))
            continue;
        if (now_us() > deadline_us || engine_is_backlogged(engine))
            return true;
        engine->failed = report(engine, series, window, end_ms);
        if (engine->failed)
            return true;
    }
}

static bool is_due(const struct engine *engine)
{
    const struct provisional *sweep = &engine->outcomes->provisional;
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    return !engine->endless && engine->closed_until_ms != INT64_MIN &&
           (sweep->running || (now_ms - sweep->swept_at_ms >= engine->config->revise_every_ms &&
                               engine->closed_until_ms != sweep->before_ms));
}

bool engine_outcomes_provisional(struct engine *engine, int64_t deadline_us)
{
    struct provisional *sweep = &engine->outcomes->provisional;
    if (engine->endless)
        sweep->running = false; /* all of it matures now */
    if (!is_due(engine))
        return false;
    if (!sweep->running)
        *sweep = (struct provisional){.running = true,
                                      .written = sweep->written,
                                      .until_ms = engine->closed_until_ms,
                                      .before_ms = sweep->before_ms};
    for (; sweep->series < engine->series_count; sweep->series++, sweep->window = 0) {
        struct series *series = engine->series[sweep->series];
        if (series->outcomes.count == 0 || !series->version->config->provisional)
            continue;
        for (; sweep->window < engine->config->window_count; sweep->window++, sweep->age = 0)
            if (sweep_window(engine, series, sweep->window, deadline_us))
                return !engine->failed && !engine_is_backlogged(engine);
    }
    sweep->running = false;
    sweep->before_ms = sweep->until_ms;
    sweep->swept_at_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    return false;
}

/* ---- maturity ---- */

void engine_provisional_drop(struct engine *engine, const struct series *series, int64_t from_ms,
                             int64_t until_ms)
{
    if (engine->outcomes->provisional.written)
        store_drop_provisional(engine->batch, series->number, from_ms, until_ms);
}
