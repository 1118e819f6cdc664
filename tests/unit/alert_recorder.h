/* What a flush of alerting/ wrote, kept for looking at. To be included after alert_fixture.h. */
#include <stdlib.h>

#include "agent/base/arena.h"

enum { RECORDED_MAX = 1024 };

struct recorder {
    struct arena *arena;
    struct alert_row rows[RECORDED_MAX];
    struct alert_transition transitions[RECORDED_MAX];
    struct outbox_item items[RECORDED_MAX];
    uint32_t row_count, transition_count, item_count;
    uint32_t fail_at; /* the call, counted from 1, that fails */
    uint32_t calls;
};

static inline struct text recorder_text(struct recorder *recorder, struct text text)
{
    return (struct text){arena_text(recorder->arena, text), text.len};
}

static inline int recorder_call(struct recorder *recorder, uint32_t count)
{
    assert_true(count < RECORDED_MAX);
    return ++recorder->calls == recorder->fail_at ? ERR_NOMEM : 0;
}

static int record_alert(void *context, const struct alert_row *row)
{
    struct recorder *recorder = context;
    if (recorder_call(recorder, recorder->row_count))
        return ERR_NOMEM;
    struct alert_row copy = *row;
    copy.rule = arena_strdup(recorder->arena, row->rule);
    copy.metric = arena_strdup(recorder->arena, row->metric);
    copy.model = recorder_text(recorder, row->model);
    copy.version = recorder_text(recorder, row->version);
    copy.segment = recorder_text(recorder, row->segment);
    copy.feature = recorder_text(recorder, row->feature);
    recorder->rows[recorder->row_count++] = copy;
    return 0;
}

static int record_transition(void *context, const struct alert_transition *transition)
{
    struct recorder *recorder = context;
    if (recorder_call(recorder, recorder->transition_count))
        return ERR_NOMEM;
    recorder->transitions[recorder->transition_count++] = *transition;
    return 0;
}

static int record_outbox(void *context, const struct outbox_item *item)
{
    struct recorder *recorder = context;
    if (recorder_call(recorder, recorder->item_count))
        return ERR_NOMEM;
    struct outbox_item copy = *item;
    copy.sink = arena_strdup(recorder->arena, item->sink);
    copy.kind = arena_strdup(recorder->arena, item->kind);
    copy.entity_key = arena_strdup(recorder->arena, item->entity_key);
    copy.body = arena_strdup(recorder->arena, item->body);
    assert_int_equal(strlen(item->body), item->body_len);
    recorder->items[recorder->item_count++] = copy;
    return 0;
}

static inline struct recorder *recorder_new(void)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    assert_non_null(recorder);
    recorder->arena = arena_new(65536, 0);
    assert_non_null(recorder->arena);
    return recorder;
}

static inline void recorder_free(struct recorder *recorder)
{
    arena_free(recorder->arena);
    free(recorder);
}

static inline void recorder_reset(struct recorder *recorder)
{
    recorder->row_count = recorder->transition_count = recorder->item_count = 0;
    recorder->calls = recorder->fail_at = 0;
}

static inline int recorder_flush(struct recorder *recorder, struct alerting *alerting)
{
    const struct alert_sink sink = {record_alert, record_transition, record_outbox, recorder};
    return alerting_flush(alerting, &sink);
}
