/*
 * Puts benchmark events into a topic, lz4, in large batches, partition by partition in turn.
 *
 *   tool_produce BROKERS TOPIC PARTITIONS COUNT [--live RATE] [--codec NAME] [event options of tool_events]
 *
 * Without --live as fast as it goes, event time as generated. With --live at RATE events a second, event time
 * is now. Prints events, bytes and seconds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "tests/bench/events.h"
#include "tests/bench/options.h"

struct delivery {
    uint64_t delivered, failed;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct delivery *delivery = opaque;
    (void)rk;
    *(message->err ? &delivery->failed : &delivery->delivered) += 1;
}

static double seconds_now(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static rd_kafka_t *open_producer(const char *brokers, const char *codec, bool live, struct delivery *delivery)
{
    const char *const properties[][2] = {
        {"bootstrap.servers", brokers},    {"compression.type", codec},
        {"linger.ms", live ? "5" : "200"}, {"batch.num.messages", "10000"},
        {"batch.size", "1000000"},         {"queue.buffering.max.messages", "200000"},
        {"message.max.bytes", "2000000"},  {"queue.buffering.max.kbytes", "200000"},
        {"enable.idempotence", "true"},    {"log_level", "3"}};
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
        if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], reason, sizeof(reason)) !=
            RD_KAFKA_CONF_OK) {
            (void)fprintf(stderr, "tool_produce: %s\n", reason);
            exit(1);
        }
    rd_kafka_conf_set_opaque(conf, delivery);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!rk) {
        (void)fprintf(stderr, "tool_produce: %s\n", reason);
        exit(1);
    }
    return rk;
}

/* Live: not before its time. */
static void wait_until(rd_kafka_t *rk, double at)
{
    for (double left; (left = at - seconds_now(CLOCK_MONOTONIC)) > 0;)
        (void)rd_kafka_poll(rk, left > 0.002 ? (int)(left * 1000) : 1);
}

static uint64_t produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partitions, uint64_t count,
                        double live_rate, struct event_options *options)
{
    struct event_stream stream;
    char bytes[EVENT_BYTES_MAX];
    uint64_t total = 0;
    if (live_rate > 0) {
        options->start_ms = (int64_t)(seconds_now(CLOCK_REALTIME) * 1000);
        options->rate_per_s = live_rate;
    }
    double start = seconds_now(CLOCK_MONOTONIC);
    events_begin(&stream, options);
    for (uint64_t i = 0; i < count; i++) {
        if (live_rate > 0 && i % 64 == 0)
            wait_until(rk, start + (double)i / live_rate);
        size_t len = events_next(&stream, bytes);
        int32_t partition = (int32_t)(i % (uint64_t)partitions);
        while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, bytes, len, NULL, 0, NULL) != 0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                (void)fprintf(stderr, "tool_produce: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
                exit(1);
            }
            (void)rd_kafka_poll(rk, 10);
        }
        total += len;
        if (i % 1000 == 0)
            (void)rd_kafka_poll(rk, 0);
    }
    return total;
}

int main(int argc, char **argv)
{
    struct bench_options options = {.codec = "lz4"};
    options.events = (struct event_options){.start_ms = INT64_C(1772323200000), .rate_per_s = 10000};
    if (bench_options_parse(argc, argv, &options) != 4) {
        (void)fputs("usage: tool_produce BROKERS TOPIC PARTITIONS COUNT [--live RATE] [--codec NAME] "
                    "[--style NAME] [--seed N] …\n",
                    stderr);
        return 2;
    }
    struct delivery delivery = {0, 0};
    rd_kafka_t *rk = open_producer(argv[optind], options.codec, options.live_rate > 0, &delivery);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[optind + 1], NULL);
    uint64_t count = strtoull(argv[optind + 3], NULL, 10);
    double start = seconds_now(CLOCK_MONOTONIC);
    uint64_t bytes =
        produce(rk, topic, (int32_t)atoi(argv[optind + 2]), count, options.live_rate, &options.events);
    (void)rd_kafka_flush(rk, 60000);
    (void)printf("{\"events\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f}\n",
                 delivery.delivered, delivery.failed, bytes, seconds_now(CLOCK_MONOTONIC) - start);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    return delivery.delivered == count ? 0 : 1;
}
