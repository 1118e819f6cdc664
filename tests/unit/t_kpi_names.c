/* kpi_names.c: slots by first appearance behind the configured ones, announced once, refused beyond the cap.
 */
#include "tests/unit/near.h"

#include "agent/kpi_names.h"

static char amount[] = "amount", visits[] = "visits";
static struct kpi_scale scales[] = {{amount, 1000, 0, 5e4, false}, {visits, 1, NAN, NAN, false}};
static const struct model_options options = {.unit = 1, .kpis = scales, .kpi_count = 2};

static const struct kpi_target *resolve(struct kpi_names *names, struct delta *delta, const char *const *kpis,
                                        uint32_t count)
{
    struct field fields[KPI_SLOTS_MAX * 2];
    const struct kpi_target *targets = NULL;
    for (uint32_t i = 0; i < count; i++)
        fields[i] = (struct field){text_of(kpis[i]), i, {VALUE_NUMBER, 1, {0}, NULL, 0}};
    struct fields of = {fields, count};
    assert_int_equal(kpi_names_resolve(names, delta, 3, &of, &targets), 0);
    return targets;
}

static void slots_and_announcements(void **state)
{
    (void)state;
    struct kpi_names *names = kpi_names_new(&options, 4);
    struct delta *delta = delta_new();
    assert_true(names && delta);
    assert_true(kpi_names_basis(names) == kpi_basis(&options));
    static const char *const first[] = {"other", "visits"}, *const second[] = {"visits", "third", "fifth",
                                                                               "amount"};
    const struct kpi_target *targets = resolve(names, delta, first, 2);
    assert_true(targets[0].slot == 2 && targets[1].slot == 1);
    assert_true(targets[0].scale->unit == 1 && targets[1].scale == &scales[1]);
    uint32_t count;
    const struct delta_kpi *kpis = delta_new_kpis(delta, &count);
    assert_int_equal(count, 2);
    assert_string_equal(kpis[0].name, "other");
    assert_true(kpis[0].slot == 2 && kpis[0].series == 3 && kpis[1].slot == 1);
    assert_true(!delta_is_empty(delta));

    delta_reset(delta);
    (void)delta_new_kpis(delta, &count);
    assert_true(count == 0 && delta_is_empty(delta));
    targets = resolve(names, delta, second, 4);
    assert_true(targets[0].slot == 1 && targets[1].slot == 3 && targets[2].slot == KPI_NO_SLOT);
    assert_true(targets[3].slot == 0 && targets[3].scale == &scales[0]);
    kpis = delta_new_kpis(delta, &count);
    assert_int_equal(count, 2); /* third, amount: visits was announced before */
    assert_string_equal(kpis[0].name, "third");
    assert_string_equal(kpis[1].name, "amount");
    targets = resolve(names, delta, second, 0);
    assert_non_null(targets);
    delta_free(delta);
    kpi_names_free(names);
    kpi_names_free(NULL);
}

static void no_slots(void **state)
{
    (void)state;
    struct kpi_names *names = kpi_names_new(&options, 0);
    struct delta *delta = delta_new();
    static const char *const kpis[] = {"amount", "x"};
    const struct kpi_target *targets = resolve(names, delta, kpis, 2);
    assert_true(targets[0].slot == KPI_NO_SLOT && targets[1].slot == KPI_NO_SLOT);
    uint32_t count;
    (void)delta_new_kpis(delta, &count);
    assert_int_equal(count, 0);
    delta_free(delta);
    kpi_names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_and_announcements),
        cmocka_unit_test(no_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
