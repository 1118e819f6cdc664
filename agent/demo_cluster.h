#ifndef DRIFTD_AGENT_DEMO_CLUSTER_H
#define DRIFTD_AGENT_DEMO_CLUSTER_H
/* A Kafka to play with: librdkafka's mock cluster in this process, on loopback, and a producer that fills a
 * topic. For the demo and for tests. */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

struct demo_cluster;

int demo_cluster_new(struct demo_cluster **out, const char *topic, int partitions, struct err *err) MUST_USE;
void demo_cluster_free(struct demo_cluster *cluster);
/* "127.0.0.1:port" */
const char *demo_cluster_brokers(const struct demo_cluster *cluster);
/* Copies; waits while the producer's queue is full. */
int demo_cluster_produce(struct demo_cluster *cluster, const char *key, const char *value, size_t len,
                         int64_t ts_ms, struct err *err) MUST_USE;
/* Waits until everything is stored. */
int demo_cluster_flush(struct demo_cluster *cluster, int timeout_ms, struct err *err) MUST_USE;

#endif
