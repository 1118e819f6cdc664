/*
 * The e-detector's panes and checkpoints in the store: what it needs to go on as if it had never stopped. All
 * of it are rows of `pane` of one family, with tiers of their own.
 */
#include "agent/engine_evidence_internal.h"

enum {
    PANE_EVIDENCE = 25, /* family in the store; never change it */
    STATE_TIER = 11,    /* tiers in the store, kept for their own times: what watches are at … */
    FINEST_TIER = 12,   /* … and the panes of the three tiers of the history from here on */
    STATE_FORMAT = 1,
    MOVING_START = 1 /* beside the watches: the reference that moves */
};

static const int64_t tier_panes[E_TIERS] = {12, 24, 28}; /* what the ladder looks back on */

/* What the ladder can ask for of a tier from `now_ms` on begins here; older panes are in the next tier. */
static int64_t tier_floor(const struct evidence_settings *settings, int tier, int64_t now_ms)
{
    int64_t floor_ms = now_ms;
    for (int i = 0; i <= tier; i++) {
        floor_ms = time_minus(floor_ms, tier_panes[i] * settings->tier_ms[i]);
        if (i + 1 < E_TIERS && floor_ms != INT64_MIN)
            floor_ms = evidence_bucket(settings, i + 1, floor_ms);
    }
    return floor_ms;
}

/* ---- writing ---- */

static int put_blob(struct engine *engine, const struct series *series, uint8_t tier, int64_t start_ms)
{
    if (strbuf_failed(&engine->scratch))
        return ERR_NOMEM;
    struct stored_pane stored = {.tier = tier,
                                 .start_ms = start_ms,
                                 .series = series->number,
                                 .family = PANE_EVIDENCE,
                                 .grid = series->version->evidences->known->number,
                                 .part = PANE_ON_TIME,
                                 .bytes = engine->scratch.bytes,
                                 .len = engine->scratch.len};
    store_put_pane(engine->batch, &stored);
    return 0;
}

int engine_evidence_put_sum(struct engine *engine, const struct series *series, int tier)
{
    const struct open_sum *open = &series->version->evidences->open[tier];
    strbuf_reset(&engine->scratch);
    tally_encode(open->sum, &engine->scratch);
    return put_blob(engine, series, (uint8_t)(FINEST_TIER + tier), open->start_ms);
}

int engine_evidence_put_moving(struct engine *engine, const struct series *series)
{
    const struct evidences *all = series->version->evidences;
    strbuf_reset(&engine->scratch);
    strbuf_add_svarint(&engine->scratch, all->epoch_ms);
    tally_encode(all->moving, &engine->scratch);
    return put_blob(engine, series, STATE_TIER, MOVING_START);
}

static int put_state(struct engine *engine, const struct series *series)
{
    struct evidences *all = series->version->evidences;
    strbuf_reset(&engine->scratch);
    strbuf_add_varint(&engine->scratch, STATE_FORMAT);
    strbuf_add_varint(&engine->scratch, all->subject_count);
    strbuf_add_varint(&engine->scratch, all->watch_count);
    strbuf_add_svarint(&engine->scratch, all->begin_ms);
    strbuf_add_svarint(&engine->scratch, all->tried_ms);
    for (uint32_t i = 0; i < all->subject_count; i++)
        for (uint32_t w = 0; w < all->watch_count; w++)
            evidence_watch_encode(&all->subjects[i].watches[w], &engine->scratch);
    all->changed = false;
    return put_blob(engine, series, STATE_TIER, 0);
}

void engine_evidence_put(struct engine *engine)
{
    const struct evidence_settings *settings = NULL;
    for (uint32_t i = 0; i < engine->series_count && !engine->failed; i++) {
        const struct series *series = engine->series[i];
        const struct evidences *all = series->version->evidences;
        if (series->segment[0] || !all)
            continue;
        settings = &all->settings;
        if (all->changed)
            engine->failed = put_state(engine, series);
    }
    for (int tier = 0; settings && engine->closed_until_ms != INT64_MIN && tier < E_TIERS; tier++)
        store_prune_panes(engine->batch, (uint8_t)(FINEST_TIER + tier),
                          tier_floor(settings, tier, engine->closed_until_ms));
}

/* ---- reading ---- */

static struct series *whole_series(const struct engine *engine, const struct stored_pane *stored)
{
    struct series *series =
        stored->series < engine->by_number_capacity ? engine->by_number[stored->series] : NULL;
    bool ours = series && !series->segment[0] && stored->family == PANE_EVIDENCE &&
                evidence_is_wanted(series->version) && series->version->reference &&
                series->version->reference->number == stored->grid;
    return ours ? series : NULL;
}

static int restore_moving(const struct version *version, struct cursor *in)
{
    struct evidences *all = version->evidences;
    if (!all || !all->moving)
        return 0; /* no past is configured any more */
    all->epoch_ms = cursor_svarint(in);
    int code = in->failed ? ERR_CORRUPT : tally_decode_add(in->at, (size_t)(in->end - in->at), all->moving);
    return code ? code : engine_evidence_move(all, version->config->past.seasonal_weeks > 0);
}

static int restore_state(void *context, const struct stored_pane *stored)
{
    struct engine *engine = context;
    struct series *series = whole_series(engine, stored);
    struct cursor in = {stored->bytes, (const unsigned char *)stored->bytes + stored->len, false};
    if (!series)
        return 0;
    if (stored->start_ms == MOVING_START)
        return restore_moving(series->version, &in);
    int code = engine_evidence_begin(engine, series->version);
    if (code != 0)
        return code;
    struct evidences *all = series->version->evidences;
    if (cursor_varint(&in) != STATE_FORMAT || cursor_varint(&in) != all->subject_count)
        return ERR_CORRUPT;
    uint64_t watches = cursor_varint(&in);
    all->begin_ms = cursor_svarint(&in);
    all->tried_ms = cursor_svarint(&in);
    if (in.failed || watches == 0 || watches > WATCHES_MAX)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < all->subject_count; i++)
        for (uint32_t w = 0; w < watches; w++) {
            struct evidence_watch watch;
            if (!evidence_watch_decode(&in, &watch))
                return ERR_CORRUPT;
            all->subjects[i].watches[w] =
                watch; /* of a past that is not configured any more: not looked at */
        }
    for (uint32_t i = 0; watches < all->watch_count && i < all->subject_count; i++)
        all->subjects[i].watches[1] = evidence_watch_new();
    return 0;
}

struct restore {
    struct engine *engine;
    int tier;
};

static int restore_pane(void *context, const struct stored_pane *stored)
{
    const struct restore *restore = context;
    struct series *series = whole_series(restore->engine, stored);
    struct evidences *all = series ? series->version->evidences : NULL;
    int64_t until_ms = restore->engine->closed_until_ms;
    if (!all || stored->start_ms >= until_ms)
        return 0;
    struct tally *pane = all->open[0].sum;
    tally_reset(pane);
    int code = tally_decode_add(stored->bytes, stored->len, pane);
    if (code != 0)
        return code;
    int above = restore->tier + 1;
    if (restore->tier + 1 == E_TIERS || stored->start_ms < evidence_bucket(&all->settings, above, until_ms)) {
        above = 0;
    } else {
        all->open[above].start_ms = evidence_bucket(&all->settings, above, until_ms);
        tally_add(all->open[above].sum, pane);
    }
    /* Each stretch once: by the coarsest panes that the ladder allows. */
    bool finer =
        restore->tier > 0 && stored->start_ms >= tier_floor(&all->settings, restore->tier - 1, until_ms);
    if (!finer && stored->start_ms >= tier_floor(&all->settings, restore->tier, until_ms))
        return engine_evidence_feed(all, pane, stored->start_ms);
    return 0;
}

int engine_evidence_restore(struct engine *engine, struct err *err)
{
    struct store *store = engine->settings.store;
    int code = 0;
    if (engine->closed_until_ms == INT64_MIN)
        return 0;
    code = store_load_panes(store, STATE_TIER, INT64_MIN, INT64_MAX, restore_state, engine, err);
    for (int tier = E_TIERS - 1; code == 0 && tier >= 0; tier--) {
        struct restore restore = {engine, tier};
        code = store_load_panes(store, (uint8_t)(FINEST_TIER + tier), INT64_MIN, INT64_MAX, restore_pane,
                                &restore, err);
    }
    for (uint32_t i = 0; i < engine->version_count; i++) {
        struct evidences *all = engine->versions[i]->evidences;
        for (uint32_t k = 0; all && k < all->subject_count; k++)
            if (all->subjects[k].evidence)
                evidence_resume(all->subjects[k].evidence, all->begin_ms);
    }
    return code == ERR_CORRUPT ? err_set(err, code, "the evidence in the store does not decode") : code;
}
