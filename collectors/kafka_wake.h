#ifndef DRIFTD_COLLECTORS_KAFKA_WAKE_H
#define DRIFTD_COLLECTORS_KAFKA_WAKE_H
/*
 * Before librdkafka 2.2.0 a broker's thread that found the prefetch queue full looks at it again only when
 * something wakes it or a second has passed: whenever driftd is slower than the broker, it then waits most of
 * the time (PERFORMANCE §3). To be told the credentials that it has already is the one public call that wakes
 * all of them and does nothing else. From 2.2.0 on fetch.queue.backoff.ms does it, and this does nothing.
 */
#include <librdkafka/rdkafka.h>

#include "collectors/kafka.h"

struct kafka_waker;
struct kafka_waker *kafka_waker_new(rd_kafka_t *rk, const struct kafka_settings *settings);
void kafka_waker_free(struct kafka_waker *waker);
/* So many bytes were taken out of the queue: wakes the fetchers now and then. */
void kafka_waker_took(struct kafka_waker *waker, size_t bytes);

#endif
