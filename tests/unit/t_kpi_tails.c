/* kpi_tails.c: which KPIs, means of held values within 1 %, one value that is far out, degenerate periods. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "detectors/kpi.h"
#include "detectors/kpi_tails.h"

static char name_b[] = "b", name_plain[] = "plain", name_a[] = "a";
static struct kpi_scale scales[] = {{name_b, 10, (double)NAN, (double)NAN, true},
                                    {name_plain, 1, (double)NAN, (double)NAN, false},
                                    {name_a, 1, (double)NAN, 1000, true}};
static const struct model_options options = {.n_min = 200, .kpis = scales, .kpi_count = 3};

struct world {
    struct family_tools tools;
    struct intern *names;
    struct kpi_past past[KPI_SLOTS_MAX];
    struct tally *now, *before;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_int_equal(family_tools_init(&world->tools), 0);
    world->names = intern_new(KPI_SLOTS_MAX);
    for (int i = 0; i < 3; i++)
        assert_int_equal(intern_add(world->names, text_of(scales[i].name)), i);
    world->now = tally_new(kpi_tails_family.size(&world->tools, NULL));
    world->before = tally_new(kpi_tails_family.size(&world->tools, NULL));
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    tally_free(world->now);
    tally_free(world->before);
    intern_free(world->names);
    family_tools_release(&world->tools);
    free(world);
    return 0;
}

static bool add(const struct world *world, struct tally *into, int which, double x)
{
    struct field field = {text_of(scales[which].name), 0, {.type = VALUE_NUMBER, .number = x}};
    struct kpi_target target = {(uint8_t)which, &scales[which]};
    struct event ev = {.kind = EVENT_KPI, .kpis = {&field, 1}};
    struct count_input input = {.event = &ev, .options = &options, .tools = &world->tools, .kpis = &target};
    if (!kpi_tails_family.applies(&input))
        return false;
    kpi_tails_family.add(into, &input, 1);
    return true;
}

static uint32_t report_of(struct world *world, struct report_row *rows, struct text *names)
{
    struct kpi_view view = {
        .names = world->names, .past = world->past, .window_end_ms = 2000, .tails = world->before};
    struct family_report report = {
        .current = world->now, .options = &options, .tools = &world->tools, .kpi = &view};
    return kpi_tails_family.report(&report, rows, names);
}

static void first_period(struct world *world, uint64_t n)
{
    for (int slot = 0; slot < 3; slot++)
        world->past[slot] = (struct kpi_past){.baseline.n = n, .total.n = n, .until_ms = 1000};
}

static void test_which(void **state)
{
    struct world *world = *state;
    assert_ptr_equal(kpi_tails_scale(&options, 0), &scales[2]); /* by name */
    assert_ptr_equal(kpi_tails_scale(&options, 1), &scales[0]);
    assert_null(kpi_tails_scale(&options, 2));
    assert_false(add(world, world->now, 1, 5));
    assert_true(add(world, world->now, 0, 5));
    struct kpi_target refused = {KPI_NO_SLOT, NULL};
    struct field field = {text_of("x"), 0, {.type = VALUE_NUMBER, .number = 1}};
    struct event ev = {.kind = EVENT_KPI, .kpis = {&field, 1}};
    struct count_input input = {.event = &ev, .options = &options, .kpis = &refused};
    assert_false(kpi_tails_family.applies(&input));
    struct tally *sum = tally_new(world->now->size);
    kpi_tails_add(sum, world->now, 0); /* `a` has nothing */
    assert_true(tally_is_zero(sum));
    kpi_tails_add(sum, world->now, 1);
    assert_false(tally_is_zero(sum));
    tally_free(sum);
}

enum { N = 5000 };

static void test_one_value_far_out(void **state)
{
    struct world *world = *state;
    struct report_row rows[KPI_TAILS_MAX];
    struct text names[KPI_TAILS_MAX];
    double mean = 0;
    uint64_t seed = 5;
    for (int i = 0; i < N; i++) {
        double x = 20 + 60 * random_unit(&seed);
        assert_true(add(world, world->before, 0, i % 3 ? x : -x)); /* of both signs */
        assert_true(add(world, world->now, 0, i % 3 ? x : -x));
        mean += (i % 3 ? x : -x) / N;
    }
    first_period(world, N);
    assert_int_equal(report_of(world, rows, names), 1);
    assert_true(text_equal(names[0], text_of("b")) && rows[0].family == FAMILY_KPI_TAILS);
    assert_true(rows[0].n == N && rows[0].reference_n == N && rows[0].flags == 0);
    assert_near(rows[0].slots[KPI_TAILS_MEAN], mean, 0.01 * 50);
    assert_near(rows[0].slots[KPI_TAILS_DIFFERENCE], 0, 1e-9);
    assert_near(rows[0].slots[KPI_TAILS_DIFFERENCE_P], 1, 1e-9);
    assert_near(rows[0].slots[KPI_TAILS_HIGH], 80, 1);
    assert_near(rows[0].slots[KPI_TAILS_LOW], -80, 1);
    assert_true(add(world, world->now, 0, 1e12)); /* counts as 80 */
    assert_int_equal(report_of(world, rows, names), 1);
    assert_near(rows[0].slots[KPI_TAILS_MEAN], mean, 0.6);
    assert_true(rows[0].slots[KPI_TAILS_DIFFERENCE_P] > 0.9);
    assert_true(rows[0].slots[KPI_TAILS_HELD] >= 1.0 / (N + 1));
}

static void test_nothing_to_say(void **state)
{
    struct world *world = *state;
    struct report_row rows[KPI_TAILS_MAX];
    struct text names[KPI_TAILS_MAX];
    assert_int_equal(report_of(world, rows, names), 0);
    assert_true(add(world, world->now, 0, 7) && add(world, world->now, 2, NAN));
    assert_int_equal(report_of(world, rows, names), 0); /* the first period goes on */
    first_period(world, KPI_MINIMUM_N);
    for (int i = 0; i < KPI_MINIMUM_N; i++)
        assert_true(add(world, world->before, 0, 7));
    assert_int_equal(report_of(world, rows, names), 1); /* constant: no test */
    assert_near(rows[0].slots[KPI_TAILS_DIFFERENCE], 0, 1e-12);
    assert_nan(rows[0].slots[KPI_TAILS_DIFFERENCE_P]);
    assert_int_equal(rows[0].flags, REPORT_INSUFFICIENT);
    assert_true(add(world, world->now, 0, 0) && add(world, world->now, 0, 1e-30) &&
                add(world, world->now, 0, -1e300));
    assert_int_equal(report_of(world, rows, names), 1);
    for (int i = 0; i < REPORT_SLOTS; i++)
        assert_true(!isinf(rows[0].slots[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_which, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_value_far_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_to_say, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
