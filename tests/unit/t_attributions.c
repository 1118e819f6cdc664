/* attributions.c: sums by feature of the grid, what is not counted, and the rows against plain sums. */
#include "tests/unit/near.h"
#include "tests/unit/reference_document.h"

#include <stdlib.h>

#include "detectors/attribution.h"
#include "detectors/attribution_slots.h"
#include "detectors/attributions.h"
#include "detectors/reference.h"

enum { FEATURES = 4, ROWS_MAX = 16 };
static const char *const names[FEATURES + 1] = {"age", "city", "income", "tenure", "stranger"};
static const struct model_options options = {.n_min = 200, .threshold = 0.5, .unit = 1};

struct world {
    struct reference *reference;
    struct feature_binding *binding;
    struct family_tools tools;
};

static struct value number(double x)
{
    return (struct value){VALUE_NUMBER, x, {0}, NULL, 0};
}

/* Name ids as a decoder gives them: the same for features and attributions. */
static struct field field(uint32_t name, struct value value)
{
    return (struct field){text_of(names[name]), name, value};
}

static double importance(uint32_t feature, uint64_t *seed)
{
    return (feature + 1.0) * (random_unit(seed) - 0.4);
}

static struct reference *build(bool with_attributions)
{
    struct reference_options of = {.name = "r", .model = "m", .version = "1", .source = "test"};
    struct reference_builder *builder = reference_builder_new(&of);
    assert_non_null(builder);
    uint64_t seed = 9;
    for (int i = 0; i < 500; i++) {
        struct field features[FEATURES], attributions[FEATURES];
        char id[16];
        (void)snprintf(id, sizeof(id), "%d", i);
        for (uint32_t f = 0; f < FEATURES; f++) {
            features[f] = field(f, number(i % 17));
            attributions[f] = field(f, number(importance(f, &seed)));
        }
        struct event ev = {.kind = EVENT_PREDICTION,
                           .model = text_of("m"),
                           .id = text_of(id),
                           .features = {features, FEATURES},
                           .attributions = {attributions, with_attributions ? FEATURES : 0}};
        assert_int_equal(reference_builder_add(builder, &ev), 0);
    }
    return finished(builder);
}

static void open_world(struct world *world, bool with_attributions)
{
    world->reference = build(with_attributions);
    world->binding = feature_binding_new(world->reference->grid);
    assert_non_null(world->binding);
    assert_int_equal(family_tools_init(&world->tools), 0);
}

static void close_world(struct world *world)
{
    feature_binding_free(world->binding);
    family_tools_release(&world->tools);
    reference_free(world->reference);
}

static void add(const struct world *world, struct tally *tally, const struct field *attributions,
                uint32_t count)
{
    struct event ev = {.kind = EVENT_PREDICTION, .attributions = {attributions, count}};
    struct count_input input = {.event = &ev,
                                .options = &options,
                                .tools = &world->tools,
                                .reference = world->reference,
                                .binding = world->binding};
    if (attributions_family.applies(&input))
        attributions_family.add(tally, &input, 1);
}

static uint32_t report(const struct world *world, const struct tally *tally, struct report_row *rows,
                       struct text *subjects)
{
    uint64_t activity[EVENT_KIND_COUNT] = {0};
    struct family_report in = {.current = tally,
                               .baseline = world->reference->counts[COUNT_ATTRIBUTIONS],
                               .reference = world->reference,
                               .options = &options,
                               .tools = &world->tools,
                               .activity = activity,
                               .window_ms = 1000};
    assert_true(attributions_family.rows_max(world->reference) <= ROWS_MAX);
    return attributions_family.report(&in, rows, subjects);
}

static struct tally *new_tally(const struct world *world)
{
    struct tally *tally = tally_new(attributions_family.size(&world->tools, world->reference));
    assert_non_null(tally);
    return tally;
}

static void rows_are_what_sums_say(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, true);
    const struct tally *baseline = world.reference->counts[COUNT_ATTRIBUTIONS];
    assert_non_null(baseline);
    struct tally *tally = new_tally(&world);
    double now[FEATURES] = {0}, before[FEATURES] = {0}, now_total = 0, before_total = 0;
    uint64_t seed = 9;
    for (int i = 0; i < 500; i++)
        for (uint32_t f = 0; f < FEATURES; f++)
            before[f] += fabs(importance(f, &seed)) / 500;
    for (int i = 0; i < 300; i++) {
        struct field attributions[FEATURES];
        for (uint32_t f = 0; f < FEATURES; f++) {
            double a = importance(FEATURES - 1 - f, &seed); /* the other way round */
            attributions[f] = field(f, number(a));
            now[f] += fabs(a) / 300;
        }
        add(&world, tally, attributions, FEATURES);
    }
    struct report_row rows[ROWS_MAX];
    struct text subjects[ROWS_MAX];
    assert_int_equal(report(&world, tally, rows, subjects), 1 + FEATURES);
    for (uint32_t f = 0; f < FEATURES; f++) {
        now_total += now[f];
        before_total += before[f];
    }
    struct attribution_drift want;
    assert_int_equal(attribution_drift(before, now, FEATURES, &want), 0);
    assert_near(rows[0].slots[ATTRIBUTION_NDCG], want.ndcg, 1e-9);
    assert_near(rows[0].slots[ATTRIBUTION_NDCG_LOSS], 1 - want.ndcg, 1e-9);
    assert_near(rows[0].slots[ATTRIBUTION_SHARE_L1], want.share_l1, 1e-9);
    assert_near(rows[0].slots[ATTRIBUTION_SHARE_JS], want.share_js, 1e-9);
    assert_near(rows[0].slots[ATTRIBUTION_SPEARMAN], -1, 1e-12);
    assert_true(rows[0].n == 300 && rows[0].reference_n == 500 && rows[0].flags == 0);
    assert_true(rows[0].slots[ATTRIBUTION_NDCG_LOSS] > 0.10);
    for (uint32_t f = 0; f < FEATURES; f++) {
        const double *slots = rows[1 + f].slots;
        assert_true(text_equal(subjects[1 + f], text_of(names[f]))); /* in the order of the grid: by name */
        assert_near(slots[ATTRIBUTED_MEAN], now[f], 1e-11);
        assert_near(slots[ATTRIBUTED_REFERENCE_MEAN], before[f], 1e-11);
        assert_near(slots[ATTRIBUTED_SHARE_CHANGE], now[f] / now_total - before[f] / before_total, 1e-11);
        assert_int_equal(rows[1 + f].n, 300);
    }
    tally_free(tally);
    close_world(&world);
}

static void what_is_not_counted(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, true);
    struct tally *tally = new_tally(&world);
    struct value null = {.type = VALUE_NULL}, text = {.type = VALUE_STRING, .text = text_of("x")};
    struct field odd[] = {field(0, number(-INFINITY)), field(1, null), field(2, text), field(4, number(1))};
    add(&world, tally, odd, 4);
    add(&world, tally, odd, 0); /* says nothing */
    struct report_row rows[ROWS_MAX];
    struct text subjects[ROWS_MAX];
    assert_int_equal(report(&world, tally, rows, subjects), 1 + FEATURES);
    assert_int_equal(rows[0].n, 1);
    assert_int_equal(rows[0].flags, REPORT_INSUFFICIENT);
    assert_near(rows[0].slots[ATTRIBUTION_UNKNOWN_RATE], 0.5, 1e-15);
    assert_near(rows[0].slots[ATTRIBUTION_CLIPPED_RATE], 0.5, 1e-15);
    assert_near(rows[1].slots[ATTRIBUTED_MEAN], 0x1p31, 0);
    for (int i = 0; i < 1 + FEATURES; i++)
        for (int s = 0; s < REPORT_SLOTS; s++)
            assert_true(!isinf(rows[i].slots[s]));
    tally_free(tally);
    close_world(&world);
}

static void all_zero_or_no_baseline_is_undefined(void **state)
{
    (void)state;
    struct report_row rows[ROWS_MAX];
    struct text subjects[ROWS_MAX];
    for (int with = 0; with < 2; with++) {
        struct world world;
        open_world(&world, with);
        struct tally *tally = new_tally(&world);
        assert_int_equal(report(&world, tally, rows, subjects), 0);
        struct field zero[] = {field(0, number(0)), field(1, number(0))};
        add(&world, tally, zero, 2);
        assert_int_equal(report(&world, tally, rows, subjects), with ? 1 + FEATURES : 3);
        assert_nan(rows[0].slots[ATTRIBUTION_NDCG]);
        assert_nan(rows[0].slots[ATTRIBUTION_NDCG_LOSS]);
        assert_nan(rows[0].slots[ATTRIBUTION_SHARE_JS]);
        assert_nan(rows[1].slots[ATTRIBUTED_SHARE]);
        assert_near(rows[1].slots[ATTRIBUTED_MEAN], 0, 0);
        assert_int_equal(rows[0].reference_n, with ? 500 : 0);
        tally_free(tally);
        close_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_sums_say),
        cmocka_unit_test(what_is_not_counted),
        cmocka_unit_test(all_zero_or_no_baseline_is_undefined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
