/* Batches: a list of operations in an arena. Nothing here knows SQL. */
#include "agent/store_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BLOCK_BYTES = 1 << 18, BATCH_MAX_BYTES = 1 << 30 };

struct store_batch *store_batch_new(void)
{
    struct store_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->arena = arena_new(BATCH_BLOCK_BYTES, BATCH_MAX_BYTES);
    if (!batch->arena) {
        free(batch);
        return NULL;
    }
    batch->tail = &batch->first;
    return batch;
}

void store_batch_free(struct store_batch *batch)
{
    if (!batch)
        return;
    arena_free(batch->arena);
    free(batch);
}

bool store_batch_failed(const struct store_batch *batch)
{
    return batch->failed;
}

bool store_batch_is_empty(const struct store_batch *batch)
{
    return !batch->first;
}

size_t store_batch_bytes(const struct store_batch *batch)
{
    return arena_bytes(batch->arena);
}

static struct op *batch_add(struct store_batch *batch, enum op_kind kind)
{
    struct op *op = batch->failed ? NULL : arena_zalloc(batch->arena, sizeof(*op));
    if (!op) {
        batch->failed = true;
        return NULL;
    }
    op->kind = kind;
    *batch->tail = op;
    batch->tail = &op->next;
    return op;
}

/* Copies; NULL stays NULL. */
static const void *batch_bytes(struct store_batch *batch, const void *bytes, size_t len)
{
    if (!bytes)
        return NULL;
    void *copy = arena_alloc(batch->arena, len);
    if (!copy)
        batch->failed = true;
    else if (len)
        memcpy(copy, bytes, len);
    return copy;
}

static const char *batch_string(struct store_batch *batch, const char *string)
{
    if (!string)
        return NULL;
    const char *copy = arena_strdup(batch->arena, string);
    if (!copy)
        batch->failed = true;
    return copy;
}

static const char *batch_text(struct store_batch *batch, struct text text)
{
    const char *copy = arena_text(batch->arena, text);
    if (!copy)
        batch->failed = true;
    return copy;
}

static struct text batch_view(struct store_batch *batch, struct text text)
{
    return (struct text){batch_text(batch, text), text.len};
}

void store_put_series(struct store_batch *batch, uint32_t series, struct text model, struct text version,
                      struct text segment)
{
    struct op *op = batch_add(batch, OP_SERIES);
    if (op)
        op->name = (struct op_name){series, batch_text(batch, model), batch_text(batch, version),
                                    batch_text(batch, segment)};
}

void store_put_subject(struct store_batch *batch, uint32_t subject, struct text name)
{
    struct op *op = batch_add(batch, OP_SUBJECT);
    if (op)
        op->name = (struct op_name){subject, batch_text(batch, name), NULL, NULL};
}

void store_put_grid(struct store_batch *batch, uint32_t grid, const char *grid_id)
{
    struct op *op = batch_add(batch, OP_GRID);
    if (op)
        op->name = (struct op_name){grid, batch_string(batch, grid_id), NULL, NULL};
}

void store_put_reference(struct store_batch *batch, const struct stored_reference *reference)
{
    struct op *op = batch_add(batch, OP_REFERENCE);
    if (!op)
        return;
    op->reference = *reference;
    op->reference.name = batch_string(batch, reference->name);
    op->reference.model = batch_string(batch, reference->model);
    op->reference.version = batch_string(batch, reference->version);
    op->reference.source = batch_string(batch, reference->source);
    op->reference.hash = batch_string(batch, reference->hash);
    op->reference.json = batch_bytes(batch, reference->json, reference->json_len);
}

void store_put_pane(struct store_batch *batch, const struct stored_pane *pane)
{
    BUG_ON(pane->tier >= STORE_TIERS);
    struct op *op = batch_add(batch, OP_PANE);
    if (!op)
        return;
    op->pane = *pane;
    op->pane.bytes = batch_bytes(batch, pane->bytes, pane->len);
}

void store_prune_panes(struct store_batch *batch, uint8_t tier, int64_t before_start_ms)
{
    BUG_ON(tier >= STORE_TIERS);
    struct op *op = batch_add(batch, OP_PRUNE_PANES);
    if (op)
        op->prune = (struct op_prune){.tier = tier, .before_ms = before_start_ms};
}

void store_prune_results(struct store_batch *batch, int64_t before_end_ms, int64_t before_wall_ms)
{
    struct op *op = batch_add(batch, OP_PRUNE_RESULTS);
    if (op)
        op->prune = (struct op_prune){.before_ms = before_end_ms, .before_wall_ms = before_wall_ms};
}

void store_prune_alerts(struct store_batch *batch, int64_t before_end_ms)
{
    struct op *op = batch_add(batch, OP_PRUNE_ALERTS);
    if (op)
        op->prune = (struct op_prune){.before_ms = before_end_ms};
}

void store_put_result(struct store_batch *batch, const struct stored_result *result)
{
    struct op *op = batch_add(batch, OP_RESULT);
    if (!op)
        return;
    const struct report_row *row = result->row;
    uint32_t slots = REPORT_SLOTS;
    while (slots > 0 && !isfinite(row->slots[slots - 1]))
        slots--;
    op->result = (struct op_result){
        .head = *result,
        .family = row->family,
        .n = row->n,
        .reference_n = row->reference_n,
        .flags = row->flags,
        .slot_count = slots,
        .slots = batch_bytes(batch, row->slots, slots * sizeof(double)),
    };
    op->result.head.row = NULL;
    op->result.head.bins = batch_bytes(batch, result->bins, (size_t)result->bin_count * 2);
}

void store_drop_provisional(struct store_batch *batch, uint32_t series, int64_t from_ms, int64_t until_ms)
{
    struct op *op = batch_add(batch, OP_DROP_PROVISIONAL);
    if (op)
        op->drop = (struct op_drop){series, from_ms, until_ms};
}

void store_put_offset(struct store_batch *batch, const struct stored_offset *offset)
{
    struct op *op = batch_add(batch, OP_OFFSET);
    if (!op)
        return;
    op->offset = *offset;
    op->offset.topic = batch_string(batch, offset->topic);
}

void store_put_count(struct store_batch *batch, const char *topic, const char *fate, const char *reason,
                     uint64_t total)
{
    struct op *op = batch_add(batch, OP_COUNT);
    if (op)
        op->count = (struct op_count){batch_string(batch, topic), batch_string(batch, fate),
                                      batch_string(batch, reason), total};
}

void store_put_meta(struct store_batch *batch, const char *key, const char *value)
{
    struct op *op = batch_add(batch, OP_META);
    if (!op)
        return;
    op->meta.key = batch_string(batch, key);
    op->meta.value = batch_string(batch, value);
}

void store_put_capture(struct store_batch *batch, uint32_t series, int64_t pane_start_ms, const void *bytes,
                       size_t len)
{
    struct op *op = batch_add(batch, OP_CAPTURE);
    if (op)
        op->capture = (struct op_capture){series, pane_start_ms, batch_bytes(batch, bytes, len), len};
}

void store_put_waiting(struct store_batch *batch, int64_t expire_ms, const void *bytes, size_t len)
{
    struct op *op = batch_add(batch, OP_WAITING);
    if (op)
        op->waiting = (struct op_waiting){expire_ms, batch_bytes(batch, bytes, len), len};
}

void store_prune_waiting(struct store_batch *batch, int64_t before_ms)
{
    struct op *op = batch_add(batch, OP_PRUNE_WAITING);
    if (op)
        op->prune = (struct op_prune){.before_ms = before_ms};
}

void store_put_alert(struct store_batch *batch, const struct alert_row *row)
{
    struct op *op = batch_add(batch, OP_ALERT);
    if (!op)
        return;
    op->alert = *row;
    op->alert.rule = batch_string(batch, row->rule);
    op->alert.metric = batch_string(batch, row->metric);
    op->alert.model = batch_view(batch, row->model);
    op->alert.version = batch_view(batch, row->version);
    op->alert.segment = batch_view(batch, row->segment);
    op->alert.feature = batch_view(batch, row->feature);
}

void store_put_transition(struct store_batch *batch, const struct alert_transition *transition)
{
    struct op *op = batch_add(batch, OP_TRANSITION);
    if (op)
        op->transition = *transition;
}

void store_put_outbox(struct store_batch *batch, const struct outbox_item *item, int64_t created_wall_ms,
                      bool expired)
{
    struct op *op = batch_add(batch, OP_OUTBOX);
    if (!op)
        return;
    op->outbox = (struct op_outbox){*item, created_wall_ms, expired};
    op->outbox.item.sink = batch_string(batch, item->sink);
    op->outbox.item.kind = batch_string(batch, item->kind);
    op->outbox.item.entity_key = batch_string(batch, item->entity_key);
    op->outbox.item.body = batch_bytes(batch, item->body, item->body_len);
}

void store_put_outcome(struct store_batch *batch, const struct delivery_outcome *outcome)
{
    struct op *op = batch_add(batch, OP_OUTCOME);
    if (!op)
        return;
    op->outcome = *outcome;
    op->outcome.id = batch_string(batch, outcome->id);
    op->outcome.sink = batch_string(batch, outcome->sink);
    op->outcome.error = batch_string(batch, outcome->error);
}

void store_put_audit(struct store_batch *batch, int64_t wall_ms, const char *actor, const char *action,
                     const char *subject, const char *details_json)
{
    struct op *op = batch_add(batch, OP_AUDIT);
    if (op)
        op->audit = (struct op_audit){wall_ms, batch_string(batch, actor), batch_string(batch, action),
                                      batch_string(batch, subject), batch_string(batch, details_json)};
}
