/*
 * What waits for labels, in the store (DESIGN §8): rows of `waiting` that are only ever appended, each with
 * what one commit brought, in the order in which it came. At start they are taken again, which counts the
 * panes that had not matured; matured panes and late parts are rows of `pane`.
 *
 * An entry: a kind byte, then varints. Names that entries refer to by number (KIND_COMBO,
 * KIND_MODEL, KIND_CLASS) are rows of their own before them, and never expire.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine_estimates.h"
#include "agent/engine_outcomes.h"
#include "agent/engine_versions.h"

/* Flags of an entry beside late, predicted, kind and "waits as long as the one before". */
enum { ENTRY_WAITS_ALIKE = 8, ENTRY_ZERO = 16, ENTRY_ONE = 32, ENTRY_TRUTH_ZERO = 64, ENTRY_TRUTH_ONE = 128 };
/* Of labels instead of a truth. */
enum { ENTRY_HAS_MET = 64 };

#define OWED_KEY  "outcome_revisions_owed"
#define SWEPT_KEY "labels_swept_ms"

/* With the kind byte: the slot of a class follows the flags; scores of classes by slot follow the rest. */
enum { ENTRY_HAS_CLASS = 16, ENTRY_HAS_SCORES = 32 };

enum { ENTRY_BYTES_MAX = 64, SCORES_BYTES_MAX = 1 + 2 * CLASS_SCORES_MAX };
enum { BLOB_BYTES_FULL = 256 << 10, SWEEP_SLOTS = 1 << 17, PENDING = 16, SERIES_MAX = 64 };

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

static char *put_varint(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

/* Is `predicted` the slot of a class? */
static bool has_class_of(const struct delta_waiting *waiting)
{
    return waiting->entry.kind == OUTCOME_MULTICLASS ||
           (waiting->kind == WAITING_LABEL && waiting->entry.predicted != OUTCOME_CLASS_NONE);
}

static char *put_eight(char *at, const void *bits)
{
    uint64_t value;
    memcpy(&value, bits, sizeof(value));
    for (int i = 0; i < 8; i++)
        *at++ = (char)(value >> (8 * i));
    return at;
}

static char *put_scores(char *at, const struct class_scores *scores)
{
    *at++ = (char)scores->count;
    for (uint32_t i = 0; i < scores->count; i++) {
        *at++ = (char)(scores->codes[i] & 0xff);
        *at++ = (char)(scores->codes[i] >> 8);
    }
    return at;
}

/* A class takes no bytes: flags say it. */
static uint8_t class_flag(double value, uint8_t zero, uint8_t one)
{
    if (!(value > 0) && !(value < 0) && !isnan(value) && !signbit(value))
        return zero;
    return !(value > 1) && !(value < 1) && !isnan(value) ? one : 0;
}

/* Times and waits as differences to the entry before: an entry takes 12 to 25 bytes, and 2 for each
 * class whose score it has. */
int engine_outcomes_remember(struct engine *engine, const struct delta_waiting *waiting,
                             const struct class_scores *scores)
{
    struct outcome_state *state = engine->outcomes;
    const struct join_entry *entry = &waiting->entry;
    struct strbuf *blob = &state->blob;
    int64_t expire_ms = time_plus(entry->ts_ms, (int64_t)entry->wait_s * 1000);
    if (expire_ms > state->blob_expire_ms)
        state->blob_expire_ms = expire_ms;
    bool waits_alike = blob->len && entry->wait_s == state->blob_wait_s;
    uint64_t step = (uint64_t)entry->ts_ms - (blob->len ? (uint64_t)state->blob_ts_ms : 0);
    uint8_t flags =
        (uint8_t)(entry->late | (entry->predicted & 1) << 1 | (entry->kind != OUTCOME_BINARY) << 2 |
                  waits_alike << 3) |
        class_flag(entry->value, ENTRY_ZERO, ENTRY_ONE) |
        (waiting->kind == WAITING_OUTCOME ? class_flag(waiting->truth, ENTRY_TRUTH_ZERO, ENTRY_TRUTH_ONE)
         : entry->state & JOIN_MET        ? ENTRY_HAS_MET
                                          : 0);
    char bytes[ENTRY_BYTES_MAX + SCORES_BYTES_MAX], *at = bytes;
    bool has_class = has_class_of(waiting);
    *at++ = (char)(waiting->kind | (has_class ? ENTRY_HAS_CLASS : 0) | (scores ? ENTRY_HAS_SCORES : 0));
    *at++ = (char)flags;
    if (has_class)
        *at++ = (char)entry->predicted;
    at = put_eight(at, &entry->id_hash);
    at = put_varint(at, step << 1 ^ (step >> 63 ? UINT64_MAX : 0));
    if (!waits_alike)
        at = put_varint(at, entry->wait_s);
    if (!(flags & (ENTRY_ZERO | ENTRY_ONE)))
        at = put_eight(at, &entry->value);
    at = put_varint(at, entry->combo);
    if (waiting->kind == WAITING_LABEL)
        at = put_varint(at, entry->owner);
    if (waiting->kind == WAITING_OUTCOME && !(flags & (ENTRY_TRUTH_ZERO | ENTRY_TRUTH_ONE)))
        at = put_eight(at, &waiting->truth);
    if (scores)
        at = put_scores(at, scores);
    strbuf_add(blob, bytes, (size_t)(at - bytes));
    state->blob_ts_ms = entry->ts_ms;
    state->blob_wait_s = entry->wait_s;
    if (blob->len >= BLOB_BYTES_FULL)
        engine_outcomes_flush_blob(engine);
    return strbuf_failed(blob) || engine->failed ? ERR_NOMEM : 0;
}

int engine_outcomes_put_name(struct engine *engine, struct strbuf *bytes)
{
    engine_outcomes_flush_blob(engine);
    if (!strbuf_failed(bytes))
        store_put_waiting(engine->batch, INT64_MAX, bytes->bytes, bytes->len);
    int code = strbuf_failed(bytes) || store_batch_failed(engine->batch) ? ERR_NOMEM : 0;
    strbuf_release(bytes);
    return code;
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
    return engine_outcomes_put_name(engine, &bytes);
}

int engine_outcomes_remember_model(struct engine *engine, uint32_t number)
{
    struct text name = intern_text(engine->outcomes->model_names, number);
    struct strbuf bytes;
    strbuf_init(&bytes, 1 << 16);
    strbuf_addc(&bytes, (char)KIND_MODEL);
    strbuf_add_varint(&bytes, name.len);
    strbuf_add(&bytes, name.ptr, name.len);
    return engine_outcomes_put_name(engine, &bytes);
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
                                         .family = outcome_family(j),
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
        int64_t owed_ms = engine_estimates_needed_from(engine, version);
        if (owed_ms < open_ms)
            open_ms = owed_ms;
        if (open_ms < floor_ms)
            floor_ms = open_ms;
    }
    return floor_ms;
}

/* What waits is needed until its pane has matured (it is counted again at start) and until no label can meet
 * it any more. */
static int64_t waiting_floor(const struct engine *engine)
{
    int64_t floor_ms = engine->closed_until_ms;
    for (uint32_t i = 0; i < engine->version_count; i++) {
        const struct version *version = engine->versions[i];
        int64_t open_ms = version->whole ? engine_outcomes_first_open(version) : INT64_MAX;
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
    if (state->owed != state->owed_stored) {
        store_put_meta(engine->batch, OWED_KEY, state->owed ? "1" : "0");
        state->owed_stored = state->owed;
    }
    int64_t now_ms = waiting_floor(engine);
    if (engine->label_watermark_ms < now_ms)
        now_ms = engine->label_watermark_ms;
    if (now_ms == INT64_MIN) {
        engine_outcomes_put_models(engine);
        return;
    }
    join_set_time(state->join, now_ms);
    bool ends = engine->endless && engine->settings.until_end; /* no commit after this one goes on */
    join_sweep(state->join, ends ? UINT64_MAX : SWEEP_SLOTS);
    if (ends) /* the one before may have been under way */
        join_sweep(state->join, UINT64_MAX);
    int64_t swept_ms = join_swept_ms(state->join);
    if (swept_ms > state->swept_stored_ms) { /* what is pruned has been counted */
        char value[32];
        engine_outcomes_count_expired(engine);
        (void)snprintf(value, sizeof(value), "%" PRId64, swept_ms);
        store_put_meta(engine->batch, SWEPT_KEY, value);
        store_prune_waiting(engine->batch, swept_ms);
        state->swept_stored_ms = swept_ms;
    }
    engine_outcomes_put_models(engine);
}

/* ---- reading ---- */

static uint64_t read_eight(struct cursor *in)
{
    const unsigned char *bytes = cursor_bytes(in, 8);
    uint64_t bits = 0;
    for (int i = 0; bytes && i < 8; i++)
        bits |= (uint64_t)bytes[i] << (8 * i);
    return bits;
}

static double read_value(struct cursor *in, unsigned flags, unsigned zero, unsigned one)
{
    if (flags & (zero | one))
        return flags & one ? 1 : 0;
    uint64_t bits = read_eight(in);
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

static int restore_model(struct engine *engine, struct cursor *in)
{
    uint64_t len = cursor_varint(in);
    const char *name = cursor_bytes(in, len);
    uint32_t number;
    if (!name || len > UINT16_MAX)
        return ERR_CORRUPT;
    struct label_model *model = engine_outcomes_model(engine, (struct text){name, (uint32_t)len}, &number);
    if (!model)
        return ERR_NOMEM;
    model->is_new = false;
    engine_outcomes_restore_model(engine, number);
    uint64_t waiting =
        model->counts[LABELS_SEEN] - model->counts[LABELS_JOINED] - model->counts[LABELS_UNLABELLED];
    return model->dormant ? 0 : join_reserve(engine->outcomes->join, waiting);
}

static void read_scores(struct cursor *in, struct class_scores *out)
{
    const unsigned char *count = cursor_bytes(in, 1);
    out->count = count ? *count : 0;
    if (out->count > CLASS_SCORES_MAX)
        in->failed = true;
    const unsigned char *codes = in->failed ? NULL : cursor_bytes(in, 2 * (size_t)out->count);
    for (uint32_t i = 0; codes && i < out->count; i++)
        out->codes[i] = (uint16_t)(codes[2 * i] | codes[2 * i + 1] << 8);
}

/* An entry as it is taken. */
struct stored_entry {
    struct delta_waiting waiting;
    bool has_scores;
    struct class_scores scores;
};

/* *out_wanted: it has not been forgotten on purpose. */
static int restore_entry(struct engine *engine, unsigned kind_byte, struct cursor *in,
                         struct join_entry *previous, struct stored_entry *out, bool *out_wanted)
{
    enum waiting_kind kind = (enum waiting_kind)(kind_byte & ~(unsigned)(ENTRY_HAS_CLASS | ENTRY_HAS_SCORES));
    bool has_class = kind_byte & ENTRY_HAS_CLASS;
    struct outcome_state *state = engine->outcomes;
    out->waiting = (struct delta_waiting){.kind = kind};
    out->has_scores = kind_byte & ENTRY_HAS_SCORES;
    struct join_entry *entry = &out->waiting.entry;
    const unsigned char *at = cursor_bytes(in, 1);
    unsigned flags = at ? *at : 0;
    const unsigned char *class = has_class ? cursor_bytes(in, 1) : NULL;
    entry->id_hash = read_eight(in);
    entry->ts_ms = (int64_t)((uint64_t)previous->ts_ms + (uint64_t)cursor_svarint(in));
    entry->wait_s = flags & ENTRY_WAITS_ALIKE ? previous->wait_s : (uint32_t)cursor_varint(in);
    entry->value = read_value(in, flags, ENTRY_ZERO, ENTRY_ONE);
    uint64_t combo = cursor_varint(in);
    uint64_t owner = kind == WAITING_LABEL ? cursor_varint(in) : 0;
    if (kind == WAITING_OUTCOME)
        out->waiting.truth = read_value(in, flags, ENTRY_TRUTH_ZERO, ENTRY_TRUTH_ONE);
    if (out->has_scores)
        read_scores(in, &out->scores);
    if (in->failed || (kind != WAITING_LABEL && combo >= intern_count(state->combo_names)))
        return ERR_CORRUPT;
    entry->late = flags & 1;
    entry->predicted = class ? *class : kind == WAITING_LABEL ? OUTCOME_CLASS_NONE : flags >> 1 & 1;
    entry->kind = class && kind != WAITING_LABEL ? OUTCOME_MULTICLASS : flags >> 2 & 1;
    entry->combo = (uint32_t)combo;
    entry->state = kind == WAITING_LABEL && flags & ENTRY_HAS_MET ? JOIN_MET : 0;
    entry->owner = kind == WAITING_LABEL ? (uint32_t)owner : state->combos[combo].series[0]->number;
    *previous = *entry;
    const struct label_model *model =
        engine_outcomes_model_of(engine, kind == WAITING_LABEL ? entry->combo : state->combos[combo].model);
    *out_wanted = !(model && model->dormant) &&
                  time_plus(entry->ts_ms, (int64_t)entry->wait_s * 1000) >= state->swept_stored_ms;
    return 0;
}

/* Entries on their way into the join, while what they need of its tables comes from afar. */
struct pending {
    struct stored_entry items[PENDING];
    uint32_t count, next; /* the place of the next is that of the oldest when all are taken */
};

static int take(struct engine *engine, const struct stored_entry *entry)
{
    return engine_outcomes_take(engine, &entry->waiting, entry->has_scores ? &entry->scores : NULL);
}

static int push_out(struct engine *engine, struct pending *pending)
{
    int code = 0;
    uint32_t first = pending->next + PENDING - pending->count;
    for (uint32_t i = 0; code == 0 && i < pending->count; i++)
        code = take(engine, &pending->items[(first + i) % PENDING]);
    pending->count = 0;
    return code;
}

/* Those that follow in one run; combinations and models come in rows of their own. */
static int restore_entries(struct engine *engine, struct cursor *in)
{
    struct join_entry previous = {0};
    struct pending pending = {.count = 0};
    int code = 0;
    while (code == 0 && in->at < in->end) {
        unsigned char kind = *in->at++;
        struct stored_entry *entry = &pending.items[pending.next % PENDING];
        bool wanted = false;
        if (pending.count == PENDING) {
            code = take(engine, entry);
            pending.count--;
        }
        if (code == 0)
            code = (kind & ~(ENTRY_HAS_CLASS | ENTRY_HAS_SCORES)) <= WAITING_OUTCOME
                       ? restore_entry(engine, kind, in, &previous, entry, &wanted)
                       : ERR_CORRUPT;
        if (code != 0 || !wanted)
            continue;
        pending.next++;
        pending.count++;
        join_prefetch(engine->outcomes->join, entry->waiting.entry.id_hash);
    }
    return code ? code : push_out(engine, &pending);
}

static int restore_blob(void *context, const void *bytes, size_t len)
{
    struct engine *engine = context;
    struct cursor in = {bytes, (const unsigned char *)bytes + len, false};
    unsigned char kind = len ? *in.at : 0;
    if (kind != KIND_COMBO && kind != KIND_MODEL && kind != KIND_CLASS)
        return restore_entries(engine, &in);
    in.at++;
    if (kind == KIND_CLASS)
        return engine_outcomes_restore_class(engine, &in);
    return kind == KIND_COMBO ? restore_combo(engine, &in) : restore_model(engine, &in);
}

static int restore_pane(void *context, const struct stored_pane *stored)
{
    struct engine *engine = context;
    struct series *series =
        stored->series < engine->by_number_capacity ? engine->by_number[stored->series] : NULL;
    if (series && stored->family == PANE_PAIRED)
        return engine_versions_restore(series->version, stored);
    int tally = outcome_tally_of(stored->family);
    if (!series || tally == OUTCOME_TALLIES || stored->len == 0 || stored->part > PANE_LATE)
        return 0;
    struct outcome_pane *pane = outcome_panes_find(&series->outcomes, stored->tier, stored->start_ms, true);
    if (!pane)
        return ERR_NOMEM;
    struct outcome_part *part = &pane->parts[stored->part];
    int code = outcome_part_add_bytes(part, tally, stored->bytes, stored->len, &engine->outcomes->scratch);
    part->stored[tally] = true;
    part->changed = false;
    /* Which windows were revised before the stop is not known: what is written again as it was stays the same
     * revision. */
    if (stored->part == PANE_LATE && !pane->stale && engine->outcomes->owed) {
        pane->stale = true;
        series->outcomes.stale_panes++;
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
        series->version->settled_until_ms =
            time_minus(series->version->matured_until_ms, engine_outcomes_final_ms(engine));
        if (series->version->matured_until_ms < *out_lowest_ms)
            *out_lowest_ms = series->version->matured_until_ms;
    }
    return 0;
}

int engine_outcomes_restore(struct engine *engine, struct err *err)
{
    struct store *store = engine->settings.store;
    struct outcome_state *state = engine->outcomes;
    char owed[8];
    int64_t lowest_ms;
    state->owed = store_load_meta(store, OWED_KEY, owed, sizeof(owed)) == 0 && owed[0] == '1';
    state->owed_stored = state->owed;
    char swept[32];
    if (store_load_meta(store, SWEPT_KEY, swept, sizeof(swept)) == 0)
        state->swept_stored_ms = strtoll(swept, NULL, 10);
    state->provisional.written = engine->series_count > 0;
    int code = restore_matured(engine, &lowest_ms);
    const struct pane_filter ours = {.parts = 1u << PANE_ON_TIME | 1u << PANE_LATE,
                                     .families = outcome_families()};
    for (uint8_t tier = 0; code == 0 && lowest_ms != INT64_MAX && tier < engine->times.tier_count; tier++)
        code = store_load_some_panes(
            store, tier,
            time_minus(lowest_ms, engine_outcomes_keep_ms(engine, tier) + engine->times.tiers_ms[tier]),
            INT64_MAX, &ours, restore_pane, engine, err);
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
