#ifndef DRIFTD_COLLECTORS_KAFKA_H
#define DRIFTD_COLLECTORS_KAFKA_H
/*
 * Kafka as a source: partitions read one by one at our own offsets, no group membership (INTEGRATIONS §1,
 * PERFORMANCE §3). One consumer handle per worker. Only kafka*.c include rdkafka.h.
 *
 * SIGNAL_GAP: a reset (on_offset_gap) and unreadable records are said at once; offsets without records, as
 * compaction and every transaction leave them, are said the first time and then gathered to one a minute per
 * slot. source end_offset: at the end of a partition it is the next offset, so that transaction markers are
 * no lag. With a group.id, durable offsets are committed to it every 5 s and at the end. Records carry at
 * most 128 headers.
 */
#include "agent/base/log.h"
#include "collectors/source.h"

/* Properties as configured, verbatim librdkafka names; values of *password*, *secret*, *key*, *.pem are never
 * printed. */
struct kafka_property {
    char *name, *value;
};

enum offset_gap_policy { OFFSET_GAP_HALT, OFFSET_GAP_EARLIEST, OFFSET_GAP_LATEST };

struct kafka_settings {
    const struct kafka_property *properties;
    uint32_t property_count;
    const char *client_id;
    enum offset_gap_policy on_offset_gap;
    bool without_headers; /* nobody reads the records' headers: librdkafka 2.0.2 allocates to find that there
                             are none */
};

/* A consumer. `log` gets librdkafka's own lines and rate-limited warnings. Brokers need not be up. */
int kafka_source_new(struct source **out, const struct kafka_settings *settings, struct log *log,
                     struct err *err) MUST_USE;

/* Checks the properties without connecting; the message names the offending one. */
int kafka_settings_check(const struct kafka_settings *settings, struct err *err) MUST_USE;

/*
 * The administrator: a handle and a thread of its own for what blocks: the partitions of topics, start
 * offsets by timestamp, high watermarks, and producing dead letters.
 */
struct kafka_admin;

struct kafka_topic_partitions {
    const char *topic;
    int32_t partition_count; /* -1: not known (topic does not exist, no access); `error` says why */
    const char *error;
};

enum { KAFKA_START_EARLIEST, KAFKA_START_LATEST, KAFKA_START_TIMESTAMP };

struct kafka_admin_events {
    /* Called on the administrator's thread. Topics and partition counts whenever they are learned or have
     * changed (60 s poll or topic.metadata.refresh.interval.ms, 1 s with back-off to 10 s until all topics
     * are known). `connected` false with `error` when no broker answers. */
    void (*topology)(void *context, const struct kafka_topic_partitions *topics, uint32_t count);
    void (*connection)(void *context, bool connected, const char *error);
    void *context;
};

int kafka_admin_new(struct kafka_admin **out, const struct kafka_settings *settings,
                    const char *const *topics, uint32_t topic_count, const struct kafka_admin_events *events,
                    struct log *log, struct err *err) MUST_USE;
void kafka_admin_free(struct kafka_admin *admin);

/* From within events.topology: tell it again soon, something that was asked because of it failed. */
void kafka_admin_tell_again(struct kafka_admin *admin);

/* Blocking, for start-up and tools: low and high (LSO) offsets of one partition, within timeout_ms. */
int kafka_admin_offsets(struct kafka_admin *admin, const char *topic, int32_t partition, int timeout_ms,
                        int64_t *out_low, int64_t *out_high, struct err *err) MUST_USE;
/* The first offset at or after ts_ms; the end when there is none. */
int kafka_admin_offset_for_time(struct kafka_admin *admin, const char *topic, int32_t partition,
                                int64_t ts_ms, int timeout_ms, int64_t *out_offset, struct err *err) MUST_USE;

/* ERR_BUSY when the configured group.id has active members: an agent or another consumer reads in that group,
 * and our informational commits would disturb it. 0 without a group.id. */
int kafka_admin_group_is_free(struct kafka_admin *admin, int timeout_ms, struct err *err) MUST_USE;

/* Queues a dead letter (copies all): the original payload, key and headers, and driftd-reason, driftd-detail,
 * driftd-source. Any thread. ERR_BUSY when the queue is full. Delivery reports are counted. */
int kafka_admin_dead_letter(struct kafka_admin *admin, const char *topic, const struct record *record,
                            const char *reason, const char *detail) MUST_USE;
void kafka_admin_dead_letter_counts(const struct kafka_admin *admin, uint64_t *out_delivered,
                                    uint64_t *out_failed);

#endif
