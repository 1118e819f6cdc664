/* duplicates.c: counted per kind, a rate with its interval, none at all, no event. */
#include "tests/unit/near.h"

#include "detectors/duplicates.h"
#include "detectors/quality.h"
#include "detectors/reference.h"

static void test_rate(void **state)
{
    (void)state;
    struct tally *tallies[COUNT_FAMILY_COUNT] = {NULL};
    uint64_t activity[EVENT_KIND_COUNT] = {[EVENT_PREDICTION] = 80, [EVENT_KPI] = 10};
    const struct duplicate_counts usual = {1000, 30}, unknown = {0, 0};
    struct report_row row;
    for (int i = 0; i < 10; i++)
        assert_int_equal(families_add_duplicate(tallies, i < 7 ? EVENT_PREDICTION : EVENT_KPI), 0);
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++)
        assert_int_equal(tallies[family] != NULL, family == COUNT_DUPLICATES);
    assert_int_equal(tallies[COUNT_DUPLICATES]->counters[EVENT_PREDICTION], 7);
    assert_int_equal(tallies[COUNT_DUPLICATES]->counters[EVENT_KPI], 3);
    assert_true(duplicates_report(activity, tallies[COUNT_DUPLICATES], NULL, &row));
    assert_true(row.family == FAMILY_DUPLICATES && row.n == 100 && row.flags == 0);
    assert_near(row.slots[DUPLICATES_RATE], 0.1, 1e-15);
    assert_near(row.slots[DUPLICATES_RATE_LOW], 0.05522914, 1e-8);
    assert_near(row.slots[DUPLICATES_RATE_HIGH], 0.17436566, 1e-8);
    assert_near(row.slots[DUPLICATES_COUNT], 10, 0);
    assert_true(duplicates_report(activity, NULL, &unknown, &row)); /* none came */
    assert_near(row.slots[DUPLICATES_RATE], 0, 0);
    assert_near(row.slots[DUPLICATES_RATE_LOW], 0, 0);
    assert_true(row.slots[DUPLICATES_RATE_HIGH] > 0.01);
    assert_nan(row.slots[DUPLICATES_CHANGE]);
    assert_int_equal(row.reference_n, 0);
    assert_true(duplicates_report(activity, tallies[COUNT_DUPLICATES], &usual, &row));
    struct rate_change change = rate_change(10, 100, 30, 1000);
    assert_near(row.slots[DUPLICATES_CHANGE], 0.07, 1e-15);
    assert_near(row.slots[DUPLICATES_CHANGE_LOW], change.interval.low, 0);
    assert_near(row.slots[DUPLICATES_CHANGE_HIGH], change.interval.high, 0);
    assert_near(row.slots[DUPLICATES_CHANGE_P], change.test.p, 0);
    assert_int_equal(row.reference_n, 1000);
    uint64_t nothing[EVENT_KIND_COUNT] = {0};
    assert_false(duplicates_report(nothing, NULL, &usual, &row));
    tally_free(tallies[COUNT_DUPLICATES]);
}

/* Ordinary events never touch it, so it costs them nothing. */
static void test_applies_to_nothing(void **state)
{
    (void)state;
    struct event ev = {.kind = EVENT_PREDICTION};
    struct count_input input = {.event = &ev};
    assert_false(duplicates_family.applies(&input));
    assert_int_equal(duplicates_family.rows_max(NULL), 0);
    assert_false(duplicates_family.of_segments || duplicates_family.of_reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rate),
                                       cmocka_unit_test(test_applies_to_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
