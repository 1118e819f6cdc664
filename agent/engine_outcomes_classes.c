/* Classes of several get their slots here, and the store remembers which: rows of `waiting` that never
 * expire, before the first entry that uses the slot. */
#include <stdlib.h>
#include <string.h>

#include "agent/engine_outcomes.h"

static int remember(struct engine *engine, const char *model, const char *name)
{
    struct strbuf bytes;
    strbuf_init(&bytes, 1 << 16);
    strbuf_addc(&bytes, (char)KIND_CLASS);
    strbuf_add_varint(&bytes, strlen(model) + 1);
    strbuf_add(&bytes, model, strlen(model) + 1);
    strbuf_add_varint(&bytes, strlen(name) + 1);
    strbuf_add(&bytes, name, strlen(name) + 1);
    return engine_outcomes_put_name(engine, &bytes);
}

static int slot_of(struct engine *engine, const char *model, const char *name, uint8_t *out)
{
    bool is_new = false;
    *out = name ? outcome_class_slot(engine->outcomes->classes, model, name, &is_new) : OUTCOME_CLASS_NONE;
    return is_new ? remember(engine, model, name) : 0;
}

int engine_outcomes_name_classes(struct engine *engine, struct delta_waiting *waiting)
{
    uint8_t slot;
    int code = 0;
    if (waiting->predicted_class)
        code = slot_of(engine, waiting->model, waiting->predicted_class, &waiting->entry.predicted);
    if (code != 0 || (waiting->kind != WAITING_LABEL && !waiting->label_class))
        return code;
    code = slot_of(engine, waiting->model, waiting->label_class, &slot);
    if (waiting->kind == WAITING_LABEL)
        waiting->entry.predicted = waiting->label_class
                                       ? slot | (waiting->entry.predicted & OUTCOME_NAME_ALONE)
                                       : OUTCOME_CLASS_NONE;
    else
        waiting->truth = slot;
    return code;
}

/* ---- scores of all classes ---- */

int engine_outcomes_learn_classes(struct engine *engine, uint32_t worker, const struct delta *delta)
{
    uint32_t count;
    const struct delta_class *classes = delta_new_classes(delta, &count);
    if (count == 0)
        return 0;
    uint8_t **slots = &engine->outcomes->workers[worker].classes;
    uint8_t *grown = realloc(*slots, classes[count - 1].number + 1u);
    if (!grown)
        return ERR_NOMEM;
    *slots = grown;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < count; i++)
        code = slot_of(engine, classes[i].model, classes[i].name, &grown[classes[i].number]);
    return code;
}

static bool by_slot(const uint8_t *slots, const struct delta_waiting *waiting, struct class_scores *out)
{
    *out = (struct class_scores){.count = 0};
    for (uint32_t i = 0; i < waiting->score_count; i++) {
        uint8_t slot = slots[waiting->scores[i].number];
        if (slot >= CLASS_SCORES_MAX)
            return false;
        out->codes[slot] = waiting->scores[i].code;
        if (slot >= out->count)
            out->count = slot + 1u;
    }
    return true;
}

bool engine_outcomes_scores(struct engine *engine, uint32_t worker, const struct delta_waiting *waiting,
                            struct class_scores *out)
{
    struct outcome_state *state = engine->outcomes;
    bool refused = waiting->scores_refused;
    if (!refused && waiting->score_count == 0)
        return false;
    refused = refused || !by_slot(state->workers[worker].classes, waiting, out);
    if (refused)
        state->combos[waiting->entry.combo].series[0]->version->capped = true;
    return !refused;
}

static uint16_t code_of(const struct class_scores *scores, uint32_t slot)
{
    return slot < scores->count ? scores->codes[slot] : 0;
}

/* By the name of the first class in which they differ. */
int engine_outcomes_compare_scores(void *context, const struct join_entry *prediction,
                                   const struct class_scores *a, const struct class_scores *b)
{
    const struct outcome_state *state = ((const struct engine *)context)->outcomes;
    const struct version *version = state->combos[prediction->combo].series[0]->version;
    struct text names[OUTCOME_CLASS_SLOTS];
    uint32_t count = outcome_class_names(state->classes, version->model, names), first = UINT32_MAX;
    if (!a || !b)
        return (a == NULL) - (b == NULL);
    for (uint32_t slot = 0; slot < count && slot < CLASS_SCORES_MAX; slot++)
        if (code_of(a, slot) != code_of(b, slot) &&
            (first == UINT32_MAX || text_compare(names[slot], names[first]) < 0))
            first = slot;
    return first == UINT32_MAX ? 0 : code_of(a, first) < code_of(b, first) ? -1 : 1;
}

/* ---- the store ---- */

int engine_outcomes_restore_class(struct engine *engine, struct cursor *in)
{
    const char *texts[2];
    for (int i = 0; i < 2; i++) {
        uint64_t len = cursor_varint(in);
        texts[i] = cursor_bytes(in, len);
        if (!texts[i] || len == 0 || texts[i][len - 1] != '\0')
            return ERR_CORRUPT;
    }
    bool is_new;
    (void)outcome_class_slot(engine->outcomes->classes, texts[0], texts[1], &is_new);
    return 0;
}
