/* Deliveries: what a receiver answers, where a request may go, what is refused and how it ends. Retries are
 * in t_webhook_retry.c. */
#include "tests/unit/webhook_fixture.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>

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
        WITH_RECEIVER(test_slow_resolver_does_not_stop_the_loop),
        WITH_RECEIVER(test_queue_is_bounded),
        WITH_RECEIVER(test_bad_settings),
        WITH_RECEIVER(test_free_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
