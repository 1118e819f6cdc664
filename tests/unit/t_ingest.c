#include "agent/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/strbuf.h"

#define NOW_MS INT64_C(1772400000000)
#define T0     INT64_C(1772323200000) /* a midnight */
enum { MINUTE_MS = 60000, HOUR_MS = 3600000 };

struct bench {
    struct config *config;
    struct mapping *mapping;
    struct ingest *ingest;
    struct delta *delta;
    const struct profile *profile; /* of every model without an entry */
    struct profile_book book;
    int64_t offset;
};

static const struct profile profile_none = {.state = PROFILE_NONE};

static const struct profile *give_profile(const void *context, struct text model, struct text version)
{
    (void)model;
    (void)version;
    return ((const struct bench *)context)->profile;
}

static void setup(struct bench *bench, const char *yaml, const struct profile *profile)
{
    *bench = (struct bench){.profile = profile};
    char text[1024];
    (void)snprintf(
        text, sizeof(text),
        "api_version: 1\ninputs: [{name: events}]\n"
        "time: {tiers: [5m], lateness: 10m, horizon: 2h}\nwindows: [{length: 5m, slide: 5m}]\n%s\n",
        yaml);
    struct strbuf messages;
    strbuf_init(&messages, 65536);
    if (config_parse(&bench->config, text, strlen(text), "t.yaml", &messages) != 0)
        fail_msg("%s", messages.bytes);
    strbuf_release(&messages);
    assert_int_equal(mapping_compile(&bench->mapping, &bench->config->inputs[0].mapping, "events", NULL), 0);
    bench->book = (struct profile_book){.otherwise = give_profile, .context = bench};
    struct worker_settings settings = {.config = bench->config,
                                       .mappings = &bench->mapping,
                                       .input_count = 1,
                                       .book = &bench->book,
                                       .files = true};
    assert_int_equal(ingest_new(&bench->ingest, &settings, NULL), 0);
    bench->delta = delta_new();
    ingest_set_delta(bench->ingest, bench->delta);
    ingest_begin_batch(bench->ingest, NOW_MS);
    for (uint32_t slot = 0; slot < 2; slot++)
        assert_int_equal(
            ingest_add_slot(bench->ingest, &(struct worker_slot){.slot = slot,
                                                                 .resume_offset = INT64_MIN,
                                                                 .clock_ms = {INT64_MIN, INT64_MIN}}),
            0);
}

static void teardown(struct bench *bench)
{
    ingest_free(bench->ingest);
    delta_free(bench->delta);
    mapping_free(bench->mapping);
    config_free(bench->config);
}

static enum source_verdict give(struct bench *bench, uint32_t slot, const char *json)
{
    struct record record = {.payload = text_of(json),
                            .ts_ms = INT64_MIN,
                            .offset = bench->offset,
                            .next_offset = bench->offset + 1};
    bench->offset++;
    const struct source_sink *sink = ingest_sink(bench->ingest);
    return sink->deliver(sink->context, slot, &record);
}

static enum source_verdict event(struct bench *bench, uint32_t slot, const char *type, const char *model,
                                 const char *id, int64_t ts_ms)
{
    char json[512];
    (void)snprintf(json, sizeof(json),
                   "{\"type\":\"%s\",\"model\":\"%s\",\"id\":\"%s\",\"ts\":%lld,\"label\":1,"
                   "\"features\":{\"x\":1},\"score\":0.5,\"segments\":{\"city\":\"%s\"}}",
                   type, model, id, (long long)ts_ms, id);
    return give(bench, slot, json);
}

static enum source_verdict predict(struct bench *bench, uint32_t slot, const char *id, int64_t ts_ms)
{
    return event(bench, slot, "prediction", "m", id, ts_ms);
}

static void sum_fates(void *context, const struct delta_count *count)
{
    ((uint64_t *)context)[count->fate] += count->n;
}

static void expect_fates(const struct bench *bench, uint64_t applied, uint64_t late, uint64_t beyond,
                         uint64_t duplicate, uint64_t future, uint64_t rejected)
{
    uint64_t fates[FATE_COUNT] = {0};
    delta_each_count(bench->delta, sum_fates, fates);
    assert_int_equal(fates[FATE_APPLIED], applied);
    assert_int_equal(fates[FATE_LATE], late);
    assert_int_equal(fates[FATE_BEYOND_HORIZON], beyond);
    assert_int_equal(fates[FATE_DUPLICATE], duplicate);
    assert_int_equal(fates[FATE_FUTURE], future);
    assert_int_equal(fates[FATE_REJECTED], rejected);
}

/* A pane is late from the very clock at which its end is the lateness behind; beyond likewise. */
static void test_late_and_beyond_at_the_edge(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, "", &profile_none);
    (void)predict(&bench, 0, "a", T0 + 15 * MINUTE_MS - 1);
    (void)predict(&bench, 0, "b", T0); /* its pane ends at T0 + 5 min; the clock is 1 ms short */
    expect_fates(&bench, 2, 0, 0, 0, 0, 0);
    (void)predict(&bench, 0, "c", T0 + 15 * MINUTE_MS);
    (void)predict(&bench, 0, "d", T0);
    expect_fates(&bench, 3, 1, 0, 0, 0, 0);
    (void)predict(&bench, 0, "e", T0 + 2 * HOUR_MS + 5 * MINUTE_MS - 1);
    (void)predict(&bench, 0, "f", T0);
    expect_fates(&bench, 4, 2, 0, 0, 0, 0);
    (void)predict(&bench, 0, "g", T0 + 2 * HOUR_MS + 5 * MINUTE_MS);
    (void)predict(&bench, 0, "h", T0);
    expect_fates(&bench, 5, 2, 1, 0, 0, 0);
    teardown(&bench);
}

/* Clocks belong to a partition and a role: another partition, or labels, make nothing late. */
static void test_clocks(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, "", &profile_none);
    (void)predict(&bench, 0, "a", T0 + HOUR_MS);
    (void)predict(&bench, 1, "b", T0);
    (void)event(&bench, 0, "label", "m", "l", T0);
    expect_fates(&bench, 3, 0, 0, 0, 0, 0);
    (void)event(&bench, 0, "label", "m", "l2", T0 + 3 * HOUR_MS);
    (void)predict(&bench, 0, "c", T0 + HOUR_MS);
    expect_fates(&bench, 5, 0, 0, 0, 0, 0);
    teardown(&bench);
}

static void test_future_moves_no_clock(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, "", &profile_none);
    (void)predict(&bench, 0, "a", NOW_MS + 5 * MINUTE_MS + 1);
    (void)predict(&bench, 0, "b", T0);
    (void)predict(&bench, 0, "c", NOW_MS + 5 * MINUTE_MS);
    expect_fates(&bench, 2, 0, 0, 0, 1, 0);
    teardown(&bench);
}

static void test_duplicates(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, "", &profile_none);
    (void)predict(&bench, 0, "a", T0);
    (void)predict(&bench, 0, "a", T0 + 1);              /* duplicate */
    (void)predict(&bench, 0, "a", T0 + 5 * MINUTE_MS);  /* another pane */
    (void)predict(&bench, 1, "a", T0);                  /* another partition */
    (void)event(&bench, 0, "prediction", "n", "a", T0); /* another model */
    (void)event(&bench, 0, "label", "m", "a", T0);      /* another kind */
    (void)give(&bench, 0, "{\"type\":\"prediction\",\"model\":\"m\",\"ts\":1772323200000,\"score\":1}");
    (void)give(&bench, 0, "{\"type\":\"prediction\",\"model\":\"m\",\"ts\":1772323200000,\"score\":1}");
    expect_fates(&bench, 7, 0, 0, 1, 0, 0);
    teardown(&bench);
    setup(&bench, "dedup: false", &profile_none);
    (void)predict(&bench, 0, "a", T0);
    (void)predict(&bench, 0, "a", T0);
    expect_fates(&bench, 2, 0, 0, 0, 0, 0);
    teardown(&bench);
}

static void test_rejected_moves_nothing(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, "limits: {models: 1}", &profile_none);
    (void)predict(&bench, 0, "a", T0);
    (void)give(&bench, 0, "not json");
    (void)event(&bench, 0, "prediction", "second", "b", T0 + HOUR_MS);
    (void)predict(&bench, 0, "c", T0);
    expect_fates(&bench, 2, 0, 0, 0, 0, 2);
    teardown(&bench);
}

static uint32_t series_count(const struct bench *bench, const char *ending)
{
    uint32_t count, found = 0;
    const struct delta_series *series = delta_new_series(bench->delta, &count);
    for (uint32_t i = 0; i < count; i++)
        found += strcmp(series[i].segment, ending) == 0;
    return *ending == '*' ? count : found;
}

static void test_segments_beyond_the_cap(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, "limits: {segments: 2}", &profile_none);
    char id[16];
    for (int i = 0; i < 10; i++) {
        (void)snprintf(id, sizeof(id), "c%d", i);
        (void)predict(&bench, 0, id, T0);
    }
    assert_int_equal(series_count(&bench, "city=c1"), 1);
    assert_int_equal(series_count(&bench, "city=c2"), 0);
    assert_int_equal(series_count(&bench, "city=(other)"), 1);
    assert_int_equal(series_count(&bench, "*"), 4); /* with the whole model */
    /* Keys come from the input as well: their "(other)" are bounded too. */
    for (int i = 0; i < 100; i++) {
        char json[200];
        (void)snprintf(json, sizeof(json),
                       "{\"type\":\"prediction\",\"model\":\"m\",\"ts\":1772323200000,\"score\":1,"
                       "\"segments\":{\"key%d\":\"v\"}}",
                       i);
        (void)give(&bench, 0, json);
    }
    assert_int_equal(series_count(&bench, "*"), 1 + 5);
    expect_fates(&bench, 110, 0, 0, 0, 0, 0);
    teardown(&bench);
}

static int no_add(struct source *source, const struct source_slot *slot, struct err *err)
{
    (void)source;
    (void)slot;
    (void)err;
    return 0;
}

struct counting_source {
    struct source source;
    uint32_t released;
};

static void count_release(struct source *source, uint32_t slot)
{
    (void)slot;
    ((struct counting_source *)source)->released++;
}

/* WAITING holds what a capture that starts at `undecided` could not reach, CAPTURE what is not before
 * until_ms, `ahead` everything beyond it; a held event is neither counted nor lost. */
static void test_holding(void **state)
{
    (void)state;
    static const struct source_ops ops = {.add = no_add, .release = count_release};
    struct counting_source source = {{&ops}, 0};
    static const struct profile waiting = {.state = PROFILE_WAITING, .capture_ms = HOUR_MS, .sample = 100};
    struct bench bench;
    setup(&bench, "", &waiting);
    assert_int_equal(predict(&bench, 0, "a", T0), SOURCE_HOLD); /* no watermark yet */
    expect_fates(&bench, 0, 0, 0, 0, 0, 0);
    assert_true(ingest_is_holding(bench.ingest));
    assert_true(ingest_is_urgent(bench.ingest));
    ingest_set_limits(bench.ingest, T0, INT64_MAX);
    ingest_release_held(bench.ingest, &source.source);
    assert_int_equal(source.released, 1);
    assert_false(ingest_is_holding(bench.ingest));
    assert_int_equal(predict(&bench, 0, "a", T0), SOURCE_TAKEN); /* not a duplicate of the held one */
    /* until = start + capture + lateness at the least */
    assert_int_equal(predict(&bench, 0, "b", T0 + 70 * MINUTE_MS - 1), SOURCE_TAKEN);
    assert_int_equal(predict(&bench, 0, "c", T0 + 70 * MINUTE_MS), SOURCE_HOLD);
    static const struct profile capture = {
        .state = PROFILE_CAPTURE, .sample = 100, .until_ms = T0 + 90 * MINUTE_MS};
    assert_int_equal(ingest_set_profile(bench.ingest, "m", "", &capture), 0);
    assert_int_equal(predict(&bench, 0, "c", T0 + 70 * MINUTE_MS), SOURCE_TAKEN);
    assert_int_equal(predict(&bench, 0, "d", T0 + 90 * MINUTE_MS), SOURCE_HOLD);
    assert_int_equal(ingest_set_profile(bench.ingest, "m", "", &profile_none), 0);
    assert_int_equal(predict(&bench, 0, "d", T0 + 90 * MINUTE_MS), SOURCE_TAKEN);
    ingest_set_limits(bench.ingest, T0, T0 + 2 * HOUR_MS);
    assert_int_equal(predict(&bench, 0, "e", T0 + 2 * HOUR_MS), SOURCE_HOLD);
    assert_int_equal(predict(&bench, 0, "f", T0 + 2 * HOUR_MS - 1), SOURCE_TAKEN);
    expect_fates(&bench, 5, 0, 0, 0, 0, 0);
    teardown(&bench);
}

/* Between dedup_offset and next_offset only ids are remembered: the count goes on, the duplicate is known. */
static void test_ids_are_read_again(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, "", &profile_none);
    assert_int_equal(ingest_add_slot(bench.ingest, &(struct worker_slot){.slot = 2,
                                                                         .read_offset = 0,
                                                                         .resume_offset = 2,
                                                                         .clock_ms = {T0, INT64_MIN}}),
                     0);
    bench.offset = 0;
    (void)predict(&bench, 2, "a", T0);
    (void)predict(&bench, 2, "tomorrow", NOW_MS + HOUR_MS); /* was refused then: its id was not taken */
    expect_fates(&bench, 0, 0, 0, 0, 0, 0);
    (void)predict(&bench, 2, "a", T0 + 1);
    (void)predict(&bench, 2, "b", T0 + 2);
    expect_fates(&bench, 1, 0, 0, 1, 0, 0);
    ingest_begin_batch(bench.ingest, NOW_MS + 2 * HOUR_MS);
    (void)predict(&bench, 2, "tomorrow", NOW_MS + HOUR_MS);
    expect_fates(&bench, 2, 0, 0, 1, 0, 0);
    teardown(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_and_beyond_at_the_edge),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_future_moves_no_clock),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_rejected_moves_nothing),
        cmocka_unit_test(test_segments_beyond_the_cap),
        cmocka_unit_test(test_holding),
        cmocka_unit_test(test_ids_are_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
