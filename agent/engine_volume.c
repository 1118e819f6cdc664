/*
 * How many events each model and segment had, pane by pane of the second tier, for five weeks. Panes of that
 * tier do not stay so long, so each pane of the coarsest tier keeps the counts of those it is made of.
 */
#include "agent/engine_internal.h"

enum { TIER = 1 };
static const int64_t week_ms = INT64_C(7) * 86400000;

/* 0: volumes are not followed: the tiers do not divide a week, or panes do not stay long enough. */
static uint32_t panes_per_week(const struct engine *engine)
{
    const struct pane_times *times = &engine->times;
    if (times->tier_count <= TIER || week_ms % times->tiers_ms[TIER] != 0 ||
        week_ms / times->tiers_ms[TIER] > VOLUME_PANES_MAX / VOLUME_WEEKS ||
        engine->config->retention_panes_ms < VOLUME_WEEKS * week_ms)
        return 0;
    return (uint32_t)(week_ms / times->tiers_ms[TIER]);
}

static int64_t pane_number(const struct engine *engine, int64_t start_ms)
{
    const struct pane_times *times = &engine->times;
    return (pane_start(times, TIER, start_ms) - times->origin_ms) / times->tiers_ms[TIER];
}

static int put(const struct engine *engine, struct series *series, int64_t start_ms, uint64_t events)
{
    uint32_t week = panes_per_week(engine);
    if (week == 0 || (series->segment[0] && !series->version->config->segment_quality))
        return 0;
    if (!series->volume && !(series->volume = volume_new(week)))
        return ERR_NOMEM;
    volume_put(series->volume, pane_number(engine, start_ms), events);
    return 0;
}

/* The counts of the panes that one of the coarsest tier is made of, into the batch. */
static int write_history(struct engine *engine, const struct series *series, uint8_t tier, int64_t start_ms)
{
    int64_t panes = engine->times.tiers_ms[tier] / engine->times.tiers_ms[TIER];
    if (!series->volume || panes > VOLUME_PANES_MAX)
        return 0;
    struct tally *tally = tally_new((struct tally_size){(uint32_t)panes, 0});
    if (!tally)
        return ERR_NOMEM;
    for (int64_t i = 0; i < panes; i++)
        tally->counters[i] = volume_at(series->volume, pane_number(engine, start_ms) + i);
    strbuf_reset(&engine->scratch);
    tally_encode(tally, &engine->scratch);
    tally_free(tally);
    if (strbuf_failed(&engine->scratch))
        return ERR_NOMEM;
    struct stored_pane pane = {.tier = tier,
                               .start_ms = start_ms,
                               .series = series->number,
                               .family = PANE_VOLUME,
                               .part = PANE_ON_TIME,
                               .bytes = engine->scratch.bytes,
                               .len = engine->scratch.len};
    store_put_pane(engine->batch, &pane);
    return 0;
}

int engine_volume_close(struct engine *engine, struct series *series, uint8_t tier, int64_t start_ms,
                        const struct pane_set *set)
{
    int code = tier == TIER ? put(engine, series, start_ms, pane_set_events(set)) : 0;
    if (code == 0 && tier >= TIER && tier + 1u == engine->times.tier_count)
        code = write_history(engine, series, tier, start_ms);
    return code;
}

int engine_volume_report(struct engine *engine, const struct series *series,
                         const struct window_config *window, int64_t end_ms, uint32_t revision)
{
    if (window->tier != TIER || !series->volume || revision > 1)
        return 0; /* on-time events only: what later windows compare with must not depend on when they close
                   */
    int code = engine_prepare_rows(engine, 1);
    if (code != 0)
        return code;
    volume_report(series->volume, pane_number(engine, end_ms - 1), &engine->rows[0]);
    engine->row_names[0] = text_of("@activity");
    return engine_put_rows(engine, series, window, end_ms, revision, engine->rows, engine->row_names, 1);
}

/* ---- restore ---- */

static struct series *series_of(const struct engine *engine, const struct stored_pane *stored)
{
    return stored->part == PANE_ON_TIME && stored->series < engine->by_number_capacity
               ? engine->by_number[stored->series]
               : NULL;
}

static int restore_history(void *context, const struct stored_pane *stored)
{
    struct engine *engine = context;
    struct series *series = series_of(engine, stored);
    struct tally_size size;
    if (!series || stored->family != PANE_VOLUME)
        return 0;
    int code = tally_decode_size(stored->bytes, stored->len, &size);
    if (code != 0 || size.counters > VOLUME_PANES_MAX)
        return code ? code : ERR_CORRUPT;
    struct tally *tally = tally_new(size);
    code = tally ? tally_decode_add(stored->bytes, stored->len, tally) : ERR_NOMEM;
    for (uint32_t i = 0; code == 0 && i < size.counters; i++)
        if (tally->counters[i])
            code =
                put(engine, series, stored->start_ms + i * engine->times.tiers_ms[TIER], tally->counters[i]);
    tally_free(tally);
    return code;
}

static int restore_pane(void *context, const struct stored_pane *stored)
{
    struct engine *engine = context;
    struct series *series = series_of(engine, stored);
    struct pane_set set = {0};
    if (!series || stored->family != PANE_ACTIVITY)
        return 0;
    int code = pane_set_add_stored(&set, stored, NULL);
    if (code == 0)
        code = put(engine, series, stored->start_ms, pane_set_events(&set));
    pane_set_release(&set);
    return code;
}

int engine_volume_restore(struct engine *engine, struct err *err)
{
    struct store *store = engine->settings.store;
    int64_t until_ms = engine->closed_until_ms;
    if (until_ms == INT64_MIN || panes_per_week(engine) == 0)
        return 0;
    uint8_t coarsest = (uint8_t)(engine->times.tier_count - 1);
    int64_t day_ms = pane_start(&engine->times, coarsest, until_ms);
    const struct pane_filter volume = {1U << PANE_ON_TIME, 1U << PANE_VOLUME};
    const struct pane_filter activity = {1U << PANE_ON_TIME, 1U << PANE_ACTIVITY};
    int code = store_load_some_panes(store, coarsest, time_minus(day_ms, VOLUME_WEEKS * week_ms), day_ms,
                                     &volume, restore_history, engine, err);
    if (code == 0)
        code = store_load_some_panes(store, TIER, day_ms, pane_start(&engine->times, TIER, until_ms),
                                     &activity, restore_pane, engine, err);
    return code;
}
