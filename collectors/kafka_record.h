#ifndef DRIFTD_COLLECTORS_KAFKA_RECORD_H
#define DRIFTD_COLLECTORS_KAFKA_RECORD_H
/* A message of the library as a record of ours. Internal to collectors/kafka*.c. */
#include <librdkafka/rdkafka.h>

#include "collectors/source.h"

/* Fills *out, which points into `message`, `topic` and `headers` (room for `headers_max`; the rest of the
 * message's headers is left out). */
void kafka_record_of(struct record *out, struct text topic, const rd_kafka_message_t *message,
                     struct record_header *headers, uint32_t headers_max);

/* Another thread has written the payload: fetches its start while the record before it is decoded. */
void kafka_record_prefetch(const rd_kafka_message_t *message);

/*
 * Whether the bytes behind the payload can be read (RECORD_PADDING of them), which saves copying it. They can
 * when the payload of a message that is alive too begins so close behind that no page lies between them: in a
 * batch as the library keeps it, the next record does. NULL: there is no next one. What the bytes are does
 * not matter.
 */
bool kafka_record_is_padded(const rd_kafka_message_t *message, const rd_kafka_message_t *next);

#endif
