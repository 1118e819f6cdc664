/*
 * What an event costs that is counted with all its features together or with an embedding, and what building
 * such a reference costs. Medians of CPU nanoseconds.
 *
 *   bench_multivariate [--json] [EVENTS [ROUNDS]]
 */
#include "detectors/embeddings.h"
#include "detectors/multivariate_family.h"
#include "detectors/reference.h"
#include "tests/bench/bench.h"

enum { ROUNDS_MAX = 99, REFERENCE_EVENTS = 5000, NAME_BYTES = 8 };

struct bench {
    struct reference *reference;
    struct feature_binding *binding;
    struct feature_row *row;
    struct field *fields;
    char (*names)[NAME_BYTES];
    double *vector;
    uint32_t features, dimension;
    double build_ms;
};

static double unit_of(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-53;
}

static struct event make_event(struct bench *bench, uint32_t i)
{
    uint64_t seed = i * UINT64_C(0x9e3779b97f4a7c15) + 1;
    double common = unit_of(&seed);
    for (uint32_t f = 0; f < bench->features; f++)
        bench->fields[f].value = (struct value){.type = VALUE_NUMBER, .number = common + unit_of(&seed)};
    for (uint32_t k = 0; k < bench->dimension; k++)
        bench->vector[k] = unit_of(&seed) - 0.4;
    if (bench->dimension)
        bench->fields[bench->features].value =
            (struct value){.type = VALUE_VECTOR, .vector = bench->vector, .count = bench->dimension};
    return (struct event){.kind = EVENT_FEATURES,
                          .ts_ms = i,
                          .features = {bench->fields, bench->features + (bench->dimension > 0)}};
}

static void make(struct bench *bench, uint32_t features, uint32_t dimension)
{
    *bench = (struct bench){.features = features, .dimension = dimension};
    bench->fields = calloc(features + 1, sizeof *bench->fields);
    bench->names = calloc(features + 1, sizeof *bench->names);
    bench->vector = calloc(dimension + 1, sizeof *bench->vector);
    if (!bench->fields || !bench->names || !bench->vector)
        bench_fail("no memory");
    for (uint32_t f = 0; f <= features; f++) {
        (void)snprintf(bench->names[f], NAME_BYTES, f < features ? "f%04u" : "vector", (unsigned)f);
        bench->fields[f] = (struct field){.name = text_of(bench->names[f]), .name_id = f};
    }
    struct reference_options options = {
        .name = "r", .model = "m", .version = "", .source = "", .multivariate = true};
    struct reference_builder *builder = reference_builder_new(&options);
    for (uint32_t i = 0; i < REFERENCE_EVENTS; i++) {
        struct event ev = make_event(bench, i);
        if (!builder || reference_builder_add(builder, &ev) != 0)
            bench_fail("cannot add to a reference");
    }
    struct err err;
    double start = bench_cpu_ns();
    if (reference_builder_finish(builder, &bench->reference, &err) != 0)
        bench_fail(err.message);
    bench->build_ms = (bench_cpu_ns() - start) / 1e6;
    reference_builder_free(builder);
    bench->binding = feature_binding_new(bench->reference->grid);
    bench->row = feature_row_new(bench->reference->grid->feature_count);
    if (!bench->binding || !bench->row)
        bench_fail("no memory");
}

static void release(struct bench *bench)
{
    feature_row_free(bench->row);
    feature_binding_free(bench->binding);
    reference_free(bench->reference);
    free(bench->fields);
    free(bench->names);
    free(bench->vector);
}

/* Adding alone: an event is resolved once and counted over and over. */
static double run(struct bench *bench, const struct family_ops *ops, uint32_t count)
{
    struct model_options options = {.multivariate = MULTIVARIATE_ALL};
    struct event ev = make_event(bench, 1);
    struct tally *tally = tally_new(ops->size(NULL, bench->reference));
    if (!tally || feature_row_resolve(bench->row, bench->binding, &ev) != 0)
        bench_fail("no memory");
    struct count_input input = {
        .event = &ev, .options = &options, .reference = bench->reference, .row = bench->row};
    double start = bench_cpu_ns();
    for (uint32_t i = 0; i < count; i++)
        ops->add(tally, &input, 1);
    double ns = (bench_cpu_ns() - start) / count;
    tally_free(tally);
    return ns;
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    size_t count = argc > 1 + json ? strtoull(argv[1 + json], NULL, 10) : 2000;
    size_t rounds = argc > 2 + json ? strtoull(argv[2 + json], NULL, 10) : 9;
    if (count == 0 || count > 100000000 || rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    static const uint32_t shapes[][2] = {{4, 0}, {16, 0}, {64, 0}, {1, 64}, {1, 768}, {1, 4096}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        struct bench bench;
        double ns[ROUNDS_MAX];
        make(&bench, shapes[s][0], shapes[s][1]);
        const struct family_ops *ops = shapes[s][1] ? &embeddings_family : &multivariate_family;
        for (size_t round = 0; round < rounds; round++)
            ns[round] = run(&bench, ops, (uint32_t)count);
        double at = bench_median(ns, rounds);
        struct tally_size size = ops->size(NULL, bench.reference);
        (void)printf(
            json
                ? "{\"bench\":\"multivariate\",\"family\":\"%s\",\"numbers\":%u,\"add_ns\":%.0f,\"sums\":%u,"
                  "\"build_ms\":%.0f}\n"
                : "%s of %u numbers: %.0f ns an event that is counted, %u sums; reference built in %.0f ms\n",
            ops->name, shapes[s][1] ? shapes[s][1] : shapes[s][0], at, size.sums, bench.build_ms);
        release(&bench);
    }
    return 0;
}
