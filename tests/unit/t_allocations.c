/*
 * No allocation per event in steady state: decode, fate, duplicates, bins and sums, a delta given back and
 * filled again. The linker sends every allocation of the library's code to the counters here (Makefile).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/hash.h"
#include "agent/ingest.h"
#include "tests/unit/reference_document.h"

/* Warm: every series has spilled its lanes once (2^13 events). All together stay below 28,672 ids, where
 * their set would double: that is an allocation every so often, not one per event. */
enum { REFERENCE_EVENTS = 2000, NUMERIC = 12, WARM_EVENTS = 20000, STEADY_EVENTS = 4000, EVENT_BYTES = 2048 };

/* cmocka's own tests run on one thread. */
static uint64_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    allocations++;
    return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    allocations++;
    return __real_strdup(text);
}

/* ---- a worker without its thread ---- */

struct pipeline {
    struct config *config;
    struct mapping *mapping;
    struct reference *reference;
    struct feature_layout *coarse;
    struct profile profile;
    struct profile_entry entry;
    struct profile_book book;
    struct ingest *ingest;
    struct delta *delta;
    uint64_t serial;
};

static double uniform(uint64_t serial, int feature)
{
    return (double)(hash_mix(serial * 64 + (uint64_t)feature) >> 11) * 0x1p-53;
}

static struct text make_event(char *bytes, uint64_t serial)
{
    static const char *const regions[] = {"north", "south", "east"}, *const channels[] = {"web", "app"};
    int len =
        snprintf(bytes, EVENT_BYTES,
                 "{\"type\":\"prediction\",\"model\":\"m\",\"version\":\"1\",\"id\":\"id-%llu\",\"ts\":%llu,"
                 "\"features\":{\"region\":\"%s\"",
                 (unsigned long long)serial, (unsigned long long)(1772323200000 + serial),
                 regions[hash_mix(serial) % 3]);
    for (int i = 0; i < NUMERIC; i++)
        len += snprintf(bytes + len, EVENT_BYTES - (size_t)len, ",\"n%d\":%.*f", i, 1 + i,
                        uniform(serial, i) * 100);
    len += snprintf(bytes + len, EVENT_BYTES - (size_t)len,
                    "},\"score\":%.6f,\"prediction\":%d,\"segments\":{\"channel\":\"%s\"}}",
                    uniform(serial, 60), (int)(serial % 2), channels[serial % 2]);
    return (struct text){bytes, (uint32_t)len};
}

static const struct profile *no_profile(const void *context, struct text model, struct text version)
{
    (void)context;
    (void)model;
    (void)version;
    fail_msg("the model is in the book");
    return NULL;
}

static void make_reference(struct pipeline *pipeline)
{
    const struct reference_options options = {.name = "r", .model = "m", .version = "", .source = "test"};
    struct reference_builder *builder = reference_builder_new(&options);
    struct decoder *decoder;
    assert_non_null(builder);
    assert_int_equal(decoder_new(&decoder, pipeline->mapping, NULL), 0);
    for (uint64_t i = 0; i < REFERENCE_EVENTS; i++) {
        char bytes[EVENT_BYTES];
        struct event ev;
        struct record record = {.payload = make_event(bytes, i), .ts_ms = INT64_MIN};
        assert_int_equal(decoder_decode(decoder, &record, &ev), REJECT_NONE);
        assert_int_equal(reference_builder_add(builder, &ev), 0);
    }
    pipeline->reference = finished(builder);
    decoder_free(decoder);
}

static void open_pipeline(struct pipeline *pipeline, bool dedup)
{
    struct mapping_spec spec = {0};
    struct err err;
    *pipeline = (struct pipeline){0};
    assert_int_equal(config_default(&pipeline->config), 0);
    pipeline->config->dedup = dedup;
    assert_int_equal(mapping_compile(&pipeline->mapping, &spec, "test", &err), 0);
    make_reference(pipeline);
    pipeline->coarse = feature_layout_new(pipeline->reference->grid, GRID_COARSE);
    assert_non_null(pipeline->coarse);
    pipeline->profile = (struct profile){.state = PROFILE_READY,
                                         .effective_from_ms = INT64_MIN,
                                         .grid = 1,
                                         .layouts = {pipeline->reference->layout, pipeline->coarse}};
    pipeline->entry = (struct profile_entry){"m", NULL, &pipeline->profile};
    pipeline->book = (struct profile_book){&pipeline->entry, 1, no_profile, NULL};
    const struct worker_settings settings = {.config = pipeline->config,
                                             .mappings = &pipeline->mapping,
                                             .input_count = 1,
                                             .book = &pipeline->book,
                                             .files = true};
    const struct worker_slot slot = {.end_offset = INT64_MAX, .clock_ms = {INT64_MIN, INT64_MIN}};
    assert_int_equal(ingest_new(&pipeline->ingest, &settings, &err), 0);
    assert_int_equal(ingest_add_slot(pipeline->ingest, &slot), 0);
    pipeline->delta = delta_new();
    assert_non_null(pipeline->delta);
    ingest_set_delta(pipeline->ingest, pipeline->delta);
    ingest_begin_batch(pipeline->ingest, INT64_C(4102444800000));
}

static void close_pipeline(struct pipeline *pipeline)
{
    ingest_free(pipeline->ingest);
    delta_free(pipeline->delta);
    feature_layout_free(pipeline->coarse);
    reference_free(pipeline->reference);
    mapping_free(pipeline->mapping);
    config_free(pipeline->config);
}

/* Returns how many allocations the library made for these events. Ids of duplicates are left out, and tested
 * beside it: their tables double as long as a pane grows. */
static uint64_t feed(struct pipeline *pipeline, uint64_t count)
{
    const struct source_sink *sink = ingest_sink(pipeline->ingest);
    uint64_t made = 0;
    for (uint64_t i = 0; i < count; i++, pipeline->serial++) {
        char bytes[EVENT_BYTES];
        struct record record = {.payload = make_event(bytes, pipeline->serial),
                                .offset = (int64_t)pipeline->serial,
                                .next_offset = (int64_t)pipeline->serial + 1,
                                .ts_ms = INT64_MIN};
        uint64_t before = allocations;
        assert_int_equal(sink->deliver(sink->context, 0, &record), SOURCE_TAKEN);
        made += allocations - before;
    }
    return made;
}

static void count_applied(void *context, const struct delta_count *count)
{
    if (count->fate == FATE_APPLIED)
        *(uint64_t *)context += count->n;
}

static uint64_t applied(const struct pipeline *pipeline)
{
    uint64_t n = 0;
    delta_each_count(pipeline->delta, count_applied, &n);
    return n;
}

static void test_steady_state(void **state)
{
    struct pipeline pipeline;
    (void)state;
    open_pipeline(&pipeline, false);
    assert_true(feed(&pipeline, WARM_EVENTS) > 0); /* the counters do count */
    assert_int_equal(feed(&pipeline, STEADY_EVENTS), 0);
    assert_int_equal(applied(&pipeline), WARM_EVENTS + STEADY_EVENTS);
    assert_int_equal(ingest_fallbacks(pipeline.ingest), 0);
    close_pipeline(&pipeline);
}

static void test_delta_given_back(void **state)
{
    struct pipeline pipeline;
    (void)state;
    open_pipeline(&pipeline, false);
    (void)feed(&pipeline, WARM_EVENTS);
    delta_reset(pipeline.delta);
    assert_int_equal(feed(&pipeline, STEADY_EVENTS), 0);
    delta_reset(pipeline.delta);
    assert_int_equal(feed(&pipeline, STEADY_EVENTS), 0);
    assert_int_equal(applied(&pipeline), STEADY_EVENTS);
    close_pipeline(&pipeline);
}

/* Ids of an open pane are kept in 64 tables that double: while they grow by a fifth, each does at most once.
 */
static void test_ids_of_a_pane(void **state)
{
    struct pipeline pipeline;
    (void)state;
    open_pipeline(&pipeline, true);
    (void)feed(&pipeline, WARM_EVENTS);
    assert_true(feed(&pipeline, WARM_EVENTS / 5) <= 64);
    close_pipeline(&pipeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady_state),
        cmocka_unit_test(test_delta_given_back),
        cmocka_unit_test(test_ids_of_a_pane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
