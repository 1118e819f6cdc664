#ifndef DRIFTD_ALERTING_WEBHOOK_H
#define DRIFTD_ALERTING_WEBHOOK_H
/*
 * Delivery of outbox items: libcurl's multi interface on the caller's libevent base, Standard Webhooks
 * signatures, the retry schedule of INTEGRATIONS §4.2, one request in flight per (sink, entity) and at most
 * `sink_concurrency` per sink, order kept per (sink, entity). Loop thread only. At least once; the caller
 * persists each outcome.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/log.h"

struct event_base;

struct sink_spec {
    char *name;
    char *url;
    char **secrets; /* whsec_…, NULL-terminated; the first signs, all sign during rotation; NULL: unsigned */
    char **headers;     /* "Name: value", NULL-terminated */
    bool allow_http;    /* default: https only */
    bool allow_private; /* default: no loopback, link-local, private addresses */
    bool insecure_tls;  /* shouts in the log */
    char *ca_file;      /* or NULL */
    int64_t timeout_ms; /* 15,000 */
    int64_t ttl_ms;     /* 24 h: after that the item is dead */
};

enum delivery_state { DELIVERY_PENDING, DELIVERY_DELIVERED, DELIVERY_DEAD };

struct delivery_outcome {
    const char *id;
    const char *sink;
    enum delivery_state state; /* PENDING: will be tried again at next_ms */
    int64_t next_ms;           /* wall clock */
    uint32_t attempts;
    int32_t status;    /* HTTP status, 0 when there was none */
    const char *error; /* for people; NULL when delivered */
};

struct webhook_settings {
    const struct sink_spec *sinks;
    uint32_t sink_count;
    uint32_t sink_concurrency; /* 0: 4 */
    uint32_t
        queue_max; /* items kept in memory, 0: 10,000; more are left to webhook_submit's caller (ERR_BUSY) */
    void (*outcome)(void *context, const struct delivery_outcome *outcome);
    void *context;
    const struct clock *clock;
    struct log *log;
    double delay_scale; /* tests: all waiting times between attempts times this; 0: 1 */
};

struct webhook;
int webhook_new(struct webhook **out, struct event_base *base, const struct webhook_settings *settings,
                struct err *err) MUST_USE;
/* Aborts what is in flight without an outcome: it will be sent again after a restart, with the same id. */
void webhook_free(struct webhook *webhook);

/* Copies the item. `created_ms` and `attempts` come from the store; `not_before_ms` 0: at once. */
int webhook_submit(struct webhook *webhook, const char *id, const char *sink, const char *entity_key,
                   const char *body, size_t body_len, int64_t created_ms, int64_t not_before_ms,
                   uint32_t attempts) MUST_USE;
/* Items not yet delivered or dead. */
uint32_t webhook_pending(const struct webhook *webhook);

/* Standard Webhooks: "v1,<base64>" for each secret, space-separated, over id.timestamp.body. `out` holds 96
 * bytes per secret. */
int webhook_sign(const char *const *secrets, const char *id, int64_t timestamp_s, const char *body,
                 size_t body_len, char *out, size_t out_size) MUST_USE;
/* True when one of the space-separated signatures matches (constant time). */
bool webhook_verify(const char *secret, const char *id, const char *timestamp, const char *signatures,
                    const char *body, size_t body_len);

/* Delay before attempt number `attempt` (0 is the first): 0, 5 s, 30 s, 2 m, 10 m, 30 m, 2 h, 6 h ± 20 % by
 * `random` in [0,1). −1: give up. */
int64_t backoff_delay_ms(uint32_t attempt, double random);

#endif
