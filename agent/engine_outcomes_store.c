/*
 * What waits for labels, in the store (DESIGN §8): rows of `waiting` that are only ever appended, each with
 * what one commit brought, in the order in which it came. At start they are taken again, which counts the
 * panes that had not matured; matured panes and late parts are rows of `pane`.
 *
 * An entry: a kind byte, then varints. WAITING_KIND_COMBO: series numbers and group names, never expires.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine_outcomes.h"

enum { BLOB_BYTES_FULL = 256 << 10, SERIES_MAX = 64 };

/* ---- writing ---- */

void engine_outcomes_flush_blob(struct engine *engine)
{
    struct outcome_state *state = engine->outcomes;
    if (strbuf_failed(&state->blob))
        engine->failed = ERR_NOMEM;
    else if (state->blob.len)
        store_put_waiting(engine->batch, state->blob_expire_ms, state->blob.bytes, state->blob.len);
    strbuf_reset(&state->blob);
    state->blob_expire_ms = INT64_MIN;
}

static void add_double(struct strbuf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(bits >> (8 * i));
    strbuf_add(out, bytes, sizeof(bytes));
}

/* Is `predicted` the slot of a class? */
static bool has_class_of(const struct delta_waiting *waiting)
{
    return waiting->entry.kind == OUTCOME_MULTICLASS ||
           (waiting->kind == WAITING_LABEL && waiting->entry.predicted != OUTCOME_CLASS_NONE);
}

int engine_outcomes_remember(struct engine *engine, const struct delta_waiting *waiting)
{
    struct outcome_state *state = engine->outcomes;
    const struct join_entry *entry = &waiting->entry;
    struct strbuf *blob = &state->blob;
    int64_t expire_ms = time_plus(entry->ts_ms, (int64_t)entry->wait_s * 1000);
    if (expire_ms > state->blob_expire_ms)
        state->blob_expire_ms = expire_ms;
    strbuf_addc(blob, (char)waiting->kind);
    bool has_class = has_class_of(waiting);
    strbuf_addc(blob, (char)(entry->late | (entry->predicted & 1) << 1 | entry->kind << 2 | has_class << 4));
    if (has_class)
        strbuf_addc(blob, (char)entry->predicted);
    double id;
    memcpy(&id, &entry->id_hash, sizeof(id)); /* eight bytes like any other */
    add_double(blob, id);
    strbuf_add_svarint(blob, entry->ts_ms);
    strbuf_add_varint(blob, entry->wait_s);
    add_double(blob, entry->value);
    if (waiting->kind != WAITING_LABEL)
        strbuf_add_varint(blob, entry->combo);
    if (waiting->kind == WAITING_OUTCOME)
        add_double(blob, waiting->truth);
    if (blob->len >= BLOB_BYTES_FULL)
        engine_outcomes_flush_blob(engine);
    return strbuf_failed(blob) || engine->failed ? ERR_NOMEM : 0;
}

int engine_outcomes_remember_combo(struct engine *engine, const struct outcome_combo *combo)
{
    const struct version *version = combo->series[0]->version;
    struct strbuf bytes;
    strbuf_init(&bytes, 1 << 20);
    strbuf_addc(&bytes, (char)KIND_COMBO);
    strbuf_add_varint(&bytes, combo->series_count);
    for (uint32_t i = 0; i < combo->series_count; i++)
        strbuf_add_varint(&bytes, combo->series[i]->number);
    strbuf_add_varint(&bytes, combo->slot_count);
    for (uint32_t i = 0; i < combo->slot_count; i++) {
        struct text name = intern_text(version->groups, combo->slots[i]);
        strbuf_add_varint(&bytes, name.len + 1u);
        strbuf_add(&bytes, name.ptr, name.len + 1u); /* with its NUL */
    }
    /* Before the entries that refer to it. */
    engine_outcomes_flush_blob(engine);
    if (!strbuf_failed(&bytes))
        store_put_waiting(engine->batch, INT64_MAX, bytes.bytes, bytes.len);
    int code = strbuf_failed(&bytes) || store_batch_failed(engine->batch) ? ERR_NOMEM : 0;
    strbuf_release(&bytes);
    return code;
}

static void put_late(struct engine *engine, struct series *series)
{
    struct outcome_state *state = engine->outcomes;
    for (uint32_t i = 0; i < series->outcomes.count && !engine->failed; i++) {
        struct outcome_pane *pane = series->outcomes.items[i];
        struct outcome_part *part = &pane->parts[PANE_LATE];
        if (!part->changed)
            continue;
        engine->failed = outcome_part_fold(part, &state->scratch, series->version->config->options.unit,
                                           series->segment[0] == '\0');
        for (int j = 0; j < OUTCOME_TALLIES && !engine->failed; j++) {
            if (!part->bytes[j] && !part->stored[j])
                continue;
            part->stored[j] = part->bytes[j] != NULL;
            struct stored_pane stored = {.tier = pane->tier,
                                         .start_ms = pane->start_ms,
                                         .series = series->number,
                                         .family = (uint8_t)(PANE_OUTCOMES + j),
                                         .part = PANE_LATE,
                                         .bytes = part->bytes[j] ? part->bytes[j] : "",
                                         .len = part->len[j]};
            store_put_pane(engine->batch, &stored); /* also when it became nothing */
        }
        part->changed = false;
    }
}

int64_t engine_outcomes_floor(const struct engine *engine)
{
    int64_t floor_ms = engine->closed_until_ms;
    for (uint32_t i = 0; i < engine->version_count; i++) {
        const struct version *version = engine->versions[i];
        int64_t open_ms = version->whole ? engine_outcomes_needed_from(engine, version) : INT64_MAX;
        if (open_ms < floor_ms)
            floor_ms = open_ms;
    }
    return floor_ms;
}

static void matured_key(char out[48], const struct version *version)
{
    (void)snprintf(out, 48, "matured_until_ms:%" PRIu32, version->whole->number);
}

void engine_outcomes_put(struct engine *engine)
{
    struct outcome_state *state = engine->outcomes;
    engine_outcomes_flush_blob(engine);
    for (uint32_t i = 0; state->changed_late && i < engine->series_count; i++)
        put_late(engine, engine->series[i]);
    state->changed_late = 0;
    for (uint32_t i = 0; i < engine->version_count; i++) {
        struct version *version = engine->versions[i];
        if (!version->matured_changed)
            continue;
        char key[48], value[32];
        matured_key(key, version);
        (void)snprintf(value, sizeof(value), "%" PRId64, version->matured_until_ms);
        store_put_meta(engine->batch, key, value);
        version->matured_changed = false;
    }
    int64_t now_ms = engine_outcomes_floor(engine);
    if (engine->label_watermark_ms < now_ms)
        now_ms = engine->label_watermark_ms;
    if (now_ms == INT64_MIN)
        return;
    join_set_time(state->join, now_ms);
    store_prune_waiting(engine->batch, now_ms);
}

/* ---- reading ---- */

static double read_double(struct cursor *in)
{
    const unsigned char *bytes = cursor_bytes(in, 8);
    uint64_t bits = 0;
    for (int i = 0; bytes && i < 8; i++)
        bits |= (uint64_t)bytes[i] << (8 * i);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static int restore_combo(struct engine *engine, struct cursor *in)
{
    struct series *series[SERIES_MAX];
    const char *groups[OUTCOME_GROUPS_MAX];
    uint64_t series_count = cursor_varint(in);
    if (series_count == 0 || series_count > SERIES_MAX)
        return ERR_CORRUPT;
    for (uint64_t i = 0; i < series_count; i++) {
        uint64_t number = cursor_varint(in);
        series[i] = number < engine->by_number_capacity ? engine->by_number[number] : NULL;
        if (!series[i])
            return ERR_CORRUPT;
    }
    uint64_t group_count = cursor_varint(in);
    if (group_count > OUTCOME_GROUPS_MAX)
        return ERR_CORRUPT;
    for (uint64_t i = 0; i < group_count; i++) {
        uint64_t len = cursor_varint(in);
        groups[i] = cursor_bytes(in, len);
        if (!groups[i] || len == 0 || groups[i][len - 1] != '\0')
            return ERR_CORRUPT;
    }
    uint32_t combo;
    return in->failed ? ERR_CORRUPT
                      : engine_outcomes_learn_combo(engine, series, (uint32_t)series_count, groups,
                                                    (uint32_t)group_count, &combo);
}

static int restore_entry(struct engine *engine, enum waiting_kind kind, struct cursor *in)
{
    struct outcome_state *state = engine->outcomes;
    struct delta_waiting waiting = {.kind = kind};
    struct join_entry *entry = &waiting.entry;
    const unsigned char *flags = cursor_bytes(in, 1);
    const unsigned char *class = flags && *flags >> 4 & 1 ? cursor_bytes(in, 1) : NULL;
    double id = read_double(in);
    memcpy(&entry->id_hash, &id, sizeof(id));
    entry->ts_ms = cursor_svarint(in);
    entry->wait_s = (uint32_t)cursor_varint(in);
    entry->value = read_double(in);
    uint64_t combo = kind != WAITING_LABEL ? cursor_varint(in) : 0;
    if (kind == WAITING_OUTCOME)
        waiting.truth = read_double(in);
    if (in->failed || !flags || (kind != WAITING_LABEL && combo >= intern_count(state->combo_names)))
        return ERR_CORRUPT;
    entry->late = *flags & 1;
    entry->predicted = class ? *class : kind == WAITING_LABEL ? OUTCOME_CLASS_NONE : *flags >> 1 & 1;
    entry->kind = *flags >> 2 & 3;
    if (kind != WAITING_LABEL) {
        entry->combo = (uint32_t)combo;
        entry->owner = state->combos[combo].series[0]->number;
    }
    return engine_outcomes_take(engine, &waiting);
}

static int restore_blob(void *context, const void *bytes, size_t len)
{
    struct engine *engine = context;
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    int code = 0;
    while (code == 0 && in.at < in.end) {
        unsigned char kind = *in.at++;
        if (kind == KIND_COMBO)
            code = restore_combo(engine, &in);
        else if (kind == KIND_CLASS)
            code = engine_outcomes_restore_class(engine, &in);
        else
            code =
                kind <= WAITING_OUTCOME ? restore_entry(engine, (enum waiting_kind)kind, &in) : ERR_CORRUPT;
    }
    return code;
}

static int restore_pane(void *context, const struct stored_pane *stored)
{
    struct engine *engine = context;
    struct series *series =
        stored->series < engine->by_number_capacity ? engine->by_number[stored->series] : NULL;
    bool ours = stored->family >= PANE_OUTCOMES && stored->family < PANE_OUTCOMES_END;
    if (!series || !ours || stored->len == 0 || stored->part > PANE_LATE)
        return 0;
    struct outcome_pane *pane = outcome_panes_find(&series->outcomes, stored->tier, stored->start_ms, true);
    if (!pane)
        return ERR_NOMEM;
    struct outcome_part *part = &pane->parts[stored->part];
    int code = outcome_part_add_bytes(part, stored->family - PANE_OUTCOMES, stored->bytes, stored->len,
                                      &engine->outcomes->scratch);
    part->stored[stored->family - PANE_OUTCOMES] = true;
    part->changed = false;
    /* Whether its windows were revised before the stop is not known: again changes only the number. */
    if (stored->part == PANE_LATE && !pane->stale) {
        pane->stale = true;
        engine->outcomes->stale_panes++;
    }
    return code;
}

/* Coarser panes that are open hold the finer ones that have matured. */
static int restore_coarse(struct engine *engine, struct series *series)
{
    int64_t until_ms = series->version->matured_until_ms;
    int code = 0;
    if (until_ms == INT64_MIN)
        return 0;
    for (uint8_t tier = 1; code == 0 && tier < engine->times.tier_count; tier++) {
        int64_t start_ms = pane_start(&engine->times, tier, until_ms);
        int64_t end_ms = pane_start(&engine->times, tier - 1u, until_ms);
        for (int64_t at_ms = start_ms; code == 0 && at_ms < end_ms;
             at_ms += engine->times.tiers_ms[tier - 1]) {
            const struct outcome_pane *finer =
                outcome_panes_find(&series->outcomes, (uint8_t)(tier - 1), at_ms, false);
            if (!finer || outcome_part_is_empty(&finer->parts[PANE_ON_TIME]))
                continue;
            struct outcome_pane *pane = outcome_panes_find(&series->outcomes, tier, start_ms, true);
            if (!pane)
                return ERR_NOMEM;
            const struct outcome_part *part = &finer->parts[PANE_ON_TIME];
            for (int i = 0; code == 0 && i < OUTCOME_TALLIES; i++)
                if (part->bytes[i])
                    code = outcome_part_add_bytes(&pane->parts[PANE_ON_TIME], i, part->bytes[i], part->len[i],
                                                  &engine->outcomes->scratch);
        }
    }
    return code;
}

static int restore_matured(struct engine *engine, int64_t *out_lowest_ms)
{
    *out_lowest_ms = INT64_MAX;
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        char key[48], value[32];
        if (series->segment[0])
            continue;
        series->version->whole = series;
        matured_key(key, series->version);
        if (store_load_meta(engine->settings.store, key, value, sizeof(value)) != 0)
            continue;
        series->version->matured_until_ms = strtoll(value, NULL, 10);
        if (series->version->matured_until_ms < *out_lowest_ms)
            *out_lowest_ms = series->version->matured_until_ms;
    }
    return 0;
}

int engine_outcomes_restore(struct engine *engine, struct err *err)
{
    struct store *store = engine->settings.store;
    int64_t lowest_ms;
    int code = restore_matured(engine, &lowest_ms);
    for (uint8_t tier = 0; code == 0 && lowest_ms != INT64_MAX && tier < engine->times.tier_count; tier++)
        code = store_load_panes(
            store, tier,
            time_minus(lowest_ms, engine_outcomes_keep_ms(engine, tier) + engine->times.tiers_ms[tier]),
            INT64_MAX, restore_pane, engine, err);
    for (uint32_t i = 0; code == 0 && i < engine->series_count; i++)
        code = restore_coarse(engine, engine->series[i]);
    engine->outcomes->restoring = true;
    if (code == 0)
        code = store_load_waiting(store, restore_blob, engine, err);
    engine->outcomes->restoring = false;
    if (code == ERR_CORRUPT)
        return err_set(err, ERR_CORRUPT, "the predictions that wait for labels in the store do not decode");
    return code;
}
