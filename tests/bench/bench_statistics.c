/*
 * What happens to a decoded event: features to bins and fixed-point sums, added to a cell, and the whole way
 * of a record into a delta (agent/ingest.h). Steps are differences between loops that end one step later, so
 * that each finds the caches as the pipeline does. Medians of CPU nanoseconds an event.
 *
 *   bench_statistics [--json] [EVENTS [ROUNDS]]
 */
#include "agent/ingest.h"
#include "detectors/features.h"
#include "detectors/reference.h"
#include "tests/bench/bench.h"

enum { ROUNDS_MAX = 99, REFERENCE_EVENTS = 20000 };

enum stage {
    STAGE_DECODE,
    STAGE_RESOLVE,
    STAGE_FINE,
    STAGE_COARSE,
    STAGE_INGEST,
    STAGE_NO_DEDUP,
    STAGE_COUNT
};

struct bench {
    struct bench_events events;
    struct mapping *mapping;
    struct decoder *decoder;
    struct reference *reference;
    struct feature_layout *coarse;
    struct feature_binding *binding;
    struct feature_row *row;
    struct feature_cell *cells[2];
    struct config *config;
    struct profile profile;
    struct profile_entry entry;
    struct profile_book book;
};

static const struct profile *no_profile(const void *context, struct text model, struct text version)
{
    (void)context;
    (void)model;
    (void)version;
    bench_fail("the model is not in the book");
    return NULL;
}

static void decode(struct bench *bench, const struct bench_events *events, size_t i, struct event *ev)
{
    struct record record = bench_record(events, i);
    if (decoder_decode(bench->decoder, &record, ev) != REJECT_NONE)
        bench_fail(decoder_detail(bench->decoder));
}

static void make_reference(struct bench *bench)
{
    struct event_options options = {.seed = 1, .start_ms = INT64_C(1772323200000), .rate_per_s = 10000};
    struct bench_events events = bench_events_new(REFERENCE_EVENTS, &options);
    struct reference_options names = {
        .name = "bench", .model = "credit_risk", .version = "", .source = "bench"};
    struct reference_builder *builder = reference_builder_new(&names);
    struct err err;
    for (size_t i = 0; i < events.count; i++) {
        struct event ev;
        decode(bench, &events, i, &ev);
        if (!builder || reference_builder_add(builder, &ev) != 0)
            bench_fail("cannot build the reference");
    }
    if (reference_builder_finish(builder, &bench->reference, &err) != 0)
        bench_fail(err.message);
    reference_builder_free(builder);
    bench_events_free(&events);
}

static void make(struct bench *bench, size_t count)
{
    struct event_options options = {.seed = 2, .start_ms = INT64_C(1772323200000), .rate_per_s = 10000};
    struct mapping_spec spec = {.has_kind = true, .kind = EVENT_PREDICTION};
    struct err err;
    *bench = (struct bench){.events = bench_events_new(count, &options)};
    if (mapping_compile(&bench->mapping, &spec, "bench", &err) != 0 ||
        decoder_new(&bench->decoder, bench->mapping, NULL) != 0 || config_default(&bench->config) != 0)
        bench_fail("cannot make a decoder");
    make_reference(bench);
    const struct grid *grid = bench->reference->grid;
    bench->coarse = feature_layout_new(grid, GRID_COARSE);
    bench->binding = feature_binding_new(grid);
    bench->row = feature_row_new(grid->feature_count);
    bench->cells[0] = feature_cell_new(bench->reference->layout);
    bench->cells[1] = bench->coarse ? feature_cell_new(bench->coarse) : NULL;
    if (!bench->binding || !bench->row || !bench->cells[0] || !bench->cells[1])
        bench_fail("out of memory");
    bench->profile = (struct profile){.state = PROFILE_READY,
                                      .effective_from_ms = INT64_MIN,
                                      .grid = 1,
                                      .layouts = {bench->reference->layout, bench->coarse}};
    bench->entry = (struct profile_entry){"credit_risk", NULL, &bench->profile};
    bench->book = (struct profile_book){&bench->entry, 1, no_profile, NULL};
}

static void release(struct bench *bench)
{
    feature_cell_free(bench->cells[0]);
    feature_cell_free(bench->cells[1]);
    feature_row_free(bench->row);
    feature_binding_free(bench->binding);
    feature_layout_free(bench->coarse);
    reference_free(bench->reference);
    decoder_free(bench->decoder);
    mapping_free(bench->mapping);
    config_free(bench->config);
    bench_events_free(&bench->events);
}

static double run_steps(struct bench *bench, enum stage last)
{
    double start = bench_cpu_ns();
    for (size_t i = 0; i < bench->events.count; i++) {
        struct event ev;
        decode(bench, &bench->events, i, &ev);
        if (last >= STAGE_RESOLVE && feature_row_resolve(bench->row, bench->binding, &ev) != 0)
            bench_fail("out of memory");
        for (int cell = 0; cell < (int)last - STAGE_RESOLVE; cell++)
            if (feature_cell_add(bench->cells[cell], bench->row) != 0)
                bench_fail("out of memory");
    }
    return (bench_cpu_ns() - start) / (double)bench->events.count;
}

/* A worker's life without its thread: a second's worth of events, then an empty delta. */
static double run_ingest(struct bench *bench, bool dedup)
{
    enum { DELTA_EVENTS = 10000 };
    struct ingest *ingest;
    struct err err;
    bench->config->dedup = dedup;
    struct worker_settings settings = {.config = bench->config,
                                       .mappings = &bench->mapping,
                                       .input_count = 1,
                                       .book = &bench->book,
                                       .files = true};
    struct worker_slot slot = {.end_offset = INT64_MAX, .clock_ms = {INT64_MIN, INT64_MIN}};
    struct delta *delta = delta_new();
    if (!delta || ingest_new(&ingest, &settings, &err) != 0 || ingest_add_slot(ingest, &slot) != 0)
        bench_fail("cannot make an ingest");
    ingest_set_delta(ingest, delta);
    ingest_begin_batch(ingest, INT64_C(4102444800000));
    const struct source_sink *sink = ingest_sink(ingest);
    double start = bench_cpu_ns();
    for (size_t i = 0; i < bench->events.count; i++) {
        struct record record = bench_record(&bench->events, i);
        if (sink->deliver(sink->context, 0, &record) != SOURCE_TAKEN)
            bench_fail("an event is held");
        if (i % DELTA_EVENTS == DELTA_EVENTS - 1)
            delta_reset(delta);
    }
    double ns = (bench_cpu_ns() - start) / (double)bench->events.count;
    ingest_free(ingest);
    delta_free(delta);
    return ns;
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    size_t count = argc > 1 + json ? strtoull(argv[1 + json], NULL, 10) : 50000;
    size_t rounds = argc > 2 + json ? strtoull(argv[2 + json], NULL, 10) : 9;
    if (count == 0 || rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    struct bench bench;
    make(&bench, count);
    double ns[STAGE_COUNT][ROUNDS_MAX], at[STAGE_COUNT];
    for (size_t round = 0; round < rounds; round++)
        for (enum stage stage = 0; stage < STAGE_COUNT; stage++)
            ns[stage][round] =
                stage < STAGE_INGEST ? run_steps(&bench, stage) : run_ingest(&bench, stage == STAGE_INGEST);
    for (enum stage stage = 0; stage < STAGE_COUNT; stage++)
        at[stage] = bench_median(ns[stage], rounds);
    double statistics = at[STAGE_FINE] - at[STAGE_DECODE];
    (void)printf(
        json ? "{\"bench\":\"statistics\",\"decode_ns\":%.1f,\"resolve_ns\":%.1f,\"cell_fine_ns\":%.1f,"
               "\"cell_coarse_ns\":%.1f,\"statistics_ns\":%.1f,\"ingest_ns\":%.1f,"
               "\"ingest_no_dedup_ns\":%.1f}\n"
             : "decode %.0f ns, resolve and standardise %.0f, whole model's cell %.0f, a segment's cell "
               "%.0f: statistics %.0f ns; record to delta %.0f ns (%.0f without dedup)\n",
        at[STAGE_DECODE], at[STAGE_RESOLVE] - at[STAGE_DECODE], at[STAGE_FINE] - at[STAGE_RESOLVE],
        at[STAGE_COARSE] - at[STAGE_FINE], statistics, at[STAGE_INGEST], at[STAGE_NO_DEDUP]);
    if (!json)
        (void)printf("statistics ÷ decode = %.2f\n", statistics / at[STAGE_DECODE]);
    release(&bench);
    return 0;
}
