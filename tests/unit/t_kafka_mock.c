/* collectors/kafka*.c against librdkafka's in-process mock cluster: offsets, ends, holding, outages, errors.
 */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "collectors/kafka.h"

enum { PARTITIONS = 8, DEADLINE_MS = 20000 };

static const char topic_name[] = "events";

struct broker {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct kafka_property properties[4];
    struct kafka_settings settings;
};

/* What one slot got. Record payloads are their own offsets as text. */
struct slot_seen {
    int64_t first, next, records;
    int ends, finished, failed, gaps;
    int64_t held_at; /* -1: not held */
    char detail[1024];
};

struct receiver {
    struct slot_seen slots[2 * PARTITIONS];
    unsigned hold_every; /* 0: never */
    unsigned deliveries, holds;
    int wait_ms; /* of a poll; 0 means 10 */
    uint32_t seed;
};

static int64_t now_ms(void)
{
    return clock_system.monotonic_ms(&clock_system);
}

static enum source_verdict deliver(void *context, uint32_t slot, const struct record *record)
{
    struct receiver *receiver = context;
    struct slot_seen *seen = &receiver->slots[slot];
    char expected[32];

    (void)snprintf(expected, sizeof(expected), "%lld", (long long)record->offset);
    assert_int_equal(record->payload.len, strlen(expected));
    assert_memory_equal(record->payload.ptr, expected, strlen(expected));
    assert_int_equal(record->next_offset, record->offset + 1);
    assert_true(record->ts_ms > 0);
    if (seen->first >= 0)
        assert_int_equal(record->offset, seen->next); /* neither gap nor duplicate */
    if (seen->held_at >= 0) {
        assert_int_equal(record->offset, seen->held_at);
        seen->held_at = -1;
    } else if (receiver->hold_every && receiver->deliveries++ % receiver->hold_every == 0) {
        seen->held_at = record->offset;
        receiver->holds++;
        return SOURCE_HOLD;
    }
    if (seen->first < 0)
        seen->first = record->offset;
    seen->next = record->offset + 1;
    seen->records++;
    return SOURCE_TAKEN;
}

static void on_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail)
{
    struct slot_seen *seen = &((struct receiver *)context)->slots[slot];
    if (signal == SIGNAL_END)
        seen->ends++;
    else if (signal == SIGNAL_FINISHED)
        seen->finished++;
    else if (signal == SIGNAL_FAILED)
        seen->failed++;
    else
        seen->gaps++;
    if (*detail)
        (void)snprintf(seen->detail, sizeof(seen->detail), "%s", detail);
}

static struct receiver *receiver_new(void)
{
    struct receiver *receiver = calloc(1, sizeof(*receiver));
    assert_non_null(receiver);
    for (size_t i = 0; i < ARRAY_LEN(receiver->slots); i++)
        receiver->slots[i].first = receiver->slots[i].held_at = -1;
    receiver->seed = 1;
    return receiver;
}

static struct broker *broker_new(void)
{
    struct broker *broker = calloc(1, sizeof(*broker));
    char reason[256];

    assert_non_null(broker);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "3", reason, sizeof(reason)), RD_KAFKA_CONF_OK);
    broker->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    assert_non_null(broker->rk);
    broker->cluster = rd_kafka_mock_cluster_new(broker->rk, 1);
    assert_non_null(broker->cluster);
    assert_int_equal(rd_kafka_mock_topic_create(broker->cluster, topic_name, PARTITIONS, 1), 0);
    static char bootstrap[] = "bootstrap.servers", backoff[] = "reconnect.backoff.max.ms", some_ms[] = "200";
    broker->properties[0] =
        (struct kafka_property){bootstrap, strdup(rd_kafka_mock_cluster_bootstraps(broker->cluster))};
    broker->properties[1] = (struct kafka_property){backoff, some_ms};
    broker->settings = (struct kafka_settings){.properties = broker->properties,
                                               .property_count = 2,
                                               .client_id = "driftd-test",
                                               .on_offset_gap = OFFSET_GAP_HALT};
    return broker;
}

static void broker_free(struct broker *broker)
{
    rd_kafka_mock_cluster_destroy(broker->cluster);
    rd_kafka_destroy(broker->rk);
    free(broker->properties[0].value);
    free(broker);
}

/* Appends records whose payloads are their offsets. */
static void produce(struct broker *broker, int32_t partition, int64_t from, int64_t count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256], text[32];

    assert_int_equal(
        rd_kafka_conf_set(conf, "bootstrap.servers", broker->properties[0].value, reason, sizeof(reason)),
        RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "enable.idempotence", "true", reason, sizeof(reason)),
                     RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "batch.num.messages", "100", reason, sizeof(reason)),
                     RD_KAFKA_CONF_OK);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    assert_non_null(producer);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(producer, topic_name, NULL);
    assert_non_null(rkt);
    for (int64_t i = from; i < from + count; i++) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)i);
        rd_kafka_resp_err_t code;
        do {
            code = RD_KAFKA_RESP_ERR_NO_ERROR;
            if (rd_kafka_produce(rkt, partition, RD_KAFKA_MSG_F_COPY, text, strlen(text), NULL, 0, NULL) != 0)
                code = rd_kafka_last_error();
            if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
                (void)rd_kafka_poll(producer, 10);
        } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        assert_int_equal(code, 0);
    }
    assert_int_equal(rd_kafka_flush(producer, DEADLINE_MS), 0);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(producer);
}

static struct source *open_source(struct broker *broker)
{
    struct source *source = NULL;
    struct err err = {0};
    if (kafka_source_new(&source, &broker->settings, NULL, &err) < 0)
        fail_msg("%s", err.message);
    return source;
}

static void add(struct source *source, uint32_t slot, int32_t partition, int64_t offset, int64_t end_offset)
{
    struct source_slot wanted = {slot, topic_name, partition, offset, end_offset, 0, false};
    struct err err = {0};
    if (source_add(source, &wanted, &err) < 0)
        fail_msg("%s", err.message);
}

static void poll_once(struct source *source, struct receiver *receiver)
{
    struct source_sink sink = {deliver, on_signal, receiver};
    struct err err = {0};
    int got = source_poll(source, receiver->wait_ms ? receiver->wait_ms : 10, 1000, &sink, &err);
    if (got < 0)
        fail_msg("%s", err.message);
    for (uint32_t i = 0; i < ARRAY_LEN(receiver->slots); i++) {
        receiver->seed = receiver->seed * 1664525u + 1013904223u;
        if (receiver->slots[i].held_at >= 0 && receiver->seed >> 30 == 0)
            source_release(source, i);
    }
}

/* Polls until `field` of the slot reaches `wanted`. */
#define poll_until(source, receiver, condition)                                                              \
    do {                                                                                                     \
        int64_t deadline_ms = now_ms() + DEADLINE_MS;                                                        \
        while (!(condition)) {                                                                               \
            poll_once(source, receiver);                                                                     \
            if (now_ms() > deadline_ms)                                                                      \
                fail_msg("timed out waiting for %s", #condition);                                            \
        }                                                                                                    \
    } while (0)

static void test_offsets_and_ends(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    struct slot_seen *seen = receiver->slots;
    struct source *source = open_source(broker);

    produce(broker, 0, 0, 1000);
    add(source, 0, 0, 321, INT64_MAX);
    poll_until(source, receiver, seen[0].ends == 1);
    assert_int_equal(seen[0].first, 321);
    assert_int_equal(seen[0].next, 1000);
    assert_int_equal(source->ops->end_offset(source, 0), 1000);
    produce(broker, 0, 1000, 10);
    poll_until(source, receiver, seen[0].ends == 2);
    assert_int_equal(seen[0].next, 1010);
    /* Another partition later; the first goes on undisturbed. */
    produce(broker, 1, 0, 50);
    produce(broker, 0, 1010, 5);
    add(source, 1, 1, OFFSET_BEGINNING, INT64_MAX);
    add(source, 2, 2, OFFSET_BEGINNING, INT64_MAX);
    poll_until(source, receiver, seen[1].ends == 1 && seen[0].next == 1015 && seen[2].ends == 1);
    assert_int_equal(seen[1].records, 50);
    assert_int_equal(seen[2].records, 0);
    /* From the end: only what comes after. */
    add(source, 3, 3, OFFSET_END, INT64_MAX);
    poll_until(source, receiver, seen[3].ends == 1);
    produce(broker, 3, 0, 3);
    poll_until(source, receiver, seen[3].records == 3);
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen[i].gaps + seen[i].failed + seen[i].finished, 0);
    source_free(source);
    free(receiver);
}

static void test_until_end(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    struct slot_seen *seen = receiver->slots;
    struct source *source = open_source(broker);

    produce(broker, 0, 0, 100);
    add(source, 0, 0, 0, 60);               /* in the middle */
    add(source, 1, 1, 0, 0);                /* empty */
    add(source, 2, 2, OFFSET_BEGINNING, 0); /* empty, logical */
    poll_until(source, receiver, seen[0].finished && seen[1].finished && seen[2].finished);
    assert_int_equal(seen[0].records, 60);
    add(source, 3, 0, 60, 60); /* nothing left; and a partition may be read again after it finished */
    poll_until(source, receiver, seen[3].finished);
    assert_int_equal(seen[3].records, 0);
    add(source, 4, 0, 60, 100); /* up to the last record */
    poll_until(source, receiver, seen[4].finished);
    assert_int_equal(seen[4].records, 40);
    for (int i = 0; i < 20; i++)
        poll_once(source, receiver);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(seen[i].finished, 1);
        assert_int_equal(seen[i].failed + seen[i].gaps, 0);
    }
    source_free(source);
    free(receiver);
}

/* More than a thousand holds and releases over all partitions: each record once, in order (deliver checks).
 */
static void test_hold(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    struct source *source = open_source(broker);
    enum { EACH = 10000 };
    int32_t done = 0;

    for (int32_t i = 0; i < PARTITIONS; i++) {
        produce(broker, i, 0, EACH);
        add(source, (uint32_t)i, i, 0, EACH);
    }
    receiver->hold_every = 70;
    receiver->wait_ms = 1;
    while (done < PARTITIONS) {
        int64_t deadline_ms = now_ms() + 10000;
        int64_t before = receiver->slots[done].records;
        while (receiver->slots[done].records == before && !receiver->slots[done].finished) {
            poll_once(source, receiver);
            if (now_ms() > deadline_ms)
                fail_msg("slot %d stands still at %lld", (int)done, (long long)before);
        }
        done += receiver->slots[done].finished;
    }
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(receiver->slots[i].records, EACH);
        assert_int_equal(receiver->slots[i].gaps + receiver->slots[i].failed, 0);
    }
    assert_true(receiver->holds > 1000);
    source_free(source);
    free(receiver);
}

/* A partition held for long: the library pauses it, the others go on, nothing is lost or doubled. */
static void test_long_hold(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    struct slot_seen *seen = receiver->slots;
    struct source *source = open_source(broker);
    struct source_sink sink = {deliver, on_signal, receiver};

    produce(broker, 0, 0, 30000);
    produce(broker, 1, 0, 30000);
    add(source, 0, 0, 0, 30000);
    receiver->hold_every = 1;
    for (int64_t until_ms = now_ms() + DEADLINE_MS; seen[0].held_at < 0;) {
        assert_true(source_poll(source, 10, 1000, &sink, NULL) >= 0);
        assert_true(now_ms() < until_ms);
    }
    receiver->hold_every = 0;
    add(source, 1, 1, 0, 30000);
    for (int64_t until_ms = now_ms() + DEADLINE_MS; !seen[1].finished;) {
        assert_true(source_poll(source, 10, 1000, &sink, NULL) >= 0);
        assert_true(now_ms() < until_ms);
    }
    assert_int_equal(seen[0].records, 0);
    assert_int_equal(seen[0].held_at, 0);
    source_release(source, 0);
    poll_until(source, receiver, seen[0].finished);
    assert_int_equal(seen[0].records, 30000);
    assert_int_equal(seen[0].gaps + seen[1].gaps, 0);
    source_free(source);
    free(receiver);
}

static void test_outage(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    struct slot_seen *seen = receiver->slots;
    struct source *source = open_source(broker);

    produce(broker, 0, 0, 100);
    assert_int_equal(rd_kafka_mock_broker_set_down(broker->cluster, 1), 0);
    add(source, 0, 0, 0, INT64_MAX); /* down at the start */
    for (int64_t until_ms = now_ms() + 500; now_ms() < until_ms;)
        poll_once(source, receiver);
    assert_int_equal(seen[0].records, 0);
    assert_int_equal(rd_kafka_mock_broker_set_up(broker->cluster, 1), 0);
    poll_until(source, receiver, seen[0].ends == 1);
    assert_int_equal(rd_kafka_mock_broker_set_down(broker->cluster, 1), 0);
    int64_t begin_ms = now_ms(), polls = 0;
    for (; now_ms() < begin_ms + 1000; polls++)
        poll_once(source, receiver);
    assert_true(polls <= 110); /* each waits its 10 ms: no busy loop */
    assert_int_equal(rd_kafka_mock_broker_set_up(broker->cluster, 1), 0);
    produce(broker, 0, 100, 100);
    poll_until(source, receiver, seen[0].next == 200);
    assert_int_equal(seen[0].failed + seen[0].gaps, 0);
    source_free(source);
    free(receiver);
}

static int thread_count(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    (void)closedir(tasks);
    return count;
}

/* A commit that no coordinator takes must neither hold up the close nor leave a spinning thread behind. */
static void test_close_while_down(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    static char group[] = "group.id", name[] = "g";
    broker->properties[2] = (struct kafka_property){group, name};
    broker->settings.property_count = 3;
    int threads = thread_count();
    struct source *source = open_source(broker);

    produce(broker, 0, 0, 100);
    add(source, 0, 0, 0, INT64_MAX);
    poll_until(source, receiver, receiver->slots[0].ends == 1);
    assert_int_equal(rd_kafka_mock_broker_set_down(broker->cluster, 1), 0);
    source->ops->durable(source, 0, 50);
    int64_t begin_ms = now_ms();
    source_free(source);
    assert_true(now_ms() - begin_ms < 3500);
    /* The closing thread itself may still be on its way out; one that spins stays for longer. */
    for (begin_ms = now_ms(); thread_count() != threads && now_ms() - begin_ms < 2000;) {
        struct timespec pause = {0, 10000000};
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(thread_count(), threads);
    assert_int_equal(rd_kafka_mock_broker_set_up(broker->cluster, 1), 0);
    free(receiver);
}

static int64_t committed(struct broker *broker, const char *group)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256];
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", broker->properties[0].value, reason, sizeof(reason));
    (void)rd_kafka_conf_set(conf, "group.id", group, reason, sizeof(reason));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, topic_name, 0);
    assert_int_equal(rd_kafka_committed(rk, list, DEADLINE_MS), 0);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return offset;
}

static void test_group_commit(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    static char group[] = "group.id", name[] = "lag-tools";
    broker->properties[2] = (struct kafka_property){group, name};
    broker->settings.property_count = 3;
    struct source *source = open_source(broker);

    produce(broker, 0, 0, 100);
    add(source, 0, 0, 0, INT64_MAX);
    poll_until(source, receiver, receiver->slots[0].ends == 1);
    source->ops->durable(source, 0, 42);
    source_free(source);
    assert_int_equal(committed(broker, name), 42);
    free(receiver);
}

struct gap_case {
    enum offset_gap_policy policy;
    int64_t offset;
    int failed, gaps;
    int64_t first; /* of the records that then come, after 10 more were produced */
    const char *words;
};

static void test_offset_out_of_range(void **state)
{
    struct broker *broker = *state;
    static const struct gap_case cases[] = {
        {OFFSET_GAP_HALT, 5000, 1, 0, -1, "offset 5000 is not on the broker"},
        {OFFSET_GAP_EARLIEST, 5000, 0, 1, 0, "goes on at 0"},
        {OFFSET_GAP_LATEST, 5000, 0, 1, 100, "goes on at 100"},
    };

    produce(broker, 0, 0, 100);
    produce(broker, 1, 0, 100);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct gap_case *c = &cases[i];
        struct receiver *receiver = receiver_new();
        struct slot_seen *seen = receiver->slots;
        broker->settings.on_offset_gap = c->policy;
        struct source *source = open_source(broker);
        add(source, 0, 0, c->offset, INT64_MAX);
        add(source, 1, 1, 0, INT64_MAX);
        poll_until(source, receiver, seen[1].ends == 1 && seen[0].failed + seen[0].ends == 1);
        assert_int_equal(seen[1].records, 100); /* the other goes on */
        assert_int_equal(seen[0].failed, c->failed);
        assert_int_equal(seen[0].gaps, c->gaps);
        assert_int_equal(seen[0].first, c->first == 100 ? -1 : c->first);
        if (!strstr(seen[0].detail, c->words))
            fail_msg("`%s` lacks `%s`", seen[0].detail, c->words);
        source_free(source);
        free(receiver);
    }
}

/* A topic that is not there costs its own slot only. */
static void test_unknown_topic(void **state)
{
    struct broker *broker = *state;
    static char propagation[] = "topic.metadata.propagation.max.ms", short_ms[] = "500";
    struct receiver *receiver = receiver_new();
    struct slot_seen *seen = receiver->slots;
    struct source_slot bad = {0, "not-there", 0, 0, INT64_MAX, 0, false};

    broker->properties[2] = (struct kafka_property){propagation, short_ms};
    broker->settings.property_count = 3;
    produce(broker, 0, 0, 100);
    rd_kafka_mock_topic_set_error(broker->cluster, bad.topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct source *source = open_source(broker);
    assert_int_equal(source_add(source, &bad, NULL), 0);
    add(source, 1, 0, 0, INT64_MAX);
    poll_until(source, receiver, seen[0].failed && seen[1].ends);
    assert_int_equal(seen[0].failed, 1);
    assert_int_equal(seen[1].records, 100);
    assert_int_equal(seen[1].failed, 0);
    assert_non_null(strstr(seen[0].detail, bad.topic));
    source_free(source);
    free(receiver);
}

static void test_add_refused(void **state)
{
    struct broker *broker = *state;
    struct source *source = open_source(broker);
    struct source_slot twice = {1, topic_name, 1, 0, INT64_MAX, 0, false};

    add(source, 1, 0, 0, INT64_MAX);
    assert_int_equal(source_add(source, &twice, NULL), ERR_INVALID); /* the slot */
    twice.slot = 2;
    twice.partition = 0;
    assert_int_equal(source_add(source, &twice, NULL), ERR_INVALID); /* the partition */
    twice.partition = INT32_MAX;
    assert_int_equal(source_add(source, &twice, NULL), ERR_LIMIT);
    source_free(source);
}

/* ---- the administrator --------------------------------------------------------------------------------- */

struct world {
    pthread_mutex_t mutex;
    int connected, disconnected, topologies;
    int32_t counts[2];
    char error[256];
};

static void on_topology(void *context, const struct kafka_topic_partitions *topics, uint32_t count)
{
    struct world *world = context;
    (void)pthread_mutex_lock(&world->mutex);
    world->topologies++;
    for (uint32_t i = 0; i < count && i < ARRAY_LEN(world->counts); i++)
        world->counts[i] = topics[i].partition_count;
    (void)pthread_mutex_unlock(&world->mutex);
}

static void on_connection(void *context, bool connected, const char *error)
{
    struct world *world = context;
    (void)pthread_mutex_lock(&world->mutex);
    world->connected += connected;
    world->disconnected += !connected;
    if (!connected)
        (void)snprintf(world->error, sizeof(world->error), "%s", error);
    (void)pthread_mutex_unlock(&world->mutex);
}

/* Waits until `field` of the world is at least `wanted`. */
static void wait_for(struct world *world, const int *field, int wanted)
{
    int64_t deadline_ms = now_ms() + DEADLINE_MS;
    for (bool done = false; !done;) {
        struct timespec pause = {0, 10000000};
        (void)pthread_mutex_lock(&world->mutex);
        done = *field >= wanted;
        (void)pthread_mutex_unlock(&world->mutex);
        if (now_ms() > deadline_ms)
            fail_msg("timed out");
        (void)nanosleep(&pause, NULL);
    }
}

static struct kafka_admin *open_admin(struct broker *broker, struct world *world)
{
    static const char *const topics[] = {topic_name, "missing"};
    struct kafka_admin_events events = {on_topology, on_connection, world};
    struct kafka_admin *admin = NULL;
    struct err err = {0};
    if (kafka_admin_new(&admin, &broker->settings, topics, ARRAY_LEN(topics), &events, NULL, &err) < 0)
        fail_msg("%s", err.message);
    return admin;
}

static void test_admin_topology(void **state)
{
    struct broker *broker = *state;
    struct world world = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    int64_t low = -1, high = -1;

    rd_kafka_mock_topic_set_error(broker->cluster, "missing", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    assert_int_equal(rd_kafka_mock_broker_set_down(broker->cluster, 1), 0);
    struct kafka_admin *admin = open_admin(broker, &world);
    wait_for(&world, &world.disconnected, 1);
    assert_true(strlen(world.error) > 0);
    assert_int_equal(kafka_admin_offsets(admin, topic_name, 0, 300, &low, &high, NULL), ERR_TEMPORARY);
    assert_int_equal(rd_kafka_mock_broker_set_up(broker->cluster, 1), 0);
    wait_for(&world, &world.connected, 1);
    wait_for(&world, &world.topologies, 1);
    assert_int_equal(world.counts[0], PARTITIONS);
    assert_int_equal(world.counts[1], -1);
    rd_kafka_mock_topic_set_error(broker->cluster, "missing", RD_KAFKA_RESP_ERR_NO_ERROR);
    wait_for(&world, &world.topologies, 2); /* asked again soon, because one was missing */
    assert_true(world.counts[1] > 0);
    produce(broker, 2, 0, 77);
    assert_int_equal(kafka_admin_offsets(admin, topic_name, 2, 5000, &low, &high, NULL), 0);
    assert_int_equal(low, 0);
    assert_int_equal(high, 77);
    int64_t begin_ms = now_ms();
    kafka_admin_free(admin);
    assert_true(now_ms() - begin_ms < 3500);
}

static void test_dead_letters(void **state)
{
    struct broker *broker = *state;
    struct world world = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct kafka_admin *admin = open_admin(broker, &world);
    struct record record = {.payload = {"0", 1}, .topic = text_of("source"), .partition = 3, .offset = 9};
    struct record tombstone = {.key = text_of("k"), .topic = text_of("source")};
    uint64_t delivered = 0, failed = 0;

    kafka_admin_dead_letter_counts(admin, &delivered, &failed);
    assert_int_equal(delivered + failed, 0);
    assert_int_equal(kafka_admin_dead_letter(admin, topic_name, &record, "syntax", "bad \"byte\" 7"), 0);
    assert_int_equal(kafka_admin_dead_letter(admin, topic_name, &tombstone, "empty", ""), 0);
    for (int64_t until_ms = now_ms() + DEADLINE_MS; delivered < 2 && now_ms() < until_ms;)
        kafka_admin_dead_letter_counts(admin, &delivered, &failed);
    assert_int_equal(delivered, 2);
    assert_int_equal(failed, 0);
    /* Bounded: with the broker gone the queue fills up and says so. */
    assert_int_equal(rd_kafka_mock_broker_set_down(broker->cluster, 1), 0);
    int rc = 0;
    for (int i = 0; i < 20000 && rc == 0; i++)
        rc = kafka_admin_dead_letter(admin, topic_name, &record, "syntax", "");
    assert_int_equal(rc, ERR_BUSY);
    int64_t begin_ms = now_ms();
    kafka_admin_free(admin);
    assert_true(now_ms() - begin_ms < 3500);
    assert_int_equal(rd_kafka_mock_broker_set_up(broker->cluster, 1), 0);
}

/* Errors that a broker gives and takes back: reading goes on. */
static void test_injected_errors(void **state)
{
    struct broker *broker = *state;
    struct receiver *receiver = receiver_new();
    struct slot_seen *seen = receiver->slots;
    struct source *source = open_source(broker);
    enum { FETCH = 1 };

    produce(broker, 0, 0, 1000);
    rd_kafka_mock_push_request_errors(broker->cluster, FETCH, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR);
    add(source, 0, 0, 0, INT64_MAX);
    poll_until(source, receiver, seen[0].ends == 1);
    assert_int_equal(seen[0].records, 1000);
    produce(broker, 0, 1000, 1000);
    poll_until(source, receiver, seen[0].next == 2000);
    assert_int_equal(seen[0].failed + seen[0].gaps, 0);
    source_free(source);
    free(receiver);
}

static int setup(void **state)
{
    *state = broker_new();
    return 0;
}

static int teardown(void **state)
{
    broker_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_offsets_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_until_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_while_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offset_out_of_range, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_topic, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_admin_topology, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_injected_errors, setup, teardown),
    };
    return cmocka_run_group_tests_name("kafka_mock", tests, NULL, NULL);
}
