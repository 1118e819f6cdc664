#include "collectors/kafka_commit.h"

#include "agent/base/clock.h"

enum { WAIT_SLICE_MS = 20 };

void kafka_commit_init(struct kafka_commit *commit, rd_kafka_t *rk, const char *group)
{
    *commit = (struct kafka_commit){.rk = rk, .has_group = group && *group};
}

bool kafka_commit_answered(struct kafka_commit *commit, struct kafka_slot *const *slots, uint32_t count,
                           rd_kafka_resp_err_t code)
{
    commit->in_flight = false;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return true;
    for (uint32_t i = 0; i < count; i++)
        slots[i]->committed = OFFSET_UNKNOWN;
    return false;
}

bool kafka_commit_send(struct kafka_commit *commit, struct kafka_slot *const *slots, uint32_t count,
                       rd_kafka_resp_err_t *out_code)
{
    bool taken = true;

    if (!commit->has_group || commit->in_flight)
        return true;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (uint32_t i = 0; i < count; i++) {
        struct kafka_slot *slot = slots[i];
        if (slot->durable == OFFSET_UNKNOWN || slot->durable == slot->committed)
            continue;
        rd_kafka_topic_partition_list_add(list, slot->topic->name, slot->partition)->offset = slot->durable;
        slot->committed = slot->durable;
    }
    if (list->cnt > 0) {
        *out_code = rd_kafka_commit(commit->rk, list, 1);
        commit->in_flight = *out_code == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!commit->in_flight)
            taken = kafka_commit_answered(commit, slots, count, *out_code);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return taken;
}

static void wait_for_answer(const struct kafka_commit *commit, struct kafka_handle *handle, int64_t until_ms)
{
    while (commit->in_flight && clock_system.monotonic_ms(&clock_system) < until_ms)
        kafka_handle_serve(handle, WAIT_SLICE_MS);
}

void kafka_commit_last(struct kafka_commit *commit, struct kafka_handle *handle,
                       struct kafka_slot *const *slots, uint32_t count, int timeout_ms)
{
    int64_t until_ms = clock_system.monotonic_ms(&clock_system) + timeout_ms;
    rd_kafka_resp_err_t ignored;

    wait_for_answer(commit, handle, until_ms); /* one that is under way may not be the last */
    (void)kafka_commit_send(commit, slots, count, &ignored);
    wait_for_answer(commit, handle, until_ms);
}
