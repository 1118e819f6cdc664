/* The hand-over between a worker's thread and the loop; also run under ThreadSanitizer. */
#include "agent/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/strbuf.h"

#define T0 INT64_C(1772323200000)
enum { RECORDS = 30000, EVERY_MS = 1000 };

/* A source with one slot: predictions a second apart, held ones offered again after a release. */
struct made_source {
    struct source source;
    bool added, held, finished;
    int64_t next, fail_at;
};

static int made_add(struct source *source, const struct source_slot *slot, struct err *err)
{
    struct made_source *made = (struct made_source *)source;
    if (strcmp(slot->topic, "refused") == 0)
        return err_set(err, ERR_IO, "cannot open it");
    made->added = true;
    return 0;
}

static int made_poll(struct source *source, int timeout_ms, uint32_t max_records,
                     const struct source_sink *sink, struct err *err)
{
    (void)timeout_ms;
    struct made_source *made = (struct made_source *)source;
    int delivered = 0;
    if (made->fail_at && made->next >= made->fail_at)
        return err_set(err, ERR_IO, "the source is lost");
    for (uint32_t i = 0; i < max_records && made->added && !made->held && made->next < RECORDS; i++) {
        char json[256];
        int len =
            snprintf(json, sizeof(json),
                     "{\"type\":\"prediction\",\"model\":\"m\",\"id\":\"%lld\",\"ts\":%lld,\"score\":0.5}",
                     (long long)made->next, (long long)(T0 + made->next * EVERY_MS));
        struct record record = {.payload = {json, (uint32_t)len},
                                .ts_ms = INT64_MIN,
                                .offset = made->next,
                                .next_offset = made->next + 1};
        made->held = sink->deliver(sink->context, 0, &record) == SOURCE_HOLD;
        made->next += !made->held;
        delivered += !made->held;
    }
    if (made->next == RECORDS && !made->finished) {
        made->finished = true;
        sink->signal(sink->context, 0, SIGNAL_FINISHED, NULL);
    }
    return delivered;
}

static void made_release(struct source *source, uint32_t slot)
{
    (void)slot;
    ((struct made_source *)source)->held = false;
}

static void made_free(struct source *source)
{
    free(source);
}

static const struct source_ops made_ops = {
    .add = made_add, .poll = made_poll, .release = made_release, .free = made_free};
static const struct profile profile_none = {.state = PROFILE_NONE};
static const struct profile profile_waiting = {.state = PROFILE_WAITING, .capture_ms = 3600000, .sample = 50};

static const struct profile *give_profile(const void *context, struct text model, struct text version)
{
    (void)model;
    (void)version;
    return context;
}

struct bench {
    struct config *config;
    struct mapping *mapping;
    struct profile_book book;
    struct worker *worker;
    int wake_fd;
    uint64_t applied, in_cells;
    struct delta_partition last;
};

static void setup(struct bench *bench, const struct profile *profile, const char *topic, int64_t fail_at)
{
    *bench = (struct bench){.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    static const char yaml[] = "api_version: 1\ninputs: [{name: events}]\nstore: {merge_interval: 10ms}\n"
                               "limits: {delta_bytes: 1MiB}\n";
    struct strbuf messages;
    strbuf_init(&messages, 65536);
    if (config_parse(&bench->config, yaml, strlen(yaml), "t.yaml", &messages) != 0)
        fail_msg("%s", messages.bytes);
    strbuf_release(&messages);
    assert_int_equal(mapping_compile(&bench->mapping, &bench->config->inputs[0].mapping, "events", NULL), 0);
    struct made_source *made = calloc(1, sizeof(*made));
    made->source.ops = &made_ops;
    made->fail_at = fail_at;
    bench->book = (struct profile_book){.otherwise = give_profile, .context = profile};
    struct worker_settings settings = {.config = bench->config,
                                       .mappings = &bench->mapping,
                                       .input_count = 1,
                                       .source = &made->source,
                                       .book = &bench->book,
                                       .clock = &clock_system,
                                       .wake_fd = bench->wake_fd,
                                       .files = true};
    assert_int_equal(worker_start(&bench->worker, &settings, NULL), 0);
    struct worker_slot slot = {.resume_offset = INT64_MIN, .clock_ms = {INT64_MIN, INT64_MIN}};
    (void)snprintf(slot.topic, sizeof(slot.topic), "%s", topic);
    assert_int_equal(worker_add_slot(bench->worker, &slot), 0);
}

static void teardown(struct bench *bench)
{
    worker_free(bench->worker);
    mapping_free(bench->mapping);
    config_free(bench->config);
    (void)close(bench->wake_fd);
}

static void add_count(void *context, const struct delta_count *count)
{
    if (count->fate == FATE_APPLIED)
        *(uint64_t *)context += count->n;
}

/* Merges one delta; what it says of the partition is exactly what its counts say: never half a delta. */
static bool take_one(struct bench *bench)
{
    struct delta *delta = worker_take(bench->worker);
    if (!delta)
        return false;
    delta_each_count(delta, add_count, &bench->applied);
    for (const struct delta_cell *cell = delta_cells(delta); cell; cell = cell->next)
        bench->in_cells += cell->activity[EVENT_PREDICTION];
    uint32_t count;
    const struct delta_partition *partitions = delta_partitions(delta, &count);
    for (uint32_t i = 0; i < count; i++)
        bench->last = partitions[i];
    assert_int_equal(bench->applied, bench->in_cells);
    assert_int_equal(bench->applied, bench->last.records);
    assert_int_equal(bench->applied, (uint64_t)bench->last.next_offset);
    worker_return(bench->worker, delta);
    return true;
}

static void drain(struct bench *bench)
{
    worker_request_stop(bench->worker);
    while (!worker_is_done(bench->worker) || take_one(bench))
        (void)take_one(bench);
}

static void test_every_record_once(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, &profile_none, "made", 0);
    for (int i = 0; i < 20000 && !bench.last.finished; i++)
        if (!take_one(&bench))
            (void)usleep(500);
    assert_true(bench.last.finished);
    drain(&bench);
    assert_int_equal(bench.applied, RECORDS);
    assert_null(worker_failure(bench.worker));
    teardown(&bench);
}

/* Commands go on while it reads: limits let it on by half an hour each, a profile frees it altogether. */
static void test_commands_while_it_reads(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, &profile_waiting, "made", 0);
    uint64_t holds = 0;
    for (int i = 0; i < 20000 && !bench.last.finished; i++) {
        if (!take_one(&bench)) {
            (void)usleep(500);
            continue;
        }
        if (!bench.last.held)
            continue;
        holds++;
        int64_t reached_ms = T0 + bench.last.next_offset * EVERY_MS;
        if (holds < 4)
            assert_int_equal(worker_set_limits(bench.worker, reached_ms - 1800000, INT64_MAX), 0);
        else
            assert_int_equal(worker_set_profile(bench.worker, "m", "", &profile_none), 0);
        assert_int_equal(worker_set_durable(bench.worker, 0, bench.last.next_offset), 0);
    }
    assert_true(bench.last.finished);
    assert_in_range(holds, 4, 6);
    drain(&bench);
    assert_int_equal(bench.applied, RECORDS);
    teardown(&bench);
}

/* The loop takes nothing: the worker stops reading when its deltas are out, and what it read is not lost. */
static void test_back_pressure_and_stop(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, &profile_none, "made", 0);
    (void)usleep(100000);
    drain(&bench);
    assert_true(bench.applied <= RECORDS);
    teardown(&bench);
}

static void test_failures_are_told(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, &profile_none, "refused", 0);
    for (int i = 0; i < 5000 && !bench.last.failed; i++)
        if (!take_one(&bench))
            (void)usleep(1000);
    assert_true(bench.last.failed);
    assert_string_equal(bench.last.detail, "cannot open it");
    drain(&bench);
    teardown(&bench);
    setup(&bench, &profile_none, "made", 5000);
    for (int i = 0; i < 5000 && !worker_failure(bench.worker); i++)
        if (!take_one(&bench))
            (void)usleep(1000);
    assert_non_null(worker_failure(bench.worker));
    assert_string_equal(worker_failure(bench.worker), "the source is lost");
    drain(&bench);
    assert_true(bench.applied >= 4096 && bench.applied < RECORDS);
    teardown(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_record_once),
        cmocka_unit_test(test_commands_while_it_reads),
        cmocka_unit_test(test_back_pressure_and_stop),
        cmocka_unit_test(test_failures_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
