#include "collectors/kafka_handle.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/clock.h"

enum { WARN_CODES = 16, WARN_EVERY_MS = 30000, LINE_BYTES = 2048, REASON_BYTES = 512, SYSLOG_ERR = 3 };
enum { SYSLOG_WARNING = 4, SYSLOG_INFO = 6 };

/*
 * What the library's threads touch. It outlives the handle when a close is abandoned: two owners, the handle
 * and the closing thread; `log` becomes NULL when the handle's owner has gone.
 */
struct kafka_bridge {
    pthread_mutex_t mutex;
    pthread_cond_t closed;
    bool is_closed;
    int owners;
    enum kafka_role role;
    struct log *log;
    const char *component;
    struct kafka_secrets *secrets;
    rd_kafka_t *rk;              /* for the closing thread */
    struct kafka_handle *handle; /* NULL once it is being closed */
};

struct kafka_handle {
    struct kafka_bridge *bridge;
    rd_kafka_t *rk;
    struct kafka_handle_calls calls;
    bool lost;
    char lost_reason[REASON_BYTES];
    struct {
        rd_kafka_resp_err_t code;
        int64_t at_ms;
    } warned[WARN_CODES];
    uint32_t warned_next;
};

static void bridge_free(struct kafka_bridge *bridge)
{
    if (!bridge)
        return;
    kafka_secrets_free(bridge->secrets);
    (void)pthread_cond_destroy(&bridge->closed);
    (void)pthread_mutex_destroy(&bridge->mutex);
    free(bridge);
}

static struct kafka_bridge *bridge_new(const struct kafka_settings *settings, enum kafka_role role,
                                       const char *component, struct log *log)
{
    struct kafka_bridge *bridge = calloc(1, sizeof(*bridge));
    pthread_condattr_t attributes;

    if (!bridge)
        return NULL;
    bridge->owners = 1;
    bridge->role = role;
    bridge->component = component;
    bridge->log = log;
    bridge->secrets = kafka_secrets_new(settings);
    (void)pthread_mutex_init(&bridge->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&bridge->closed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (!bridge->secrets) {
        bridge_free(bridge);
        return NULL;
    }
    return bridge;
}

static enum log_level level_of(int syslog_level)
{
    if (syslog_level <= SYSLOG_ERR)
        return LOG_ERROR;
    if (syslog_level <= SYSLOG_WARNING)
        return LOG_WARNING;
    return syslog_level <= SYSLOG_INFO ? LOG_INFO : LOG_DEBUG;
}

/* On the library's threads. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct kafka_bridge *bridge = rd_kafka_opaque(rk);
    struct strbuf line;

    /* One set of properties serves consumers and producers; that each ignores the other's is intended. */
    if (strcmp(facility, "CONFWARN") == 0)
        return;
    strbuf_init(&line, LINE_BYTES);
    (void)pthread_mutex_lock(&bridge->mutex);
    if (bridge->log) {
        char head[LINE_BYTES / 4];
        (void)snprintf(head, sizeof(head), "%s", text);
        kafka_redact(bridge->secrets, head, &line);
        log_write(bridge->log, level_of(level), bridge->component, "librdkafka: %s: %s", facility,
                  line.bytes);
    }
    (void)pthread_mutex_unlock(&bridge->mutex);
    strbuf_release(&line);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_bridge *bridge = opaque;
    struct kafka_handle *handle = bridge->handle;
    char said[REASON_BYTES], fatal[REASON_BYTES];

    if (!handle)
        return;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        (void)rd_kafka_fatal_error(rk, fatal, sizeof(fatal));
        (void)kafka_handle_say(handle, fatal, handle->lost_reason, sizeof(handle->lost_reason));
        handle->lost = true;
        return;
    }
    (void)kafka_handle_say(handle, reason, said, sizeof(said));
    if (handle->calls.error && handle->calls.error(handle->calls.context, (rd_kafka_resp_err_t)code, said))
        return;
    kafka_handle_warn(handle, (rd_kafka_resp_err_t)code, "broker trouble, librdkafka keeps trying", said);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_handle *handle = ((struct kafka_bridge *)opaque)->handle;
    (void)rk;
    if (handle && handle->calls.delivered)
        handle->calls.delivered(handle->calls.context, message->err, message->_private);
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets,
                      void *opaque)
{
    struct kafka_handle *handle = ((struct kafka_bridge *)opaque)->handle;
    (void)rk;
    (void)offsets;
    if (handle && handle->calls.committed)
        handle->calls.committed(handle->calls.context, code);
}

static int handle_open(struct kafka_handle *handle, const struct kafka_settings *settings,
                       enum kafka_role role, struct err *err)
{
    struct kafka_bridge *bridge = handle->bridge;
    char reason[REASON_BYTES], said[REASON_BYTES];
    rd_kafka_conf_t *conf = NULL;
    int rc = kafka_conf_new(&conf, settings, role, err);

    if (rc < 0)
        return rc;
    rd_kafka_conf_set_opaque(conf, bridge);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    if (role == KAFKA_PRODUCER && handle->calls.delivered)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    if (role == KAFKA_CONSUMER && handle->calls.committed)
        rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    handle->rk = rd_kafka_new(role == KAFKA_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, reason,
                              sizeof(reason));
    if (!handle->rk) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, ERR_CONFIG, "kafka: the client cannot be set up: %s",
                       kafka_handle_say(handle, reason, said, sizeof(said)));
    }
    bridge->rk = handle->rk;
    return 0;
}

int kafka_handle_new(struct kafka_handle **out, const struct kafka_settings *settings, enum kafka_role role,
                     const char *component, const struct kafka_handle_calls *calls, struct log *log,
                     struct err *err)
{
    struct kafka_handle *handle = calloc(1, sizeof(*handle));

    if (handle)
        handle->bridge = bridge_new(settings, role, component, log);
    if (!handle || !handle->bridge) {
        free(handle);
        return err_set(err, ERR_NOMEM, "out of memory setting up Kafka");
    }
    handle->bridge->handle = handle;
    if (calls)
        handle->calls = *calls;
    int rc = handle_open(handle, settings, role, err);
    if (rc < 0) {
        bridge_free(handle->bridge);
        free(handle);
        return rc;
    }
    *out = handle;
    return 0;
}

static void *close_thread(void *context)
{
    struct kafka_bridge *bridge = context;

    rd_kafka_destroy_flags(bridge->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    (void)pthread_mutex_lock(&bridge->mutex);
    bridge->is_closed = true;
    bool last = --bridge->owners == 0;
    (void)pthread_cond_signal(&bridge->closed);
    (void)pthread_mutex_unlock(&bridge->mutex);
    if (last)
        bridge_free(bridge);
    return NULL;
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    return deadline;
}

/* Waits for the closing thread; true when the bridge is the caller's alone. */
static bool wait_closed(struct kafka_bridge *bridge, int timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms);
    int rc = 0;

    (void)pthread_mutex_lock(&bridge->mutex);
    while (!bridge->is_closed && rc == 0)
        rc = pthread_cond_timedwait(&bridge->closed, &bridge->mutex, &deadline);
    if (!bridge->is_closed)
        log_write(bridge->log, LOG_WARNING, bridge->component,
                  "the Kafka client did not close within %d ms and is left behind", timeout_ms);
    bridge->log = NULL;
    bool last = --bridge->owners == 0;
    (void)pthread_mutex_unlock(&bridge->mutex);
    return last;
}

void kafka_handle_free(struct kafka_handle *handle, int timeout_ms)
{
    pthread_t thread;

    if (!handle)
        return;
    struct kafka_bridge *bridge = handle->bridge;
    bridge->handle = NULL;
    bridge->owners = 2;
    if (pthread_create(&thread, NULL, close_thread, bridge) == 0)
        (void)pthread_detach(thread);
    else
        (void)close_thread(bridge);
    if (wait_closed(bridge, timeout_ms))
        bridge_free(bridge);
    free(handle);
}

rd_kafka_t *kafka_handle_rk(const struct kafka_handle *handle)
{
    return handle->rk;
}

void kafka_handle_serve(struct kafka_handle *handle, int timeout_ms)
{
    (void)rd_kafka_poll(handle->rk, timeout_ms);
}

bool kafka_handle_is_lost(const struct kafka_handle *handle, struct err *err)
{
    if (handle->lost)
        (void)err_set(err, ERR_TEMPORARY, "the Kafka client has failed for good and must be restarted: %s",
                      handle->lost_reason);
    return handle->lost;
}

char *kafka_handle_say(const struct kafka_handle *handle, const char *text, char *out, size_t size)
{
    struct strbuf said;

    strbuf_init(&said, LINE_BYTES);
    kafka_redact(handle->bridge->secrets, text ? text : "", &said);
    (void)snprintf(out, size, "%s", strbuf_failed(&said) ? "(too long to repeat)" : said.bytes);
    strbuf_release(&said);
    return out;
}

void kafka_handle_warn(struct kafka_handle *handle, rd_kafka_resp_err_t code, const char *what,
                       const char *reason)
{
    int64_t now_ms = clock_system.monotonic_ms(&clock_system);
    uint32_t at = 0;

    while (at < WARN_CODES && (handle->warned[at].at_ms == 0 || handle->warned[at].code != code))
        at++;
    if (at < WARN_CODES && now_ms - handle->warned[at].at_ms < WARN_EVERY_MS)
        return;
    if (at == WARN_CODES)
        at = handle->warned_next++ % WARN_CODES;
    handle->warned[at].code = code;
    handle->warned[at].at_ms = now_ms;
    log_write(handle->bridge->log, LOG_WARNING, handle->bridge->component, "%s: %s (%s)", what,
              reason && *reason ? reason : rd_kafka_err2str(code), rd_kafka_err2name(code));
}
