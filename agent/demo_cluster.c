#include "agent/demo_cluster.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>
#include <string.h>

struct demo_cluster {
    rd_kafka_t *producer;
    rd_kafka_mock_cluster_t *mock;
    char *topic;
};

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char message[256];
    if (rd_kafka_conf_set(conf, name, value, message, sizeof(message)) != RD_KAFKA_CONF_OK)
        return err_set(err, ERR_INVALID, "%s", message);
    return 0;
}

/* The mock keeps 5 MiB a partition and is slow with small batches: large ones, compressed. */
static int configure(rd_kafka_conf_t *conf, struct err *err)
{
    static const char *const settings[][2] = {
        {"compression.codec", "lz4"}, {"linger.ms", "50"}, {"batch.num.messages", "5000"},
        {"batch.size", "900000"},     {"log_level", "0"},  {"message.timeout.ms", "20000"}};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        int code = set(conf, settings[i][0], settings[i][1], err);
        if (code != 0)
            return code;
    }
    return 0;
}

static rd_kafka_t *new_handle(const char *brokers, struct err *err)
{
    char message[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int code = configure(conf, err);
    if (code == 0 && brokers)
        code = set(conf, "bootstrap.servers", brokers, err);
    rd_kafka_t *handle = code == 0 ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, message, sizeof(message)) : NULL;
    if (!handle) {
        rd_kafka_conf_destroy(conf);
        if (code == 0)
            err_set(err, ERR_IO, "cannot start a Kafka client: %s", message);
    }
    return handle;
}

int demo_cluster_new(struct demo_cluster **out, const char *topic, int partitions, struct err *err)
{
    struct demo_cluster *cluster = calloc(1, sizeof(*cluster));
    if (!cluster)
        return err_set(err, ERR_NOMEM, "no memory for the demo's Kafka");
    cluster->topic = strdup(topic);
    cluster->producer = new_handle(NULL, err);
    if (!cluster->topic || !cluster->producer) {
        demo_cluster_free(cluster);
        return ERR_IO;
    }
    cluster->mock = rd_kafka_mock_cluster_new(cluster->producer, 1);
    if (!cluster->mock ||
        rd_kafka_mock_topic_create(cluster->mock, topic, partitions, 1) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_brokers_add(cluster->producer, rd_kafka_mock_cluster_bootstraps(cluster->mock)) < 1) {
        demo_cluster_free(cluster);
        return err_set(err, ERR_IO, "cannot host a Kafka cluster in this process");
    }
    *out = cluster;
    return 0;
}

void demo_cluster_free(struct demo_cluster *cluster)
{
    if (!cluster)
        return;
    if (cluster->mock)
        rd_kafka_mock_cluster_destroy(cluster->mock);
    if (cluster->producer)
        rd_kafka_destroy(cluster->producer);
    free(cluster->topic);
    free(cluster);
}

const char *demo_cluster_brokers(const struct demo_cluster *cluster)
{
    return rd_kafka_mock_cluster_bootstraps(cluster->mock);
}

int demo_cluster_produce(struct demo_cluster *cluster, const char *key, const char *value, size_t len,
                         int64_t ts_ms, struct err *err)
{
    /* The library copies both; its fields are just not const. */
    rd_kafka_vu_t message[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = cluster->topic},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, strlen(key)}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = ts_ms},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
    };
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_produceva(cluster->producer, message, ARRAY_LEN(message));
        if (!error)
            return 0;
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return err_set(err, ERR_IO, "cannot produce: %s", rd_kafka_err2str(code));
        (void)rd_kafka_poll(cluster->producer, 50);
    }
}

int demo_cluster_flush(struct demo_cluster *cluster, int timeout_ms, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_flush(cluster->producer, timeout_ms);
    return code ? err_set(err, ERR_TEMPORARY, "the demo's Kafka did not take all events: %s",
                          rd_kafka_err2str(code))
                : 0;
}
