/*
 * Deliveries to a local receiver that misbehaves as it is told. Waiting times are scaled down (delay_scale),
 * everything else is real: sockets, curl, the event loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
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

static int64_t fixture_wall_ms(const struct clock *clock)
{
    return clock_system.wall_ms(&clock_system) + ((const struct fixture *)clock->context)->wall_offset_ms;
}

static int64_t fixture_monotonic_ms(const struct clock *clock)
{
    (void)clock;
    return clock_system.monotonic_ms(&clock_system);
}

/* ---- the names ---- */

enum { SLOW_RESOLVER_MS = 1500 };
static atomic_int slow_lookups_begun, slow_lookups_ended;

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* libcurl finds this one first: "slow.test" takes its time and fails, "rebind.test" is 127.0.0.1. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    getaddrinfo_fn *next = NULL;
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "slow.test") == 0) {
        atomic_fetch_add(&slow_lookups_begun, 1);
        (void)usleep(SLOW_RESOLVER_MS * 1000);
        atomic_fetch_add(&slow_lookups_ended, 1);
        return EAI_AGAIN;
    }
    return next(node && strcmp(node, "rebind.test") == 0 ? "127.0.0.1" : node, service, hints, result);
}

/* ---- the receiver ---- */

static void copy_header(struct evhttp_request *request, const char *name, char *out, size_t size)
{
    const char *value = evhttp_find_header(evhttp_request_get_input_headers(request), name);
    (void)snprintf(out, size, "%s", value ? value : "");
}

static void on_drip(evutil_socket_t fd, short what, void *context)
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

static void on_closed(struct evhttp_connection *connection, void *context)
{
    struct fixture *f = context;
    (void)connection;
    /* The receiver lost the connection first and let go of the request; at the end of a test it is still its
     * own. */
    if (f->dripping && !evhttp_request_get_connection(f->dripping))
        evhttp_send_reply_end(f->dripping); /* only frees it */
    f->dripping = NULL;
}

static void begin_endless(struct fixture *f, struct evhttp_request *request, int status)
{
    evhttp_send_reply_start(request, status, "x");
    f->dripping = request;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, f);
    on_drip(-1, 0, f);
}

static void on_request(struct evhttp_request *request, void *context)
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

static void on_outcome(void *context, const struct delivery_outcome *outcome)
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

static int set_up(void **state)
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

static int tear_down(void **state)
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

static struct sink_spec sink_of(const struct fixture *f, char *url, size_t size)
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

static void start(struct fixture *f, const struct sink_spec *sinks, uint32_t count, double delay_scale)
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

static void submit_to(struct fixture *f, const char *sink, const char *id, const char *entity)
{
    assert_int_equal(
        webhook_submit(f->webhook, id, sink, entity, "{\"a\":1}", 7, fixture_wall_ms(&f->clock), 0, 0), 0);
}

static void run(struct fixture *f, int wanted)
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
static void idle(struct fixture *f, int ms)
{
    const struct timeval limit = {ms / 1000, ms % 1000 * 1000};
    assert_int_equal(event_base_loopexit(f->base, &limit), 0);
    assert_true(event_base_dispatch(f->base) >= 0);
}

static void assert_log_keeps_secrets(struct fixture *f)
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

/* ---- one item and one answer ---- */

struct answer_case {
    const char *what;
    int script[SCRIPT_MAX];
    int requests;
    enum delivery_state end;
    int32_t last_status;
    const char *error; /* in the first outcome */
};

static const struct answer_case answers[] = {
    {"200", {200}, 1, DELIVERY_DELIVERED, 200, ""},
    {"204", {204}, 1, DELIVERY_DELIVERED, 204, ""},
    {"500, then 200", {500, 200}, 2, DELIVERY_DELIVERED, 200, "answered 500"},
    {"408, 425, 429, 502", {408, 425, 429, 502, 200}, 5, DELIVERY_DELIVERED, 200, "answered 408"},
    {"a hang, then 200", {HANG, 200}, 2, DELIVERY_DELIVERED, 200, "no answer from http://127.0.0.1"},
    {"503 for ever", {503, 503, 503, 503, 503, 503, 503, 503}, 8, DELIVERY_DEAD, 503, "answered 503"},
    {"400", {400}, 1, DELIVERY_DEAD, 400, "answered 400"},
    {"401", {401}, 1, DELIVERY_DEAD, 401, "answered 401"},
    {"501", {501}, 1, DELIVERY_DEAD, 501, "answered 501"},
    {"410", {410}, 1, DELIVERY_DEAD, 410, "410 Gone"},
    {"accepted, endless body", {ENDLESS_BODY}, 1, DELIVERY_DELIVERED, 200, ""},
    {"accepted, body that never comes", {DRIP}, 1, DELIVERY_DELIVERED, 200, ""},
    {"refused, endless body", {ENDLESS_ERROR, 200}, 2, DELIVERY_DELIVERED, 200, "answered 500"},
};

static void test_answers(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        void *inner = NULL;
        char url[128];
        (void)state;
        assert_int_equal(set_up(&inner), 0);
        struct fixture *f = inner;
        struct sink_spec sink = sink_of(f, url, sizeof(url));
        memcpy(f->script, answers[i].script, sizeof(f->script));
        start(f, &sink, 1, 1e-6);
        submit_to(f, "pager", "id_1", "m");
        assert_int_equal(webhook_pending(f->webhook), 1);
        assert_int_equal(f->outcome_count, 0); /* never from submit itself */
        run(f, 1);
        const struct delivery_outcome *last = &f->outcomes[f->outcome_count - 1];
        if (f->requests != answers[i].requests || last->state != answers[i].end ||
            last->status != answers[i].last_status || last->attempts != (uint32_t)answers[i].requests ||
            f->outcome_count != answers[i].requests)
            fail_msg("%s: %d requests, %d outcomes, state %d, status %d: %s", answers[i].what, f->requests,
                     f->outcome_count, last->state, last->status, f->errors[f->outcome_count - 1]);
        if (!strstr(f->errors[0], answers[i].error))
            fail_msg("%s: %s", answers[i].what, f->errors[0]);
        assert_int_equal(webhook_pending(f->webhook), 0);
        for (int k = 0; k < f->requests; k++)
            assert_string_equal(f->seen[k].id, "id_1");
        assert_log_keeps_secrets(f);
        assert_int_equal(tear_down(&inner), 0);
    }
}

static void test_headers(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    start(f, &sink, 1, 1e-6);
    int64_t before_s = fixture_wall_ms(&f->clock) / 1000;
    submit_to(f, "pager", "0123456789abcdef0123456789abcdef", "m");
    run(f, 1);
    const struct seen *seen = &f->seen[0];
    assert_string_equal(seen->id, "0123456789abcdef0123456789abcdef");
    assert_string_equal(seen->key, seen->id);
    assert_in_range(atoll(seen->timestamp), before_s, before_s + 10);
    assert_true(
        webhook_verify(SECRET, seen->id, seen->timestamp, seen->signature, seen->body, strlen(seen->body)));
    assert_true(
        webhook_verify(OTHER, seen->id, seen->timestamp, seen->signature, seen->body, strlen(seen->body)));
    assert_string_equal(seen->content_type, "application/json");
    assert_string_equal(seen->agent, "driftd/" DRIFTD_VERSION);
    assert_string_equal(seen->extra, "Bearer t0ken");
    assert_string_equal(seen->encoding, "");
    assert_string_equal(seen->body, "{\"a\":1}");
}

static void test_redirect_is_not_followed(void **state)
{
    struct fixture *f = *state;
    char url[128], other[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    (void)snprintf(other, sizeof(other), "http://127.0.0.1:%d/elsewhere", f->port);
    f->location = other;
    for (int i = 0; i < 5; i++) {
        static const int statuses[] = {301, 302, 303, 307, 308};
        f->script[i] = statuses[i];
    }
    start(f, &sink, 1, 1e-6);
    for (int i = 0; i < 5; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "id%d", i);
        submit_to(f, "pager", id, id);
    }
    run(f, 5);
    assert_int_equal(f->requests, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(f->outcomes[i].state, DELIVERY_DEAD);
        assert_non_null(strstr(f->errors[i], "redirects are not followed"));
    }
}

static void test_private_addresses_are_refused(void **state)
{
    struct fixture *f = *state;
    enum { HOSTS = 6 };
    char urls[HOSTS][128], names[HOSTS][16];
    static const char *const hosts[HOSTS] = {"rebind.test", "127.0.0.1",          "2130706433",
                                             "localhost",   "[::ffff:127.0.0.1]", "0x7f.1"};
    struct sink_spec sinks[HOSTS];
    for (int i = 0; i < HOSTS; i++) {
        sinks[i] = sink_of(f, urls[i], sizeof(urls[i]));
        (void)snprintf(urls[i], sizeof(urls[i]), "http://%s:%d/", hosts[i], f->port);
        (void)snprintf(names[i], sizeof(names[i]), "s%d", i);
        sinks[i].name = names[i];
        sinks[i].allow_private = false;
    }
    start(f, sinks, HOSTS, 1e-6);
    for (int i = 0; i < HOSTS; i++)
        submit_to(f, names[i], "id", "m");
    run(f, HOSTS);
    assert_int_equal(f->requests, 0);
    for (int i = 0; i < f->outcome_count; i++)
        if (!strstr(f->errors[i], "allow_private"))
            fail_msg("%s: %s", f->outcomes[i].sink, f->errors[i]);
}

static void test_environment_proxy_is_ignored(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1/", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1/", 1), 0);
    start(f, &sink, 1, 1e-6);
    submit_to(f, "pager", "id", "m");
    run(f, 1);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
    assert_int_equal(f->outcomes[0].state, DELIVERY_DELIVERED);
}

static void test_connection_refused_and_reset(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    /* A socket that is bound and does not listen: connecting to it is refused. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/s3cr3t", ntohs(in.sin_port));
    start(f, &sink, 1, 1e-6);
    submit_to(f, "pager", "id", "m");
    run(f, 1);
    assert_int_equal(f->outcomes[f->outcome_count - 1].state, DELIVERY_DEAD);
    assert_int_equal(f->outcome_count, 8); /* the whole schedule was gone through */
    assert_int_equal(f->outcomes[0].status, 0);
    assert_log_keeps_secrets(f);
    (void)close(fd);
}

static void on_reset(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len,
                     void *context)
{
    struct linger none = {1, 0};
    (void)listener;
    (void)address;
    (void)len;
    ++*(int *)context;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    (void)close(fd); /* at once, with RST */
}

static void test_reset(void **state)
{
    struct fixture *f = *state;
    char url[128];
    int resets = 0;
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    struct evconnlistener *listener = evconnlistener_new_bind(
        f->base, on_reset, &resets, LEV_OPT_CLOSE_ON_FREE, 8, (struct sockaddr *)&in, sizeof(in));
    assert_non_null(listener);
    assert_int_equal(getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&in, &len), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(in.sin_port));
    start(f, &sink, 1, 1e-6);
    submit_to(f, "pager", "id", "m");
    run(f, 1);
    assert_int_equal(f->outcomes[f->outcome_count - 1].state, DELIVERY_DEAD);
    assert_int_equal(resets, 8);
    evconnlistener_free(listener);
}

/* ---- waiting ---- */

static void test_retry_after(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    f->script[0] = 429;
    f->retry_after = "300"; /* 0.3 s at this scale; the schedule alone says 5 ms */
    start(f, &sink, 1, 1e-3);
    submit_to(f, "pager", "id", "m");
    submit_to(f, "pager", "later", "other");
    run(f, 2);
    assert_int_equal(f->outcomes[0].state, DELIVERY_PENDING);
    assert_in_range(f->seen[2].at_ms - f->seen[0].at_ms, 280, 2000);
}

static void test_retry_after_holds_the_whole_sink(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    f->script[0] = 503;
    f->retry_after = "300";
    start(f, &sink, 1, 1e-3);
    submit_to(f, "pager", "id", "m");
    idle(f, 100);
    assert_int_equal(f->requests, 1);
    submit_to(f, "pager", "later", "other");
    idle(f, 50);
    assert_int_equal(f->requests, 1);
    run(f, 2);
    assert_int_equal(f->requests, 3);
}

static void test_retry_after_as_a_date_and_capped(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    f->script[0] = 503;
    f->retry_after = "Fri, 31 Dec 2100 23:59:59 GMT"; /* cut to an hour: 0.36 s at this scale */
    start(f, &sink, 1, 1e-4);
    submit_to(f, "pager", "id", "m");
    run(f, 1);
    assert_in_range(f->seen[1].at_ms - f->seen[0].at_ms, 340, 2000);
    int64_t early_ms = fixture_wall_ms(&f->clock) - f->outcomes[0].next_ms;
    assert_true(early_ms >= -10 && early_ms < 2000);
}

static void test_breaker_probes(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    for (int i = 0; i < SCRIPT_MAX; i++)
        f->script[i] = 500;
    start(f, &sink, 1, 0.01); /* open for 300 ms, then 600 ms; the first retry of an item after 50 ms */
    for (int i = 0; i < 10; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "id%d", i);
        submit_to(f, "pager", id, id);
    }
    idle(f, 200);
    /* Four at a time: the fifth failure opens it, requests under way then may still end. */
    assert_in_range(f->requests, 5, 8);
    int opened_with = f->requests;
    for (int i = opened_with; i < SCRIPT_MAX; i++)
        f->script[i] = 0;
    f->script[opened_with] = 500; /* the probe fails */
    idle(f, 300);
    assert_int_equal(f->requests, opened_with + 1);
    run(f, 10);
    assert_true(f->seen[opened_with + 1].at_ms - f->seen[opened_with].at_ms >= 590);
    for (int i = 0; i < f->outcome_count; i++)
        assert_int_not_equal(f->outcomes[i].state, DELIVERY_DEAD);
}

static void test_gone_disables_the_sink(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    f->script[0] = 410;
    start(f, &sink, 1, 1e-6);
    submit_to(f, "pager", "a", "m");
    submit_to(f, "pager", "b", "m");
    run(f, 2);
    submit_to(f, "pager", "c", "n");
    assert_int_equal(f->outcome_count, 2);
    run(f, 3);
    assert_int_equal(f->requests, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->outcomes[i].state, DELIVERY_DEAD);
        assert_int_equal(f->outcomes[i].status, 410);
    }
    assert_int_equal(f->outcomes[2].attempts, 0);
}

static void test_order_within_an_entity(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    f->script[0] = 500;
    start(f, &sink, 1, 0.02); /* the first retry after 100 ms */
    submit_to(f, "pager", "fire", "credit");
    submit_to(f, "pager", "resolve", "credit");
    submit_to(f, "pager", "other", "fraud");
    run(f, 3);
    static const char *const expected[] = {"fire", "other", "fire", "resolve"};
    assert_int_equal(f->requests, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(f->seen[i].id, expected[i]);
}

static void test_dead_sink_delays_no_other(void **state)
{
    struct fixture *f = *state;
    char url[128], dead_url[128], dead_name[] = "dead";
    struct sink_spec sinks[2] = {sink_of(f, url, sizeof(url)), sink_of(f, dead_url, sizeof(dead_url))};
    /* Connections are taken by the kernel and answered by nobody. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    (void)snprintf(dead_url, sizeof(dead_url), "http://127.0.0.1:%d/", ntohs(in.sin_port));
    sinks[1].name = dead_name;
    sinks[1].timeout_ms = 5000;
    start(f, sinks, 2, 1);
    int64_t from_ms = clock_system.monotonic_ms(&clock_system);
    for (int i = 0; i < 20; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "id%d", i);
        submit_to(f, "dead", id, id);
        submit_to(f, "pager", id, id);
    }
    run(f, 20);
    assert_true(clock_system.monotonic_ms(&clock_system) - from_ms < 2500);
    for (int i = 0; i < 20; i++)
        assert_string_equal(f->outcomes[i].sink, "pager");
    assert_int_equal(webhook_pending(f->webhook), 20);
    (void)close(fd);
}

static void test_ttl(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    sink.ttl_ms = 60000;
    f->script[0] = 500;
    start(f, &sink, 1, 1);
    int64_t now_ms = fixture_wall_ms(&f->clock);
    /* One is too old already; one would be too old at its next attempt, in 5 s. */
    assert_int_equal(webhook_submit(f->webhook, "old", "pager", "a", "{}", 2, now_ms - 60000, 0, 3), 0);
    assert_int_equal(webhook_submit(f->webhook, "soon", "pager", "b", "{}", 2, now_ms - 57000, 0, 1), 0);
    run(f, 2);
    assert_int_equal(f->requests, 1);
    assert_string_equal(f->outcome_ids[0], "old");
    assert_int_equal(f->outcomes[0].attempts, 3);
    assert_non_null(strstr(f->errors[0], "ttl"));
    assert_int_equal(f->outcomes[1].state, DELIVERY_DEAD);
    assert_int_equal(f->outcomes[1].attempts, 2);
}

static void test_not_before(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    start(f, &sink, 1, 1);
    int64_t now_ms = fixture_wall_ms(&f->clock);
    assert_int_equal(webhook_submit(f->webhook, "id", "pager", "a", "{}", 2, now_ms - 5000, now_ms + 200, 1),
                     0);
    int64_t from_ms = clock_system.monotonic_ms(&clock_system);
    f->wall_offset_ms = -3600000; /* the wall clock is put back: what waits does not wait an hour longer */
    run(f, 1);
    assert_in_range(f->seen[0].at_ms - from_ms, 190, 3000);
    assert_int_equal(f->outcomes[0].attempts, 2);
}

struct ticker {
    struct event *event;
    int64_t last_ms, longest_ms;
};

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct ticker *ticker = context;
    int64_t now_ms = clock_system.monotonic_ms(&clock_system);
    (void)fd;
    (void)what;
    if (ticker->last_ms && now_ms - ticker->last_ms > ticker->longest_ms)
        ticker->longest_ms = now_ms - ticker->last_ms;
    ticker->last_ms = now_ms;
}

static void test_slow_resolver_does_not_stop_the_loop(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    struct ticker ticker = {0};
    const struct timeval every = {0, 5000};
    (void)snprintf(url, sizeof(url), "http://slow.test:%d/", f->port);
    sink.timeout_ms = 200;
    sink.ttl_ms = 1000;
    ticker.event = event_new(f->base, -1, EV_PERSIST, on_tick, &ticker);
    assert_int_equal(event_add(ticker.event, &every), 0);
    start(f, &sink, 1, 1);
    submit_to(f, "pager", "id", "m");
    run(f, 1);
    assert_int_equal(f->outcomes[0].state, DELIVERY_DEAD);
    assert_int_equal(atomic_load(&slow_lookups_ended), 0); /* it was given up, not waited for */
    submit_to(f, "pager", "id2", "m");
    idle(f, 50);
    webhook_free(f->webhook); /* with a lookup under way */
    f->webhook = NULL;
    idle(f, 10);
    event_free(ticker.event);
    if (ticker.longest_ms > SLOW_RESOLVER_MS / 2)
        fail_msg("the loop stood still for %d ms", (int)ticker.longest_ms);
    for (int i = 0; i < 100 && atomic_load(&slow_lookups_ended) < atomic_load(&slow_lookups_begun); i++)
        (void)usleep(50000);
    (void)usleep(100000); /* the threads clean up after themselves */
}

/* ---- limits, settings, the end ---- */

static void test_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    const struct webhook_settings settings = {.sinks = &sink,
                                              .sink_count = 1,
                                              .queue_max = 2,
                                              .outcome = on_outcome,
                                              .context = f,
                                              .clock = &f->clock,
                                              .delay_scale = 1e-6};
    assert_int_equal(webhook_new(&f->webhook, f->base, &settings, NULL), 0);
    submit_to(f, "pager", "a", "m");
    submit_to(f, "pager", "b", "m");
    assert_int_equal(webhook_submit(f->webhook, "c", "pager", "m", "{}", 2, 0, 0, 0), ERR_BUSY);
    run(f, 2);
    submit_to(f, "pager", "c", "m");
    run(f, 3);
    assert_int_equal(webhook_submit(f->webhook, "d", "mail", "m", "{}", 2, 0, 0, 0), ERR_NOT_FOUND);
    static const char *const bad[] = {
        "",          "a.b", "a b",
        "a\r\nx: y", "ä",   "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(webhook_submit(f->webhook, bad[i], "pager", "m", "{}", 2, 0, 0, 0), ERR_INVALID);
}

static void test_bad_settings(void **state)
{
    struct fixture *f = *state;
    char https[] = "https://hooks.example.com/s3cr3t", http[] = "http://hooks.example.com/s3cr3t",
         file[] = "file:///etc/passwd", ftp[] = "ftp://example.com/", none[] = "example.com",
         space[] = "https://example.com/a b", no_host[] = "https:///x",
         short_secret[] = "whsec_c2hvcnQ=", plain_secret[] = "hunter2", split[] = "X-A: b\r\nX-C: d",
         no_colon[] = "Authorization", ours[] = "Webhook-Id: x", empty[] = "X-A: ", name_space[] = "X A: b";
    char *secrets[][2] = {{short_secret, NULL}, {plain_secret, NULL}};
    char *headers[][2] = {{split, NULL}, {no_colon, NULL}, {ours, NULL}, {empty, NULL}, {name_space, NULL}};
    const struct sink_spec good = {.name = NAME, .url = https};
    struct sink_spec bad[13];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    char *const urls[] = {http, file, ftp, none, space, no_host};
    for (size_t i = 0; i < 6; i++)
        bad[i].url = urls[i];
    bad[6].secrets = secrets[0];
    bad[7].secrets = secrets[1];
    for (size_t i = 0; i < 5; i++)
        bad[8 + i].headers = headers[i];
    struct webhook_settings settings = {.sink_count = 1, .outcome = on_outcome, .context = f, .log = f->log};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        settings.sinks = &bad[i];
        if (webhook_new(&f->webhook, f->base, &settings, &err) != ERR_CONFIG)
            fail_msg("case %zu was accepted", i);
        assert_non_null(strstr(err.message, "pager"));
        assert_null(strstr(err.message, "s3cr3t"));
        assert_null(strstr(err.message, "hunter2"));
        f->webhook = NULL;
    }
    struct sink_spec insecure = good;
    insecure.insecure_tls = true;
    settings.sinks = &insecure;
    assert_int_equal(webhook_new(&f->webhook, f->base, &settings, NULL), 0);
    char text[2000] = "";
    assert_true(pread(f->log_fd, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, "INSECURE"));
    assert_non_null(strstr(text, "https://hooks.example.com"));
    assert_log_keeps_secrets(f);
}

static void test_free_aborts(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct sink_spec sink = sink_of(f, url, sizeof(url));
    sink.timeout_ms = 10000;
    for (int i = 0; i < 4; i++)
        f->script[i] = HANG;
    start(f, &sink, 1, 1);
    for (int i = 0; i < 8; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "id%d", i);
        submit_to(f, "pager", id, id);
    }
    idle(f, 200);
    assert_int_equal(f->requests, 4); /* as many as may be in flight */
    assert_int_equal(webhook_pending(f->webhook), 8);
    webhook_free(f->webhook);
    f->webhook = NULL;
    idle(f, 50);
    assert_int_equal(f->outcome_count, 0);
    webhook_free(NULL);
}

#define WITH_RECEIVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        WITH_RECEIVER(test_headers),
        WITH_RECEIVER(test_redirect_is_not_followed),
        WITH_RECEIVER(test_private_addresses_are_refused),
        WITH_RECEIVER(test_environment_proxy_is_ignored),
        WITH_RECEIVER(test_connection_refused_and_reset),
        WITH_RECEIVER(test_reset),
        WITH_RECEIVER(test_retry_after),
        WITH_RECEIVER(test_retry_after_holds_the_whole_sink),
        WITH_RECEIVER(test_retry_after_as_a_date_and_capped),
        WITH_RECEIVER(test_breaker_probes),
        WITH_RECEIVER(test_gone_disables_the_sink),
        WITH_RECEIVER(test_order_within_an_entity),
        WITH_RECEIVER(test_dead_sink_delays_no_other),
        WITH_RECEIVER(test_ttl),
        WITH_RECEIVER(test_not_before),
        WITH_RECEIVER(test_slow_resolver_does_not_stop_the_loop),
        WITH_RECEIVER(test_queue_is_bounded),
        WITH_RECEIVER(test_bad_settings),
        WITH_RECEIVER(test_free_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
