#ifndef DRIFTD_COLLECTORS_KAFKA_HANDLE_H
#define DRIFTD_COLLECTORS_KAFKA_HANDLE_H
/*
 * A librdkafka handle with what every one of ours needs: its log lines in our log without secrets, its errors
 * said once and not a thousand times, and a close that ends within a bound even when the library's does not.
 * Internal to collectors/kafka*.c.
 */
#include "collectors/kafka_conf.h"

struct kafka_handle;

struct kafka_handle_calls {
    /* On the thread that serves the handle or its queues. `reason` has no secrets. True: dealt with, no
     * warning is logged. May be NULL. */
    bool (*error)(void *context, rd_kafka_resp_err_t code, const char *reason);
    void (*delivered)(void *context, rd_kafka_resp_err_t code, void *message_opaque);
    void (*committed)(void *context, rd_kafka_resp_err_t code);
    void *context;
};

/* `component` is a literal: the log's component. Does not wait for brokers. */
int kafka_handle_new(struct kafka_handle **out, const struct kafka_settings *settings, enum kafka_role role,
                     const char *component, const struct kafka_handle_calls *calls, struct log *log,
                     struct err *err) MUST_USE;
/* Everything taken from the handle must have been destroyed. Returns within timeout_ms; what the library has
 * not finished by then is left behind and the log says so. Call it by kafka_handle_free(handle, 3000). */
void kafka_handle_free(struct kafka_handle *handle, int timeout_ms);

rd_kafka_t *kafka_handle_rk(const struct kafka_handle *handle);
/* Runs the callbacks that are due. */
void kafka_handle_serve(struct kafka_handle *handle, int timeout_ms);
/* A fatal error: the handle is of no use any more. */
bool kafka_handle_is_lost(const struct kafka_handle *handle, struct err *err);
/* Text of the library for our messages, secrets removed, into the caller's buffer. Returns out. */
char *kafka_handle_say(const struct kafka_handle *handle, const char *text, char *out, size_t size);
/* A warning at most once in 30 s per `code`. */
void kafka_handle_warn(struct kafka_handle *handle, rd_kafka_resp_err_t code, const char *what,
                       const char *reason);

#endif
