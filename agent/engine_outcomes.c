/* What waits for labels: combinations, the join, and the panes that its pairs are added to. */
#include "agent/engine_outcomes.h"
#include "agent/engine_sequence.h"

#include "agent/combos.h"
#include "agent/outcome_groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PREFETCH_AHEAD = 8, COMBOS_MAX = 1 << 20, BLOB_BYTES_MAX = 64 << 20, COMBO_BYTES_MAX = 2048 };

static int on_seen(void *context, const struct join_entry *prediction, int sign);
static int on_joined(void *context, const struct join_entry *prediction, const struct join_entry *label,
                     int sign, bool revises);
static bool in_time(void *context, const struct join_entry *prediction, const struct join_entry *label);

static int on_met(void *context, const struct join_entry *label);
static void on_expired(void *context, const struct join_entry *entry, bool is_label);

int engine_outcomes_new(struct engine *engine)
{
    struct outcome_state *state = calloc(1, sizeof(*state));
    if (!state)
        return ERR_NOMEM;
    engine->outcomes = state;
    strbuf_init(&state->blob, BLOB_BYTES_MAX);
    state->blob_expire_ms = state->swept_stored_ms = INT64_MIN;
    state->combo_names = intern_new(COMBOS_MAX);
    state->revised_at_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    state->provisional = (struct provisional){.before_ms = INT64_MIN, .swept_at_ms = state->revised_at_ms};
    struct join_settings join = {.entries_max = engine->config->limits.waiting,
                                 .horizon_ms = engine->config->horizon_ms,
                                 .late_ms = engine->config->horizon_ms + engine->times.tiers_ms[0],
                                 .pane_ms = engine->times.tiers_ms[0],
                                 .seen = on_seen,
                                 .joined = on_joined,
                                 .in_time = in_time,
                                 .compare_scores = engine_outcomes_compare_scores,
                                 .met = on_met,
                                 .expired = on_expired,
                                 .context = engine};
    state->classes = outcome_classes_new();
    int code = state->classes ? outcome_scratch_init(&state->scratch) : ERR_NOMEM;
    if (code == 0)
        code = join_new(&state->join, &join);
    return state->combo_names ? code : ERR_NOMEM;
}

void engine_outcomes_free(struct engine *engine)
{
    struct outcome_state *state = engine->outcomes;
    if (!state)
        return;
    for (uint32_t i = 0; state->combo_names && i < intern_count(state->combo_names); i++) {
        free(state->combos[i].series);
        free(state->combos[i].slots);
    }
    free(state->combos);
    free(state->combo_groups);
    intern_free(state->model_names);
    free(state->models);
    for (uint32_t i = 0; i < state->worker_count; i++) {
        free(state->workers[i].combos);
        free(state->workers[i].classes);
    }
    free(state->workers);
    intern_free(state->combo_names);
    join_free(state->join);
    outcome_scratch_release(&state->scratch);
    outcome_classes_free(state->classes);
    strbuf_release(&state->blob);
    free(state);
}

/* ---- combinations ---- */

static int make_room_for_combo(struct outcome_state *state)
{
    uint32_t count = intern_count(state->combo_names);
    if (count < state->combo_capacity)
        return 0;
    uint32_t capacity = state->combo_capacity ? state->combo_capacity * 2 : 64;
    struct outcome_combo *combos = realloc(state->combos, capacity * sizeof(*combos));
    if (combos)
        state->combos = combos;
    struct combo_groups *groups = realloc(state->combo_groups, capacity * sizeof(*groups));
    if (groups)
        state->combo_groups = groups;
    if (!combos || !groups)
        return ERR_NOMEM;
    state->combo_capacity = capacity;
    state->scratch.groups = groups;
    return 0;
}

/* The number of a model, INTERN_NONE when there is no room for it. */
static int learn_model(struct engine *engine, struct text name, uint32_t *out_number)
{
    *out_number = INTERN_NONE;
    const struct label_model *model = engine_outcomes_model(engine, name, out_number);
    if (!model || !model->is_new)
        return 0;
    engine->outcomes->models[*out_number].is_new = false;
    return engine->outcomes->restoring ? 0 : engine_outcomes_remember_model(engine, *out_number);
}

int engine_outcomes_learn_combo(struct engine *engine, struct series *const *series, uint32_t series_count,
                                const char *const *groups, uint32_t group_count, uint32_t *out)
{
    struct outcome_state *state = engine->outcomes;
    struct version *version = series[0]->version;
    uint16_t slots[OUTCOME_MEMBERS_MAX];
    char bytes[COMBO_BYTES_MAX];
    size_t len = 1;
    bytes[0] = (char)series_count;
    for (uint32_t i = 0; i < series_count && len + sizeof(uint32_t) + sizeof(slots) <= sizeof(bytes); i++) {
        memcpy(bytes + len, &series[i]->number, sizeof(uint32_t));
        len += sizeof(uint32_t);
    }
    uint32_t slot_count = outcome_group_slots(version, groups, group_count, !state->restoring, slots);
    memcpy(bytes + len, slots, slot_count * sizeof(uint16_t));
    len += slot_count * sizeof(uint16_t);
    int code = make_room_for_combo(state);
    if (code != 0)
        return code;
    uint32_t known = intern_count(state->combo_names);
    *out = intern_add(state->combo_names, (struct text){bytes, (uint32_t)len});
    if (*out == INTERN_NONE || *out < known) {
        version->capped |= *out == INTERN_NONE;
        return 0;
    }
    struct outcome_combo *combo = &state->combos[*out];
    *combo = (struct outcome_combo){.series = malloc(series_count * sizeof(struct series *)),
                                    .series_count = series_count,
                                    .slots = malloc((slot_count + 1u) * sizeof(uint16_t)),
                                    .slot_count = slot_count};
    code = learn_model(engine, text_of(version->model), &combo->model);
    if (code != 0 || combo->model == INTERN_NONE)
        return code ? code : ERR_NOMEM; /* models with predictions are bounded by limits.models */
    state->combo_groups[*out] = (struct combo_groups){combo->slots, slot_count};
    if (!combo->series || !combo->slots)
        return ERR_NOMEM;
    memcpy(combo->series, series, series_count * sizeof(struct series *));
    memcpy(combo->slots, slots, slot_count * sizeof(uint16_t));
    version->whole = series[0];
    return state->restoring ? 0 : engine_outcomes_remember_combo(engine, combo);
}

static int learn_worker(struct outcome_state *state, uint32_t worker)
{
    if (worker < state->worker_count)
        return 0;
    void *grown = realloc(state->workers, (worker + 1) * sizeof(*state->workers));
    if (!grown)
        return ERR_NOMEM;
    state->workers = grown;
    memset(state->workers + state->worker_count, 0,
           (worker + 1 - state->worker_count) * sizeof(*state->workers));
    state->worker_count = worker + 1;
    return 0;
}

static int learn_combos(struct engine *engine, uint32_t worker, const struct delta *delta)
{
    struct outcome_state *state = engine->outcomes;
    uint32_t count;
    const struct delta_combo *combos = delta_new_combos(delta, &count);
    if (count == 0)
        return 0;
    uint32_t total = combos[count - 1].combo + 1;
    uint32_t *grown = realloc(state->workers[worker].combos, total * sizeof(uint32_t));
    if (!grown)
        return ERR_NOMEM;
    state->workers[worker].combos = grown;
    state->workers[worker].count = total;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        struct series *series[64];
        uint32_t series_count = 0;
        for (uint32_t j = 0; j < combos[i].series_count && j < ARRAY_LEN(series); j++) {
            struct series *known = engine->workers[worker].series[combos[i].series[j]];
            if (known)
                series[series_count++] = known;
            else if (j == 0)
                break; /* the model itself was refused */
        }
        grown[combos[i].combo] = INTERN_NONE;
        if (combos[i].series_count == 0) /* a model that labels name */
            code = learn_model(engine, text_of(combos[i].groups[0]), &grown[combos[i].combo]);
        if (series_count)
            code = engine_outcomes_learn_combo(engine, series, series_count, combos[i].groups,
                                               combos[i].group_count, &grown[combos[i].combo]);
    }
    return code;
}

/* ---- pairs to panes ---- */

static int add_on_time(struct engine *engine, struct series *series, int64_t start_ms,
                       const struct outcome_item *item, const struct class_scores *scores)
{
    struct outcome_pane *pane = outcome_panes_find(&series->outcomes, 0, start_ms, true);
    if (!pane)
        return ERR_NOMEM;
    return outcome_part_add(&pane->parts[PANE_ON_TIME], item, scores, &engine->outcomes->scratch,
                            series->version->config->options.unit, series->segment[0] == '\0');
}

static int add_late(struct engine *engine, struct series *series, int64_t ts_ms,
                    const struct outcome_item *item, const struct class_scores *scores)
{
    struct outcome_state *state = engine->outcomes;
    for (uint8_t tier = 0; tier < engine->times.tier_count; tier++) {
        int64_t start_ms = pane_start(&engine->times, tier, ts_ms);
        if (time_plus(start_ms, engine_outcomes_keep_ms(engine, tier)) <= series->version->matured_until_ms)
            continue; /* of a partition that was idle or absent: beyond every revision */
        struct outcome_pane *pane = outcome_panes_find(&series->outcomes, tier, start_ms, true);
        if (!pane)
            return ERR_NOMEM;
        struct outcome_part *part = &pane->parts[PANE_LATE];
        state->changed_late += !part->changed;
        series->outcomes.stale_panes += !pane->stale;
        pane->stale = true;
        state->owed = true;
        int code = outcome_part_add(part, item, scores, &state->scratch,
                                    series->version->config->options.unit, series->segment[0] == '\0');
        if (code != 0)
            return code;
    }
    return 0;
}

/* Labels before the pane is final count for alerts; the logs say which those are. */
static bool in_time(void *context, const struct join_entry *prediction, const struct join_entry *label)
{
    const struct engine *engine = context;
    const struct model_config *config =
        engine->outcomes->combos[prediction->combo].series[0]->version->config;
    int64_t end_ms = pane_start(&engine->times, 0, prediction->ts_ms) + engine->times.tiers_ms[0];
    return label->ts_ms < time_plus(end_ms, config->label_delay_ms);
}

/* One prediction (label NULL) or pair, into every series of its combination. */
static int add_item(struct engine *engine, const struct join_entry *prediction,
                    const struct class_scores *scores, const struct join_entry *label, int sign, bool revises)
{
    const struct outcome_state *state = engine->outcomes;
    const struct outcome_combo *combo = &state->combos[prediction->combo];
    const struct version *version = combo->series[0]->version;
    struct outcome_item item = {.value = prediction->value,
                                .truth = !label ? 0
                                         : prediction->kind == OUTCOME_MULTICLASS
                                             ? label->predicted & ~OUTCOME_NAME_ALONE
                                             : label->value,
                                .combo = prediction->combo,
                                .kind = prediction->kind,
                                .predicted = prediction->predicted,
                                .labelled = label != NULL,
                                .sign = (int8_t)sign};
    int64_t start_ms = pane_start(&engine->times, 0, prediction->ts_ms);
    int64_t end_ms = start_ms + engine->times.tiers_ms[0];
    bool late =
        revises || prediction->late || (label && (label->late || !in_time(engine, prediction, label)));
    bool matured = end_ms <= version->matured_until_ms;
    if (state->restoring && (late || matured))
        return 0; /* the store has it */
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < combo->series_count; i++) {
        struct series *series = combo->series[i];
        if (!late && matured && sign > 0 && end_ms > series->incomplete_until_ms)
            series->incomplete_until_ms = end_ms; /* a partition had been idle or absent */
        code = late || matured ? add_late(engine, series, prediction->ts_ms, &item, scores)
                               : add_on_time(engine, series, start_ms, &item, scores);
    }
    if (code == 0 && !late && !matured)
        code = engine_sequence_outcome(engine, combo->series[0], prediction, &item);
    return code;
}

static void count_of(struct engine *engine, uint32_t number, enum label_count which, int sign)
{
    struct label_model *model = engine_outcomes_model_of(engine, number);
    if (!model || engine->outcomes->restoring)
        return;
    model->counts[which] += sign < 0 ? UINT64_MAX : 1;
    model->changed = true;
}

static int on_seen(void *context, const struct join_entry *prediction, int sign)
{
    struct engine *engine = context;
    count_of(engine, engine->outcomes->combos[prediction->combo].model, LABELS_SEEN, sign);
    return add_item(context, prediction, NULL, NULL, sign, false);
}

/* The prediction expires first: after a restart nothing but this says that the label is no orphan. What is
 * being taken is written afterwards, with it. */
static int on_met(void *context, const struct join_entry *label)
{
    struct engine *engine = context;
    const struct outcome_state *state = engine->outcomes;
    if (state->restoring || state->taking_label)
        return 0;
    struct delta_waiting again = {.kind = WAITING_LABEL, .entry = *label};
    again.entry.state = JOIN_MET;
    return engine_outcomes_remember(engine, &again, NULL);
}

/* Counted once all that expires with it is: what the store says of them goes with the time until which they
 * are not taken again. */
static void on_expired(void *context, const struct join_entry *entry, bool is_label)
{
    const struct engine *engine = context;
    uint32_t number = is_label ? entry->combo : engine->outcomes->combos[entry->combo].model;
    struct label_model *model = engine_outcomes_model_of(engine, number);
    if (model)
        model->expired[is_label]++;
}

void engine_outcomes_count_expired(struct engine *engine)
{
    const struct outcome_state *state = engine->outcomes;
    for (uint32_t i = 0; state->model_names && i < intern_count(state->model_names); i++) {
        struct label_model *model = &state->models[i];
        model->changed |= model->expired[0] || model->expired[1];
        model->counts[LABELS_UNLABELLED] += model->expired[0];
        model->counts[LABELS_ORPHANS] += model->expired[1];
        model->expired[0] = model->expired[1] = 0;
    }
}

static int add_pair(struct engine *engine, const struct join_entry *prediction,
                    const struct class_scores *scores, const struct join_entry *label, int sign, bool revises)
{
    uint32_t model = engine->outcomes->combos[prediction->combo].model;
    count_of(engine, model, LABELS_JOINED, sign);
    if (sign > 0)
        engine_outcomes_saw_delay(engine, model,
                                  label->ts_ms - pane_start(&engine->times, 0, prediction->ts_ms) -
                                      engine->times.tiers_ms[0],
                                  in_time(engine, prediction, label));
    return add_item(engine, prediction, scores, label, sign, revises);
}

static int on_joined(void *context, const struct join_entry *prediction, const struct join_entry *label,
                     int sign, bool revises)
{
    const struct engine *engine = context;
    struct class_scores scores;
    bool has_scores = join_scores(engine->outcomes->join, prediction, &scores);
    return add_pair(context, prediction, has_scores ? &scores : NULL, label, sign, revises);
}

/* ---- merge ---- */

static uint32_t model_of(const struct outcome_state *state, const struct delta_waiting *waiting)
{
    uint32_t combo = waiting->entry.combo;
    return waiting->kind == WAITING_LABEL ? combo : state->combos[combo].model;
}

/* What the join says becomes counters; want of room is said with the rows once there are labels at all. */
static void count_fate(struct engine *engine, uint32_t number, enum join_fate fate)
{
    const struct label_model *model = engine_outcomes_model_of(engine, number);
    if (!model || fate == JOIN_ADDED)
        return;
    if (fate == JOIN_REFUSED && model->labelled)
        engine_outcomes_cap_model(engine, number);
    count_of(engine, number,
             fate == JOIN_REFUSED   ? LABELS_REFUSED
             : fate == JOIN_CHANGED ? LABELS_CHANGED
                                    : LABELS_DUPLICATES,
             1);
}

/* Counts for selection rates alone: nothing waits. */
static bool is_unlabelled(const struct delta_waiting *waiting)
{
    return waiting->kind == WAITING_OUTCOME && isnan(waiting->truth);
}

int engine_outcomes_take(struct engine *engine, const struct delta_waiting *waiting,
                         const struct class_scores *scores)
{
    struct outcome_state *state = engine->outcomes;
    const struct join_entry *entry = &waiting->entry;
    enum join_fate fate = JOIN_ADDED;
    int code = 0;
    if (waiting->kind == WAITING_OUTCOME) {
        struct join_entry label = {.ts_ms = entry->ts_ms, .value = waiting->truth, .late = entry->late};
        label.predicted = entry->kind == OUTCOME_MULTICLASS ? (uint8_t)waiting->truth : OUTCOME_CLASS_NONE;
        code = is_unlabelled(waiting) ? add_item(engine, entry, NULL, NULL, 1, false)
                                      : on_seen(engine, entry, 1);
        if (code == 0 && !is_unlabelled(waiting)) /* else no label can find it */
            code = add_pair(engine, entry, scores, &label, 1, false);
    } else if (waiting->kind == WAITING_LABEL) {
        state->taking_label = true;
        code = join_add_label(state->join, entry, &fate);
        state->taking_label = false;
    } else {
        code = join_add_scored(state->join, entry, scores, &fate);
    }
    count_fate(engine, model_of(state, waiting), fate);
    if (code != 0 || fate == JOIN_REFUSED || state->restoring)
        return code;
    const struct join_entry *kept = waiting->kind == WAITING_OUTCOME ? entry : join_added(state->join);
    if (!kept)
        return 0;
    struct delta_waiting taken = *waiting;
    taken.entry.wait_s = kept->wait_s;
    taken.entry.state = waiting->kind == WAITING_LABEL ? kept->state & JOIN_MET : 0;
    return engine_outcomes_remember(engine, &taken, scores);
}

/* Latches models that have labels, and puts those to sleep that have none. False: it does not wait. */
static int watch_model(struct engine *engine, const struct delta_waiting *waiting, bool *out_waits)
{
    const struct label_model *model = engine_outcomes_model_of(engine, model_of(engine->outcomes, waiting));
    *out_waits = true;
    if (!model || is_unlabelled(waiting))
        return 0;
    if (waiting->kind != WAITING_PREDICTION && !model->labelled)
        engine_outcomes_saw_label(engine, model_of(engine->outcomes, waiting));
    int code = waiting->kind == WAITING_PREDICTION && !model->labelled
                   ? engine_outcomes_saw_prediction(engine, model_of(engine->outcomes, waiting))
                   : 0;
    *out_waits = !model->dormant;
    return code;
}

static void share_lists(struct engine *engine)
{
    uint64_t panes = 0;
    for (uint32_t i = 0; i < engine->series_count; i++)
        panes += engine->series[i]->outcomes.count;
    outcome_scratch_share(&engine->outcomes->scratch, panes);
}

int engine_outcomes_merge(struct engine *engine, uint32_t worker, const struct delta *delta)
{
    struct outcome_state *state = engine->outcomes;
    int code = learn_worker(state, worker);
    if (code == 0)
        code = learn_combos(engine, worker, delta);
    if (code == 0)
        code = engine_outcomes_learn_classes(engine, worker, delta);
    size_t count = delta_waiting_count(delta);
    if (count)
        share_lists(engine);
    struct delta_waiting_reader reader = {0};
    struct delta_waiting waiting;
    while (code == 0 && delta_next_waiting(delta, &reader, &waiting)) {
        if (reader.at + PREFETCH_AHEAD <= count)
            join_prefetch(state->join, delta_waiting_hash(delta, reader.at + PREFETCH_AHEAD - 1));
        if (waiting.entry.combo != COMBO_NONE)
            waiting.entry.combo = state->workers[worker].combos[waiting.entry.combo];
        if (waiting.kind != WAITING_LABEL) {
            if (waiting.entry.combo == INTERN_NONE)
                continue;
            waiting.entry.owner = state->combos[waiting.entry.combo].series[0]->number;
        }
        bool waits;
        struct class_scores scores;
        code = engine_outcomes_name_classes(engine, &waiting);
        if (code == 0)
            code = watch_model(engine, &waiting, &waits);
        if (code == 0 && waits) {
            bool has_scores = engine_outcomes_scores(engine, worker, &waiting, &scores);
            code = engine_outcomes_take(engine, &waiting, has_scores ? &scores : NULL);
        }
    }
    return code;
}
