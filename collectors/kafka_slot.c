#include "collectors/kafka_slot.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITION_MAX = 100000, STASH_FIRST = 64 };

int kafka_topic_new(struct kafka_topic **out, rd_kafka_t *rk, const char *name, struct err *err)
{
    struct kafka_topic *topic = calloc(1, sizeof(*topic));

    if (topic)
        topic->name = strdup(name);
    if (!topic || !topic->name) {
        free(topic);
        return err_set(err, ERR_NOMEM, "out of memory adding topic %s", name);
    }
    topic->text = text_of(topic->name);
    topic->rk = rk;
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(rk);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    topic->rkt = rd_kafka_topic_new(rk, name, conf);
    if (!topic->rkt) {
        rd_kafka_resp_err_t code = rd_kafka_last_error();
        rd_kafka_topic_conf_destroy(conf);
        kafka_topic_free(topic);
        return err_set(err, ERR_INVALID, "topic %s cannot be read: %s", name, rd_kafka_err2str(code));
    }
    *out = topic;
    return 0;
}

void kafka_topic_free(struct kafka_topic *topic)
{
    if (!topic)
        return;
    if (topic->rkt)
        rd_kafka_topic_destroy(topic->rkt);
    free(topic->slots);
    free(topic->name);
    free(topic);
}

void kafka_topic_find_leaders(struct kafka_topic *topic, int timeout_ms)
{
    const struct rd_kafka_metadata *answer = NULL;

    if (topic->leaders_asked)
        return;
    topic->leaders_asked = true;
    /* What matters is that the library has seen the answer; without one it finds out by itself. */
    if (rd_kafka_metadata(topic->rk, 0, topic->rkt, &answer, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(answer);
}

int kafka_topic_put(struct kafka_topic *topic, struct kafka_slot *slot)
{
    if (slot->partition < 0 || slot->partition >= PARTITION_MAX)
        return ERR_LIMIT;
    if (slot->partition >= topic->capacity) {
        int32_t capacity = topic->capacity ? topic->capacity : 16;
        while (capacity <= slot->partition)
            capacity *= 2;
        struct kafka_slot **grown = realloc(topic->slots, (size_t)capacity * sizeof(struct kafka_slot *));
        if (!grown)
            return ERR_NOMEM;
        for (int32_t i = topic->capacity; i < capacity; i++)
            grown[i] = NULL;
        topic->slots = grown;
        topic->capacity = capacity;
    }
    topic->slots[slot->partition] = slot;
    return 0;
}

struct kafka_slot *kafka_slot_new(struct kafka_topic *topic, const struct source_slot *wanted)
{
    struct kafka_slot *slot = calloc(1, sizeof(*slot));

    if (!slot)
        return NULL;
    slot->number = wanted->slot;
    slot->partition = wanted->partition;
    slot->topic = topic;
    slot->position = wanted->offset;
    slot->end_offset = wanted->end_offset;
    slot->arrived = slot->next = wanted->offset >= 0 ? wanted->offset : OFFSET_UNKNOWN;
    slot->reset_from = slot->lenient_from = OFFSET_UNKNOWN;
    slot->needed = wanted->needed_offset;
    slot->durable = slot->committed = OFFSET_UNKNOWN;
    slot->state = KAFKA_DONE;
    return slot;
}

void kafka_slot_free(struct kafka_slot *slot)
{
    if (!slot)
        return;
    kafka_stash_clear(slot);
    free(slot->stash);
    free(slot);
}

int kafka_slot_start(struct kafka_slot *slot, rd_kafka_queue_t *queue, struct err *err)
{
    if (rd_kafka_consume_start_queue(slot->topic->rkt, slot->partition, slot->position, queue) != 0)
        return err_set(err, ERR_IO, "%s [%d] cannot be read at offset %lld: %s", slot->topic->name,
                       (int)slot->partition, (long long)slot->position,
                       rd_kafka_err2str(rd_kafka_last_error()));
    slot->state = KAFKA_READING;
    return 0;
}

static int pause_or_resume(struct kafka_slot *slot, bool pause)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    (void)rd_kafka_topic_partition_list_add(list, slot->topic->name, slot->partition);
    rd_kafka_resp_err_t code = pause ? rd_kafka_pause_partitions(slot->topic->rk, list)
                                     : rd_kafka_resume_partitions(slot->topic->rk, list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return ERR_IO;
    slot->paused = pause;
    return 0;
}

int kafka_slot_pause(struct kafka_slot *slot)
{
    return pause_or_resume(slot, true);
}

int kafka_slot_resume(struct kafka_slot *slot)
{
    return pause_or_resume(slot, false);
}

void kafka_slot_stop(struct kafka_slot *slot)
{
    /* The library's pause flag would outlive the stop and silence the next start. */
    if (slot->paused && kafka_slot_resume(slot) < 0)
        slot->paused = false;
    if (slot->state == KAFKA_READING)
        (void)rd_kafka_consume_stop(slot->topic->rkt, slot->partition);
    slot->state = KAFKA_DONE;
}

int kafka_stash_push(struct kafka_slot *slot, rd_kafka_message_t *message)
{
    if (slot->stash_head + slot->stash_count == slot->stash_capacity) {
        if (slot->stash_head > slot->stash_capacity / 2) {
            memmove(slot->stash, slot->stash + slot->stash_head, slot->stash_count * sizeof(*slot->stash));
            slot->stash_head = 0;
        } else {
            uint32_t capacity = slot->stash_capacity ? 2 * slot->stash_capacity : STASH_FIRST;
            rd_kafka_message_t **grown = realloc(slot->stash, capacity * sizeof(*grown));
            if (!grown) {
                rd_kafka_message_destroy(message);
                return ERR_NOMEM;
            }
            slot->stash = grown;
            slot->stash_capacity = capacity;
        }
    }
    slot->stash[slot->stash_head + slot->stash_count++] = message;
    slot->stash_bytes += message->len;
    return 0;
}

rd_kafka_message_t *kafka_stash_first(const struct kafka_slot *slot)
{
    return slot->stash_count > 0 ? slot->stash[slot->stash_head] : NULL;
}

void kafka_stash_pop(struct kafka_slot *slot)
{
    BUG_ON(slot->stash_count == 0);
    slot->stash_bytes -= slot->stash[slot->stash_head]->len;
    slot->stash_count--;
    slot->stash_head = slot->stash_count > 0 ? slot->stash_head + 1 : 0;
}

void kafka_stash_clear(struct kafka_slot *slot)
{
    for (uint32_t i = 0; i < slot->stash_count; i++)
        rd_kafka_message_destroy(slot->stash[slot->stash_head + i]);
    slot->stash_head = slot->stash_count = 0;
    slot->stash_bytes = 0;
}
