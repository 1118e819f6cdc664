#ifndef DRIFTD_TESTS_WEBHOOK_FIXTURE_H
#define DRIFTD_TESTS_WEBHOOK_FIXTURE_H
/*
 * A local receiver that misbehaves as it is told, and a sender. Waiting times are scaled down (delay_scale),
 * everything else is real: sockets, curl, the event loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "agent/base/compiler.h"
#include "alerting/webhook.h"

enum { SCRIPT_MAX = 16, SEEN_MAX = 64, RUN_MAX_MS = 8000 };

enum misbehaviour { /* or an HTTP status */
                    HANG = 1,
                    ENDLESS_BODY, /* 200, then bytes without end */
                    ENDLESS_ERROR,
                    DRIP, /* 200, then nothing more of the promised body */
};

struct seen {
    char id[80], timestamp[24], signature[256], key[80], content_type[64], agent[64], extra[64], encoding[64],
        body[64];
    int64_t at_ms;
};

struct fixture {
    struct event_base *base;
    struct evhttp *http;
    uint16_t port;
    int script[SCRIPT_MAX]; /* what to answer, in order; then 200 */
    const char *retry_after;
    const char *location;
    int requests;
    struct seen seen[SEEN_MAX];
    struct event *drip;
    struct evhttp_request *dripping;

    struct webhook *webhook;
    struct delivery_outcome outcomes[SEEN_MAX];
    char outcome_ids[SEEN_MAX][80];
    char errors[SEEN_MAX][600];
    int outcome_count, finished, wanted;
    int64_t wall_offset_ms;
    struct clock clock;
    int log_fd;
    struct log *log;
};

static inline int64_t fixture_wall_ms(const struct clock *clock)
{
    return clock_system.wall_ms(&clock_system) + ((const struct fixture *)clock->context)->wall_offset_ms;
}

static inline int64_t fixture_monotonic_ms(const struct clock *clock)
{
    (void)clock;
    return clock_system.monotonic_ms(&clock_system);
}

/* ---- the receiver ---- */

static inline void copy_header(struct evhttp_request *request, const char *name, char *out, size_t size)
{
    const char *value = evhttp_find_header(evhttp_request_get_input_headers(request), name);
    (void)snprintf(out, size, "%s", value ? value : "");
}

static inline void on_drip(evutil_socket_t fd, short what, void *context)
{
    struct fixture *f = context;
    static const char zeros[16384];
    (void)fd;
    (void)what;
    if (!f->dripping)
        return;
    struct evbuffer *chunk = evbuffer_new();
    assert_non_null(chunk);
    assert_int_equal(evbuffer_add(chunk, zeros, sizeof(zeros)), 0);
    evhttp_send_reply_chunk(f->dripping, chunk);
    evbuffer_free(chunk);
    const struct timeval soon = {0, 1000};
    (void)event_add(f->drip, &soon);
}

static inline void on_closed(struct evhttp_connection *connection, void *context)
{
    struct fixture *f = context;
    (void)connection;
    /* The receiver lost the connection first and let go of the request; at the end of a test it is still its
     * own. */
    if (f->dripping && !evhttp_request_get_connection(f->dripping))
        evhttp_send_reply_end(f->dripping); /* only frees it */
    f->dripping = NULL;
}

static inline void begin_endless(struct fixture *f, struct evhttp_request *request, int status)
{
    evhttp_send_reply_start(request, status, "x");
    f->dripping = request;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, f);
    on_drip(-1, 0, f);
}

static inline void on_request(struct evhttp_request *request, void *context)
{
    struct fixture *f = context;
    assert_true(f->requests < SEEN_MAX);
    int n = f->requests++;
    struct seen *seen = &f->seen[n];
    copy_header(request, "webhook-id", seen->id, sizeof(seen->id));
    copy_header(request, "webhook-timestamp", seen->timestamp, sizeof(seen->timestamp));
    copy_header(request, "webhook-signature", seen->signature, sizeof(seen->signature));
    copy_header(request, "Idempotency-Key", seen->key, sizeof(seen->key));
    copy_header(request, "Content-Type", seen->content_type, sizeof(seen->content_type));
    copy_header(request, "User-Agent", seen->agent, sizeof(seen->agent));
    copy_header(request, "Authorization", seen->extra, sizeof(seen->extra));
    copy_header(request, "Accept-Encoding", seen->encoding, sizeof(seen->encoding));
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    ev_ssize_t len = evbuffer_copyout(body, seen->body, sizeof(seen->body) - 1);
    seen->body[len > 0 ? len : 0] = '\0';
    seen->at_ms = clock_system.monotonic_ms(&clock_system);
    int answer = n < SCRIPT_MAX && f->script[n] ? f->script[n] : 200;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    switch (answer) {
    case HANG:
        return;
    case ENDLESS_BODY:
    case ENDLESS_ERROR:
        begin_endless(f, request, answer == ENDLESS_BODY ? 200 : 500);
        return;
    case DRIP:
        assert_int_equal(evhttp_add_header(headers, "Content-Length", "1000"), 0);
        evhttp_send_reply_start(request, 200, "x");
        return;
    default:
        break;
    }
    if (f->retry_after && answer >= 400)
        assert_int_equal(evhttp_add_header(headers, "Retry-After", f->retry_after), 0);
    if (f->location)
        assert_int_equal(evhttp_add_header(headers, "Location", f->location), 0);
    evhttp_send_reply(request, answer, "x", NULL);
}

/* ---- the sender ---- */

static inline void on_outcome(void *context, const struct delivery_outcome *outcome)
{
    struct fixture *f = context;
    assert_true(f->outcome_count < SEEN_MAX);
    int n = f->outcome_count++;
    f->outcomes[n] = *outcome;
    (void)snprintf(f->outcome_ids[n], sizeof(f->outcome_ids[n]), "%s", outcome->id);
    (void)snprintf(f->errors[n], sizeof(f->errors[n]), "%s", outcome->error ? outcome->error : "");
    assert_int_equal(outcome->error == NULL, outcome->state == DELIVERY_DELIVERED);
    if (outcome->state != DELIVERY_PENDING && ++f->finished >= f->wanted)
        (void)event_base_loopbreak(f->base);
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char name[] = "/tmp/driftd-webhook-XXXXXX";
    assert_non_null(f);
    f->base = event_base_new();
    f->http = evhttp_new(f->base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(f->http, "127.0.0.1", 0);
    assert_non_null(bound);
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&in, &len), 0);
    f->port = ntohs(in.sin_port);
    evhttp_set_gencb(f->http, on_request, f);
    f->drip = evtimer_new(f->base, on_drip, f);
    f->clock = (struct clock){fixture_wall_ms, fixture_monotonic_ms, f};
    f->log_fd = mkstemp(name);
    assert_true(f->log_fd >= 0);
    assert_int_equal(unlink(name), 0);
    f->log = log_new(f->log_fd, LOG_DEBUG, LOG_FORMAT_LOGFMT);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    webhook_free(f->webhook);
    f->dripping = NULL;
    event_free(f->drip);
    evhttp_free(f->http);
    event_base_free(f->base);
    log_free(f->log);
    (void)close(f->log_fd);
    free(f);
    return 0;
}

static char NAME[] = "pager", SECRET[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            OTHER[] = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", BEARER[] = "Authorization: Bearer t0ken";
static char *SECRETS[] = {SECRET, OTHER, NULL}, *HEADERS[] = {BEARER, NULL};

static inline struct sink_spec sink_of(const struct fixture *f, char *url, size_t size)
{
    (void)snprintf(url, size, "http://127.0.0.1:%d/hooks/s3cr3t?t=k3y", f->port);
    return (struct sink_spec){.name = NAME,
                              .url = url,
                              .secrets = SECRETS,
                              .headers = HEADERS,
                              .allow_http = true,
                              .allow_private = true,
                              .timeout_ms = 400};
}

static inline void start(struct fixture *f, const struct sink_spec *sinks, uint32_t count, double delay_scale)
{
    struct err err = {0};
    const struct webhook_settings settings = {.sinks = sinks,
                                              .sink_count = count,
                                              .outcome = on_outcome,
                                              .context = f,
                                              .clock = &f->clock,
                                              .log = f->log,
                                              .delay_scale = delay_scale};
    if (webhook_new(&f->webhook, f->base, &settings, &err))
        fail_msg("%s", err.message);
}

static inline void submit_to(struct fixture *f, const char *sink, const char *id, const char *entity)
{
    assert_int_equal(
        webhook_submit(f->webhook, id, sink, entity, "{\"a\":1}", 7, fixture_wall_ms(&f->clock), 0, 0), 0);
}

static inline void run(struct fixture *f, int wanted)
{
    f->wanted = wanted;
    if (f->finished >= wanted)
        return;
    const struct timeval limit = {RUN_MAX_MS / 1000, 0};
    assert_int_equal(event_base_loopexit(f->base, &limit), 0);
    assert_true(event_base_dispatch(f->base) >= 0);
    if (f->finished < wanted)
        fail_msg("%d of %d items finished, %d requests", f->finished, wanted, f->requests);
}

/* Turns the loop for a while. */
static inline void idle(struct fixture *f, int ms)
{
    const struct timeval limit = {ms / 1000, ms % 1000 * 1000};
    assert_int_equal(event_base_loopexit(f->base, &limit), 0);
    assert_true(event_base_dispatch(f->base) >= 0);
}

static inline void assert_log_keeps_secrets(struct fixture *f)
{
    static char text[65536];
    ssize_t len = pread(f->log_fd, text, sizeof(text) - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    assert_null(strstr(text, "s3cr3t"));
    assert_null(strstr(text, "k3y"));
    assert_null(strstr(text, "t0ken"));
    assert_null(strstr(text, "whsec"));
    for (int i = 0; i < f->outcome_count; i++)
        assert_null(strstr(f->errors[i], "s3cr3t"));
}

#define WITH_RECEIVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
