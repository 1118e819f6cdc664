#include "collectors/kafka_record.h"

enum {
    PREFETCH_BYTES = 1024,
    CACHE_LINE_BYTES = 64,
    HEAD_BYTES_MAX = 128 /* of a record: its key, mostly */
};

static uint32_t read_headers(const rd_kafka_message_t *message, struct record_header *out, uint32_t max)
{
    rd_kafka_headers_t *headers = NULL;
    uint32_t count = 0;

    if (max == 0 || rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    const char *name;
    const void *value;
    size_t len;
    while (count < max && rd_kafka_header_get_all(headers, count, &name, &value, &len) == 0) {
        out[count].name = text_of(name);
        out[count].value = (struct text){value, (uint32_t)len};
        count++;
    }
    return count;
}

void kafka_record_of(struct record *out, struct text topic, const rd_kafka_message_t *message,
                     struct record_header *headers, uint32_t headers_max)
{
    rd_kafka_timestamp_type_t type;
    int64_t ts_ms = rd_kafka_message_timestamp(message, &type);
    *out = (struct record){
        .payload = {message->payload, (uint32_t)message->len},
        .key = {message->key, (uint32_t)message->key_len},
        .topic = topic,
        .partition = message->partition,
        .offset = message->offset,
        .next_offset = message->offset + 1,
        .ts_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ts_ms < 0 ? INT64_MIN : ts_ms,
        .headers = headers,
        .header_count = read_headers(message, headers, headers_max),
    };
}

void kafka_record_prefetch(const rd_kafka_message_t *message)
{
    const char *payload = message->payload;
    for (size_t at = 0; at < message->len && at < PREFETCH_BYTES; at += CACHE_LINE_BYTES)
        __builtin_prefetch(payload + at);
}

bool kafka_record_is_padded(const rd_kafka_message_t *message, const rd_kafka_message_t *next)
{
    if (!next || !message->payload || !next->payload)
        return false;
    uintptr_t end = (uintptr_t)message->payload + message->len, behind = (uintptr_t)next->payload;
    return behind - end <= HEAD_BYTES_MAX && behind + next->len - end >= RECORD_PADDING;
}
