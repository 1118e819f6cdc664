#include "collectors/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "collectors/kafka_commit.h"
#include "collectors/kafka_record.h"
#include "collectors/kafka_slot.h"
#include "collectors/kafka_wake.h"

enum {
    BATCH_MESSAGES = 2048,
    WAIT_SLICE_MS = 20, /* the batch call returns only when full or timed out */
    HEADERS_MAX = 128,
    SLOT_NUMBER_MAX = 1 << 20,
    STASH_MESSAGES = 1000, /* above either the library is told to pause: that throws its prefetch away */
    STASH_BYTES = 1 << 20,
    RETRY_MS = 500,
    RETRY_MAX_MS = 10000,
    EARLY_ENDS_MAX = 3,
    LEADER_WAIT_MS = 100,
    COMMIT_EVERY_MS = 5000,
    SKIP_SAID_EVERY_MS = 60000,
    CLOSE_MS = 2000,
    CLOSE_COMMIT_MS = 1000, /* the library looks for a coordinator every 500 ms */
    DETAIL_BYTES = 768,
    REASON_BYTES = 256
};

#define COMPONENT "kafka"

struct kafka_source {
    struct source source;
    struct kafka_handle *handle;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    enum offset_gap_policy policy;
    struct kafka_commit commit;
    uint32_t headers_max; /* 0: nobody reads them */
    bool attention;       /* some slot may need attend() */
    int64_t now_ms;       /* monotonic, of this poll */
    int64_t housekeeping_ms;
    struct kafka_topic **topics;
    uint32_t topic_count;
    struct kafka_slot **slots; /* in the order they were added */
    uint32_t slot_count, slot_capacity;
    struct kafka_slot **by_number;
    uint32_t number_capacity;
    struct kafka_waker *waker;
    bool padded; /* the message at hand: kafka_record_is_padded */
    struct record_header headers[HEADERS_MAX];
    rd_kafka_message_t *batch[BATCH_MESSAGES];
    uint32_t spent_count; /* messages at the beginning of `batch` that have been taken */
};

static struct kafka_source *self(struct source *source)
{
    return (struct kafka_source *)source;
}

static void refresh_now(struct kafka_source *kafka)
{
    kafka->now_ms = clock_system.monotonic_ms(&clock_system);
}

static struct kafka_slot *find_slot(const struct kafka_source *kafka, uint32_t number)
{
    return number < kafka->number_capacity ? kafka->by_number[number] : NULL;
}

/* ---- adding ------------------------------------------------------------------------------------------ */

static int reserve(struct kafka_source *kafka, uint32_t number, struct err *err)
{
    if (number >= SLOT_NUMBER_MAX)
        return err_set(err, ERR_LIMIT, "more than %d partitions", SLOT_NUMBER_MAX);
    if (number >= kafka->number_capacity) {
        uint32_t capacity = kafka->number_capacity ? kafka->number_capacity : 64;
        while (capacity <= number)
            capacity *= 2;
        struct kafka_slot **grown = realloc(kafka->by_number, capacity * sizeof(struct kafka_slot *));
        if (!grown)
            return err_set(err, ERR_NOMEM, "out of memory adding a partition");
        for (uint32_t i = kafka->number_capacity; i < capacity; i++)
            grown[i] = NULL;
        kafka->by_number = grown;
        kafka->number_capacity = capacity;
    }
    if (kafka->slot_count == kafka->slot_capacity) {
        uint32_t capacity = kafka->slot_capacity ? 2 * kafka->slot_capacity : 64;
        struct kafka_slot **grown = realloc(kafka->slots, capacity * sizeof(struct kafka_slot *));
        if (!grown)
            return err_set(err, ERR_NOMEM, "out of memory adding a partition");
        kafka->slots = grown;
        kafka->slot_capacity = capacity;
    }
    return 0;
}

static int find_topic(struct kafka_source *kafka, const char *name, struct kafka_topic **out, struct err *err)
{
    for (uint32_t i = 0; i < kafka->topic_count; i++) {
        if (strcmp(kafka->topics[i]->name, name) == 0) {
            *out = kafka->topics[i];
            return 0;
        }
    }
    struct kafka_topic **grown =
        realloc(kafka->topics, (kafka->topic_count + 1) * sizeof(struct kafka_topic *));
    if (!grown)
        return err_set(err, ERR_NOMEM, "out of memory adding topic %s", name);
    kafka->topics = grown;
    int rc = kafka_topic_new(out, kafka->rk, name, err);
    if (rc == 0)
        kafka->topics[kafka->topic_count++] = *out;
    return rc;
}

static int kafka_add(struct source *source, const struct source_slot *wanted, struct err *err)
{
    struct kafka_source *kafka = self(source);
    struct kafka_topic *topic = NULL;

    if (find_slot(kafka, wanted->slot))
        return err_set(err, ERR_INVALID, "slot %u is taken", wanted->slot);
    int rc = reserve(kafka, wanted->slot, err);
    if (rc == 0)
        rc = find_topic(kafka, wanted->topic, &topic, err);
    if (rc < 0)
        return rc;
    const struct kafka_slot *before = kafka_topic_slot(topic, wanted->partition);
    if (before && before->state != KAFKA_DONE)
        return err_set(err, ERR_INVALID, "%s [%d] is read already", wanted->topic, (int)wanted->partition);
    struct kafka_slot *slot = kafka_slot_new(topic, wanted);
    if (!slot)
        return err_set(err, ERR_NOMEM, "out of memory adding %s [%d]", wanted->topic, (int)wanted->partition);
    /* The next poll starts it, so that what goes wrong is a signal and never lost. */
    slot->state = KAFKA_RETRYING;
    if (kafka_topic_put(topic, slot) < 0) {
        kafka_slot_free(slot);
        return err_set(err, ERR_LIMIT, "%s [%d]: no room for this partition", wanted->topic,
                       (int)wanted->partition);
    }
    kafka->slots[kafka->slot_count++] = slot;
    kafka->by_number[wanted->slot] = slot;
    kafka->attention = true;
    return 0;
}

/* ---- what happens to a slot --------------------------------------------------------------------------- */

static void finish(struct kafka_slot *slot, const struct source_sink *sink)
{
    kafka_slot_stop(slot);
    kafka_stash_clear(slot);
    sink->signal(sink->context, slot->number, SIGNAL_FINISHED, "");
}

static void fail(struct kafka_slot *slot, const struct source_sink *sink, const char *detail)
{
    kafka_slot_stop(slot);
    kafka_stash_clear(slot);
    sink->signal(sink->context, slot->number, SIGNAL_FAILED, detail);
}

/* Reads again from `position` after a wait. What is in the stash stays. */
static void restart(struct kafka_source *kafka, struct kafka_slot *slot, int64_t position, int64_t wait_ms)
{
    kafka_slot_stop(slot);
    slot->state = KAFKA_RETRYING;
    slot->position = position;
    slot->arrived = position >= 0 ? position : OFFSET_UNKNOWN;
    slot->retry_at_ms = kafka->now_ms + wait_ms;
    slot->verify = false;
    kafka->attention = true;
}

static void say_skips(struct kafka_source *kafka, struct kafka_slot *slot, const struct source_sink *sink)
{
    char detail[DETAIL_BYTES];

    if (slot->skips == 1)
        (void)snprintf(detail, sizeof(detail),
                       "%s [%d]: no records at offsets %lld to %lld (compaction or transactions)",
                       slot->topic->name, (int)slot->partition, (long long)slot->skipped_from,
                       (long long)slot->skipped_to - 1);
    else
        (void)snprintf(
            detail, sizeof(detail),
            "%s [%d]: no records at %lld offsets between %lld and %lld, in %lld places (compaction or "
            "transactions)",
            slot->topic->name, (int)slot->partition, (long long)slot->skipped, (long long)slot->skipped_from,
            (long long)slot->skipped_to - 1, (long long)slot->skips);
    slot->skips = slot->skipped = 0;
    slot->skip_said_ms = kafka->now_ms;
    sink->signal(sink->context, slot->number, SIGNAL_GAP, detail);
}

/* Every transaction leaves a hole of one, so holes are gathered: the first is said at once, then one line a
 * minute. */
static void skipped(struct kafka_source *kafka, struct kafka_slot *slot, int64_t to,
                    const struct source_sink *sink)
{
    if (slot->skips == 0)
        slot->skipped_from = slot->next;
    slot->skips++;
    slot->skipped += to - slot->next;
    slot->skipped_to = to;
    if (slot->skip_said_ms == 0 || kafka->now_ms - slot->skip_said_ms >= SKIP_SAID_EVERY_MS)
        say_skips(kafka, slot, sink);
}

/* Goes on where the policy says, or fails. */
static void take_gap(struct kafka_source *kafka, struct kafka_slot *slot, int64_t from, const char *reason,
                     const struct source_sink *sink)
{
    char detail[DETAIL_BYTES];

    if (kafka->policy == OFFSET_GAP_HALT) {
        (void)snprintf(
            detail, sizeof(detail),
            "%s [%d] stops: offset %lld is not on the broker any more (%s): its records were deleted "
            "or the topic was made anew. `on_offset_gap: earliest` or `latest` goes on",
            slot->topic->name, (int)slot->partition, (long long)from, reason);
        fail(slot, sink, detail);
        return;
    }
    slot->reset_from = from;
    slot->needed = 0;
    slot->next = OFFSET_UNKNOWN;
    restart(kafka, slot, kafka->policy == OFFSET_GAP_EARLIEST ? OFFSET_BEGINNING : OFFSET_END, 0);
}

/* The log begins after what was only wanted. Is it still the log that had what is needed? False: no, and the
 * message at `offset` is none to use. */
static bool note_lenient(struct kafka_source *kafka, struct kafka_slot *slot, int64_t offset,
                         const struct source_sink *sink)
{
    int64_t from = slot->lenient_from;

    slot->lenient_from = OFFSET_UNKNOWN;
    if (offset >= from && offset <= slot->needed)
        return true;
    take_gap(kafka, slot, slot->needed, "the log begins elsewhere", sink);
    return false;
}

/* The partition stands at `offset` for the first time since it was (re)started there. False: it does not stay
 * there. */
static bool note_position(struct kafka_source *kafka, struct kafka_slot *slot, int64_t offset,
                          const struct source_sink *sink)
{
    slot->resets = 0;
    if (slot->lenient_from != OFFSET_UNKNOWN && !note_lenient(kafka, slot, offset, sink))
        return false;
    if (slot->reset_from != OFFSET_UNKNOWN) {
        char detail[DETAIL_BYTES];
        (void)snprintf(detail, sizeof(detail),
                       "%s [%d]: offset %lld is not on the broker any more, reading goes on at %lld "
                       "(on_offset_gap: %s)",
                       slot->topic->name, (int)slot->partition, (long long)slot->reset_from,
                       (long long)offset, kafka->policy == OFFSET_GAP_EARLIEST ? "earliest" : "latest");
        slot->reset_from = OFFSET_UNKNOWN;
        slot->next = offset;
        sink->signal(sink->context, slot->number, SIGNAL_RESET, detail);
    }
    return true;
}

/* ---- records ------------------------------------------------------------------------------------------ */

static enum source_verdict deliver(struct kafka_source *kafka, const struct kafka_slot *slot,
                                   const rd_kafka_message_t *message, const struct source_sink *sink)
{
    struct record record;
    kafka_record_of(&record, slot->topic->text, message, kafka->headers, kafka->headers_max);
    record.padded = kafka->padded;
    return sink->deliver(sink->context, slot->number, &record);
}

enum outcome { DROPPED, DELIVERED, HELD };

static enum outcome take_record(struct kafka_source *kafka, struct kafka_slot *slot,
                                const rd_kafka_message_t *message, const struct source_sink *sink)
{
    if (!note_position(kafka, slot, message->offset, sink))
        return DROPPED;
    if (message->offset >= slot->end_offset) {
        finish(slot, sink);
        return DROPPED;
    }
    if (slot->next != OFFSET_UNKNOWN && message->offset > slot->next)
        skipped(kafka, slot, message->offset, sink);
    slot->next = message->offset;
    if (deliver(kafka, slot, message, sink) == SOURCE_HOLD) {
        slot->held = true;
        return HELD;
    }
    slot->next = message->offset + 1;
    slot->at_end = false;
    if (slot->next >= slot->end_offset)
        finish(slot, sink);
    return DELIVERED;
}

/* A log that ends before what was read of it once was made anew, or its broker is not up to date yet. */
static bool ends_early(struct kafka_source *kafka, struct kafka_slot *slot, int64_t offset,
                       const struct source_sink *sink)
{
    if (offset >= slot->needed)
        return false;
    if (slot->early_ends++ < EARLY_ENDS_MAX)
        restart(kafka, slot, offset, RETRY_MS);
    else
        take_gap(kafka, slot, slot->needed, "the log ends before it", sink);
    return true;
}

static void take_end(struct kafka_source *kafka, struct kafka_slot *slot, const rd_kafka_message_t *message,
                     const struct source_sink *sink)
{
    if (!note_position(kafka, slot, message->offset, sink))
        return;
    if (slot->next == OFFSET_UNKNOWN)
        slot->next = message->offset;
    if (ends_early(kafka, slot, message->offset, sink))
        return;
    slot->at_end = true;
    if (message->offset >= slot->end_offset)
        finish(slot, sink);
    else
        sink->signal(sink->context, slot->number, SIGNAL_END, "");
}

/* The offset we stand at is not there. Asked once more before it counts: 2.0.2 also says so when a broker
 * hangs up at the wrong moment. */
static void take_reset(struct kafka_source *kafka, struct kafka_slot *slot, const char *reason,
                       const struct source_sink *sink)
{
    int64_t from = slot->next != OFFSET_UNKNOWN ? slot->next : slot->position;

    if (slot->resets++ == 0) {
        restart(kafka, slot, from, RETRY_MS);
        return;
    }
    if (from < 0 || slot->reset_from != OFFSET_UNKNOWN) { /* even "earliest" cannot be found out: trouble */
        int64_t wait_ms = (int64_t)RETRY_MS * slot->resets;
        kafka_handle_warn(kafka->handle, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
                          "a starting offset cannot be found out", reason);
        restart(kafka, slot, slot->position, wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
        return;
    }
    if (from < slot->needed && slot->next != OFFSET_UNKNOWN && slot->next == slot->position) {
        slot->lenient_from = from; /* nothing was read yet: what is gone may be only what was wanted */
        slot->next = OFFSET_UNKNOWN;
        restart(kafka, slot, OFFSET_BEGINNING, 0);
        return;
    }
    take_gap(kafka, slot, from > slot->needed ? from : slot->needed, reason, sink);
}

static void take_damage(struct kafka_source *kafka, struct kafka_slot *slot,
                        const rd_kafka_message_t *message, const char *reason, const struct source_sink *sink)
{
    char detail[DETAIL_BYTES];
    (void)kafka;
    (void)snprintf(detail, sizeof(detail),
                   "%s [%d]: records at offset %lld cannot be read and are skipped: %s", slot->topic->name,
                   (int)slot->partition, (long long)message->offset, reason);
    sink->signal(sink->context, slot->number, SIGNAL_GAP, detail);
}

/* Errors that another try does not mend. */
static bool gives_up(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

static void give_up(struct kafka_slot *slot, rd_kafka_resp_err_t code, const char *reason,
                    const struct source_sink *sink)
{
    char detail[DETAIL_BYTES];

    (void)snprintf(detail, sizeof(detail), "%s [%d] cannot be read: %s (%s)", slot->topic->name,
                   (int)slot->partition, reason, rd_kafka_err2name(code));
    fail(slot, sink, detail);
}

/*
 * What 2.0.2 learns from metadata about one partition it says to the error callback, not in the queue, and
 * names the partition only in words: "topic [7]: …".
 */
static bool on_error(void *context, rd_kafka_resp_err_t code, const char *reason)
{
    struct kafka_source *kafka = context;
    char head[REASON_BYTES];

    if (!gives_up(code))
        return false;
    for (uint32_t i = 0; i < kafka->slot_count; i++) {
        struct kafka_slot *slot = kafka->slots[i];
        int len = snprintf(head, sizeof(head), "%s [%d]: ", slot->topic->name, (int)slot->partition);
        if (slot->state != KAFKA_READING || strncmp(reason, head, (size_t)len) != 0)
            continue;
        slot->doomed = code;
        kafka->attention = true;
        return true;
    }
    return false;
}

static void take_error(struct kafka_source *kafka, struct kafka_slot *slot, const rd_kafka_message_t *message,
                       const struct source_sink *sink)
{
    char reason[REASON_BYTES];

    (void)kafka_handle_say(kafka->handle, rd_kafka_message_errstr(message), reason, sizeof(reason));
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        take_end(kafka, slot, message, sink);
        return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        take_reset(kafka, slot, reason, sink);
        return;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        take_damage(kafka, slot, message, reason, sink);
        return;
    default:
        if (gives_up(message->err)) {
            give_up(slot, message->err, reason, sink);
            return;
        }
        kafka_handle_warn(kafka->handle, message->err, "trouble with a partition, librdkafka keeps trying",
                          reason);
    }
}

static enum outcome take(struct kafka_source *kafka, struct kafka_slot *slot,
                         const rd_kafka_message_t *message, const struct source_sink *sink)
{
    if (LIKELY(message->err == RD_KAFKA_RESP_ERR_NO_ERROR))
        return take_record(kafka, slot, message, sink);
    take_error(kafka, slot, message, sink);
    return DROPPED;
}

/* ---- from the library to the slot ---------------------------------------------------------------------- */

/*
 * The shield against what 2.0.2 may hand over after a pause: an older message is dropped, and a jump right
 * after a resume is believed only when a second reading from the expected offset jumps too. False: drop it.
 */
static bool arrives_well(struct kafka_source *kafka, struct kafka_slot *slot,
                         const rd_kafka_message_t *message)
{
    bool is_record = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;

    if (!is_record && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return true;
    if (slot->arrived != OFFSET_UNKNOWN) {
        if (UNLIKELY(message->offset < slot->arrived))
            return false;
        if (UNLIKELY(message->offset > slot->arrived && slot->verify)) {
            restart(kafka, slot, slot->arrived, 0);
            return false;
        }
    }
    slot->verify = false;
    slot->arrived = message->offset + is_record;
    return true;
}

static void keep_back(struct kafka_source *kafka, struct kafka_slot *slot, rd_kafka_message_t *message)
{
    int64_t offset = message->offset;
    bool is_record = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;

    if (kafka_stash_push(slot, message) < 0) {
        if (is_record)
            restart(kafka, slot, offset, RETRY_MS);
        return;
    }
    if (slot->state == KAFKA_READING && !slot->paused &&
        (slot->stash_count >= STASH_MESSAGES || slot->stash_bytes >= STASH_BYTES)) {
        if (kafka_slot_pause(slot) < 0) /* the next message asks again */
            kafka_handle_warn(kafka->handle, RD_KAFKA_RESP_ERR__STATE, "a partition cannot be paused",
                              slot->topic->name);
    }
}

static uint32_t receive(struct kafka_source *kafka, rd_kafka_message_t *message,
                        const struct source_sink *sink)
{
    struct kafka_slot *slot = NULL;

    if (LIKELY(message->rkt != NULL))
        slot = kafka_topic_slot(rd_kafka_topic_opaque(message->rkt), message->partition);
    else
        kafka_handle_warn(kafka->handle, message->err, "broker trouble, librdkafka keeps trying", NULL);
    if (!slot || slot->state != KAFKA_READING || !arrives_well(kafka, slot, message)) {
        rd_kafka_message_destroy(message);
        return 0;
    }
    if (UNLIKELY(slot->held || slot->stash_count > 0)) {
        keep_back(kafka, slot, message);
        return 0;
    }
    enum outcome outcome = take(kafka, slot, message, sink);
    if (UNLIKELY(outcome == HELD))
        keep_back(kafka, slot, message);
    else
        kafka->batch[kafka->spent_count++] = message;
    return outcome == DELIVERED;
}

/* ---- slots that need something --------------------------------------------------------------------------
 */

static void start_if_due(struct kafka_source *kafka, struct kafka_slot *slot, const struct source_sink *sink)
{
    struct err err = {0};

    if (slot->state != KAFKA_RETRYING || slot->retry_at_ms > kafka->now_ms)
        return;
    if ((slot->next != OFFSET_UNKNOWN && slot->next >= slot->end_offset) || slot->end_offset <= 0) {
        finish(slot, sink);
        return;
    }
    /* The library asks for a logical offset at once, and again after 500 ms when it knows no leader yet. */
    if (slot->position < 0)
        kafka_topic_find_leaders(slot->topic, LEADER_WAIT_MS);
    if (kafka_slot_start(slot, kafka->queue, &err) < 0)
        fail(slot, sink, err.message);
}

static uint32_t drain_stash(struct kafka_source *kafka, struct kafka_slot *slot, uint32_t max_records,
                            const struct source_sink *sink)
{
    uint32_t delivered = 0;

    while (slot->stash_count > 0 && !slot->held && delivered < max_records) {
        rd_kafka_message_t *message = kafka_stash_first(slot);
        enum outcome outcome = take(kafka, slot, message, sink);
        if (outcome == HELD)
            break;
        if (slot->stash_count > 0) { /* else it finished or failed, and the stash is gone */
            kafka_stash_pop(slot);
            rd_kafka_message_destroy(message);
        }
        delivered += outcome == DELIVERED;
    }
    if (slot->stash_count == 0 && slot->paused && !slot->held && kafka_slot_resume(slot) == 0)
        slot->verify = true;
    return delivered;
}

/* Starts what is due and hands over what was kept back. */
static uint32_t attend(struct kafka_source *kafka, uint32_t max_records, const struct source_sink *sink)
{
    uint32_t delivered = 0;

    kafka->attention = false;
    for (uint32_t i = 0; i < kafka->slot_count; i++) {
        struct kafka_slot *slot = kafka->slots[i];
        if (slot->doomed != RD_KAFKA_RESP_ERR_NO_ERROR && slot->state != KAFKA_DONE)
            give_up(slot, slot->doomed, rd_kafka_err2str(slot->doomed), sink);
        start_if_due(kafka, slot, sink);
        if ((slot->stash_count > 0 || slot->paused) && !slot->held)
            delivered += drain_stash(kafka, slot, max_records - delivered, sink);
        kafka->attention |=
            slot->state == KAFKA_RETRYING || (!slot->held && (slot->stash_count > 0 || slot->paused));
    }
    return delivered;
}

/* ---- commits to the group -------------------------------------------------------------------------------
 */

static void warn_of_commit(struct kafka_source *kafka, rd_kafka_resp_err_t code)
{
    kafka_handle_warn(kafka->handle, code,
                      "offsets could not be committed to the group; driftd's own are safe", NULL);
}

static void on_committed(void *context, rd_kafka_resp_err_t code)
{
    struct kafka_source *kafka = context;
    if (!kafka_commit_answered(&kafka->commit, kafka->slots, kafka->slot_count, code))
        warn_of_commit(kafka, code);
}

static void commit(struct kafka_source *kafka)
{
    rd_kafka_resp_err_t code;
    if (!kafka_commit_send(&kafka->commit, kafka->slots, kafka->slot_count, &code))
        warn_of_commit(kafka, code);
}

static void kafka_durable(struct source *source, uint32_t number, int64_t next_offset)
{
    struct kafka_slot *slot = find_slot(self(source), number);
    if (slot)
        slot->durable = next_offset;
}

/* ---- the face ------------------------------------------------------------------------------------------ */

static void keep_house(struct kafka_source *kafka, const struct source_sink *sink)
{
    if (kafka->now_ms - kafka->housekeeping_ms < COMMIT_EVERY_MS)
        return;
    kafka->housekeeping_ms = kafka->now_ms;
    commit(kafka);
    for (uint32_t i = 0; i < kafka->slot_count; i++) {
        struct kafka_slot *slot = kafka->slots[i];
        if (slot->skips > 0 && kafka->now_ms - slot->skip_said_ms >= SKIP_SAID_EVERY_MS)
            say_skips(kafka, slot, sink);
    }
}

/* All at once: the fetching thread allocates from the heap that they go back to, and threads that take turns
 * at its lock message by message mostly wait. */
static void destroy_spent(struct kafka_source *kafka)
{
    for (uint32_t i = 0; i < kafka->spent_count; i++)
        rd_kafka_message_destroy(kafka->batch[i]);
    kafka->spent_count = 0;
}

static int fetch(struct kafka_source *kafka, int wait_ms, uint32_t max_records,
                 const struct source_sink *sink, struct err *err)
{
    size_t want = max_records < BATCH_MESSAGES ? max_records : BATCH_MESSAGES;
    ssize_t count = rd_kafka_consume_batch_queue(kafka->queue, wait_ms, kafka->batch, want);
    uint32_t delivered = 0;

    if (count < 0)
        return err_set(err, ERR_TEMPORARY, "the Kafka client cannot be read: %s",
                       rd_kafka_err2str(rd_kafka_last_error()));
    size_t bytes = 0;
    for (ssize_t i = 0; i < count; i++) {
        const rd_kafka_message_t *next = i + 1 < count ? kafka->batch[i + 1] : NULL;
        bytes += kafka->batch[i]->len;
        kafka->padded = kafka_record_is_padded(kafka->batch[i], next);
        if (next && !kafka->padded) /* else decoding fetches what is behind */
            kafka_record_prefetch(next);
        delivered += receive(kafka, kafka->batch[i], sink); /* overwrites what is before this one */
    }
    kafka->padded = false; /* what is kept back has no neighbour */
    destroy_spent(kafka);
    kafka_waker_took(kafka->waker, bytes);
    return (int)delivered;
}

static int kafka_poll(struct source *source, int timeout_ms, uint32_t max_records,
                      const struct source_sink *sink, struct err *err)
{
    struct kafka_source *kafka = self(source);
    uint32_t delivered = 0;

    kafka_handle_serve(kafka->handle, 0);
    if (kafka_handle_is_lost(kafka->handle, err))
        return ERR_TEMPORARY;
    refresh_now(kafka);
    keep_house(kafka, sink);
    int64_t deadline_ms = kafka->now_ms + timeout_ms;
    for (;;) {
        if (kafka->attention)
            delivered += attend(kafka, max_records - delivered, sink);
        if (delivered >= max_records)
            break;
        int64_t left_ms = delivered > 0 ? 0 : deadline_ms - kafka->now_ms;
        int wait_ms = left_ms <= 0 ? 0 : left_ms < WAIT_SLICE_MS ? (int)left_ms : WAIT_SLICE_MS;
        int got = fetch(kafka, wait_ms, max_records - delivered, sink, err);
        if (got < 0)
            return got;
        delivered += (uint32_t)got;
        refresh_now(kafka);
        if (delivered > 0 || kafka->now_ms >= deadline_ms)
            break;
    }
    return (int)delivered;
}

static void kafka_release(struct source *source, uint32_t number)
{
    struct kafka_source *kafka = self(source);
    struct kafka_slot *slot = find_slot(kafka, number);
    if (!slot || !slot->held)
        return;
    slot->held = false;
    kafka->attention = true;
}

static int64_t kafka_end_offset(struct source *source, uint32_t number)
{
    const struct kafka_slot *slot = find_slot(self(source), number);
    int64_t low = OFFSET_UNKNOWN, high = OFFSET_UNKNOWN;

    if (!slot)
        return -1;
    /* Transaction markers behind the last record are no lag: at the end, the end is where we are. */
    if (slot->at_end)
        return slot->next;
    if (rd_kafka_get_watermark_offsets(self(source)->rk, slot->topic->name, slot->partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return high >= 0 ? high : -1;
}

static void kafka_free(struct source *source)
{
    struct kafka_source *kafka = self(source);

    refresh_now(kafka);
    int64_t begin_ms = kafka->now_ms;
    if (kafka->handle && !kafka_handle_is_lost(kafka->handle, NULL))
        kafka_commit_last(&kafka->commit, kafka->handle, kafka->slots, kafka->slot_count, CLOSE_COMMIT_MS);
    for (uint32_t i = 0; i < kafka->slot_count; i++) {
        kafka_slot_stop(kafka->slots[i]);
        kafka_slot_free(kafka->slots[i]);
    }
    if (kafka->queue)
        rd_kafka_queue_destroy(kafka->queue);
    for (uint32_t i = 0; i < kafka->topic_count; i++)
        kafka_topic_free(kafka->topics[i]);
    refresh_now(kafka);
    int64_t left_ms = CLOSE_MS - (kafka->now_ms - begin_ms);
    kafka_handle_free(kafka->handle, left_ms > 0 ? (int)left_ms : 0);
    free(kafka->topics);
    free(kafka->slots);
    free(kafka->by_number);
    kafka_waker_free(kafka->waker);
    free(kafka);
}

static const struct source_ops kafka_ops = {
    .add = kafka_add,
    .poll = kafka_poll,
    .release = kafka_release,
    .durable = kafka_durable,
    .end_offset = kafka_end_offset,
    .free = kafka_free,
};

int kafka_source_new(struct source **out, const struct kafka_settings *settings, struct log *log,
                     struct err *err)
{
    struct kafka_source *kafka = calloc(1, sizeof(*kafka));

    if (!kafka)
        return err_set(err, ERR_NOMEM, "out of memory setting up Kafka");
    struct kafka_handle_calls calls = {.error = on_error, .committed = on_committed, .context = kafka};
    kafka->source.ops = &kafka_ops;
    kafka->policy = settings->on_offset_gap;
    kafka->headers_max = settings->without_headers ? 0 : HEADERS_MAX;
    int rc = kafka_handle_new(&kafka->handle, settings, KAFKA_CONSUMER, COMPONENT, &calls, log, err);
    if (rc < 0) {
        kafka_free(&kafka->source);
        return rc;
    }
    kafka->rk = kafka_handle_rk(kafka->handle);
    kafka_commit_init(&kafka->commit, kafka->rk, kafka_property(settings, "group.id"));
    kafka->queue = rd_kafka_queue_new(kafka->rk);
    kafka->waker = kafka_waker_new(kafka->rk, settings);
    if (!kafka->waker) {
        kafka_free(&kafka->source);
        return err_set(err, ERR_NOMEM, "out of memory setting up Kafka");
    }
    *out = &kafka->source;
    return 0;
}

int kafka_settings_check(const struct kafka_settings *settings, struct err *err)
{
    /* A handle is made and dropped, because certificates and SASL are only looked at then; with no broker to
     * talk to it stays silent. */
    struct kafka_property *offline = calloc((size_t)settings->property_count + 1, sizeof(*offline));
    struct kafka_settings copy = *settings;
    struct kafka_handle *handle = NULL;
    rd_kafka_conf_t *conf = NULL;
    char nowhere_name[] = "bootstrap.servers", nowhere[] = "127.0.0.1:1";

    if (!offline)
        return err_set(err, ERR_NOMEM, "out of memory checking the Kafka settings");
    int rc = kafka_conf_new(&conf, settings, KAFKA_CONSUMER, err);
    if (rc == 0) {
        rd_kafka_conf_destroy(conf);
        for (uint32_t i = 0; i < settings->property_count; i++)
            offline[i] = settings->properties[i];
        offline[settings->property_count] = (struct kafka_property){nowhere_name, nowhere};
        copy.properties = offline;
        copy.property_count++;
        rc = kafka_handle_new(&handle, &copy, KAFKA_CONSUMER, COMPONENT, NULL, NULL, err);
        kafka_handle_free(handle, CLOSE_MS);
    }
    free(offline);
    return rc;
}
