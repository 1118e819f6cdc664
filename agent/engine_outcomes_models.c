/*
 * What became of the labels of each model, and models of which none come. A model whose task nobody
 * configured may never get labels: when so many of its predictions have waited in vain it becomes dormant in
 * a continuous run. Then nothing of it waits or is written until a label comes. A first label latches.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine_outcomes.h"

#include "agent/base/timestamp.h"

enum {
    DORMANT_AFTER = 65536,
    MODELS_MAX = 4096,
    KEY_BYTES_MAX = 1100,
    DIGITS = 20,
    VALUE_BYTES = DIGITS * (LABEL_COUNTS + 2) + 1
};

struct label_model *engine_outcomes_model(struct engine *engine, struct text name, uint32_t *out_number)
{
    struct outcome_state *state = engine->outcomes;
    if (!state->model_names && !(state->model_names = intern_new(MODELS_MAX)))
        return NULL;
    uint32_t count = intern_count(state->model_names);
    if (count == state->model_capacity) {
        uint32_t capacity = count ? count * 2 : 8;
        struct label_model *grown = realloc(state->models, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        state->models = grown;
        state->model_capacity = capacity;
    }
    *out_number = intern_add(state->model_names, name);
    if (*out_number == INTERN_NONE)
        return NULL;
    struct label_model *model = &state->models[*out_number];
    if (*out_number == count) {
        *model = (struct label_model){.config = config_model(engine->config, name), .is_new = true};
        model->may_sleep = model->config->options.task == TASK_AUTO && !engine->settings.until_end;
    }
    return model;
}

struct label_model *engine_outcomes_model_of(const struct engine *engine, uint32_t number)
{
    const struct outcome_state *state = engine->outcomes;
    bool known = state->model_names && number < intern_count(state->model_names);
    return known ? &state->models[number] : NULL;
}

void engine_outcomes_cap_model(struct engine *engine, uint32_t number)
{
    struct text name = intern_text(engine->outcomes->model_names, number);
    for (uint32_t i = 0; i < engine->version_count; i++)
        if (text_equal(text_of(engine->versions[i]->model), name))
            engine->versions[i]->capped = true;
}

/* ---- dormancy ---- */

static void tell(const struct engine *engine, uint32_t number, bool dormant)
{
    struct text name = intern_text(engine->outcomes->model_names, number);
    if (engine->settings.dormant_changed)
        engine->settings.dormant_changed(engine->settings.context, name.ptr, dormant);
}

struct sleeper {
    const struct engine *engine;
    uint32_t number;
};

static bool is_of_others(void *context, const struct join_entry *entry, bool is_label)
{
    const struct sleeper *sleeper = context;
    const struct outcome_state *state = sleeper->engine->outcomes;
    return (is_label ? entry->combo : state->combos[entry->combo].model) != sleeper->number;
}

static int fall_asleep(struct engine *engine, uint32_t number)
{
    struct label_model *model = &engine->outcomes->models[number];
    struct sleeper sleeper = {engine, number};
    struct text name = intern_text(engine->outcomes->model_names, number);
    model->dormant = model->changed = true;
    model->counts[LABELS_UNLABELLED] = model->counts[LABELS_SEEN] - model->counts[LABELS_JOINED];
    model->expired[0] = 0;
    log_write(
        engine->settings.log, LOG_INFO, "labels",
        "%d predictions of model %.*s wait and no label has come: it is dormant; set `task` when labels "
        "will come",
        DORMANT_AFTER, (int)name.len, name.ptr);
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        if (!text_equal(text_of(series->version->model), name))
            continue;
        outcome_panes_release(&series->outcomes);
        engine_provisional_drop(engine, series, series->version->matured_until_ms, INT64_MAX);
    }
    tell(engine, number, true);
    return join_keep(engine->outcomes->join, is_of_others, &sleeper);
}

static void wake(struct engine *engine, uint32_t number)
{
    struct label_model *model = &engine->outcomes->models[number];
    struct text name = intern_text(engine->outcomes->model_names, number);
    model->dormant = false;
    log_write(engine->settings.log, LOG_WARNING, "labels",
              "labels of model %.*s come but it is dormant: its predictions wait from now on; set `task` so "
              "that none is missed",
              (int)name.len, name.ptr);
    engine_outcomes_cap_model(engine, number); /* predictions before are without their labels */
    tell(engine, number, false);
}

int engine_outcomes_saw_prediction(struct engine *engine, uint32_t number)
{
    struct label_model *model = &engine->outcomes->models[number];
    if (!model->may_sleep || model->labelled || model->dormant ||
        model->counts[LABELS_SEEN] < model->counts[LABELS_UNLABELLED] + DORMANT_AFTER)
        return 0;
    return fall_asleep(engine, number);
}

void engine_outcomes_saw_label(struct engine *engine, uint32_t number)
{
    struct label_model *model = &engine->outcomes->models[number];
    if (model->labelled)
        return;
    if (model->dormant)
        wake(engine, number);
    if (model->counts[LABELS_REFUSED])
        engine_outcomes_cap_model(engine, number);
    model->labelled = model->changed = true;
}

/* ---- the store ---- */

static void key_of(char out[KEY_BYTES_MAX], struct text name)
{
    (void)snprintf(out, KEY_BYTES_MAX, "labels:%.*s", (int)name.len, name.ptr);
}

void engine_outcomes_saw_delay(struct engine *engine, uint32_t number, int64_t delay_ms, bool in_time)
{
    enum { DELAYS_LEAST = 1000, HOUR_MS = 3600000 };
    struct label_model *model = engine_outcomes_model_of(engine, number);
    if (!model || model->told || engine->outcomes->restoring)
        return;
    uint64_t seconds = delay_ms > 0 ? (uint64_t)delay_ms / 1000 : 0;
    uint32_t at = seconds ? 64u - (uint32_t)__builtin_clzll(seconds) : 0;
    model->delays[at < LABEL_DELAYS ? at : LABEL_DELAYS - 1]++;
    model->too_late += !in_time;
    if (++model->delay_count < DELAYS_LEAST || model->too_late < model->delay_count / 2)
        return;
    uint32_t below = 0, bucket = 0;
    while (bucket < LABEL_DELAYS - 1 && (below += model->delays[bucket]) < model->delay_count * 0.95)
        bucket++;
    int64_t most_ms = (int64_t)1000 << bucket;
    if (most_ms > HOUR_MS) /* a bucket is as wide as what it holds: no odd minutes */
        most_ms = (most_ms + HOUR_MS - 1) / HOUR_MS * HOUR_MS;
    char delay[48], most[48];
    struct text name = intern_text(engine->outcomes->model_names, number);
    log_write(
        engine->settings.log, LOG_WARNING, "labels",
        "most labels of model %.*s come after its label_delay of %s: its results with labels are revisions,"
        " which never alert; 95 %% came within %s of the end of their pane: set `label_delay`",
        (int)name.len, name.ptr, duration_format(model->config->label_delay_ms, delay),
        duration_format(most_ms, most));
    model->told = true;
}

/* Numbers of 20 digits each: enum label_count, then whether labels came and whether it is dormant. The view
 * v1_labels reads them where JSON functions may not be used. */
void engine_outcomes_put_models(struct engine *engine)
{
    struct outcome_state *state = engine->outcomes;
    for (uint32_t i = 0; state->model_names && i < intern_count(state->model_names); i++) {
        struct label_model *model = &state->models[i];
        if (!model->changed)
            continue;
        char key[KEY_BYTES_MAX], value[VALUE_BYTES];
        key_of(key, intern_text(state->model_names, i));
        for (int j = 0; j < LABEL_COUNTS + 2; j++) {
            uint64_t number = j < LABEL_COUNTS    ? model->counts[j]
                              : j == LABEL_COUNTS ? model->labelled
                                                  : model->dormant;
            (void)snprintf(value + (size_t)DIGITS * (size_t)j, DIGITS + 1, "%0*" PRIu64, DIGITS, number);
        }
        store_put_meta(engine->batch, key, value);
        model->changed = false;
    }
}

void engine_outcomes_restore_model(struct engine *engine, uint32_t number)
{
    struct outcome_state *state = engine->outcomes;
    struct label_model *model = &state->models[number];
    char key[KEY_BYTES_MAX], value[VALUE_BYTES];
    key_of(key, intern_text(state->model_names, number));
    if (store_load_meta(engine->settings.store, key, value, sizeof(value)) != 0 ||
        strlen(value) + 1 != sizeof(value))
        return;
    uint64_t numbers[LABEL_COUNTS + 2] = {0};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char digits[DIGITS + 1];
        (void)snprintf(digits, sizeof(digits), "%.*s", DIGITS, value + DIGITS * i);
        numbers[i] = strtoull(digits, NULL, 10);
    }
    memcpy(model->counts, numbers, sizeof(model->counts));
    model->labelled = numbers[LABEL_COUNTS] != 0;
    /* What was configured since, or a finite run, does not sleep. */
    model->dormant = numbers[LABEL_COUNTS + 1] != 0 && model->may_sleep;
    model->changed = model->dormant != (numbers[LABEL_COUNTS + 1] != 0);
}

void engine_each_dormant(const struct engine *engine,
                         void (*fn)(void *context, const char *model, bool dormant), void *context)
{
    const struct outcome_state *state = engine->outcomes;
    for (uint32_t i = 0; state->model_names && i < intern_count(state->model_names); i++)
        if (state->models[i].dormant)
            fn(context, intern_text(state->model_names, i).ptr, true);
}
