#include "collectors/kafka_dead_letter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH_MS = 1000, SOURCE_BYTES = 320, DETAIL_MAX = 1024 };

struct kafka_dead_letters {
    const struct kafka_settings *settings;
    struct log *log;
    pthread_mutex_t mutex; /* guards the making of `handle` */
    _Atomic(struct kafka_handle *) handle;
    int refused; /* ERR_* when the handle could not be made: not tried again */
    atomic_uint_fast64_t delivered, failed;
};

struct kafka_dead_letters *kafka_dead_letters_new(const struct kafka_settings *settings, struct log *log)
{
    struct kafka_dead_letters *letters = calloc(1, sizeof(*letters));
    if (!letters)
        return NULL;
    letters->settings = settings;
    letters->log = log;
    (void)pthread_mutex_init(&letters->mutex, NULL);
    return letters;
}

void kafka_dead_letters_free(struct kafka_dead_letters *letters, int timeout_ms)
{
    if (!letters)
        return;
    struct kafka_handle *handle = atomic_load(&letters->handle);
    if (handle) {
        int flush_ms = timeout_ms < FLUSH_MS ? timeout_ms : FLUSH_MS;
        if (rd_kafka_flush(kafka_handle_rk(handle), flush_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
            log_write(letters->log, LOG_WARNING, "kafka", "%d dead letters were not delivered before the end",
                      rd_kafka_outq_len(kafka_handle_rk(handle)));
        (void)rd_kafka_purge(kafka_handle_rk(handle), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        kafka_handle_serve(handle, 0);
        kafka_handle_free(handle, timeout_ms - flush_ms);
    }
    (void)pthread_mutex_destroy(&letters->mutex);
    free(letters);
}

static void on_delivered(void *context, rd_kafka_resp_err_t code, void *message_opaque)
{
    struct kafka_dead_letters *letters = context;

    (void)message_opaque;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        atomic_fetch_add(&letters->delivered, 1);
        return;
    }
    atomic_fetch_add(&letters->failed, 1);
    kafka_handle_warn(atomic_load(&letters->handle), code, "a dead letter could not be delivered", NULL);
}

/* The handle, made when there is none yet; NULL when it cannot be made. */
static struct kafka_handle *get_handle(struct kafka_dead_letters *letters, int *out_code)
{
    struct kafka_handle_calls calls = {.delivered = on_delivered, .context = letters};
    struct kafka_handle *handle = atomic_load(&letters->handle);
    struct err err = {0};

    if (LIKELY(handle != NULL))
        return handle;
    (void)pthread_mutex_lock(&letters->mutex);
    handle = atomic_load(&letters->handle);
    if (!handle && letters->refused == 0) {
        letters->refused =
            kafka_handle_new(&handle, letters->settings, KAFKA_PRODUCER, "kafka", &calls, letters->log, &err);
        if (letters->refused == 0)
            atomic_store(&letters->handle, handle);
        else
            log_write(letters->log, LOG_ERROR, "kafka", "dead letters cannot be written: %s", err.message);
    }
    *out_code = letters->refused;
    (void)pthread_mutex_unlock(&letters->mutex);
    return handle;
}

static rd_kafka_headers_t *make_headers(const struct record *record, const char *reason, const char *detail)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count + 3);
    char source[SOURCE_BYTES];
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    (void)snprintf(source, sizeof(source), "%.*s [%d] offset %lld", (int)record->topic.len,
                   record->topic.ptr ? record->topic.ptr : "", (int)record->partition,
                   (long long)record->offset);
    for (uint32_t i = 0; i < record->header_count && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const struct record_header *header = &record->headers[i];
        code = rd_kafka_header_add(headers, header->name.ptr, (ssize_t)header->name.len, header->value.ptr,
                                   header->value.ptr ? (ssize_t)header->value.len : 0);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = rd_kafka_header_add(headers, "driftd-reason", -1, reason, -1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code =
            rd_kafka_header_add(headers, "driftd-detail", -1, detail, (ssize_t)strnlen(detail, DETAIL_MAX));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = rd_kafka_header_add(headers, "driftd-source", -1, source, -1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return headers;
    rd_kafka_headers_destroy(headers);
    return NULL;
}

static void *writable(const char *bytes)
{
    union {
        const char *in;
        void *out;
    } cast = {bytes}; /* the library copies: it only lacks a const */
    return cast.out;
}

int kafka_dead_letters_put(struct kafka_dead_letters *letters, const char *topic, const struct record *record,
                           const char *reason, const char *detail)
{
    int code = 0;
    struct kafka_handle *handle = get_handle(letters, &code);

    if (!handle)
        return code;
    rd_kafka_headers_t *headers = make_headers(record, reason ? reason : "", detail ? detail : "");
    if (!headers)
        return ERR_NOMEM;
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {writable(record->key.ptr), record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {writable(record->payload.ptr), record->payload.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(kafka_handle_rk(handle), parts, ARRAY_LEN(parts));
    rd_kafka_resp_err_t result = rd_kafka_error_code(error);
    if (error)
        rd_kafka_error_destroy(error);
    if (result == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    rd_kafka_headers_destroy(headers);
    if (result == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return ERR_BUSY;
    atomic_fetch_add(&letters->failed, 1);
    return result == RD_KAFKA_RESP_ERR__FATAL ? ERR_TEMPORARY : ERR_INVALID;
}

void kafka_dead_letters_serve(struct kafka_dead_letters *letters)
{
    struct kafka_handle *handle = atomic_load(&letters->handle);
    if (handle)
        kafka_handle_serve(handle, 0);
}

void kafka_dead_letters_counts(const struct kafka_dead_letters *letters, uint64_t *out_delivered,
                               uint64_t *out_failed)
{
    *out_delivered = atomic_load(&letters->delivered);
    *out_failed = atomic_load(&letters->failed);
}
