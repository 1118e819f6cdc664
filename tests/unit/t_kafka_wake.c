/*
 * A small prefetch queue that overflows with every fetch: without being woken, librdkafka 2.0.2 pauses for up
 * to a second after each, some 8 s in all.
 */
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
#include "collectors/kafka.h"
#include "collectors/kafka_wake.h"

enum { PARTITIONS = 8, RECORDS = 2000, RECORD_BYTES = 1000, DEADLINE_MS = 4000, GIVE_UP_MS = 30000 };

static const char topic_name[] = "events";

static int64_t now_ms(void)
{
    return clock_system.monotonic_ms(&clock_system);
}

static rd_kafka_t *new_producer(rd_kafka_mock_cluster_t **out)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", reason, sizeof(reason)), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "3", reason, sizeof(reason)), 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    assert_non_null(rk);
    *out = rd_kafka_handle_mock_cluster(rk);
    assert_non_null(*out);
    assert_int_equal(rd_kafka_mock_topic_create(*out, topic_name, PARTITIONS, 1), 0);
    return rk;
}

static void produce(rd_kafka_t *rk)
{
    static char bytes[RECORD_BYTES];
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, NULL);
    for (int i = 0; i < RECORDS * PARTITIONS; i++)
        assert_int_equal(
            rd_kafka_produce(topic, i % PARTITIONS, RD_KAFKA_MSG_F_COPY, bytes, sizeof(bytes), NULL, 0, NULL),
            0);
    assert_int_equal(rd_kafka_flush(rk, GIVE_UP_MS), 0);
    rd_kafka_topic_destroy(topic);
}

struct seen {
    int records, finished;
};

/* Slower than the broker: 20 µs a record, 0.3 s in all. */
static void work(void)
{
    struct timespec begin, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 20000);
}

static enum source_verdict deliver(void *context, uint32_t slot, const struct record *record)
{
    struct seen *seen = context;
    (void)slot;
    work();
    assert_int_equal(record->payload.len, RECORD_BYTES);
    seen->records++;
    return SOURCE_TAKEN;
}

static void take_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail)
{
    struct seen *seen = context;
    (void)slot;
    if (signal == SIGNAL_FAILED)
        fail_msg("%s", detail);
    seen->finished += signal == SIGNAL_FINISHED;
}

static int64_t read_all(struct source *source, struct seen *seen)
{
    const struct source_sink sink = {deliver, take_signal, seen};
    struct err err;
    int64_t begin_ms = 0, give_up_ms = now_ms() + GIVE_UP_MS;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        const struct source_slot slot = {.slot = (uint32_t)i,
                                         .topic = topic_name,
                                         .partition = i,
                                         .offset = OFFSET_BEGINNING,
                                         .end_offset = RECORDS};
        assert_int_equal(source_add(source, &slot, &err), 0);
    }
    while (seen->finished < PARTITIONS && now_ms() < give_up_ms) {
        assert_true(source_poll(source, 20, 4096, &sink, &err) >= 0);
        if (begin_ms == 0 && seen->records > 0)
            begin_ms = now_ms(); /* connecting does not count */
    }
    return now_ms() - begin_ms;
}

static void a_full_queue_is_looked_at_again(void **state)
{
    static char names[][32] = {"bootstrap.servers", "queued.max.messages.kbytes", "fetch.max.bytes",
                               "message.max.bytes"};
    static char one_mb[] = "1024", fetch[] = "1000000", client[] = "driftd-test";
    rd_kafka_mock_cluster_t *cluster;
    struct source *source;
    struct err err;
    (void)state;
    rd_kafka_t *rk = new_producer(&cluster);
    produce(rk);
    char *brokers = strdup(rd_kafka_mock_cluster_bootstraps(cluster));
    struct kafka_property properties[] = {
        {names[0], brokers}, {names[1], one_mb}, {names[2], fetch}, {names[3], fetch}};
    const struct kafka_settings settings = {
        .properties = properties, .property_count = 4, .client_id = client, .without_headers = true};
    assert_int_equal(kafka_source_new(&source, &settings, NULL, &err), 0);
    struct seen seen = {0, 0};
    int64_t took_ms = read_all(source, &seen);
    assert_int_equal(seen.records, RECORDS * PARTITIONS);
    if (took_ms > DEADLINE_MS)
        fail_msg("reading took %lld ms", (long long)took_ms);
    source_free(source);
    free(brokers);
    rd_kafka_destroy(rk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_full_queue_is_looked_at_again)};
    return cmocka_run_group_tests_name("kafka_wake", tests, NULL, NULL);
}
