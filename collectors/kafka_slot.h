#ifndef DRIFTD_COLLECTORS_KAFKA_SLOT_H
#define DRIFTD_COLLECTORS_KAFKA_SLOT_H
/*
 * One partition that is read, and the topic it belongs to. Partitions are started and stopped one by one on
 * a queue they share, so that adding or losing one never disturbs another. Internal to collectors/kafka*.c;
 * one thread.
 */
#include "collectors/kafka_handle.h"

#define OFFSET_UNKNOWN INT64_C(-1001)

struct kafka_slot;

struct kafka_topic {
    char *name;
    struct text text; /* the name, as records carry it */
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
    struct kafka_slot **slots; /* by partition; NULL where none is read */
    int32_t capacity;
    bool leaders_asked;
};

enum kafka_slot_state {
    KAFKA_READING,
    KAFKA_RETRYING, /* stopped, to be started again at `position` when retry_at_ms has come */
    KAFKA_DONE      /* stopped for good: finished or failed */
};

/*
 * `arrived` is the offset the library should hand over next, `next` the one the receiver should get next;
 * between them lie the messages kept back in the stash, in order. Either may be OFFSET_UNKNOWN at the start.
 */
struct kafka_slot {
    uint32_t number;
    int32_t partition;
    struct kafka_topic *topic;
    enum kafka_slot_state state;
    bool held;                  /* the receiver said not now */
    bool paused;                /* the library has been told */
    bool at_end;                /* end of partition seen and no record since */
    rd_kafka_resp_err_t doomed; /* the library gave it up: fails at the next opportunity */
    bool verify;                /* after a resume: a jump is checked by reading again */
    int64_t position;           /* where it was started: absolute or logical */
    int64_t arrived, next, end_offset;
    int64_t reset_from;   /* a reset is under way from here, or OFFSET_UNKNOWN */
    uint32_t resets;      /* in a row */
    uint32_t early_ends;  /* ends before what is needed, in a row */
    int64_t needed;       /* what is gone before it is no loss */
    int64_t lenient_from; /* such a loss is being found out from here, or OFFSET_UNKNOWN */
    int64_t retry_at_ms;
    /* kept-back messages: stash[head, head + count) */
    rd_kafka_message_t **stash;
    uint32_t stash_head, stash_count, stash_capacity;
    size_t stash_bytes;
    /* skipped offsets not yet signalled */
    int64_t skipped, skipped_from, skipped_to, skips;
    int64_t skip_said_ms; /* 0: never */
    int64_t durable, committed;
};

/* All topics share the handle's properties. ERR_NOMEM, ERR_INVALID. */
int kafka_topic_new(struct kafka_topic **out, rd_kafka_t *rk, const char *name, struct err *err) MUST_USE;
void kafka_topic_free(struct kafka_topic *topic);
/* The first time: waits until the handle has heard who leads the topic's partitions. */
void kafka_topic_find_leaders(struct kafka_topic *topic, int timeout_ms);
int kafka_topic_put(struct kafka_topic *topic, struct kafka_slot *slot) MUST_USE;

static inline struct kafka_slot *kafka_topic_slot(const struct kafka_topic *topic, int32_t partition)
{
    return partition >= 0 && partition < topic->capacity ? topic->slots[partition] : NULL;
}

/* The topic stays the caller's. */
struct kafka_slot *kafka_slot_new(struct kafka_topic *topic, const struct source_slot *wanted);
void kafka_slot_free(struct kafka_slot *slot);

/* Starts reading at slot->position into `queue`. */
int kafka_slot_start(struct kafka_slot *slot, rd_kafka_queue_t *queue, struct err *err) MUST_USE;
/* Stops; what the library still had of it is dropped. The stash stays. */
void kafka_slot_stop(struct kafka_slot *slot);
/* Tell the library to stop or go on fetching. ERR_IO when it refuses. */
int kafka_slot_pause(struct kafka_slot *slot) MUST_USE;
int kafka_slot_resume(struct kafka_slot *slot) MUST_USE;

/* Takes over `message`. ERR_NOMEM: it is destroyed. */
int kafka_stash_push(struct kafka_slot *slot, rd_kafka_message_t *message) MUST_USE;
rd_kafka_message_t *kafka_stash_first(const struct kafka_slot *slot);
/* Forgets the first without destroying it. */
void kafka_stash_pop(struct kafka_slot *slot);
void kafka_stash_clear(struct kafka_slot *slot);

#endif
