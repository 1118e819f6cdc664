/* quality_report.c, value_types.c, unseen_names.c: rows of windows whose values are known one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "detectors/quality.h"
#include "detectors/quality_report.h"
#include "detectors/quality_slots.h"
#include "detectors/reference.h"
#include "detectors/unseen_names.h"
#include "detectors/value_types.h"
#include "tests/unit/reference_document.h"

enum { REFERENCE_EVENTS = 3000, WINDOW_EVENTS = 1000, FIELDS = 6, N_MIN = 200 };

static const struct model_options options = {.n_min = N_MIN, .threshold = 0.5, .unit = 1};

static double unit_of(uint64_t i)
{
    return ((double)(hash_mix((i + 1) * UINT64_C(0x9e3779b97f4a7c15)) >> 11) + 0.5) * 0x1p-53;
}

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

struct made {
    struct field fields[FIELDS], segment;
    struct event ev;
    char id[24];
};

/* In segments by city. x continuous, steps 0…4, city, flag boolean, one constant, and a vector that no grid
 * holds. */
static void make(struct made *made, uint64_t i)
{
    static const char *const cities[] = {"north", "south", "east"};
    static const double vector[] = {1, 2};
    struct field fields[FIELDS] = {
        {text_of("x"), 0, number(10 * unit_of(4 * i) * unit_of(4 * i + 1))},
        {text_of("steps"), 1, number(floor(5 * unit_of(4 * i + 2)))},
        {text_of("city"), 2, string(cities[i % 3])},
        {text_of("flag"),
         3,
         {.type = VALUE_BOOL, .number = i & 1 ? 1 : 0, .text = text_of(i & 1 ? "true" : "false")}},
        {text_of("one"), 4, number(3)},
        {text_of("vector"), 5, {.type = VALUE_VECTOR, .vector = vector, .count = 2}},
    };
    memcpy(made->fields, fields, sizeof(fields));
    made->segment = (struct field){text_of("part"), 6, string(cities[i % 3])};
    (void)snprintf(made->id, sizeof(made->id), "%u", (unsigned)i);
    made->ev = (struct event){.kind = EVENT_PREDICTION,
                              .model = text_of("m"),
                              .id = text_of(made->id),
                              .ts_ms = (int64_t)i,
                              .segments = {&made->segment, 1},
                              .features = {made->fields, FIELDS}};
}

struct world {
    struct reference *reference;
    struct feature_binding *binding;
    struct feature_row *row;
    struct tally *features, *types, *segment; /* the last in coarse bins */
    struct name_sketch *names;
    struct family_tools tools;
    struct report_row rows[FIELDS];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct reference_options wanted = {.name = "r", .model = "m", .options = &options};
    struct reference_builder *builder = reference_builder_new(&wanted);
    for (uint64_t i = 0; i < REFERENCE_EVENTS; i++) {
        struct made made;
        make(&made, i);
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    w->reference = finished(builder);
    w->binding = feature_binding_new(w->reference->grid);
    feature_binding_ignore(w->binding, w->reference->ignored, w->reference->ignored_count);
    w->row = feature_row_new(w->reference->grid->feature_count);
    w->features = tally_new(w->reference->layout->size);
    w->segment = tally_new(w->reference->coarse->size);
    w->types = tally_new(value_types_family.size(&w->tools, w->reference));
    w->names = name_sketch_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    feature_row_free(w->row);
    feature_binding_free(w->binding);
    reference_free(w->reference);
    tally_free(w->features);
    tally_free(w->types);
    tally_free(w->segment);
    name_sketch_free(w->names);
    free(w);
    return 0;
}

static void count(struct world *w, const struct event *ev)
{
    struct feature_cell *cell = feature_cell_new(w->reference->layout);
    assert_int_equal(feature_row_resolve(w->row, w->binding, ev), 0);
    assert_int_equal(feature_cell_add(cell, w->row), 0);
    feature_cell_merge(cell, w->features);
    feature_cell_free(cell);
    struct count_input input = {
        .event = ev, .options = &options, .tools = &w->tools, .reference = w->reference, .row = w->row};
    if (value_types_family.applies(&input))
        value_types_family.add(w->types, &input, 1);
    assert_int_equal(unseen_names_add(w->reference->grid, w->row, w->names), 0);
}

typedef void change_fn(struct made *made, uint64_t i);

static const struct report_row *report(struct world *w, uint64_t events, change_fn *change)
{
    tally_reset(w->features);
    tally_reset(w->types);
    name_sketch_reset(w->names);
    for (uint64_t i = 0; i < events; i++) {
        struct made made;
        make(&made, REFERENCE_EVENTS + i);
        if (change)
            change(&made, i);
        count(w, &made.ev);
    }
    struct quality_input input = {.layout = w->reference->layout,
                                  .current = w->features,
                                  .reference_layout = w->reference->layout,
                                  .reference = w->reference->features,
                                  .types = w->types,
                                  .reference_types = w->reference->counts[COUNT_TYPES],
                                  .n_min = N_MIN};
    quality_report(&input, w->rows);
    for (uint32_t f = 0; f < w->reference->grid->feature_count; f++)
        for (int s = 0; s < REPORT_SLOTS; s++)
            assert_true(!isinf(w->rows[f].slots[s]));
    return w->rows;
}

static const double *slots_of(const struct world *w, const char *feature)
{
    uint32_t f = grid_find(w->reference->grid, text_of(feature));
    assert_true(f != UINT32_MAX);
    return w->rows[f].slots;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The bracket holds the exact quantile (the value of rank ⌈q·n⌉), and the estimate lies in it. */
static void test_quantiles(void **state)
{
    struct world *w = *state;
    static double x[WINDOW_EVENTS], steps[WINDOW_EVENTS];
    (void)report(w, WINDOW_EVENTS, NULL);
    for (uint64_t i = 0; i < WINDOW_EVENTS; i++) {
        struct made made;
        make(&made, REFERENCE_EVENTS + i);
        x[i] = made.fields[0].value.number;
        steps[i] = made.fields[1].value.number;
    }
    qsort(x, WINDOW_EVENTS, sizeof(*x), ascending);
    qsort(steps, WINDOW_EVENTS, sizeof(*steps), ascending);
    static const struct {
        int slot, rank;
    } cases[] = {{QUALITY_P05, 50}, {QUALITY_P50, 500}, {QUALITY_P95, 950}};
    for (size_t c = 0; c < 3; c++) {
        const double *at = slots_of(w, "x") + cases[c].slot;
        double exact = x[cases[c].rank - 1];
        assert_true(at[1] < exact && exact <= at[2] && at[1] <= at[0] && at[0] <= at[2]);
        assert_true(slots_of(w, "steps")[cases[c].slot] == steps[cases[c].rank - 1]); /* exact */
    }
    assert_true(isnan(slots_of(w, "city")[QUALITY_P50]));
}

static void same_x(struct made *made, uint64_t i)
{
    (void)i;
    made->fields[0].value.number = 1.2345678901234567;
    made->fields[1].value.number = 4;
    made->fields[2].value = string("south");
}

static void nearly_same_x(struct made *made, uint64_t i)
{
    made->fields[0].value.number = 1.2345 + 0.001 * (double)(i % 2);
}

static void unseen_city(struct made *made, uint64_t i)
{
    (void)i;
    made->fields[2].value = string("elsewhere");
}

static void test_stuck(void **state)
{
    struct world *w = *state;
    (void)report(w, WINDOW_EVENTS, NULL);
    assert_true(slots_of(w, "x")[QUALITY_STUCK] == 0 && slots_of(w, "city")[QUALITY_STUCK] == 0);
    assert_true(slots_of(w, "one")[QUALITY_STUCK] == 0); /* as always */
    (void)report(w, WINDOW_EVENTS, same_x);
    assert_true(slots_of(w, "x")[QUALITY_STUCK] == 1 && slots_of(w, "steps")[QUALITY_STUCK] == 1 &&
                slots_of(w, "city")[QUALITY_STUCK] == 1 && slots_of(w, "flag")[QUALITY_STUCK] == 0);
    assert_true(slots_of(w, "x")[QUALITY_MODE_SHARE] == 1);
    (void)report(w, WINDOW_EVENTS, nearly_same_x);
    assert_true(slots_of(w, "x")[QUALITY_STUCK] == 0);
    (void)report(w, N_MIN - 1, same_x);
    assert_true(isnan(slots_of(w, "x")[QUALITY_STUCK]));
    (void)report(w, WINDOW_EVENTS, unseen_city); /* may be several */
    assert_true(slots_of(w, "city")[QUALITY_STUCK] == 0);
}

static void strange(struct made *made, uint64_t i)
{
    if (i % 4 == 0)
        made->fields[0].value = string(i % 8 ? "-Infinity" : "none");
    if (i % 5)
        made->fields[3].value = number(7);
    made->fields[1].value = i % 10 ? made->fields[1].value : (struct value){.type = VALUE_NULL};
}

static void test_types_and_rates(void **state)
{
    struct world *w = *state;
    (void)report(w, WINDOW_EVENTS, NULL);
    assert_true(slots_of(w, "flag")[QUALITY_TYPE_CHANGED] == 0 &&
                slots_of(w, "flag")[QUALITY_OTHER_TYPE] == 0);
    (void)report(w, WINDOW_EVENTS, strange);
    const double *x = slots_of(w, "x"), *flag = slots_of(w, "flag"), *steps = slots_of(w, "steps");
    assert_true(x[QUALITY_TYPE_CHANGED] == 0 && x[QUALITY_OTHER_TYPE] == 0.25);
    assert_true(x[QUALITY_NOT_FINITE] == 0.125);
    assert_true(flag[QUALITY_TYPE_CHANGED] == 1 && flag[QUALITY_OTHER_TYPE] == 0.8);
    struct rate_change change = rate_change(WINDOW_EVENTS / 10, WINDOW_EVENTS, 0, REFERENCE_EVENTS);
    assert_true(steps[QUALITY_MISSING] == change.difference && steps[QUALITY_MISSING_P] == change.test.p &&
                steps[QUALITY_MISSING_LOW] == change.interval.low &&
                steps[QUALITY_MISSING_HIGH] == change.interval.high);
    assert_true(x[QUALITY_INVALID] == 0.25 && x[QUALITY_INVALID_P] < 1e-20);
    assert_true(flag[QUALITY_OUTSIDE] == 0.8); /* "7" is no category of it */
}

static void renamed(struct made *made, uint64_t i)
{
    made->fields[0].name = text_of(i % 2 ? "x_new" : "x_other");
    made->fields[0].name_id = i % 2 ? 11 : 10;
    made->fields[2].value = string(i % 4 ? "south" : "atlantis");
}

static void test_fields(void **state)
{
    struct world *w = *state;
    struct sketched_name names[NAME_SKETCH_NAMES];
    (void)report(w, WINDOW_EVENTS, NULL); /* the vector is no feature, but known */
    assert_int_equal(w->reference->ignored_count, 1);
    assert_true(name_sketch_is_empty(w->names));
    assert_int_equal(w->types->counters[VALUE_TYPES_UNKNOWN_FIELDS], 0);
    assert_true(slots_of(w, "x")[QUALITY_REMOVED] == 0);
    (void)report(w, WINDOW_EVENTS, renamed);
    assert_true(slots_of(w, "x")[QUALITY_REMOVED] == 1 && slots_of(w, "one")[QUALITY_REMOVED] == 0);
    assert_int_equal(w->types->counters[VALUE_TYPES_UNKNOWN_EVENTS], WINDOW_EVENTS);
    assert_int_equal(name_sketch_names(w->names, text_of(UNSEEN_FIELDS), names), 2);
    assert_true(text_equal(names[0].name, text_of("x_new")) && names[0].count == WINDOW_EVENTS / 2);
    assert_int_equal(name_sketch_names(w->names, text_of("city"), names), 1);
    assert_true(text_equal(names[0].name, text_of("atlantis")) && names[0].count == WINDOW_EVENTS / 4);
    struct family_report fields = {
        .current = w->types, .baseline = w->reference->counts[COUNT_TYPES], .options = &options};
    struct report_row row;
    struct text name;
    assert_int_equal(value_types_family.report(&fields, &row, &name), 1);
    assert_true(row.slots[FIELDS_UNKNOWN] == 1 && row.slots[FIELDS_UNKNOWN_RATE] == 1);
}

/* Nothing, and one event: NaN or a plain answer. */
static void test_degenerate(void **state)
{
    struct world *w = *state;
    (void)report(w, 0, NULL);
    for (uint32_t f = 0; f < w->reference->grid->feature_count; f++)
        for (int s = 0; s < QUALITY_SLOT_COUNT; s++)
            assert_true(isnan(w->rows[f].slots[s]));
    (void)report(w, 1, NULL);
    assert_true(slots_of(w, "x")[QUALITY_REMOVED] == 0 && slots_of(w, "city")[QUALITY_MODE_SHARE] == 1);
    assert_true(isnan(slots_of(w, "x")[QUALITY_STUCK]));
}

static void test_top(void **state)
{
    struct world *w = *state;
    (void)report(w, WINDOW_EVENTS, renamed);
    uint32_t f = grid_find(w->reference->grid, text_of("city"));
    const struct feature_grid *grid = &w->reference->grid->features[f];
    uint16_t top[2];
    uint32_t count_ = quality_top(grid, w->features->counters + w->reference->layout->slot_at[f], top, 2);
    assert_int_equal(count_, 1); /* only one known category came */
    assert_string_equal(grid->categories[top[0]], "south");
    (void)report(w, 100, NULL);
    count_ = quality_top(grid, w->features->counters + w->reference->layout->slot_at[f], top, 2);
    assert_int_equal(count_, 2);
    assert_string_equal(grid->categories[top[0]], "north"); /* 34 of 100 */
}

/* ---- segments ---- */

enum { NORTH_EVERY = 3 }; /* events of part=north, whose city is always one */

/* A window of part=north against that segment of the reference, or the whole reference. */
static void report_segment(struct world *w, uint64_t events, change_fn *change, const struct tally *own)
{
    struct feature_cell *cell = feature_cell_new(w->reference->coarse);
    tally_reset(w->segment);
    for (uint64_t i = 0; i < events; i++) {
        struct made made;
        make(&made, REFERENCE_EVENTS + NORTH_EVERY * i);
        if (change)
            change(&made, i);
        assert_int_equal(feature_row_resolve(w->row, w->binding, &made.ev), 0);
        assert_int_equal(feature_cell_add(cell, w->row), 0);
    }
    feature_cell_merge(cell, w->segment);
    feature_cell_free(cell);
    struct quality_input input = {.layout = w->reference->coarse,
                                  .current = w->segment,
                                  .reference_layout = w->reference->layout,
                                  .reference = w->reference->features,
                                  .segment = own,
                                  .reference_types = w->reference->counts[COUNT_TYPES],
                                  .n_min = N_MIN};
    quality_report(&input, w->rows);
    for (uint32_t f = 0; f < w->reference->grid->feature_count; f++)
        for (int s = 0; s < REPORT_SLOTS; s++)
            assert_true(!isinf(w->rows[f].slots[s]));
}

static const struct tally *north(const struct world *w)
{
    const struct reference_segment *segment = reference_segment(w->reference, text_of("part=north"));
    assert_non_null(segment);
    return segment->features;
}

static uint64_t reference_n_of(const struct world *w, const char *feature)
{
    return w->rows[grid_find(w->reference->grid, text_of(feature))].reference_n;
}

static void test_segment_rates(void **state)
{
    struct world *w = *state;
    const uint64_t sizes[] = {REFERENCE_EVENTS / NORTH_EVERY, REFERENCE_EVENTS};
    for (int whole = 0; whole < 2; whole++) {
        report_segment(w, WINDOW_EVENTS, strange, whole ? NULL : north(w));
        const double *x = slots_of(w, "x"), *steps = slots_of(w, "steps");
        uint64_t M = sizes[whole];
        assert_int_equal(reference_n_of(w, "x"), M);
        struct rate_change change = rate_change(WINDOW_EVENTS / 10, WINDOW_EVENTS, 0, M);
        assert_true(steps[QUALITY_MISSING] == change.difference &&
                    steps[QUALITY_MISSING_P] == change.test.p &&
                    steps[QUALITY_MISSING_LOW] == change.interval.low &&
                    steps[QUALITY_MISSING_HIGH] == change.interval.high);
        change = rate_change(WINDOW_EVENTS / 4, WINDOW_EVENTS, 0, M);
        assert_true(x[QUALITY_INVALID] == change.difference && x[QUALITY_INVALID_P] == change.test.p);
        assert_true(slots_of(w, "flag")[QUALITY_OUTSIDE] == 0.8);
    }
}

static void beyond(struct made *made, uint64_t i)
{
    made->fields[0].value.number = i < 7 ? 1e3 + (double)i : 1;
}

static void test_segment_out_of_range(void **state)
{
    struct world *w = *state;
    report_segment(w, WINDOW_EVENTS, beyond, north(w));
    const double *x = slots_of(w, "x");
    assert_true(x[QUALITY_OUTSIDE] == 0.007);
    assert_true(x[QUALITY_OUTSIDE_P] == out_of_range_p(7, WINDOW_EVENTS, REFERENCE_EVENTS / NORTH_EVERY));
}

/* Coarse bins are wider, but their interval holds the exact quantile all the same, and the shape of the
 * reference inside them puts the estimate near it. */
static void test_segment_quantiles(void **state)
{
    struct world *w = *state;
    static double x[WINDOW_EVENTS], steps[WINDOW_EVENTS];
    report_segment(w, WINDOW_EVENTS, NULL, north(w));
    for (uint64_t i = 0; i < WINDOW_EVENTS; i++) {
        struct made made;
        make(&made, REFERENCE_EVENTS + NORTH_EVERY * i);
        x[i] = made.fields[0].value.number;
        steps[i] = made.fields[1].value.number;
    }
    qsort(x, WINDOW_EVENTS, sizeof(*x), ascending);
    qsort(steps, WINDOW_EVENTS, sizeof(*steps), ascending);
    static const struct {
        int slot, rank;
    } cases[] = {{QUALITY_P05, 50}, {QUALITY_P50, 500}, {QUALITY_P95, 950}};
    for (size_t c = 0; c < 3; c++) {
        const double *at = slots_of(w, "x") + cases[c].slot;
        double exact = x[cases[c].rank - 1];
        assert_true(at[1] < exact && exact <= at[2] && at[1] <= at[0] && at[0] <= at[2]);
        assert_true(fabs(at[0] - exact) < 0.5 * (at[2] - at[1]));
        assert_true(slots_of(w, "steps")[cases[c].slot] == steps[cases[c].rank - 1]);
    }
}

/* One coarse bin of fine bins 1 and 2, (0, 1] and (1, 4]. */
static void test_quantile_shape(void **state)
{
    (void)state;
    double edges[] = {0, 1, 4};
    struct feature_grid feature = {.type = FEATURE_NUMERIC,
                                   .edge_count = 3,
                                   .edges = edges,
                                   .coarse_slot = {0, 1, 1, 2, 3, 4},
                                   .slot_count = {6, 5}};
    const struct {
        uint64_t slots[5], shape[6];
        unsigned percent;
        double value, low, high;
    } cases[] = {
        {{0, 100, 0}, {0, 1, 3}, 50, 1 + 3 * (0.495 * 4 - 1) / 3, 0, 4},
        {{0, 100, 0}, {0, 3, 1}, 50, 0.495 * 4 / 3, 0, 4},
        {{0, 100, 0}, {0, 0, 1}, 50, 1 + 3 * 0.495, 0, 4},
        {{0, 100, 0}, {0, 1, 0}, 50, 0.495, 0, 4},
        {{0, 100, 0}, {9, 0, 0, 9}, 50, 4 * 0.495, 0, 4}, /* nothing known of its inside */
        {{0, 1, 0}, {0, 2, 2}, 95, 1, 0, 4},
        {{3, 0, 1}, {0, 1, 1}, 50, NAN, NAN, 0},
        {{1, 0, 3}, {0, 1, 1}, 95, NAN, 4, NAN},
        {{0, 0, 0, 7, 7}, {0, 1, 1}, 50, NAN, NAN, NAN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bin_quantile got =
            quality_quantile(&feature, GRID_COARSE, cases[i].slots, cases[i].shape, cases[i].percent);
        double pairs[][2] = {{got.value, cases[i].value}, {got.low, cases[i].low}, {got.high, cases[i].high}};
        for (size_t k = 0; k < 3; k++)
            assert_true(isnan(pairs[k][1]) ? isnan(pairs[k][0]) : fabs(pairs[k][0] - pairs[k][1]) < 1e-12);
    }
}

static void one_of_its_city(struct made *made, uint64_t i)
{
    same_x(made, i);
    made->fields[2].value = string("north");
}

static void test_segment_stuck(void **state)
{
    struct world *w = *state;
    report_segment(w, WINDOW_EVENTS, one_of_its_city, north(w));
    assert_true(slots_of(w, "x")[QUALITY_STUCK] == 1 && slots_of(w, "steps")[QUALITY_STUCK] == 1);
    assert_true(slots_of(w, "city")[QUALITY_STUCK] == 0); /* its reference does not vary either */
    report_segment(w, WINDOW_EVENTS, nearly_same_x, north(w));
    assert_true(slots_of(w, "x")[QUALITY_STUCK] == 0);
    report_segment(w, WINDOW_EVENTS, one_of_its_city, NULL); /* nobody knows whether it varies here */
    assert_true(isnan(slots_of(w, "x")[QUALITY_STUCK]) && isnan(slots_of(w, "city")[QUALITY_STUCK]));
    assert_true(slots_of(w, "city")[QUALITY_MODE_SHARE] == 1);
    assert_true(fabs(slots_of(w, "city")[QUALITY_MODE_DELTA] - 2 / 3.) < 1e-15);
}

static void texts(struct made *made, uint64_t i, uint64_t of_five)
{
    if (i % 5 < of_five)
        made->fields[0].value = string("none");
}

static void texts_1(struct made *made, uint64_t i)
{
    texts(made, i, 1);
}

static void texts_2(struct made *made, uint64_t i)
{
    texts(made, i, 2);
}

static void texts_3(struct made *made, uint64_t i)
{
    texts(made, i, 3);
}

static void texts_4(struct made *made, uint64_t i)
{
    texts(made, i, 4);
}

static void texts_5(struct made *made, uint64_t i)
{
    texts(made, i, 5);
}

static void test_segment_types(void **state)
{
    struct world *w = *state;
    static const struct {
        change_fn *change;
        double other, changed;
    } cases[] = {
        {NULL, 0, 0},      {texts_1, 0.2, 0},
        {texts_2, 0.4, 0}, {texts_3, 0.6, NAN}, /* might be of three kinds, each rarer than numbers */
        {texts_4, 0.8, 1}, {texts_5, 1, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        report_segment(w, WINDOW_EVENTS, cases[i].change, north(w));
        const double *x = slots_of(w, "x"), expected = cases[i].changed;
        assert_true(x[QUALITY_OTHER_TYPE] == cases[i].other);
        assert_true(isnan(expected) ? isnan(x[QUALITY_TYPE_CHANGED]) : x[QUALITY_TYPE_CHANGED] == expected);
        report_segment(w, WINDOW_EVENTS, cases[i].change, NULL);
        assert_true(x[QUALITY_OTHER_TYPE] == cases[i].other && isnan(x[QUALITY_TYPE_CHANGED]));
    }
    assert_true(isnan(slots_of(w, "city")[QUALITY_OTHER_TYPE]) &&
                isnan(slots_of(w, "x")[QUALITY_NOT_FINITE]));
}

static void no_x(struct made *made, uint64_t i)
{
    (void)i;
    made->fields[0].value = (struct value){.type = VALUE_NULL};
}

static void test_segment_removed(void **state)
{
    struct world *w = *state;
    report_segment(w, WINDOW_EVENTS, no_x, north(w));
    assert_true(slots_of(w, "x")[QUALITY_REMOVED] == 1 && slots_of(w, "steps")[QUALITY_REMOVED] == 0);
    assert_true(slots_of(w, "x")[QUALITY_MISSING] == 1 && isnan(slots_of(w, "x")[QUALITY_P50]) &&
                isnan(slots_of(w, "x")[QUALITY_MODE_SHARE]) && isnan(slots_of(w, "x")[QUALITY_STUCK]));
    report_segment(w, WINDOW_EVENTS, no_x, NULL);
    assert_true(isnan(slots_of(w, "x")[QUALITY_REMOVED]) && slots_of(w, "x")[QUALITY_MISSING] == 1);
    /* A reference of 20 events of which one had the field is not sure that a hundred may not lack it. */
    struct tally *small = tally_new(w->reference->coarse->size);
    uint32_t f = grid_find(w->reference->grid, text_of("x"));
    uint64_t *slots = small->counters + w->reference->coarse->slot_at[f];
    slots[1] = 1;
    slots[feature_slot_missing(&w->reference->grid->features[f], GRID_COARSE)] = 19;
    report_segment(w, 100, no_x, small);
    assert_true(slots_of(w, "x")[QUALITY_REMOVED] == 0);
    report_segment(w, 10000, no_x, small);
    assert_true(slots_of(w, "x")[QUALITY_REMOVED] == 1);
    tally_free(small);
}

static void test_segment_degenerate(void **state)
{
    struct world *w = *state;
    struct tally *nothing = tally_new(w->reference->coarse->size);
    const struct tally *references[] = {NULL, north(w), nothing};
    for (size_t r = 0; r < 3; r++) {
        report_segment(w, 0, NULL, references[r]);
        for (uint32_t f = 0; f < w->reference->grid->feature_count; f++)
            for (int s = 0; s < QUALITY_SLOT_COUNT; s++)
                assert_true(isnan(w->rows[f].slots[s]));
        report_segment(w, 1, NULL, references[r]);
        assert_true(slots_of(w, "city")[QUALITY_MODE_SHARE] == 1 && isnan(slots_of(w, "x")[QUALITY_STUCK]));
        assert_true(isnan(slots_of(w, "x")[QUALITY_MISSING]) == (references[r] == nothing));
    }
    tally_free(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles),         cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_types_and_rates),   cmocka_unit_test(test_fields),
        cmocka_unit_test(test_degenerate),        cmocka_unit_test(test_top),
        cmocka_unit_test(test_segment_rates),     cmocka_unit_test(test_segment_out_of_range),
        cmocka_unit_test(test_segment_quantiles), cmocka_unit_test(test_quantile_shape),
        cmocka_unit_test(test_segment_stuck),     cmocka_unit_test(test_segment_types),
        cmocka_unit_test(test_segment_removed),   cmocka_unit_test(test_segment_degenerate),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
