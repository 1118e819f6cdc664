/* Deliveries that are tried again: when, in which order, and for how long. */
#include "tests/unit/webhook_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RECEIVER(test_retry_after),
        WITH_RECEIVER(test_retry_after_holds_the_whole_sink),
        WITH_RECEIVER(test_retry_after_as_a_date_and_capped),
        WITH_RECEIVER(test_breaker_probes),
        WITH_RECEIVER(test_gone_disables_the_sink),
        WITH_RECEIVER(test_order_within_an_entity),
        WITH_RECEIVER(test_dead_sink_delays_no_other),
        WITH_RECEIVER(test_ttl),
        WITH_RECEIVER(test_not_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
