/* Classes of several get their slots here, and the store remembers which: rows of `waiting` that never
 * expire, before the first entry that uses the slot. */
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
    engine_outcomes_flush_blob(engine);
    if (!strbuf_failed(&bytes))
        store_put_waiting(engine->batch, INT64_MAX, bytes.bytes, bytes.len);
    int code = strbuf_failed(&bytes) || store_batch_failed(engine->batch) ? ERR_NOMEM : 0;
    strbuf_release(&bytes);
    return code;
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
