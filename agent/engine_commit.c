/* One batch per commit, and everything back from the store at start (DESIGN §9). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine_estimates.h"
#include "agent/engine_evidence.h"
#include "agent/engine_labelled.h"
#include "agent/engine_outcomes.h"
#include "agent/engine_past.h"
#include "agent/engine_sequence.h"

enum { BATCH_BYTES_SOON = 4 << 20, BATCH_BYTES_MAX = 32 << 20, COMMITS_QUEUED_MAX = 2 };

/* ---- commit ---- */

static void put_open_panes(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->series_count; i++) {
        const struct series *series = engine->series[i];
        for (struct open_pane *pane = series->open; pane; pane = pane->next) {
            for (int part = 0; pane->changed && part < PANE_PART_COUNT; part++) {
                strbuf_reset(&engine->scratch);
                if (!pane_set_encode(&pane->set, part, &engine->scratch))
                    continue;
                if (strbuf_failed(&engine->scratch)) {
                    engine->failed = ERR_NOMEM;
                    return;
                }
                struct stored_pane stored = {.tier = 0,
                                             .start_ms = pane->start_ms,
                                             .series = series->number,
                                             .family = pane_part_number(part),
                                             .grid = pane->set.basis[part],
                                             .part = PANE_ON_TIME,
                                             .bytes = engine->scratch.bytes,
                                             .len = engine->scratch.len};
                store_put_pane(engine->batch, &stored);
            }
            pane->changed = false;
        }
    }
}

static void put_offsets(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        struct engine_partition *partition = &engine->partitions[i];
        if (!partition->changed)
            continue;
        const struct delta_partition *now = &partition->now;
        struct stored_offset offset = {.topic = partition->topic,
                                       .partition = partition->partition,
                                       .next_offset = now->next_offset,
                                       .dedup_offset = now->dedup_offset,
                                       .clock_ms = {now->clock_ms[0], now->clock_ms[1]},
                                       .fingerprint = partition->fingerprint,
                                       .records = now->records,
                                       .log_end = now->end_offset};
        store_put_offset(engine->batch, &offset);
        partition->changed = false;
    }
}

static void put_counts(struct engine *engine)
{
    for (uint32_t input = 0; input < engine->config->input_count; input++) {
        if (!engine->counts_changed[input])
            continue;
        const char *name = engine->config->inputs[input].name;
        for (int i = 0; i < FATE_COUNT + REJECT_COUNT; i++) {
            uint64_t total = engine->counts[input][i];
            if (total == 0)
                continue;
            bool rejected = i >= FATE_COUNT;
            store_put_count(engine->batch, name, fate_name(rejected ? FATE_REJECTED : (enum fate)i),
                            rejected ? reject_name((enum reject)(i - FATE_COUNT)) : "", total);
        }
        engine->counts_changed[input] = false;
    }
}

int64_t engine_tier_need_ms(const struct engine *engine, uint32_t tier)
{
    int64_t need_ms = 0;
    for (uint32_t i = 0; i < engine->config->window_count; i++)
        if (engine->config->windows[i].tier == tier && engine->config->windows[i].length_ms > need_ms)
            need_ms = engine->config->windows[i].length_ms;
    bool coarsest = tier + 1 == engine->times.tier_count;
    int64_t above_ms = engine->times.tiers_ms[coarsest ? tier : tier + 1];
    if (above_ms > need_ms)
        need_ms = above_ms;
    /* One more of the panes above, so that the revisions of many windows are written together. */
    return time_plus(need_ms, engine->times.horizon_ms + above_ms + engine->times.tiers_ms[tier]);
}

static int64_t tier_keep_ms(const struct engine *engine, uint32_t tier)
{
    int64_t keep_ms = engine_tier_need_ms(engine, tier);
    bool coarsest = tier + 1 == engine->times.tier_count;
    return coarsest && engine->config->retention_panes_ms > keep_ms ? engine->config->retention_panes_ms
                                                                    : keep_ms;
}

static void put_meta_integer(struct engine *engine, const char *key, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    store_put_meta(engine->batch, key, text);
}

static void put_time(struct engine *engine)
{
    if (engine->closed_until_ms == INT64_MIN)
        return;
    put_meta_integer(engine, "closed_until_ms", engine->closed_until_ms);
    put_meta_integer(engine, "last_pane_ms", engine->last_pane_ms);
    put_meta_integer(engine, "revisions_owed", engine->stale_count > 0);
    for (uint32_t tier = 0; tier < engine->times.tier_count; tier++)
        store_prune_panes(engine->batch, (uint8_t)tier,
                          time_minus(engine_outcomes_floor(engine), tier_keep_ms(engine, tier)));
    int64_t wall_ms = engine->settings.clock->wall_ms(engine->settings.clock);
    store_prune_results(engine->batch,
                        time_minus(engine->closed_until_ms, engine->config->retention_results_ms),
                        time_minus(wall_ms, engine->config->retention_results_ms));
    store_prune_alerts(engine->batch,
                       time_minus(engine->closed_until_ms, engine->config->retention_panes_ms));
}

static bool is_due(const struct engine *engine, bool now)
{
    if (!engine->dirty && store_batch_is_empty(engine->batch))
        return false;
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    return now || engine->must_send || store_batch_bytes(engine->batch) >= BATCH_BYTES_SOON ||
           now_ms - engine->committed_at_ms >= engine->config->commit_interval_ms;
}

int engine_commit(struct engine *engine, bool now)
{
    if (engine->step.running || engine->failed || !is_due(engine, now))
        return 0;
    if (engine->submitted_ticket - engine->committed_ticket >= COMMITS_QUEUED_MAX)
        return ERR_BUSY;
    struct store_batch *next = store_batch_new();
    if (!next)
        return ERR_NOMEM;
    put_open_panes(engine);
    put_offsets(engine);
    put_counts(engine);
    put_time(engine);
    engine_late_put(engine);
    engine_capture_put(engine);
    engine_kpi_put(engine);
    engine_estimates_put(engine);
    engine_outcomes_put(engine);
    engine_sequence_put(engine);
    engine_past_put(engine);
    engine_evidence_put(engine);
    if (store_batch_failed(engine->batch) || engine->failed) {
        /* State in memory is ahead of what could be written: going on would lose it. */
        engine->failed = ERR_NOMEM;
        store_batch_free(next);
        return ERR_NOMEM;
    }
    uint64_t ticket = engine->ticket + 1;
    int code = store_submit(engine->settings.store, engine->batch, ticket);
    if (code != 0) {
        /* Not taken: the same batch grows and is offered again. */
        store_batch_free(next);
        engine->dirty = true;
        return code;
    }
    engine->batch = next;
    engine->ticket = engine->submitted_ticket = ticket;
    engine->committed_at_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    engine->dirty = false;
    engine->must_send = false;
    return 1;
}

void engine_on_committed(struct engine *engine, uint64_t ticket)
{
    engine->committed_ticket = ticket;
    if (ticket == engine->submitted_ticket && !engine->dirty)
        for (uint32_t i = 0; i < engine->partition_count; i++)
            engine->partitions[i].durable_offset = engine->partitions[i].now.next_offset;
}

bool engine_is_committed(const struct engine *engine)
{
    return !engine->dirty && !engine->step.running && store_batch_is_empty(engine->batch) &&
           engine->committed_ticket == engine->submitted_ticket;
}

bool engine_is_backlogged(const struct engine *engine)
{
    return store_batch_bytes(engine->batch) >= BATCH_BYTES_MAX ||
           (engine->submitted_ticket - engine->committed_ticket >= COMMITS_QUEUED_MAX &&
            store_batch_bytes(engine->batch) >= BATCH_BYTES_SOON);
}

void engine_on_panes(struct engine *engine, uint64_t ticket, struct store_panes *panes)
{
    if (panes->error && !engine->failed)
        engine->failed = panes->error;
    if (engine->revising && ticket == engine->revise_ticket) {
        engine_revise_panes(engine, panes);
    } else if (engine->estimates.asking && ticket == engine->estimates.ticket) {
        engine_estimates_panes(engine, panes);
    } else {
        engine->request_pending = false;
        struct pane_group *group = NULL;
        for (size_t i = 0; i < panes->count && !engine->failed; i++) {
            const struct stored_pane *pane = &panes->panes[i];
            if (!group || group->start_ms != pane->start_ms)
                group = engine_group(engine, pane->tier, pane->start_ms);
            if (!group && (group = engine_group_new(engine, pane->tier, pane->start_ms)))
                group->ticket = 0;
            engine->failed = group ? engine_group_put(engine, group, pane) : ERR_NOMEM;
        }
    }
    store_panes_free(panes);
}

void engine_put_outcome(struct engine *engine, const struct delivery_outcome *outcome)
{
    store_put_outcome(engine->batch, outcome);
}

void engine_put_audit(struct engine *engine, const char *actor, const char *action, const char *subject,
                      const char *details_json)
{
    store_put_audit(engine->batch, engine->settings.clock->wall_ms(engine->settings.clock), actor, action,
                    subject, details_json);
}

/* ---- restore ---- */

static int64_t load_meta_integer(const struct engine *engine, const char *key, int64_t otherwise)
{
    char value[64];
    return store_load_meta(engine->settings.store, key, value, sizeof(value)) == 0 ? strtoll(value, NULL, 10)
                                                                                   : otherwise;
}

static int restore_series(void *context, uint32_t number, struct text model, struct text version,
                          struct text segment)
{
    struct engine *engine = context;
    char names[3][1200];
    struct text texts[3] = {model, version, segment};
    for (int i = 0; i < 3; i++)
        (void)snprintf(names[i], sizeof(names[i]), "%.*s", (int)texts[i].len, texts[i].ptr);
    return engine_series(engine, names[0], names[1], names[2], true, number) ? 0 : ERR_LIMIT;
}

static int restore_subject(void *context, uint32_t number, struct text name)
{
    struct engine *engine = context;
    return intern_add(engine->subjects, name) + 1 == number ? 0 : ERR_CORRUPT;
}

static int restore_offset(void *context, const struct stored_offset *offset)
{
    struct engine *engine = context;
    struct stored_offset *grown =
        realloc(engine->stored_offsets, (engine->stored_offset_count + 1) * sizeof(*grown));
    if (!grown)
        return ERR_NOMEM;
    engine->stored_offsets = grown;
    char *topic = strdup(offset->topic);
    if (!topic)
        return ERR_NOMEM;
    grown[engine->stored_offset_count] = *offset;
    grown[engine->stored_offset_count++].topic = topic;
    return 0;
}

static int restore_count(void *context, const char *topic, const char *fate, const char *reason,
                         uint64_t total)
{
    struct engine *engine = context;
    for (uint32_t input = 0; input < engine->config->input_count; input++) {
        if (strcmp(engine->config->inputs[input].name, topic) != 0)
            continue;
        for (int i = 0; i < FATE_COUNT + REJECT_COUNT; i++) {
            bool rejected = i >= FATE_COUNT;
            if (strcmp(fate, fate_name(rejected ? FATE_REJECTED : (enum fate)i)) == 0 &&
                strcmp(reason, rejected ? reject_name((enum reject)(i - FATE_COUNT)) : "") == 0) {
                engine->counts[input][i] = total;
                break;
            }
        }
    }
    return 0;
}

/* ---- panes and windows ---- */

/* What closed panes of one tier go into. */
struct tier_restore {
    struct engine *engine;
    uint8_t tier;
    int64_t coarse_from_ms; /* from here on the open pane of the next coarser tier holds them */
};

/* Between two rows: lets the caller of engine_restore_closed do what does not wait. */
static int pause_between(struct engine *engine)
{
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    if (!engine->meanwhile || now_ms == engine->paused_at_ms)
        return 0;
    engine->paused_at_ms = now_ms;
    return engine->meanwhile(engine->settings.context);
}

static struct series *series_of(const struct engine *engine, const struct stored_pane *stored)
{
    return stored->series < engine->by_number_capacity ? engine->by_number[stored->series] : NULL;
}

static int restore_part(const struct engine *engine, struct series *series, const struct stored_pane *stored,
                        struct pane_set *into)
{
    int code = pane_set_add_stored(into, stored, engine_layout(engine, series, stored->family, stored->grid));
    return code == ERR_NOT_FOUND ? 0 : code;
}

static int restore_open(void *context, const struct stored_pane *stored)
{
    struct engine *engine = context;
    struct series *series = series_of(engine, stored);
    if (!series)
        return 0;
    struct open_pane *pane = engine_open_pane(engine, series, stored->start_ms);
    return pane ? restore_part(engine, series, stored, &pane->set) : ERR_NOMEM;
}

static int restore_windows(const struct tier_restore *restore, struct series *series,
                           const struct stored_pane *stored)
{
    struct engine *engine = restore->engine;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < engine->config->window_count; i++) {
        if (engine->config->windows[i].tier != restore->tier || stored->start_ms < engine->window_low_ms[i])
            continue;
        code = starts_add(&engine->starts[restore->tier], stored->start_ms);
        if (code == 0)
            code = pane_part_is_union(pane_part_of_number(stored->family))
                       ? engine_union_keep(series, stored)
                       : restore_part(engine, series, stored, &series->windows[i].set);
    }
    return code;
}

static int restore_closed(void *context, const struct stored_pane *stored)
{
    const struct tier_restore *restore = context;
    struct engine *engine = restore->engine;
    struct series *series = series_of(engine, stored);
    int code = pause_between(engine);
    if (code != 0 || !series)
        return code;
    code = restore_windows(restore, series, stored);
    if (code == 0 && stored->start_ms >= restore->coarse_from_ms)
        code = restore_part(engine, series, stored, &series->coarse[restore->tier + 1]);
    return code;
}

/* Open panes are those of the finest tier; coarser ones are made of it. */
static int restore_open_panes(struct engine *engine, struct err *err)
{
    const struct pane_filter on_time = {1U << PANE_ON_TIME, ~outcome_families()};
    int64_t until_ms = engine->closed_until_ms;
    int64_t from_ms = until_ms == INT64_MIN ? INT64_MIN : pane_start(&engine->times, 0, until_ms);
    return store_load_some_panes(engine->settings.store, 0, from_ms, INT64_MAX, &on_time, restore_open,
                                 engine, err);
}

/* Each pane is read once, whatever it goes into. */
static int restore_tier(struct engine *engine, uint8_t tier, struct err *err)
{
    const struct pane_filter on_time = {1U << PANE_ON_TIME, ~outcome_families()};
    int64_t until_ms = engine->closed_until_ms, end_ms = pane_start(&engine->times, tier, until_ms);
    struct tier_restore restore = {engine, tier, INT64_MAX};
    int64_t low_ms = end_ms;
    if (tier + 1u < engine->times.tier_count)
        low_ms = restore.coarse_from_ms = pane_start(&engine->times, tier + 1u, until_ms);
    for (uint32_t i = 0; i < engine->config->window_count; i++)
        if (engine->config->windows[i].tier == tier && engine->window_low_ms[i] < low_ms)
            low_ms = engine->window_low_ms[i];
    return store_load_some_panes(engine->settings.store, tier, low_ms, end_ms, &on_time, restore_closed,
                                 &restore, err);
}

struct late_restore {
    struct engine *engine;
    bool revisions_owed;
};

static int restore_late(void *context, const struct stored_pane *stored)
{
    const struct late_restore *restore = context;
    int code = pause_between(restore->engine);
    if (code == 0 && stored->part == PANE_LATE)
        code = engine_late_restore(restore->engine, stored, restore->revisions_owed);
    return code;
}

/* Windows and what is late, as they were when closed_until was committed. */
static int restore_closed_panes(struct engine *engine, struct err *err)
{
    struct store *store = engine->settings.store;
    int64_t until_ms = engine->closed_until_ms;
    const struct pane_filter late = {1U << PANE_LATE, ~outcome_families()};
    if (until_ms == INT64_MIN)
        return 0;
    for (uint32_t i = 0; i < engine->config->window_count; i++) {
        const struct window_config *window = &engine->config->windows[i];
        engine->window_low_ms[i] = pane_start(&engine->times, window->tier, until_ms) - window->length_ms;
    }
    int code = 0;
    for (uint32_t tier = 0; code == 0 && tier < engine->times.tier_count; tier++)
        code = restore_tier(engine, (uint8_t)tier, err);
    struct late_restore restore = {engine, load_meta_integer(engine, "revisions_owed", 1) != 0};
    for (uint32_t tier = 0; code == 0 && tier < engine->times.tier_count; tier++)
        code = store_load_some_panes(store, (uint8_t)tier,
                                     time_minus(until_ms, engine_tier_need_ms(engine, tier)), INT64_MAX,
                                     &late, restore_late, &restore, err);
    return code;
}

static int restore_alert(void *context, const struct alert_row *row)
{
    struct engine *engine = context;
    return alerting_restore(engine->settings.alerting, row);
}

int engine_restore_state(struct engine *engine, struct err *err)
{
    struct store *store = engine->settings.store;
    engine->closed_until_ms = load_meta_integer(engine, "closed_until_ms", INT64_MIN);
    engine->last_pane_ms = load_meta_integer(engine, "last_pane_ms", INT64_MIN);
    int code = store_load_series(store, restore_series, engine, err);
    if (code == ERR_LIMIT)
        return err_set(err, ERR_CONFIG,
                       "the store holds more models or versions than limits.models and limits.versions "
                       "allow; raise them");
    if (code == 0)
        code = store_load_offsets(store, restore_offset, engine, err);
    if (code == 0)
        code = store_load_counts(store, restore_count, engine, err);
    if (code == 0)
        code = restore_open_panes(engine, err);
    if (code == 0)
        code = engine_capture_restore(engine, err);
    return code;
}

int engine_restore_closed(struct engine *engine, int (*meanwhile)(void *context), struct err *err)
{
    int code = engine_outcomes_restore(engine, err);
    if (code == 0 && engine->settings.dormant_changed)
        engine_each_dormant(engine, engine->settings.dormant_changed, engine->settings.context);
    engine->meanwhile = meanwhile;
    if (code == 0)
        code = restore_closed_panes(engine, err);
    if (code == 0)
        code = engine_volume_restore(engine, err);
    if (code == 0)
        code = engine_sequence_restore(engine, err);
    if (code == 0)
        code = engine_past_restore(engine, err);
    if (code == 0)
        code = engine_evidence_restore(engine, err);
    if (code == 0)
        code = engine_labelled_restore(engine, err);
    if (code == 0)
        code = engine_kpi_restore(engine, err);
    if (code == 0)
        code = store_load_alerts(engine->settings.store, restore_alert, engine, err);
    engine->meanwhile = NULL;
    return code;
}

int engine_restore_subjects(struct engine *engine, struct err *err)
{
    return store_load_subjects(engine->settings.store, restore_subject, engine, err);
}
