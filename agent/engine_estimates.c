#include "agent/engine_estimates.h"

#include "agent/engine_labelled.h"
#include "detectors/estimates.h"

enum { WINDOWS_AT_ONCE = 16, SCORES = PANE_COUNTS + COUNT_SCORES };

static bool is_owed(const struct version *version, uint32_t window)
{
    return version->labelled_frozen &&
           version->estimates.next_ms[window] <= version->estimates.until_ms[window];
}

bool engine_estimates_owed(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->version_count; i++)
        for (uint32_t window = 0; window < engine->config->window_count; window++)
            if (is_owed(engine->versions[i], window))
                return true;
    return false;
}

int64_t engine_estimates_needed_from(const struct engine *engine, const struct version *version)
{
    int64_t from_ms = INT64_MAX;
    for (uint32_t window = 0; window < engine->config->window_count; window++)
        if (is_owed(version, window) && version->estimates.next_ms[window] < from_ms)
            from_ms = version->estimates.next_ms[window];
    return from_ms;
}

const struct labelled *engine_estimates_reference(const struct series *series, uint32_t window,
                                                  int64_t end_ms, uint32_t revision)
{
    struct version *version = series->version;
    if (version->reference && version->reference->reference->labelled)
        return version->reference->reference->labelled;
    if (!version->labelled_frozen || end_ms < version->estimates.from_ms)
        return NULL;
    if (!is_owed(version, window))
        return version->labelled;
    if (revision > 1)
        return end_ms < version->estimates.next_ms[window] ? version->labelled : NULL;
    if (end_ms > version->estimates.until_ms[window]) {
        version->estimates.until_ms[window] = end_ms;
        version->estimates.changed = true;
    }
    return NULL;
}

void engine_estimates_begin(struct engine *engine, struct version *version)
{
    struct owed_estimates *owed = &version->estimates;
    owed->from_ms = time_plus(version->labelled_until_ms, version->config->label_delay_ms);
    for (uint32_t i = 0; i < engine->config->window_count; i++) {
        uint8_t tier = engine->config->windows[i].tier;
        int64_t start_ms = pane_start(&engine->times, tier, owed->from_ms);
        owed->next_ms[i] = start_ms < owed->from_ms ? start_ms + engine->times.tiers_ms[tier] : start_ms;
        owed->until_ms[i] = pane_start(&engine->times, tier, engine->closed_until_ms);
    }
    owed->changed = true;
}

/* ---- making up ---- */

/* Windows that end later may be beyond the end of a finite run: also after a restart, it is known only when
 * all inputs have said that they ended. */
static int64_t end_of_known(const struct engine *engine, uint32_t window)
{
    return engine->settings.until_end && !engine->endless
               ? engine_final_end(engine, engine->config->windows[window].tier)
               : INT64_MAX;
}

/* The last end of the next request. */
static int64_t last_end(const struct engine *engine, const struct version *version, uint32_t window)
{
    int64_t last_ms =
        version->estimates.next_ms[window] + (WINDOWS_AT_ONCE - 1) * engine->config->windows[window].slide_ms;
    int64_t until_ms = version->estimates.until_ms[window], known_ms = end_of_known(engine, window);
    if (known_ms < until_ms)
        until_ms = known_ms;
    return last_ms < until_ms ? last_ms : until_ms;
}

static void ask(struct engine *engine, struct version *version, uint32_t window)
{
    const struct window_config *config = &engine->config->windows[window];
    int64_t last_ms = last_end(engine, version, window);
    /* Panes must be in the store before they are read from it. */
    if (last_ms > engine->estimates.written_until_ms) {
        if (engine_commit(engine, true) < 0)
            return; /* the next completion of a commit comes by here again */
        engine->estimates.written_until_ms = engine->closed_until_ms;
    }
    if (store_request_panes(engine->settings.store, ++engine->request_ticket, config->tier,
                            version->estimates.next_ms[window] - config->length_ms, last_ms) != 0)
        return;
    engine->estimates.asking = version;
    engine->estimates.window = window;
    engine->estimates.last_ms = last_ms;
    engine->estimates.ticket = engine->request_ticket;
}

void engine_estimates_advance(struct engine *engine)
{
    if (engine->estimates.asking || engine->step.running || engine->failed)
        return;
    for (uint32_t i = 0; i < engine->version_count; i++)
        for (uint32_t window = 0; window < engine->config->window_count; window++)
            if (is_owed(engine->versions[i], window) &&
                engine->versions[i]->estimates.next_ms[window] <= end_of_known(engine, window)) {
                ask(engine, engine->versions[i], window);
                return;
            }
}

/* The on-time scores of a series that start in [from, to): into the window, or out of it. */
static int move_panes(const struct store_panes *panes, const struct series *series, int64_t from_ms,
                      int64_t to_ms, bool add, struct tally *scores)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < panes->count; i++) {
        const struct stored_pane *pane = &panes->panes[i];
        if (pane->series != series->number || pane->family != SCORES || pane->part != PANE_ON_TIME ||
            pane->start_ms < from_ms || pane->start_ms >= to_ms)
            continue;
        code = add ? tally_decode_add(pane->bytes, pane->len, scores)
                   : tally_decode_subtract(pane->bytes, pane->len, scores);
    }
    return code;
}

static int make_up(struct engine *engine, const struct series *series, const struct store_panes *panes,
                   struct tally *scores)
{
    struct version *version = series->version;
    uint32_t window = engine->estimates.window;
    const struct window_config *config = &engine->config->windows[window];
    int64_t first_ms = version->estimates.next_ms[window];
    tally_reset(scores);
    int code = move_panes(panes, series, first_ms - config->length_ms, first_ms, true, scores);
    for (int64_t end_ms = first_ms; code == 0 && end_ms <= engine->estimates.last_ms;
         end_ms += config->slide_ms) {
        struct report_row row;
        struct text name = text_of("@model");
        bool beyond = engine->endless && end_ms > engine_final_end(engine, config->tier);
        if (!beyond && estimates_report(scores, version->labelled, &version->config->options, &row)) {
            row.flags |= REPORT_NO_REFERENCE;
            code = engine_put_rows(engine, series, config, end_ms, 1, &row, &name, 1);
        }
        int64_t next_ms = end_ms + config->slide_ms;
        if (code == 0)
            code = move_panes(panes, series, end_ms, next_ms, true, scores);
        if (code == 0)
            code = move_panes(panes, series, end_ms - config->length_ms, next_ms - config->length_ms, false,
                              scores);
    }
    return code;
}

void engine_estimates_panes(struct engine *engine, const struct store_panes *panes)
{
    struct version *version = engine->estimates.asking;
    uint32_t window = engine->estimates.window;
    struct tally *scores = tally_new(family_table[COUNT_SCORES]->size(&engine->tools, NULL));
    engine->estimates.asking = NULL;
    int code = scores ? panes->error : ERR_NOMEM;
    for (uint32_t i = 0; code == 0 && i < engine->series_count; i++)
        if (engine->series[i]->version == version)
            code = make_up(engine, engine->series[i], panes, scores);
    tally_free(scores);
    if (code == 0)
        code = engine_flush_alerts(engine);
    version->estimates.next_ms[window] = engine->estimates.last_ms + engine->config->windows[window].slide_ms;
    version->estimates.changed = engine->dirty = true;
    if (code != 0 && !engine->failed)
        engine->failed = code;
}

/* ---- store ---- */

void engine_estimates_put(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->version_count; i++) {
        struct version *version = engine->versions[i];
        if (!version->estimates.changed)
            continue;
        version->estimates.changed = false;
        strbuf_reset(&engine->scratch);
        strbuf_add_svarint(&engine->scratch, version->estimates.from_ms);
        strbuf_add_varint(&engine->scratch, engine->config->window_count);
        for (uint32_t window = 0; window < engine->config->window_count; window++) {
            strbuf_add_svarint(&engine->scratch, engine->config->windows[window].length_ms);
            strbuf_add_svarint(&engine->scratch, version->estimates.next_ms[window]);
            strbuf_add_svarint(&engine->scratch, version->estimates.until_ms[window]);
        }
        if (strbuf_failed(&engine->scratch))
            engine->failed = ERR_NOMEM;
        else
            store_put_capture(engine->batch, version->whole->number, CAPTURE_ESTIMATES, engine->scratch.bytes,
                              engine->scratch.len);
    }
}

int engine_estimates_restore(const struct engine *engine, struct version *version, const void *bytes,
                             size_t len)
{
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    struct owed_estimates *owed = &version->estimates;
    owed->from_ms = cursor_svarint(&in);
    uint64_t count = cursor_varint(&in);
    for (uint32_t i = 0; i < engine->config->window_count; i++) {
        owed->next_ms[i] = INT64_MAX; /* a window that the configuration did not have owes nothing */
        owed->until_ms[i] = INT64_MIN;
    }
    for (uint64_t at = 0; at < count && !in.failed; at++) {
        int64_t length_ms = cursor_svarint(&in), next_ms = cursor_svarint(&in);
        int64_t until_ms = cursor_svarint(&in);
        for (uint32_t i = 0; i < engine->config->window_count; i++)
            if (engine->config->windows[i].length_ms == length_ms) {
                owed->next_ms[i] = next_ms;
                owed->until_ms[i] = until_ms;
            }
    }
    return in.failed ? ERR_CORRUPT : 0;
}
