/*
 * What each family of statistics adds to an event: CPU nanoseconds per event of counting (median of rounds),
 * microseconds of a report of a window, and the size of its state. Families of the table first, then what is
 * counted once a label is there, then sequential detectors per value.
 *
 *   bench_families [--json] [EVENTS [ROUNDS]]
 */
#include "detectors/class_scores.h"
#include "detectors/families.h"
#include "detectors/ddsketch.h"
#include "detectors/kpi.h"
#include "detectors/outcomes.h"
#include "detectors/reference.h"
#include "detectors/sequential.h"
#include "tests/bench/bench.h"

enum {
    ROUNDS_MAX = 99,
    REFERENCE_EVENTS = 10000,
    ATTRIBUTIONS_MAX = BENCH_FEATURES_MAX,
    CLASSES = 3,
    DIMENSIONS = 16
};

static const struct model_options model_options = {.n_min = 200, .threshold = 0.5, .unit = 1};

/* What the events of the stream do not carry. */
struct extras {
    struct field attributions[ATTRIBUTIONS_MAX], scores[CLASSES], kpi;
    struct kpi_target kpi_target;
};

struct bench {
    struct bench_events events;
    struct mapping *mapping;
    struct decoder *decoder;
    struct reference *reference;
    struct feature_binding *binding;
    struct feature_row *row;
    struct family_tools tools;
    struct extras extras;
};

static double unit_of(uint64_t i)
{
    i = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    i = (i ^ (i >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (double)((i ^ (i >> 31)) >> 11) * 0x1p-53;
}

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

static void decode(struct bench *bench, const struct bench_events *events, size_t i, struct event *ev)
{
    static const char *const classes[CLASSES] = {"a", "b", "c"};
    struct record record = bench_record(events, i);
    if (decoder_decode(bench->decoder, &record, ev) != REJECT_NONE)
        bench_fail(decoder_detail(bench->decoder));
    double u = unit_of(i), v = unit_of(i + 7919);
    uint32_t count = 0;
    for (uint32_t f = 0; f < ev->features.count && count < ATTRIBUTIONS_MAX; f++) {
        bench->extras.attributions[count] = ev->features.items[f];
        bench->extras.attributions[count++].value = number((u - v) / (1 + f));
    }
    for (uint32_t c = 0; c < CLASSES; c++)
        bench->extras.scores[c] = (struct field){text_of(classes[c]), 1000 + c,
                                                 number(c == 0   ? u / 2
                                                        : c == 1 ? u / 2
                                                                 : 1 - u)};
    ev->attributions = (struct fields){bench->extras.attributions, count};
    ev->latency_ms = number(1 + 50 * v * v);
    ev->label = number(v < 0.3);
    if (ev->score.type != VALUE_NUMBER)
        ev->score = number(u);
}

static void make(struct bench *bench, size_t count)
{
    struct event_options options = {.seed = 2, .start_ms = INT64_C(1772323200000), .rate_per_s = 10000};
    struct mapping_spec spec = {.has_kind = true, .kind = EVENT_PREDICTION};
    struct reference_options wanted = {
        .name = "bench", .model = "credit_risk", .version = "", .source = "bench", .options = &model_options};
    struct err err;
    *bench = (struct bench){.events = bench_events_new(count, &options)};
    if (mapping_compile(&bench->mapping, &spec, "bench", &err) != 0 ||
        decoder_new(&bench->decoder, bench->mapping, NULL) != 0 || family_tools_init(&bench->tools) != 0)
        bench_fail("cannot make a decoder");
    options.seed = 1;
    struct bench_events before = bench_events_new(REFERENCE_EVENTS, &options);
    struct reference_builder *builder = reference_builder_new(&wanted);
    for (size_t i = 0; i < before.count; i++) {
        struct event ev;
        decode(bench, &before, i, &ev);
        if (!builder || reference_builder_add(builder, &ev) != 0)
            bench_fail("cannot build the reference");
    }
    if (reference_builder_finish(builder, &bench->reference, &err) != 0)
        bench_fail(err.message);
    reference_builder_free(builder);
    bench_events_free(&before);
    bench->binding = feature_binding_new(bench->reference->grid);
    bench->row = feature_row_new(bench->reference->grid->feature_count);
    if (!bench->binding || !bench->row)
        bench_fail("out of memory");
}

static void release(struct bench *bench)
{
    feature_row_free(bench->row);
    feature_binding_free(bench->binding);
    reference_free(bench->reference);
    family_tools_release(&bench->tools);
    decoder_free(bench->decoder);
    mapping_free(bench->mapping);
    bench_events_free(&bench->events);
}

/* ---- families of the table ---- */

/* One pass over all events; `tally` NULL: only what comes before counting. Returns how many applied. */
static size_t pass(struct bench *bench, const struct family_ops *ops, struct tally *tally, double *out_ns)
{
    size_t applied = 0;
    double start = bench_cpu_ns();
    for (size_t i = 0; i < bench->events.count; i++) {
        struct event ev;
        decode(bench, &bench->events, i, &ev);
        if (feature_row_resolve(bench->row, bench->binding, &ev) != 0)
            bench_fail("out of memory");
        struct count_input input = {.event = &ev,
                                    .options = &model_options,
                                    .tools = &bench->tools,
                                    .reference = bench->reference,
                                    .row = bench->row,
                                    .binding = bench->binding};
        if (ops == &kpi_family) { /* an event of its own, with one of them */
            bench->extras.kpi = (struct field){text_of("amount"), 0, ev.latency_ms};
            bench->extras.kpi_target =
                (struct kpi_target){0, kpi_scale_of(&model_options, text_of("amount"))};
            ev.kind = EVENT_KPI;
            ev.kpis = (struct fields){&bench->extras.kpi, 1};
            input.kpis = &bench->extras.kpi_target;
        }
        if (tally && ops->applies(&input)) {
            ops->add(tally, &input, 1);
            applied++;
        }
    }
    *out_ns = (bench_cpu_ns() - start) / (double)bench->events.count;
    return applied;
}

static double report_us(struct bench *bench, int family, const struct tally *tally)
{
    enum { REPORTS = 50 };
    const struct family_ops *ops = family_table[family];
    uint32_t max = ops->rows_max(bench->reference);
    struct report_row *rows = calloc((size_t)max + 1, sizeof(*rows));
    struct text *names = calloc((size_t)max + 1, sizeof(*names));
    uint64_t activity[EVENT_KIND_COUNT] = {bench->events.count};
    if (!rows || !names)
        bench_fail("out of memory");
    struct family_report report = {.current = tally,
                                   .baseline = bench->reference->counts[family],
                                   .reference = bench->reference,
                                   .options = &model_options,
                                   .tools = &bench->tools,
                                   .activity = activity,
                                   .window_ms = 3600000};
    double start = bench_cpu_ns();
    for (int i = 0; i < REPORTS; i++)
        (void)ops->report(&report, rows, names);
    double us = (bench_cpu_ns() - start) / REPORTS / 1000;
    free(rows);
    free(names);
    return us;
}

static void print(bool json, const char *name, double ns, double us, size_t bytes)
{
    if (json)
        (void)printf("{\"bench\":\"family\",\"name\":\"%s\",\"count_ns\":%.1f,\"report_us\":%.1f,\"state_"
                     "bytes\":%zu}\n",
                     name, ns, us, bytes);
    else
        (void)printf("%-28s %8.1f ns an event %9.1f us a report %9zu bytes\n", name, ns, us, bytes);
}

static void run_family(struct bench *bench, int family, size_t rounds, bool json)
{
    const struct family_ops *ops = family_table[family];
    struct tally_size size = ops->size(&bench->tools, ops->of_reference ? bench->reference : NULL);
    if (size.counters + size.sums == 0) {
        print(json, ops->name, 0, 0, 0); /* has to be switched on */
        return;
    }
    struct tally *tally = tally_new(size);
    double ns[ROUNDS_MAX];
    if (!tally)
        bench_fail("out of memory");
    for (size_t round = 0; round < rounds; round++) {
        double without, with;
        (void)pass(bench, ops, NULL, &without);
        if (pass(bench, ops, tally, &with) ==
            0) { /* the events say nothing to it, or it is counted elsewhere */
            tally_free(tally);
            print(json, ops->name, 0, 0, 0);
            return;
        }
        ns[round] = with - without;
    }
    print(json, ops->name, bench_median(ns, rounds), report_us(bench, family, tally), tally_bytes(tally));
    tally_free(tally);
}

/* ---- with labels ---- */

/* The tallies of outcome_panes.h, each by itself. */
enum { PART_SCORES, PART_GROUPS, PART_CLASSES, PART_RESIDUALS, PART_CLASS_SCORES, PARTS };

/* Ten classes. */
static void add_class_scores(struct tally *tally, const struct outcome *outcome, size_t i)
{
    struct class_scores scores = {.count = 10};
    for (uint32_t k = 0; k < scores.count; k++)
        scores.codes[k] = (uint16_t)((i * 7919 + k * 104729) % (CLASS_SCORE_STEPS / 5));
    outcome_class_scores_add(tally, &scores, (uint32_t)outcome->truth, 1);
}

static void add_part(int part, struct tally *tally, const struct ddsketch_layout *layout,
                     const struct outcome *outcome, size_t i)
{
    if (part == PART_SCORES)
        outcomes_add(tally, outcome, 1, 1);
    else if (part == PART_GROUPS)
        outcome_groups_add(tally, (uint32_t)(i % 20), outcome, 1);
    else if (part == PART_CLASSES)
        outcome_classes_add(tally, outcome, 1);
    else if (part == PART_CLASS_SCORES)
        add_class_scores(tally, outcome, i);
    else
        outcome_residuals_add(tally, layout, outcome, 1, 1);
}

/* Rows of classes need their counts too. */
static void report_class_scores(const struct tally *tally, const struct outcome_options *options,
                                const struct text *texts, struct report_row *rows, struct text *out)
{
    struct tally *classes = tally_new(outcome_classes_size());
    struct outcome_options with = *options;
    with.class_scores = tally;
    if (!classes)
        bench_fail("out of memory");
    for (uint32_t k = 0; k < 10; k++) {
        struct outcome outcome = {
            .kind = OUTCOME_MULTICLASS, .labelled = true, .predicted = (uint8_t)k, .truth = k};
        outcome_classes_add(classes, &outcome, 1);
    }
    (void)outcome_classes_report(classes, texts, 10, &with, rows, out);
    tally_free(classes);
}

static double report_part(int part, const struct tally *tally)
{
    static const char *const names[] = {"a=0", "a=1", "a=2", "a=3", "a=4", "a=5", "a=6", "a=7", "a=8", "a=9",
                                        "b=0", "b=1", "b=2", "b=3", "b=4", "b=5", "b=6", "b=7", "b=8", "b=9"};
    struct outcome_options options = {.n_min = 30, .unit = 1};
    struct report_row rows[OUTCOME_CLASS_ROWS_MAX + OUTCOME_ROWS_MAX + 80];
    struct text texts[ARRAY_LEN(names)], out[ARRAY_LEN(rows)];
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
        texts[i] = text_of(names[i]);
    double start = bench_cpu_ns();
    if (part == PART_SCORES)
        (void)outcomes_report(tally, &options, rows, out);
    else if (part == PART_GROUPS)
        (void)outcome_groups_report(tally, texts, ARRAY_LEN(names), &options, rows, out);
    else if (part == PART_CLASSES)
        (void)outcome_classes_report(tally, texts, 10, &options, rows, out);
    else if (part == PART_CLASS_SCORES)
        report_class_scores(tally, &options, texts, rows, out);
    return (bench_cpu_ns() - start) / 1000;
}

static struct outcome make_outcome(uint8_t kind, size_t i)
{
    double u = unit_of(i), v = unit_of(i + 7919);
    struct outcome outcome = {
        .kind = kind, .labelled = true, .predicted = u >= 0.5, .value = u, .truth = v < u};
    if (kind == OUTCOME_REGRESSION)
        outcome.truth = u + v;
    if (kind == OUTCOME_MULTICLASS) {
        outcome.predicted = (uint8_t)(u * 10);
        outcome.truth = (uint8_t)(v * 10);
    }
    return outcome;
}

static void run_outcomes(const struct bench *bench, const char *name, uint8_t kind, int part, size_t rounds,
                         bool json)
{
    struct ddsketch_layout *layout = outcome_residual_layout_new();
    if (!layout)
        bench_fail("out of memory");
    const struct tally_size sizes[PARTS] = {outcomes_size(),
                                            outcome_groups_size(),
                                            outcome_classes_size(),
                                            {ddsketch_counters(layout), 0},
                                            outcome_class_scores_size()};
    struct tally *tally = tally_new(sizes[part]);
    double ns[ROUNDS_MAX];
    if (!tally)
        bench_fail("out of memory");
    for (size_t round = 0; round < rounds; round++) {
        double start = bench_cpu_ns();
        for (size_t i = 0; i < bench->events.count; i++) {
            struct outcome outcome = make_outcome(kind, i);
            add_part(part, tally, layout, &outcome, i);
        }
        ns[round] = (bench_cpu_ns() - start) / (double)bench->events.count;
    }
    print(json, name, bench_median(ns, rounds), report_part(part, tally), tally_bytes(tally));
    tally_free(tally);
    ddsketch_layout_free(layout);
}

static void run_sequential(const struct bench *bench, enum sequential_kind kind, bool json)
{
    struct sequential_options options = sequential_options(kind);
    struct sequential *detector = sequential_new(&options);
    char name[64];
    if (!detector)
        bench_fail("out of memory");
    double start = bench_cpu_ns();
    for (size_t i = 0; i < bench->events.count; i++)
        (void)sequential_update(detector, unit_of(i) < 0.2 ? 1 : 0);
    double ns = (bench_cpu_ns() - start) / (double)bench->events.count;
    sequential_free(detector);
    (void)snprintf(name, sizeof(name), "sequential_%s", sequential_describe(kind)->name);
    print(json, name, ns, 0, 0);
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    size_t count = argc > 1 + json ? strtoull(argv[1 + json], NULL, 10) : 20000;
    size_t rounds = argc > 2 + json ? strtoull(argv[2 + json], NULL, 10) : 5;
    if (count == 0 || rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    struct bench bench;
    make(&bench, count);
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++)
        run_family(&bench, family, rounds, json);
    run_outcomes(&bench, "outcomes_binary", OUTCOME_BINARY, PART_SCORES, rounds, json);
    run_outcomes(&bench, "outcomes_groups", OUTCOME_BINARY, PART_GROUPS, rounds, json);
    run_outcomes(&bench, "outcomes_regression", OUTCOME_REGRESSION, PART_SCORES, rounds, json);
    run_outcomes(&bench, "outcomes_residuals", OUTCOME_REGRESSION, PART_RESIDUALS, rounds, json);
    run_outcomes(&bench, "outcomes_classes", OUTCOME_MULTICLASS, PART_CLASSES, rounds, json);
    run_outcomes(&bench, "outcomes_class_scores_10", OUTCOME_MULTICLASS, PART_CLASS_SCORES, rounds, json);
    for (int kind = 0; kind < SEQUENTIAL_KIND_COUNT; kind++)
        run_sequential(&bench, (enum sequential_kind)kind, json);
    release(&bench);
    return 0;
}
