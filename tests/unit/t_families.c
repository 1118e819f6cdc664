/*
 * Properties that every family of the table must have, whatever it counts: order and grouping of events
 * change no byte, merging and subtracting is the identity, an event counted n times is n events, reports hold
 * nothing infinite and keep their bounds, and degenerate windows give rows or none, never a crash. A family
 * that is added to the table is tested here without a line more.
 */
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
#include "detectors/families.h"
#include "detectors/reference.h"
#include "tests/unit/reference_document.h"

enum { FEATURES = 6, EVENTS = 600, REFERENCE_EVENTS = 1500, CELLS = 5, ROUNDS = 4 };

static const struct model_options options = {
    .n_min = 50, .threshold = 0.5, .unit = 1, .multivariate = MULTIVARIATE_ALL, .record_lag = true};

static double unit_of(uint64_t seed)
{
    return (double)(hash_mix(seed * UINT64_C(0x9e3779b97f4a7c15) + 7) >> 11) * 0x1p-53;
}

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

/* ---- events ---- */

enum shape { SHAPE_RICH, SHAPE_CONSTANT, SHAPE_MISSING, SHAPE_WRONG, SHAPE_BARE, SHAPE_EXTREME, SHAPE_COUNT };

struct made {
    char id[24];
    struct field features[FEATURES], scores[3], attributions[3], groups[1], segments[1];
    double vector[4];
    struct event ev;
};

static struct value shaped(enum shape shape, uint32_t i, struct value rich)
{
    switch (shape) {
    case SHAPE_RICH:
        return rich;
    case SHAPE_CONSTANT:
        return rich.type == VALUE_STRING ? string("same") : number(0.25);
    case SHAPE_MISSING:
        return (struct value){.type = VALUE_NULL};
    case SHAPE_WRONG:
        return (struct value){.type = VALUE_OTHER};
    case SHAPE_EXTREME:
        return number(i & 1 ? 1e308 : -1e308);
    case SHAPE_BARE:
    case SHAPE_COUNT:
        break;
    }
    return (struct value){.type = VALUE_ABSENT};
}

/* Event `i` of a shape: a function of its number. Name ids are as a decoder would give them. */
static void make_event(struct made *made, uint32_t i, enum shape shape)
{
    static const char *const regions[] = {"north", "south", "west"};
    double a = unit_of(3 * i), b = unit_of(3 * i + 1), c = unit_of(3 * i + 2);
    (void)snprintf(made->id, sizeof(made->id), "event %u", (unsigned)i);
    for (int d = 0; d < 4; d++)
        made->vector[d] = unit_of(31 * i + (uint32_t)d) - 0.5;
    struct field features[FEATURES] = {
        {text_of("age"), 0, shaped(shape, i, number(18 + floor(60 * a)))},
        {text_of("income"), 1, shaped(shape, i, number(1000 * a + 100 * b))},
        {text_of("region"), 2, shaped(shape, i, string(regions[i % 3]))},
        {text_of("flag"), 3, shaped(shape, i, number(i & 1))},
        {text_of("rate"), 4, shaped(shape, i, number(b * c))},
        {text_of("embedding"), 5, {.type = VALUE_VECTOR, .vector = made->vector, .count = 4}},
    };
    struct field scores[3] = {{text_of("x"), 6, number(a / (a + b + c))},
                              {text_of("y"), 7, number(b / (a + b + c))},
                              {text_of("z"), 8, number(c / (a + b + c))}};
    struct field attributions[3] = {{text_of("age"), 0, shaped(shape, i, number(a - b))},
                                    {text_of("income"), 1, shaped(shape, i, number(b - c))},
                                    {text_of("unknown"), 9, number(1)}};
    memcpy(made->features, features, sizeof(features));
    memcpy(made->scores, scores, sizeof(scores));
    memcpy(made->attributions, attributions, sizeof(attributions));
    made->groups[0] = (struct field){text_of("sex"), 10, string(i % 2 ? "F" : "M")};
    made->segments[0] = (struct field){text_of("channel"), 11, string(i % 3 ? "web" : "app")};
    bool bare = shape == SHAPE_BARE;
    double score = shape == SHAPE_CONSTANT ? 0.25 : a;
    made->ev = (struct event){.kind = EVENT_PREDICTION,
                              .model = text_of("m"),
                              .id = text_of(made->id),
                              .ts_ms = INT64_C(1772366400000) + 1000 * (int64_t)i,
                              .features = {made->features, bare ? 0 : FEATURES},
                              .scores = {made->scores, bare ? 0 : 3},
                              .attributions = {made->attributions, bare ? 0 : 3},
                              .groups = {made->groups, bare ? 0 : 1},
                              .segments = {made->segments, bare ? 0 : 1},
                              .score = bare ? (struct value){.type = VALUE_ABSENT} : number(score),
                              .label = bare ? (struct value){.type = VALUE_ABSENT} : number(a > c),
                              .latency_ms = shaped(shape, i, number(1 + 100 * c))};
}

/* ---- counting ---- */

struct world {
    struct reference *reference;
    struct feature_binding *binding;
    struct feature_row *row;
    struct family_tools tools;
};

static int world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct reference_options wanted = {
        .name = "r", .model = "m", .version = "", .source = "test", .options = &options};
    struct reference_builder *builder = reference_builder_new(&wanted);
    assert_true(world && builder);
    for (uint32_t i = 0; i < REFERENCE_EVENTS; i++) {
        struct made made;
        make_event(&made, 1000000 + i, SHAPE_RICH);
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    world->reference = finished(builder);
    world->binding = feature_binding_new(world->reference->grid);
    world->row = feature_row_new(world->reference->grid->feature_count);
    assert_true(world->binding && world->row);
    assert_int_equal(family_tools_init(&world->tools), 0);
    *state = world;
    return 0;
}

static int world_free(void **state)
{
    struct world *world = *state;
    feature_row_free(world->row);
    feature_binding_free(world->binding);
    reference_free(world->reference);
    family_tools_release(&world->tools);
    free(world);
    return 0;
}

static void count(struct world *world, struct tally **tallies, uint32_t i, enum shape shape, uint64_t times)
{
    struct made made;
    make_event(&made, i, shape);
    assert_int_equal(feature_row_resolve(world->row, world->binding, &made.ev), 0);
    struct count_input input = {.event = &made.ev,
                                .options = &options,
                                .tools = &world->tools,
                                .reference = world->reference,
                                .row = world->row,
                                .binding = world->binding,
                                .record_ms = made.ev.ts_ms + (int64_t)(i % 5000) - 9};
    assert_int_equal(families_add(tallies, &input, times, false), 0);
}

static void release(struct tally **tallies)
{
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        tally_free(tallies[family]);
        tallies[family] = NULL;
    }
}

static void merge(struct tally **into, struct tally *const *from)
{
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        if (!from[family])
            continue;
        if (!into[family])
            assert_non_null(into[family] = tally_new(from[family]->size));
        tally_add(into[family], from[family]);
    }
}

static void assert_same(struct tally *const *a, struct tally *const *b)
{
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        assert_int_equal(a[family] != NULL, b[family] != NULL);
        if (!a[family])
            continue;
        struct strbuf x, y;
        strbuf_init(&x, 1 << 24);
        strbuf_init(&y, 1 << 24);
        tally_encode(a[family], &x);
        tally_encode(b[family], &y);
        if (x.len != y.len || memcmp(x.bytes, y.bytes, x.len) != 0)
            fail_msg("family %s: other bytes", family_table[family]->name);
        strbuf_release(&x);
        strbuf_release(&y);
    }
}

/* ---- properties ---- */

static void test_order_and_grouping(void **state)
{
    struct world *world = *state;
    struct tally *one[COUNT_FAMILY_COUNT] = {NULL};
    for (uint32_t i = 0; i < EVENTS; i++)
        count(world, one, i, (enum shape)(i % 7 ? SHAPE_RICH : i % SHAPE_COUNT), 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct tally *cells[CELLS][COUNT_FAMILY_COUNT] = {{NULL}}, *all[COUNT_FAMILY_COUNT] = {NULL};
        for (uint32_t n = 0; n < EVENTS; n++) { /* a permutation: 7 and 600 have no common divisor */
            uint32_t i = (7 * n + 13 * round) % EVENTS;
            uint32_t cell = (uint32_t)(unit_of(i + 1000 * round) * CELLS);
            count(world, cells[cell], i, (enum shape)(i % 7 ? SHAPE_RICH : i % SHAPE_COUNT), 1);
        }
        for (uint32_t c = 0; c < CELLS; c++)
            merge(all, cells[(c + round) % CELLS]); /* commutes */
        assert_same(one, all);
        release(all);
        struct tally *left[COUNT_FAMILY_COUNT] = {NULL}, *right[COUNT_FAMILY_COUNT] = {NULL};
        merge(left, cells[0]);
        merge(left, cells[1]);
        merge(right, cells[2]);
        merge(right, cells[3]);
        merge(right, cells[4]);
        merge(left, right); /* associates */
        assert_same(one, left);
        release(left);
        release(right);
        for (uint32_t c = 0; c < CELLS; c++)
            release(cells[c]);
    }
    release(one);
}

static void test_what_is_added_can_be_taken_back(void **state)
{
    struct world *world = *state;
    struct tally *before[COUNT_FAMILY_COUNT] = {NULL}, *more[COUNT_FAMILY_COUNT] = {NULL},
                 *sum[COUNT_FAMILY_COUNT] = {NULL};
    for (uint32_t i = 0; i < EVENTS; i++)
        count(world, i % 2 ? before : more, i, SHAPE_RICH, 1);
    merge(sum, before);
    merge(sum, more);
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++)
        if (more[family])
            tally_subtract(sum[family], more[family]);
    assert_same(before, sum);
    release(before);
    release(more);
    release(sum);
}

static void test_times(void **state)
{
    struct world *world = *state;
    for (int shape = 0; shape < SHAPE_COUNT; shape++) {
        struct tally *once[COUNT_FAMILY_COUNT] = {NULL}, *often[COUNT_FAMILY_COUNT] = {NULL};
        for (int n = 0; n < 37; n++)
            count(world, once, 5, (enum shape)shape, 1);
        count(world, often, 5, (enum shape)shape, 37);
        assert_same(once, often);
        release(once);
        release(often);
    }
}

static void check_report(struct world *world, int family, const struct tally *current,
                         const struct tally *baseline, const struct reference *reference, uint64_t events)
{
    const struct family_ops *ops = family_table[family];
    uint32_t max = ops->rows_max(reference);
    struct report_row *rows = calloc((size_t)max + 1, sizeof(*rows));
    struct text *names = calloc((size_t)max + 1, sizeof(*names));
    uint64_t activity[EVENT_KIND_COUNT] = {events};
    assert_true(rows && names);
    struct family_report report = {.current = current,
                                   .baseline = baseline,
                                   .reference = reference,
                                   .options = &options,
                                   .tools = &world->tools,
                                   .activity = activity,
                                   .window_ms = 3600000};
    uint32_t made = ops->report(&report, rows, names);
    assert_true(made <= max);
    for (uint32_t i = 0; i < made; i++) {
        assert_true(rows[i].family > FAMILY_FEATURES && rows[i].family < FAMILY_COUNT);
        assert_true(names[i].ptr && names[i].len > 0);
        for (int slot = 0; slot < REPORT_SLOTS; slot++)
            if (isinf(rows[i].slots[slot]))
                fail_msg("family %s: slot %d is infinite", ops->name, slot);
    }
    free(rows);
    free(names);
}

/* Every shape alone, and the mixture; few and many events; with and without a reference. */
static void test_reports(void **state)
{
    struct world *world = *state;
    static const uint32_t sizes[] = {1, 2, 49, EVENTS};
    for (int shape = 0; shape <= SHAPE_COUNT; shape++)
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            struct tally *tallies[COUNT_FAMILY_COUNT] = {NULL};
            for (uint32_t i = 0; i < sizes[s]; i++)
                count(world, tallies, i, (enum shape)(shape < SHAPE_COUNT ? shape : (int)i % SHAPE_COUNT), 1);
            for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
                const struct tally *baseline = world->reference->counts[family];
                if (!tallies[family])
                    continue;
                check_report(world, family, tallies[family], baseline, world->reference, sizes[s]);
                if (!family_table[family]->of_reference)
                    check_report(world, family, tallies[family], NULL, NULL, sizes[s]);
            }
            release(tallies);
        }
}

/* A window of nothing, as a sum from which everything was taken back. */
static void test_empty_windows(void **state)
{
    struct world *world = *state;
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        const struct family_ops *ops = family_table[family];
        struct tally_size size = ops->size(&world->tools, ops->of_reference ? world->reference : NULL);
        if (size.counters + size.sums == 0)
            continue;
        struct tally *empty = tally_new(size);
        assert_non_null(empty);
        check_report(world, family, empty, world->reference->counts[family], world->reference, 0);
        check_report(world, family, empty, empty, world->reference, 0);
        tally_free(empty);
    }
}

static void test_names_are_unique(void **state)
{
    (void)state;
    for (int a = 0; a < COUNT_FAMILY_COUNT; a++) {
        assert_non_null(family_table[a]);
        assert_true(family_table[a]->name && family_table[a]->name[0]);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(family_table[a]->name, family_table[b]->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_grouping),
        cmocka_unit_test(test_what_is_added_can_be_taken_back),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_empty_windows),
        cmocka_unit_test(test_names_are_unique),
    };
    return cmocka_run_group_tests(tests, world_new, world_free);
}
