/*
 * A consumer that only counts: the same librdkafka, settings, queue, batch call and malloc options as
 * driftd's (collectors/kafka.c), and nothing done with a message but adding its length.
 *
 *   tool_count BROKERS TOPIC PARTITIONS [--seconds N]
 *
 * Reads every partition from its beginning to its end, or --seconds from the end on. Prints messages, bytes
 * and seconds from the first message to the last.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collectors/kafka_conf.h"

enum { BATCH_MESSAGES = 4096, WAIT_MS = 20 };

struct counter {
    uint64_t messages, bytes;
    int32_t ends;
    double first_s, last_s;
};

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static rd_kafka_t *open_consumer(char *brokers)
{
    char name[] = "bootstrap.servers";
    struct kafka_property property = {name, brokers};
    struct kafka_settings settings = {.properties = &property, .property_count = 1, .client_id = "bench"};
    rd_kafka_conf_t *conf;
    struct err err;
    char reason[256];
    if (kafka_conf_new(&conf, &settings, KAFKA_CONSUMER, &err) != 0) {
        (void)fprintf(stderr, "tool_count: %s\n", err.message);
        exit(1);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (!rk) {
        (void)fprintf(stderr, "tool_count: %s\n", reason);
        exit(1);
    }
    return rk;
}

static void count_batch(struct counter *counter, rd_kafka_message_t **batch, ssize_t count)
{
    for (ssize_t i = 0; i < count; i++) {
        if (!batch[i]->err) {
            counter->messages++;
            counter->bytes += batch[i]->len;
        } else if (batch[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            counter->ends++;
        } else {
            (void)fprintf(stderr, "tool_count: %s\n", rd_kafka_message_errstr(batch[i]));
            exit(1);
        }
        rd_kafka_message_destroy(batch[i]);
    }
}

static void run(rd_kafka_queue_t *queue, int32_t partitions, double seconds, struct counter *counter)
{
    static rd_kafka_message_t *batch[BATCH_MESSAGES];
    double until_s = seconds_now() + seconds;
    while (seconds > 0 ? seconds_now() < until_s : counter->ends < partitions) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, WAIT_MS, batch, BATCH_MESSAGES);
        if (count <= 0)
            continue;
        double now_s = seconds_now();
        if (counter->messages == 0)
            counter->first_s = now_s;
        count_batch(counter, batch, count);
        counter->last_s = now_s;
    }
}

int main(int argc, char **argv)
{
    double seconds = argc == 6 && strcmp(argv[4], "--seconds") == 0 ? strtod(argv[5], NULL) : 0;
    if (argc != 4 && seconds <= 0) {
        (void)fputs("usage: tool_count BROKERS TOPIC PARTITIONS [--seconds N]\n", stderr);
        return 2;
    }
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 8 << 20);
    rd_kafka_t *rk = open_consumer(argv[1]);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
    int32_t partitions = (int32_t)atoi(argv[3]);
    for (int32_t i = 0; i < partitions; i++)
        if (rd_kafka_consume_start_queue(
                topic, i, seconds > 0 ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING, queue) != 0)
            return 1;
    struct counter counter = {0, 0, 0, 0, 0};
    run(queue, partitions, seconds, &counter);
    (void)printf("{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.4f}\n", counter.messages,
                 counter.bytes, counter.last_s - counter.first_s);
    for (int32_t i = 0; i < partitions; i++)
        (void)rd_kafka_consume_stop(topic, i);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return 0;
}
